//! The settings that may change while the service runs.
//!
//! [`Base`](super::base::Base) holds them, and every request reads those of its moment. Rates are
//! kept by the [`limits`](super::limits) themselves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::service_account::ServiceAccountGrant;
use crate::domain::sso::RoleRules;
use crate::service::quotas::Quotas;
use crate::sign;

/// The settings that an operator may change without a restart.
#[derive(Clone, Debug)]
pub(in crate::service) struct Adjustable {
    /// The domain under which instances that an API makes get their service.
    pub(in crate::service) base_domain: Option<String>,
    /// How many of each noun there may be.
    pub(in crate::service) quotas: Quotas,
    /// The rights that users may give service accounts, in accounts that say nothing else.
    pub(in crate::service) service_account_grant: ServiceAccountGrant,
    /// How many days audit events are kept; 0 keeps them for ever.
    pub(in crate::service) audit_days: u32,
    /// The accepted signatures.
    pub(in crate::service) signatures: Signatures,
    /// The times of notices.
    pub(in crate::service) notices: NoticeSettings,
    /// The age at which signing and sealing keys are replaced.
    pub(in crate::service) keys: KeySchedule,
    /// Single sign-on for the console.
    pub(in crate::service) sso: Arc<Sso>,
}

/// Single sign-on for the console; it is on with an issuer and a client's id.
#[derive(Clone, Debug)]
pub struct Sso {
    /// The issuer, to the letter.
    pub issuer: Option<String>,
    /// The name of this service at the issuer.
    pub client_id: Option<String>,
    /// The file with its secret there; a public client has none.
    pub client_secret_file: Option<PathBuf>,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// The rules by which claims give a role.
    pub roles: RoleRules,
    /// The name on the button.
    pub name: String,
    /// The longest life of a session.
    pub session: Duration,
}

impl Default for Sso {
    fn default() -> Self {
        Self {
            issuer: None,
            client_id: None,
            client_secret_file: None,
            scopes: vec!["openid".to_owned(), "profile".to_owned()],
            roles: RoleRules::default(),
            name: "single sign-on".to_owned(),
            session: Self::MAX_SESSION,
        }
    }
}

impl Sso {
    /// The longest life that a session may have.
    pub const MAX_SESSION: Duration = Duration::from_hours(8);

    /// Returns the scopes as one text, with the one that makes it OpenID Connect.
    pub(in crate::service) fn scope(&self) -> String {
        let openid = "openid".to_owned();
        let more = self.scopes.iter().filter(|scope| **scope != openid);
        let all: Vec<&str> = std::iter::once(&openid)
            .chain(more)
            .map(String::as_str)
            .collect();
        all.join(" ")
    }
}

/// The times of notices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeSettings {
    /// How long before a secret's end there is a notice, each time.
    pub ahead: Vec<Duration>,
    /// How many refusals in an hour make a notice; 0 makes none.
    pub refusals_per_hour: u32,
}

/// The signatures that are accepted.
#[derive(Clone, Debug)]
pub struct Signatures {
    /// The accepted methods.
    pub methods: Vec<sign::Method>,
    /// How far a request's time may be from the present, where that is less than the vendor's own
    /// figure.
    pub window: Duration,
    /// The access key as whose any call is taken that an unknown key signed, or a known one
    /// wrongly. `transire mock --any-key` has one, and nothing else may.
    pub stand_in: Option<String>,
}

/// How old keys become before another takes their place; `None` is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySchedule {
    /// Signing keys.
    pub signing: Option<Duration>,
    /// Sealing keys.
    pub sealing: Option<Duration>,
}

impl KeySchedule {
    /// Keys that are rotated by the operator alone.
    pub const NEVER: Self = Self {
        signing: None,
        sealing: None,
    };

    /// Takes days; 0 is never.
    pub fn of_days(signing: u32, sealing: u32) -> Self {
        let days = |days: u32| (days > 0).then(|| Duration::from_hours(24) * days);
        Self {
            signing: days(signing),
            sealing: days(sealing),
        }
    }
}
