//! Requests to others over HTTP: for the keys of OpenID Connect issuers, and for the contents of
//! registries.
//!
//! A caller that can name a URL must not thereby reach what only this machine can reach. So the
//! address is judged after the name was resolved, and that address is connected to, and no other: a
//! name that changes its mind between the two gains nothing. No redirect is followed, no proxy is
//! taken from the environment, and time and size are bounded. The log says what went wrong; clients
//! hear only that something did.
//!
//! Start with [`Client`].

mod address;
pub mod code;
mod connections;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod oidc;
mod pieces;
pub mod registry;
mod tls;
mod trace;
pub mod webhook;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

pub use self::connections::Connections;
pub use self::failure::Failure;
pub use self::pieces::Pieces;
use self::tls::connector;
use self::trace::traced;
use self::wire::{Sender, detach, exchange, handshake, request};

/// The most addresses of a name that are tried.
const ADDRESSES: usize = 4;

/// The table of settings that says what a client may ask: the operator is told its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaidBy {
    /// `outgoing`.
    #[default]
    Outgoing,
    /// `notices`, for the webhook.
    Notices,
}

impl SaidBy {
    fn http_is_off(self) -> &'static str {
        match self {
            Self::Outgoing => "it is not https, and outgoing.allow_http is off",
            Self::Notices => "it is not https, and notices.webhook_allow_http is off",
        }
    }

    fn private_is_off(self) -> &'static str {
        match self {
            Self::Outgoing => "outgoing.allow_private_addresses",
            Self::Notices => "notices.webhook_allow_private_addresses",
        }
    }
}

/// The addresses that the service may ask, and for how long.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The settings that these are.
    pub said_by: SaidBy,
    /// Whether plain HTTP is spoken where a URL says so.
    pub allow_http: bool,
    /// Whether addresses are connected to that aren't public: loopback, private networks,
    /// link-local, and so on.
    pub allow_private_addresses: bool,
    /// Certificates of authorities that are trusted besides the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// How long a request may take, all of it.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            said_by: SaidBy::Outgoing,
            allow_http: false,
            allow_private_addresses: false,
            ca_file: None,
            timeout: Duration::from_secs(5),
        }
    }
}

/// Asks others over HTTP/1.1, each time by a connection of its own: it is seldom, and then no
/// connection can be used for what it wasn't made for. [`Connections`] is for who asks one host
/// many times.
pub struct Client {
    settings: Settings,
    /// Made when it is first needed: a machine without authorities' certificates can serve all
    /// else.
    tls: OnceCell<TlsConnector>,
}

impl Client {
    /// Makes a client; nothing can fail yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            tls: OnceCell::new(),
        }
    }

    /// Reads a URL that this client may ask, as far as that can be said before its name is
    /// resolved.
    ///
    /// # Errors
    ///
    /// [`Failure::Url`] with the reason, or [`Failure::NotPublic`].
    pub fn check_url(&self, text: &str) -> Result<Url, Failure> {
        let url = self.read_url(text)?;
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        };
        match literal {
            Some(literal) if !self.may_reach(literal) => Err(Failure::NotPublic {
                host: literal.to_string(),
                setting: self.settings.said_by.private_is_off(),
            }),
            _ => Ok(url),
        }
    }

    /// Reads a URL of the form that this client takes, wherever it leads.
    ///
    /// # Errors
    ///
    /// [`Failure::Url`] with the reason.
    pub fn read_url(&self, text: &str) -> Result<Url, Failure> {
        let refuse = |why| Failure::Url {
            url: text.to_owned(),
            why,
        };
        let url = Url::parse(text).map_err(|_| refuse("it can't be read"))?;
        match url.scheme() {
            "https" => {}
            "http" if self.settings.allow_http => {}
            "http" => return Err(refuse(self.settings.said_by.http_is_off())),
            _ => return Err(refuse("it is not https")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it holds a username or a password"));
        }
        if url.fragment().is_some() {
            return Err(refuse("it has a fragment"));
        }
        if url.host().is_none() {
            return Err(refuse("it names no host"));
        }
        Ok(url)
    }

    /// Gets a URL. Any status is an answer, a redirect too: it isn't followed. Of the body at most
    /// `limit` bytes are read.
    ///
    /// # Errors
    ///
    /// [`Failure::TooLarge`] for a longer body, [`Failure::TimedOut`], and whatever keeps the
    /// connection or the answer from coming.
    pub async fn get(
        &self,
        url: &Url,
        headers: HeaderMap,
        limit: usize,
    ) -> Result<Response<Bytes>, Failure> {
        self.ask(Method::GET, url, headers, Bytes::new(), limit)
            .await
    }

    /// Posts a body to a URL; as [`Self::get`].
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        limit: usize,
    ) -> Result<Response<Bytes>, Failure> {
        self.ask(Method::POST, url, headers, body, limit).await
    }

    /// Sends a request of any method; as [`Self::get`].
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub async fn ask(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        limit: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let all = self.settings.timeout;
        // Boxed, or each caller would keep its room twice.
        let asking = Box::pin(async {
            let sent = (method.clone(), headers, body);
            timeout(all, self.send(url, sent, limit))
                .await
                .unwrap_or(Err(Failure::TimedOut(all)))
        });
        traced(&method, url, asking).await
    }

    async fn send(
        &self,
        url: &Url,
        (method, headers, body): Sent,
        limit: usize,
    ) -> Result<Response<Bytes>, Failure> {
        // Once more: what is asked for may come from somebody else's document.
        let url = self.check_url(url.as_str())?;
        let request = request(method, &url, headers, body)?;
        let stream = self.connect(&url).await?;
        if url.scheme() == "http" {
            return exchange(stream, request, limit).await;
        }
        exchange(self.secure(&url, stream).await?, request, limit).await
    }

    /// Opens a connection that lives until what sends over it is dropped.
    async fn open(&self, url: &Url) -> Result<Sender, Failure> {
        let stream = self.connect(url).await?;
        if url.scheme() == "http" {
            return Ok(detach(handshake(stream).await?));
        }
        Ok(detach(handshake(self.secure(url, stream).await?).await?))
    }

    async fn secure(&self, url: &Url, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        let host = url.host_str().unwrap_or_default();
        // An IPv6 address stands in brackets in a URL, and without them in a certificate.
        let name =
            ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| {
                Failure::Url {
                    url: url.to_string(),
                    why: "its host is not one that a certificate can name",
                }
            })?;
        let tls = self
            .tls
            .get_or_try_init(|| connector(self.settings.ca_file.clone()))
            .await?;
        tls.connect(name, stream)
            .await
            .map_err(|source| Failure::Tls {
                host: host.to_owned(),
                source,
            })
    }

    /// Connects to the first address of the URL's host that may be connected to and answers.
    async fn connect(&self, url: &Url) -> Result<TcpStream, Failure> {
        let port = url.port_or_known_default().unwrap_or(443);
        let host = url.host_str().unwrap_or_default().to_owned();
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            _ => lookup_host((host.as_str(), port))
                .await
                .map_err(|source| Failure::Unresolved {
                    host: host.clone(),
                    source,
                })?
                .collect(),
        };
        let allowed = addresses
            .into_iter()
            .filter(|address| self.may_reach(address.ip()))
            .take(ADDRESSES);
        let setting = self.settings.said_by.private_is_off();
        let mut failure = Failure::NotPublic { host, setting };
        for address in allowed {
            // One silent address must not use up the others' time.
            failure = match timeout(self.settings.timeout / 2, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(source)) => Failure::Unreachable { address, source },
                Err(_) => Failure::Unreachable {
                    address,
                    source: io::ErrorKind::TimedOut.into(),
                },
            };
        }
        Err(failure)
    }

    fn may_reach(&self, address: std::net::IpAddr) -> bool {
        self.settings.allow_private_addresses || address::is_public(address)
    }
}

/// The method, the headers and the body of a request.
type Sent = (Method, HeaderMap, Bytes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_urls_are_asked_unless_the_settings_say_so() {
        let strict = Client::new(Settings::default());
        let lax = Client::new(Settings {
            allow_http: true,
            allow_private_addresses: true,
            ..Settings::default()
        });
        for (url, by_default, when_allowed) in [
            ("https://issuer.example.com", true, true),
            ("https://issuer.example.com:8443/realms/a?b=c", true, true),
            ("https://8.8.8.8/", true, true),
            ("http://issuer.example.com", false, true),
            ("https://127.0.0.1/", false, true),
            // Other ways to write 127.0.0.1.
            ("https://2130706433/", false, true),
            ("https://0x7f.1/", false, true),
            ("https://[::1]:8443/", false, true),
            ("https://[::ffff:10.0.0.1]/", false, true),
            ("https://user@issuer.example.com", false, false),
            ("https://:password@issuer.example.com", false, false),
            ("https://issuer.example.com#a", false, false),
            ("ftp://issuer.example.com", false, false),
            ("file:///etc/passwd", false, false),
            ("issuer.example.com", false, false),
            ("", false, false),
        ] {
            assert_eq!(strict.check_url(url).is_ok(), by_default, "{url}");
            assert_eq!(
                lax.check_url(url).is_ok(),
                when_allowed,
                "{url}, when all is allowed"
            );
        }
    }
}
