//! `transire quickstart`: the main job, shown in a minute.
//!
//! It sets up an account, a key and an instance, and serves on loopback beside a registry that
//! trusts it. Then, as any client would, it gets a credential of each kind over HTTP with real
//! signatures, logs in, pushes an image and pulls it back. The account, the instance and the
//! credentials are real, and stay usable.

mod image;
mod next_steps;
mod process;
mod registry;
mod setup;
mod wire;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::next_steps::next_steps;
use self::process::{RunningRegistry, start_registry};
use self::registry::Registry;
use self::setup::make;
use crate::client::cloud::{CloudApi, Credential, Kind};
use crate::client::endpoint::{Endpoint, outgoing};
use crate::client::keys::{Api, FoundKey};
use crate::config::{Listen, Settings};
use crate::domain::instance::Instance;
use crate::domain::{Error, Result};
use crate::open::{Open, open};
use crate::serve::{self, Signals, Told};
use crate::service::{NewAccessKey, Service};

/// The name of the account, of its instance and of the registry's folder.
const NAME: &str = "quickstart";
const REGION: &str = "ap-guangzhou";

/// The options of the command.
#[derive(Args)]
pub struct Quickstart {
    /// The address to listen at, or a port on loopback. [default: 8480]
    #[arg(long, value_name = "ADDR")]
    listen: Option<Listen>,
    /// The registry's listen address.
    #[arg(long, default_value = "5000", value_name = "ADDR")]
    registry_listen: Listen,
    /// Exit after the proof.
    #[arg(long)]
    once: bool,
}

/// Runs the command; returns the signal that stopped it before it had shown everything.
///
/// # Errors
/// `Misconfigured` says which setting, address or registry can't be used; the other kinds are those
/// of the use cases.
pub async fn run(
    settings: &Settings,
    options: &Quickstart,
    signals: &mut Signals,
) -> Result<Result<(), Told>> {
    let prepared = signals.unless_told(prepare(settings, options)).await;
    let (service, listener, instance, key) = match prepared {
        Ok(prepared) => prepared?,
        Err(told) => return Ok(Err(told)),
    };
    let address = listener.local_addr().map_err(Error::internal)?;
    let settings = &with_console(settings, address);
    let endpoint = endpoint(address);
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(serve::run(
        Arc::clone(&service),
        settings.clone(),
        listener,
        stopped,
    ));
    say(&format!(
        "The service answers at http://{endpoint}: both cloud APIs, and the registries' token \
         exchange."
    ));
    if settings.admin_public {
        say(&format!(
            "The console answers at http://{endpoint}/console, for an operator's token."
        ));
    }
    let shown = signals
        .unless_told(show(
            &service, settings, options, &instance, &key, &endpoint,
        ))
        .await;
    let told = match shown {
        // The registry runs as long as its value lives.
        Ok(Ok(_registry)) if !options.once => {
            say("Serving until Ctrl-C.");
            signals.next().await;
            Ok(Ok(()))
        }
        Ok(shown) => shown.map(|_| Ok(())),
        Err(told) => Ok(Err(told)),
    };
    // The receiver lives as long as the task that is awaited next.
    stop.send(()).ok();
    tokio::select! {
        ended = running => ended.map_err(Error::internal)?,
        // A second signal ends the wait.
        _ = signals.next() => {}
    }
    told
}

/// Returns the settings with the console at `listen`, unless another machine could reach it there,
/// or it has an address of its own.
fn with_console(settings: &Settings, listen: SocketAddr) -> Settings {
    let mut settings = settings.clone();
    settings.admin_public |= listen.ip().is_loopback() && settings.admin_listen.is_none();
    settings
}

/// Opens the data and the socket, and makes the account, the instance and the key.
async fn prepare(
    settings: &Settings,
    options: &Quickstart,
) -> Result<(Arc<Service>, TcpListener, Arc<Instance>, NewAccessKey)> {
    let service = Arc::new(open(settings, Open::Serve).await?);
    service.operations.refuse_published().await?;
    let listen = options.listen.unwrap_or(settings.listen).address();
    serve::check_transport(settings, listen)?;
    let listener = serve::bind(listen).await?;
    let (instance, key) = make(&service).await?;
    Ok((service, listener, instance, key))
}

/// Gets credentials, logs in, pushes and pulls; returns the registry that it used.
async fn show(
    service: &Service,
    settings: &Settings,
    options: &Quickstart,
    instance: &Instance,
    key: &NewAccessKey,
    endpoint: &str,
) -> Result<Option<RunningRegistry>> {
    let realm = format!("http://{endpoint}/token");
    let registry = start_registry(service, settings, options, instance, &realm).await?;
    let client = match &registry {
        Some(running) => Registry::new(&running.host),
        None => Registry::without_registry(&realm, &instance.service),
    };
    let credentials = Box::pin(issue(instance, key, endpoint)).await?;
    for (place, (operation, credential)) in credentials.iter().enumerate() {
        say(&format!(
            "{operation}: got a credential of user {}",
            credential.username
        ));
        client.log_in(credential).await?;
        match &registry {
            Some(running) => {
                let repository = format!("demo/hello-{}", place + 1);
                let digest = client.push(credential, &repository).await?;
                client.pull(credential, &repository, &digest).await?;
                say(&format!(
                    "  it logged in at {}, pushed {repository}:v1, and pulled it back ({digest})",
                    running.host
                ));
            }
            None => say("  it logged in at the token exchange"),
        }
    }
    if registry.is_none() {
        say(
            "There is no registry on this machine, so nothing was pushed: install CNCF \
             Distribution (docker-registry), or name its program in TRANSIRE_QUICKSTART_REGISTRY.",
        );
    }
    next_steps(
        &credentials[1].1.username,
        instance,
        key,
        endpoint,
        registry.as_ref().map(|running| running.host.as_str()),
        &settings.data_dir,
    );
    Ok(registry)
}

/// Gets a credential by each operation that gives one.
async fn issue(
    instance: &Instance,
    key: &NewAccessKey,
    endpoint: &str,
) -> Result<[(&'static str, Credential); 3]> {
    let (client, endpoint) = (
        outgoing(None),
        Endpoint::parse(&format!("http://{endpoint}"))?,
    );
    let key = FoundKey {
        api: Api::Tencent,
        id: key.id.clone(),
        secret: key.secret.clone(),
        session_token: None,
        source: "the quickstart".to_owned(),
    };
    let api = CloudApi::new(&client, &endpoint, &key);
    let registry_id = instance.id.as_str();
    let long_term = Kind::LongTerm("made by the quickstart");
    Ok([
        (
            "CreateInstanceToken (TokenType temp)",
            api.create_instance_token(registry_id, Kind::Temporary)
                .await?,
        ),
        (
            "CreateInstanceToken (TokenType longterm)",
            api.create_instance_token(registry_id, long_term).await?,
        ),
        (
            "GetAuthorizationToken",
            api.get_authorization_token(instance.cri_id.as_str())
                .await?,
        ),
    ])
}

/// Returns the name by which clients reach an address. Some refuse a token exchange at a loopback
/// address; all take `localhost`.
fn endpoint(address: SocketAddr) -> String {
    if address.ip().is_loopback() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

/// Prints a line. A reader that went away is no reason to stop.
fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").ok();
}
