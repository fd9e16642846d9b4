//! The view of fixed passwords.

use crate::domain::clock::Timestamp;
use crate::domain::credential::FixedPassword as Stored;
use crate::domain::old_password::bcrypt_cost;

view! {
    /// A principal's password at an instance, without its hash.
    pub struct FixedPassword {
        /// The principal, as `ACCOUNT:root` or `ACCOUNT:user/ID`.
        principal: String,
        /// The old name that it logs in with, too.
        old_name: Option<String>,
        /// The kind of its hash: `argon2id`, or `bcrypt` until the first log-in after an import.
        hash: String,
        /// The time at which it was chosen or imported, as in RFC 3339.
        changed_at: String,
        /// The time at which it stops, as in RFC 3339.
        expires_at: Option<String>,
        /// The hour in which it was last used, as in RFC 3339; `null` before the first use.
        last_used_at: Option<String>,
    }
}

impl From<Stored> for FixedPassword {
    fn from(password: Stored) -> Self {
        let is_old = bcrypt_cost(&password.hash).is_some();
        Self {
            principal: password.principal.to_string(),
            old_name: password.old_name,
            hash: if is_old { "bcrypt" } else { "argon2id" }.to_owned(),
            changed_at: password.changed_at.rfc3339(),
            expires_at: password.expires_at.map(Timestamp::rfc3339),
            last_used_at: password.last_used_at.map(Timestamp::rfc3339),
        }
    }
}

view! {
    /// A fixed password that was deleted.
    pub struct DeletedPassword {
        /// The principal that had it, as it was named.
        principal: String,
        /// Its state: deleted.
        state: String,
    }
}
