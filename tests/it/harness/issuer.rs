//! An OpenID Connect issuer on loopback, which counts what it is asked, and mints tokens.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use transire::domain::clock::Timestamp;
use transire::service::Outgoing;

#[path = "../../../src/token/web_identity/testing.rs"]
mod testing;

pub(crate) use self::testing::TestKey;

/// Where the issuer describes itself.
pub(crate) const DESCRIPTION: &str = "/.well-known/openid-configuration";
/// Where its keys are.
pub(crate) const KEYS: &str = "/keys";

/// How a path is answered.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(header::HeaderName, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Self {
        Self {
            status: StatusCode::OK,
            headers: Vec::new(),
            body: body.to_string(),
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            headers: Vec::new(),
            body: "{}".to_owned(),
        }
    }

    pub(crate) fn header(mut self, name: header::HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

struct State {
    replies: Mutex<HashMap<String, Reply>>,
    asked: Mutex<HashMap<String, u32>>,
    /// The last form of each path, with its Authorization.
    forms: Mutex<HashMap<String, (String, String)>>,
    connections: AtomicU32,
    was_asked: Notify,
    open: watch::Sender<bool>,
}

/// A running issuer; it stops when it is dropped.
pub(crate) struct Issuer {
    /// Its name, and where it is.
    pub(crate) url: String,
    /// The certificate to trust, when it speaks TLS.
    pub(crate) certificate: Option<String>,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Issuer {
    /// Starts an issuer with these keys, without TLS.
    pub(crate) async fn start(keys: &[&TestKey]) -> Self {
        Self::listen(keys, None).await
    }

    /// Starts an issuer with these keys, called `localhost`, with TLS.
    pub(crate) async fn start_tls(keys: &[&TestKey]) -> Self {
        let pair = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .self_signed(&pair)
            .unwrap();
        let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
        Self::listen(
            keys,
            Some((TlsAcceptor::from(Arc::new(config)), certificate.pem())),
        )
        .await
    }

    async fn listen(keys: &[&TestKey], tls: Option<(TlsAcceptor, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, certificate) = tls.unzip();
        let url = if acceptor.is_some() {
            format!("https://localhost:{port}")
        } else {
            format!("http://127.0.0.1:{port}")
        };
        let state = Arc::new(State {
            replies: Mutex::default(),
            asked: Mutex::default(),
            forms: Mutex::default(),
            connections: AtomicU32::new(0),
            was_asked: Notify::new(),
            open: watch::Sender::new(true),
        });
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let (state, acceptor) = (Arc::clone(&serving), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(state, stream).await,
                        // A client that doesn't trust us breaks off here.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(state, stream).await;
                            }
                        }
                    }
                });
            }
        });
        let issuer = Self {
            url,
            certificate,
            state,
            task,
        };
        issuer.reply(
            DESCRIPTION,
            Reply::json(
                &json!({ "issuer": issuer.url, "jwks_uri": format!("{}{KEYS}", issuer.url) }),
            ),
        );
        issuer.publish(keys);
        issuer
    }

    /// Gives out these keys from now on.
    pub(crate) fn publish(&self, keys: &[&TestKey]) {
        self.reply(KEYS, Reply::json(&jwks(keys)));
    }

    /// Answers a path, or a path with its query, otherwise from now on.
    pub(crate) fn reply(&self, path: &str, reply: Reply) {
        self.state
            .replies
            .lock()
            .unwrap()
            .insert(path.to_owned(), reply);
    }

    /// Returns how often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> u32 {
        self.state
            .asked
            .lock()
            .unwrap()
            .get(path)
            .copied()
            .unwrap_or(0)
    }

    /// Returns the last form that was sent to a path, and its Authorization.
    pub(crate) fn form(&self, path: &str) -> (String, String) {
        let forms = self.state.forms.lock().unwrap();
        forms.get(path).cloned().unwrap_or_default()
    }

    /// Returns how often somebody connected.
    pub(crate) fn connections(&self) -> u32 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Answers nothing until [`Issuer::open`].
    pub(crate) fn close(&self) {
        self.state.open.send_replace(false);
    }

    /// Answers what waits, and all that comes.
    pub(crate) fn open(&self) {
        self.state.open.send_replace(true);
    }

    /// Waits until something is asked for.
    pub(crate) async fn was_asked(&self) {
        self.state.was_asked.notified().await;
    }

    /// Returns the usual claims: of a subject, to an audience, at a time.
    pub(crate) fn claims(&self, subject: &str, audience: &str, now: Timestamp) -> Value {
        claims(&self.url, subject, audience, now)
    }
}

/// Returns the claims of an issuer's token.
pub(crate) fn claims(issuer: &str, subject: &str, audience: &str, now: Timestamp) -> Value {
    let now = now.unix_seconds();
    json!({
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    })
}

/// Returns the public keys as a JWK set.
pub(crate) fn jwks(keys: &[&TestKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
}

/// Settings that let a service ask an issuer on loopback.
pub(crate) fn outgoing_to_loopback() -> Outgoing {
    Outgoing {
        allow_http: true,
        allow_private_addresses: true,
        ca_file: None::<PathBuf>,
        timeout: Duration::from_secs(5),
        ..Outgoing::default()
    }
}

async fn serve(state: Arc<State>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let answer = service_fn(|request: hyper::Request<Incoming>| {
        let state = Arc::clone(&state);
        async move {
            let path = request.uri().path().to_owned();
            *state.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
            state.was_asked.notify_one();
            state.open.subscribe().wait_for(|open| *open).await.unwrap();
            let whole = request.uri().to_string();
            if request.method() == http::Method::POST {
                let authorization = request.headers().get(header::AUTHORIZATION);
                let authorization = authorization.map_or("", |value| value.to_str().unwrap());
                let authorization = authorization.to_owned();
                let form = request.into_body().collect().await.unwrap().to_bytes();
                let form = String::from_utf8(form.to_vec()).unwrap();
                let mut forms = state.forms.lock().unwrap();
                forms.insert(path.clone(), (form, authorization));
            }
            let replies = state.replies.lock().unwrap();
            let reply = replies
                .get(&whole)
                .or_else(|| replies.get(&path))
                .cloned()
                .unwrap_or_else(|| Reply::status(404));
            drop(replies);
            let mut response = Response::new(Full::new(Bytes::from(reply.body)));
            *response.status_mut() = reply.status;
            for (name, value) in reply.headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            Ok::<_, Infallible>(response)
        }
    });
    // A client that breaks off is part of some tests.
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await
        .ok();
}
