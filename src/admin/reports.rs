//! Reports: what isn't used, and what ends.

use clap::Args;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::listing::Listing;
use super::text::{AccountText, Text, TimeText, id_of};
use crate::domain::Result;
use crate::domain::seconds::Seconds;
use crate::service::{Call, Service};
use crate::views;

const DAY: u64 = 24 * 60 * 60;

/// List the active access keys, credentials, service accounts and fixed passwords that weren't used
/// for a time, the longest unused first.
///
/// One that was never used counts from when it was made, or from the first start of a release that
/// records uses.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListUnused {
    /// For how long they weren't used.
    #[arg(long = "for", value_name = "TIME", default_value = "90d")]
    #[serde(rename = "for", default = "usual_age")]
    pub unused_for: TimeText,
    /// List only what is of this account.
    #[arg(long)]
    pub account: Option<AccountText>,
}

fn usual_age() -> TimeText {
    Text(Seconds::new(90 * DAY))
}

impl Listing for ListUnused {
    const PATH: &'static str = "/reports/unused";

    type Item = views::Reported;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Reported>> {
        let account = id_of(self.account.as_ref(), service, call).await?;
        let unused_for = self.unused_for.duration();
        let found = service
            .operations
            .unused_secrets(call, account, unused_for)
            .await?;
        Ok(found.into_iter().map(views::Reported::from).collect())
    }
}

/// List the active credentials, service accounts and fixed passwords that end within a time, the
/// next first. Without an account, certificates and CAs are listed, too.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListExpiring {
    /// The time within which they end.
    #[arg(long, value_name = "TIME", default_value = "14d")]
    #[serde(default = "usual_time")]
    pub within: TimeText,
    /// List only what is of this account.
    #[arg(long)]
    pub account: Option<AccountText>,
}

fn usual_time() -> TimeText {
    Text(Seconds::new(14 * DAY))
}

impl Listing for ListExpiring {
    const PATH: &'static str = "/reports/expiring";

    type Item = views::Reported;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Reported>> {
        let account = id_of(self.account.as_ref(), service, call).await?;
        let within = self.within.duration();
        let mut found = service
            .operations
            .expiring_secrets(call, account, within)
            .await?;
        if account.is_none() && call.caller.own_account().is_none() {
            found.extend(service.keys.expiring_certificates(call, within).await?);
            found.sort_by_key(|one| one.expires_at);
        }
        Ok(found.into_iter().map(views::Reported::from).collect())
    }
}
