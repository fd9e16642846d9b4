//! A supervisor such as systemd hears that the service is ready, lives and stops.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The program with a supervisor's variables, on data of its own.
struct Supervised {
    child: Child,
    folder: PathBuf,
    supervisor: UnixDatagram,
}

impl Supervised {
    /// Starts the program; `address` is the value of `NOTIFY_SOCKET`.
    fn start(supervisor: UnixDatagram, address: OsString, folder: PathBuf) -> Self {
        let program = env!("CARGO_BIN_EXE_transire");
        let data = folder.join("data");
        let run = |arguments: &[&str]| {
            let mut command = Command::new(program);
            command
                .env_clear()
                .current_dir(&folder)
                .arg("--data-dir")
                .arg(&data)
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command
        };
        assert!(run(&["init"]).status().unwrap().success());
        let child = run(&["serve", "--listen", "127.0.0.1:0"])
            .env("NOTIFY_SOCKET", address)
            .env("WATCHDOG_USEC", "200000")
            .spawn()
            .unwrap();
        // A program that says nothing fails the test, and doesn't hang it.
        supervisor
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        Self {
            child,
            folder,
            supervisor,
        }
    }

    /// Returns the next thing that the supervisor hears.
    fn heard(&self) -> String {
        let mut buffer = [0; 256];
        let length = self.supervisor.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }

    /// Follows the program from its start to its end.
    fn lives_and_stops(mut self) {
        assert_eq!(self.heard().lines().next(), Some("READY=1"));
        // The watchdog's time is twice that of a beat.
        for _ in 0..3 {
            assert_eq!(self.heard(), "WATCHDOG=1\n");
        }
        self.terminate();
        let stopping = std::iter::repeat_with(|| self.heard())
            .find(|said| said != "WATCHDOG=1\n")
            .unwrap();
        assert_eq!(stopping.lines().next(), Some("STOPPING=1"));
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("transire-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_supervisor_at_a_path_hears_that_the_service_is_ready_lives_and_stops() {
    let folder = folder("notify");
    let path = folder.join("notify.sock");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    Supervised::start(supervisor, path.into(), folder).lives_and_stops();
}

#[test]
fn a_supervisor_at_an_abstract_name_hears_it_too() {
    let name = format!("transire-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let supervisor = UnixDatagram::bind_addr(&address).unwrap();
    let folder = folder("notify-abstract");
    Supervised::start(supervisor, format!("@{name}").into(), folder).lives_and_stops();
}
