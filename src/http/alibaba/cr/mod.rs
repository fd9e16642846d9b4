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
use super::super::operation::areas;

areas! {
    Token: tokens,
    Namespace: namespaces,
    Repository: repositories,
    Instance: instances,
    Endpoint: endpoints,
    Tag: resource_tags,
    Password: passwords,
    Image: images,
}

impl Operation {
    /// Returns the operation of a path of 2016-06-07.
    pub(super) fn of_path(method: &str, path: &str) -> Option<Self> {
        (method == "GET" && path == "/tokens").then_some(Self::Token(tokens::Operation::GetTokens))
    }

    /// Runs the operation for a proved caller.
    pub(super) async fn run(self, service: &Service, caller: &Caller, parameters: &Parameters, visit: &Visit) -> Result<Response> {
        match self {
            Self::Token(operation) => operation.run(service, caller, parameters, visit).await,
            // Apart, like all that is asked for seldom: the future of a token stays small.
            Self::Image(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Namespace(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Repository(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Instance(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Endpoint(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Tag(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
            Self::Password(operation) => Box::pin(operation.run(service, caller, parameters, visit)).await,
        }
    }
}
