//! The admin API, as operators of this machine call it.

use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;
use transire::domain::operator::OperatorRole;
use transire::domain::secret::Secret;
use transire::store::Location;

use crate::harness::{Answer, App, HOST, Options, Peer};

impl App {
    /// Makes one whose operators call where clients do, over the database at `location`, or over
    /// SQLite.
    pub(crate) async fn administered(
        location: Option<Location>,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        Self::at(location, |options| {
            options.http.admin_public = true;
            change(options);
        })
        .await
    }

    /// Makes an operator; returns its token.
    pub(crate) async fn operator_token(&self, name: &str, role: OperatorRole) -> Secret {
        let made = self
            .service
            .identity
            .create_operator(&self.operator(), name, role)
            .await;
        made.unwrap().1
    }

    /// Sends a request to the admin API; `path` follows `/admin/v1`.
    pub(crate) async fn administer(
        &self,
        token: &Secret,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/admin/v1{path}"))
            .header("host", HOST)
            .header("authorization", format!("Bearer {}", token.expose()))
            .extension(Peer(([127, 0, 0, 1], 40000).into()));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }
}
