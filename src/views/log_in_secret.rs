//! The views of secrets that were just made, with all that a client needs to log in.

use crate::domain::clock::Timestamp;
use crate::domain::credential::LongTermCredential;
use crate::domain::instance::Instance;
use crate::domain::secret::Secret;
use crate::domain::service_account::ServiceAccount;

view! {
    /// A long-term credential with a secret that was just made, which is shown this once.
    pub struct CredentialSecret {
        /// Its own id.
        id: String,
        /// The instance that it logs in to.
        instance_id: String,
        /// The registry that clients log in to.
        registry: String,
        /// The username that it logs in with.
        username: String,
        /// Its secret.
        secret: String,
        /// The time at which it ends, as in RFC 3339.
        expires_at: String,
        /// Until when the secret before is taken, too, as in RFC 3339; `null` for no more.
        older_secret_ends_at: Option<String>,
    }
}

impl CredentialSecret {
    /// Shows a credential and its new secret.
    pub fn of(credential: LongTermCredential, secret: &Secret, instance: &Instance) -> Self {
        Self {
            id: credential.id.to_string(),
            instance_id: credential.instance.to_string(),
            registry: instance.service.clone(),
            username: credential.username.of(&credential.principal),
            secret: secret.expose().to_owned(),
            expires_at: credential.expires_at.rfc3339(),
            older_secret_ends_at: credential
                .older
                .map(|older| older.ends_at)
                .map(Timestamp::rfc3339),
        }
    }
}

view! {
    /// A service account with a password that was just made, which is shown this once.
    pub struct ServiceAccountPassword by name {
        /// The username that it logs in with.
        name: String,
        /// The instance that it logs in to.
        instance_id: String,
        /// The registry that clients log in to.
        registry: String,
        /// Its password.
        password: String,
        /// The time at which it ends, as in RFC 3339.
        expires_at: String,
        /// Until when the password before is taken, too, as in RFC 3339; `null` for no more.
        older_secret_ends_at: Option<String>,
    }
}

impl ServiceAccountPassword {
    /// Shows a service account and its new password.
    pub fn of(account: ServiceAccount, password: &Secret, instance: &Instance) -> Self {
        Self {
            name: account.username(),
            instance_id: account.instance.to_string(),
            registry: instance.service.clone(),
            password: password.expose().to_owned(),
            expires_at: account.expires_at.rfc3339(),
            older_secret_ends_at: account
                .older
                .map(|older| older.ends_at)
                .map(Timestamp::rfc3339),
        }
    }
}
