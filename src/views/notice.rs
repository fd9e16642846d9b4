//! The view of a notice.

use crate::domain::clock::Timestamp;
use crate::domain::notice::Notice as Stored;

view! {
    /// A notice: a secret ends soon, ended, was replaced, was stopped, or is refused often.
    pub struct Notice {
        /// Its id, which the webhook is told as `webhook-id`.
        id: String,
        /// Its kind: expiring, expired, rotated, revoked, refused-too-often or test.
        kind: String,
        /// How far it has come: waiting, kept, delivered or dead.
        state: String,
        /// The kind of thing that it is about: access-key, credential, fixed-password,
        /// service-account, principal or service.
        subject_kind: String,
        /// The thing's id; of a fixed password, its instance and principal.
        subject_id: String,
        /// The principal that it is of, or the username of a service account.
        name: Option<String>,
        /// The account that it belongs to.
        account_id: Option<String>,
        /// The instance that it logs in to.
        instance_id: Option<String>,
        /// The secret that it is about: current, or older for that before the last rotation.
        which: String,
        /// The time at which the secret ends or ended, as in RFC 3339.
        ends_at: Option<String>,
        /// How often the secret was refused.
        refusals: Option<u32>,
        /// The time at which the notice was made, as in RFC 3339.
        created_at: String,
        /// How often it was sent.
        attempts: u32,
        /// While it waits, the time at which it is sent next; later, the time of the last change.
        due_at: String,
        /// Why the webhook didn't take it when it was sent last.
        failure: Option<String>,
    }
}

impl From<Stored> for Notice {
    fn from(notice: Stored) -> Self {
        let which = if notice.is_older_secret {
            "older"
        } else {
            "current"
        };
        Self {
            id: notice.id.to_string(),
            kind: notice.kind.name().to_owned(),
            state: notice.state.name().to_owned(),
            subject_kind: notice.subject.kind.name().to_owned(),
            subject_id: notice.subject.id,
            name: notice.subject.name,
            account_id: notice.subject.account.map(|account| account.to_string()),
            instance_id: notice.subject.instance.map(|instance| instance.to_string()),
            which: which.to_owned(),
            ends_at: notice.ends_at.map(Timestamp::rfc3339),
            refusals: notice.refusals,
            created_at: notice.created_at.rfc3339(),
            attempts: notice.attempts,
            due_at: notice.due_at.rfc3339(),
            failure: notice.failure,
        }
    }
}
