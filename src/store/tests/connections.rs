//! How PostgreSQL is reached: TLS, several hosts, poolers, servers that are not there yet.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::domain::secret::Secret;
use crate::store::account as accounts;
use crate::store::migrate::Purpose;
use crate::store::postgres::Postgres;

fn options() -> PostgresOptions {
    PostgresOptions {
        connections: 2,
        start_timeout: Duration::ZERO,
        ..PostgresOptions::default()
    }
}

async fn open(url: &str, options: &PostgresOptions) -> Result<Store> {
    Ok(Store::over(
        Postgres::open(
            &Secret::new(url),
            options,
            Purpose::Open(Open::Serve),
            &Stopped,
            &SystemRandom,
        )
        .await?,
    ))
}

async fn text(store: &Store, text: &'static str) -> String {
    store
        .one(
            Statement {
                table: "a text",
                text,
            },
            Vec::new(),
        )
        .await
        .unwrap()
        .text("text")
        .unwrap()
}

/// Returns the address of a place, with other hosts and more parameters.
fn address(place: &Place, hosts: &str, parameters: &str) -> String {
    let Place::Postgres {
        location: Location::Postgres { url, .. },
        ..
    } = place
    else {
        unreachable!()
    };
    let url: url::Url = url.expose().parse().unwrap();
    format!(
        "postgres://{}:{}@{hosts}{}?{parameters}",
        url.username(),
        url.password().unwrap_or_default(),
        url.path()
    )
}

fn host(place: &Place) -> String {
    let Place::Postgres {
        location: Location::Postgres { url, .. },
        ..
    } = place
    else {
        unreachable!()
    };
    let url: url::Url = url.expose().parse().unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432))
}

/// A PostgreSQL server of a test's own, in a folder that is thrown away.
struct Server {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl Server {
    /// Starts a server that speaks TLS; nothing where PostgreSQL is not installed.
    fn start(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Option<Self> {
        let installed = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten();
        let mut programs = installed
            .map(|entry| entry.unwrap().path().join("bin"))
            .filter(|folder| folder.join("initdb").exists());
        let Some(programs) = programs.next() else {
            assert!(
                super::server().is_none(),
                "there is a server to test with, and no PostgreSQL to start another"
            );
            return None;
        };
        let folder = std::env::temp_dir().join(unique("transire-postgres-"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("server.crt"), certificate.cert.pem()).unwrap();
        std::fs::write(
            folder.join("server.key"),
            certificate.signing_key.serialize_pem(),
        )
        .unwrap();
        std::fs::write(folder.join("password"), "ownEXAMPLE").unwrap();
        let run = |command: &mut Command| {
            let done = command.output().unwrap();
            assert!(
                done.status.success(),
                "{command:?}: {}",
                String::from_utf8_lossy(&done.stderr)
            );
        };
        run(Command::new("chmod")
            .arg("600")
            .arg(folder.join("server.key")));
        // initdb refuses root.
        let is_root = std::fs::metadata(&folder)
            .is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0);
        let program = |name: &str| {
            let mut command = Command::new(if is_root {
                Path::new("setpriv")
            } else {
                &programs
            });
            if is_root {
                command
                    .args(["--reuid=postgres", "--regid=postgres", "--init-groups"])
                    .arg(programs.join(name));
            } else {
                command = Command::new(programs.join(name));
            }
            command.current_dir(&folder);
            command
        };
        if is_root {
            run(Command::new("chown").args(["-R", "postgres:"]).arg(&folder));
        }
        run(program("initdb").args([
            "--pgdata=data",
            "--username=own",
            "--auth=scram-sha-256",
            "--pwfile=password",
            "--no-sync",
        ]));
        // Bound and closed again: free until another program takes it, and then the server ends.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let files = [
            "ssl=on",
            "ssl_cert_file=../server.crt",
            "ssl_key_file=../server.key",
            "fsync=off",
            "autovacuum=off",
        ];
        let process = program("postgres")
            .args([
                "-D",
                "data",
                "-c",
                "listen_addresses=localhost",
                "-c",
                "unix_socket_directories=",
            ])
            .args(["-p", &port.to_string()])
            .args(files.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        Some(Self {
            folder,
            port,
            process,
        })
    }

    fn url(&self, host: &str, parameters: &str) -> String {
        format!(
            "postgres://own:ownEXAMPLE@{host}:{}/postgres?{parameters}",
            self.port
        )
    }

    fn pem(&self, name: &str, pem: &str) -> String {
        let path = self.folder.join(name);
        std::fs::File::create(&path)
            .unwrap()
            .write_all(pem.as_bytes())
            .unwrap();
        path.display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The folder goes away as well: nothing has to be in order.
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn authority(name: &str) -> rcgen::CertifiedIssuer<'static, rcgen::KeyPair> {
    let mut parameters = rcgen::CertificateParams::default();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    rcgen::CertifiedIssuer::self_signed(parameters, rcgen::KeyPair::generate().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sslmode_asks_for_is_what_is_done() {
    const ENCRYPTED: &str = "SELECT CASE WHEN ssl THEN 'tls' ELSE 'plain' END AS text FROM \
                             pg_stat_ssl WHERE pid = pg_backend_pid()";
    let (ours, other) = (authority("ours"), authority("other"));
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let cert = leaf.signed_by(&signing_key, &ours).unwrap();
    let Some(server) = Server::start(&rcgen::CertifiedKey { cert, signing_key }) else {
        return;
    };
    let (right, wrong) = (
        server.pem("right.pem", &ours.pem()),
        server.pem("wrong.pem", &other.pem()),
    );
    // The first waits until the server is up.
    let patient = PostgresOptions {
        start_timeout: Duration::from_secs(30),
        ..options()
    };
    drop(
        open(&server.url("localhost", "sslmode=disable"), &patient)
            .await
            .unwrap(),
    );

    for (host, parameters, expected) in [
        ("localhost", "sslmode=disable".to_owned(), "plain"),
        ("localhost", String::new(), "tls"),
        ("localhost", "sslmode=prefer".to_owned(), "tls"),
        ("127.0.0.1", "sslmode=require".to_owned(), "tls"),
        (
            "127.0.0.1",
            format!("sslmode=require&sslrootcert={right}"),
            "tls",
        ),
        (
            "127.0.0.1",
            format!("sslrootcert={right}&sslmode=verify-ca"),
            "tls",
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={right}&application_name=x"),
            "tls",
        ),
    ] {
        let url = server.url(host, &parameters);
        let store = open(&url, &options())
            .await
            .unwrap_or_else(|error| panic!("{parameters}: {:?}", error.cause()));
        assert_eq!(
            text(&store, ENCRYPTED).await,
            expected,
            "{host} {parameters}"
        );
    }
    for (host, parameters, expected) in [
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={right}"),
            "not valid for name",
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={wrong}"),
            "UnknownIssuer",
        ),
        (
            "localhost",
            format!("sslmode=verify-ca&sslrootcert={wrong}"),
            "UnknownIssuer",
        ),
        (
            "localhost",
            format!("sslmode=require&sslrootcert={wrong}"),
            "UnknownIssuer",
        ),
    ] {
        // At once, however long it may wait: time makes no certificate right.
        let refusal = open(&server.url(host, &parameters), &patient)
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(
            refusal.kind(),
            &ErrorKind::Misconfigured,
            "{parameters}: {refusal:?}"
        );
        assert!(
            refusal.message().contains(expected),
            "{parameters}: {refusal}"
        );
    }
    let stranger = server
        .url("localhost", "sslmode=require")
        .replace("ownEXAMPLE", "guessed");
    let refusal = open(&stranger, &patient).await.map(drop).unwrap_err();
    assert_eq!(refusal.kind(), &ErrorKind::Misconfigured);
    assert!(
        refusal.message().contains("password authentication failed")
            && !refusal.message().contains("guessed"),
        "{refusal}"
    );
    let nowhere = server
        .url("localhost", "sslmode=require")
        .replace("/postgres?", "/nowhere?");
    assert!(
        open(&nowhere, &patient)
            .await
            .map(drop)
            .unwrap_err()
            .message()
            .contains("does not exist")
    );
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let refusal = open(
        &address(&place, &host(&place), "sslmode=require"),
        &options(),
    )
    .await
    .map(drop)
    .unwrap_err();
    assert_eq!(refusal.kind(), &ErrorKind::Misconfigured);
    assert!(
        refusal.message().contains("does not support TLS"),
        "{refusal}"
    );
    drop(
        open(
            &address(&place, &host(&place), "sslmode=prefer"),
            &options(),
        )
        .await
        .unwrap(),
    );
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_hosts_the_first_that_takes_writes_is_used() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    // Takes connections and says nothing, as a stopped server does.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hosts = format!("{gone},{},{}", silent.local_addr().unwrap(), host(&place));
    let quick = PostgresOptions {
        connect_timeout: Duration::from_millis(500),
        ..options()
    };
    let store = open(&address(&place, &hosts, ""), &quick).await.unwrap();
    apply(&store, accounts::insert(&account(1))).await.unwrap();
    drop(store);

    // All of them are named when none will do.
    let refusal = open(&address(&place, &format!("{gone},{gone}"), ""), &quick)
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(refusal.kind(), &ErrorKind::StoreUnavailable);
    assert_eq!(
        refusal.cause().unwrap().matches(&gone.to_string()).count(),
        2,
        "{:?}",
        refusal.cause()
    );
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_writes_is_not_the_one() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let Place::Postgres { server, name, .. } = &place else {
        unreachable!()
    };
    drop(place.store().await);
    let url = address(&place, &host(&place), "target_session_attrs=read-write");
    let store = open(&url, &options()).await.unwrap();
    apply(&store, accounts::insert(&account(1))).await.unwrap();
    // As a standby, and as a primary that became one while it was connected to.
    at_server(
        server,
        &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
    )
    .await;
    let refusal = open(&url, &options()).await.map(drop).unwrap_err();
    assert_eq!(refusal.kind(), &ErrorKind::StoreUnavailable);
    assert!(
        refusal.cause().unwrap().contains("does not allow writes"),
        "{:?}",
        refusal.cause()
    );
    // Of several hosts, only the one that takes writes is wanted, unasked.
    let several = address(&place, &format!("{0},{0}", host(&place)), "");
    assert!(
        open(&several, &options())
            .await
            .map(drop)
            .unwrap_err()
            .cause()
            .unwrap()
            .contains("does not allow writes")
    );
    // Where it doesn't matter, it is good enough to read.
    let any = open(
        &address(&place, &host(&place), "target_session_attrs=any"),
        &options(),
    )
    .await
    .unwrap();
    assert_eq!(accounts::list(&any).await.unwrap(), [account(1)]);
    assert_eq!(
        kind(apply(&any, accounts::insert(&account(2))).await),
        ErrorKind::StoreUnavailable
    );

    at_server(
        server,
        &format!("ALTER DATABASE {name} SET default_transaction_read_only = off"),
    )
    .await;
    // It gave up those connections.
    apply(&any, accounts::insert(&account(2))).await.unwrap();
    drop((store, any));
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_nothing_is_kept_in_a_session() {
    const PREPARED: &str = "SELECT COUNT(*) AS count FROM pg_prepared_statements";
    const SETTINGS: &str = "SELECT current_setting('lock_timeout') || ' ' || \
                            current_setting('idle_in_transaction_session_timeout') \
                            || ' ' || current_setting('statement_timeout') AS text";
    for statements in [Statements::Prepared, Statements::Unnamed] {
        let Some(place) = Place::on_postgres().await else {
            return;
        };
        let Place::Postgres {
            location: Location::Postgres { url, .. },
            ..
        } = &place
        else {
            unreachable!()
        };
        // One connection, so that the answer is about the one that was used.
        let store = open(
            url.expose(),
            &PostgresOptions {
                connections: 1,
                statements,
                ..options()
            },
        )
        .await
        .unwrap();
        for number in 1..=3 {
            apply(&store, accounts::insert(&account(number)))
                .await
                .unwrap();
        }
        assert_eq!(accounts::list(&store).await.unwrap().len(), 3);
        let (prepared, timeouts) = (count(&store, PREPARED).await, text(&store, SETTINGS).await);
        match statements {
            Statements::Prepared => assert!(
                prepared > 3 && timeouts == "2s 1s 5s",
                "{prepared} {timeouts}"
            ),
            Statements::Unnamed => assert!(
                prepared == 0 && timeouts == "0 0 0",
                "{prepared} {timeouts}"
            ),
        }
        drop(store);
        place.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_ended() {
    for statements in [Statements::Prepared, Statements::Unnamed] {
        let Some(place) = Place::on_postgres().await else {
            return;
        };
        let Place::Postgres {
            location: Location::Postgres { url, .. },
            ..
        } = &place
        else {
            unreachable!()
        };
        let short = PostgresOptions {
            statement_timeout: Duration::from_millis(200),
            statements,
            ..options()
        };
        let store = open(url.expose(), &short).await.unwrap();
        let slow = raw("account", "SELECT pg_sleep(60)");
        let error = store
            .apply(write().then(accounts::insert(&account(1))).then(slow))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::StoreUnavailable);
        assert!(
            error.cause().unwrap().contains("statement timeout"),
            "{:?}",
            error.cause()
        );
        assert_eq!(accounts::list(&store).await.unwrap(), []);
        // The commit is not bounded: it may wait for a standby. A transaction that its client
        // leaves open is.
        let timeout_at_commit = "CREATE TABLE seen (text TEXT); \
                                 CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS \
                                 'BEGIN INSERT INTO seen VALUES \
                                 (current_setting(''statement_timeout'') || \
                                 current_setting(''idle_in_transaction_session_timeout'')); RETURN \
                                 NULL; END'; \
                                 CREATE CONSTRAINT TRIGGER look AFTER INSERT ON account DEFERRABLE \
                                 INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look()";
        let Place::Postgres {
            location: Location::Postgres { url, .. },
            ..
        } = &place
        else {
            unreachable!()
        };
        at_server(url.expose(), timeout_at_commit).await;
        apply(&store, accounts::insert(&account(1))).await.unwrap();
        assert_eq!(text(&store, "SELECT text FROM seen").await, "01s");
        drop(store);
        place.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serializable_writes_of_several_replicas_all_land() {
    let Some(place) = Place::on_serializable_postgres().await else {
        return;
    };
    let stores = [
        place.store().await,
        place.store().await,
        place.store().await,
    ];
    assert_eq!(
        text(
            &stores[0],
            "SELECT current_setting('transaction_isolation') AS text"
        )
        .await,
        "serializable"
    );
    apply(&stores[0], accounts::insert(&account(1)))
        .await
        .unwrap();
    let mut writes = JoinSet::new();
    for number in 0..60 {
        let store = stores[number % 3].clone();
        writes.spawn(async move { apply(&store, accounts::raise_generation(account(1).id)).await });
    }
    for done in writes.join_all().await {
        done.unwrap();
    }
    assert_eq!(
        accounts::find(&stores[0], account(1).id)
            .await
            .unwrap()
            .unwrap()
            .generation,
        61
    );
    drop(stores);
    place.remove().await;
}

/// Hangs up on the first so many clients, and leads the later ones to the server.
async fn late(server: String, hang_up: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let came = Arc::new(AtomicUsize::new(0));
    tokio::spawn({
        let came = Arc::clone(&came);
        async move {
            while let Ok((mut client, _)) = listener.accept().await {
                if came.fetch_add(1, Ordering::SeqCst) >= hang_up {
                    let mut server = TcpStream::connect(&server).await.unwrap();
                    tokio::spawn(async move {
                        tokio::io::copy_bidirectional(&mut client, &mut server)
                            .await
                            .ok()
                    });
                }
            }
        }
    });
    (port, came)
}

/// The log, for a test to read.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_start_waits_for_the_database_and_says_so_but_not_for_ever() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let log = Log::default();
    let writer = log.clone();
    let _logging = tracing::subscriber::set_default(
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish(),
    );
    let (port, came) = late(host(&place), 2).await;
    let patient = PostgresOptions {
        start_timeout: Duration::from_secs(30),
        ..options()
    };
    let url = address(&place, &format!("127.0.0.1:{port}"), "sslmode=disable");
    drop(open(&url, &patient).await.unwrap());
    assert_eq!(came.load(Ordering::SeqCst), 3);
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        said.contains("waiting for the database: 0 s of 30 s"),
        "{said}"
    );
    let Place::Postgres {
        location: Location::Postgres { url: secret, .. },
        ..
    } = &place
    else {
        unreachable!()
    };
    let password = secret
        .expose()
        .parse::<url::Url>()
        .unwrap()
        .password()
        .unwrap()
        .to_owned();
    assert!(!said.contains(&password), "the log has the password");

    let (port, came) = late(host(&place), usize::MAX).await;
    let url = address(&place, &format!("127.0.0.1:{port}"), "sslmode=disable");
    let brief = PostgresOptions {
        start_timeout: Duration::from_secs(2),
        ..options()
    };
    assert_eq!(
        open(&url, &brief).await.map(drop).unwrap_err().kind(),
        &ErrorKind::StoreUnavailable
    );
    assert_eq!(came.load(Ordering::SeqCst), 2);
    // A command doesn't wait: somebody sits there.
    let command = Postgres::open(
        &Secret::new(url),
        &patient,
        Purpose::Open(Open::Command),
        &Stopped,
        &SystemRandom,
    )
    .await;
    assert_eq!(
        command.map(drop).unwrap_err().kind(),
        &ErrorKind::StoreUnavailable
    );
    assert_eq!(came.load(Ordering::SeqCst), 3);
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_hear_of_changes_where_the_settings_and_the_sessions_let_them() {
    for (notify, statements, heard) in [
        (true, Statements::Prepared, true),
        (false, Statements::Prepared, false),
        (true, Statements::Unnamed, false),
    ] {
        let Some(place) = Place::on_postgres().await else {
            return;
        };
        let url = address(&place, &host(&place), "");
        let options = PostgresOptions {
            notify,
            statements,
            ..options()
        };
        let (one, other) = (
            open(&url, &options).await.unwrap(),
            open(&url, &options).await.unwrap(),
        );
        let before = one.probe(Duration::ZERO).await.unwrap().position;
        let mut announced = one.announcements();
        apply(&other, accounts::insert(&account(1))).await.unwrap();
        if heard {
            tokio::time::timeout(Duration::from_secs(10), announced.changed())
                .await
                .expect("nobody said so")
                .unwrap();
        }
        // On the connection that listens, whatever was said comes before this answer.
        assert_eq!(
            one.probe(Duration::ZERO).await.unwrap().position,
            before + 1
        );
        if !heard {
            assert!(!announced.has_changed().unwrap(), "{notify} {statements:?}");
        }
        // A write that adds nothing to the feed notifies nobody.
        announced.mark_unchanged();
        other.apply(write()).await.unwrap();
        one.probe(Duration::ZERO).await.unwrap();
        assert!(!announced.has_changed().unwrap());
        drop((one, other));
        place.remove().await;
    }
}
