//! Why a registry client is granted something or isn't: for the log, and for the operator who asks.
//!
//! Nothing is decided here: verdicts are the token exchange's.

use crate::domain::Result;
use crate::domain::refusal::RefusalCause;
use crate::policy::{Circumstances, Request, Resource};
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
        request: &Request<'_>,
        verdict: Verdict,
    ) -> Result<String> {
        Ok(match (verdict, subject) {
            (Verdict::Unrecorded(lacking), _) => unrecorded(lacking).to_owned(),
            (Verdict::Impossible, _) => IMPOSSIBLE.to_owned(),
            (Verdict::Public, _) => "anyone may pull it: it is public".to_owned(),
            (Verdict::Allowed | Verdict::Denied, subject) => {
                self.reason_of_rights(subject, request).await?
            }
        })
    }

    /// Says why rights of one's own allow something, or don't.
    pub(in crate::service) async fn reason_of_rights(
        &self,
        subject: Subject<'_>,
        request: &Request<'_>,
    ) -> Result<String> {
        let barred = self.barred(Circumstances::Present, subject, request);
        if let Some(reason) = barred.await? {
            return Ok(reason);
        }
        Ok(match subject {
            Subject::ServiceAccount(account) => {
                why_of_account(account, request.permission, path_of(&request.resource))
            }
            Subject::Nobody => "nobody logged in, and it isn't public".to_owned(),
            Subject::Administrator(_) | Subject::Principal(..) => {
                self.why(subject, request).await?
            }
        })
    }
}

/// Returns the repository that a resource is; nothing where it is none.
pub(in crate::service) fn path_of<'a>(resource: &Resource<'a>) -> &'a str {
    match resource {
        Resource::Repository { path, .. } => path,
        _ => "",
    }
}

/// Says why a log-in or a call is refused before any right is asked for.
pub(in crate::service) fn why_refused(cause: RefusalCause) -> &'static str {
    match cause {
        RefusalCause::AccountDeleted => "the account is gone",
        RefusalCause::UserDisabled => "the user is disabled",
        RefusalCause::UserDeleted => "the user is gone",
        RefusalCause::RoleDeleted => "the role is gone",
        RefusalCause::ServiceAccountDisabled => "the service account is disabled",
        RefusalCause::AccessKeyDisabled => "the access key is disabled",
        RefusalCause::AccessKeyRevoked => {
            "the access key was disabled since, and enabled again: get a new credential"
        }
        RefusalCause::AccessKeyDeleted => "the access key is gone",
        RefusalCause::UnknownCredential => "the credential is gone",
        RefusalCause::CredentialDisabled => "the credential is disabled",
        RefusalCause::CredentialRevoked => "the credential was revoked",
        RefusalCause::Expired => "the credential has expired",
        RefusalCause::OtherInstance => "the credential is of another instance",
        RefusalCause::PrincipalRevoked => {
            "all that was temporary of the principal was revoked since: get a new credential"
        }
        RefusalCause::NoSuchProvider => "no provider of the account has the token's issuer",
        RefusalCause::WebIdentityAudience => {
            "no provider of the token's issuer has one of the token's audiences"
        }
        RefusalCause::SeveralProviders => {
            "several providers have the token's issuer and one of its audiences: keep one"
        }
        RefusalCause::WebIdentityExpired => "the token has expired",
        RefusalCause::SubjectRefused => {
            "the account refuses the subject: `transire revoke --subject --take-back` ends that"
        }
        RefusalCause::TooManyRoles => {
            "too many roles name the provider to ask each: log in as role/NAME"
        }
        RefusalCause::NoRoleTrusts => {
            "no trust policy accepts the token, or the role that is named isn't there"
        }
        other => other.name(),
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
