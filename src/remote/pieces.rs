//! An answer that is read piece by piece.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;
use url::Url;

use super::Client;
use super::failure::Failure;
use super::wire::{Sender, request};

/// The body of an answer, as it comes.
pub struct Pieces {
    body: Incoming,
    timeout: Duration,
    /// The connection lives as long as this does.
    _sender: Sender,
}

impl Client {
    /// Gets a URL whose answer may be too long for memory. The head of the answer, and then each
    /// piece of it, may take as long as the settings say. Any status is an answer.
    ///
    /// # Errors
    ///
    /// As [`Client::get`], but for its limit.
    pub async fn download(
        &self,
        url: &Url,
        headers: HeaderMap,
    ) -> Result<Response<Pieces>, Failure> {
        let all = self.settings.timeout;
        let asking = Box::pin(async {
            let url = self.check_url(url.as_str())?;
            let request = request(Method::GET, &url, headers, Bytes::new())?;
            let mut sender = self.open(&url).await?;
            let answer = sender.send_request(request).await.map_err(Failure::Http)?;
            Ok(answer.map(|body| Pieces {
                body,
                timeout: all,
                _sender: sender,
            }))
        });
        timeout(all, asking)
            .await
            .unwrap_or(Err(Failure::TimedOut(all)))
    }
}

impl Pieces {
    /// Returns the next piece; nothing after the last one.
    ///
    /// # Errors
    ///
    /// [`Failure::Http`] where the answer breaks off, and [`Failure::TimedOut`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = timeout(self.timeout, self.body.frame()).await;
            let frame = frame.map_err(|_| Failure::TimedOut(self.timeout))?;
            let Some(frame) = frame.transpose().map_err(Failure::Http)? else {
                return Ok(None);
            };
            // One of trailers has no data.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}
