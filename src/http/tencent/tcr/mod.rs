//! Product `tcr`, version 2019-09-24: one file for each sort of thing that its actions are about.

mod images;
mod instances;
mod namespaces;
mod repositories;
mod security_policies;
mod service_accounts;
mod tokens;

use axum::response::Response;

use crate::domain::Result;
use crate::service::{Caller, Service};

use super::super::edge::Visit;
use super::parameters::Parameters;

/// What can be called, by what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Image(images::Operation),
    Token(tokens::Operation),
    Namespace(namespaces::Operation),
    Repository(repositories::Operation),
    Instance(instances::Operation),
    SecurityPolicy(security_policies::Operation),
    ServiceAccount(service_accounts::Operation),
}

impl Operation {
    /// Returns the operation of an action's exact name.
    pub(super) fn named(action: &str) -> Option<Self> {
        tokens::Operation::named(action)
            .map(Self::Token)
            .or_else(|| namespaces::Operation::named(action).map(Self::Namespace))
            .or_else(|| repositories::Operation::named(action).map(Self::Repository))
            .or_else(|| instances::Operation::named(action).map(Self::Instance))
            .or_else(|| security_policies::Operation::named(action).map(Self::SecurityPolicy))
            .or_else(|| service_accounts::Operation::named(action).map(Self::ServiceAccount))
            .or_else(|| images::Operation::named(action).map(Self::Image))
    }

    /// Returns the action's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Image(operation) => operation.name(),
            Self::Token(operation) => operation.name(),
            Self::Namespace(operation) => operation.name(),
            Self::Repository(operation) => operation.name(),
            Self::Instance(operation) => operation.name(),
            Self::SecurityPolicy(operation) => operation.name(),
            Self::ServiceAccount(operation) => operation.name(),
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
            Self::SecurityPolicy(operation) => operation.throttle(),
            Self::ServiceAccount(operation) => operation.throttle(),
        }
    }

    /// Runs the operation for a proved caller.
    pub(super) async fn run(self, service: &Service, caller: &Caller, parameters: Parameters, visit: &Visit) -> Result<Response> {
        match self {
            Self::Image(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Token(operation) => operation.run(service, caller, parameters, visit).await,
            Self::Namespace(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Repository(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            // Apart, like all that is asked for seldom: the future of a token stays small.
            Self::Instance(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::SecurityPolicy(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::ServiceAccount(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
        }
    }
}
