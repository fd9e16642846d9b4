//! The sockets at which clients connect: bound as the settings say, or given by a supervisor.
//!
//! A supervisor such as systemd can open the sockets itself (sd_listen_fds(3)). It may take ports
//! under 1024 for a service without rights, and it keeps them while one process ends and the next
//! begins: connections wait in the kernel's queue meanwhile, and none is refused.

use std::net::SocketAddr;
use std::sync::Arc;

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use tokio::net::TcpListener;

use super::tls::Tls;
use crate::config::{Listen, Settings, given_socket_names};
use crate::domain::{Error, Result};
use crate::http::Mock;

/// The name of the socket for monitoring systems (`FileDescriptorName=`).
const MONITORING: &str = "metrics";
/// The name of the socket for operators. One with any other name is for clients.
const OPERATORS: &str = "admin";

/// The sockets at which clients connect, with TLS or without.
pub struct Listener {
    pub(super) tcp: TcpListener,
    pub(super) keeper: Keeper,
    pub(super) tls: Option<Arc<Tls>>,
    /// The socket for monitoring systems, if there is one.
    pub(super) monitoring: Option<TcpListener>,
    /// The socket for operators, if there is one, and its owner.
    pub(super) operators: Option<(TcpListener, Keeper)>,
    /// The calls that a mock has besides.
    pub(super) mock: Option<Mock>,
}

/// The owner of a socket, with whom connections wait that nobody has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// This process: when it ends, the kernel resets them.
    Process,
    /// The supervisor, for the next process.
    Supervisor,
}

impl Listener {
    /// Listens at a socket, by TLS if there is a certificate.
    pub fn new(tcp: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        Self {
            tcp,
            keeper: Keeper::Process,
            tls,
            monitoring: None,
            operators: None,
            mock: None,
        }
    }

    /// Serves `/metrics`, too, at a socket of its own.
    #[must_use]
    pub fn monitored_at(mut self, monitoring: Option<TcpListener>) -> Self {
        self.monitoring = monitoring;
        self
    }

    /// Serves the admin API, too, at a socket of its own.
    #[must_use]
    pub fn administered_at(mut self, operators: Option<TcpListener>) -> Self {
        self.operators = operators.map(|socket| (socket, Keeper::Process));
        self
    }

    /// Serves the calls of a mock, too.
    #[must_use]
    pub fn as_mock(self, mock: Mock) -> Self {
        Self {
            mock: Some(mock),
            ..self
        }
    }
}

impl From<TcpListener> for Listener {
    /// Listens without TLS.
    fn from(tcp: TcpListener) -> Self {
        Self::new(tcp, None)
    }
}

/// The sockets that a supervisor opened for this process.
#[derive(Debug, Default)]
pub struct GivenSockets {
    clients: Option<std::net::TcpListener>,
    monitoring: Option<std::net::TcpListener>,
    operators: Option<std::net::TcpListener>,
}

impl GivenSockets {
    /// Takes this process's sockets, and the variables that tell of them away. It is called once,
    /// before there are threads.
    ///
    /// # Errors
    /// `Misconfigured` when one can't be used, or two are for one thing.
    pub fn of_process() -> Result<Self> {
        let names = given_socket_names();
        let mut given = Self::default();
        if names.is_empty() {
            return Ok(given);
        }
        let mut sockets = ListenFd::from_env();
        for (place, name) in names.iter().enumerate() {
            let socket = take(&mut sockets, place).map_err(|why| {
                Error::misconfigured(format!(
                    "the socket {name:?} that the supervisor gives can't be used: {why}; \
                     the service takes sockets of ListenStream= with a port, and Accept=no"
                ))
            })?;
            let (what, taken) = match name.as_str() {
                MONITORING => ("monitoring", &mut given.monitoring),
                OPERATORS => ("operators", &mut given.operators),
                _ => ("clients", &mut given.clients),
            };
            if taken.replace(socket).is_some() {
                return Err(Error::misconfigured(format!(
                    "the supervisor gives two sockets for {what}, and {name:?} is the second: \
                     the service takes one. ListenStream=443 takes IPv4 and IPv6; the socket of \
                     /metrics has FileDescriptorName={MONITORING}, that of the admin API \
                     FileDescriptorName={OPERATORS}"
                )));
            }
        }
        Ok(given)
    }

    /// Returns the address at which clients connect: that of the given socket, or the setting's.
    ///
    /// # Errors
    /// `Misconfigured` when the setting says another one.
    pub(super) fn address(&self, settings: &Settings) -> Result<SocketAddr> {
        let is_set = settings.listen != Settings::default().listen;
        let set = is_set.then_some(settings.listen);
        let given = agreed(self.clients.as_ref(), "listen", set)?;
        Ok(given.unwrap_or_else(|| settings.listen.address()))
    }

    /// Returns the address at which operators connect, if they have one of their own.
    ///
    /// # Errors
    /// `Misconfigured` when the setting says another one than the given socket has.
    pub(super) fn operators_address(&self, settings: &Settings) -> Result<Option<SocketAddr>> {
        let given = agreed(
            self.operators.as_ref(),
            "admin_listen",
            settings.admin_listen,
        )?;
        Ok(given.or_else(|| settings.admin_listen.map(Listen::address)))
    }

    /// Returns the listening sockets, those that aren't given bound as the settings say.
    ///
    /// # Errors
    /// `Misconfigured` with the system's reason, or when a setting says another address.
    pub(super) async fn listen(
        self,
        settings: &Settings,
        tls: Option<Arc<Tls>>,
    ) -> Result<Listener> {
        let address = self.address(settings)?;
        let operators_address = self.operators_address(settings)?;
        agreed(
            self.monitoring.as_ref(),
            "metrics_listen",
            settings.metrics_listen,
        )?;
        let keeper = match self.clients {
            Some(_) => Keeper::Supervisor,
            None => Keeper::Process,
        };
        let tcp = match self.clients {
            Some(given) => adopt(given)?,
            None => bind(address).await?,
        };
        let monitoring = match (self.monitoring, settings.metrics_listen) {
            (Some(given), _) => Some(adopt(given)?),
            (None, Some(place)) => Some(bind(place.address()).await?),
            (None, None) => None,
        };
        let operators = match (self.operators, operators_address) {
            (Some(given), _) => Some((adopt(given)?, Keeper::Supervisor)),
            (None, Some(address)) => Some((bind(address).await?, Keeper::Process)),
            (None, None) => None,
        };
        Ok(Listener {
            keeper,
            operators,
            ..Listener::new(tcp, tls).monitored_at(monitoring)
        })
    }
}

/// Takes the socket at a place of the list; says why when it is none that listens.
fn take(sockets: &mut ListenFd, place: usize) -> Result<std::net::TcpListener, String> {
    let socket = sockets
        .take_tcp_listener(place)
        .map_err(|error| error.to_string())?
        .ok_or("it is missing")?;
    match socket_acceptconn(&socket) {
        Ok(true) => Ok(socket),
        Ok(false) => Err("it doesn't listen".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Returns the address of a given socket, unless the setting of that name says another.
fn agreed(
    given: Option<&std::net::TcpListener>,
    setting: &str,
    set: Option<Listen>,
) -> Result<Option<SocketAddr>> {
    let Some(given) = given else { return Ok(None) };
    let address = given.local_addr().map_err(Error::internal)?;
    match set.map(Listen::address) {
        Some(set) if set != address => Err(Error::misconfigured(format!(
            "the supervisor gives a socket at {address}, and {setting} says {set}: leave {setting} \
             out, or change ListenStream= in the unit of the socket"
        ))),
        _ => Ok(Some(address)),
    }
}

fn adopt(given: std::net::TcpListener) -> Result<TcpListener> {
    given
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(given))
        .map_err(|error| {
            Error::misconfigured(format!(
                "a socket that the supervisor gives can't be used: {error}"
            ))
        })
}

/// Listens at an address.
///
/// # Errors
/// `Misconfigured` with the system's reason.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| {
        Error::misconfigured(format!(
            "can't listen at {listen}: {error}; choose another --listen address"
        ))
    })
}
