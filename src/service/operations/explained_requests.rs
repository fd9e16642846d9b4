//! A request out of the audit, explained: what was recorded of it, and what would be decided now.
//!
//! The question is rebuilt from the event: who asked for what, and from where. Some facts aren't in
//! the audit (a session's own policy, a temporary credential's time): they are noted, not guessed.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::any_principal::{AnyPrincipal, Written};
use crate::domain::clock::Timestamp;
use crate::domain::credential::CredentialId;
use crate::domain::ids::{InstanceId, UserId};
use crate::domain::instance::Instance;
use crate::domain::refusal::RefusalCause;
use crate::domain::scope::{Action, ResourceType, Scope, Scopes};
use crate::domain::service_account::ServiceAccount;
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{Language, Permission};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::operations::Operations;
use crate::service::operations::audit_log::AuditFilter;
use crate::service::rights::instances::InstanceChoice;
use crate::service::rights::question::{Question, Who};
use crate::service::rights::reasons::why_refused;
use crate::service::rights::steps::Explained;
use crate::service::rights::verdict::{everything, permission};
use crate::store::audit::AuditRow;

/// The most questions of one request that are asked again.
const MAX_PARTS: usize = 64;

/// The request that a question is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestQuestion {
    /// Its id, as the client was told it.
    pub request_id: String,
    /// It came at this time or later.
    pub since: Timestamp,
    /// It came before this time.
    pub until: Timestamp,
}

/// A request out of the audit, and the decisions about it.
#[derive(Clone, Debug)]
pub struct ExplainedRequest {
    /// Its event: the one that was refused or reduced, if there are several.
    pub event: AuditRow,
    /// The reason that was recorded.
    pub recorded: Option<String>,
    /// The decisions about each part of it, as they would be made now.
    pub parts: Vec<ExplainedPart>,
    /// The parts that can't be asked again, and facts that aren't known.
    pub notes: Vec<String>,
}

/// A part of a request: one permission on one thing.
#[derive(Clone, Debug)]
pub struct ExplainedPart {
    /// The permission; none for the log-in itself.
    pub permission: Option<Permission>,
    /// The instance, or a repository in it.
    pub resource: String,
    /// Whether it was granted then.
    pub was_granted: bool,
    /// The decision now.
    pub now: Explained,
}

/// One permission that a request asked for.
struct Asked {
    permission: Option<Permission>,
    path: String,
    was_granted: bool,
}

impl Operations {
    /// Explains a request by its event in the audit.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` when the audit has no event of it in that time; `OperatorDenied`, or
    /// `Unsupported` for no operator; those of the store.
    pub async fn explain_request(
        &self,
        call: &Call<'_>,
        question: &RequestQuestion,
    ) -> Result<ExplainedRequest> {
        let event = self.event_of(call, question).await?;
        let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
        let mut explained = ExplainedRequest {
            recorded: recorded(&event, &detail),
            event,
            parts: Vec::new(),
            notes: Vec::new(),
        };
        let Some(instance) = self.instance_of(&explained.event, &detail).await? else {
            let note = "the event names no instance that is there now, so nothing is asked again";
            explained.notes.push(note.to_owned());
            return Ok(explained);
        };
        let asked = asked(&explained.event, &detail, &instance, &mut explained.notes);
        let Some(who) = self.who_asked(&mut explained, &detail, &instance).await? else {
            let note = "the event doesn't tell whose log-in it was, so nothing is asked again";
            explained.notes.push(note.to_owned());
            return Ok(explained);
        };
        for one in asked {
            let part = self
                .part(call, &explained.event, (&instance, &who), one)
                .await;
            match part {
                Ok(part) => explained.parts.push(part),
                // A service account, or whoever is known by a name, that is gone.
                Err(error) if is_missing(&error) => {
                    explained.notes.push(error.message().to_owned());
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(explained)
    }

    /// Asks one part again.
    async fn part(
        &self,
        call: &Call<'_>,
        event: &AuditRow,
        (instance, who): (&Instance, &Asker),
        asked: Asked,
    ) -> Result<ExplainedPart> {
        let choice = InstanceChoice::Tcr(instance.id.clone());
        let permission = asked.permission.unwrap_or(Permission::Pull);
        let question = Question {
            address: event
                .address
                .as_deref()
                .and_then(|text| text.parse::<IpAddr>().ok()),
            credential: who.credential.clone(),
            ..Question::new(permission, choice, &asked.path)
        };
        let now = match asked.permission {
            Some(_) => self.rights.explain_who(call, &who.who, &question).await?,
            None => {
                self.rights
                    .explain_log_in(call, &who.who, &question)
                    .await?
            }
        };
        let resource = match asked.path.as_str() {
            "" => instance.id.to_string(),
            path => format!("{}/{path}", instance.id),
        };
        Ok(ExplainedPart {
            permission: asked.permission,
            resource,
            was_granted: asked.was_granted,
            now,
        })
    }

    /// Returns the event of a request: the first that isn't `ok`, or else the first.
    async fn event_of(&self, call: &Call<'_>, question: &RequestQuestion) -> Result<AuditRow> {
        let filter = AuditFilter {
            request_id: Some(question.request_id.clone()),
            ..AuditFilter::between(question.since, question.until)
        };
        let (mut after, mut found) = (None, None::<AuditRow>);
        loop {
            let batch = self.audit_lines(call, &filter, after.as_ref()).await?;
            for row in batch.rows {
                if row.outcome != "ok" {
                    return Ok(row);
                }
                found = found.or(Some(row));
            }
            after = batch.next;
            if after.is_none() {
                return found.ok_or_else(|| {
                    let why = format!(
                        "the audit has no event of this request since {}; an earlier --since looks \
                         further back",
                        question.since.rfc3339()
                    );
                    Error::invalid_parameter("request-id", why)
                });
            }
        }
    }

    /// Returns the instance that an event is about: by its service, or its resource.
    async fn instance_of(&self, event: &AuditRow, detail: &Value) -> Result<Option<Arc<Instance>>> {
        let (cache, store) = (&self.memory.cache, &self.base.store);
        if let Some(service) = &event.service {
            return cache.instance_by_service(store, service).await;
        }
        match resource_of(detail).and_then(|(id, _)| id.parse::<InstanceId>().ok()) {
            Some(id) => cache.instance(store, &id).await,
            None => Ok(None),
        }
    }

    /// Returns who asked: the proved principal, or whose log-in it claims to be.
    async fn who_asked(
        &self,
        explained: &mut ExplainedRequest,
        detail: &Value,
        instance: &Instance,
    ) -> Result<Option<Asker>> {
        let event = &explained.event;
        let stored = match event
            .credential_id
            .as_deref()
            .and_then(|id| id.parse().ok())
        {
            Some(id) => self.stored_credential(&id).await?,
            None => Known::Nothing,
        };
        let credential = match &stored {
            Known::Credential(id, _) | Known::Revoked(id) => Some(id.clone()),
            Known::Temporary | Known::Nothing => None,
        };
        if matches!(stored, Known::Temporary) {
            let note = "the credential isn't stored: it is a temporary one, or was deleted since. \
                        Its time, its narrowing and its session's policy aren't known";
            explained.notes.push(note.to_owned());
        }
        if detail["oidc_provider"].is_string() {
            let note = "the claims of the token that logged in aren't known";
            explained.notes.push(note.to_owned());
        }
        if let Some(principal) = &event.principal {
            let who = Who::Principal(principal.parse()?);
            return Ok(Some(Asker { who, credential }));
        }
        if event.action == AuditAction::TokenExchange.name() {
            let who = Who::Nobody;
            return Ok(Some(Asker { who, credential }));
        }
        if let Known::Credential(_, principal) = stored {
            let who = Who::Principal(principal);
            return Ok(Some(Asker { who, credential }));
        }
        let claimed = detail["claimed"]
            .as_str()
            .and_then(|name| claimed(name, instance));
        Ok(claimed.map(|principal| {
            let note = format!("nobody proved to be {principal}: the username claims it");
            explained.notes.push(note);
            let who = Who::Principal(principal);
            Asker { who, credential }
        }))
    }

    async fn stored_credential(&self, id: &CredentialId) -> Result<Known> {
        if self.memory.is_revoked(id) {
            return Ok(Known::Revoked(id.clone()));
        }
        let stored = self.memory.cache.credential(&self.base.store, id).await?;
        Ok(stored.map_or(Known::Temporary, |stored| {
            Known::Credential(id.clone(), stored.principal.clone().into())
        }))
    }
}

/// The asker, and the stored credential that it came with.
struct Asker {
    who: Who,
    credential: Option<CredentialId>,
}

/// The knowledge of the credential of an event.
enum Known {
    /// It is a stored one, of this principal.
    Credential(CredentialId, AnyPrincipal),
    /// It was revoked.
    Revoked(CredentialId),
    /// It isn't stored.
    Temporary,
    /// The event has none.
    Nothing,
}

/// Tells whether something isn't there any more that an event names.
fn is_missing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound { .. } | ErrorKind::InstanceNotFound
    )
}

/// Returns the recorded reason: what decided, or else the meaning of the cause.
fn recorded(event: &AuditRow, detail: &Value) -> Option<String> {
    if let Some(decided) = detail["decided"].as_str() {
        return Some(decided.to_owned());
    }
    let cause = detail["cause"].as_str()?;
    let known = RefusalCause::ALL.iter().find(|known| known.name() == cause);
    let is_log_in = event.action == AuditAction::RegistryLogIn.name();
    known
        .filter(|_| is_log_in)
        .map(|cause| why_refused(*cause).to_owned())
}

/// Returns the instance's id and the path of a refused resource, such as
/// `qcs::tcr:ap-guangzhou:uin/100000000001:repository/tcr-abcd1234/team/app`.
fn resource_of(detail: &Value) -> Option<(&str, &str)> {
    let path = detail["resource"].as_str()?.splitn(6, ':').nth(5)?;
    let (_, rest) = path.split_once('/')?;
    let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
    Some((id, path.trim_end_matches('*').trim_end_matches('/')))
}

/// Returns the principal that a username claims to be.
fn claimed(name: &str, instance: &Instance) -> Option<AnyPrincipal> {
    let account = instance.account;
    if let Some(name) = name.strip_prefix(ServiceAccount::PREFIX) {
        let (id, name) = (instance.id.clone(), name.to_owned());
        return Some(AnyPrincipal::ServiceAccount(account, id, name));
    }
    if name == account.to_string() {
        return Some(AnyPrincipal::Root(account));
    }
    let user: UserId = name.parse().ok()?;
    Some(AnyPrincipal::User(account, Written::Id(user)))
}

/// Returns all that an event asked for.
fn asked(
    event: &AuditRow,
    detail: &Value,
    instance: &Instance,
    notes: &mut Vec<String>,
) -> Vec<Asked> {
    let is_log_in = event.action == AuditAction::RegistryLogIn.name();
    if is_log_in || event.action == AuditAction::TokenExchange.name() {
        let (wanted, granted) = (scopes(&detail["asked"]), scopes(&detail["granted"]));
        if !detail["cut"].is_null() {
            notes.push("the audit has only the first of the scopes that were asked".to_owned());
        }
        notes.extend(wanted.left_out.iter().map(|text| {
            format!("{text} can't be read, or asks for actions that are unknown here")
        }));
        let mut parts: Vec<Asked> = wanted
            .asked
            .iter()
            .flat_map(|scope| of_scope(scope, &granted.asked))
            .collect();
        if parts.len() > MAX_PARTS {
            notes.push(format!("the first {MAX_PARTS} parts are asked again"));
            parts.truncate(MAX_PARTS);
        }
        if parts.is_empty() && is_log_in {
            parts.push(Asked {
                permission: None,
                path: String::new(),
                was_granted: false,
            });
        }
        return parts;
    }
    match (of_call(event, detail), resource_of(detail)) {
        (Some(permission), Some((id, path))) if id == instance.id.as_str() => vec![Asked {
            permission: Some(permission),
            path: path.to_owned(),
            was_granted: event.outcome == "ok",
        }],
        _ => {
            notes.push("policies decided nothing of it that could be asked again".to_owned());
            Vec::new()
        }
    }
}

/// Returns the permission that a call was refused: of several with that name, the one that the
/// operation names, too.
fn of_call(event: &AuditRow, detail: &Value) -> Option<Permission> {
    let name = detail["permission"].as_str()?;
    let named = |permission: &Permission| permission.names(Language::Cam).contains(&name);
    let is_asked = |permission: &Permission| {
        Language::ALL
            .iter()
            .any(|language| permission.names(*language).contains(&event.action.as_str()))
    };
    Permission::all()
        .find(|permission| named(permission) && is_asked(permission))
        .or_else(|| Permission::all().find(named))
}

fn scopes(texts: &Value) -> Scopes {
    let texts = texts.as_array().map(Vec::as_slice).unwrap_or_default();
    Scopes::parse(texts.iter().filter_map(Value::as_str)).unwrap_or_default()
}

/// Returns the parts of one scope: its actions, with `*` written out.
fn of_scope(scope: &Scope, granted: &[Scope]) -> Vec<Asked> {
    let possible = everything(&scope.resource_type, &scope.name);
    let held = granted.iter().find(|held| held.is_of_resource(scope));
    let path = match scope.resource_type {
        ResourceType::Repository => scope.name.clone(),
        ResourceType::Registry | ResourceType::Other(_) => String::new(),
    };
    let is_asked =
        |action: &Action| scope.actions.contains(action) || scope.actions.contains(&Action::All);
    possible
        .into_iter()
        .filter(is_asked)
        .map(|action| Asked {
            permission: Some(permission(action, scope)),
            path: path.clone(),
            was_granted: held.is_some_and(|held| {
                held.actions.contains(&action) || held.actions.contains(&Action::All)
            }),
        })
        .collect()
}
