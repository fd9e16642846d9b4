//! Product `cr`, version 2018-12-01, and of 2016-06-07 what gives out credentials: one file for each sort of thing that
//! its actions are about.

mod charts;
mod endpoints;
mod images;
mod instances;
mod namespaces;
mod passwords;
mod repositories;
mod resource_tags;
mod rules;
mod tokens;

use super::super::operation::areas;
use super::Proved;

areas! {
    Token: tokens,
    Namespace: namespaces,
    Repository: repositories,
    Instance: instances,
    Endpoint: endpoints,
    Tag: resource_tags,
    Password: passwords,
    Image: images,
    Rule: rules,
    Chart: charts,
}

impl Operation {
    /// Returns the operation of a path of 2016-06-07.
    pub(super) fn of_path(method: &str, path: &str) -> Option<Self> {
        (method == "GET" && path == "/tokens").then_some(Self::Token(tokens::Operation::GetTokens))
    }
}
