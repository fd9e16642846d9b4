//! Validity: whether all that a credential or a session depends on still is as it was sealed.

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::credential::{CredentialId, CredentialState};
use crate::domain::identity::UserState;
use crate::domain::ids::{AccountId, UserId};
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::service_account::{ServiceAccount, ServiceAccountState};
use crate::service::access::Access;
use crate::service::base::Base;
use crate::service::memory::staleness::Priority;
use crate::service::memory::{Memory, reads};
use crate::store::access_key::AccessKeyState;
use crate::token::{Dependency, OidcSubject};

/// The generation of a dependency that is valid, or why it isn't.
type Validity<T = i64> = std::result::Result<T, RefusalCause>;

/// The states of entities, as this process knows them: log-ins go by them, and so do explanations.
#[derive(Clone, Copy)]
pub(in crate::service) struct States<'a> {
    base: &'a Base,
    memory: &'a Memory,
}

impl Access {
    /// Returns the states by which this part goes.
    pub(super) fn states(&self) -> States<'_> {
        States::of(&self.base, &self.memory)
    }
}

impl<'a> States<'a> {
    /// Returns the states in these caches.
    pub(in crate::service) fn of(base: &'a Base, memory: &'a Memory) -> Self {
        Self { base, memory }
    }
}

impl States<'_> {
    /// Returns why something sealed isn't valid any more: a dependency isn't, its time is over, or
    /// it was revoked; nothing when it is valid.
    pub(super) async fn fault_of(
        self,
        id: &CredentialId,
        dependencies: &[(Dependency, i64)],
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<RefusalCause>> {
        for (dependency, generation) in dependencies {
            if let Err(cause) = self.validity_at(dependency, *generation, now).await? {
                return Ok(Some(cause));
            }
        }
        reads::note_until(expires_at);
        Ok(if now >= expires_at {
            Some(RefusalCause::Expired)
        } else {
            self.memory
                .is_revoked(id)
                .then_some(RefusalCause::CredentialRevoked)
        })
    }

    /// Tells whether a dependency is valid, and still of this generation.
    async fn validity_at(
        self,
        dependency: &Dependency,
        generation: i64,
        now: Timestamp,
    ) -> Result<Validity<()>> {
        let mut known = self.generation_of(dependency, now).await?;
        // Another replica knows a newer one than this: it was raised a moment ago.
        if known.is_ok_and(|known| known < generation) {
            // It is sealed: nobody made it up, and so all who name one may wait.
            Box::pin(self.memory.refresh_for_newer(Priority::Usual)).await?;
            known = self.generation_of(dependency, now).await?;
        }
        match known {
            Ok(known) if known == generation => Ok(Ok(())),
            Ok(_) if self.is_of_older_secret(dependency, generation, now).await? => Ok(Ok(())),
            Ok(_) => Ok(Err(self.was_revoked(dependency).await?)),
            Err(cause) => Ok(Err(cause)),
        }
    }

    /// Tells whether a generation is that of a long-term credential's older secret, whose time
    /// isn't over.
    async fn is_of_older_secret(
        self,
        dependency: &Dependency,
        generation: i64,
        now: Timestamp,
    ) -> Result<bool> {
        let Dependency::LongTerm(id) = dependency else {
            return Ok(false);
        };
        let stored = self.memory.cache.credential(&self.base.store, id).await?;
        if let Some(older) = stored.as_ref().and_then(|stored| stored.older.as_ref()) {
            reads::note_until(older.ends_at);
        }
        Ok(stored.is_some_and(|stored| stored.takes_generation(generation, now)))
    }

    /// Returns the generation of a dependency that is valid.
    pub(in crate::service) async fn generation_of(
        self,
        dependency: &Dependency,
        now: Timestamp,
    ) -> Result<Validity> {
        Ok(match dependency {
            Dependency::Root(id) => self.generation_of_account(*id).await?,
            Dependency::User(id) => self.generation_of_user(*id).await?,
            Dependency::Role(id) => {
                let role = self.memory.cache.role(&self.base.store, *id).await?;
                role.map(|role| role.generation)
                    .ok_or(RefusalCause::RoleDeleted)
            }
            Dependency::AccessKey(id) => {
                let key = self
                    .memory
                    .cache
                    .access_key(&self.base.store, &self.memory.keys.master, id)
                    .await?;
                key.map(|key| key.generation)
                    .ok_or(RefusalCause::AccessKeyDeleted)
            }
            Dependency::LongTerm(id) => {
                match self.memory.cache.credential(&self.base.store, id).await? {
                    None => Err(RefusalCause::UnknownCredential),
                    Some(stored) if stored.state == CredentialState::Disabled => {
                        Err(RefusalCause::CredentialDisabled)
                    }
                    Some(stored) if stored.expires_at <= now => Err(RefusalCause::Expired),
                    Some(stored) => {
                        reads::note_until(stored.expires_at);
                        Ok(stored.generation)
                    }
                }
            }
            Dependency::RefreshTokens(id) => {
                let instance = self.memory.cache.instance(&self.base.store, id).await?;
                instance
                    .map(|instance| instance.refresh_generation)
                    .ok_or(RefusalCause::UnknownService)
            }
            // These two have none, and are sealed with 0.
            Dependency::Temporary(id) if self.memory.is_revoked(id) => {
                Err(RefusalCause::CredentialRevoked)
            }
            Dependency::Temporary(_) => Ok(0),
            Dependency::OidcSubject(of) => self.generation_of_subject(of).await?,
            Dependency::Session(id) if self.memory.is_revoked(id) => {
                Err(RefusalCause::SessionRevoked)
            }
            Dependency::Session(_) => Ok(0),
        })
    }

    /// Says what another generation than the sealed one means.
    async fn was_revoked(self, dependency: &Dependency) -> Result<RefusalCause> {
        Ok(match dependency {
            Dependency::Root(_) | Dependency::User(_) | Dependency::Role(_) => {
                RefusalCause::PrincipalRevoked
            }
            Dependency::LongTerm(_) | Dependency::Temporary(_) => RefusalCause::CredentialRevoked,
            // One of the same name was made since.
            Dependency::OidcSubject(_) => RefusalCause::ProviderDeleted,
            Dependency::RefreshTokens(_) => RefusalCause::RefreshTokensEnded,
            Dependency::Session(_) => RefusalCause::SessionRevoked,
            Dependency::AccessKey(id) => {
                match self
                    .memory
                    .cache
                    .access_key(&self.base.store, &self.memory.keys.master, id)
                    .await?
                    .map(|key| key.state)
                {
                    Some(state) => fault_of_key(state).unwrap_or(RefusalCause::AccessKeyRevoked),
                    None => RefusalCause::AccessKeyDeleted,
                }
            }
        })
    }

    async fn generation_of_account(self, id: AccountId) -> Result<Validity> {
        let account = self.memory.cache.account(&self.base.store, id).await?;
        Ok(account
            .map(|account| account.generation)
            .ok_or(RefusalCause::AccountDeleted))
    }

    async fn generation_of_user(self, id: UserId) -> Result<Validity> {
        Ok(match self.memory.cache.user(&self.base.store, id).await? {
            None => Err(RefusalCause::UserDeleted),
            Some(user) if user.state == UserState::Active => Ok(user.generation),
            Some(_) => Err(RefusalCause::UserDisabled),
        })
    }

    /// Returns the generation of a subject that is accepted: its provider's.
    async fn generation_of_subject(self, of: &OidcSubject) -> Result<Validity> {
        let provider = self
            .memory
            .cache
            .oidc_provider(&self.base.store, of.account, &of.provider)
            .await?;
        let Some(provider) = provider else {
            return Ok(Err(RefusalCause::ProviderDeleted));
        };
        let is_refused = self
            .memory
            .refuses_subject(of.account, &provider.issuer, of.subject)
            .await?;
        Ok(if is_refused {
            Err(RefusalCause::SubjectRefused)
        } else {
            Ok(provider.created_at.unix_millis())
        })
    }

    /// Returns the first dependency of a principal's credential: the principal itself, if it may
    /// act, or why it may not.
    pub(in crate::service) async fn principal_dependency(
        self,
        principal: &Principal,
    ) -> Result<Validity<(Dependency, i64)>> {
        let generation = match principal {
            Principal::Root(id) => self.generation_of_account(*id).await?,
            Principal::User(_, id) => self.generation_of_user(*id).await?,
            // A credential of a session ends with it: nothing of it is stored.
            Principal::RoleSession(..) | Principal::FederatedSession(..) => {
                Err(RefusalCause::PrincipalRevoked)
            }
        };
        Ok(generation.map(|generation| (Dependency::of(principal), generation)))
    }
}

/// Returns why an access key signs no call; nothing when it may.
pub(in crate::service) fn fault_of_key(state: AccessKeyState) -> Option<RefusalCause> {
    match state {
        AccessKeyState::Active => None,
        AccessKeyState::Disabled => Some(RefusalCause::AccessKeyDisabled),
        AccessKeyState::Deleted => Some(RefusalCause::AccessKeyDeleted),
    }
}

/// Returns why a service account may not log in; nothing when it may.
pub(in crate::service) fn fault_of_service_account(
    account: &ServiceAccount,
    now: Timestamp,
) -> Option<RefusalCause> {
    if account.state == ServiceAccountState::Disabled {
        Some(RefusalCause::ServiceAccountDisabled)
    } else {
        (!account.is_active(now)).then_some(RefusalCause::Expired)
    }
}

/// Says when a secret from before a rotation ended.
pub(super) fn older_ended(at: Timestamp) -> String {
    format!(
        "it was rotated, and the older secret ended at {}",
        at.rfc3339()
    )
}
