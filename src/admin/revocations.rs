//! Operations on the subjects whose tokens an account refuses.

use clap::Args;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::listing::Listing;
use super::text::AccountText;
use crate::domain::Result;
use crate::service::{Call, Service};
use crate::views;

/// List the subjects that an account refuses: see `transire revoke --subject`.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRefusedSubjects {
    /// The account's id.
    #[arg(long)]
    pub account: AccountText,
}

impl Listing for ListRefusedSubjects {
    const PATH: &'static str = "/accounts/{account}/refused-subjects";

    type Item = views::RefusedSubject;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::RefusedSubject>> {
        let identity = &service.identity;
        let refused = identity.refused_subjects(call, self.account.0).await?;
        let shown = refused.into_iter().map(views::RefusedSubject::from);
        Ok(shown.collect())
    }
}
