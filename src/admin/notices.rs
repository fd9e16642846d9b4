//! Operations on notices, and on the webhook that is told of them.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation, shown};
use super::text::{AccountText, NoticeText, id_of};
use crate::domain::{Error, Result};
use crate::service::{Call, Service};
use crate::views;

/// List the notices of the last 30 days, the newest first.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListNotices {
    /// List only those about this account.
    #[arg(long)]
    pub account: Option<AccountText>,
}

impl Listing for ListNotices {
    const PATH: &'static str = "/notices";

    type Item = views::Notice;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Notice>> {
        let account = id_of(self.account.as_ref(), service, call).await?;
        let found = service.notices.list(call, account).await?;
        Ok(found.into_iter().map(views::Notice::from).collect())
    }
}

/// Show a notice, and how far it has come.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowNotice {
    /// Its id.
    #[arg(long, value_parser = notice_id)]
    pub id: NoticeText,
}

impl Operation for ShowNotice {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/notices/{id}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Notice;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Notice> {
        Ok(service.notices.show(call, &self.id).await?.into())
    }
}

/// Send a dead notice to the webhook again, as often as a new one.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryNotice {
    /// Its id.
    #[arg(long, value_parser = notice_id)]
    pub id: NoticeText,
}

impl Operation for RetryNotice {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/notices/{id}/retry";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::Notice;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Notice> {
        Ok(service.notices.retry(call, &self.id).await?.into())
    }
}

/// Make a notice that tries the webhook. The running service sends it.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestWebhook {}

impl Operation for TestWebhook {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/notices/test";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::Notice;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Notice> {
        Ok(service.notices.test(call).await?.into())
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        made: Option<&str>,
    ) -> Result<Value> {
        let id = made.unwrap_or_default().parse()?;
        shown(ShowNotice { id }, service, call).await
    }
}

/// Reads the id of a notice.
///
/// # Errors
/// `InvalidParameter` of `id`.
fn notice_id(text: &str) -> Result<NoticeText, Error> {
    text.parse().map_err(|_| {
        let why = "a notice's id is msg- and 20 of a-z and 0-9, such as msg-0123456789abcdefghij; \
                   `transire notice list` shows it";
        Error::invalid_parameter("id", why)
    })
}
