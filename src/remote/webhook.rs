//! A message to a webhook: it is told, and the answer's body isn't read.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use tokio::time::timeout;
use url::Url;

use super::failure::Failure;
use super::trace::traced;
use super::wire::{request, status};
use super::{Client, Sent};

/// Posts a JSON document; returns the answer's status. No byte of the answer's body is read, and
/// no redirect is followed.
///
/// # Errors
///
/// [`Failure::TimedOut`], [`Failure::Url`] for a header that can't be written, and whatever keeps
/// the connection or the answer from coming.
pub async fn tell(
    client: &Client,
    url: &Url,
    headers: &[(&'static str, &str)],
    body: String,
) -> Result<u16, Failure> {
    let mut written = HeaderMap::from_iter([(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )]);
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).map_err(|_| Failure::Url {
            url: url.to_string(),
            why: "a header of the webhook can't be written",
        })?;
        written.insert(HeaderName::from_static(name), value);
    }
    let all = client.settings.timeout;
    let telling = Box::pin(async {
        let sent = (Method::POST, written, Bytes::from(body));
        timeout(all, client.status_of(url, sent))
            .await
            .unwrap_or(Err(Failure::TimedOut(all)))
    });
    let answer = traced(&Method::POST, url, telling).await?;
    Ok(answer.status().as_u16())
}

impl Client {
    /// Sends a request, and returns the head of its answer.
    async fn status_of(
        &self,
        url: &Url,
        (method, headers, body): Sent,
    ) -> Result<Response<Bytes>, Failure> {
        let url = self.check_url(url.as_str())?;
        let request = request(method, &url, headers, body)?;
        let stream = self.connect(&url).await?;
        if url.scheme() == "http" {
            return status(stream, request).await;
        }
        status(self.secure(&url, stream).await?, request).await
    }
}
