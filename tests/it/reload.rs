//! SIGHUP: what a running service takes of settings that were changed, and what it names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use transire::config::Settings;
use transire::domain::seconds::Seconds;
use transire::open::service_settings;
use transire::service::{self, KeySchedule};

use crate::harness::tencent::code;
use crate::harness::{App, SERVICE};

/// The program under a supervisor, with a settings file of its own. The supervisor hears when a
/// reload is over.
struct Served {
    child: Child,
    folder: PathBuf,
    supervisor: UnixDatagram,
    clients: String,
    metrics: String,
}

/// The settings that every test begins with.
const BASIS: &str = "listen = 0\nmetrics_listen = 0\nlog.format = 'json'\n\
                     limits.wait_milliseconds = 10000\n";

impl Served {
    fn start(more: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("transire-reload-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("notify.sock");
        let supervisor = UnixDatagram::bind(&socket).unwrap();
        // A program that says nothing fails the test, and doesn't hang it.
        supervisor
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        write_settings(&folder, &format!("{BASIS}{more}"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_transire"))
            .env_clear()
            .env("NOTIFY_SOCKET", &socket)
            .current_dir(&folder)
            .args(["--config", "transire.toml", "serve"])
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let places: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            let log = fs::read_to_string(folder.join("log")).unwrap();
            panic!("{error}: {line}\n{log}")
        });
        let place = |name: &str| places[name].as_str().unwrap().to_owned();
        let served = Self {
            clients: place("listening"),
            metrics: place("metrics"),
            child,
            folder,
            supervisor,
        };
        assert!(served.heard().starts_with("READY=1\n"));
        served
    }

    fn heard(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.supervisor.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Has it read its settings again; returns the status that its supervisor shows then.
    fn reload(&self, more: &str) -> String {
        write_settings(&self.folder, &format!("{BASIS}{more}"));
        self.signal(Signal::HUP);
        let reloading = self.heard();
        assert!(
            reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
            "{reloading}"
        );
        let ready = self.heard();
        let status = ready.strip_prefix("READY=1\nSTATUS=");
        status.unwrap_or_else(|| panic!("{ready}")).to_owned()
    }

    /// Returns the lines of the log with this message.
    fn logged(&self, message: &str) -> Vec<Value> {
        let log = fs::read_to_string(self.folder.join("log")).unwrap();
        log.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| {
                let said = line["message"].as_str().unwrap();
                said.starts_with(message)
            })
            .collect()
    }

    /// Returns the settings that the lines with this message name.
    fn named(&self, message: &str) -> BTreeSet<String> {
        let lines = self.logged(message).into_iter();
        lines
            .map(|line| line["setting"].as_str().unwrap().to_owned())
            .collect()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.clients).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        stream
    }

    /// Sends a request by a connection of its own; returns the head of the answer.
    fn ask(&self, request: &str) -> String {
        answer(self.connect(), request)
    }

    /// Tells whether an address is slowed whose calls are refused twenty times, each from the
    /// address that `header` may name.
    fn is_slowed(&self, header: impl Fn(usize) -> String) -> bool {
        (0..20).any(|number| {
            let answer = self.ask(&format!(
                "POST / HTTP/1.1\r\nhost: localhost\r\nx-tc-action: DescribeInstanceToken\r\n\
                 x-tc-version: 2019-09-24\r\ncontent-length: 2\r\n{}connection: close\r\n\r\n{{}}",
                header(number)
            ));
            assert!(answer.contains("\"Error\""), "{answer}");
            answer.contains("RequestLimitExceeded")
        })
    }

    /// Returns the value of a metric.
    fn metric(&self, name: &str) -> f64 {
        let stream = TcpStream::connect(&self.metrics).unwrap();
        let page = answer(
            stream,
            "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        );
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Writes the file as an editor does: the new one takes the old one's name.
fn write_settings(folder: &std::path::Path, text: &str) {
    let draft = folder.join("draft");
    fs::write(&draft, text).unwrap();
    // It may hold a master key.
    fs::set_permissions(&draft, Permissions::from_mode(0o600)).unwrap();
    fs::rename(draft, folder.join("transire.toml")).unwrap();
}

/// Sends a request, and reads to the end of the connection.
fn answer(mut stream: TcpStream, request: &str) -> String {
    let mut answer = Vec::new();
    // A connection that is closed unread, and so reset, has no answer.
    stream.write_all(request.as_bytes()).ok();
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Returns another value than the default for each setting, and how it changes, by its path.
fn others() -> BTreeMap<String, (String, String)> {
    let document = transire::config::document();
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let path = cells[0].trim_start_matches("| ").trim_matches('`');
        (
            path.to_owned(),
            (other(path, cells[1], cells[2]), cells[3].to_owned()),
        )
    })
    .collect()
}

const MASTER_KEY: &str = "1212121212121212121212121212121212121212121212121212121212121212";

/// Returns another value than the default, written as in a file.
fn other(path: &str, takes: &str, default: &str) -> String {
    let text = match path {
        "public_url" => "https://credentials.example.com",
        "base_domain" => "registry.example.com",
        "database" => "postgres://transire@db.example.com/transire",
        "shared.url" => "redis://cache.example.com:6379",
        "log.level" => "warn",
        "telemetry.traces_endpoint" => "http://127.0.0.1:4318/v1/traces",
        "tls.certificate_file" => "tls.crt",
        "tls.key_file" => "tls.key",
        "sso.issuer" => "https://issuer.example.com",
        "notices.webhook_url" => "https://hooks.example.com/transire",
        "notices.webhook_secret_file" => "webhook.secret",
        "master_key" => MASTER_KEY,
        _ => "elsewhere",
    };
    match path {
        "trusted_proxies" => "['192.0.2.0/24']".to_owned(),
        "admin_hosts" => "['console.example.com']".to_owned(),
        "cors.origins" => "['https://ui.example.com']".to_owned(),
        "signatures.allow" => "['TC3-HMAC-SHA256']".to_owned(),
        "signatures.window_seconds" => "60".to_owned(),
        "sso.scopes" => "['email']".to_owned(),
        "sso.roles" => "['groups=platform -> admin']".to_owned(),
        // The default is the most.
        "sso.session_seconds" => "3600".to_owned(),
        "notices.ahead" => "['14d']".to_owned(),
        "notices.webhook_kinds" => "['expiring']".to_owned(),
        "limits.actions" => "{ 'tcr:CreateInstanceToken' = 7 }".to_owned(),
        // The file of the test sets these two.
        "log.format" => "'text'".to_owned(),
        "limits.wait_milliseconds" => "9".to_owned(),
        // The default is the most.
        "telemetry.traces_per_thousand" => "7".to_owned(),
        _ if takes == "a port or an address" => "'127.0.0.1:7'".to_owned(),
        _ if takes.starts_with("`true`") => (default != "true").to_string(),
        _ if takes.contains("` or `") => {
            let mut words = takes.split(" or ").map(|word| word.trim_matches('`'));
            let word = words.find(|word| *word != default.trim_matches('`'));
            format!("'{}'", word.unwrap())
        }
        _ if takes == "text" => format!("'{text}'"),
        _ => {
            let number: Seconds = default
                .parse()
                .unwrap_or_else(|_| panic!("{path}: {default}"));
            (number.get() + 1).to_string()
        }
    }
}

#[test]
fn each_setting_that_was_changed_is_named_as_taken_or_as_needing_a_restart() {
    let served = Served::start("");
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    fs::write(served.folder.join("tls.crt"), certificate.pem()).unwrap();
    let key_file = served.folder.join("tls.key");
    fs::write(&key_file, key.serialize_pem()).unwrap();
    fs::set_permissions(&key_file, Permissions::from_mode(0o600)).unwrap();
    let others = others();
    let text: String = others
        .iter()
        .map(|(path, (value, _))| format!("{path} = {value}\n"))
        .collect();
    // Nothing of the basis stands twice.
    write_settings(&served.folder, &text);
    served.signal(Signal::HUP);
    served.heard();
    let ready = served.heard();
    let that = |by: &str| -> BTreeSet<String> {
        let those = others.iter().filter(|(_, (_, how))| how == by);
        those.map(|(path, _)| path.clone()).collect()
    };
    let (taken, waiting) = (that("reload"), that("restart"));
    assert!(taken.len() > 30 && waiting.len() > 20, "{others:?}");
    assert_eq!(served.named("a setting was changed"), taken, "{ready}");
    assert_eq!(served.named("this setting needs a restart"), waiting);
    for path in &waiting {
        assert!(ready.contains(path.as_str()), "{path}: {ready}");
    }
    let said = served.logged("the settings were read again");
    assert_eq!(
        (&said[0]["taken"], &said[0]["need_restart"]),
        (&json!(taken.len()), &json!(waiting.len()))
    );
    let log = fs::read_to_string(served.folder.join("log")).unwrap();
    assert!(!log.contains("12121212"), "a secret is in the log: {log}");
}

/// Of these the next connection reads the present value.
const OF_CONNECTIONS: [&str; 6] = [
    "limits.answer_seconds",
    "limits.connections_per_address",
    "limits.header_bytes",
    "limits.header_seconds",
    "limits.idle_seconds",
    "limits.unauthenticated_connections_per_address",
];

#[test]
fn each_setting_that_is_marked_reaches_what_is_in_force() {
    // A reload hands these to the service, to HTTP and to the end.
    let in_force = |text: &str| {
        let settings = Settings::parse(text, []).unwrap();
        format!(
            "{:?} {:?} {:?}",
            service_settings(&settings),
            settings.http(),
            settings.shutdown
        )
    };
    let usual = in_force("");
    let missing: Vec<String> = others()
        .into_iter()
        .filter(|(_, (_, how))| how == "reload")
        .filter(|(path, (value, _))| {
            // A table that is given whole has all three.
            let whole = path.rsplit_once('.').map_or("", |(table, _)| table);
            let text = match whole {
                "quotas.namespaces" | "quotas.repositories" => ["basic", "standard", "premium"]
                    .map(|size| format!("{whole}.{size} = {value}\n"))
                    .concat(),
                // These two are set together.
                _ if path == "sso.issuer" => format!("{path} = {value}\nsso.client_id = 'x'"),
                _ if path == "sso.client_id" => {
                    format!("{path} = {value}\nsso.issuer = 'https://issuer.example.com'")
                }
                _ => format!("{path} = {value}"),
            };
            in_force(&text) == usual
        })
        .map(|(path, _)| path)
        .collect();
    assert_eq!(missing, OF_CONNECTIONS);
}

#[test]
fn settings_of_requests_hold_for_the_next_request() {
    let served = Served::start("");
    let from_page = format!(
        "GET /token?service={SERVICE} HTTP/1.1\r\nhost: localhost\r\norigin: \
         https://ui.example.com\r\nconnection: close\r\n\r\n"
    );
    let allows = "access-control-allow-origin: https://ui.example.com";
    assert!(!served.ask(&from_page).contains(allows));
    let form = "POST /token HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
                application/x-www-form-urlencoded\r\ncontent-length: 4\r\nconnection: \
                close\r\n\r\na=bc";
    assert!(!served.ask(form).starts_with("HTTP/1.1 413"));
    let status = served.reload("cors.origins = ['https://ui.example.com']\nlimits.body_bytes = 3");
    assert_eq!(status, "Listening.\n");
    assert!(served.ask(&from_page).contains(allows));
    let refused = served.ask(form);
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
}

#[test]
fn limits_and_proxies_hold_for_the_next_request() {
    let served = Served::start("");
    let here = |_| String::new();
    let forwarded = |number| format!("x-forwarded-for: 192.0.2.{number}\r\n");
    assert!(!served.is_slowed(here));
    let strict = "limits.refusals_burst = 1\nlimits.refusals_per_second = 1\n";
    served.reload(strict);
    assert!(served.is_slowed(here) && served.is_slowed(forwarded));
    served.reload(&format!("{strict}trusted_proxies = ['127.0.0.1']"));
    assert!(!served.is_slowed(forwarded));
}

#[test]
fn settings_of_connections_hold_for_the_next_connection() {
    let served = Served::start("");
    let long = HEALTH.replace("host:", &format!("x: {}\r\nhost:", "x".repeat(20_000)));
    assert!(served.ask(&long).starts_with("HTTP/1.1 200"));
    let mut held = served.connect();
    held.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    // It has its place once it is answered.
    let mut first = [0; 1];
    held.read_exact(&mut first).unwrap();
    assert!(served.ask(HEALTH).starts_with("HTTP/1.1 200"));
    served.reload("limits.header_bytes = 8192\nlimits.connections_per_address = 1");
    assert_eq!(served.ask(HEALTH), "", "a second connection was let in");
    drop(held);
    // Its place is free once the service has seen the end.
    let refused = std::iter::repeat_with(|| served.ask(&long))
        .find(|answer| !answer.is_empty())
        .unwrap();
    assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
}

#[test]
fn settings_of_the_end_hold_for_the_end() {
    let mut served = Served::start("shutdown.delay_seconds = 0");
    served.reload("shutdown.delay_seconds = 3600");
    served.signal(Signal::TERM);
    assert!(served.heard().starts_with("STOPPING=1\n"));
    let ready = HEALTH.replace("healthz", "readyz");
    let told = std::iter::repeat_with(|| served.ask(&ready))
        .find(|answer| !answer.starts_with("HTTP/1.1 200"))
        .unwrap();
    assert!(told.starts_with("HTTP/1.1 503"), "{told}");
    served.signal(Signal::TERM);
    assert!(served.child.wait().unwrap().success());
}

#[test]
fn settings_that_can_not_be_used_change_nothing_and_the_service_goes_on() {
    let served = Served::start("");
    let from_page = "OPTIONS /token HTTP/1.1\r\nhost: localhost\r\norigin: \
                     https://ui.example.com\r\naccess-control-request-method: GET\r\nconnection: \
                     close\r\n\r\n";
    let began_at = served.metric("transire_config_last_reload_success_timestamp_seconds ");
    let succeeded = || served.metric("transire_config_last_reload_successful ");
    assert!((succeeded() - 1.0).abs() < 0.1);
    let page = "cors.origins = ['https://ui.example.com']\n";
    for (broken, why) in [
        (
            "limits.body_byte = 5",
            "transire.toml:6: there is no setting",
        ),
        (
            "limits.body_seconds = 'x'",
            "transire.toml:6: limits.body_seconds is",
        ),
        ("[", "transire.toml:6: "),
        (
            "tls.certificate_file = 'gone.crt'\ntls.key_file = 'gone.key'",
            "gone.crt",
        ),
        ("listen = '0.0.0.0:8480'", "transire.toml:6: "),
    ] {
        let status = served.reload(&format!("{page}{broken}"));
        assert!(
            status.starts_with("Listening, by the old settings: ") && status.contains(why),
            "{broken}: {status}"
        );
        let errors = served.logged("the settings can't be read again, and stay as they are: ");
        let last = errors.last().unwrap();
        assert!(
            last["level"] == "ERROR" && last["message"].as_str().unwrap().contains(why),
            "{last}"
        );
        assert!(succeeded() < 0.1, "{broken}");
        let answer = served.ask(from_page);
        assert!(!answer.contains("ui.example.com"), "{broken}: {answer}");
    }
    assert!(served.named("a setting was changed").is_empty());
    assert_eq!(served.reload(page), "Listening.\n");
    assert!((succeeded() - 1.0).abs() < 0.1);
    let at = served.metric("transire_config_last_reload_success_timestamp_seconds ");
    assert!(at >= began_at, "{at}");
    assert!(served.ask(from_page).contains("ui.example.com"));
}

/// A file with which the next start would fail is refused, though the running service has no use
/// for it.
#[test]
fn settings_with_which_a_start_would_fail_are_refused() {
    let served = Served::start("");
    write_settings(&served.folder, "listen = '0.0.0.0:8480'");
    served.signal(Signal::HUP);
    served.heard();
    let ready = served.heard();
    assert!(
        ready.contains("0.0.0.0:8480 can be reached from other machines"),
        "{ready}"
    );
}

#[test]
fn a_sighup_that_comes_while_the_service_waits_at_its_start_does_not_end_it() {
    // A server that lets the service in and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let database = format!("postgres://transire@{}/x", silent.local_addr().unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_transire"))
        .env_clear()
        .env("TRANSIRE_MASTER_KEY", MASTER_KEY)
        .args(["--database", &database, "serve", "--listen", "0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _connection = loop {
        if let Ok(connection) = silent.accept() {
            break connection;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    };
    for signal in [Signal::HUP, Signal::TERM] {
        kill_process(Pid::from_child(&child), signal).unwrap();
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// An app, and its settings, which it can be given again.
async fn app() -> (App, service::Settings) {
    let mut settings = None;
    let app = App::with(|options| settings = Some(options.service.clone())).await;
    (app, settings.unwrap())
}

/// Issues a temporary credential; returns the code of the refusal, if it is one.
async fn issue(app: &App) -> Option<String> {
    let body = json!({ "RegistryId": app.instance.id.as_str() });
    let answer = app.tencent("CreateInstanceToken", &body).send().await;
    let is_refused = answer.json()["Response"].get("Error").is_some();
    is_refused.then(|| code(&answer))
}

#[tokio::test]
async fn the_rate_of_an_action_holds_for_the_next_call() {
    let (app, mut settings) = app().await;
    // The clock stands, so no bucket is filled meanwhile.
    assert_eq!((issue(&app).await, issue(&app).await), (None, None));
    settings.limits.requests_per_second_by_action =
        HashMap::from([("tcr:CreateInstanceToken".to_owned(), 1)]);
    app.service.adjust(&settings);
    assert_eq!(issue(&app).await, None);
    assert_eq!(issue(&app).await.as_deref(), Some("RequestLimitExceeded"));
}

#[tokio::test]
async fn the_accepted_signatures_hold_for_the_next_call() {
    let (app, mut settings) = app().await;
    let methods = std::mem::take(&mut settings.signatures.methods);
    app.service.adjust(&settings);
    assert!(issue(&app).await.is_some(), "a signature is still accepted");
    settings.signatures.methods = methods;
    app.service.adjust(&settings);
    assert_eq!(issue(&app).await, None);
}

#[tokio::test]
async fn quotas_hold_for_the_next_call() {
    let (app, mut settings) = app().await;
    settings.quotas.long_term_credentials = 0;
    app.service.adjust(&settings);
    let answer = app.send(app.make_credential()).await;
    assert_eq!(code(&answer), "LimitExceeded");
}

#[tokio::test]
async fn the_age_of_keys_holds_for_the_next_look() {
    let (app, mut settings) = app().await;
    app.temporary().await;
    app.wait(Duration::from_hours(24));
    assert_eq!(app.service.keys.rotate_on_schedule().await.unwrap(), 0);
    settings.keys = KeySchedule::of_days(0, 1);
    app.service.adjust(&settings);
    assert_eq!(app.service.keys.rotate_on_schedule().await.unwrap(), 1);
}
