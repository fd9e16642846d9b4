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
use super::super::operation::areas;
use super::parameters::Parameters;

areas! {
    Token: tokens,
    Namespace: namespaces,
    Repository: repositories,
    Instance: instances,
    SecurityPolicy: security_policies,
    ServiceAccount: service_accounts,
    Image: images,
}

impl Operation {
    /// Runs the operation for a proved caller.
    pub(super) async fn run(self, service: &Service, caller: &Caller, parameters: Parameters, visit: &Visit) -> Result<Response> {
        match self {
            Self::Token(operation) => operation.run(service, caller, parameters, visit).await,
            // Apart, like all that is asked for seldom: the future of a token stays small.
            Self::Image(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Namespace(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Repository(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Instance(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::SecurityPolicy(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::ServiceAccount(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
        }
    }
}
