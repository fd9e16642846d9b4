//! Federation tokens: a user's own rights, narrowed.

use crate::domain::Result;
use crate::domain::claims::Claims;
use crate::domain::principal::Principal;
use crate::policy::{Permission, Resource};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::sts::Sts;
use crate::service::sts::rules::{Durations, SessionRules};
use crate::service::sts::session::{
    NewSession, Plan, PlannedPolicy, SessionNote, check_session_policy,
};

/// How long the sessions live that a permanent key opens for itself, in seconds.
#[derive(Debug)]
pub struct FederationLife {
    /// Where the call says nothing, and the shortest.
    pub durations: Durations,
    /// The longest of the root's.
    pub max_of_root: u32,
    /// The longest of a user's.
    pub max_of_user: u32,
}

/// A call for a federation token.
#[derive(Clone, Debug)]
pub struct FederationToken<'a> {
    /// The rules of the API that the call came through.
    pub rules: &'static SessionRules,
    /// How long the API's sessions live.
    pub life: &'static FederationLife,
    /// The session's name.
    pub name: &'a str,
    /// How long it is to live, in seconds.
    pub duration_seconds: Option<i64>,
    /// The session policy that narrows the caller's rights.
    pub policy: &'a str,
}

impl Sts {
    /// Opens a federated session: the caller's rights, as far as the session policy allows them
    /// too.
    ///
    /// # Errors
    /// `UnsuitedKey` for a session that asks; `InvalidParameter` for a value that isn't allowed,
    /// `SessionPolicyTooLong`; `AccessDenied` when policies don't allow it; those of the store.
    pub async fn federation_token(
        &self,
        call: &Call<'_>,
        asked: &FederationToken<'_>,
    ) -> Result<NewSession> {
        let signer = call.caller.signer()?;
        signer.refuse_session(
            "A session can't get a federation token; ask with a permanent access key.",
        )?;
        asked.rules.name.check("Name", asked.name)?;
        check_session_policy(Some(asked.policy))?;
        let (user, max) = match signer.principal {
            Principal::User(_, user) => (Some(*user), asked.life.max_of_user),
            _ => (None, asked.life.max_of_root),
        };
        let account = signer.principal.account();
        let everything = Resource::Everything {
            account,
            region: "",
        };
        self.rights
            .authorize(call, Permission::GetFederationToken, everything)
            .await?;
        let plan = Plan {
            cloud: asked.rules.cloud,
            principal: Principal::FederatedSession(account, user, asked.name.to_owned()),
            dependencies: signer.dependencies,
            policy: PlannedPolicy::New(asked.policy),
            expires_at: call.in_seconds(asked.life.durations.choose(asked.duration_seconds, max)?),
            note: SessionNote::default(),
            claims: Claims::default(),
            action: AuditAction::SessionFederate,
        };
        self.open_session(call, plan).await
    }
}
