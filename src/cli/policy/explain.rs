//! `transire policy explain`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::audit::When;
use crate::cli::failure::Ended;
use crate::cli::output::{self, Fields, Output, Stdout};
use crate::cli::{Context, arguments, read_document};
use crate::domain::access_key::AccessKeyId;
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::credential::CredentialId;
use crate::domain::instance::AnyInstanceId;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::{Permission, Question, RequestQuestion, TokenInQuestion};
use crate::views::{self, View};

#[derive(Args)]
pub(in crate::cli) struct Explain {
    /// The principal: ACCOUNT:root, ACCOUNT:user/NAME, ACCOUNT:role/NAME,
    /// ACCOUNT:service-account/INSTANCE/NAME. The forms of lists, the audit and the clouds work
    /// too.
    #[arg(
        long,
        group = "asked",
        required_unless_present_any = ["token", "request_id", "who", "what"]
    )]
    principal: Option<AnyPrincipal>,
    /// The file with an OpenID Connect token, instead of a principal; - reads it from standard
    /// input.
    #[arg(long, value_name = "FILE", group = "asked")]
    token: Option<PathBuf>,
    /// Explain a request out of the audit, by the id that its client was told.
    #[arg(long, value_name = "ID", value_parser = arguments::some_text, group = "asked")]
    request_id: Option<String>,
    /// List who may do an action on a resource, such as push tcr-abcd1234/team/app.
    #[arg(
        long,
        num_args = 2,
        value_names = ["ACTION", "RESOURCE"],
        value_parser = arguments::some_text,
        group = "asked"
    )]
    who: Option<Vec<String>>,
    /// List what a principal may do, statement by statement.
    #[arg(long, value_name = "PRINCIPAL", group = "asked")]
    what: Option<AnyPrincipal>,
    /// The role that the token logs in as; without it, the one that trusts the token.
    #[arg(
        long,
        value_name = "NAME",
        value_parser = arguments::some_text,
        requires = "token"
    )]
    role: Option<String>,
    /// The action: pull, push, delete, list-catalog, or an action's name such as
    /// tcr:CreateInstanceToken.
    #[arg(
        long,
        required_unless_present_any = ["request_id", "who", "what"],
        conflicts_with_all = ["request_id", "who", "what"]
    )]
    action: Option<Permission>,
    /// The resource: an instance's id, or that and a repository: INSTANCE/team/app.
    #[arg(
        long,
        value_parser = arguments::resource,
        required_unless_present_any = ["request_id", "who", "what"],
        conflicts_with_all = ["request_id", "who", "what"]
    )]
    resource: Option<String>,
    /// The client's address; without it, no allow list matches.
    #[arg(long, visible_alias = "ip", value_parser = arguments::address)]
    address: Option<IpAddr>,
    /// How far the audit is looked through for the request: a time, a day or an age, as `audit
    /// list` takes it. [default: 24h]
    #[arg(long, value_name = "TIME", requires = "request_id")]
    since: Option<When>,
    #[command(flatten)]
    more: More,
}

/// More that is said of a principal.
#[derive(Args)]
struct More {
    /// A file with the session policy.
    #[arg(long, value_name = "FILE")]
    session_policy: Option<PathBuf>,
    /// The access key that signs the call, or that asked for the credential.
    #[arg(long, value_name = "ID")]
    access_key: Option<AccessKeyId>,
    /// The long-term credential that logs in.
    #[arg(long, value_name = "ID", value_parser = arguments::credential_id)]
    credential: Option<CredentialId>,
    /// The owner of the credential or the service account that the action changes: tcr:owner and
    /// cr:Owner in policies.
    #[arg(long, value_name = "PRINCIPAL")]
    owner: Option<AnyPrincipal>,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) async fn run(context: &Context, explain: Explain) -> Result<Ended> {
    if let Some(id) = &explain.request_id {
        return request(context, id, explain.since).await;
    }
    if let Some(who) = &explain.who {
        return list_holders(context, who, explain.address).await;
    }
    if let Some(principal) = &explain.what {
        return list_rights(context, principal).await;
    }
    decide(context, explain).await
}

/// Prints the deciding step, and all steps in their order.
async fn decide(context: &Context, explain: Explain) -> Result<Ended> {
    let missing = || Error::missing_parameter("--action and --resource");
    let resource = explain.resource.as_deref().ok_or_else(missing)?;
    let (instance, path) = place(resource)?;
    let session_policy = explain
        .more
        .session_policy
        .as_deref()
        .map(|file| read_document("session-policy", file))
        .transpose()?;
    let question = Question {
        address: explain.address,
        session_policy,
        owner: explain.more.owner,
        access_key: explain.more.access_key.map(|id| id.to_string()),
        credential: explain.more.credential,
        ..Question::new(explain.action.ok_or_else(missing)?, instance.into(), path)
    };
    let (service, call) = (&context.service, context.call());
    let explained = match (&explain.principal, &explain.token) {
        (Some(principal), _) => service.rights.explain(&call, principal, &question).await?,
        (None, Some(file)) => {
            let token = Secret::new(arguments::read_file("token", file)?.trim());
            let asked = TokenInQuestion {
                token: &token,
                role: explain.role.as_deref(),
            };
            let explained = service.identity.explain_token(&call, &asked, &question);
            explained.await?
        }
        (None, None) => return Err(Error::missing_parameter("--principal or --token")),
    };
    let allowed = explained.allowed;
    context
        .output
        .show(fields(&context.output, explained.into()))?;
    Ok(ended(allowed))
}

/// Prints a request out of the audit, and the decisions about it now.
async fn request(context: &Context, id: &str, since: Option<When>) -> Result<Ended> {
    let now = context.service.base.now();
    let question = RequestQuestion {
        request_id: id.to_owned(),
        since: since.map_or_else(|| now.minus(DAY), |since| since.at(now)),
        // A line may be written by a clock that is a little ahead.
        until: now.plus(DAY),
    };
    let explained = context
        .service
        .operations
        .explain_request(&context.call(), &question)
        .await?;
    let is_decided = !explained.parts.is_empty();
    let allowed = explained.parts.iter().all(|part| part.now.allowed);
    let was_allowed = explained.event.outcome == "ok";
    let view = views::ExplainedRequest::from(explained);
    let output = &context.output;
    let mut fields: Fields = views::ExplainedRequest::COLUMNS
        .iter()
        .copied()
        .zip(view.values())
        .filter(|(name, _)| !["decisions", "notes"].contains(name))
        .collect();
    let decisions = view.decisions.into_iter();
    fields.push((
        "decisions",
        output.objects_as(decisions, views::Decision::line),
    ));
    fields.push(("notes", output.lines(view.notes.into_iter())));
    output.show(fields)?;
    Ok(ended(if is_decided { allowed } else { was_allowed }))
}

/// Prints everybody who may do something, as they are found.
async fn list_holders(context: &Context, who: &[String], address: Option<IpAddr>) -> Result<Ended> {
    let [action, resource] = who else {
        return Err(Error::missing_parameter("--who ACTION RESOURCE"));
    };
    let (instance, path) = place(resource)?;
    let question = Question {
        address,
        ..Question::new(action.parse()?, instance.into(), path)
    };
    let mut listing = context.output.listing()?;
    let mut after = None;
    loop {
        let page = context
            .service
            .rights
            .holders(&context.call(), &question, after.as_ref())
            .await?;
        if after.is_none() {
            page.notes.iter().for_each(output::warn);
        }
        let holders = page.holders.into_iter().map(views::RightHolder::from);
        if listing.add(holders)? == Stdout::Closed {
            return Ok(Ended::Done);
        }
        after = page.next;
        if after.is_none() {
            return listing.end().map(|()| Ended::Done);
        }
    }
}

/// Prints what a principal may do.
async fn list_rights(context: &Context, principal: &AnyPrincipal) -> Result<Ended> {
    let call = context.call();
    let held = context.service.rights.held(&call, principal).await?;
    if let Some(fault) = &held.fault {
        output::warn(format!("nothing of it holds now: {fault}"));
    }
    let rights = held.rights.into_iter().map(views::HeldRight::from);
    context.output.list(rights)?;
    Ok(Ended::Done)
}

fn ended(allowed: bool) -> Ended {
    if allowed { Ended::Done } else { Ended::Denied }
}

/// Divides a resource into its instance and its repository.
fn place(resource: &str) -> Result<(AnyInstanceId, &str)> {
    let (instance, path) = resource.split_once('/').unwrap_or((resource, ""));
    Ok((instance.parse()?, path))
}

fn fields(output: &Output, explained: views::Explained) -> Fields {
    let steps = explained.steps.into_iter();
    vec![
        ("decision", explained.decision.into()),
        ("decided_by", explained.decided_by.into()),
        ("reason", explained.reason.into()),
        ("steps", output.objects_as(steps, views::Step::line)),
    ]
}
