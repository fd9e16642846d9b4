//! The listener for monitoring, apart from the APIs, because its answers are for the operator
//! alone.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::http::{Server, ServerMetrics};

/// Connections at once; a few monitoring systems poll now and then.
const MAX_CONNECTIONS: usize = 16;
/// How long a connection may be without a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers `/metrics`, `/healthz` and `/readyz` until it is dropped; `measure` returns the
/// measures of the other listener and of the process.
pub(super) async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    measure: impl Fn() -> ServerMetrics + Clone + Send + Sync + 'static,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("a connection for monitoring can't be accepted: {error}");
                tokio::time::sleep(super::gate::ACCEPT_RETRY).await;
                continue;
            }
        };
        let (server, measure) = (Arc::clone(&server), measure.clone());
        let answerer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let (server, measured) = (Arc::clone(&server), measure());
            async move {
                let head = request.into_parts().0;
                Ok::<_, Infallible>(server.monitor(&head, &measured).await)
            }
        });
        tokio::spawn(async move {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE_TIMEOUT);
            if let Err(error) = builder
                .serve_connection(TokioIo::new(stream), answerer)
                .await
            {
                tracing::debug!("a connection for monitoring broke: {error}");
            }
            drop(slot);
        });
    }
}
