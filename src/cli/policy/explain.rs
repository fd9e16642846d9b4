//! `transire policy explain`.

use std::path::PathBuf;

use clap::Args;

use crate::admin::{self, ClientAddress, ResourceName, Text, When};
use crate::cli::failure::Ended;
use crate::cli::output::{self, Fields, Output, Stdout};
use crate::cli::session::Session;
use crate::cli::{arguments, read_document};
use crate::domain::access_key::AccessKeyId;
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::credential::CredentialId;
use crate::domain::{Error, Result};
use crate::service::Permission;
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
        required_unless_present_any = ["request_id", "who", "what"],
        conflicts_with_all = ["request_id", "who", "what"]
    )]
    resource: Option<ResourceName>,
    /// The client's address; without it, no allow list matches.
    #[arg(long, visible_alias = "ip")]
    address: Option<ClientAddress>,
    /// The time that is asked about, as `audit list` takes it; without it, now.
    #[arg(
        long,
        value_name = "TIME",
        conflicts_with_all = ["request_id", "who", "what"]
    )]
    at: Option<When>,
    /// How far back the audit is searched for the request: a time, a day or an age, as `audit
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

pub(super) async fn run(session: &Session, explain: Explain) -> Result<Ended> {
    if let Some(request_id) = explain.request_id {
        let since = explain.since.map(Text);
        return request(session, admin::ExplainRequest { request_id, since }).await;
    }
    if let Some(who) = &explain.who {
        return list_holders(session, who, explain.address).await;
    }
    if let Some(principal) = explain.what {
        return list_rights(session, principal).await;
    }
    decide(session, explain).await
}

/// Prints the deciding step, and all steps in their order.
async fn decide(session: &Session, explain: Explain) -> Result<Ended> {
    let missing = || Error::missing_parameter("--action and --resource");
    let more = explain.more;
    let read = |file| read_document("session-policy", file);
    let question = admin::Explain {
        principal: explain.principal.map(Text),
        token: explain
            .token
            .as_deref()
            .map(arguments::read_token)
            .transpose()?,
        role: explain.role,
        action: Text(explain.action.ok_or_else(missing)?),
        resource: Text(explain.resource.ok_or_else(missing)?),
        address: explain.address.map(Text),
        at: explain.at.map(Text),
        session_policy: more.session_policy.as_deref().map(read).transpose()?,
        access_key: more.access_key.map(Text),
        credential: more.credential.map(Text),
        owner: more.owner.map(Text),
    };
    let explained = session.ask(question).await?;
    let allowed = explained.is_allowed();
    let output = session.output();
    output.show(fields(output, explained))?;
    Ok(Ended::of(allowed))
}

/// Prints a request out of the audit, and the decisions about it now.
async fn request(session: &Session, asked: admin::ExplainRequest) -> Result<Ended> {
    let view = session.ask(asked).await?;
    let (allowed, output) = (view.is_allowed(), session.output());
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
    Ok(Ended::of(allowed))
}

/// Prints everybody who may do something, as they are found.
async fn list_holders(
    session: &Session,
    who: &[String],
    address: Option<ClientAddress>,
) -> Result<Ended> {
    let [action, resource] = who else {
        return Err(Error::missing_parameter("--who ACTION RESOURCE"));
    };
    let mut question = admin::ListRightHolders {
        action: action.parse()?,
        resource: resource.parse()?,
        address: address.map(Text),
        after: None,
    };
    let mut listing = session.output().listing()?;
    loop {
        let page = session.ask(question.clone()).await?;
        if question.after.is_none() {
            page.notes.iter().for_each(output::warn);
        }
        if listing.add(page.items)? == Stdout::Closed {
            return Ok(Ended::Done);
        }
        question.after = page.next;
        if question.after.is_none() {
            return listing.end().map(|()| Ended::Done);
        }
    }
}

/// Prints what a principal may do.
async fn list_rights(session: &Session, principal: AnyPrincipal) -> Result<Ended> {
    let principal = Text(principal);
    let held = session.ask(admin::ListRights { principal }).await?;
    if let Some(fault) = &held.fault {
        output::warn(format!("nothing of it holds now: {fault}"));
    }
    session.output().list(held.items)?;
    Ok(Ended::Done)
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
