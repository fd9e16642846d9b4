//! The operation that shows the state of the service.

use clap::Args;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::method::Method;
use super::operation::{Effect, Operation};
use crate::domain::Result;
use crate::service::{Call, Service};
use crate::{version, views};

/// Show the version, the schema, the database, the issuer, the replicas that run, and warnings.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowStatus {}

impl Operation for ShowStatus {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/status";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Status;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Status> {
        let warnings = service.keys.find_warnings(call).await?;
        let status = service.operations.status(call).await?;
        let (version, commit) = (version::VERSION, version::COMMIT);
        Ok(views::Status::of(status, warnings, version, commit))
    }
}
