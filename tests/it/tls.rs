//! HTTPS: handshakes, and certificates that are read again.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use transire::config::{self, Settings};
use transire::domain::ErrorKind;
use transire::domain::seconds::Seconds;
use transire::serve::{Listener, Tls, check_transport, run};

use crate::harness::App;

/// A certificate that signed itself, and its key.
struct Pair {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_pem: String,
}

impl Pair {
    fn new() -> Self {
        Self::until(2099)
    }

    fn until(year: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("tls.crt"), &self.certificate_pem).unwrap();
        write_key(folder, &self.key_pem);
    }
}

/// Writes a key that its owner alone may read.
fn write_key(folder: &Path, pem: &str) {
    let file = folder.join("tls.key");
    std::fs::write(&file, pem).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The settings that name the files of a folder.
fn files_in(folder: &Path) -> config::Tls {
    config::Tls {
        certificate_file: Some(folder.join("tls.crt")),
        key_file: Some(folder.join("tls.key")),
    }
}

/// A service that speaks HTTPS by the pair in its folder.
struct Secured {
    app: App,
    folder: PathBuf,
    port: u16,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Secured {
    async fn new(pair: &Pair, settings: Settings) -> Self {
        let app = App::new().await;
        let folder = app.database().with_file_name("tls");
        // As Kubernetes does it: the files are links into a folder that is a link itself.
        pair.write(&folder.join("..1"));
        std::os::unix::fs::symlink("..1", folder.join("..data")).unwrap();
        for name in ["tls.crt", "tls.key"] {
            std::os::unix::fs::symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
        }
        let tls = Tls::load(&files_in(&folder)).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = tcp.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(run(
            Arc::clone(&app.service),
            settings,
            Listener::new(tcp, tls),
            stopped,
        ));
        Self {
            app,
            folder,
            port,
            stop,
            running,
        }
    }

    /// Puts another pair where the first was, as Kubernetes does.
    fn replace(&self, name: &str, pair: &Pair) {
        pair.write(&self.folder.join(name));
        std::os::unix::fs::symlink(name, self.folder.join("..new")).unwrap();
        std::fs::rename(self.folder.join("..new"), self.folder.join("..data")).unwrap();
    }

    async fn connect(
        &self,
        trusted: &Pair,
        version: &'static SupportedProtocolVersion,
        alpn: &[u8],
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.certificate.clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .unwrap();
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_webpki_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
    }

    /// Waits until handshakes are made by this pair.
    async fn comes_to(&self, pair: &Pair) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = self.connect(pair, &TLS13, b"http/1.1").await {
            assert!(
                Instant::now() < deadline,
                "the new certificate isn't used: {error}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        timeout(Duration::from_secs(10), self.running)
            .await
            .expect("it still runs")
            .unwrap();
        drop(self.app);
    }
}

async fn healthz(mut stream: TlsStream<TcpStream>) -> String {
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn both_versions_of_tls_and_of_http_are_spoken() {
    let pair = Pair::new();
    let secured = Secured::new(&pair, Settings::default()).await;
    for (version, spoken) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        for alpn in [&b"h2"[..], b"http/1.1"] {
            let stream = secured.connect(&pair, version, alpn).await.unwrap();
            let (_, session) = stream.get_ref();
            assert_eq!(
                (session.protocol_version(), session.alpn_protocol()),
                (Some(spoken), Some(alpn))
            );
            if alpn == b"http/1.1" {
                let answer = healthz(stream).await;
                assert!(
                    answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok\n"),
                    "{answer}"
                );
            }
        }
    }
    secured.end().await;
}

#[tokio::test]
async fn a_new_pair_is_taken_on_and_a_broken_one_is_not() {
    let (first, second, third) = (Pair::new(), Pair::new(), Pair::new());
    let secured = Secured::new(&first, Settings::default()).await;
    let held = secured.connect(&first, &TLS13, b"http/1.1").await.unwrap();
    secured.replace("..2", &second);
    secured.comes_to(&second).await;
    assert!(
        secured.connect(&first, &TLS13, b"http/1.1").await.is_err(),
        "the old certificate is still used"
    );
    assert!(
        healthz(held).await.ends_with("ok\n"),
        "a connection that stood was cut off"
    );
    // A key that isn't its certificate's, then nonsense, then nothing at all.
    let mixed = Pair {
        certificate: third.certificate.clone(),
        certificate_pem: third.certificate_pem.clone(),
        key_pem: first.key_pem,
    };
    secured.replace("..3", &mixed);
    let nonsense = Pair {
        certificate: third.certificate.clone(),
        certificate_pem: "nonsense".to_owned(),
        key_pem: String::new(),
    };
    let files = files_in(&secured.folder);
    assert_eq!(
        Tls::load(&files).map(drop).unwrap_err().kind(),
        &ErrorKind::Misconfigured
    );
    tokio::time::timeout(Duration::from_secs(5), async {
        // Longer than it takes to look at the files.
        loop {
            healthz(
                secured
                    .connect(&second, &TLS13, b"http/1.1")
                    .await
                    .expect("the broken pair was taken on"),
            )
            .await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap_err();
    secured.replace("..4", &nonsense);
    std::fs::remove_file(secured.folder.join("tls.key")).unwrap();
    assert!(
        healthz(secured.connect(&second, &TLS13, b"http/1.1").await.unwrap())
            .await
            .ends_with("ok\n")
    );
    std::os::unix::fs::symlink("..data/tls.key", secured.folder.join("tls.key")).unwrap();
    secured.replace("..5", &third);
    secured.comes_to(&third).await;
    secured.end().await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_cut_off() {
    let mut settings = Settings::default();
    settings.limits.header_seconds = Seconds::new(1);
    let secured = Secured::new(&Pair::new(), settings).await;
    // Nothing, and the beginning of a record that never ends.
    for begin in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut slow = TcpStream::connect(("127.0.0.1", secured.port))
            .await
            .unwrap();
        slow.write_all(begin).await.unwrap();
        let mut rest = Vec::new();
        timeout(Duration::from_secs(10), slow.read_to_end(&mut rest))
            .await
            .expect("the handshake still stands")
            .unwrap();
        assert!(rest.is_empty());
    }
    secured.end().await;
}

#[tokio::test]
async fn who_speaks_plain_http_to_it_is_cut_off() {
    let secured = Secured::new(&Pair::new(), Settings::default()).await;
    let mut plain = TcpStream::connect(("127.0.0.1", secured.port))
        .await
        .unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // It gets TLS's own alert, or the end.
    timeout(Duration::from_secs(10), plain.read_to_end(&mut answer))
        .await
        .expect("it is still heard")
        .ok();
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    secured.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_said() {
    let app = App::new().await;
    let folder = app.database().with_file_name("tls");
    let refusal = |folder: &Path| match Tls::load(&files_in(folder)) {
        Ok(_) => panic!("the files were taken"),
        Err(error) => error.message().to_owned(),
    };
    assert!(
        refusal(&folder).contains("tls.crt can't be used: No such file"),
        "{}",
        refusal(&folder)
    );
    let (pair, other) = (Pair::new(), Pair::new());
    pair.write(&folder);
    assert!(Tls::load(&files_in(&folder)).unwrap().is_some());
    write_key(&folder, &other.key_pem);
    assert!(
        refusal(&folder).contains("does not belong to the certificate"),
        "{}",
        refusal(&folder)
    );
    std::fs::set_permissions(
        folder.join("tls.key"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    assert!(
        refusal(&folder)
            .contains("can be read or changed by every user of this machine: chmod 600 it"),
        "{}",
        refusal(&folder)
    );
    write_key(&folder, "nonsense");
    assert!(
        refusal(&folder).contains("no private key in it"),
        "{}",
        refusal(&folder)
    );
    // The key's text never stands in the message.
    write_key(
        &folder,
        &other.key_pem.replace("PRIVATE", "ENCRYPTED PRIVATE"),
    );
    assert!(!refusal(&folder).contains(&other.key_pem[40..60]));
    pair.write(&folder);
    std::fs::write(folder.join("tls.crt"), "").unwrap();
    assert!(
        refusal(&folder).contains("no certificate in it"),
        "{}",
        refusal(&folder)
    );
    // One that has ended is the operator's to mend, but no reason not to start: it is said in the
    // log.
    Pair::until(2001).write(&folder);
    assert!(Tls::load(&files_in(&folder)).unwrap().is_some());
    let half = config::Tls {
        key_file: None,
        ..files_in(&folder)
    };
    assert!(
        Tls::load(&half)
            .err()
            .unwrap()
            .message()
            .contains("together")
    );
    assert!(Tls::load(&config::Tls::default()).unwrap().is_none());
}

#[test]
fn plain_http_is_for_this_machine_alone_unless_it_is_allowed() {
    let check =
        |settings: &Settings, listen: &str| check_transport(settings, listen.parse().unwrap());
    let mut settings = Settings::default();
    for loopback in [
        "127.0.0.1:1",
        "127.8.8.8:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
    ] {
        check(&settings, loopback).unwrap();
    }
    for public in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[2001:db8::1]:1"] {
        let refused = check(&settings, public).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Misconfigured);
        let message = refused.message();
        assert!(
            message.contains("tls.certificate_file") && message.contains("allow_plain_http"),
            "{message}"
        );
    }
    settings.trusted_proxies = vec!["192.0.2.7".to_owned()];
    assert!(
        check(&settings, "0.0.0.0:1")
            .unwrap_err()
            .message()
            .contains("trusted_proxies")
    );
    settings.allow_plain_http = true;
    check(&settings, "0.0.0.0:1").unwrap();
    let with_tls = Settings {
        tls: files_in(Path::new("/etc/transire")),
        ..Settings::default()
    };
    check(&with_tls, "0.0.0.0:1").unwrap();
}
