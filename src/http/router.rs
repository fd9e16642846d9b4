//! Picks the door: before any work, from the request itself.
//!
//! Both clouds' clients call one port, with any host and nearly any path, so a call is recognised by its
//! signature: where it stands and what it is called. A request with the marks of two dialects is refused:
//! whoever checks the one would act on what the other says.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version, header};

use crate::domain::{Error, ErrorKind, Result};
use crate::service::Service;
use crate::sign;

use super::body::{Announced, Budget, Buffered, Owner, Rest, never_came, read_at_once, read_rest};
use super::edge::{Door, Outage, Visit, unless_panic};
use super::metrics::{self, ConnectionCounts, Outcome, Requests};
use super::overload::Load;
use super::plain::{Page, Reader};
use super::{Peer, Settings, Transport, address, alibaba, plain, registry, tencent};

/// The largest body from an address that was refused too often, in bytes, unless its access key was right lately: to hold
/// it and to hash it is all that a wrong signature costs.
const MAX_SLOWED_BODY: usize = 64 * 1024;
/// The largest body of a call whose headers carry no signature, in bytes. The older signatures stand in forms, which anybody
/// may send: those of real clients have a few kilobytes. A call that isn't signed holds a token of at most 20,000
/// characters.
const MAX_FORM_BYTES: usize = 64 * 1024;
/// Where registries send their clients.
const TOKEN_PATH: &str = "/token";

/// A request's answer, and what its connection learns from it.
pub struct Served {
    /// The answer.
    pub response: Response,
    /// Whether the caller proved an identity: by a signature, a credential or an OpenID Connect token.
    pub is_authenticated: bool,
}

/// All front doors of one service.
pub struct Front {
    service: Arc<Service>,
    settings: Settings,
    /// For bodies of known keys: their signatures stand in the headers.
    admitted: Budget,
    /// For bodies that nobody vouches for before they are read: forms. Strangers can use this one up, and
    /// that must not shut the others out.
    unknown: Budget,
    requests: Requests,
    load: Load,
    outage: Outage,
    /// Whether the service is about to end.
    closing: AtomicBool,
}

/// Builds the router over all front doors; a request's [`Peer`] is among its extensions.
pub fn router(service: Arc<Service>, settings: Settings) -> Router {
    let serve = |State(front): State<Arc<Front>>, request: Request| async move {
        // Without a peer, as in a test, there is still an address to count refusals against.
        let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        front.serve(request, peer, Transport::Plain).await.response
    };
    Router::new().fallback(serve).with_state(Arc::new(Front::new(service, settings)))
}

impl Front {
    /// Opens the doors of `service`.
    pub fn new(service: Arc<Service>, settings: Settings) -> Self {
        let half = settings.body_budget_bytes / 2;
        let load = Load::new(settings.most_in_work, settings.longest_wait);
        Self {
            service,
            settings,
            admitted: Budget::new(half),
            unknown: Budget::new(half),
            requests: Requests::new(),
            load,
            outage: Outage::default(),
            closing: AtomicBool::new(false),
        }
    }

    /// Tells all who ask that the service is about to end: probes, and clients that would send more by the same connection.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Watches how much there is to do, for ever: without it, nothing is refused for waiting too long, and what an outage
    /// fails is not told of but once.
    pub async fn keep_pace(&self) {
        tokio::join!(self.load.keep_pace(), self.outage.keep_telling());
    }

    /// Serves one request that came from `peer`.
    pub async fn serve(&self, request: Request, peer: IpAddr, transport: Transport) -> Served {
        let began = Instant::now();
        let (parts, body) = request.into_parts();
        let client = address::client(peer, &parts.headers, &self.settings.trusted_proxies);
        let secure = address::came_by_tls(peer, transport, &parts.headers, &self.settings.trusted_proxies);
        let mut visit = Visit::new(self.service.request_id(), client, secure);
        let answer = unless_panic(self.answer(&parts, body, &mut visit)).await;
        if answer.is_err() {
            visit.name_action(&parts);
        }
        let instead = answer.as_ref().err().and_then(|error| self.count(error, &visit));
        self.requests.count(&visit.door, &visit.action, Outcome::of(&answer), began.elapsed());
        let is_authenticated = visit.is_authenticated();
        let mut response = visit.end(answer, instead.as_ref(), &self.service, &self.outage);
        // In one place, as what lets a page read an answer is the same on each.
        if parts.uri.path() == TOKEN_PATH {
            self.settings.cors.mark(&parts.headers, &mut response);
        }
        if self.closing.load(Ordering::Relaxed) && parts.version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Served { response, is_authenticated }
    }

    /// Counts a refusal, in one place, whatever was wrong: a stranger costs the same by nonsense as by guessing. Where there
    /// were too many before, returns what is answered instead.
    fn count(&self, error: &Error, visit: &Visit) -> Option<Error> {
        if matches!(error.kind(), ErrorKind::Overloaded) {
            self.load.count();
            return None;
        }
        let slowed = if visit.is_strangers() { self.service.count_refusal(error, &visit.context) } else { None };
        // What comes there before the log-in is nonsense, and says so to whoever configures a client.
        slowed.filter(|_| !matches!(visit.door, Door::Registry))
    }

    /// Answers a monitoring system, at a listener that is for such ones alone; the doors have these `connections`.
    pub async fn monitor(&self, parts: &Parts, connections: &ConnectionCounts) -> Response {
        let answer =
            unless_panic(metrics::answer(parts, &self.service, &self.requests, connections, self.closing.load(Ordering::Relaxed))).await;
        answer.unwrap_or_else(|error| plain::refuse(&error, &self.service.request_id()))
    }

    async fn answer(&self, parts: &Parts, body: Body, visit: &mut Visit) -> Result<Response> {
        let path = parts.uri.path();
        if path == TOKEN_PATH {
            visit.door = Door::Registry;
            check_authority(parts)?;
            return self.token(parts, body, visit).await;
        }
        match Page::of(path) {
            Some(page) => {
                check_authority(parts)?;
                plain::page(page, parts, &self.service, self.closing.load(Ordering::Relaxed), Reader::Anybody).await
            }
            None => self.cloud(parts, body, visit).await,
        }
    }

    async fn token(&self, parts: &Parts, body: Body, visit: &mut Visit) -> Result<Response> {
        // Also under load: it costs less than to refuse it.
        if let Some(answer) = self.settings.cors.preflight(parts) {
            return Ok(answer);
        }
        visit.by_page = self.settings.cors.allows(&parts.headers);
        self.load.let_in()?;
        if parts.method == Method::GET {
            let _in_work = self.load.begin()?;
            registry::get(&self.service, parts, visit).await
        } else if parts.method == Method::POST {
            let mut buffered = Buffered::new(&self.unknown, Owner::new(visit.context.address, ""));
            let limit = self.settings.max_body_bytes.min(registry::MAX_FORM_BYTES);
            self.read(body, limit, Announced::Refuse, &mut buffered, "", visit).await?;
            let _in_work = self.load.begin()?;
            registry::post(&self.service, parts, buffered.bytes(), visit).await
        } else {
            Ok(registry::method_not_allowed(&parts.method))
        }
    }

    async fn cloud(&self, parts: &Parts, body: Body, visit: &mut Visit) -> Result<Response> {
        let host = signed_host(parts);
        let mut marks = Marks::of_head(parts);
        visit.open(&marks, parts, &host);
        // Who signs in a form is refused once that is read, in the shape that its client reads.
        if !matches!(marks.dialect(), Dialect::Neither) {
            self.load.let_in()?;
        }
        if matches!(marks.dialect(), Dialect::Neither) && !marks.may_stand_in_the_body(parts) {
            return Ok(self.wrong_door(parts));
        }
        let host = host?;
        marks.check_single(parts)?;

        let mut limit = match marks.dialect() {
            Dialect::Tencent(tencent::Scheme::Tc3) => self.settings.max_tc3_body_bytes.max(self.settings.max_body_bytes),
            _ if marks.is_header_signed() => self.settings.max_body_bytes,
            _ => self.settings.max_body_bytes.min(MAX_FORM_BYTES),
        };
        let (mut body, mut preview) = (body, None);
        if marks.is_header_signed() && !axum::body::HttpBody::is_end_stream(&body) {
            preview = Some(self.admit(parts, host, &marks, visit).await?);
        } else if marks.is_refused(parts) && !marks.may_stand_in_the_body(parts) {
            body = Body::empty();
        }
        let announced = if matches!(marks.dialect(), Dialect::Neither) { Announced::Begin } else { Announced::Refuse };
        let access_key_id = preview.map_or("", |preview| preview.access_key_id);
        if self.service.is_slowed(&visit.context) && !self.service.was_right_lately(access_key_id) {
            limit = limit.min(MAX_SLOWED_BODY);
        }
        let budget = if marks.is_header_signed() { &self.admitted } else { &self.unknown };
        let mut buffered = Buffered::new(budget, Owner::new(visit.context.address, access_key_id));
        let read = self.read(body, limit, announced, &mut buffered, access_key_id, visit).await;
        if registry::is_form(&parts.headers) {
            // Even what came of a form that is too large or too slow says whose envelope to answer in.
            marks.add(buffered.bytes());
            visit.open(&marks, parts, &Ok(host));
        }
        read?;
        let _in_work = self.load.begin()?;
        marks.check_single(parts)?;
        let request = signed(parts, host, buffered.bytes());
        match marks.dialect() {
            Dialect::Tencent(scheme) => tencent::answer(&self.service, scheme, &request, preview, visit).await,
            Dialect::Alibaba(scheme) => alibaba::answer(&self.service, scheme, &request, visit).await,
            Dialect::Neither => Ok(self.wrong_door(parts)),
        }
    }

    /// Answers who came to no door, in the form that is read at such a path.
    fn wrong_door(&self, parts: &Parts) -> Response {
        let path = parts.uri.path();
        if registry::is_beside(path) { registry::not_found(path, &self.settings) } else { plain::wrong_door(&self.settings) }
    }

    /// Checks what can be known before a body takes memory: a stranger gets none.
    async fn admit<'a>(&self, parts: &'a Parts, host: &str, marks: &Marks<'_>, visit: &mut Visit) -> Result<sign::Preview<'a>> {
        if let Some(preview) = sign::preview(&parts.headers) {
            let admitted = self.service.admit(&preview, &visit.context).await;
            if admitted.is_err() {
                visit.claim_access_key(preview.access_key_id);
            }
            return admitted.map(|()| preview);
        }
        // It can't be read; its reader says what is wrong with it, without the body.
        let request = signed(parts, host, b"");
        match marks.dialect() {
            Dialect::Tencent(tencent::Scheme::Tc3) => sign::tc3::read(&request).map(drop)?,
            Dialect::Alibaba(alibaba::Scheme::Acs3) => sign::acs3::read(&request).map(drop)?,
            Dialect::Alibaba(alibaba::Scheme::Roa) => sign::alibaba_roa::read(&request).map(drop)?,
            Dialect::Tencent(_) | Dialect::Alibaba(_) | Dialect::Neither => {}
        }
        Err(Error::malformed_authorization("The Authorization header can't be read."))
    }

    /// Reads a body. One that has to be waited for is charged to its sender until it is whole: who lets many be waited for
    /// in vain is then refused unread, but for bodies that come at once.
    async fn read(
        &self,
        mut body: Body,
        limit: usize,
        announced: Announced,
        buffered: &mut Buffered<'_>,
        access_key_id: &str,
        visit: &Visit,
    ) -> Result<()> {
        if read_at_once(&mut body, limit, announced, buffered).await? == Rest::None {
            return Ok(());
        }
        let wait = self.service.begin_wait(&visit.context, access_key_id)?;
        let read = read_rest(body, limit, self.settings.body_timeout, buffered).await;
        if !read.as_ref().is_err_and(never_came) {
            self.service.end_wait(wait);
        }
        read
    }
}

/// Answers a request that the service can't take on with `error`, in the shape that its client reads.
pub fn refusal(parts: &Parts, error: &Error, request_id: String) -> Response {
    let mut visit = Visit::new(request_id, IpAddr::V4(Ipv4Addr::UNSPECIFIED), false);
    if parts.uri.path() == TOKEN_PATH {
        visit.door = Door::Registry;
    } else if Page::of(parts.uri.path()).is_none() {
        visit.open(&Marks::of_head(parts), parts, &signed_host(parts));
    }
    visit.refuse(error)
}

impl Visit {
    /// Notes what a refused call's head names, where nobody has read the call as a whole.
    fn name_action(&mut self, parts: &Parts) {
        self.called = self.called.or_else(|| match self.door {
            Door::Tencent(_) => tencent::audited_action(&parts.headers),
            Door::Alibaba(_) => alibaba::audited_action(parts),
            Door::Registry | Door::Plain => None,
        });
    }

    /// Chooses the envelope, by what is known so far.
    fn open(&mut self, marks: &Marks<'_>, parts: &Parts, host: &Result<&str>) {
        match marks.dialect() {
            Dialect::Tencent(scheme) => {
                self.door = Door::Tencent(tencent::Envelope::new(scheme, &parts.headers, marks.language, marks.version));
            }
            Dialect::Alibaba(scheme) => {
                let version = parts.headers.get("x-acs-version").map_or(&b""[..], HeaderValue::as_bytes);
                let style = match scheme {
                    alibaba::Scheme::Roa => alibaba::Style::Roa,
                    alibaba::Scheme::Rpc => alibaba::Style::Rpc,
                    alibaba::Scheme::Acs3 | alibaba::Scheme::Bearer | alibaba::Scheme::Unsigned => alibaba::Style::of_version(version),
                };
                let parameter = marks.version.map(str::as_bytes);
                let product = match scheme {
                    alibaba::Scheme::Acs3 | alibaba::Scheme::Roa => alibaba::Product::of_version(version),
                    alibaba::Scheme::Rpc | alibaba::Scheme::Bearer | alibaba::Scheme::Unsigned => {
                        alibaba::Product::of_version(parameter.unwrap_or(version))
                    }
                };
                let host = host.as_ref().copied().unwrap_or_default();
                self.door = Door::Alibaba(alibaba::Envelope::new(&parts.headers, marks.format, style, product, host));
                // Alibaba's request ids are upper-case; the log's and the audit's are what the client saw.
                self.context.request_id.make_ascii_uppercase();
            }
            // Any path may be a signed call's.
            Dialect::Neither if registry::is_beside(parts.uri.path()) => self.door = Door::Registry,
            Dialect::Neither => self.door = Door::Plain,
        }
    }
}

fn signed<'a>(parts: &'a Parts, host: &'a str, body: &'a [u8]) -> sign::Request<'a> {
    sign::Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        host,
        headers: &parts.headers,
        body,
    }
}

/// Returns the host that clients sign: the Host header as it came, a scheme in it or not (tccli sends
/// one), or HTTP/2's authority. Two of them are refused: a proxy may believe the other one.
fn signed_host(parts: &Parts) -> Result<&str> {
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let header = lines.next().map(HeaderValue::to_str).transpose();
    let header = header.map_err(|_| Error::malformed_request("The Host header can't be read."))?;
    check_authority(parts)?;
    let authority = (parts.version >= Version::HTTP_2).then(|| parts.uri.authority().map(http::uri::Authority::as_str)).flatten();
    match (authority, header, lines.next()) {
        (Some(authority), Some(header), _) if authority != header => Err(two_hosts()),
        (_, _, Some(_)) => Err(two_hosts()),
        (Some(host), _, None) | (None, Some(host), None) => Ok(host),
        (None, None, None) => Err(Error::malformed_request("The request names no host.")),
    }
}

/// Refuses a target that names another host than the Host header: whoever stands in front may go by the one, and this
/// service by the other (RFC 9112, 3.2.2).
fn check_authority(parts: &Parts) -> Result<()> {
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let is_same = |host: &HeaderValue| authority.is_none_or(|authority| host.as_bytes().eq_ignore_ascii_case(authority));
    if parts.headers.get_all(header::HOST).iter().all(is_same) { Ok(()) } else { Err(two_hosts()) }
}

fn two_hosts() -> Error {
    Error::malformed_request("The request names two hosts.")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Tencent(tencent::Scheme),
    Alibaba(alibaba::Scheme),
    Neither,
}

/// What the Authorization header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Authorization {
    Tc3,
    Skip,
    Acs3,
    Roa,
    /// None, or one that no dialect has.
    Other,
}

impl Authorization {
    fn of(headers: &HeaderMap) -> Self {
        let text = headers.get(header::AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
        if text.starts_with(b"TC3-") {
            Self::Tc3
        } else if text == b"SKIP" {
            Self::Skip
        } else if text.starts_with(b"ACS3-") {
            Self::Acs3
        } else if text.starts_with(b"acs ") {
            Self::Roa
        } else {
            Self::Other
        }
    }
}

/// The marks of the dialects that a request bears.
///
/// The clouds' parameters share names (`Signature`, `SignatureMethod`, `Action`, `Version`, `Timestamp`):
/// it is the access key's that tells them apart. `x-acs-` headers alone are no scheme: clients that sign
/// with parameters send them too.
struct Marks<'a> {
    authorization: Authorization,
    tencent_headers: bool,
    alibaba_headers: bool,
    bearer: bool,
    secret_id: bool,
    access_key_id: bool,
    signature: bool,
    signature_nonce: bool,
    action: bool,
    version: Option<&'a str>,
    language: Option<&'a str>,
    format: Option<&'a str>,
}

impl<'a> Marks<'a> {
    /// Reads the marks of headers and query.
    fn of_head(parts: &'a Parts) -> Self {
        let headers = &parts.headers;
        let mut marks = Self {
            authorization: Authorization::of(headers),
            tencent_headers: false,
            alibaba_headers: false,
            bearer: false,
            secret_id: false,
            access_key_id: false,
            signature: false,
            signature_nonce: false,
            action: false,
            version: None,
            language: None,
            format: None,
        };
        for name in headers.keys() {
            match name.as_str() {
                "x-tc-action" => marks.tencent_headers = true,
                "x-acs-action" | "x-acs-version" => marks.alibaba_headers = true,
                "x-acs-bearer-token" => marks.bearer = true,
                _ => {}
            }
        }
        marks.add(parts.uri.query().unwrap_or_default().as_bytes());
        marks
    }

    /// Adds the marks of encoded parameters. Names and the few values that matter are plain ASCII, and
    /// no client encodes those.
    fn add(&mut self, encoded: &'a [u8]) {
        for pair in encoded.split(|byte| *byte == b'&') {
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(place) => (&pair[..place], &pair[place + 1..]),
                None => (pair, &b""[..]),
            };
            let text = || std::str::from_utf8(value).ok();
            match name {
                b"SecretId" => self.secret_id = true,
                b"AccessKeyId" => self.access_key_id = true,
                b"Signature" => self.signature = true,
                b"SignatureNonce" | b"SignatureVersion" => self.signature_nonce = true,
                b"BearerToken" => self.bearer = true,
                b"SignatureType" => self.bearer |= value == b"BEARERTOKEN",
                b"Action" => self.action = true,
                b"Version" => self.version = text(),
                b"Language" => self.language = text(),
                b"Format" => self.format = text(),
                _ => {}
            }
        }
    }

    /// Returns the dialect: the Authorization header's, where it announces one.
    fn dialect(&self) -> Dialect {
        match self.authorization {
            Authorization::Tc3 => return Dialect::Tencent(tencent::Scheme::Tc3),
            Authorization::Acs3 => return Dialect::Alibaba(alibaba::Scheme::Acs3),
            Authorization::Roa => return Dialect::Alibaba(alibaba::Scheme::Roa),
            Authorization::Skip => return Dialect::Tencent(tencent::Scheme::Unsigned),
            Authorization::Other => {}
        }
        if self.secret_id {
            Dialect::Tencent(tencent::Scheme::V1)
        } else if self.access_key_id {
            Dialect::Alibaba(alibaba::Scheme::Rpc)
        } else if self.tencent_headers {
            // Its reader says that the Authorization header is missing.
            Dialect::Tencent(tencent::Scheme::Tc3)
        } else if self.bearer {
            Dialect::Alibaba(alibaba::Scheme::Bearer)
        } else if self.alibaba_headers || self.signature_nonce {
            Dialect::Alibaba(alibaba::Scheme::Unsigned)
        } else if self.action && self.version.is_some_and(tencent::knows_version) {
            Dialect::Tencent(tencent::Scheme::V1)
        } else if self.action || self.signature {
            Dialect::Alibaba(alibaba::Scheme::Unsigned)
        } else {
            Dialect::Neither
        }
    }

    /// Returns whether the headers carry the signature, so that it can be looked at before the body.
    fn is_header_signed(&self) -> bool {
        matches!(self.dialect(), Dialect::Tencent(tencent::Scheme::Tc3) | Dialect::Alibaba(alibaba::Scheme::Acs3 | alibaba::Scheme::Roa))
    }

    /// Returns whether it is refused as it stands, whatever its body holds.
    fn is_refused(&self, parts: &Parts) -> bool {
        match self.dialect() {
            Dialect::Tencent(tencent::Scheme::Unsigned) => tencent::unsigned_operation(&parts.headers).is_none(),
            // Without a signature, all that counts stands in the query or a form.
            Dialect::Alibaba(alibaba::Scheme::Bearer | alibaba::Scheme::Unsigned) => true,
            Dialect::Tencent(_) | Dialect::Alibaba(_) | Dialect::Neither => false,
        }
    }

    /// Returns whether the marks may still come: the older schemes put everything into a form.
    fn may_stand_in_the_body(&self, parts: &Parts) -> bool {
        parts.method == Method::POST && registry::is_form(&parts.headers)
    }

    /// Refuses the marks of two ways of signing.
    fn check_single(&self, parts: &Parts) -> Result<()> {
        let by_header = match self.authorization {
            Authorization::Tc3 | Authorization::Skip => Some(Cloud::Tencent),
            Authorization::Acs3 | Authorization::Roa => Some(Cloud::Alibaba),
            Authorization::Other => None,
        };
        let by_parameters = match (self.signature, self.secret_id, self.access_key_id) {
            (true, true, false) => Some(Cloud::Tencent),
            (true, false, true) => Some(Cloud::Alibaba),
            (_, true, true) => return Err(two_dialects()),
            _ => None,
        };
        let clouds =
            [by_header, by_parameters, self.tencent_headers.then_some(Cloud::Tencent), self.alibaba_headers.then_some(Cloud::Alibaba)];
        let one = clouds.iter().flatten().all(|cloud| Some(cloud) == clouds.iter().flatten().next());
        let twice_signed = by_header.is_some() && by_parameters.is_some();
        let two_authorizations = parts.headers.get_all(header::AUTHORIZATION).iter().nth(1).is_some();
        if one && !twice_signed && !two_authorizations { Ok(()) } else { Err(two_dialects()) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cloud {
    Tencent,
    Alibaba,
}

fn two_dialects() -> Error {
    Error::malformed_authorization("The request is signed in two ways; sign it in one.")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers<'a> = &'a [(&'a str, &'a str)];

    fn parts(method: Method, uri: &str, headers: Headers) -> Parts {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_dialect_is_recognised_from_the_request_itself() {
        use alibaba::Scheme as A;
        use tencent::Scheme as T;
        let cases: &[(&str, Headers, Dialect)] = &[
            ("/", &[("authorization", "TC3-HMAC-SHA256 x")], Dialect::Tencent(T::Tc3)),
            ("/", &[("x-tc-action", "CreateInstanceToken")], Dialect::Tencent(T::Tc3)),
            ("/", &[("x-tc-action", "A"), ("authorization", "SKIP")], Dialect::Tencent(T::Unsigned)),
            ("/?SecretId=AKID&Signature=x&Action=A", &[], Dialect::Tencent(T::V1)),
            ("/?Action=A&Version=2019-09-24", &[], Dialect::Tencent(T::V1)),
            ("/", &[("authorization", "ACS3-HMAC-SHA256 x")], Dialect::Alibaba(A::Acs3)),
            ("/", &[("authorization", "ACS3-HMAC-SM3 x")], Dialect::Alibaba(A::Acs3)),
            ("/?AccessKeyId=LTAI&Signature=x", &[], Dialect::Alibaba(A::Rpc)),
            ("/?AccessKeyId=LTAI&Signature=x", &[("x-acs-action", "A")], Dialect::Alibaba(A::Rpc)),
            ("/tokens", &[("authorization", "acs LTAI:x")], Dialect::Alibaba(A::Roa)),
            ("/?SignatureType=BEARERTOKEN", &[("x-acs-bearer-token", "t")], Dialect::Alibaba(A::Bearer)),
            ("/?Action=AssumeRoleWithOIDC&Version=2015-04-01", &[], Dialect::Alibaba(A::Unsigned)),
            ("/", &[("x-acs-action", "A")], Dialect::Alibaba(A::Unsigned)),
            ("/", &[], Dialect::Neither),
            ("/", &[("authorization", "Basic abc")], Dialect::Neither),
        ];
        for (uri, headers, dialect) in cases {
            assert_eq!(Marks::of_head(&parts(Method::GET, uri, headers)).dialect(), *dialect, "{uri} {headers:?}");
        }
    }

    #[test]
    fn the_marks_of_two_dialects_are_refused() {
        let (tc3, acs3) = (("authorization", "TC3-HMAC-SHA256 x"), ("authorization", "ACS3-HMAC-SHA256 x"));
        let cases: &[(&str, Headers)] = &[
            ("/", &[tc3, ("x-acs-action", "A")]),
            ("/", &[acs3, ("x-tc-action", "A")]),
            ("/?SecretId=a&Signature=b", &[tc3]),
            ("/?AccessKeyId=a&Signature=b", &[acs3]),
            ("/?SecretId=a&AccessKeyId=b&Signature=c", &[]),
            ("/?SecretId=a&Signature=c", &[("x-acs-version", "2018-12-01")]),
            ("/", &[tc3, tc3]),
        ];
        for (uri, headers) in cases {
            let parts = parts(Method::GET, uri, headers);
            assert!(Marks::of_head(&parts).check_single(&parts).is_err(), "{uri} {headers:?} was taken");
        }
        let parts = parts(Method::GET, "/?AccessKeyId=a&Signature=b", &[("x-acs-action", "A"), ("x-acs-version", "2018-12-01")]);
        assert!(Marks::of_head(&parts).check_single(&parts).is_ok());
    }

    #[test]
    fn the_host_is_the_raw_header_and_only_one() {
        assert_eq!(signed_host(&parts(Method::GET, "/", &[("host", "http://127.0.0.1:8480")])).unwrap(), "http://127.0.0.1:8480");
        assert!(signed_host(&parts(Method::GET, "/", &[("host", "a"), ("host", "a")])).is_err());
        assert!(signed_host(&parts(Method::GET, "/", &[])).is_err());
        assert_eq!(signed_host(&parts(Method::GET, "http://a:1/", &[("host", "a:1")])).unwrap(), "a:1");
        for other in ["b", "a:1@b", "http://a:1"] {
            assert!(signed_host(&parts(Method::GET, "http://a:1/", &[("host", other)])).is_err(), "{other}");
        }
        let mut http2 = parts(Method::GET, "https://a:1/", &[]);
        http2.version = Version::HTTP_2;
        assert_eq!(signed_host(&http2).unwrap(), "a:1");
        http2.headers.insert(header::HOST, HeaderValue::from_static("b"));
        assert!(signed_host(&http2).is_err());
    }
}
