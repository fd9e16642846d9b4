//! Product `cr`, version 2018-12-01, and of 2016-06-07 what gives out credentials: one file for each sort of thing that
//! its actions are about.

mod images;
mod tokens;

use axum::response::Response;

use crate::domain::Result;
use crate::service::{Caller, Service};
use crate::sign::Parameters;

use super::super::edge::Visit;

/// What can be called, by what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Image(images::Operation),
    Token(tokens::Operation),
}

impl Operation {
    /// Returns the operation of an action of 2018-12-01.
    pub(super) fn of_action(action: &str) -> Option<Self> {
        let image = || images::Operation::named(action).map(Self::Image);
        tokens::Operation::named(action).map(Self::Token).or_else(image)
    }

    /// Returns the operation of a path of 2016-06-07.
    pub(super) fn of_path(method: &str, path: &str) -> Option<Self> {
        (method == "GET" && path == "/tokens").then_some(Self::Token(tokens::Operation::GetTokens))
    }

    /// Returns the name for the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Image(operation) => operation.name(),
            Self::Token(operation) => operation.name(),
        }
    }

    /// Returns the name that calls are counted under.
    pub(super) fn throttle(self) -> &'static str {
        match self {
            Self::Image(operation) => operation.throttle(),
            Self::Token(operation) => operation.throttle(),
        }
    }

    /// Runs the operation for a proved caller.
    pub(super) async fn run(self, service: &Service, caller: &Caller, parameters: &Parameters, visit: &Visit) -> Result<Response> {
        match self {
            Self::Image(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Token(operation) => operation.run(service, caller, parameters, visit).await,
        }
    }
}
