//! Why a registry client is granted something or isn't: for the log, and for the operator who asks.
//!
//! Nothing is decided here: verdicts are the token exchange's.

use std::fmt::Write as _;

use super::exchange::{Verdict, everything, missing, same_thing};
use super::namespaces::Unrecorded;
use super::refusals::Party;
use super::rights::{Subject, why_of_account};
use super::{Caller, RequestContext, Service};
use crate::domain::Result;
use crate::domain::instance::Instance;
use crate::domain::scope::{Action, ResourceType, Scope, Scopes};
use crate::policy::{Request, Resource};

/// The most scopes of one request that the log explains; the audit has them all.
const MAX_EXPLAINED: usize = 20;
/// Why nothing is granted on a name that no registry takes.
const IMPOSSIBLE: &str = "no registry can have a repository of this name: it is at most 255 characters of a-z, 0-9 and, \
                                     between them, '.', '_', '__', '-' or '/'";
/// The most characters of a scope that can't be read in the log.
const MAX_LEFT_OUT: usize = 256;

impl Service {
    /// Says in the log of each scope that isn't granted whole what is granted, and why not more: the client hears nothing
    /// but less in its token. `granted` is in the order of what was asked, without those of which nothing is granted.
    pub(super) async fn log_reductions(&self, caller: &Caller, scopes: &Scopes, granted: &[Scope], context: &RequestContext) -> Result<()> {
        let instance = caller.registry_instance()?;
        let party = caller.audit_name().and(caller.account()).map_or_else(|| Party::of_address(context.address), Party::Account);
        if !self.refusals.may_explain(party, self.now()) {
            return Ok(());
        }
        let principal = caller.audit_name();
        let mut granted = granted.iter().peekable();
        let nothing = std::collections::BTreeSet::new();
        let mut reduced = 0_usize;
        for scope in &scopes.asked {
            let held = granted.next_if(|held| same_thing(held, scope));
            let missing = missing(scope, held.map_or(&nothing, |held| &held.actions));
            if missing.is_empty() {
                continue;
            }
            reduced += 1;
            if reduced > MAX_EXPLAINED {
                continue;
            }
            let why = self.why_missing(caller, instance, scope, missing, context).await?;
            let (asked, held) = (scope.to_string(), held.map(ToString::to_string).unwrap_or_default());
            tracing::info!(
                request_id = context.request_id,
                principal,
                instance = instance.id.as_str(),
                scope = %asked.escape_debug(),
                granted = %held.escape_debug(),
                "reduced: {why}"
            );
        }
        for text in scopes.left_out.iter().take(MAX_EXPLAINED.saturating_sub(reduced)) {
            let scope: String = text.chars().take(MAX_LEFT_OUT).flat_map(char::escape_debug).collect();
            let instance = instance.id.as_str();
            let request_id = context.request_id.as_str();
            tracing::info!(request_id, principal, instance, scope, "reduced: it can't be read, or asks for actions that are unknown here");
        }
        reduced += scopes.left_out.len();
        if reduced > MAX_EXPLAINED {
            let more = reduced - MAX_EXPLAINED;
            tracing::info!(request_id = context.request_id, principal, more, "reduced: more scopes of this request, which the audit has");
        }
        Ok(())
    }

    /// Says why each of the actions isn't granted; those that share a reason together.
    async fn why_missing(
        &self,
        caller: &Caller,
        instance: &Instance,
        scope: &Scope,
        missing: impl IntoIterator<Item = Action>,
        context: &RequestContext,
    ) -> Result<String> {
        let possible = everything(&scope.resource_type, &scope.name);
        if possible.is_empty() {
            return Ok(match &scope.resource_type {
                ResourceType::Registry => "of a registry, nothing but its catalog can be asked for".to_owned(),
                ResourceType::Repository | ResourceType::Other(_) => "nothing is ever granted on a resource of this type".to_owned(),
            });
        }
        let mut reasons: Vec<(String, String)> = Vec::new();
        for action in missing {
            let why = if possible.contains(&action) {
                let request = self.request_for(action, scope, instance, context);
                let verdict = self.verdict(caller.rights(), instance, &request).await?;
                self.reason(caller.rights(), instance, &request, verdict).await?
            } else {
                "nobody can do that to such a thing".to_owned()
            };
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                // Writing into text can't fail.
                Some((_, actions)) => write!(actions, ",{}", action.name()).unwrap_or_default(),
                None => reasons.push((why, action.name().to_owned())),
            }
        }
        Ok(reasons.into_iter().map(|(why, actions)| format!("{actions}: {why}")).collect::<Vec<_>>().join("; "))
    }

    /// Says why a verdict came out as it did.
    pub(super) async fn reason(
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
            (Verdict::Allowed | Verdict::Denied, subject) => self.reason_of_rights(subject, instance, request).await?,
        })
    }

    /// Says why rights of one's own allow something, or don't.
    pub(super) async fn reason_of_rights(&self, subject: Subject<'_>, instance: &Instance, request: &Request<'_>) -> Result<String> {
        Ok(match subject {
            Subject::ServiceAccount(account) => {
                let path = if let Resource::Repository { path, .. } = request.resource { path } else { "" };
                why_of_account(account, request.permission, path)
            }
            Subject::Nobody => "nobody logged in, and it isn't public".to_owned(),
            Subject::Principal(principal, _) if principal.account() != instance.account => {
                "the instance belongs to another account".to_owned()
            }
            Subject::Operator | Subject::Principal(..) => self.why(subject, request).await?,
        })
    }
}

/// Says what lacks a record.
fn unrecorded(lacking: Unrecorded) -> &'static str {
    match lacking {
        Unrecorded::Namespace => "the namespace isn't recorded, and the instance is closed to pushes to such ones",
        Unrecorded::Repository => "the repository isn't recorded, and its namespace's AutoCreateRepo is off",
    }
}
