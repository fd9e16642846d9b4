//! `transire audit`.

use std::time::Duration;

use clap::Subcommand;
use serde_json::Value;

use super::Context;
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::service::{AuditFilter, AuditRow};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Subcommand)]
pub(super) enum Command {
    /// List what was done and refused, the oldest first.
    List {
        /// A time such as 2025-01-02T03:04:05Z, or how far back: 30m, 12h, 7d.
        #[arg(long)]
        since: String,
        /// Only what was before this time, written like --since.
        #[arg(long)]
        until: Option<String>,
        /// Only what this principal did: 100000000001:root, 100000000001:user/NAME, or as the list has it,
        /// 100000000001:user#ID, which stays when the user is gone; of a service account
        /// 100000000001:service-account/INSTANCE/NAME.
        #[arg(long)]
        principal: Option<String>,
        /// Only what was asked so, such as tcr:CreateInstanceToken or registry.log-in; with * at the end, all that begin so.
        #[arg(long)]
        action: Option<String>,
        /// Only what ended so: ok, refused, denied or failed.
        #[arg(long, value_parser = ["ok", "refused", "denied", "failed"])]
        outcome: Option<String>,
    },
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let Command::List { since, until, principal, action, outcome } = command;
    let now = context.service.now();
    let since = parse_time("since", &since, now)?;
    // A line may be written while this runs, and by a clock that is a little ahead.
    let until = until.map_or(Ok(now.plus(DAY)), |until| parse_time("until", &until, now))?;
    let principal = match principal {
        Some(text) => Some(context.service.audited_principal(&context.operator, &text).await?),
        None => None,
    };
    let filter = AuditFilter { since, until, principal, action, outcome };
    let rows = context.service.audit_lines(&context.operator, &filter).await?;
    let columns =
        ["at", "action", "outcome", "cause", "principal", "claimed", "service", "credential_id", "address", "request_id", "detail"];
    context.output.list(&columns, rows.into_iter().map(row).collect())
}

fn row(row: AuditRow) -> Vec<Value> {
    let mut detail: Value = serde_json::from_str(&row.detail).unwrap_or_default();
    // In columns of their own: what was claimed isn't who was proved.
    let [cause, claimed] =
        ["cause", "claimed"].map(|name| detail.as_object_mut().and_then(|detail| detail.remove(name)).unwrap_or_default());
    vec![
        row.at.rfc3339().into(),
        row.action.into(),
        row.outcome.into(),
        cause,
        row.principal.into(),
        claimed,
        row.service.into(),
        row.credential_id.into(),
        row.address.into(),
        row.request_id.into(),
        detail,
    ]
}

fn parse_time(option: &str, text: &str, now: Timestamp) -> Result<Timestamp> {
    let back = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        Some(now.minus(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?)))
    };
    Timestamp::parse_rfc3339(text).or_else(back).ok_or_else(|| {
        Error::invalid_parameter(option, format!("--{option} is a time such as 2025-01-02T03:04:05Z, or how far back: 30m, 12h, 7d"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_how_far_back() {
        let now = Timestamp::from_unix_seconds(1_000_000);
        assert_eq!(parse_time("since", "30m", now).unwrap(), Timestamp::from_unix_seconds(1_000_000 - 1800));
        assert_eq!(parse_time("since", "2025-01-02T03:04:05Z", now).unwrap(), Timestamp::from_unix_seconds(1_735_787_045));
        for bad in ["", "m", "5", "5y", "-5m", "５m", "99999999999999999999d"] {
            assert!(parse_time("since", bad, now).is_err(), "{bad:?} was taken");
        }
    }
}
