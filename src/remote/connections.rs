//! Connections to one host, which are used again.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use tokio::time::timeout;
use url::Url;

use super::Client;
use super::failure::Failure;
use super::trace::traced;
use super::wire::{Sender, request, send};

/// The most connections to one host that are kept to be used again.
const IDLE_CONNECTIONS: usize = 16;
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
        // Boxed, or each caller would keep its room twice.
        let asking = Box::pin(async {
            timeout(all, self.send_in_time(method, url, headers, limit))
                .await
                .unwrap_or(Err(Failure::TimedOut(all)))
        });
        traced(method, url, asking).await
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
