//! A receiver of webhooks: HTTP on loopback, which answers as a test says.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use transire::domain::Result;
use transire::domain::secret::Secret;
use transire::service::{NoticeKind, Outgoing, WebhookSecretSource, WebhookSettings};

use crate::harness::issuer::outgoing_to_loopback;

/// The secret that signs.
const KEY: &[u8] = b"webhook secret EXAMPLE 0123456789";

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) headers: BTreeMap<String, String>,
    body: String,
}

impl Told {
    /// Returns the document, once its signature was verified.
    pub(crate) fn verified(&self) -> Value {
        let header = |name: &str| &self.headers[name];
        let signed = format!(
            "{}.{}.{}",
            header("webhook-id"),
            header("webhook-timestamp"),
            self.body
        );
        let signature = header("webhook-signature").strip_prefix("v1,").unwrap();
        let signature = STANDARD.decode(signature).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, KEY);
        hmac::verify(&key, signed.as_bytes(), &signature).unwrap();
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Default)]
struct State {
    told: Vec<Told>,
    statuses: VecDeque<u16>,
}

/// The receiver; it ends when it is dropped.
pub(crate) struct Receiver {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { url, state, task }
    }

    /// Answers the next requests so, and those after them with 204.
    pub(crate) fn answer(&self, statuses: impl IntoIterator<Item = u16>) {
        self.state.lock().unwrap().statuses = statuses.into_iter().collect();
    }

    /// Returns what was told.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.state.lock().unwrap().told.clone()
    }

    /// Returns settings of a webhook that is this receiver.
    pub(crate) fn settings(&self) -> WebhookSettings {
        WebhookSettings {
            url: self.url.clone(),
            kinds: NoticeKind::ALL.to_vec(),
            secrets: Arc::new(Secrets),
            outgoing: Outgoing {
                ..outgoing_to_loopback()
            },
        }
    }
}

struct Secrets;

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secrets")
    }
}

impl WebhookSecretSource for Secrets {
    fn read(&self) -> Result<Vec<Secret>> {
        let text = format!("whsec_{}", STANDARD.encode(KEY));
        Ok(vec![Secret::new(text)])
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&state)));
    }
}

async fn answer(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut stream = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    while stream.read_line(&mut line).await.unwrap() > 2 {
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        line.clear();
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    let body = String::from_utf8(body).unwrap();
    let status = {
        let mut state = state.lock().unwrap();
        state.told.push(Told { headers, body });
        state.statuses.pop_front().unwrap_or(204)
    };
    let head = format!("HTTP/1.1 {status} Answer\r\ncontent-length: 0\r\n\r\n");
    // The client may be gone.
    stream.write_all(head.as_bytes()).await.ok();
}
