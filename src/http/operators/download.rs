//! An answer that is made while it is sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use hyper::body::Frame;

use crate::domain::Error;
use crate::http::request::respond::response;
use crate::service::BackupBytes;

/// Answers with bytes, of which only a few are in memory at a time.
pub(crate) fn of_bytes(bytes: BackupBytes) -> Response {
    let content_type = HeaderValue::from_static("application/octet-stream");
    let mut answer = response(StatusCode::OK, content_type, Body::new(Made(bytes)));
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A body that breaks off where it can't be made whole, so that nobody takes it for whole.
struct Made(BackupBytes);

impl HttpBody for Made {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0
            .poll_next(context)
            .map_ok(|bytes| Frame::data(bytes.into()))
    }
}
