//! The operation that says what another one would do now, and does nothing.
//!
//! Commands and pages show its sentences before they ask for a yes.

mod keys;
mod principals;
mod registries;
mod sentences;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use self::sentences::CONSEQUENCES;
use super::method::Method;
use super::operation::{Effect, Operation};
use super::route::{Given, read};
use crate::domain::Result;
use crate::service::{Call, Service};
use crate::views::{self, Consequence};

/// Say what an operation would do now. Nothing is done.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewOperation {
    /// The name of the operation, such as DeleteUser.
    pub operation: String,
    /// The fields of the operation's request.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
}

impl Operation for PreviewOperation {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/preview";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Preview;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Preview> {
        let asked = Asked {
            service,
            call,
            fields: self.fields,
        };
        let consequences = asked.foresee(&self.operation).await?;
        Ok(views::Preview {
            operation: self.operation,
            consequences,
        })
    }
}

/// An operation that isn't done: its fields, and the means to learn facts.
struct Asked<'a> {
    service: &'a Service,
    call: &'a Call<'a>,
    fields: Map<String, Value>,
}

impl Asked<'_> {
    /// Reads the fields as the operation would.
    fn fields<O: Operation>(&self) -> Result<O> {
        read(Given {
            body: self.fields.clone(),
            ..Given::default()
        })
    }

    async fn foresee(&self, operation: &str) -> Result<Vec<Consequence>> {
        let of_keys = keys::foresee(self, operation).await?;
        if !of_keys.is_empty() {
            return Ok(of_keys);
        }
        let of_principals = Box::pin(principals::foresee(self, operation)).await?;
        if !of_principals.is_empty() {
            return Ok(of_principals);
        }
        Box::pin(registries::foresee(self, operation)).await
    }
}

/// Fills the places of a sentence.
fn say(pattern: &str, values: impl IntoIterator<Item = String>) -> Consequence {
    Consequence::of(pattern, values.into_iter().collect())
}

/// Says when something was last used.
fn last_use(at: Option<String>) -> Consequence {
    match at {
        Some(at) => say(sentences::LAST_USED, [at]),
        None => say(sentences::NEVER_USED, []),
    }
}
