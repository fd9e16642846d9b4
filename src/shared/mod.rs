//! Facts that replicas share at every call, through Redis or Valkey: which requests came, and how
//! often.
//!
//! It knows no dialect and no rule: it asks the server one question, and says when there is no
//! answer. A server that fails, or is slow once, is not asked again before it answered a question
//! of the keeper's own: nobody waits for it meanwhile. The caller decides then without it.
//!
//! Start with [`Shared::ask`], then `call.lua`.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_lc_rs::hmac;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, Script, TlsCertificates,
};
use tokio::time::{sleep, timeout};

use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

/// How often a server that answers is asked whether it still does, and one that doesn't whether it
/// does again.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long it may take to connect: name, TCP, TLS, password. No request waits for that.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where the server is, and how long a request waits for it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `redis://…` or `rediss://…`, perhaps with a password.
    pub url: Secret,
    /// The CA of the server's certificate, PEM; without it, the system's CAs are trusted.
    pub ca_file: Option<PathBuf>,
    /// How long a request waits.
    pub timeout: Duration,
}

/// A question: may this call be served?
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The bucket in which the call counts.
    pub bucket: &'a [&'a [u8]],
    /// Calls a second that the bucket allows.
    pub allowed: u32,
    /// The mark that tells the call from its own repetition, where it has one.
    pub mark: Option<Mark<'a>>,
}

/// A mark that tells a call from its own repetition.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// The value that comes once.
    pub seen: &'a [&'a [u8]],
    /// The value that it may come again with; none when it may not come again.
    pub bound: Option<&'a [u8]>,
    /// Whether it may come with something else as well.
    pub may_differ: bool,
    /// How long it is remembered.
    pub kept: Duration,
}

/// The verdict of all replicas together on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it.
    Fine,
    /// It came before.
    Repeated,
    /// It is one too many.
    TooOften {
        /// Calls of this bucket in the present second, this one included.
        measured: u32,
    },
}

/// The server's client: one connection, which is kept alive by a task of its own.
pub struct Shared {
    client: Client,
    timeout: Duration,
    script: Script,
    /// None while the server doesn't answer.
    connection: ArcSwapOption<MultiplexedConnection>,
    /// Makes the names of what is stored: of this deployment alone, and telling nobody what they
    /// are of.
    key: hmac::Key,
    prefix: String,
}

impl Shared {
    /// Takes the settings; nothing is connected yet. `deployment` is what the replicas have in
    /// common, and nobody else has.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the address or the file of authorities can't be read.
    pub fn new(settings: &Settings, deployment: &[u8]) -> Result<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, deployment);
        // Sixty-four bits tell deployments apart; the names behind them are 128 bits of the same
        // key.
        let prefix = format!(
            "transire:{}",
            hex::encode(&hmac::sign(&key, b"prefix").as_ref()[..8])
        );
        Ok(Self {
            client: client(settings)?,
            timeout: settings.timeout,
            script: Script::new(include_str!("call.lua")),
            connection: ArcSwapOption::empty(),
            key,
            prefix,
        })
    }

    /// Connects, and goes on connecting until this is dropped. Returns when the first attempt is
    /// over, or takes long.
    pub async fn connect(self: &Arc<Self>) {
        if let Err(error) = self.reconnect().await {
            lost(&error);
        }
        tokio::spawn(keep(Arc::downgrade(self)));
    }

    /// Returns whether the server answers.
    pub fn is_connected(&self) -> bool {
        self.connection.load().is_some()
    }

    /// Asks what all replicas together know of a call, and tells them of it; nothing when the
    /// server doesn't answer in time.
    pub async fn ask(&self, call: Call<'_>) -> Option<Verdict> {
        let connection = self.connection.load_full()?;
        let mut question = self.script.key(self.name('r', call.bucket));
        question.arg(call.allowed);
        if let Some(mark) = call.mark {
            question.key(self.name('s', mark.seen));
            let again = match (mark.may_differ, mark.bound) {
                (true, _) => "any",
                (false, Some(_)) => "same",
                (false, None) => "never",
            };
            question.arg(
                mark.bound
                    .map(|bound| self.name('b', &[bound]))
                    .unwrap_or_default(),
            );
            question
                .arg(u64::try_from(mark.kept.as_millis()).unwrap_or(u64::MAX))
                .arg(again);
        }
        let mut line = MultiplexedConnection::clone(&connection);
        let answered = timeout(self.timeout, question.invoke_async::<i64>(&mut line)).await;
        match answered.unwrap_or_else(|_| Err(too_slow())) {
            Ok(0) => Some(Verdict::Fine),
            Ok(measured @ 1..) => Some(Verdict::TooOften {
                measured: u32::try_from(measured).unwrap_or(u32::MAX),
            }),
            Ok(_) => Some(Verdict::Repeated),
            Err(error) => {
                self.lose(&connection, &error);
                None
            }
        }
    }

    /// Gives a connection up, once for all who had trouble with it.
    fn lose(&self, connection: &Arc<MultiplexedConnection>, error: &RedisError) {
        let before = self.connection.compare_and_swap(connection, None);
        if before
            .as_ref()
            .is_some_and(|before| Arc::ptr_eq(before, connection))
        {
            lost(error);
        }
    }

    async fn reconnect(&self) -> RedisResult<()> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(CONNECT_TIMEOUT));
        let connected = timeout(
            CONNECT_TIMEOUT,
            self.client
                .get_multiplexed_async_connection_with_config(&config),
        )
        .await;
        let connection = connected.unwrap_or_else(|_| Err(too_slow()))?;
        self.try_out(&connection).await?;
        self.connection.store(Some(Arc::new(connection)));
        Ok(())
    }

    /// Asks the script itself of a bucket that is nobody's: a server that only reads, or is full,
    /// or lacks a permission, would answer a PING.
    async fn try_out(&self, connection: &MultiplexedConnection) -> RedisResult<()> {
        let mut line = connection.clone();
        let mut question = self.script.key(format!("{}:alive", self.prefix));
        question.arg(u32::MAX);
        timeout(self.timeout, question.invoke_async::<i64>(&mut line))
            .await
            .unwrap_or_else(|_| Err(too_slow()))
            .map(drop)
    }

    fn name(&self, kind: char, parts: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        let mut letter = [0; 4];
        context.update(kind.encode_utf8(&mut letter).as_bytes());
        for part in parts {
            // Lengths keep apart what would read alike.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        format!(
            "{}:{kind}:{}",
            self.prefix,
            hex::encode(&context.sign().as_ref()[..16])
        )
    }
}

/// Looks after the connection for as long as anybody has it.
async fn keep(shared: Weak<Shared>) {
    loop {
        sleep(LOOK_INTERVAL).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let connection = shared.connection.load_full();
        match connection {
            Some(connection) => {
                if let Err(error) = shared.try_out(&connection).await {
                    shared.lose(&connection, &error);
                }
            }
            None => match shared.reconnect().await {
                Ok(()) => {
                    tracing::info!("nonces and rates are shared with the other replicas again")
                }
                Err(error) => tracing::debug!("the shared memory doesn't answer: {error}"),
            },
        }
    }
}

fn client(settings: &Settings) -> Result<Client> {
    let url = settings.url.expose();
    // A parser's error about an address may repeat its password.
    let misread = |_: RedisError| {
        Error::misconfigured(
            "shared.url is written like redis://cache.example.com:6379, or rediss://… with TLS \
             (always with shared.ca_file)",
        )
    };
    let Some(path) = &settings.ca_file else {
        provide_cryptography();
        return Client::open(url).map_err(misread);
    };
    let root_cert = std::fs::read(path).map_err(|error| {
        Error::misconfigured(format!(
            "shared.ca_file: {} can't be read: {error}",
            path.display()
        ))
    })?;
    provide_cryptography();
    Client::build_with_tls(
        url,
        TlsCertificates {
            client_tls: None,
            root_cert: Some(root_cert),
        },
    )
    .map_err(misread)
}

/// The client library takes the process's provider, and can't be given one.
fn provide_cryptography() {
    // An error says that there is one: nothing else is built.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
}

fn too_slow() -> RedisError {
    RedisError::from((ErrorKind::Io, "it took too long"))
}

fn lost(error: &RedisError) {
    tracing::warn!(
        cause = %error,
        "the shared memory doesn't answer: until it does, this replica knows the nonces and rates \
         of its own calls alone"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings {
            url: Secret::new(url),
            ca_file: None,
            timeout: Duration::from_millis(100),
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_refused_without_its_password() {
        for url in [
            "",
            "http://u:hunter2EXAMPLE@example.com",
            "redis://u:hunter2EXAMPLE@example.com:port",
            "localhost",
        ] {
            let error = Shared::new(&settings(url), b"d").err().unwrap();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        Shared::new(
            &settings("rediss://:hunter2EXAMPLE@cache.example.com:6380/1"),
            b"d",
        )
        .unwrap();
    }

    #[test]
    fn names_are_of_one_deployment_and_of_one_kind() {
        let (first, second) = (
            Shared::new(&settings("redis://a"), b"1").unwrap(),
            Shared::new(&settings("redis://a"), b"2").unwrap(),
        );
        let names = [
            first.name('s', &[b"key", b"nonce"]),
            first.name('s', &[b"keyn", b"once"]),
            first.name('r', &[b"key", b"nonce"]),
            second.name('s', &[b"key", b"nonce"]),
        ];
        assert_eq!(
            names.iter().collect::<std::collections::HashSet<_>>().len(),
            names.len()
        );
        assert_ne!(first.prefix, second.prefix);
        assert!(names.iter().all(|name| !name.contains("nonce")));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_server_that_is_not_there() {
        let shared = Arc::new(Shared::new(&settings("redis://127.0.0.1:1"), b"d").unwrap());
        shared.connect().await;
        assert!(!shared.is_connected());
        let call = Call {
            bucket: &[b"a"],
            allowed: 1,
            mark: None,
        };
        assert_eq!(shared.ask(call).await, None);
    }
}
