//! Token exchange: a log-in in, a token out, with the rights that are asked for and held.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::domain::clock::Timestamp;
use crate::domain::credential::SecretKind;
use crate::domain::instance::Instance;
use crate::domain::scope::{Action, ResourceType, Scope, Scopes};
use crate::domain::secret::Secret;
use crate::domain::service_account::ServiceAccount;
use crate::domain::{Result, name};
use crate::policy::{Outcome, Permission, Request, Resource};
use crate::service::Service;
use crate::service::access::Caller;
use crate::service::call::Call;
use crate::service::registry::namespaces::Unrecorded;
use crate::service::rights::{Subject, account_action};
use crate::token::{Access, Claims, Grant, Ground};

/// How many scopes are decided before other requests have their turn: a request may have thousands.
const DECIDED_AT_ONCE: usize = 64;

/// Whether a refresh token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offline {
    /// It is.
    Asked,
    /// It isn't.
    No,
}

/// What the audit says of an exchange besides: scopes.
#[derive(Serialize)]
struct AskedAndGranted {
    asked: Vec<String>,
    granted: Vec<String>,
}

/// A token, and what goes with it.
pub struct Exchanged {
    /// The token itself.
    pub token: String,
    /// Its life, in seconds.
    pub expires_in_seconds: u32,
    /// When it was made.
    pub issued_at: Timestamp,
    /// The refresh token, when it was asked for, the instance gives them out, and a credential logged in.
    pub refresh_token: Option<Secret>,
    /// What the token may do: of what was asked, what is held.
    pub granted: Vec<Scope>,
}

impl Service {
    /// Exchanges a log-in for a token; rights that are missing are left out, without an error.
    ///
    /// # Errors
    ///
    /// `Throttled` when the credential asks too often, `InvalidParameter` of `scope` when the token would be larger than
    /// registries take.
    pub async fn token(&self, call: &Call<'_>, scopes: &Scopes, offline: Offline) -> Result<Exchanged> {
        let instance = call.caller.registry_instance()?;
        if let Some(credential) = call.caller.credential() {
            // Before anything is decided: that is what many scopes cost.
            self.limits.tokens.count(credential, call.now)?;
        }
        let mut granted = Vec::with_capacity(scopes.asked.len());
        let mut is_reduced = !scopes.left_out.is_empty();
        for (place, scope) in scopes.asked.iter().enumerate() {
            if place % DECIDED_AT_ONCE == DECIDED_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let held = self.held(call, instance, scope).await?;
            is_reduced |= !is_whole(scope, &held.actions);
            if !held.actions.is_empty() {
                granted.push(held);
            }
        }
        if is_reduced {
            Box::pin(self.log_reductions(call, scopes, &granted)).await?;
        }
        // Anybody may ask for nothing: those have no lines of their own, and wait for no room.
        let room = if call.caller.is_anonymous() && granted.is_empty() {
            None
        } else {
            Some(self.ledger.queue.reserve(call.caller.audit_share())?)
        };
        let now = call.now;
        let access: Vec<Access> = granted
            .iter()
            .map(|scope| Access {
                resource_type: scope.resource_type.name().to_owned(),
                name: scope.name.clone(),
                actions: scope.actions.iter().map(|action| action.name()).collect(),
            })
            .collect();
        let subject = call.caller.subject();
        let claims = Claims {
            issuer: self.base.issuer_of(instance),
            subject: instance.kind.subject(&subject),
            audience: &instance.service,
            now,
            ttl: Duration::from_secs(instance.token_ttl_seconds.into()),
            access: &access,
        };
        if self.memory.keys.keyring.load().signing_key_of(instance).is_err() {
            // Another replica made the instance, and its key with it, a moment ago.
            Box::pin(self.memory.catch_up()).await?;
        }
        let keyring = self.memory.keys.keyring.load();
        let token = keyring.signing_key_of(instance)?.sign(instance.kid_format, &claims, &*self.base.random)?;
        let refresh_token = match (offline, call.caller.grant()) {
            (Offline::Asked, Some(held)) if instance.refresh_tokens.is_on() => Some(self.refresh_token(call.caller, instance, held)?),
            _ => None,
        };
        match room {
            Some(room) => {
                let words = |scopes: &[Scope]| scopes.iter().map(ToString::to_string).collect::<Vec<_>>();
                let asked = [words(&scopes.asked), scopes.left_out.clone()].concat();
                let mut line = call.event("token.exchange").instance(instance).detail(AskedAndGranted { asked, granted: words(&granted) });
                if let Some(held) = call.caller.grant() {
                    line = line.credential(&held.id);
                }
                if is_reduced {
                    line = line.outcome("reduced");
                }
                room.record(&line);
            }
            None => self.ledger.count_ungranted(instance, call.request),
        }
        Ok(Exchanged { token: token.text, expires_in_seconds: instance.token_ttl_seconds, issued_at: now, refresh_token, granted })
    }

    /// Returns what is asked of policies when a token is to allow an action.
    pub(in crate::service) fn request_for<'a>(
        &self,
        call: &Call<'_>,
        action: Action,
        asked: &'a Scope,
        instance: &'a Instance,
    ) -> Request<'a> {
        let resource = match asked.resource_type {
            ResourceType::Repository if !asked.name.is_empty() => Resource::Repository { instance: instance.into(), path: &asked.name },
            _ => Resource::Instance(instance.into()),
        };
        Request { permission: permission(action, asked), resource, context: call.policy_context() }
    }

    /// Returns what `caller` holds of `asked`.
    async fn held(&self, call: &Call<'_>, instance: &Instance, asked: &Scope) -> Result<Scope> {
        let mut wanted = asked.actions.clone();
        if wanted.contains(&Action::All) {
            wanted.extend([Action::Pull, Action::Push, Action::Delete]);
        }
        // Divergence: an upload begins with a look at what is there: a token that can only push can't push.
        if wanted.contains(&Action::Push) {
            wanted.insert(Action::Pull);
        }
        let mut actions = BTreeSet::new();
        for action in &wanted & &everything(&asked.resource_type, &asked.name) {
            let request = self.request_for(call, action, asked, instance);
            if self.verdict(call.caller.rights(), instance, &request).await?.grants() {
                actions.insert(action);
            }
        }
        Ok(Scope { resource_type: asked.resource_type.clone(), name: asked.name.clone(), actions })
    }

    /// Decides what a registry client may do: everybody by rights of their own; what is public is everyone's unless a
    /// policy denies it; a push is only to where records let anyone push; and nothing to what no registry can have.
    ///
    /// The token exchange goes by it, and so do all who say why.
    pub(in crate::service) async fn verdict(&self, subject: Subject<'_>, instance: &Instance, request: &Request<'_>) -> Result<Verdict> {
        // A policy about `secret/*` says nothing of `team/../secret/app`, and a registry might take the one for the other.
        if let Resource::Repository { path, .. } = request.resource
            && !name::is_repository_path(path)
        {
            return Ok(Verdict::Impossible);
        }
        let decided = match (subject, &request.resource) {
            (Subject::ServiceAccount(account), Resource::Repository { path, .. }) => decide_account(account, request.permission, path),
            (Subject::Principal(principal, _), _) if principal.account() != instance.account => Outcome::DeniedImplicitly,
            (Subject::Operator | Subject::Principal(..), _) => self.decide(subject, request).await?,
            (Subject::ServiceAccount(_) | Subject::Nobody, _) => Outcome::DeniedImplicitly,
        };
        Ok(match (decided, request.permission, &request.resource) {
            (Outcome::Allowed, Permission::Push, Resource::Repository { path, .. }) => {
                Box::pin(self.unrecorded(instance, path)).await?.map_or(Verdict::Allowed, Verdict::Unrecorded)
            }
            (Outcome::DeniedImplicitly, Permission::Pull, Resource::Repository { path, .. })
                if Box::pin(self.is_public(instance, path)).await? =>
            {
                Verdict::Public
            }
            (Outcome::Allowed, ..) => Verdict::Allowed,
            (Outcome::DeniedExplicitly | Outcome::DeniedImplicitly, ..) => Verdict::Denied,
        })
    }

    /// Returns the caller's refresh token: the one that logged in, or one that lives as long as its credential.
    ///
    /// It is never another one: docker's engine throws away what a refresh returns, so a token that
    /// changed with its use would lock its user out.
    fn refresh_token(&self, caller: &Caller, instance: &Instance, held: &Grant) -> Result<Secret> {
        if let Some(presented) = caller.refresh_token() {
            return Ok(presented.clone());
        }
        let mut grant = held.clone();
        grant.grounds.push((Ground::RefreshTokens(instance.id.clone()), instance.refresh_generation));
        self.memory.keys.keyring.load().seal(SecretKind::Refresh, &grant, &*self.base.random)
    }

    /// Returns the public signing keys that instances share as a JWK set, as JSON text.
    pub fn jwks(&self) -> String {
        self.memory.keys.keyring.load().jwks().to_string()
    }

    /// Returns the certificates that registries trust, as PEM.
    pub fn bundle_pem(&self) -> String {
        self.memory.keys.keyring.load().bundle_pem()
    }
}

/// What comes of asking to do something in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Verdict {
    /// Rights of one's own allow it.
    Allowed,
    /// They don't, and everybody may.
    Public,
    /// They don't.
    Denied,
    /// They do, and nobody may.
    Unrecorded(Unrecorded),
    /// No registry can have a repository of this name, so nobody may.
    Impossible,
}

impl Verdict {
    /// Tells whether a token allows it.
    pub(in crate::service) fn grants(self) -> bool {
        match self {
            Self::Allowed | Self::Public => true,
            Self::Denied | Self::Unrecorded(_) | Self::Impossible => false,
        }
    }
}

/// Tells whether all that a scope asks for is held.
fn is_whole(asked: &Scope, held: &BTreeSet<Action>) -> bool {
    asked.actions.iter().all(|action| held.contains(action) || *action == Action::All && holds_everything(asked, held))
}

/// Tells whether what is held is all that can be done, where that is written out.
fn holds_everything(asked: &Scope, held: &BTreeSet<Action>) -> bool {
    asked.resource_type == ResourceType::Repository && everything(&asked.resource_type, &asked.name).is_subset(held)
}

/// Returns what a scope asks for and isn't held, `*` written out.
pub(in crate::service) fn missing(asked: &Scope, held: &BTreeSet<Action>) -> BTreeSet<Action> {
    let mut missing = asked.actions.clone();
    if asked.resource_type == ResourceType::Repository && missing.remove(&Action::All) {
        missing.extend(everything(&asked.resource_type, &asked.name));
    }
    &missing - held
}

pub(in crate::service) fn same_thing(held: &Scope, asked: &Scope) -> bool {
    held.resource_type == asked.resource_type && held.name == asked.name
}

/// Returns the permission that an action on a resource needs.
fn permission(action: Action, asked: &Scope) -> Permission {
    match action {
        // zot asks to pull from a repository without a name where it lists them all.
        Action::All => Permission::ListCatalog,
        Action::Pull if asked.name.is_empty() => Permission::ListCatalog,
        Action::Pull => Permission::Pull,
        Action::Push => Permission::Push,
        Action::Delete => Permission::Delete,
    }
}

/// Decides by the permissions of a service account, which allow and never deny.
fn decide_account(account: &ServiceAccount, permission: Permission, path: &str) -> Outcome {
    match account_action(permission) {
        Some(needed) if account.may(needed, path) => Outcome::Allowed,
        _ => Outcome::DeniedImplicitly,
    }
}

/// Returns all that can be done to a resource, in words that registries compare literally: for a
/// repository `*` is written out, because zot knows no `*`.
pub(in crate::service) fn everything(resource_type: &ResourceType, name: &str) -> BTreeSet<Action> {
    match resource_type {
        // A repository without a name is the list of all, which is only read.
        ResourceType::Repository if name.is_empty() => BTreeSet::from([Action::Pull]),
        ResourceType::Repository => BTreeSet::from([Action::Pull, Action::Push, Action::Delete]),
        ResourceType::Registry if name == "catalog" => BTreeSet::from([Action::All]),
        ResourceType::Registry | ResourceType::Other(_) => BTreeSet::new(),
    }
}
