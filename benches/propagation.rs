//! How soon a replica obeys what another one was told.
//!
//! Two replicas of the true program share one PostgreSQL database, made for the run on the server
//! that `TRANSIRE_TEST_POSTGRES` names. Again and again a long-term credential is made, logs in at
//! B, is disabled at A by ModifyInstanceToken, and B is asked until it refuses; what counts is the
//! time from A's answer to B's first refusal. Once with NOTIFY, once by polling alone.
//!
//! B answers 429 to an address that failed ten times with one username, and each round fails once.
//! So each round comes from an address of its own, as of a client behind a proxy.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use clap::Parser;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};
use transire::config::Settings;
use transire::domain::clock::{Clock, Random, SystemClock, SystemRandom, random_bytes};
use transire::domain::instance::{DefaultMark, Instance};
use transire::service::{Caller, NewInstance, RequestContext};
use transire::sign::{self, Signer, SigningSecret, tc3};
use transire::store::Open;

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// The host that clients sign.
const HOST: &str = "transire.example.com";
/// The longest time that 99 of 100 revocations may take.
const GOAL: Duration = Duration::from_secs(1);
/// The address of the first round's client; those of the others follow it.
const ADDRESSES: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// Longer than anything that is promised.
const GIVEN_UP: Duration = Duration::from_secs(30);

/// Measures how soon a replica obeys what another one was told.
#[derive(Parser)]
struct Options {
    /// How many credentials are disabled, with NOTIFY and without.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Another build of transire to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_transire"))]
    program: PathBuf,
    /// An argument that cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(measure(&options))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the tests' own server is no setting of the service"
)]
async fn measure(options: &Options) -> Result<()> {
    let server = std::env::var("TRANSIRE_TEST_POSTGRES").map_err(|_| {
        "TRANSIRE_TEST_POSTGRES names no PostgreSQL server: set it to the URL of one \
         where databases may be made"
    })?;
    println!(
        "| how changes travel | rounds | p50 ms | p99 ms | max ms | p99 <= {} ms |\n\
         |---|--:|--:|--:|--:|---|",
        GOAL.as_millis()
    );
    let (mut count, mut missed) = (0, Vec::new());
    for (how, notify) in [("NOTIFY, and polling", true), ("polling alone", false)] {
        let database = Database::make(&server).await?;
        let delays = one_way(options, &database, notify).await;
        database.remove().await?;
        let mut delays = delays?;
        delays.sort_unstable();
        let at = |part: f64| delays[((delays.len() - 1) as f64 * part).round() as usize];
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| at(part).as_secs_f64() * 1000.0);
        count += 1;
        let outcome = if at(0.99) <= GOAL {
            "reached"
        } else {
            missed.push(how);
            "missed"
        };
        let rounds = delays.len();
        println!("| {how} | {rounds} | {p50:.1} | {p99:.1} | {max:.1} | {outcome} |");
    }
    println!();
    match missed.as_slice() {
        [] => println!("all {count} reached"),
        missed => println!("missed: {}", missed.join("; ")),
    }
    Ok(())
}

async fn one_way(options: &Options, database: &Database, notify: bool) -> Result<Vec<Duration>> {
    let owner = Owner::make(database).await?;
    let replicas = Replicas {
        first: Replica::start(options, database, notify)?,
        second: Replica::start(options, database, notify)?,
    };
    let mut delays = Vec::with_capacity(options.rounds);
    for round in 0..options.rounds {
        let delay = replicas
            .delay(&owner, round)
            .map_err(|error| format!("round {round}: {error}"))?;
        delays.push(delay);
        // Rounds must not keep step with B's looking.
        std::thread::sleep(Duration::from_millis(u64::from(
            random_bytes::<1>(&SystemRandom)[0],
        )));
    }
    Ok(delays)
}

/// The two that share a database: A and B.
struct Replicas {
    first: Replica,
    second: Replica,
}

impl Replicas {
    /// Makes a credential, disables it at A, and returns how long it then logs in at B, from the
    /// address of the round.
    fn delay(&self, owner: &Owner, round: usize) -> Result<Duration> {
        let registry_id = owner.instance.id.as_str();
        let made = owner.call(
            &self.first,
            "CreateInstanceToken",
            // A signature makes one change, and two rounds may fall into one second.
            &json!({
                "RegistryId": registry_id,
                "TokenType": "longterm",
                "Desc": round.to_string(),
            }),
        )?;
        let text = |name: &str| {
            made[name]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| made.to_string())
        };
        let (username, secret, id) = (text("Username")?, text("Token")?, text("TokenId")?);
        let address = Ipv4Addr::from_bits(ADDRESSES.to_bits() + u32::try_from(round)?);
        let log_in = || {
            self.second
                .log_in(&owner.instance.service, &username, &secret, address)
        };
        if log_in()? != 200 {
            return Err("what A made does not log in at B".into());
        }
        let disabled = owner.call(
            &self.first,
            "ModifyInstanceToken",
            &json!({ "RegistryId": registry_id, "TokenId": id, "Enable": false }),
        )?;
        if !disabled["Error"].is_null() {
            return Err(disabled.to_string().into());
        }
        let acknowledged = Instant::now();
        loop {
            let (status, after) = (log_in()?, acknowledged.elapsed());
            match status {
                401 => return Ok(after),
                200 if after < GIVEN_UP => {}
                status => return Err(format!("B answered {status} after {after:?}").into()),
            }
        }
    }
}

/// The account that asks: its key and its instance.
struct Owner {
    key_id: String,
    secret: SigningSecret,
    instance: Instance,
}

impl Owner {
    /// Makes the account, through the service itself.
    async fn make(database: &Database) -> Result<Self> {
        let mut settings = Settings::parse(&format!("database = {:?}", database.url), [])?;
        settings.master_key = Some(transire::config::MasterKeyText::from(
            database.master_key.clone(),
        ));
        let service = transire::open::open(&settings, Open::Serve).await?;
        let (operator, context) = (
            Caller::operator(),
            RequestContext::operator(service.base.request_id()),
        );
        let call = || service.call(&operator, &context);
        let account = service
            .identity
            .create_account(&call(), None, "bench", None)
            .await?
            .id;
        let key = service
            .identity
            .create_access_key(&call(), account, None)
            .await?;
        let new = NewInstance {
            default: DefaultMark::Marked,
            ..NewInstance::named(account, "bench", "ap-guangzhou", "bench.example.com")
        };
        let instance = service.registry.create_instance(&call(), new).await?;
        service.ledger.close().await;
        Ok(Self {
            key_id: key.id,
            secret: SigningSecret::new(key.secret),
            instance,
        })
    }

    fn call(&self, replica: &Replica, action: &'static str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        let now = SystemClock.now();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", HOST),
            ("content-type", "application/json"),
            ("x-tc-action", action),
            ("x-tc-version", "2019-09-24"),
            ("x-tc-region", "ap-guangzhou"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert("x-tc-timestamp", HeaderValue::from(now.unix_seconds()));
        let request = sign::Request {
            method: "POST",
            path: "/",
            query: "",
            host: HOST,
            headers: &headers,
            body: body.as_bytes(),
        };
        let signer = Signer {
            access_key_id: &self.key_id,
            secret: &self.secret,
            session_token: None,
        };
        let line = tc3::authorization(&request, "content-type;host", "tcr", &signer, now)?;
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&line)?);
        let (_, answer) = replica.ask("POST / HTTP/1.1", &headers, &body)?;
        Ok(serde_json::from_str::<Value>(&answer)?["Response"].take())
    }
}

/// A running program; dropping it ends it.
struct Replica {
    child: Child,
    address: SocketAddr,
}

impl Replica {
    fn start(options: &Options, database: &Database, notify: bool) -> Result<Self> {
        let mut child = Command::new(&options.program)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("TRANSIRE_DATABASE", &database.url)
            .env("TRANSIRE_MASTER_KEY", &database.master_key)
            .env("TRANSIRE_POSTGRES__NOTIFY", notify.to_string())
            .env("TRANSIRE_TRUSTED_PROXIES", "['127.0.0.1']")
            // Other work of the machine is no overload of a replica.
            .env("TRANSIRE_LIMITS__WAIT_MILLISECONDS", "10000")
            .env("TRANSIRE_LIMITS__TOKEN_REQUESTS_PER_SECOND", "100000")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output of the program")?)
            .read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line)
            .map_err(|_| "the program ended before it listened; its log says why")?;
        let address = said["listening"]
            .as_str()
            .ok_or("the program did not say where it listens")?
            .parse()?;
        Ok(Self { child, address })
    }

    /// Sends a request and returns its answer's status and body.
    fn ask(&self, line: &str, headers: &HeaderMap, body: &str) -> Result<(u16, String)> {
        let mut text = format!("{line}\r\n").into_bytes();
        for (name, value) in headers {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(
            format!(
                "content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        );
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(&text)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or("an answer without an end of its head")?;
        let status = head
            .split(' ')
            .nth(1)
            .ok_or("an answer without a status")?
            .parse()?;
        Ok((status, body.to_owned()))
    }

    fn log_in(
        &self,
        service: &str,
        username: &str,
        secret: &str,
        address: Ipv4Addr,
    ) -> Result<u16> {
        let basic =
            base64::engine::general_purpose::STANDARD.encode(format!("{username}:{secret}"));
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(HOST));
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_str(&format!("Basic {basic}"))?,
        );
        headers.insert(
            "x-forwarded-for",
            HeaderValue::from_str(&address.to_string())?,
        );
        Ok(self
            .ask(
                &format!("GET /token?service={service} HTTP/1.1"),
                &headers,
                "",
            )?
            .0)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A database of the run's own.
struct Database {
    server: String,
    name: String,
    url: String,
    master_key: String,
}

impl Database {
    async fn make(server: &str) -> Result<Self> {
        let name = format!(
            "transire_bench_{}",
            hex::encode(random_bytes::<8>(&SystemRandom))
        );
        at_server(server, &format!("CREATE DATABASE {name}")).await?;
        let mut url: url::Url = server.parse()?;
        url.set_path(&name);
        let mut key = [0; 32];
        SystemRandom.fill(&mut key);
        Ok(Self {
            server: server.to_owned(),
            name,
            url: url.into(),
            master_key: hex::encode(key),
        })
    }

    async fn remove(&self) -> Result<()> {
        at_server(
            &self.server,
            &format!("DROP DATABASE {} WITH (FORCE)", self.name),
        )
        .await
    }
}

async fn at_server(server: &str, command: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(server, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute(command).await?;
    drop(client);
    connection.await??;
    Ok(())
}
