//! Operations on the audit.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit_words::{Outcome, When};
use super::listing::{Listing, Page, Selection};
use super::method::Method;
use super::operation::{Effect, Operation};
use super::text::{
    AccessKeyText, AddressText, CredentialText, InstanceText, PrincipalText, RequestText, Text,
    WhenText, some_text,
};
use crate::domain::clock::Timestamp;
use crate::domain::reference::InstanceRef;
use crate::domain::{Error, Result};
use crate::service::{AuditFilter, AuditPosition, AuditTail, Call, Service};
use crate::views;

const DAY: Duration = Duration::from_hours(24);

/// List the audit's events, of actions and of refused requests, the oldest first.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAudit {
    /// Only events from this time on: a time such as 2025-01-02T03:04:05Z, a day such as 2025-01-02
    /// (its beginning in UTC), or an age: 30m, 12h, 7d. [default: 24h; all with --request-id]
    #[arg(long, value_name = "TIME")]
    pub since: Option<WhenText>,
    /// Only events before this time, written like --since.
    #[arg(long, value_name = "TIME")]
    pub until: Option<WhenText>,
    /// Only events of this principal: 100000000001:root, 100000000001:user/NAME,
    /// 100000000001:role/NAME for all its sessions, or a service account's
    /// 100000000001:service-account/INSTANCE/NAME. The forms of lists, the audit and the clouds
    /// work too. 100000000001:user#ID finds a deleted user.
    #[arg(long)]
    pub principal: Option<PrincipalText>,
    /// Only events of this action, such as tcr:CreateInstanceToken or registry.log-in. A * at the
    /// end matches any ending.
    #[arg(long, value_parser = some_text)]
    pub action: Option<String>,
    /// Only events with this outcome: ok, reduced (a token with fewer rights than requested),
    /// refused, denied or failed.
    #[arg(long)]
    pub outcome: Option<Outcome>,
    /// Only events about this credential or session, by its id.
    #[arg(long, value_name = "ID")]
    pub credential: Option<CredentialText>,
    /// Only events of this access key: calls that it signed, log-ins with what it got, and its own
    /// changes. Refused callers that claimed it are among them.
    #[arg(long, value_name = "ID")]
    pub access_key: Option<AccessKeyText>,
    /// Only events about this instance, by its tcr- or cri- id, be it deleted.
    #[arg(long, value_name = "ID")]
    pub instance: Option<InstanceText>,
    /// Only events of clients at this address.
    #[arg(long)]
    pub address: Option<AddressText>,
    /// Only events of the request that was answered with this id.
    #[arg(long, value_name = "ID")]
    pub request_id: Option<RequestText>,
    /// The newest event first.
    #[arg(long)]
    #[serde(default)]
    pub reverse: bool,
}

impl Listing for ListAudit {
    const PATH: &'static str = "/audit";
    // A search by any column would read the whole audit.
    const COLUMNS: &'static [&'static str] = &[];

    type Item = views::AuditEvent;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::AuditEvent>> {
        let (mut selection, mut all) = (Selection::default(), Vec::new());
        loop {
            let page = self.clone().page(service, call, &selection).await?;
            all.extend(page.items);
            selection.after = page.next;
            if selection.after.is_none() {
                return Ok(all);
            }
        }
    }

    async fn page(
        self,
        service: &Service,
        call: &Call<'_>,
        selection: &Selection,
    ) -> Result<Page<views::AuditEvent>> {
        let after = match &selection.after {
            Some(cursor) => Some(
                cursor
                    .parse::<AuditPosition>()
                    .map_err(|error| Error::invalid_parameter("after", error.message()))?,
            ),
            None => None,
        };
        let limit = selection.limit;
        let filter = AuditFilter {
            limit: limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
            ..self.filter(service, call).await?
        };
        let operations = &service.operations;
        let batch = operations.audit_lines(call, &filter, after.as_ref());
        let batch = batch.await?;
        Ok(Page {
            items: batch.rows.into_iter().map(Into::into).collect(),
            next: batch.next.map(|position| position.to_string()),
        })
    }
}

impl ListAudit {
    /// Returns the filter, without a limit.
    async fn filter(&self, service: &Service, call: &Call<'_>) -> Result<AuditFilter> {
        let until = self.until.as_ref().map(|until| until.0);
        let (since, until) = span(self.since_or_default(), until, call.now)?;
        let principal = match &self.principal {
            Some(principal) => Some(service.identity.audited_principal(call, principal).await?),
            None => None,
        };
        let of_service = match &self.instance {
            Some(Text(InstanceRef::Id(id))) => {
                Some(service.operations.audited_service(call, id).await?)
            }
            Some(Text(named)) => {
                let choice = named.clone().into();
                let instance = service.registry.shown_instance(call, &choice).await?;
                Some(instance.service.clone())
            }
            None => None,
        };
        Ok(AuditFilter {
            since,
            until,
            account: None,
            principal,
            action: self.action.clone(),
            outcome: self.outcome.map(|outcome| outcome.name().to_owned()),
            credential: self.credential.as_ref().map(ToString::to_string),
            access_key: self.access_key.as_ref().map(ToString::to_string),
            service: of_service,
            address: self.address.as_ref().map(ToString::to_string),
            request_id: self.request_id.as_ref().map(ToString::to_string),
            reverse: self.reverse,
            limit: None,
        })
    }

    /// Returns the beginning. A request has few events, wherever they are.
    fn since_or_default(&self) -> When {
        let default = if self.request_id.is_some() {
            When::At(Timestamp::from_unix_millis(0))
        } else {
            When::Back(DAY)
        };
        self.since.as_ref().map_or(default, |since| since.0)
    }
}

/// Follow the audit: the events that are stored from now on. With `since`, those from that time on
/// come before them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FollowAudit {
    /// The events that are wanted, without `until` and `reverse`.
    pub filter: ListAudit,
    /// The `after` of the answer before; without it, the audit is followed from now on.
    pub after: Option<String>,
}

/// Events of the audit, and the place in it that was reached.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditNews {
    /// The events, in the order of time.
    pub items: Vec<views::AuditEvent>,
    /// The place, for `after` of the next request. It can have some hundred thousand letters.
    pub after: String,
    /// Whether there may be more already; otherwise it is soon enough to ask in half a second.
    pub has_more: bool,
}

impl Operation for FollowAudit {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/audit/follow";
    const EFFECT: Effect = Effect::Reads;

    type Answer = AuditNews;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<AuditNews> {
        if self.filter.until.is_some() || self.filter.reverse {
            let name = if self.filter.reverse {
                "reverse"
            } else {
                "until"
            };
            return Err(Error::invalid_parameter(
                name,
                "the audit is followed without an end",
            ));
        }
        let (operations, shows_past) = (&service.operations, self.filter.since.is_some());
        let mut tail = match &self.after {
            Some(place) => place.parse::<AuditTail>()?,
            None => operations.audit_tail(call, shows_past).await?,
        };
        let filter = AuditFilter {
            limit: u32::try_from(super::MAX_ITEMS).ok(),
            ..self.filter.filter(service, call).await?
        };
        let news = operations.audit_news(call, &filter, &mut tail).await?;
        Ok(AuditNews {
            items: news.rows.into_iter().map(Into::into).collect(),
            after: tail.to_string(),
            has_more: news.has_more,
        })
    }
}

/// Returns the times between which events are listed; without an end, events written meanwhile are
/// among them.
fn span(since: When, until: Option<When>, now: Timestamp) -> Result<(Timestamp, Timestamp)> {
    let since = since.at(now);
    // A line may be written by a clock that is a little ahead.
    let end = until.map_or(now.plus(DAY), |until| until.at(now));
    if since <= end {
        return Ok((since, end));
    }
    let why = match until {
        Some(_) => format!(
            "--since ({}) is later than --until ({}): give the earlier time to --since",
            since.rfc3339(),
            end.rfc3339()
        ),
        None => format!("--since ({}) is in the future", since.rfc3339()),
    };
    Err(Error::invalid_parameter("since", why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);

    fn at(text: &str) -> Timestamp {
        text.parse::<When>().unwrap().at(NOW)
    }

    #[test]
    fn a_span_that_ends_before_it_begins_is_refused() {
        // Such a span was an empty list, which reads as if nothing had been done.
        let times = |since: &str, until: Option<&str>| {
            span(
                since.parse().unwrap(),
                until.map(|until| until.parse().unwrap()),
                NOW,
            )
        };
        assert_eq!(times("2h", Some("1h")).unwrap(), (at("2h"), at("1h")));
        assert_eq!(times("1h", Some("1h")).unwrap(), (at("1h"), at("1h")));
        assert_eq!(times("1h", None).unwrap(), (at("1h"), NOW.plus(DAY)));
        for (since, until, part) in [
            ("1h", Some("2h"), "later than --until"),
            ("2026-01-01", None, "in the future"),
        ] {
            let refused = times(since, until).unwrap_err();
            assert_eq!(
                refused.kind(),
                &ErrorKind::InvalidParameter {
                    name: "since".to_owned()
                }
            );
            assert!(refused.message().contains(part), "{refused}");
        }
    }
}
