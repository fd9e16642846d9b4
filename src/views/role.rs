//! The view of roles.

use crate::domain::identity::Role as Stored;
use crate::service::{Outcome, RoleTest as Tested};

view! {
    /// A role, without its trust policy.
    pub struct Role by name {
        /// Its numeric id.
        role_id: String,
        /// Its name.
        name: String,
        /// The longest life of its sessions, in seconds.
        max_session_seconds: u32,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
    }
}

impl From<Stored> for Role {
    fn from(role: Stored) -> Self {
        Self {
            role_id: role.id.to_string(),
            name: role.name,
            max_session_seconds: role.max_session_seconds,
            created_at: role.created_at.rfc3339(),
        }
    }
}

view! {
    /// A role, with its trust policy.
    pub struct RoleDetails by name {
        /// Its numeric id.
        role_id: String,
        /// Its name.
        name: String,
        /// The longest life of its sessions, in seconds.
        max_session: u32,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
        /// The document of its trust policy.
        trust_policy: String,
    }
}

impl From<Stored> for RoleDetails {
    fn from(role: Stored) -> Self {
        Self {
            role_id: role.id.to_string(),
            name: role.name,
            max_session: role.max_session_seconds,
            created_at: role.created_at.rfc3339(),
            trust_policy: role.trust_policy,
        }
    }
}

view! {
    /// A role that was just made.
    pub struct NewRole by name {
        /// Its numeric id.
        role_id: String,
        /// Its name.
        name: String,
        /// Its name in Tencent Cloud's language.
        tencent_arn: String,
        /// Its name in Alibaba Cloud's language.
        alibaba_arn: String,
        /// Remarks about its trust policy.
        warnings: Vec<String>,
    }
}

impl From<(Stored, Vec<String>)> for NewRole {
    fn from((role, warnings): (Stored, Vec<String>)) -> Self {
        let (account, name) = (role.account, role.name);
        Self {
            role_id: role.id.to_string(),
            tencent_arn: format!("qcs::cam::uin/{account}:roleName/{name}"),
            alibaba_arn: format!("acs:ram::{account}:role/{name}"),
            name,
            warnings,
        }
    }
}

view! {
    /// The outcome of an OpenID Connect token at a role.
    pub struct RoleTest by provider {
        /// Whether the role accepts it.
        accepted: bool,
        /// The provider whose token it is.
        provider: String,
        /// Whether the trust policy trusts that provider at all.
        trusts_provider: bool,
        /// The reason why the token is refused, whatever the trust policy says.
        refused: Option<String>,
        /// The places of the conditions that it doesn't meet.
        unmet: Vec<String>,
        /// The subject of the token.
        subject: String,
        /// The audiences of the token.
        audiences: Vec<String>,
        /// The time at which it expires, as in RFC 3339.
        expires_at: String,
    }
}

impl From<Tested> for RoleTest {
    fn from(tested: Tested) -> Self {
        Self {
            accepted: tested.outcome == Outcome::Allowed && tested.refused.is_none(),
            provider: tested.provider,
            trusts_provider: tested.names_provider,
            refused: tested.refused.map(|cause| cause.name().to_owned()),
            unmet: tested.unmet,
            subject: tested.identity.subject,
            audiences: tested.identity.audiences,
            expires_at: tested.identity.expires_at.rfc3339(),
        }
    }
}
