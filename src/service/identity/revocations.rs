//! The kill switch: stops credentials and sessions, though none of them is stored.

use serde_json::json;

use crate::domain::any_principal::{AnyPrincipal, Written};
use crate::domain::clock::Timestamp;
use crate::domain::credential::{CredentialId, CredentialState};
use crate::domain::notice::{NoticeKind, Subject, SubjectKind};
use crate::domain::operator::OperatorPermission;
use crate::domain::principal::Principal;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::ledger::actions::AuditAction;
use crate::service::rights::principals::number_of_gone;
use crate::store::{self, Part, revocation};

/// A revocation that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The principal whose temporary credentials, sessions and refresh tokens stopped.
    pub principal: AnyPrincipal,
    /// The service accounts that came from it and are disabled, as
    /// `ACCOUNT:service-account/INSTANCE/NAME`.
    pub service_accounts: Vec<String>,
}

impl Identity {
    /// Returns the name of a principal in the audit: by ids, where it has them. A role's is the
    /// beginning of its sessions' names.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` when what the call names
    /// isn't there.
    pub async fn audited_principal(
        &self,
        call: &Call<'_>,
        principal: &AnyPrincipal,
    ) -> Result<String> {
        let account = principal.account().or(call.caller.own_account());
        call.caller
            .require(OperatorPermission::AuditRead, account)?;
        Ok(match principal {
            AnyPrincipal::User(account, Written::Name(name)) => {
                Principal::User(*account, self.rights.named_user(*account, name).await?.id)
                    .to_string()
            }
            AnyPrincipal::Role(account, Written::Name(name), session) => {
                let role = Written::Id(self.rights.named_role(*account, name).await?.id);
                AnyPrincipal::Role(*account, role, Some(session.clone().unwrap_or_default()))
                    .to_string()
            }
            AnyPrincipal::Role(account, role, None) => {
                AnyPrincipal::Role(*account, role.clone(), Some(String::new())).to_string()
            }
            // The other forms need no look-up, so a principal that is gone can be named, too.
            other => other.to_string(),
        })
    }

    /// Stops every temporary credential, session and refresh token of a principal, and the OpenID
    /// Connect tokens from before now that open its role, and disables the service accounts that it
    /// made. For a session, those of its role stop, or of
    /// the user or account that it is federated for.
    ///
    /// A user or a role that is deleted has no temporary credentials left. Named by its id, the
    /// service accounts that it made are disabled.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator, or for a principal without credentials
    /// of its own; `NotFound`; `PreconditionFailed` when it made or lost a service account at the
    /// same moment; those of the store.
    pub async fn revoke(&self, call: &Call<'_>, principal: &AnyPrincipal) -> Result<Revoked> {
        call.caller
            .require(OperatorPermission::PrincipalRevoke, principal.account())?;
        let (id, temporary) = match self.rights.revocable(principal).await {
            Ok(found) => (found.number(), Ok(stop(&found, call.now))),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound { .. }) => {
                match number_of_gone(principal) {
                    Some(id) => (id, Err(error)),
                    None => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        let (made, service_accounts) = self.rights.made_by(id).await?;
        let part = match temporary {
            Ok(part) => part,
            Err(gone) if made.is_empty() => return Err(gone),
            Err(_) => Part::default(),
        };
        let revoked = principal.without_session();
        let detail = json!({ "revoked": revoked.to_string(), "disabled": service_accounts });
        let event = call
            .event_in(principal.account(), AuditAction::PrincipalRevoke)
            .detail(detail);
        let disable =
            store::service_account::disable_made_by(id, &made, call.caller.level(), call.now);
        let subject = Subject::principal(revoked.to_string(), principal.account());
        let told = self.ledger.notice(NoticeKind::Revoked, subject, call.now);
        self.ledger
            .change_and_tell(part.and(disable), event, Some(told))
            .await?;
        Ok(Revoked {
            principal: revoked,
            service_accounts,
        })
    }

    /// Stops one credential or session of a principal, and whatever it obtained. A long-term
    /// credential is disabled.
    ///
    /// A sealed credential is known by its id alone, which the audit has. Whether it is the
    /// principal's can't be checked.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` when what the call names
    /// isn't there; those of the store.
    pub async fn revoke_credential(
        &self,
        call: &Call<'_>,
        principal: &AnyPrincipal,
        id: &CredentialId,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::PrincipalRevoke, principal.account())?;
        let of = self.rights.revocable(principal).await?;
        let found = self.memory.cache.credential(&self.base.store, id).await?;
        let (part, subject): (Part, _) = match found {
            Some(stored) if stored.principal.account() != of.account() => {
                return Err(Error::not_found(Noun::Credential, id));
            }
            Some(stored) => (
                store::credential::set_state(id, CredentialState::Disabled, call.caller.level()),
                Subject::credential(&stored),
            ),
            None => (
                revocation::insert(id, call.now),
                Subject {
                    name: Some(principal.to_string()),
                    kind: SubjectKind::Credential,
                    ..Subject::principal(id.to_string(), principal.account())
                },
            ),
        };
        let told = self.ledger.notice(NoticeKind::Revoked, subject, call.now);
        let event = call
            .event_in(principal.account(), AuditAction::CredentialRevoke)
            .credential(id)
            .detail(json!({ "revoked": principal.to_string() }));
        self.ledger.change_and_tell(part, event, Some(told)).await
    }
}

/// Stops what was sealed for a principal, and the tokens that open its role.
fn stop(principal: &Principal, at: Timestamp) -> Part {
    match principal {
        Principal::Root(account) | Principal::FederatedSession(account, None, _) => {
            store::account::raise_generation(*account)
        }
        Principal::User(_, user) | Principal::FederatedSession(_, Some(user), _) => {
            store::user::raise_generation(*user)
        }
        Principal::RoleSession(_, role, _) => store::role::revoke(*role, at),
    }
}
