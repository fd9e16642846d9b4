//! The view of keys.

use crate::service::{KeyInfo, KeyKind, MasterKeyInfo};

view! {
    /// A key of the service, a CA or a master key, without its private part.
    pub struct Key {
        /// Its id.
        key_id: String,
        /// Its purpose: signing, sealing, ca or master.
        kind: String,
        /// The algorithm of a signing key.
        algorithm: Option<String>,
        /// The step of its life.
        state: String,
        /// The time at which it was made, or since which a master key wraps, as in RFC 3339.
        created_at: Option<String>,
        /// The end of its certificate, as in RFC 3339.
        certificate_expires_at: Option<String>,
        /// The only instance that it signs for.
        instance: Option<String>,
        /// The place of its private part: here or elsewhere.
        private_key: Option<String>,
        /// The number of secrets under a master key that are to be wrapped anew.
        to_be_rewrapped: Option<u64>,
    }
}

impl From<KeyInfo> for Key {
    fn from(key: KeyInfo) -> Self {
        let algorithm = match key.kind {
            KeyKind::Signing(algorithm) => Some(algorithm.name().to_owned()),
            KeyKind::Sealing | KeyKind::Ca => None,
        };
        Self {
            key_id: key.id,
            kind: key.kind.name().to_owned(),
            algorithm,
            state: key.state.name().to_owned(),
            created_at: Some(key.created_at.rfc3339()),
            certificate_expires_at: key.certificate_expires_at.map(|at| at.rfc3339()),
            instance: key.instance.map(|id| id.to_string()),
            private_key: Some(key.private.name().to_owned()),
            to_be_rewrapped: None,
        }
    }
}

impl From<MasterKeyInfo> for Key {
    fn from(key: MasterKeyInfo) -> Self {
        Self {
            key_id: key.id,
            kind: "master".to_owned(),
            algorithm: None,
            state: key.state.name().to_owned(),
            created_at: key.since.map(|at| at.rfc3339()),
            certificate_expires_at: None,
            instance: None,
            private_key: None,
            to_be_rewrapped: key.rows,
        }
    }
}
