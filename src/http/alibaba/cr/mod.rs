//! Product `cr`, version 2018-12-01, and of 2016-06-07 what gives out credentials: one file for each sort of thing that
//! its actions are about.

mod endpoints;
mod images;
mod instances;
mod namespaces;
mod passwords;
mod repositories;
mod resource_tags;
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
    Namespace(namespaces::Operation),
    Repository(repositories::Operation),
    Instance(instances::Operation),
    Endpoint(endpoints::Operation),
    Tag(resource_tags::Operation),
    Password(passwords::Operation),
}

impl Operation {
    /// Returns the operation of an action of 2018-12-01.
    pub(super) fn of_action(action: &str) -> Option<Self> {
        tokens::Operation::named(action)
            .map(Self::Token)
            .or_else(|| namespaces::Operation::named(action).map(Self::Namespace))
            .or_else(|| repositories::Operation::named(action).map(Self::Repository))
            .or_else(|| instances::Operation::named(action).map(Self::Instance))
            .or_else(|| endpoints::Operation::named(action).map(Self::Endpoint))
            .or_else(|| resource_tags::Operation::named(action).map(Self::Tag))
            .or_else(|| passwords::Operation::named(action).map(Self::Password))
            .or_else(|| images::Operation::named(action).map(Self::Image))
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
            Self::Namespace(operation) => operation.name(),
            Self::Repository(operation) => operation.name(),
            Self::Instance(operation) => operation.name(),
            Self::Endpoint(operation) => operation.name(),
            Self::Tag(operation) => operation.name(),
            Self::Password(operation) => operation.name(),
        }
    }

    /// Returns the name that calls are counted under.
    pub(super) fn throttle(self) -> &'static str {
        match self {
            Self::Image(operation) => operation.throttle(),
            Self::Token(operation) => operation.throttle(),
            Self::Namespace(operation) => operation.throttle(),
            Self::Repository(operation) => operation.throttle(),
            Self::Instance(operation) => operation.throttle(),
            Self::Endpoint(operation) => operation.throttle(),
            Self::Tag(operation) => operation.throttle(),
            Self::Password(operation) => operation.throttle(),
        }
    }

    /// Runs the operation for a proved caller.
    pub(super) async fn run(self, service: &Service, caller: &Caller, parameters: &Parameters, visit: &Visit) -> Result<Response> {
        match self {
            Self::Image(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Token(operation) => operation.run(service, caller, parameters, visit).await,
            Self::Namespace(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Repository(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            // Apart, like all that is asked for seldom: the future of a token stays small.
            Self::Instance(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Endpoint(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Tag(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Password(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
        }
    }
}
