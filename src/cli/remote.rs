//! Operations that a service does: the command line as a client of the admin API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};

use super::arguments;
use crate::admin::{self, Listing, Operation, Page, Problem, Selection};
use crate::client::endpoint::{Endpoint, outgoing, outgoing_within};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::remote::{Client, Failure, Pieces};

/// The most bytes of an answer: a page of a thousand items, or a file of all the data's state.
const MAX_ANSWER: usize = 64 << 20;
/// The most bytes that are read of a refusal.
const MAX_REFUSAL: usize = 64 << 10;
/// How long the service may take for the steps of a file, or for all data.
const PATIENCE: Duration = Duration::from_hours(1);

/// A service, and the token of the operator who asks it.
pub(super) struct Remote {
    endpoint: Endpoint,
    token: Secret,
    client: Client,
    /// For what takes long: the steps of a file, or all data.
    patient: Client,
}

impl Remote {
    /// Reads where the service is, and the operator's token.
    ///
    /// # Errors
    /// `InvalidParameter` for a URL that can't be taken, or a file that can't be read.
    pub(super) fn new(
        server: &str,
        token_file: Option<&Path>,
        ca_file: Option<PathBuf>,
    ) -> Result<Self> {
        let endpoint = Endpoint::parse_as("server", server)?;
        let Some(file) = token_file else {
            return Err(Error::invalid_parameter(
                "token-file",
                "name the file with the operator's token; - reads it from standard input",
            ));
        };
        let token = Secret::new(arguments::read_file("token-file", file)?.trim());
        Ok(Self {
            endpoint,
            token,
            client: outgoing(ca_file.clone()),
            patient: outgoing_within(ca_file, PATIENCE),
        })
    }

    /// Has the service do an operation.
    ///
    /// # Errors
    /// The service's own; `Unsupported` for an answer that isn't the admin API's.
    pub(super) async fn ask<O: Operation>(&self, operation: &O) -> Result<O::Answer> {
        let fields = fields_of(operation)?;
        let asked = self.send(O::METHOD, O::PATH, fields, Vec::new(), O::TAKES_DOCUMENT);
        let answer = asked.await?;
        serde_json::from_slice(&answer).map_err(|error| self.strange(&error))
    }

    /// Has the service list a page.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) async fn page<L: Listing>(
        &self,
        listing: &L,
        selection: &Selection,
    ) -> Result<Page<L::Item>> {
        let limit = selection.limit.unwrap_or(admin::MAX_ITEMS);
        let mut query = vec![("limit".to_owned(), limit.min(admin::MAX_ITEMS).to_string())];
        let named = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| (name.to_owned(), value.clone()))
        };
        query.extend(named("after", &selection.after));
        query.extend(named("sort", &selection.sort));
        query.extend(selection.filters.iter().cloned());
        let fields = fields_of(listing)?;
        let answer = self.send(admin::Method::Get, L::PATH, fields, query, false);
        serde_json::from_slice(&answer.await?).map_err(|error| self.strange(&error))
    }

    async fn send(
        &self,
        method: admin::Method,
        path: &str,
        fields: Map<String, Value>,
        mut query: Vec<(String, String)>,
        is_long: bool,
    ) -> Result<Bytes> {
        let (mut path, mut body) = (format!("/admin/v1{path}"), Map::new());
        for (name, value) in fields {
            let place = format!("{{{name}}}");
            if path.contains(&place) {
                path = path.replace(&place, &encoded(&text_of(&value)));
            } else if value.is_null() {
            } else if method.has_body() {
                body.insert(name, value);
            } else if let Value::Array(values) = value {
                query.extend(values.iter().map(|value| (name.clone(), text_of(value))));
            } else {
                query.push((name, text_of(&value)));
            }
        }
        let mut url = self.endpoint.at(&path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(&query);
        }
        let mut headers = self.headers()?;
        let body = if method.has_body() {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
            Bytes::from(Value::Object(body).to_string())
        } else {
            Bytes::new()
        };
        let method = method.name().parse::<Method>().map_err(Error::internal)?;
        let client = if is_long { &self.patient } else { &self.client };
        let answer = client
            .ask(method, &url, headers, body, MAX_ANSWER)
            .await
            .map_err(|failure| self.silent(failure))?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        Err(self.refusal(answer.status(), answer.body()))
    }

    /// Has the service send a file, which may be too long for memory.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) async fn download(&self, path: &str) -> Result<Pieces> {
        let url = self.endpoint.at(&format!("/admin/v1{path}"))?;
        let asked = self.patient.download(&url, self.headers()?);
        let (head, mut pieces) = asked
            .await
            .map_err(|failure| self.silent(failure))?
            .into_parts();
        if head.status.is_success() {
            return Ok(pieces);
        }
        let mut body = Vec::new();
        while body.len() < MAX_REFUSAL
            && let Some(piece) = pieces
                .next()
                .await
                .map_err(|failure| self.silent(failure))?
        {
            body.extend_from_slice(&piece);
        }
        Err(self.refusal(head.status, &body))
    }

    fn headers(&self) -> Result<HeaderMap> {
        let token = HeaderValue::from_str(&format!("Bearer {}", self.token.expose()));
        let token = token
            .map_err(|_| Error::invalid_parameter("token-file", "it holds no operator's token"))?;
        Ok(HeaderMap::from_iter([(header::AUTHORIZATION, token)]))
    }

    fn silent(&self, failure: Failure) -> Error {
        let silent = format!("{} does not answer", self.endpoint);
        Error::new(ErrorKind::StoreUnavailable, silent).caused_by(failure)
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> Error {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => problem.into_error(),
            Err(_) => Error::unsupported(format!(
                "{} answered {status}, and not as the admin API: is it served there \
                 (admin_listen, admin_public)?",
                self.endpoint
            )),
        }
    }

    fn strange(&self, error: &serde_json::Error) -> Error {
        Error::unsupported(format!(
            "{} answers otherwise than this program expects ({error}): are both of one version?",
            self.endpoint
        ))
    }
}

fn fields_of(operation: &impl serde::Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(operation).map_err(Error::internal)? {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Writes a text as one part of a path.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}
