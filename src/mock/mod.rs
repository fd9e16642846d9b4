//! `transire mock`: the whole service in memory, for tests of tools that speak these APIs.
//!
//! It has the published test set (`domain::published`), a clock that a test can move
//! (`http::mock`), what a seed file describes ([`crate::state`]), and a registry if that is wanted.
//! Nothing is kept, and nothing secret is in it. So it takes no data and no master key, and says of
//! itself in every answer that it is a mock.

mod registry;
mod setup;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::registry::Registry;
use crate::config::{Listen, Settings};
use crate::domain::clock::MovableClock;
use crate::domain::instance::Instance;
use crate::domain::published;
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Result};
use crate::http::Mock as MockCalls;
use crate::serve::{self, Listener, Signals, Told};
use crate::service::Service;
use crate::state::State;

/// The region of the published instance, and that of Alibaba's SDKs in examples.
const REGION: &str = "ap-guangzhou";
const ALIBABA_REGION: &str = "cn-hangzhou";

/// The options of the command.
#[derive(Args)]
pub struct Mock {
    /// The address to listen at, or a port on loopback; port 0 picks a free one.
    #[arg(long, default_value = "0", value_name = "ADDR")]
    listen: Listen,
    /// A file with the accounts, users, keys, policies, roles, providers and instances that are
    /// there besides the published ones.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Start a CNCF Distribution registry, too, which keeps its images in memory.
    #[arg(long)]
    registry: bool,
    /// The registry's program; without it, `docker-registry` or `registry` on the path.
    #[arg(long, value_name = "FILE", requires = "registry")]
    registry_program: Option<PathBuf>,
    /// The registry's listen address; port 0 picks a free one.
    #[arg(long, default_value = "0", value_name = "ADDR", requires = "registry")]
    registry_listen: Listen,
    /// Accept calls of any access key and any signature, as calls of the published account.
    #[arg(long)]
    any_key: bool,
    /// Use the published CA, instead of one that is made at this start.
    #[arg(long)]
    fixed_ca: bool,
    /// Allow an address at which other machines reach the mock.
    #[arg(long)]
    reachable: bool,
    /// End when standard input ends, and so with the test that started the mock.
    #[arg(long)]
    end_with_stdin: bool,
    /// The URL at which clients and the registry's clients reach the mock. [default:
    /// http://localhost and the port]
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
}

/// Reads the URL at which the mock is reached.
fn public_url(text: &str) -> Result<String> {
    HttpUrl::parse_base(text).map_err(|fault| {
        let why = fault.explain("the URL", "http://mock.example.com:8480");
        Error::invalid_parameter("public-url", why)
    })?;
    Ok(text.to_owned())
}

/// Runs the mock until a signal comes, and returns the signal where it came before it listened.
/// `names_data` says whether the command line names a data directory.
///
/// Once it listens, it prints one line of JSON on stdout: `listening`, as `serve` does, and the
/// keys, the ids and the registry that a test needs.
///
/// # Errors
/// `Misconfigured` for settings that a mock can't have, an address or a registry that can't be
/// used; `InvalidParameter` for a seed that can't be taken; those of the use cases.
pub async fn run(
    settings: &Settings,
    names_data: bool,
    options: &Mock,
    signals: &mut Signals,
) -> Result<Result<(), Told>> {
    refuse_data(settings, names_data)?;
    let prepared = signals
        .unless_told(Box::pin(prepare(settings, options)))
        .await;
    let Prepared {
        settings,
        service,
        listener,
        clock,
        registry,
        instance,
    } = match prepared {
        Ok(prepared) => prepared?,
        Err(told) => return Ok(Err(told)),
    };
    let address = listener.local_addr().map_err(Error::internal)?;
    // Checked when it was made.
    let host = HttpUrl::parse_base(&settings.public_url).map_or("", |url| url.host);
    let listener = Listener::new(listener, None).as_mock(MockCalls::new(clock, host));
    announce(&announcement(
        address,
        &settings,
        &instance,
        registry.as_ref(),
    ))?;
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(serve::run(service, settings, listener, stopped));
    tokio::select! {
        _ = signals.next() => {}
        () = end_of_stdin(), if options.end_with_stdin => {}
    }
    // The receiver lives as long as the task that is awaited next.
    stop.send(()).ok();
    tokio::select! {
        ended = running => ended.map_err(Error::internal)?,
        // A second signal ends the wait.
        _ = signals.next() => {}
    }
    if let Some(registry) = registry {
        registry.stop().await;
    }
    Ok(Ok(()))
}

/// Waits until standard input ends, or can't be read.
async fn end_of_stdin() {
    let read = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    // The outcome changes nothing: there is no more.
    tokio::task::spawn_blocking(read)
        .await
        .map(drop)
        .unwrap_or_default();
}

/// A mock that is about to serve.
struct Prepared {
    settings: Settings,
    service: Arc<Service>,
    listener: TcpListener,
    clock: Arc<MovableClock>,
    registry: Option<Registry>,
    instance: Instance,
}

async fn prepare(settings: &Settings, options: &Mock) -> Result<Prepared> {
    let state = options.seed.as_deref().map(State::read_seed).transpose()?;
    let listener = listen(options).await?;
    let address = listener.local_addr().map_err(Error::internal)?;
    let settings = setup::settings(settings, options, address);
    let mut registry = match options.registry {
        true => Some(Registry::find(options).await?),
        false => None,
    };
    let clock = Arc::new(MovableClock::default());
    let service = setup::service(&settings, options, Arc::clone(&clock)).await?;
    let url = registry.as_ref().map(Registry::url);
    let instance = setup::publish(&service, url).await?;
    if let Some(state) = state {
        state.seed(&service).await?;
    }
    if let Some(registry) = &mut registry {
        registry.start(&service, &instance).await?;
    }
    Ok(Prepared {
        settings,
        service: Arc::new(service),
        listener,
        clock,
        registry,
        instance,
    })
}

/// Listens; warns where other machines may reach it.
async fn listen(options: &Mock) -> Result<TcpListener> {
    let asked = options.listen.address();
    let is_loopback = asked.ip().to_canonical().is_loopback();
    if !is_loopback && !options.reachable {
        return Err(Error::misconfigured(format!(
            "{asked} can be reached from other machines, and everybody knows the mock's keys: \
             listen at a loopback address, or say --reachable"
        )));
    }
    let listener = serve::bind(asked).await?;
    if !is_loopback {
        eprintln!(
            "transire: this mock can be reached from other machines at {asked}, and everybody \
             knows its keys: whoever reaches it gets credentials, and moves its clock."
        );
    }
    Ok(listener)
}

/// Refuses settings that name data, or what must not be a mock's.
fn refuse_data(settings: &Settings, names_data: bool) -> Result<()> {
    let usual = Settings::default();
    let refuse = |what: &str, why: &str| {
        Err(Error::misconfigured(format!(
            "a mock has no {what}: {why}; take it away, or run `transire serve`"
        )))
    };
    let data = "it keeps all in memory, and its keys are published, so real data must never meet \
                them";
    if names_data || settings.data_dir != usual.data_dir {
        return refuse(
            "data directory (--data-dir, TRANSIRE_DATA_DIR, data_dir)",
            data,
        );
    }
    if settings.database.is_some() {
        return refuse("database (--database, TRANSIRE_DATABASE, database)", data);
    }
    if settings.master_key.is_some() || settings.master_key_file.is_some() {
        return refuse(
            "master key (TRANSIRE_MASTER_KEY, TRANSIRE_MASTER_KEY_FILE, master_key, \
             master_key_file)",
            "it makes one at each start and forgets it, and a real one belongs to real data",
        );
    }
    if settings.shared.url.is_some() {
        return refuse("shared memory (TRANSIRE_SHARED__URL, shared.url)", data);
    }
    if settings.tls.certificate_file.is_some() {
        return refuse(
            "TLS (tls.certificate_file, tls.key_file)",
            "it speaks plain HTTP, and a real certificate would lend it a real name",
        );
    }
    Ok(())
}

/// Returns what a test needs to know of a mock that listens.
fn announcement(
    address: SocketAddr,
    settings: &Settings,
    instance: &Instance,
    registry: Option<&Registry>,
) -> Value {
    let (tencent, alibaba) = (published::TENCENT_KEY, published::ALIBABA_KEY);
    let mut announcement = json!({
        "listening": address.to_string(),
        "url": settings.public_url,
        "account_id": published::ACCOUNT,
        "service": instance.service,
        "tencent": {
            "secret_id": tencent.id,
            "secret_key": tencent.secret,
            "region": REGION,
            "registry_id": instance.id.as_str(),
        },
        "alibaba": {
            "access_key_id": alibaba.id,
            "access_key_secret": alibaba.secret,
            "region": ALIBABA_REGION,
            "instance_id": instance.cri_id.as_str(),
        },
    });
    if let Some(registry) = registry {
        announcement["registry"] = registry.host().into();
    }
    announcement
}

fn announce(announcement: &Value) -> Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{announcement}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::misconfigured(format!("stdout can't be written: {error}")))
}
