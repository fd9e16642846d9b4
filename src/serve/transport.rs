//! Whether clients can reach the service safely, and at all, by its settings.

use std::net::SocketAddr;

use crate::config::Settings;
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Result};

/// Refuses plain HTTP at an address that isn't loopback, unless the settings allow it.
///
/// # Errors
/// `Misconfigured`, with what to set.
pub fn check_transport(settings: &Settings, listen: SocketAddr) -> Result<()> {
    if settings.tls.certificate_file.is_some()
        || settings.allow_plain_http
        || listen.ip().to_canonical().is_loopback()
    {
        return Ok(());
    }
    let proxied = if settings.trusted_proxies.is_empty() {
        ""
    } else {
        ", as trusted_proxies suggests"
    };
    Err(Error::misconfigured(format!(
        "{listen} can be reached from other machines, and without TLS whoever is on the way reads \
         every secret: set tls.certificate_file and tls.key_file, or listen on a loopback address. \
         If a proxy in front speaks TLS{proxied}, set allow_plain_http = true"
    )))
}

/// Returns the reasons why clients may not reach this service at `public_url`.
pub(super) fn public_url_faults(settings: &Settings, listen: SocketAddr) -> Vec<String> {
    // Checked when the settings were read.
    let Ok(url) = HttpUrl::parse_base(&settings.public_url) else {
        return Vec::new();
    };
    let has_tls = settings.tls.certificate_file.is_some();
    let mut faults = Vec::new();
    if has_tls && url.scheme == "http" {
        faults.push(
            "this service speaks HTTPS, and public_url, where registries send their \
             clients, is http://"
                .to_owned(),
        );
    }
    if url.is_loopback() && !listen.ip().to_canonical().is_loopback() {
        faults.push(format!(
            "public_url names {}, which each client takes for its own machine, and this service \
             listens for others: set public_url to the address by which they reach it",
            url.host
        ));
    }
    // A proxy has a port of its own, and port 0 is any.
    let is_proxied = settings.allow_plain_http
        || !settings.trusted_proxies.is_empty()
        || url.scheme == "https" && !has_tls;
    if url.port != listen.port() && listen.port() != 0 && !is_proxied {
        faults.push(format!(
            "public_url sends clients to port {}, and this service listens at port {}: set \
             public_url to the port by which clients reach it, unless something forwards the one \
             to the other",
            url.port,
            listen.port()
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_that_leads_elsewhere_is_told_from_one_behind_a_proxy() {
        // A service for others ran with the default public_url, and registries sent clients to
        // their own machines.
        let bare = |url: &str| Settings {
            public_url: url.to_owned(),
            ..Settings::default()
        };
        let tls = |url: &str| {
            let mut settings = bare(url);
            settings.tls.certificate_file = Some("tls.crt".into());
            settings
        };
        let proxied = |url: &str| Settings {
            trusted_proxies: vec!["192.0.2.1".to_owned()],
            ..bare(url)
        };
        let plain = |url: &str| Settings {
            allow_plain_http: true,
            ..bare(url)
        };
        for (settings, listen, expected) in [
            (bare("http://localhost:8480"), "127.0.0.1:8480", &[][..]),
            (bare("http://localhost:8480"), "127.0.0.1:0", &[]),
            (bare("http://localhost:8480"), "[::1]:9000", &["port 8480"]),
            (bare("https://a.example.com"), "127.0.0.1:8480", &[]),
            (proxied("http://a.example.com"), "127.0.0.1:8480", &[]),
            (plain("http://a.example.com"), "0.0.0.0:8480", &[]),
            (
                plain("http://127.0.0.1:8480"),
                "0.0.0.0:8480",
                &["its own machine"],
            ),
            (tls("https://a.example.com"), "0.0.0.0:443", &[]),
            (tls("https://a.example.com"), "0.0.0.0:8443", &["port 443"]),
            (tls("https://a.example.com:8443"), "[::]:8443", &[]),
            (tls("https://[::1]:8443"), "[::]:8443", &["its own machine"]),
            (
                tls("http://a.example.com:8443"),
                "0.0.0.0:8443",
                &["speaks HTTPS"],
            ),
            (
                tls("http://localhost"),
                "0.0.0.0:8443",
                &["speaks HTTPS", "its own machine", "port 80"],
            ),
        ] {
            let faults = public_url_faults(&settings, listen.parse().unwrap());
            assert_eq!(
                faults.len(),
                expected.len(),
                "{} at {listen}: {faults:?}",
                settings.public_url
            );
            assert!(
                faults
                    .iter()
                    .zip(expected)
                    .all(|(fault, part)| fault.contains(part)),
                "{faults:?}"
            );
        }
    }
}
