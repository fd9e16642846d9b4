//! Requests and answers of every API.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::body::{Body, to_bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use serde_json::{Value, json};
use transire::http::{Arrival, Server, Surface, Transport};
use transire::sign;

use crate::harness::alibaba::Place;
use crate::harness::{App, Key};

/// The socket that a request comes from, among its extensions; without one, it comes from 0.0.0.0.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

pub(super) async fn answer(server: &Server, request: Request<Body>) -> Answer {
    let peer = request
        .extensions()
        .get::<Peer>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let arrival = Arrival {
        peer,
        transport: Transport::Plain,
        surface: Surface::Clients,
    };
    let served = Box::pin(server.serve(request, arrival)).await;
    let (mut parts, body) = served.response.into_parts();
    // As the listener writes it.
    if let Some(length) = axum::body::HttpBody::size_hint(&body).exact() {
        parts
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let body = to_bytes(body, 1 << 20).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// An answer, its body read.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Builds headers.
pub(crate) fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect()
}

/// The parts of a request that a signature may cover; the host is the header's.
pub(crate) fn to_sign<'a>(
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body: &'a [u8],
) -> sign::Request<'a> {
    sign::Request {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        host: headers
            .get(header::HOST)
            .map_or("", |host| host.to_str().unwrap()),
        headers,
        body,
    }
}

/// A body that stops after its beginning.
pub(crate) struct Stalled(pub(crate) Option<bytes::Bytes>);

impl axum::body::HttpBody for Stalled {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, std::convert::Infallible>>>
    {
        match self.0.take() {
            Some(bytes) => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(bytes)))),
            None => std::task::Poll::Pending,
        }
    }
}

/// Returns what a future has at once.
fn futures_now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it has to wait"),
    }
}

/// Breaks a signature that stands in a query, a form or a header, as a wrong secret does.
fn spoilt(mut request: Request<Body>) -> Request<Body> {
    if let Some(line) = request.headers_mut().get_mut("authorization") {
        let text = line.to_str().unwrap().to_owned();
        let (id, _) = text.rsplit_once(':').unwrap();
        *line = format!("{id}:AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            .parse()
            .unwrap();
        return request;
    }
    let wrong = |text: &str| {
        let pairs = text.split('&').map(|pair| {
            if pair.starts_with("Signature=") {
                "Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"
            } else {
                pair
            }
        });
        pairs.collect::<Vec<_>>().join("&")
    };
    if let Some(query) = request.uri().query() {
        let uri = format!("/?{}", wrong(query));
        *request.uri_mut() = uri.parse().unwrap();
        return request;
    }
    let (parts, body) = request.into_parts();
    let bytes = futures_now(axum::body::to_bytes(body, 1 << 20)).unwrap();
    Request::from_parts(
        parts,
        Body::from(wrong(std::str::from_utf8(&bytes).unwrap())),
    )
}

impl App {
    /// Calls by each door and each way of signing, with a key.
    pub(crate) fn calls(&self, key: &Key) -> Vec<Request<Body>> {
        let form = |request: Request<Body>| {
            // Forms are signed by the app's key; a neighbour's signature is spoilt.
            if key.id == self.key.id && std::ptr::eq(key, &raw const self.key) {
                request
            } else {
                spoilt(request)
            }
        };
        vec![
            self.tencent(
                "CreateInstanceToken",
                &json!({ "RegistryId": self.instance.id.as_str() }),
            )
            .by(key)
            .request(),
            self.alibaba(
                "GetAuthorizationToken",
                &[("InstanceId", self.instance.cri_id.as_str())],
            )
            .by(key)
            .request(),
            form(self.v1(&Method::POST, sign::Method::TencentHmacSha256, |_| {})),
            form(self.v1(&Method::GET, sign::Method::TencentHmacSha1, |_| {})),
            form(self.rpc(Method::POST, Place::Form, &[])),
            form(self.rpc(Method::GET, Place::Query, &[])),
            form(self.roa("/tokens", None)),
        ]
    }

    /// Sends a request and returns the error's code; empty when it is served.
    pub(crate) async fn code(&self, request: Request<Body>) -> String {
        let answer = self.send(request).await;
        let body = answer.json();
        let code = [
            &body["Response"]["Error"]["Code"],
            &body["Code"],
            &body["code"],
        ]
        .into_iter()
        .find_map(|code| code.as_str());
        match code {
            Some(code) if code != "success" => code.to_owned(),
            _ => {
                assert_eq!(answer.status, StatusCode::OK, "{body}");
                String::new()
            }
        }
    }
}
