//! `transire quickstart`: the main job, shown in a minute.
//!
//! It sets up an account, a key and an instance, and serves on loopback beside a registry that
//! trusts it. Then, as any client would, it gets a credential of each kind over HTTP with real
//! signatures, logs in, pushes an image and pulls it back. The account, the instance and the
//! credentials are real, and stay usable.

mod image;
mod registry;
mod wire;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use self::registry::Registry;
use crate::client::cloud::{CloudApi, Credential, Kind};
use crate::client::endpoint::{Endpoint, outgoing};
use crate::client::keys::FoundKey;
use crate::config::{self, Listen, Settings};
use crate::domain::credential::Cloud;
use crate::domain::ids::AccountId;
use crate::domain::instance::{AnyInstanceId, DefaultMark, Instance, RegistryKind};
use crate::domain::switch::Switch;
use crate::domain::{Error, Result, instance};
use crate::open::{Open, open};
use crate::registry_config::{self, Overwrite, RegistryConfig};
use crate::serve::{self, Signals, Told};
use crate::service::AccessKeyState;
use crate::service::{Caller, NewAccessKey, NewInstance, RequestContext, Service};

/// The name of the account, of its instance and of the registry's folder.
const NAME: &str = "quickstart";
const REGION: &str = "ap-guangzhou";
/// How long the registry may take to start.
const REGISTRY_START: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

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

/// The things of the last run that the next one uses again.
#[derive(Serialize, Deserialize)]
struct Memory {
    account: AccountId,
    instance: String,
    access_key_id: String,
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
    let endpoint = endpoint(listener.local_addr().map_err(Error::internal)?);
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

/// Opens the data and the socket, and makes the account, the instance and the key.
async fn prepare(
    settings: &Settings,
    options: &Quickstart,
) -> Result<(Arc<Service>, TcpListener, Arc<Instance>, NewAccessKey)> {
    let service = Arc::new(open(settings, Open::Serve).await?);
    let listen = options.listen.unwrap_or(settings.listen).address();
    serve::check_transport(settings, listen)?;
    let listener = serve::bind(listen).await?;
    let (instance, key) = make(&service).await?;
    Ok((service, listener, instance, key))
}

/// Makes the account and the instance, or finds those of the last run. It always makes a key, whose
/// secret is shown once.
async fn make(service: &Service) -> Result<(Arc<Instance>, NewAccessKey)> {
    let (operator, context) = (
        Caller::operator(),
        RequestContext::operator(service.base.request_id()),
    );
    let last: Option<Memory> = service
        .operations
        .command_state(&service.call(&operator, &context), NAME)
        .await?
        .and_then(|text| serde_json::from_str(&text).ok());
    let (account, instance) = match &last {
        Some(memory) => {
            let id: AnyInstanceId = memory.instance.parse()?;
            let instance = service
                .registry
                .instance(&service.call(&operator, &context), &id.into())
                .await?;
            say(&format!(
                "Account {} and instance {} are there from the last run.",
                memory.account, instance.id
            ));
            (memory.account, instance)
        }
        None => {
            let account = service
                .identity
                .create_account(&service.call(&operator, &context), None, NAME, None)
                .await?
                .id;
            say(&format!(
                "transire account create --name {NAME}: account {account}"
            ));
            let new = NewInstance {
                account,
                name: NAME.to_owned(),
                region: REGION.to_owned(),
                service: format!("{NAME}.registry.localhost"),
                kind: RegistryKind::Distribution,
                issuer: None,
                algorithm: instance::Algorithm::Es256,
                kid_format: instance::KidFormat::Thumbprint,
                token_ttl_seconds: None,
                registry_url: None,
                specification: instance::Specification::Premium,
                default: DefaultMark::Marked,
                refresh_tokens: Switch::Off,
                token_log_in: Switch::On,
            };
            let instance = service
                .registry
                .create_instance(&service.call(&operator, &context), new)
                .await?;
            say(&format!(
                "transire instance create --name {NAME} --default: instance {} (also {})",
                instance.id, instance.cri_id
            ));
            (account, Arc::new(instance))
        }
    };
    let key = service
        .identity
        .create_access_key(&service.call(&operator, &context), account, None)
        .await?;
    say(&format!(
        "transire access-key create --account {account}: access key {}",
        key.id
    ));
    let memory = Memory {
        account,
        instance: instance.id.to_string(),
        access_key_id: key.id.clone(),
    };
    service
        .operations
        .set_command_state(
            &service.call(&operator, &context),
            NAME,
            &serde_json::to_string(&memory).map_err(Error::internal)?,
        )
        .await?;
    if let Some(last) = last {
        service
            .identity
            .set_access_key_state(
                &service.call(&operator, &context),
                &last.access_key_id,
                AccessKeyState::Deleted,
            )
            .await?;
        say(&format!(
            "transire access-key delete --id {}: the last run's",
            last.access_key_id
        ));
    }
    Ok((instance, key))
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
        cloud: Cloud::Tencent,
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

/// A registry that this process started; it ends with it.
struct RunningRegistry {
    host: String,
    _child: Child,
}

/// Starts a registry that trusts the instance; `None` when there is no program for it.
async fn start_registry(
    service: &Service,
    settings: &Settings,
    options: &Quickstart,
    instance: &Instance,
    realm: &str,
) -> Result<Option<RunningRegistry>> {
    let named = settings
        .quickstart_registry
        .clone()
        .or_else(|| config::find_program(&["docker-registry", "registry"]));
    let Some(program) = named.filter(|program| program.is_file()) else {
        return Ok(None);
    };
    let listen = free_address(options.registry_listen.address()).await?;
    let directory = settings.data_dir.join("quickstart-registry");
    let config = RegistryConfig {
        kind: RegistryKind::Distribution,
        realm,
        service: &instance.service,
        issuer: service.base.issuer_of(instance),
        trusted_pem: &service.exchange.bundle_pem(),
        listen: &listen.to_string(),
        algorithm: instance.algorithm,
        storage: None,
    };
    let files = registry_config::files_for(&config, &directory)?;
    // The folder is its own, and its port may be another each time.
    registry_config::write(&[&files.trusted, &files.config], Overwrite::Replace)?;
    say(&format!(
        "transire registry-config --instance {} --kind distribution --out {}",
        instance.id,
        directory.display()
    ));
    let unusable = |error: std::io::Error| {
        Error::misconfigured(format!(
            "the registry {} can't be started: {error}",
            program.display()
        ))
    };
    let log_path = directory.join("registry.log");
    let log = std::fs::File::create(&log_path).map_err(unusable)?;
    let mut child = Command::new(&program)
        .arg("serve")
        .arg(&files.config.path)
        // Variables such as REGISTRY_HTTP_ADDR would override the configuration.
        .env_clear()
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone().map_err(unusable)?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .map_err(unusable)?;
    let host = endpoint(listen);
    let ready = async {
        while !Registry::new(&host).is_up().await {
            if let Some(status) = child.try_wait().map_err(unusable)? {
                return Err(Error::misconfigured(format!(
                    "the registry ended at once ({status}); its log is {}",
                    log_path.display()
                )));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    };
    tokio::time::timeout(REGISTRY_START, ready)
        .await
        .map_err(|_| {
            Error::misconfigured(format!(
                "the registry does not answer at {listen}; its log is {}",
                log_path.display()
            ))
        })??;
    say(&format!("A registry that trusts it answers at {host}."));
    Ok(Some(RunningRegistry {
        host,
        _child: child,
    }))
}

/// Returns the address itself, or with a free port in place of 0; fails when somebody listens
/// there.
async fn free_address(address: SocketAddr) -> Result<SocketAddr> {
    let taken = |error: std::io::Error| {
        Error::misconfigured(format!(
            "the registry can't listen at {address}: {error}; choose another --registry-listen \
             address"
        ))
    };
    TcpListener::bind(address)
        .await
        .and_then(|listener| listener.local_addr())
        .map_err(taken)
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

/// Prints what to try next, with the key's secret, which is shown this once.
///
/// Nothing is indented, because Python refuses pasted lines that begin with spaces.
fn next_steps(
    username: &str,
    instance: &Instance,
    key: &NewAccessKey,
    endpoint: &str,
    registry: Option<&str>,
) {
    let registry = registry.unwrap_or("REGISTRY");
    let (id, secret) = (&key.id, key.secret.expose());
    say(&format!(
        "
Try it yourself. The access key, shown this once:

export TENCENTCLOUD_SECRET_ID={id} TENCENTCLOUD_SECRET_KEY={secret} TENCENTCLOUD_REGION={REGION}
export ALIBABA_CLOUD_ACCESS_KEY_ID={id} ALIBABA_CLOUD_ACCESS_KEY_SECRET={secret}

Both clouds' SDKs, 70 MB in a virtual environment (on Debian, apt-get install python3-venv first):

python3 -m venv venv
venv/bin/pip install tencentcloud-sdk-python-tcr alibabacloud-cr20181201

Tencent Cloud's SDK:

venv/bin/python - <<'END'
from tencentcloud.common.credential import EnvironmentVariableCredential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.tcr.v20190924 import models, tcr_client
profile = ClientProfile(httpProfile=HttpProfile(protocol=\"http\", endpoint=\"{endpoint}\"))
client = tcr_client.TcrClient(EnvironmentVariableCredential().get_credential(), \"{REGION}\", profile)
request = models.CreateInstanceTokenRequest()
request.RegistryId = \"{tcr}\"
print(client.CreateInstanceToken(request))
END

Alibaba Cloud's SDK:

venv/bin/python - <<'END'
import os
from alibabacloud_cr20181201.client import Client
from alibabacloud_cr20181201.models import GetAuthorizationTokenRequest
from alibabacloud_tea_openapi.models import Config
config = Config(os.environ[\"ALIBABA_CLOUD_ACCESS_KEY_ID\"], os.environ[\"ALIBABA_CLOUD_ACCESS_KEY_SECRET\"])
config.endpoint, config.protocol = \"{endpoint}\", \"http\"
print(Client(config).get_authorization_token(GetAuthorizationTokenRequest(instance_id=\"{cri}\")).body)
END

Log in with the Token that Tencent Cloud's SDK printed:

docker login -u {username} --password-stdin {registry}

Tencent Cloud's command line does the same, and takes 665 MB:

venv/bin/pip install tccli
venv/bin/tccli tcr CreateInstanceToken --RegistryId {tcr} --endpoint http://{endpoint}
",
        tcr = instance.id,
        cri = instance.cri_id,
    ));
}

/// Prints a line. A reader that went away is no reason to stop.
fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").ok();
}
