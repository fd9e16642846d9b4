//! A notice as the webhook is told it.

use serde::Serialize;

use crate::domain::clock::Timestamp;
use crate::domain::notice::Notice;
use crate::service::ledger::checkpoint_sink::MadeCheckpoint;

/// The message: the members that Standard Webhooks 1.0.0 recommends, and what it is about.
#[derive(Serialize)]
struct Message<'a> {
    r#type: String,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    id: &'a str,
    kind: &'static str,
    /// The issuer of this service, by which a receiver tells several apart.
    issuer: &'a str,
    subject: Subject<'a>,
    account_id: Option<String>,
    instance_id: Option<&'a str>,
    /// `current`, or `older` for the one from before the last rotation.
    secret: &'static str,
    ends_at: Option<String>,
    refusals: Option<u32>,
}

#[derive(Serialize)]
struct Subject<'a> {
    kind: &'static str,
    id: &'a str,
    name: Option<&'a str>,
}

/// Writes a notice as JSON. It holds no secret, and is the same at each attempt.
pub(super) fn message(notice: &Notice, issuer: &str) -> serde_json::Result<String> {
    let subject = &notice.subject;
    serde_json::to_string(&Message {
        r#type: format!("notice.{}", notice.kind.name()),
        timestamp: notice.created_at.rfc3339(),
        data: Data {
            id: notice.id.as_str(),
            kind: notice.kind.name(),
            issuer,
            subject: Subject {
                kind: subject.kind.name(),
                id: &subject.id,
                name: subject.name.as_deref(),
            },
            account_id: subject.account.map(|account| account.to_string()),
            instance_id: subject.instance.as_ref().map(|id| id.as_str()),
            secret: if notice.is_older_secret {
                "older"
            } else {
                "current"
            },
            ends_at: notice.ends_at.map(Timestamp::rfc3339),
            refusals: notice.refusals,
        },
    })
}

/// The message about a checkpoint of the audit.
#[derive(Serialize)]
struct CheckpointMessage<'a> {
    r#type: &'static str,
    timestamp: String,
    data: CheckpointData<'a>,
}

#[derive(Serialize)]
struct CheckpointData<'a> {
    issuer: &'a str,
    number: i64,
    sha256: &'a str,
    checkpoint: &'a str,
}

/// Writes a checkpoint of the audit as JSON.
pub(super) fn checkpoint_message(
    made: &MadeCheckpoint,
    issuer: &str,
    now: Timestamp,
) -> serde_json::Result<String> {
    serde_json::to_string(&CheckpointMessage {
        r#type: "audit.checkpoint",
        timestamp: now.rfc3339(),
        data: CheckpointData {
            issuer,
            number: made.number,
            sha256: &made.hash,
            checkpoint: &made.signed,
        },
    })
}
