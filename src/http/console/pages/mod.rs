//! The pages, one file a kind.

mod attachments;
mod charts;
pub(super) mod check;
mod consequences;
pub(super) mod explain;
pub(super) mod form;
pub(super) mod item;
pub(super) mod list;
pub(super) mod log_in;
pub(super) mod onward;
pub(super) mod overview;
mod pastes;
mod sections;
mod shown;
pub(super) mod state;
pub(super) mod tail;
mod ways;

use crate::admin::{Given, Route};
use crate::domain::Result;
use crate::http::request::Record;
use crate::service::{OpenConsole, Service};
use serde_json::{Map, Value};

use super::words::Language;

/// A request of an operator who is logged in.
pub(super) struct Visit<'a> {
    /// The use cases.
    pub(super) service: &'a Service,
    /// The facts of the request.
    pub(super) record: &'a Record,
    /// The session.
    pub(super) open: &'a OpenConsole,
    /// The language.
    pub(super) language: Language,
    /// The path and the query.
    pub(super) here: &'a str,
    /// The names and values of the query, decoded.
    pub(super) query: Vec<(String, String)>,
}

/// Returns the value of a field, out of the names and values of a form or a query.
pub(super) fn field<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(given, _)| given == name);
    found.map(|(_, value)| value.as_str())
}

impl Visit<'_> {
    /// Returns a field of the query; an empty text where there is none.
    pub(super) fn value(&self, name: &str) -> &str {
        field(&self.query, name).unwrap_or_default()
    }

    /// Reads by an operation.
    ///
    /// # Errors
    /// Those of the operation.
    pub(super) async fn read(&self, route: &Route, pairs: Vec<(String, String)>) -> Result<Value> {
        let given = Given {
            pairs,
            ..Given::default()
        };
        self.run(route, given).await
    }

    /// Does an operation with the fields of a body.
    ///
    /// # Errors
    /// Those of the operation.
    pub(super) async fn send(&self, route: &Route, body: Map<String, Value>) -> Result<Value> {
        let given = Given {
            body,
            ..Given::default()
        };
        self.run(route, given).await
    }

    async fn run(&self, route: &Route, given: Given) -> Result<Value> {
        let call = self.service.call(&self.open.caller, &self.record.context);
        (route.run)(self.service, &call, given).await
    }
}
