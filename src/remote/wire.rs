//! Requests and answers over one connection of HTTP/1.1.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::Url;

use super::failure::Failure;

/// The most bytes of an answer's headers.
const HEADER_BYTES: usize = 64 << 10;
const USER_AGENT: &str = concat!("transire/", env!("CARGO_PKG_VERSION"));

/// The side of a connection that requests go into.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Writes a request to a URL.
pub(super) fn request(
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

pub(super) type Handshake<S> = (Sender, Connection<TokioIo<S>, Full<Bytes>>);

/// Begins HTTP over a stream.
pub(super) async fn handshake<S>(stream: S) -> Result<Handshake<S>, Failure>
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
pub(super) fn detach<S>((sender, connection): Handshake<S>) -> Sender
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
pub(super) async fn send(
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
pub(super) async fn exchange<S>(
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

/// Sends a request over a fresh connection, and returns the head of its answer. Whatever comes
/// behind the head is dropped with the connection.
pub(super) async fn status<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = handshake(stream).await?;
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        // The head may have come before whatever broke the connection.
        closed = connection => match (answer.await, closed) {
            (Err(_), Err(broken)) => Err(broken),
            (answered, _) => answered,
        },
    };
    Ok(answered.map_err(Failure::Http)?.map(|_| Bytes::new()))
}
