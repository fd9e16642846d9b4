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
pub mod oidc;
pub mod registry;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

/// The most bytes of an answer's headers.
const HEADER_BYTES: usize = 64 << 10;
/// The most addresses of a name that are tried.
const ADDRESSES: usize = 4;
/// The most connections to one host that are kept to be used again.
const IDLE_CONNECTIONS: usize = 16;
const USER_AGENT: &str = concat!("transire/", env!("CARGO_PKG_VERSION"));

/// The addresses that the service may ask, and for how long.
#[derive(Clone, Debug)]
pub struct Settings {
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
            allow_http: false,
            allow_private_addresses: false,
            ca_file: None,
            timeout: Duration::from_secs(5),
        }
    }
}

/// Why a request to somebody else failed. It tells about this machine's network: for the log and
/// the operator.
#[derive(Debug, Error)]
pub enum Failure {
    /// The URL can't be one of ours to ask.
    #[error("{url} is not taken: {why}")]
    Url {
        /// The URL as it was given.
        url: String,
        /// The reason.
        why: &'static str,
    },
    /// The name has no address.
    #[error("{host} can't be resolved")]
    Unresolved {
        /// The name.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// The name has only addresses that aren't public.
    #[error("{host} has no public address, and outgoing.allow_private_addresses is off")]
    NotPublic {
        /// The name.
        host: String,
    },
    /// Nobody answers at the address.
    #[error("{address} can't be connected to")]
    Unreachable {
        /// The last address that was tried.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The certificates to trust can't be read.
    #[error("no authority's certificates can be read: {0}")]
    Authorities(String),
    /// The other side doesn't prove who it is, or speaks no TLS.
    #[error("TLS with {host} failed")]
    Tls {
        /// The name.
        host: String,
        /// The reason.
        source: io::Error,
    },
    /// The other side speaks no HTTP, or breaks off.
    #[error("the answer can't be read")]
    Http(#[source] hyper::Error),
    /// The answer has an end, but not soon enough.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The other side doesn't accept who asks.
    #[error("{url} answered {status}: it does not accept the token")]
    Refused {
        /// The URL that answered.
        url: String,
        /// With what status.
        status: http::StatusCode,
    },
    /// The answer did not come, or not all of it.
    #[error("there was no answer within {0:?}")]
    TimedOut(Duration),
    /// The answer isn't what was asked for.
    #[error("{url} answered {what}")]
    Unexpected {
        /// The URL that answered.
        url: String,
        /// With what.
        what: String,
    },
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
            "http" => return Err(refuse("it is not https, and outgoing.allow_http is off")),
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
        self.in_time(url, (Method::GET, headers, Bytes::new()), limit)
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
        self.in_time(url, (Method::POST, headers, body), limit)
            .await
    }

    async fn in_time(
        &self,
        url: &Url,
        request: Sent,
        limit: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let all = self.settings.timeout;
        timeout(all, self.send(url, request, limit))
            .await
            .unwrap_or(Err(Failure::TimedOut(all)))
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
        let mut failure = Failure::NotPublic { host };
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

type Sender = SendRequest<Full<Bytes>>;

/// Asks one host many times, over connections that are used again.
pub struct Connections {
    client: Arc<Client>,
    idle: Mutex<Vec<Sender>>,
}

impl Connections {
    /// Makes a place for connections; none is opened yet.
    pub fn new(client: Arc<Client>) -> Self {
        Self {
            client,
            idle: Mutex::default(),
        }
    }

    /// Sends a request without a body to a URL, whose scheme, host and port are always the same
    /// here. Any status is an answer, a redirect too. Of the body at most `limit` bytes are read.
    ///
    /// # Errors
    ///
    /// [`Failure::TooLarge`] for a longer body, [`Failure::TimedOut`], and whatever keeps the
    /// connection or the answer from coming.
    pub async fn send(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        limit: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let all = self.client.settings.timeout;
        timeout(all, self.send_in_time(method, url, headers, limit))
            .await
            .unwrap_or(Err(Failure::TimedOut(all)))
    }

    async fn send_in_time(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        limit: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let url = self.client.check_url(url.as_str())?;
        let request = || request(method.clone(), &url, headers.clone(), Bytes::new());
        while let Some(mut sender) = self.pop() {
            if sender.ready().await.is_err() {
                continue;
            }
            match send(&mut sender, request()?, limit).await {
                // The other side may close a connection that rests at any moment; what is asked for
                // here may come twice.
                Err(Failure::Http(error))
                    if error.is_canceled()
                        || error.is_closed()
                        || error.is_incomplete_message() => {}
                answer => {
                    self.push(sender);
                    return answer;
                }
            }
        }
        let mut sender = self.client.open(&url).await?;
        let answer = send(&mut sender, request()?, limit).await;
        self.push(sender);
        answer
    }

    fn pop(&self) -> Option<Sender> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn push(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS && !sender.is_closed() {
            idle.push(sender);
        }
    }
}

fn request(
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Failure> {
    let unwritable = || Failure::Url {
        url: url.to_string(),
        why: "it can't stand in a request",
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = url[url::Position::BeforePath..]
        .parse()
        .map_err(|_| unwritable())?;
    *request.headers_mut() = headers;
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    request.headers_mut().insert(
        header::HOST,
        HeaderValue::from_str(host).map_err(|_| unwritable())?,
    );
    request
        .headers_mut()
        .insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    Ok(request)
}

type Handshake<S> = (Sender, Connection<TokioIo<S>, Full<Bytes>>);

async fn handshake<S>(stream: S) -> Result<Handshake<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    http1::Builder::new()
        .max_buf_size(HEADER_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Failure::Http)
}

/// Lets a connection run by itself; it ends with its sender.
fn detach<S>((sender, connection): Handshake<S>) -> Sender
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    tokio::spawn(async move {
        // The caller that waits for an answer hears how it ended.
        connection.await.ok();
    });
    sender
}

/// Sends a request and reads the answer.
async fn send(
    sender: &mut Sender,
    request: Request<Full<Bytes>>,
    limit: usize,
) -> Result<Response<Bytes>, Failure> {
    let (parts, body) = sender
        .send_request(request)
        .await
        .map_err(Failure::Http)?
        .into_parts();
    let body = Limited::new(body, limit).collect().await.map_err(|error| {
        match error.downcast::<hyper::Error>() {
            Ok(error) => Failure::Http(*error),
            Err(error) if error.is::<LengthLimitError>() => Failure::TooLarge(limit),
            // A body fails by its connection or by its limit.
            Err(_) => Failure::TooLarge(limit),
        }
    })?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

/// Sends a request over a fresh connection and reads the answer.
async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    limit: usize,
) -> Result<Response<Bytes>, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = handshake(stream).await?;
    let answer = send(&mut sender, request, limit);
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        closed = connection => {
            closed.map_err(Failure::Http)?;
            // Data from before the end is still to be read.
            answer.await
        }
    }
}

async fn connector(ca_file: Option<PathBuf>) -> Result<TlsConnector, Failure> {
    let read = tokio::task::spawn_blocking(move || authorities(ca_file.as_deref()));
    let roots = read
        .await
        .map_err(|error| Failure::Authorities(error.to_string()))??;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Authorities(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Reads whom to trust: the system's authorities, and those of the file.
fn authorities(ca_file: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        let unreadable = |why: String| Failure::Authorities(format!("{}: {why}", path.display()));
        let mut count = 0;
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?
        {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unreadable(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(unreadable("it holds no certificate in PEM".to_owned()));
        }
    }
    if roots.is_empty() {
        let why: Vec<String> = system.errors.iter().map(ToString::to_string).collect();
        let why = if why.is_empty() {
            "the system has none; install them, or set outgoing.ca_file".to_owned()
        } else {
            why.join("; ")
        };
        return Err(Failure::Authorities(why));
    }
    Ok(roots)
}

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
