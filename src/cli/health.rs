//! A question to a running service, as a container's health check asks it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::output::Output;
use crate::client::endpoint::Endpoint;
use crate::client::health;
use crate::config::Settings;
use crate::domain::{Error, Result};

#[derive(Args)]
pub(super) struct Health {
    /// The service's URL: HTTPS, or plain HTTP to this machine. Without it the settings say where
    /// this machine's service listens: metrics_listen, or listen where that one speaks plain HTTP.
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    endpoint: Option<String>,
    /// Certificates of authorities to trust besides the system's, in PEM.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// Reads the URL of a service, as it is.
fn endpoint(text: &str) -> Result<String> {
    Endpoint::parse(text)?;
    Ok(text.to_owned())
}

/// Asks the service, and prints that it is ready.
///
/// # Errors
/// `Misconfigured` when it isn't ready, doesn't answer, or has no URL that the settings tell.
pub(super) async fn run(settings: &Settings, asked: &Health, output: &Output) -> Result<()> {
    let url = match &asked.endpoint {
        Some(url) => url.clone(),
        None => own_url(settings)?,
    };
    health::ask(&url, asked.ca_file.clone()).await?;
    output.show(vec![("state", "ready".into()), ("url", url.into())])
}

/// Returns the URL at which this machine's service answers by plain HTTP.
///
/// # Errors
/// `Misconfigured` where none does.
pub(super) fn own_url(settings: &Settings) -> Result<String> {
    let has_tls = settings.tls.certificate_file.is_some();
    match settings.metrics_listen {
        Some(place) => Ok(format!("http://{}", reached_at(place.address()))),
        None if !has_tls => Ok(format!("http://{}", reached_at(settings.listen.address()))),
        None => Err(Error::misconfigured(
            "this machine's service speaks HTTPS alone, and its certificate is for another name: \
             give its --endpoint, or set metrics_listen",
        )),
    }
}

/// Returns the address at which a listener is reached from its own machine.
fn reached_at(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn the_listener_for_monitoring_is_asked_before_that_for_clients() {
        let with = |text: &str| own_url(&Settings::parse(text, []).unwrap());
        for (settings, expected) in [
            ("", "http://127.0.0.1:8480"),
            ("listen = '0.0.0.0:80'", "http://127.0.0.1:80"),
            ("listen = '[::]:80'", "http://[::1]:80"),
            ("metrics_listen = 9480", "http://127.0.0.1:9480"),
            (
                "metrics_listen = '192.0.2.1:9480'\n[tls]\ncertificate_file = 'a'\nkey_file = 'b'",
                "http://192.0.2.1:9480",
            ),
        ] {
            assert_eq!(with(settings).unwrap(), expected, "{settings}");
        }
        let refused = with("[tls]\ncertificate_file = 'a'\nkey_file = 'b'").unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Misconfigured);
    }
}
