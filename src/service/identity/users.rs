//! Users of accounts, as the operator manages them.

use serde_json::json;

use crate::domain::clock::{Random, random_text};
use crate::domain::identity::{User, UserState};
use crate::domain::ids::{AccountId, UserId};
use crate::domain::notice::{Notice, NoticeKind, Subject};
use crate::domain::operator::OperatorPermission;
use crate::domain::principal::Principal;
use crate::domain::{Result, name};
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::store;

impl Identity {
    /// Makes a user of an account; its numeric id is picked.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InvalidParameter` for a value that
    /// isn't allowed; those of the store.
    pub async fn create_user(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<User> {
        call.caller
            .require(OperatorPermission::UserCreate, Some(account))?;
        name::check_name("name", name)?;
        let (user, event) = self.user_to_create(call, account, name)?;
        self.ledger
            .change(store::user::insert(&user), event)
            .await?;
        Ok(user)
    }

    /// Returns a new user, which isn't stored yet, and the audit event of its creation.
    pub(super) fn user_to_create<'a>(
        &self,
        call: &Call<'a>,
        account: AccountId,
        name: &str,
    ) -> Result<(User, Event<'a>)> {
        let user = User {
            id: random_user_id(&*self.base.random)?,
            account,
            name: name.to_owned(),
            state: UserState::Active,
            generation: 0,
            created_at: call.now,
        };
        let event = call
            .event_in(account, AuditAction::UserCreate)
            .detail(json!({ "account": account.to_string(), "user": name }));
        Ok((user, event))
    }

    /// Lists the users of an account.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn users(&self, call: &Call<'_>, account: AccountId) -> Result<Vec<User>> {
        call.caller
            .require(OperatorPermission::UserRead, Some(account))?;
        store::user::list(&self.base.store, account).await
    }

    /// Returns a user.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`; those of the store.
    pub async fn user(&self, call: &Call<'_>, account: AccountId, name: &str) -> Result<User> {
        call.caller
            .require(OperatorPermission::UserRead, Some(account))?;
        self.rights.named_user(account, name).await
    }

    /// Disables or enables a user. Disabling stops its access keys and all its credentials; the
    /// temporary ones stay stopped when the user is enabled again.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` when what the call names
    /// isn't there; those of the store.
    pub async fn set_user_state(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
        state: UserState,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::UserUpdate, Some(account))?;
        let user = self.rights.named_user(account, name).await?;
        let action = match state {
            UserState::Active => AuditAction::UserEnable,
            UserState::Disabled => AuditAction::UserDisable,
        };
        let event = call
            .event_in(account, action)
            .detail(json!({ "account": account.to_string(), "user": name }));
        let is_stopped = state == UserState::Disabled && user.state == UserState::Active;
        let stopped = is_stopped.then(|| self.stopped_user(call, account, &user));
        self.ledger
            .change_and_tell(store::user::set_state(user.id, state), event, stopped)
            .await
    }

    /// Deletes a user, its access keys and its credentials; its id is never used again. Returns the
    /// service accounts that it made, which go on, as `ACCOUNT:service-account/INSTANCE/NAME`.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`; `PreconditionFailed` when it
    /// made or lost a service account at the same moment; those of the store.
    pub async fn delete_user(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<Vec<String>> {
        call.caller
            .require(OperatorPermission::UserDelete, Some(account))?;
        let user = self.rights.named_user(account, name).await?;
        let (made, names) = self.rights.made_by(user.id.number()).await?;
        let detail = json!({
            "account": account.to_string(),
            "user": name,
            "user_id": user.id.to_string(),
            "service_accounts": names,
        });
        let event = call
            .event_in(account, AuditAction::UserDelete)
            .detail(detail);
        let as_listed = store::service_account::expect_made_by(user.id.number(), made.len());
        let delete = store::cascade::delete_user(account, user.id).and(as_listed);
        let stopped = self.stopped_user(call, account, &user);
        self.ledger
            .change_and_tell(delete, event, Some(stopped))
            .await?;
        Ok(names)
    }

    /// Makes the notice that everything of a user is stopped.
    fn stopped_user(&self, call: &Call<'_>, account: AccountId, user: &User) -> Notice {
        let principal = Principal::User(account, user.id).to_string();
        let subject = Subject::principal(principal, Some(account));
        self.ledger.notice(NoticeKind::Revoked, subject, call.now)
    }
}

/// Makes an id of twelve digits that begins with a 2. Tencent's users have ids like accounts; here
/// the first digit tells them apart.
fn random_user_id(random: &dyn Random) -> Result<UserId> {
    format!("2{}", random_text(random, b"0123456789", 11)).parse()
}
