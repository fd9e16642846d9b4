//! The view of the audit.

use serde_json::Value;

use crate::service::AuditRow;

view! {
    /// An event of the audit.
    pub struct AuditEvent by request_id {
        /// The time at which it happened, as in RFC 3339.
        at: String,
        /// The action that was asked for.
        action: String,
        /// Its end.
        outcome: String,
        /// The cause of a refusal, or null.
        cause: Value,
        /// The proved caller.
        principal: Option<String>,
        /// The caller that a refused request claimed to be, which is proved by nothing; or null.
        claimed: Value,
        /// The registry's service that it concerned.
        service: Option<String>,
        /// The credential that it concerned.
        credential_id: Option<String>,
        /// The access key that signed the call, or that the log-in's credential was issued to.
        access_key: Option<String>,
        /// The client's address.
        address: Option<String>,
        /// The id that the client was told.
        request_id: String,
        /// All else, as an object.
        detail: Value,
    }
}

impl From<AuditRow> for AuditEvent {
    fn from(row: AuditRow) -> Self {
        let mut detail: Value = serde_json::from_str(&row.detail).unwrap_or_default();
        // They have columns of their own, because a claim isn't a proved principal.
        let [cause, claimed] = ["cause", "claimed"].map(|name| {
            detail
                .as_object_mut()
                .and_then(|detail| detail.remove(name))
                .unwrap_or_default()
        });
        Self {
            at: row.at.rfc3339(),
            action: row.action,
            outcome: row.outcome,
            cause,
            principal: row.principal,
            claimed,
            service: row.service,
            credential_id: row.credential_id,
            access_key: row.access_key,
            address: row.address,
            request_id: row.request_id,
            detail,
        }
    }
}
