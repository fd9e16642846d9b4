//! Why a registry client is granted something or isn't: for the log, and for the operator who asks.
//!
//! Nothing is decided here: verdicts are the token exchange's.

use crate::domain::Result;
use crate::domain::instance::Instance;
use crate::policy::{Request, Resource};
use crate::service::rights::verdict::{Unrecorded, Verdict};
use crate::service::rights::{Rights, Subject, why_of_account};

/// Why nothing is granted on a name that no registry takes.
const IMPOSSIBLE: &str = "no registry can have a repository of this name: it is at most 255 \
                          characters of a-z, 0-9 and, between them, '.', '_', '__', '-' or '/'";

impl Rights {
    /// Says why a verdict came out as it did.
    pub(in crate::service) async fn reason(
        &self,
        subject: Subject<'_>,
        instance: &Instance,
        request: &Request<'_>,
        verdict: Verdict,
    ) -> Result<String> {
        Ok(match (verdict, subject) {
            (Verdict::Unrecorded(lacking), _) => unrecorded(lacking).to_owned(),
            (Verdict::Impossible, _) => IMPOSSIBLE.to_owned(),
            (Verdict::Public, _) => "anyone may pull it: it is public".to_owned(),
            (Verdict::Allowed | Verdict::Denied, subject) => {
                self.reason_of_rights(subject, instance, request).await?
            }
        })
    }

    /// Says why rights of one's own allow something, or don't.
    pub(in crate::service) async fn reason_of_rights(
        &self,
        subject: Subject<'_>,
        instance: &Instance,
        request: &Request<'_>,
    ) -> Result<String> {
        Ok(match subject {
            Subject::ServiceAccount(account) => {
                let path = if let Resource::Repository { path, .. } = request.resource {
                    path
                } else {
                    ""
                };
                why_of_account(account, request.permission, path)
            }
            Subject::Nobody => "nobody logged in, and it isn't public".to_owned(),
            Subject::Principal(identified)
                if identified.principal.account() != instance.account =>
            {
                "the instance belongs to another account".to_owned()
            }
            Subject::Administrator(_) | Subject::Principal(..) => {
                self.why(subject, request).await?
            }
        })
    }
}

/// Says what lacks a record.
fn unrecorded(lacking: Unrecorded) -> &'static str {
    match lacking {
        Unrecorded::Namespace => {
            "the namespace isn't recorded, and the instance is closed to pushes to such ones"
        }
        Unrecorded::Repository => {
            "the repository isn't recorded, and its namespace's AutoCreateRepo is off"
        }
    }
}
