//! The credential or service account that a refused log-in named.

use crate::domain::credential;
use crate::domain::notice::{Subject, SubjectKind};
use crate::domain::service_account::ServiceAccount;
use crate::domain::{Error, ErrorKind};
use crate::service::access::Access;
use crate::service::access::presented::LogIn;

impl Access {
    /// Counts a refused log-in of a credential or a service account that is there. It reads memory
    /// alone, which has what the log-in was compared with.
    pub(super) fn note_refusal(&self, service: &str, log_in: &LogIn, error: &Error) {
        let LogIn::Password {
            username, secret, ..
        } = log_in
        else {
            return;
        };
        if error.kind() != &ErrorKind::BadCredentials
            || self.base.adjustable().notices.refusals_per_hour == 0
        {
            return;
        }
        let (cache, now) = (&self.memory.cache, self.base.now());
        let refused = &self.memory.refused_secrets;
        if let Some(id) = credential::long_term_id(secret.expose()) {
            match cache.known_credential(&id) {
                Some(stored) => refused.note(SubjectKind::Credential, id.as_str(), now, || {
                    Subject::credential(&stored)
                }),
                None => refused.note_unknown(id.as_str(), now),
            }
            return;
        }
        let Some(name) = username.strip_prefix(ServiceAccount::PREFIX) else {
            return;
        };
        let instance = cache.known_instance_by_service(service);
        let found = instance.and_then(|instance| {
            let account = cache.known_service_account(&instance.id, name)?;
            Some((instance, account))
        });
        match found {
            Some((instance, account)) => {
                refused.note(
                    SubjectKind::ServiceAccount,
                    account.id.as_str(),
                    now,
                    || Subject::service_account(&account, instance.account),
                );
            }
            None => refused.note_unknown(name, now),
        }
    }
}
