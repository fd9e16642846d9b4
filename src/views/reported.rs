//! The view of what a report has.

use crate::domain::clock::Timestamp;
use crate::domain::reported::Reported as Stored;

view! {
    /// Something that logs in, signs calls or certifies, in a report.
    pub struct Reported by id {
        /// Its kind: access-key, credential, service-account, fixed-password, ca or
        /// leaf-certificate.
        kind: String,
        /// Its id; of a fixed password, its instance and principal.
        id: String,
        /// The principal that it is of, or the username of a service account.
        name: Option<String>,
        /// The account that it belongs to.
        account_id: Option<String>,
        /// The instance that it logs in to.
        instance_id: Option<String>,
        /// The time at which it was made or set, as in RFC 3339.
        created_at: String,
        /// The hour in which it was last used, as in RFC 3339; `null` before the first use.
        last_used_at: Option<String>,
        /// The time at which it ends, as in RFC 3339.
        expires_at: Option<String>,
    }
}

impl From<Stored> for Reported {
    fn from(reported: Stored) -> Self {
        Self {
            kind: reported.kind.name().to_owned(),
            id: reported.id,
            name: reported.name,
            account_id: reported.account.map(|account| account.to_string()),
            instance_id: reported.instance.map(|instance| instance.to_string()),
            created_at: reported.created_at.rfc3339(),
            last_used_at: reported.last_used_at.map(Timestamp::rfc3339),
            expires_at: reported.expires_at.map(Timestamp::rfc3339),
        }
    }
}
