//! Sockets that a supervisor opens for the service, as systemd does (sd_listen_fds(3)).

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A supervisor with a data folder for its service.
struct Supervisor {
    folder: PathBuf,
}

/// The supervisor's words about the sockets that it gives.
struct Given<'a> {
    count: &'a str,
    names: &'a str,
    /// Redirections by which the shell puts the one socket, its standard input, in the places.
    places: &'a str,
}

/// One socket, as a unit without `FileDescriptorName=` gives it.
const ONE: Given<'_> = Given {
    count: "1",
    names: "transire.socket",
    places: "3<&0",
};

impl Supervisor {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("transire-sockets-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    /// Starts the service with a socket. The shell knows the id that the service will have.
    fn start(&self, socket: impl Into<OwnedFd>, given: &Given<'_>, arguments: &[&str]) -> Child {
        let script = format!(
            "exec {} 0</dev/null; LISTEN_PID=$$ exec \"$0\" --data-dir data serve \"$@\"",
            given.places
        );
        Command::new("sh")
            .env_clear()
            .env("LISTEN_FDS", given.count)
            .env("LISTEN_FDNAMES", given.names)
            .current_dir(&self.folder)
            .args(["-c", &script, env!("CARGO_BIN_EXE_transire")])
            .args(arguments)
            .stdin(Stdio::from(socket.into()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts the service in vain; returns what it says.
    fn refusal(&self, socket: impl Into<OwnedFd>, given: &Given<'_>, arguments: &[&str]) -> String {
        let ended = self.start(socket, given, arguments).wait_with_output();
        let ended = ended.unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        said
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Returns the places at which a service says that it listens.
fn places(service: &mut Child) -> Value {
    let mut line = String::new();
    let stdout = service.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

fn end(mut service: Child) -> ExitStatus {
    kill_process(Pid::from_child(&service), Signal::TERM).unwrap();
    service.wait().unwrap()
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Connects, and asks for `path`.
fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let wait = Some(Duration::from_mins(1));
    stream.set_read_timeout(wait).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn no_connection_is_refused_before_the_service_begins_and_while_another_takes_its_place() {
    let supervisor = Supervisor::new();
    let (listener, address) = listener();
    let give = || listener.try_clone().unwrap();
    let early = ask(address, "/healthz");
    let mut first = supervisor.start(give(), &ONE, &[]);
    assert_eq!(places(&mut first)["listening"], address.to_string());
    assert!(answer(early).starts_with("HTTP/1.1 200"));
    assert!(end(first).success());
    // The first is gone, and the second isn't there.
    let between: Vec<TcpStream> = (0..10).map(|_| ask(address, "/healthz")).collect();
    let mut second = supervisor.start(give(), &ONE, &[]);
    places(&mut second);
    for stream in between {
        let answer = answer(stream);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(end(second).success());
}

#[test]
fn a_socket_is_for_monitoring_by_its_name() {
    let supervisor = Supervisor::new();
    let (listener, address) = listener();
    let metrics = Given {
        names: "metrics",
        ..ONE
    };
    let mut service = supervisor.start(listener, &metrics, &["--listen", "0"]);
    let places = places(&mut service);
    assert_eq!(places["metrics"], address.to_string());
    assert_ne!(places["listening"], address.to_string());
    assert!(answer(ask(address, "/metrics")).contains("transire_database_reachable 1"));
    assert!(end(service).success());
}

#[test]
fn a_socket_is_for_operators_by_its_name_and_waits_for_the_next_process() {
    let supervisor = Supervisor::new();
    let (listener, address) = listener();
    let operators = Given {
        names: "admin",
        ..ONE
    };
    for _ in 0..2 {
        let early = ask(address, "/admin/openapi.json");
        let socket = listener.try_clone().unwrap();
        let mut service = supervisor.start(socket, &operators, &["--listen", "0"]);
        let places = places(&mut service);
        assert_eq!(places["admin"], address.to_string());
        assert_ne!(places["listening"], address.to_string());
        assert!(answer(early).starts_with("HTTP/1.1 200"));
        assert!(end(service).success());
    }
}

#[test]
fn variables_that_were_meant_for_another_process_are_passed_over() {
    let supervisor = Supervisor::new();
    let (socket, address) = listener();
    let mut service = Command::new(env!("CARGO_BIN_EXE_transire"))
        .env_clear()
        .env("LISTEN_FDS", "1")
        .env("LISTEN_PID", "1")
        .current_dir(&supervisor.folder)
        .args(["--data-dir", "data", "serve", "--listen", "0"])
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_ne!(places(&mut service)["listening"], address.to_string());
    assert!(end(service).success());
}

#[test]
fn a_socket_that_can_not_be_used_ends_the_start_and_is_named() {
    let supervisor = Supervisor::new();
    let unlistening = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (socket, why) in [
        (OwnedFd::from(file), "fd 3 is not a socket"),
        (datagrams.into(), "fd 3 is not a valid tcp socket"),
        (unlistening, "it doesn't listen"),
    ] {
        let said = supervisor.refusal(socket, &ONE, &[]);
        let expected = format!(
            "the socket \"transire.socket\" that the supervisor gives can't be used: {why}; \
             the service takes sockets of ListenStream= with a port, and Accept=no"
        );
        assert!(said.contains(&expected), "{said}");
    }
    let missing = Given {
        count: "2",
        names: "metrics:other",
        ..ONE
    };
    let said = supervisor.refusal(listener().0, &missing, &[]);
    assert!(
        said.contains("the socket \"other\" that the supervisor gives can't be used: fd 4"),
        "{said}"
    );
}

#[test]
fn two_sockets_for_one_thing_end_the_start() {
    let supervisor = Supervisor::new();
    let twice = Given {
        count: "2",
        names: "transire.socket:other",
        places: "3<&0 4<&0",
    };
    let said = supervisor.refusal(listener().0, &twice, &[]);
    assert!(
        said.contains("the supervisor gives two sockets for clients, and \"other\" is the second"),
        "{said}"
    );
}

#[test]
fn a_setting_that_says_another_address_than_the_socket_ends_the_start() {
    let supervisor = Supervisor::new();
    let (socket, address) = listener();
    let said = supervisor.refusal(socket, &ONE, &["--listen", "127.0.0.1:1"]);
    let expected = format!(
        "the supervisor gives a socket at {address}, and listen says 127.0.0.1:1: leave listen \
         out, or change ListenStream= in the unit of the socket"
    );
    assert!(said.contains(&expected), "{said}");
    let (socket, address) = listener();
    let mut service = supervisor.start(socket, &ONE, &["--listen", &address.to_string()]);
    assert_eq!(places(&mut service)["listening"], address.to_string());
    assert!(end(service).success());
}

#[test]
fn a_socket_that_others_reach_needs_tls_as_an_address_does() {
    let supervisor = Supervisor::new();
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let said = supervisor.refusal(everywhere, &ONE, &[]);
    assert!(
        said.contains("can be reached from other machines, and without TLS"),
        "{said}"
    );
}
