//! What a credential or a session stands on, and whether that stands still.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::credential::{CredentialId, CredentialState, LongTermCredential};
use crate::domain::identity::{User, UserState};
use crate::domain::principal::{Principal, UserId};
use crate::service::Service;
use crate::token::Ground;

impl Service {
    /// Tells whether something sealed hasn't expired, wasn't revoked, and stands on what still does.
    pub(super) async fn stands(&self, id: &CredentialId, grounds: &[(Ground, i64)], expires_at: Timestamp, now: Timestamp) -> Result<bool> {
        for (ground, generation) in grounds {
            if !self.ground_stands(ground, *generation, now).await? {
                return Ok(false);
            }
        }
        Ok(now < expires_at && !self.revocations.contains(id))
    }

    async fn ground_stands(&self, ground: &Ground, generation: i64, now: Timestamp) -> Result<bool> {
        let known = self.generation_of(ground, now).await?;
        // Another replica knows a newer one than this: it was raised a moment ago.
        if known.is_some_and(|known| known < generation) && Box::pin(self.hear_news()).await {
            return Ok(self.generation_of(ground, now).await? == Some(generation));
        }
        Ok(known == Some(generation))
    }

    /// Returns the generation of something that stands.
    async fn generation_of(&self, ground: &Ground, now: Timestamp) -> Result<Option<i64>> {
        Ok(match ground {
            Ground::Root(id) => self.directory.account(&self.store, *id).await?.map(|account| account.generation),
            Ground::User(id) => self.active_user(*id).await?.map(|user| user.generation),
            Ground::Role(id) => self.directory.role(&self.store, *id).await?.map(|role| role.generation),
            Ground::AccessKey(id) => self.directory.access_key(&self.store, &self.master, id).await?.map(|key| key.generation),
            Ground::LongTerm(id) => {
                let stored = self.directory.credential(&self.store, id).await?;
                let stands = |stored: &Arc<LongTermCredential>| stored.state == CredentialState::Active && now < stored.expires_at;
                stored.filter(stands).map(|stored| stored.generation)
            }
            Ground::RefreshTokens(instance) => {
                self.directory.instance(&self.store, instance).await?.map(|instance| instance.refresh_generation)
            }
            // It has none, and is sealed with 0.
            Ground::Session(id) => (!self.revocations.contains(id)).then_some(0),
        })
    }

    async fn active_user(&self, id: UserId) -> Result<Option<Arc<User>>> {
        Ok(self.directory.user(&self.store, id).await?.filter(|user| user.state == UserState::Active))
    }

    /// Returns what a credential of this principal stands on first: the principal itself, if it may act.
    pub(in super::super) async fn principal_ground(&self, principal: &Principal) -> Result<Option<(Ground, i64)>> {
        Ok(match principal {
            Principal::Root(id) => self.directory.account(&self.store, *id).await?.map(|account| (Ground::Root(*id), account.generation)),
            Principal::User(_, id) => self.active_user(*id).await?.map(|user| (Ground::User(*id), user.generation)),
            // What a session got ends with it: nothing of it is stored.
            Principal::RoleSession(..) | Principal::FederatedSession(..) => None,
        })
    }
}
