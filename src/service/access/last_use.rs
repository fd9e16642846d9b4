//! The uses of what proves callers.

use crate::domain::clock::Timestamp;
use crate::domain::last_use::UsedKind;
use crate::service::access::Access;
use crate::service::access::caller::{Caller, Proof};
use crate::store::fixed_password;
use crate::token::Dependency;

impl Access {
    /// Notes the use of whatever proved a caller, if its last use is recorded.
    ///
    /// A refresh token, and a narrower log-in, are uses of the long-term credential that they came
    /// from. A credential that an access key obtained is no use of the key: it ends by itself.
    pub(in crate::service) fn note_use(&self, caller: &Caller, now: Timestamp) {
        let uses = &self.memory.last_uses;
        match caller.proof() {
            Proof::Signed(key) => {
                uses.note(UsedKind::AccessKey, &key.id, now, || key.id.clone());
            }
            Proof::LoggedIn { grant, .. } => {
                if let Some(id) = Dependency::long_term_among(&grant.dependencies) {
                    uses.note(UsedKind::Credential, id, now, || id.to_string());
                }
            }
            Proof::WithPassword {
                instance,
                principal,
            } => {
                let key = (&instance.id, principal);
                uses.note(UsedKind::FixedPassword, key, now, || {
                    fixed_password::thing_id(&instance.id, principal)
                });
            }
            Proof::ServiceAccount { account, .. } => {
                uses.note(UsedKind::ServiceAccount, &account.id, now, || {
                    account.id.to_string()
                });
            }
            Proof::InSession(_)
            | Proof::WithToken { .. }
            | Proof::Bearer(_)
            | Proof::Anonymous { .. }
            | Proof::Administrator(_) => {}
        }
    }
}
