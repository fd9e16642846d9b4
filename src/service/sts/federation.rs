//! Federation tokens: a user's own rights, narrowed.

use crate::domain::claims::Claims;
use crate::domain::principal::Principal;
use crate::domain::{Error, Result};
use crate::policy::{Permission, Resource};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::sts::Sts;
use crate::service::sts::rules::{Durations, SessionRules};
use crate::service::sts::session::{NewSession, Plan, check_session_policy};

/// How long a cloud's federation tokens live, in seconds.
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
    /// How long the API's tokens live.
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
    /// `InvalidParameter` for a value that isn't allowed, `SessionPolicyTooLong`; `AccessDenied`
    /// when policies don't allow it; `Unsupported` for a session that asks; those of the store.
    pub async fn federation_token(
        &self,
        call: &Call<'_>,
        asked: &FederationToken<'_>,
    ) -> Result<NewSession> {
        let signer = call.caller.signer()?;
        asked.rules.name.check("Name", asked.name)?;
        check_session_policy(Some(asked.policy))?;
        let (account, user, max) = match signer.principal {
            Principal::Root(account) => (*account, None, asked.life.max_of_root),
            Principal::User(account, user) => (*account, Some(*user), asked.life.max_of_user),
            Principal::RoleSession(..) | Principal::FederatedSession(..) => {
                return Err(Error::unsupported(
                    "A session can't get a federation token; ask with a permanent access key.",
                ));
            }
        };
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
            policy: Some(asked.policy),
            seconds: asked.life.durations.choose(asked.duration_seconds, max)?,
            source_identity: None,
            claims: Claims::default(),
            action: AuditAction::SessionFederate,
        };
        self.open_session(call, plan).await
    }
}
