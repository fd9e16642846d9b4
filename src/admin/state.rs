//! Operations on the state that a file declares.

use clap::Args;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::method::Method;
use super::operation::{Effect, Operation};
use super::problem::Failure;
use super::text::{AccountText, id_of};
use crate::domain::Result;
use crate::service::{Call, Service};
use crate::state::{self, Options, State, Step};

/// Make accounts, and what is in them, as a file says.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyState {
    /// The text of the file, in TOML.
    pub text: String,
    /// The name of the file in messages.
    #[serde(default = "usual_name")]
    pub file: String,
    /// Whether the steps are planned and none is made.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether objects are deleted that the file doesn't name, in the accounts that it names.
    #[serde(default)]
    pub prune: bool,
    /// With `prune`, whether empty instances are deleted, too.
    #[serde(default)]
    pub prune_instances: bool,
    /// The `fingerprint` of the only steps that may be made: those that a dry run showed.
    pub fingerprint: Option<String>,
}

fn usual_name() -> String {
    "file".to_owned()
}

/// The outcome of an apply.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AppliedState {
    /// The steps, in their order.
    pub steps: Vec<Step>,
    /// The number of steps that were made: the first ones.
    pub made: usize,
    /// Notes on objects that pruning leaves.
    pub kept: Vec<String>,
    /// Warnings about the steps that were made.
    pub warnings: Vec<String>,
    /// The SHA-256 of the steps, in hexadecimal.
    pub fingerprint: String,
    /// The reason why the step after those that were made failed; another apply goes on from it.
    pub failure: Option<Failure>,
}

impl Operation for ApplyState {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/apply";
    const EFFECT: Effect = Effect::Changes;
    const TAKES_DOCUMENT: bool = true;

    type Answer = AppliedState;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<AppliedState> {
        let state = State::parse("file", &self.file, self.text)?;
        let options = Options {
            dry_run: self.dry_run,
            prune: self.prune,
            prune_instances: self.prune_instances,
            fingerprint: self.fingerprint,
        };
        // Boxed, because it holds the plan of all accounts.
        let report = Box::pin(state::apply(service, call, &state, &options)).await?;
        Ok(AppliedState {
            steps: report.steps,
            made: report.made,
            kept: report.kept,
            warnings: report.warnings,
            fingerprint: report.fingerprint,
            failure: report.error.as_ref().map(Failure::of),
        })
    }
}

/// Write accounts, and what is in them, as a file to apply. It holds no secret.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportState {
    /// The account's id; without it, all accounts.
    #[arg(long)]
    pub account: Option<AccountText>,
}

/// A file to apply.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExportedState {
    /// Its text, in TOML.
    pub text: String,
}

impl Operation for ExportState {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/export";
    const EFFECT: Effect = Effect::Reads;

    type Answer = ExportedState;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<ExportedState> {
        let account = id_of(self.account.as_ref(), service, call).await?;
        let text = state::export(service, call, account).await?;
        Ok(ExportedState { text })
    }
}
