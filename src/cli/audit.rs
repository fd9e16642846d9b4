//! `transire audit`.

use std::net::IpAddr;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::output::{Listing, Stdout, warn};
use super::{Context, arguments};
use crate::admin::When;
use crate::domain::access_key;
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::clock::Timestamp;
use crate::domain::credential::CredentialId;
use crate::domain::instance::AnyInstanceId;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::{AuditFilter, AuditRow, AuditTail};
use crate::views;

/// The pause between two looks for new events.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the audit's events, of actions and of refused requests, the oldest first.
    List(List),
}

#[derive(Args)]
pub(super) struct List {
    /// Only events from this time on: a time such as 2025-01-02T03:04:05Z, a day such as 2025-01-02
    /// (its beginning in UTC), or an age: 30m, 12h, 7d. [default: 24h; all with --request-id]
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only events before this time, written like --since.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// Only events of this principal: 100000000001:root, 100000000001:user/NAME,
    /// 100000000001:role/NAME for all its sessions, or a service account's
    /// 100000000001:service-account/INSTANCE/NAME. The forms of lists, the audit and the clouds
    /// work too. 100000000001:user#ID finds a deleted user.
    #[arg(long)]
    principal: Option<AnyPrincipal>,
    /// Only events of this action, such as tcr:CreateInstanceToken or registry.log-in. A * at the
    /// end matches any ending.
    #[arg(long, value_parser = arguments::some_text)]
    action: Option<String>,
    /// Only events with this outcome: ok, reduced (a token with fewer rights than requested),
    /// refused, denied or failed.
    #[arg(long, value_parser = ["ok", "reduced", "refused", "denied", "failed"])]
    outcome: Option<String>,
    /// Only events about this credential or session, by its id.
    #[arg(long, value_name = "ID", value_parser = arguments::credential_id)]
    credential: Option<CredentialId>,
    /// Only events of this access key: calls that it signed, log-ins with what it got, and its own
    /// changes. Refused callers that claimed it are among them.
    #[arg(long, value_name = "ID", value_parser = any_access_key)]
    access_key: Option<String>,
    /// Only events about this instance, by its tcr- or cri- id, be it deleted.
    #[arg(long, value_name = "ID")]
    instance: Option<AnyInstanceId>,
    /// Only events of clients at this address.
    #[arg(long, value_parser = address)]
    address: Option<IpAddr>,
    /// Only events of the request that was answered with this id.
    #[arg(long, value_name = "ID", value_parser = request_id)]
    request_id: Option<String>,
    /// At most so many events.
    #[arg(long, value_name = "NUMBER", value_parser = limit)]
    limit: Option<u32>,
    /// The newest event first.
    #[arg(long)]
    reverse: bool,
    /// Go on with the events that are stored from now on, until SIGINT (Ctrl-C); without --since,
    /// with those alone. JSON has a line for each event.
    #[arg(long, conflicts_with_all = ["reverse", "until"])]
    follow: bool,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let Command::List(list) = command;
    let filter = list.filter(context).await?;
    let operations = &context.service.operations;
    let mut printed = Printed {
        listing: if list.follow {
            context.output.endless_listing()?
        } else {
            context.output.listing()?
        },
        left: list.limit,
    };
    // Before the list: an event that is stored during it is shown once, by one or by the other.
    let mut tail = match list.follow {
        true => Some(operations.audit_tail(&context.call()).await?),
        false => None,
    };
    let mut after = None;
    while tail.is_none() || list.since.is_some() {
        let filter = AuditFilter {
            limit: printed.left,
            ..filter.clone()
        };
        let batch = operations
            .audit_lines(&context.call(), &filter, after.as_ref())
            .await?;
        if let Some(tail) = &mut tail {
            tail.leave_out(&batch.rows);
        }
        if printed.add(batch.rows)? == Wish::Enough {
            return Ok(());
        }
        after = batch.next;
        if after.is_none() {
            break;
        }
    }
    match tail {
        Some(tail) => follow(context, &filter, tail, printed).await,
        None => printed.listing.end(),
    }
}

/// Prints what is stored from now on, until its reader has enough.
async fn follow(
    context: &Context,
    filter: &AuditFilter,
    mut tail: AuditTail,
    mut printed: Printed,
) -> Result<()> {
    let (operations, mut is_away) = (&context.service.operations, false);
    loop {
        match operations
            .audit_news(&context.call(), filter, &mut tail)
            .await
        {
            Ok(news) => {
                is_away = false;
                if printed.add(news.rows)? == Wish::Enough {
                    return Ok(());
                }
                if news.has_more {
                    continue;
                }
            }
            Err(error) if *error.kind() == ErrorKind::StoreUnavailable => {
                if !is_away {
                    warn(format!("{error} Events are shown once it is back."));
                }
                is_away = true;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(FOLLOW_INTERVAL).await;
    }
}

/// Whether more events are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    More,
    Enough,
}

/// The events that were printed, and how many are left to be.
struct Printed {
    listing: Listing<views::AuditEvent>,
    left: Option<u32>,
}

impl Printed {
    /// Prints events, as many as are left; ends the list after the last one.
    fn add(&mut self, mut rows: Vec<AuditRow>) -> Result<Wish> {
        if let Some(left) = &mut self.left {
            rows.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left = left.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        }
        let stdout = self
            .listing
            .add(rows.into_iter().map(views::AuditEvent::from))?;
        if stdout == Stdout::Closed {
            return Ok(Wish::Enough);
        }
        if self.left == Some(0) {
            self.listing.end()?;
            return Ok(Wish::Enough);
        }
        Ok(Wish::More)
    }
}

impl List {
    /// Returns the filter, without its limit.
    async fn filter(&self, context: &Context) -> Result<AuditFilter> {
        let (service, call) = (&context.service, context.call());
        let (since, until) = span(self.since_or_default(), self.until, call.now)?;
        let principal = match &self.principal {
            Some(principal) => Some(service.identity.audited_principal(&call, principal).await?),
            None => None,
        };
        let of_service = match &self.instance {
            Some(id) => Some(service.operations.audited_service(&call, id).await?),
            None => None,
        };
        Ok(AuditFilter {
            since,
            until,
            account: None,
            principal,
            action: self.action.clone(),
            outcome: self.outcome.clone(),
            credential: self.credential.as_ref().map(|id| id.as_str().to_owned()),
            access_key: self.access_key.clone(),
            service: of_service,
            address: self.address.map(|address| address.to_string()),
            request_id: self.request_id.clone(),
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
        self.since.unwrap_or(default)
    }
}

/// Reads the id of an access key, a session's too.
fn any_access_key(text: &str) -> Result<String> {
    let is_short = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if access_key::is_of_session(text) && is_short || access_key::is_permanent(text) {
        return Ok(text.to_owned());
    }
    let why = "an access key's id is AKID and 32 letters or digits, or a session's, as the audit \
               shows them";
    Err(Error::invalid_parameter("id", why))
}

/// Reads an address of a client.
fn address(text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| {
        let why = "an address is written like 192.0.2.1 or 2001:db8::1";
        Error::invalid_parameter("address", why)
    })
}

/// Reads the id of a request.
fn request_id(text: &str) -> Result<String> {
    let is_id = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_id {
        return Ok(text.to_owned());
    }
    let why = "a request's id has letters, digits and -, as its answer, the log and the audit \
               show it";
    Err(Error::invalid_parameter("id", why))
}

/// Reads how many events are listed at most.
fn limit(text: &str) -> Result<u32> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| {
        let why = "a limit is a number from 1 on, such as 100";
        Error::invalid_parameter("limit", why)
    })
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
