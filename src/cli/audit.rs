//! `transire audit`.

use std::str::FromStr;
use std::time::Duration;

use clap::Subcommand;

use super::output::Stdout;
use super::{Context, arguments};
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::clock::Timestamp;
use crate::domain::seconds::Seconds;
use crate::domain::{Error, Result};
use crate::service::AuditFilter;
use crate::views;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the audit's events, of actions and of refused requests, the oldest first.
    List {
        /// A time such as 2025-01-02T03:04:05Z, a day such as 2025-01-02 (its beginning in UTC), or
        /// an age: 30m, 12h, 7d.
        #[arg(long, value_name = "TIME")]
        since: When,
        /// Only events before this time, written like --since.
        #[arg(long, value_name = "TIME")]
        until: Option<When>,
        /// Only events of this principal: 100000000001:root, 100000000001:user/NAME,
        /// 100000000001:role/NAME for all its sessions, or a service account's
        /// 100000000001:service-account/INSTANCE/NAME. The forms of lists, the audit and the clouds
        /// work too. 100000000001:user#ID finds a deleted user.
        #[arg(long)]
        principal: Option<AnyPrincipal>,
        /// Only events of this action, such as tcr:CreateInstanceToken or registry.log-in. A * at
        /// the end matches any ending.
        #[arg(long, value_parser = arguments::some_text)]
        action: Option<String>,
        /// Only events with this outcome: ok, reduced (a token with fewer rights than requested),
        /// refused, denied or failed.
        #[arg(long, value_parser = ["ok", "reduced", "refused", "denied", "failed"])]
        outcome: Option<String>,
    },
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let Command::List {
        since,
        until,
        principal,
        action,
        outcome,
    } = command;
    let (since, until) = span(since, until, context.service.base.now())?;
    let principal = match principal {
        Some(principal) => Some(
            context
                .service
                .identity
                .audited_principal(&context.call(), &principal)
                .await?,
        ),
        None => None,
    };
    let filter = AuditFilter {
        since,
        until,
        principal,
        action,
        outcome,
    };
    let mut listing = context.output.listing()?;
    let mut after = None;
    loop {
        let batch = context
            .service
            .operations
            .audit_lines(&context.call(), &filter, after.as_ref())
            .await?;
        let is_last = batch.next.is_none();
        after = batch.next;
        if listing.add(batch.rows.into_iter().map(views::AuditEvent::from))? == Stdout::Closed {
            return Ok(());
        }
        if is_last {
            return listing.end();
        }
    }
}

/// A point in time, as an argument has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// A time.
    At(Timestamp),
    /// A duration before the present.
    Back(Duration),
}

impl When {
    pub(super) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Back(back) => now.minus(back),
        }
    }
}

impl FromStr for When {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let back = || Seconds::with_units(text).map(|back| Self::Back(back.duration()));
        let at = || {
            Timestamp::parse_rfc3339(text)
                .or_else(|| Timestamp::parse_date(text))
                .map(Self::At)
        };
        at().or_else(back).ok_or_else(|| {
            let why = "a time is written like 2025-01-02T03:04:05Z, a day like 2025-01-02 (its \
                       beginning in UTC), and how far back like 12h, 1h30m or 7d";
            Error::invalid_parameter("time", why)
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
    fn a_time_is_a_moment_a_day_or_how_far_back() {
        assert_eq!(
            at("30m"),
            Timestamp::from_unix_seconds(1_735_787_045 - 1800)
        );
        assert_eq!(at("2025-01-02T03:04:05Z"), NOW);
        assert_eq!(at("2025-01-02T04:04:05+01:00"), NOW);
        assert_eq!(at("2025-01-02").rfc3339(), "2025-01-02T00:00:00Z");
        let bad = [
            "",
            "m",
            "5",
            "5y",
            "-5m",
            "+5m",
            "５m",
            "30m1h",
            "99999999999999999999d",
            "2025-02-30",
            "2025-1-2",
            "20250102",
            "2025-01-02T03:04",
        ];
        for bad in bad {
            let refused = bad.parse::<When>().unwrap_err();
            assert_eq!(
                refused.kind(),
                &ErrorKind::InvalidParameter {
                    name: "time".to_owned()
                },
                "{bad:?}"
            );
        }
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
