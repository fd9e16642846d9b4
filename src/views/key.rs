//! The view of keys.

use crate::service::{self, KeyInfo, KeyKind, KeyState, MasterKeyInfo, NextStep};

view! {
    /// A key of the service, a CA or a master key, without its private part.
    pub struct Key {
        /// Its id.
        key_id: String,
        /// Its purpose: signing, sealing, audit, ca or master.
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
            KeyKind::Sealing | KeyKind::Audit | KeyKind::Ca => None,
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

view! {
    /// A key that was made to take the place of another.
    pub struct RotatedKey {
        /// Its id.
        key_id: String,
        /// The step of its life.
        state: String,
    }
}

view! {
    /// A step in the life of a key, or of CAs.
    pub struct KeyStep {
        /// Its id; those of several CAs with commas between.
        key_id: String,
        /// The step of its life.
        state: String,
        /// The next thing to do.
        next: String,
    }
}

impl KeyStep {
    /// Says what a step did, and what comes next.
    pub fn of(key_id: String, state: &str, next: &str) -> Self {
        Self {
            key_id,
            state: state.to_owned(),
            next: next.to_owned(),
        }
    }

    /// Says which CAs are gone.
    pub fn of_retired(ids: &[String]) -> Self {
        Self::of(ids.join(","), "gone", &next_text(NextStep::Nothing))
    }
}

view! {
    /// A step in the life of a CA.
    pub struct CaStep {
        /// The CA's id.
        key_id: String,
        /// The step of its life.
        state: String,
        /// The end of its certificate, as in RFC 3339.
        certificate_expires_at: String,
        /// The next thing to do.
        next: String,
    }
}

impl From<service::CaStep> for CaStep {
    fn from(step: service::CaStep) -> Self {
        Self {
            key_id: step.id,
            state: step.state.map_or("gone", KeyState::name).to_owned(),
            certificate_expires_at: step.expires_at.rfc3339(),
            next: next_text(step.next),
        }
    }
}

fn next_text(next: NextStep) -> String {
    match next {
        NextStep::RestartRegistriesThenActivate => {
            "give every registry the new bundle (/bundle.pem or `transire registry-config`, half a \
             minute from now) and restart it; then: `transire keys rotate ca --activate`"
                .to_owned()
        }
        NextStep::CertifyThenActivate => {
            "have the requests of `transire keys csr` signed, and import each certificate with \
             `transire keys import-leaf`; give every registry the new bundle and restart it; then: \
             `transire keys rotate ca --activate`"
                .to_owned()
        }
        NextStep::RetireFrom(at) => format!(
            "from {} on: `transire keys rotate ca --retire`",
            at.rfc3339()
        ),
        NextStep::Nothing => "nothing: registries get the present bundle at their next \
                              restart"
            .to_owned(),
    }
}

view! {
    /// A leaf certificate that was imported.
    pub struct ImportedLeaf {
        /// The id of its signing key.
        key_id: String,
        /// The id of the CA that signed it.
        ca_id: String,
        /// The step in the life of that CA.
        ca_state: String,
        /// The end of the certificate, as in RFC 3339.
        certificate_expires_at: String,
        /// The next thing to do.
        next: String,
    }
}

impl From<service::ImportedLeaf> for ImportedLeaf {
    fn from(leaf: service::ImportedLeaf) -> Self {
        let next = match leaf.authority_state {
            KeyState::Next => {
                "it is used when its CA is activated: `transire keys rotate ca --activate`"
            }
            _ => "nothing: it is in use, or will be in half a minute if the key waited for it",
        };
        Self {
            key_id: leaf.key,
            ca_id: leaf.authority,
            ca_state: leaf.authority_state.name().to_owned(),
            certificate_expires_at: leaf.expires_at.rfc3339(),
            next: next.to_owned(),
        }
    }
}

view! {
    /// A request for a signing key's certificate.
    pub struct SigningRequest {
        /// The id of the signing key.
        key_id: String,
        /// Its algorithm.
        algorithm: String,
        /// The request: PKCS #10, PEM.
        pem: String,
    }
}

impl From<service::SigningRequest> for SigningRequest {
    fn from(request: service::SigningRequest) -> Self {
        Self {
            key_id: request.key,
            algorithm: request.algorithm.name().to_owned(),
            pem: request.pem,
        }
    }
}
