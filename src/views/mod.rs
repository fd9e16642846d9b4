//! Views: what operators are shown of each noun, one struct a noun.
//!
//! A view has the columns of a table, the fields of a JSON document and their values in one place.
//! The command line prints it. It serialises to the same fields for the admin API, whose
//! description has its schema. A view decides nothing and reads nothing: the service's answer
//! becomes a view by `From`.

use serde::Serialize;
use serde_json::Value;

/// Values with names, in the order of their columns.
pub trait View: Serialize {
    /// The names of the fields, which are the headings of a table.
    const COLUMNS: &'static [&'static str];
    /// The column by which commands take an item.
    const NAME_COLUMN: &'static str;

    /// Returns the values in the order of [`View::COLUMNS`].
    fn values(&self) -> Vec<Value>;
}

/// The names of fields that hold a secret, which is shown once.
const SECRETS: [&str; 4] = ["access_key_secret", "password", "secret", "token"];

/// Tells whether a field holds a secret.
pub fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// Declares a view; the names of its fields are its columns. Commands take an item by the column
/// that `by` names, or by the first one.
macro_rules! view {
    (@by $by:ident, $($field:ident)+) => { stringify!($by) };
    (@by , $first:ident $($field:ident)*) => { stringify!($first) };
    ($(#[$doc:meta])* $visibility:vis struct $name:ident $(by $by:ident)? {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        $visibility struct $name {
            $($(#[$field_doc])* $visibility $field: $type,)+
        }

        impl $crate::views::View for $name {
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),+];
            const NAME_COLUMN: &'static str = $crate::views::view!(@by $($by)?, $($field)+);

            fn values(&self) -> Vec<serde_json::Value> {
                // It is a field.
                $(let _ = &self.$by;)?
                vec![$(serde_json::json!(self.$field)),+]
            }
        }
    };
}
pub(crate) use view;

mod access_key;
mod account;
mod activity;
mod allow_list;
mod audit;
mod check;
mod credential;
mod explained;
mod fixed_password;
mod group;
mod import_line;
mod instance;
mod key;
mod lifecycle;
mod log_in_secret;
mod namespace;
mod notice;
mod oidc_provider;
mod operator;
mod policy;
mod preview;
mod refused_subject;
mod registry_config;
mod reported;
mod repository;
mod revocation;
mod role;
mod service_account;
mod state;
mod status;
mod user;

pub use self::access_key::{AccessKey, ChangedAccessKey, NewAccessKey};
pub use self::account::{Account, ChangedAccount, NewAccount, grant_name};
pub use self::activity::{Activity, ActivityStep, IssuedSeries, LatencySeries, RefusedSeries};
pub use self::allow_list::{AllowEntry, AllowListState, ChangedAllowEntry};
pub use self::audit::AuditEvent;
pub use self::check::Check;
pub use self::credential::{Credential, CredentialState};
pub use self::explained::{
    Decision, Explained, ExplainedRequest, HeldRight, HeldRights, PlacedStatement, RightHolder,
    RightHolders, Step,
};
pub use self::fixed_password::{DeletedPassword, FixedPassword};
pub use self::group::{Group, Member, NewGroup};
pub use self::import_line::ImportLine;
pub use self::instance::{
    ChangedInstance, DeletedInstance, Instance, NewInstance, allow_list_state,
};
pub use self::key::{CaStep, ImportedLeaf, Key, KeyStep, RotatedKey, SigningRequest};
pub use self::lifecycle::{ExpiredImage, LifecycleRun};
pub use self::log_in_secret::{CredentialSecret, ServiceAccountPassword};
pub use self::namespace::{Namespace, UnrecordedNamespaces};
pub use self::notice::Notice;
pub use self::oidc_provider::{
    ChangedOidcProvider, CheckedToken, NewOidcProvider, OidcProvider, OidcProviderDetails,
};
pub use self::operator::{Operator, OperatorToken};
pub use self::policy::{
    CheckedPolicy, Policy, PolicyAttachment, PolicyDocument, PolicyFinding, target_name,
};
pub use self::preview::{Consequence, Preview, filled};
pub use self::refused_subject::{RefusedSubject, SubjectState};
pub use self::registry_config::{RegistryFile, RegistryFiles};
pub use self::reported::Reported;
pub use self::repository::{ImportedRepositories, ImportedRepository, Repository};
pub use self::revocation::Revoked;
pub use self::role::{NewRole, Role, RoleDetails, RoleTest};
pub use self::service_account::ServiceAccount;
pub use self::state::{ChangedDocument, DeletedPrincipal, State};
pub use self::status::Status;
pub use self::user::{NewUser, User};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::AccountId;

    #[test]
    fn a_view_serialises_to_the_fields_of_its_table() {
        let account: AccountId = "100000000001".parse().unwrap();
        let role = crate::domain::identity::Role {
            id: crate::domain::ids::RoleId::new(200_000_000_001).unwrap(),
            account,
            name: "builder".to_owned(),
            trust_policy: "{}".to_owned(),
            max_session_seconds: 3600,
            generation: 0,
            created_at: crate::domain::clock::Timestamp::from_unix_seconds(1_735_787_045),
            revoked_at: None,
        };
        let view = Role::from(role);
        let fields = Role::COLUMNS
            .iter()
            .map(|name| (*name).to_owned())
            .zip(view.values());
        assert_eq!(
            serde_json::to_value(&view).unwrap(),
            Value::Object(fields.collect())
        );
        assert_eq!(view.values()[2], 3600);
        assert_eq!(view.values()[3], "2025-01-02T03:04:05Z");
    }
}
