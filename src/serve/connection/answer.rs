//! Requests of a connection and their answers, whose taking by an HTTP/2 client is noticed.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use hyper::Version;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;

use crate::http::{Arrival, Server};
use crate::serve::activity::{Activity, Unsent};

/// Returns a service of hyper's that hands requests to the server.
///
/// There is no router around the server, which chooses by itself: a router's boxes and copies cost
/// as much as verifying a signature.
pub(super) fn answerer(
    server: Arc<Server>,
    arrival: Arrival,
    activity: Arc<Activity>,
) -> impl hyper::service::Service<
    hyper::Request<Incoming>,
    Response = Response,
    Error = Infallible,
    Future: Send + 'static,
> + Send
+ 'static {
    service_fn(move |request: hyper::Request<Incoming>| {
        let (version, in_work) = (request.version(), activity.begin(request.version()));
        let (server, activity) = (Arc::clone(&server), Arc::clone(&activity));
        // Boxed, or an idle connection, and a stream whose answer waits, would keep the memory of a
        // request in work.
        Box::pin(async move {
            let served = server.serve(request.map(Body::new), arrival).await;
            drop(in_work);
            if served.is_authenticated {
                activity.authenticate();
            }
            if version < Version::HTTP_2 {
                return Ok(served.response);
            }
            let unsent = activity.hold_answer();
            Ok(served.response.map(|body| {
                Body::new(Answer {
                    body,
                    last: None,
                    unsent: Some(unsent),
                })
            }))
        })
    })
}

/// An answer's body by HTTP/2, which knows when its client has taken it.
///
/// hyper asks for a frame once the client's window has room for one byte, and h2 keeps what the
/// window doesn't take. So the last byte is a frame of its own: it is asked for when the window has
/// taken all the others.
struct Answer {
    body: Body,
    last: Option<Bytes>,
    unsent: Option<Unsent>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(last) = self.last.take() {
            if self.body.is_end_stream() {
                self.unsent = None;
            }
            return Poll::Ready(Some(Ok(Frame::data(last))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(Ok(frame)) = frame else {
            self.unsent = None;
            return Poll::Ready(frame);
        };
        Poll::Ready(Some(Ok(frame.map_data(|mut data| {
            if data.len() > 1 {
                self.last = Some(data.split_off(data.len() - 1));
            } else if self.body.is_end_stream() {
                self.unsent = None;
            }
            data
        }))))
    }

    fn is_end_stream(&self) -> bool {
        self.last.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let more = self.last.as_ref().map_or(0, |last| last.len() as u64);
        let (lower, upper) = (hint.lower() + more, hint.upper().map(|upper| upper + more));
        // The upper bound first: the lower one may never be above it.
        if let Some(upper) = upper {
            hint.set_upper(upper);
        }
        hint.set_lower(lower);
        hint
    }
}
