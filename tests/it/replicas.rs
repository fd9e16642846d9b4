//! Two services over one store, with a Redis between them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use tokio::net::{TcpStream, UnixStream};
use transire::domain::secret::Secret;
use transire::service::SharedSettings;
use transire::shared::{Call, Mark, Shared, Verdict};

use crate::harness::{App, Replica};

/// How long a request waits for the server, in these tests: long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A Redis of a test's own, behind a socket file.
struct Redis {
    folder: PathBuf,
    process: Child,
}

impl Redis {
    /// Starts one; nothing where the environment names no program.
    #[expect(
        clippy::disallowed_methods,
        reason = "the tests' own server is no setting of the service"
    )]
    async fn start() -> Option<Self> {
        static SERVERS: AtomicU64 = AtomicU64::new(0);
        let Ok(program) = std::env::var("TRANSIRE_TEST_REDIS") else {
            assert!(
                std::env::var("CI").is_err(),
                "TRANSIRE_TEST_REDIS is missing: in CI the Redis half may not be skipped"
            );
            eprintln!("skipped: TRANSIRE_TEST_REDIS names no redis-server");
            return None;
        };
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("transire-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let process = Self::process(&program, &folder, &[]);
        let redis = Self { folder, process };
        redis.answers().await;
        Some(redis)
    }

    fn process(program: &str, folder: &Path, more: &[&str]) -> Child {
        let mut command = Command::new(program);
        command
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
            .arg(folder)
            .args(more);
        command
            .arg("--unixsocket")
            .arg(folder.join("socket"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.spawn().unwrap()
    }

    /// Starts it again with TLS and a password, at the port of loopback that is returned.
    #[expect(
        clippy::disallowed_methods,
        reason = "the tests' own server is no setting of the service"
    )]
    async fn secure(&mut self, password: &str) -> u16 {
        let authority = rcgen::CertifiedIssuer::self_signed(
            {
                let mut parameters = rcgen::CertificateParams::default();
                parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
                parameters
            },
            rcgen::KeyPair::generate().unwrap(),
        )
        .unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        for (name, text) in [
            ("ca.pem", authority.pem()),
            ("leaf.pem", leaf.pem()),
            ("key.pem", key.serialize_pem()),
        ] {
            std::fs::write(self.folder.join(name), text).unwrap();
        }
        for _ in 0..5 {
            self.kill();
            // Somebody may take the port before the server does: then it ends.
            let port = std::net::TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let (tls_port, program) = (
                port.to_string(),
                std::env::var("TRANSIRE_TEST_REDIS").unwrap(),
            );
            let more = [
                "--bind",
                "127.0.0.1",
                "--tls-port",
                &tls_port,
                "--tls-auth-clients",
                "no",
                "--requirepass",
                password,
            ];
            let files = [
                "--tls-cert-file",
                "leaf.pem",
                "--tls-key-file",
                "key.pem",
                "--tls-ca-cert-file",
                "ca.pem",
            ];
            self.process = Self::process(&program, &self.folder, &[&more[..], &files[..]].concat());
            let mut listens = false;
            until("Redis listens or ends", async || {
                listens = TcpStream::connect(("127.0.0.1", port)).await.is_ok();
                listens || self.process.try_wait().unwrap().is_some()
            })
            .await;
            if listens {
                return port;
            }
        }
        panic!("Redis does not start with TLS");
    }

    async fn answers(&self) {
        until("Redis listens", async || {
            UnixStream::connect(self.folder.join("socket"))
                .await
                .is_ok()
        })
        .await;
    }

    fn settings(&self) -> SharedSettings {
        let url = Secret::new(format!(
            "redis+unix://{}",
            self.folder.join("socket").display()
        ));
        SharedSettings {
            url,
            ca_file: None,
            timeout: TIMEOUT,
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the tests' own server is no setting of the service"
    )]
    async fn start_again(&mut self) {
        self.process = Self::process(
            &std::env::var("TRANSIRE_TEST_REDIS").unwrap(),
            &self.folder,
            &[],
        );
        self.answers().await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !happened().await {
        assert!(Instant::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A service and a replica of it, both connected.
async fn two(redis: &Redis) -> (App, Replica) {
    let app = App::with(|options| {
        options.service.shared = Some(redis.settings());
        options
            .service
            .limits
            .requests_per_second_by_action
            .insert("tcr:DescribeInstances".to_owned(), 10);
    })
    .await;
    let replica = app.replica().await;
    app.service.operations.connect_shared().await.unwrap();
    replica.service.operations.connect_shared().await.unwrap();
    assert!(
        app.service.limits.degraded().is_empty() && replica.service.limits.degraded().is_empty()
    );
    (app, replica)
}

#[tokio::test]
async fn a_nonce_that_was_used_at_one_replica_is_refused_at_another() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let (app, replica) = two(&redis).await;
    let id = app.instance.cri_id.to_string();
    let call = app.alibaba("GetAuthorizationToken", &[("InstanceId", &id)]);
    assert_eq!(app.send(call.request()).await.status, StatusCode::OK);
    let again = replica.send(call.request()).await;
    assert!(again.body.contains("SignatureNonceUsed"), "{}", again.body);
    let other = app.alibaba("GetAuthorizationToken", &[("InstanceId", &id)]);
    assert_eq!(replica.send(other.request()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_signature_comes_again_at_another_replica_only_with_what_it_was_made_for() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let (app, replica) = two(&redis).await;
    let call = || {
        app.tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": app.instance.id.as_str() }),
        )
    };
    let first = app.send(call().request()).await.json();
    assert!(first["Response"]["Token"].is_string(), "{first}");
    let same = replica.send(call().request()).await.json();
    assert!(
        same["Response"]["Token"].is_string(),
        "a client's repetition: {same}"
    );
    let reading = replica
        .send(
            call()
                .header("x-tc-action", Some("DescribeInstanceToken"))
                .request(),
        )
        .await
        .json();
    assert_eq!(
        reading["Response"]["Tokens"],
        json!([]),
        "what only reads may share it: {reading}"
    );
    let changing = replica
        .send(
            call()
                .header("x-tc-action", Some("DeleteInstanceToken"))
                .request(),
        )
        .await
        .json();
    assert_eq!(
        changing["Response"]["Error"]["Code"], "AuthFailure.SignatureFailure",
        "{changing}"
    );
    // The replica itself saw the signature with another action, and the others know the true one.
    let again = replica.send(call().request()).await.json();
    assert!(
        again["Response"]["Token"].is_string(),
        "a client's repetition: {again}"
    );
}

#[tokio::test]
async fn a_signature_that_was_tried_with_something_else_is_still_good_for_its_own_request() {
    // The replica that had refused it remembered what it came with, and then refused its owner.
    let Some(redis) = Redis::start().await else {
        return;
    };
    let (app, replica) = two(&redis).await;
    let call = || {
        app.tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": app.instance.id.as_str() }),
        )
    };
    app.send(call().request()).await;
    let stolen = replica
        .send(
            call()
                .header("x-tc-action", Some("DeleteInstanceToken"))
                .request(),
        )
        .await
        .json();
    assert_eq!(
        stolen["Response"]["Error"]["Code"], "AuthFailure.SignatureFailure",
        "{stolen}"
    );
    let own = replica.send(call().request()).await.json();
    assert!(own["Response"]["Token"].is_string(), "{own}");
}

#[tokio::test]
async fn what_a_replica_saw_itself_stands_though_redis_forgot_it() {
    // An empty Redis found the stolen signature fine, and that was believed.
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let (app, _replica) = two(&redis).await;
    let call = || {
        app.tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": app.instance.id.as_str() }),
        )
    };
    app.send(call().request()).await;
    redis.kill();
    redis.start_again().await;
    until("it is connected again", async || {
        app.service.limits.degraded().is_empty()
    })
    .await;
    let stolen = app
        .send(
            call()
                .header("x-tc-action", Some("DeleteInstanceToken"))
                .request(),
        )
        .await
        .json();
    assert_eq!(
        stolen["Response"]["Error"]["Code"], "AuthFailure.SignatureFailure",
        "{stolen}"
    );
}

#[tokio::test]
async fn replicas_count_the_calls_of_an_account_together() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let (app, replica) = two(&redis).await;
    let began = Instant::now();
    let (mut served, mut refused) = (0u128, Vec::new());
    for number in 0..40 {
        let call = app
            .tencent("DescribeInstances", &json!({ "Limit": number + 1 }))
            .request();
        let answer = if number % 2 == 0 {
            app.send(call).await
        } else {
            replica.send(call).await
        }
        .json();
        match answer["Response"]["Error"]["Code"].as_str() {
            None => served += 1,
            Some("RequestLimitExceeded") => {
                refused.push(answer["Response"]["Error"]["Message"].to_string())
            }
            Some(_) => panic!("{answer}"),
        }
    }
    // Each alone would let ten through, and no more, by the clock that stands still; that of Redis
    // goes on.
    let most = 11 + began.elapsed().as_millis() / 100;
    assert!((10..=most).contains(&served), "{served} of at most {most}");
    assert!(
        refused
            .iter()
            .all(|message| message.contains("the frequency limit")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_replica_goes_on_alone_while_redis_is_gone_and_shares_again_when_it_is_back() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let (app, replica) = two(&redis).await;
    redis.kill();
    let id = app.instance.cri_id.to_string();
    let call = app.alibaba("GetAuthorizationToken", &[("InstanceId", &id)]);
    assert_eq!(app.send(call.request()).await.status, StatusCode::OK);
    assert!(
        app.send(call.request())
            .await
            .body
            .contains("SignatureNonceUsed"),
        "its own memory goes on"
    );
    assert_eq!(
        replica.send(call.request()).await.status,
        StatusCode::OK,
        "the documented gap"
    );
    assert!(
        !app.service.limits.degraded().is_empty()
            && app.service.operations.missing().await.is_empty()
    );
    redis.start_again().await;
    until("both are connected again", async || {
        app.service.limits.degraded().is_empty() && replica.service.limits.degraded().is_empty()
    })
    .await;
    let call = app.alibaba("GetAuthorizationToken", &[("InstanceId", &id)]);
    assert_eq!(app.send(call.request()).await.status, StatusCode::OK);
    assert!(
        replica
            .send(call.request())
            .await
            .body
            .contains("SignatureNonceUsed")
    );
}

#[tokio::test]
async fn two_deployments_share_a_redis_and_nothing_in_it() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let connected = async |deployment: &[u8]| {
        let shared = Arc::new(Shared::new(&redis.settings(), deployment).unwrap());
        shared.connect().await;
        shared
    };
    let (first, twin, other) = (
        connected(b"one").await,
        connected(b"one").await,
        connected(b"two").await,
    );
    let kept = Duration::from_mins(1);
    let nonce = Call {
        bucket: &[b"account"],
        allowed: 100,
        mark: Some(Mark {
            seen: &[b"n"],
            bound: None,
            may_differ: false,
            kept,
        }),
    };
    assert_eq!(first.ask(nonce).await, Some(Verdict::Fine));
    assert_eq!(twin.ask(nonce).await, Some(Verdict::Repeated));
    assert_eq!(other.ask(nonce).await, Some(Verdict::Fine));
    let signature = |bound, may_differ| Call {
        bucket: &[b"account"],
        allowed: 100,
        mark: Some(Mark {
            seen: &[b"s"],
            bound: Some(bound),
            may_differ,
            kept,
        }),
    };
    let asked = [(b"a", false), (b"a", false), (b"b", false), (b"b", true)];
    let mut answers = Vec::new();
    for (bound, may_differ) in asked {
        answers.push(first.ask(signature(bound, may_differ)).await.unwrap());
    }
    assert_eq!(
        answers,
        [
            Verdict::Fine,
            Verdict::Fine,
            Verdict::Repeated,
            Verdict::Fine
        ]
    );
}

#[tokio::test]
async fn a_server_is_reached_by_tls_and_password_only_when_its_authority_is_trusted() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let port = redis.secure("s3cretEXAMPLE").await;
    let connected = async |scheme: &str, password: &str, ca_file: Option<PathBuf>| {
        let url = Secret::new(format!("{scheme}://:{password}@localhost:{port}"));
        let shared = Arc::new(
            Shared::new(
                &SharedSettings {
                    url,
                    ca_file,
                    timeout: TIMEOUT,
                },
                b"one",
            )
            .unwrap(),
        );
        shared.connect().await;
        shared.is_connected()
    };
    let ca_file = redis.folder.join("ca.pem");
    assert!(connected("rediss", "s3cretEXAMPLE", Some(ca_file.clone())).await);
    assert!(!connected("rediss", "wrong", Some(ca_file)).await);
    assert!(!connected("rediss", "s3cretEXAMPLE", None).await);
    assert!(!connected("redis", "s3cretEXAMPLE", None).await);
}

#[tokio::test]
async fn what_redis_remembers_ends_with_its_window() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let shared = Arc::new(Shared::new(&redis.settings(), b"one").unwrap());
    shared.connect().await;
    let kept = Duration::from_millis(50);
    let nonce = Call {
        bucket: &[b"account"],
        allowed: 1_000_000,
        mark: Some(Mark {
            seen: &[b"n"],
            bound: None,
            may_differ: false,
            kept,
        }),
    };
    assert_eq!(shared.ask(nonce).await, Some(Verdict::Fine));
    until("the nonce is forgotten", async || {
        shared.ask(nonce).await == Some(Verdict::Fine)
    })
    .await;
}

#[tokio::test]
async fn a_narrower_window_refuses_what_the_vendor_would_take() {
    let app =
        App::with(|options| options.service.signatures.window = Duration::from_secs(60)).await;
    let signed = |seconds: u64| {
        let mut call = app.alibaba("ListInstance", &[]);
        call.signed_at = app.now().minus(Duration::from_secs(seconds));
        call
    };
    assert_eq!(signed(60).send().await.status, StatusCode::OK);
    let late = signed(61).send().await;
    assert!(
        late.body.contains("InvalidTimeStamp.Expired") && late.body.contains("by 60 seconds"),
        "{}",
        late.body
    );
    let mut call = app.tencent("DescribeInstances", &json!({}));
    call.signed_at = app.now().minus(Duration::from_secs(61));
    assert_eq!(
        call.send().await.json()["Response"]["Error"]["Code"],
        "AuthFailure.SignatureExpire"
    );
}
