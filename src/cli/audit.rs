//! `transire audit`.

use std::time::Duration;

use clap::Subcommand;
use serde_json::Value;

use super::Context;
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::service::AuditRow;

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
    },
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let Command::List { since, until, principal } = command;
    let now = context.service.now();
    let since = parse_time("since", &since, now)?;
    // A line may be written while this runs, and by a clock that is a little ahead.
    let until = until.map_or(Ok(now.plus(DAY)), |until| parse_time("until", &until, now))?;
    let principal = match principal {
        Some(text) => Some(context.service.audited_principal(&context.operator, &text).await?),
        None => None,
    };
    let rows = context.service.audit_lines(&context.operator, since, until, principal.as_deref()).await?;
    let columns = ["at", "action", "outcome", "principal", "service", "credential_id", "address", "request_id", "detail"];
    context.output.list(&columns, rows.into_iter().map(row).collect())
}

fn row(row: AuditRow) -> Vec<Value> {
    vec![
        row.at.rfc3339().into(),
        row.action.into(),
        row.outcome.into(),
        row.principal.into(),
        row.service.into(),
        row.credential_id.into(),
        row.address.into(),
        row.request_id.into(),
        serde_json::from_str(&row.detail).unwrap_or_default(),
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
