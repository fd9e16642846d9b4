//! The kill switch: stopping what was given out, though nothing of it is stored.

use serde_json::json;

use crate::domain::any_principal::{AnyPrincipal, Written};
use crate::domain::credential::{CredentialId, CredentialState};
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
    /// Whose temporary credentials, sessions and refresh tokens stopped.
    pub principal: AnyPrincipal,
    /// The service accounts that came from it and are disabled, as
    /// `ACCOUNT:service-account/INSTANCE/NAME`.
    pub service_accounts: Vec<String>,
}

impl Identity {
    /// Returns how the audit names a principal: by ids, where it has them. A role is the beginning
    /// of its sessions' names.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; `NotFound` when what the call names isn't
    /// there.
    pub async fn audited_principal(
        &self,
        call: &Call<'_>,
        principal: &AnyPrincipal,
    ) -> Result<String> {
        call.caller.require_operator()?;
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
            // By its ids, or for ever by its name: whoever it was may be gone.
            other => other.to_string(),
        })
    }

    /// Stops every temporary credential, session and refresh token of a principal: of a session,
    /// those of its role, or of whom it is federated for. It disables the service accounts that
    /// came from it, too.
    ///
    /// A user or a role that is gone, by its id, has nothing temporary left; what it made is
    /// disabled.
    ///
    /// # Errors
    /// `Unsupported` for whoever isn't the operator, or for a principal that holds nothing;
    /// `NotFound`; `PreconditionFailed` when it made or lost a service account at the same moment.
    pub async fn revoke(&self, call: &Call<'_>, principal: &AnyPrincipal) -> Result<Revoked> {
        call.caller.require_operator()?;
        let (id, temporary) = match self.rights.revocable(principal).await {
            Ok(found) => (found.number(), Ok(raise_generation(&found))),
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
        let event = call.event(AuditAction::PrincipalRevoke).detail(detail);
        let disable =
            store::service_account::disable_made_by(id, &made, call.caller.level(), call.now);
        self.ledger.change(part.and(disable), event).await?;
        Ok(Revoked {
            principal: revoked,
            service_accounts,
        })
    }

    /// Stops one credential or session of a principal, and what came from it: a long-term one is
    /// disabled.
    ///
    /// Sealed ones are known by their ids alone, which the audit has; that this one is the
    /// principal's can't be told.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; `NotFound` when what the call names isn't
    /// there; those of the store.
    pub async fn revoke_credential(
        &self,
        call: &Call<'_>,
        principal: &AnyPrincipal,
        id: &CredentialId,
    ) -> Result<()> {
        call.caller.require_operator()?;
        let of = self.rights.revocable(principal).await?;
        let part: Part = match self.memory.cache.credential(&self.base.store, id).await? {
            Some(stored) if stored.principal.account() != of.account() => {
                return Err(Error::not_found(Noun::Credential, id));
            }
            Some(_) => {
                store::credential::set_state(id, CredentialState::Disabled, call.caller.level())
            }
            None => revocation::insert(id, call.now),
        };
        let event = call
            .event(AuditAction::CredentialRevoke)
            .credential(id)
            .detail(json!({ "revoked": principal.to_string() }));
        self.ledger.change(part, event).await
    }
}

fn raise_generation(principal: &Principal) -> Part {
    match principal {
        Principal::Root(account) | Principal::FederatedSession(account, None, _) => {
            store::account::raise_generation(*account)
        }
        Principal::User(_, user) | Principal::FederatedSession(_, Some(user), _) => {
            store::user::raise_generation(*user)
        }
        Principal::RoleSession(_, role, _) => store::role::raise_generation(*role),
    }
}
