//! The operation that shows what the service did.

use clap::Args;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::method::Method;
use super::operation::{Effect, Operation};
use super::text::{SpanText, Text};
use crate::domain::Result;
use crate::domain::activity::Span;
use crate::service::{Call, Service};
use crate::views;

/// Show what was issued, exchanged and refused in the last time, and how long it took.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowActivity {
    /// How far back: 1h by minutes, 1d by quarters of an hour, 7d by hours, or 30d by quarters of a
    /// day.
    #[arg(long, default_value_t = usual_span())]
    #[serde(default = "usual_span")]
    pub span: SpanText,
}

fn usual_span() -> SpanText {
    Text(Span::Day)
}

impl Operation for ShowActivity {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/activity";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Activity;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Activity> {
        let activity = service.operations.activity(call, self.span.0).await?;
        Ok(activity.into())
    }
}
