//! Variables of the environment that are no settings.

use std::path::PathBuf;
use std::time::Duration;

/// Tells whether the user wants no colours, by the variable of no-color.org.
pub fn refuses_colours() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty())
}

/// The variables by which a supervisor such as systemd says that it wants to hear of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SupervisorVariables {
    /// The socket that hears it: a path, or `@` and an abstract name.
    pub notify_socket: Option<String>,
    /// How long the process may be silent.
    pub watchdog: Option<Duration>,
}

impl SupervisorVariables {
    /// Returns this process's. A watchdog that is another process's counts as none.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn of_process() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let own = std::process::id().to_string();
        let is_meant = variable("WATCHDOG_PID").is_none_or(|id| id == own);
        let watchdog = variable("WATCHDOG_USEC")
            .filter(|_| is_meant)
            .and_then(|text| text.parse().ok())
            .filter(|microseconds| *microseconds > 0)
            .map(Duration::from_micros);
        Self {
            notify_socket: variable("NOTIFY_SOCKET"),
            watchdog,
        }
    }
}

/// Returns the names of the sockets that a supervisor opened for this process (sd_listen_fds(3)),
/// in their order; one without a name has an empty one.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn given_socket_names() -> Vec<String> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    // A process that this one's parent started may have inherited another's variables.
    if variable("LISTEN_PID") != std::process::id().to_string() {
        return Vec::new();
    }
    let names = variable("LISTEN_FDNAMES");
    let mut names = names.split(':').map(str::to_owned);
    let count = variable("LISTEN_FDS").parse().unwrap_or(0);
    std::iter::repeat_with(|| names.next().unwrap_or_default())
        .take(count)
        .collect()
}

/// The name of the systemd credential that holds the master key.
const MASTER_KEY_CREDENTIAL: &str = "transire.master-key";

/// Returns the file of the master key among the credentials that systemd gave this process
/// (`LoadCredential=`), where it is one of them.
pub(super) fn master_key_credential() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?);
    Some(folder.join(MASTER_KEY_CREDENTIAL)).filter(|file| file.is_file())
}

/// Looks for the first of these programs on the path.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var("PATH").ok()?;
    let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| {
        places
            .iter()
            .map(|place| place.join(name))
            .find(|program| program.is_file())
    })
}
