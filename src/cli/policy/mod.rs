//! `transire policy`.

mod check;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(super) use self::check::{Check, run as check};
use super::{Context, Ended, Named, arguments, output, read_document};
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::identity::Target;
use crate::domain::ids::AccountId;
use crate::domain::instance::AnyInstanceId;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::{
    Attached, Explained, Permission, Question, RequestContext, Save, TokenInQuestion,
};
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a policy from a file.
    Create(Document),
    /// Replace a policy's document by a file's content.
    Update(Document),
    /// List an account's policies, and the objects to which they are attached.
    List {
        /// The account's id.
        #[arg(long)]
        account: AccountId,
    },
    /// Show a policy's document; built-in policies work too.
    Show(Named),
    /// Delete a policy, which must not be attached.
    Delete(Named),
    /// Attach one of the account's policies, or a built-in one, to a user, a group or a role.
    Attach(Attachment),
    /// Detach a policy.
    Detach(Attachment),
    /// Check documents without saving them: the first fault of each, with its place, and warnings.
    Check(Check),
    /// Say whether a principal may do something, and which statement decides.
    Explain(Explain),
}

#[derive(Args)]
pub(super) struct Document {
    #[command(flatten)]
    policy: Named,
    /// The file with the document, in CAM (`"version": "2.0"`) or RAM (`"Version": "1"`).
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
}

#[derive(Args)]
pub(super) struct Attachment {
    #[command(flatten)]
    policy: Named,
    #[command(flatten)]
    target: TargetName,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct TargetName {
    /// The user's name.
    #[arg(long, value_parser = arguments::some_text)]
    user: Option<String>,
    /// The group's name.
    #[arg(long, value_parser = arguments::some_text)]
    group: Option<String>,
    /// The role's name.
    #[arg(long, value_parser = arguments::some_text)]
    role: Option<String>,
}

#[derive(Args)]
pub(super) struct Explain {
    /// The principal: ACCOUNT:root, ACCOUNT:user/NAME, ACCOUNT:role/NAME,
    /// ACCOUNT:service-account/INSTANCE/NAME. The forms of lists, the audit and the clouds work
    /// too.
    #[arg(long, required_unless_present = "token")]
    principal: Option<AnyPrincipal>,
    /// The file with an OpenID Connect token, instead of a principal; - reads it from standard
    /// input.
    #[arg(long, value_name = "FILE", conflicts_with = "principal")]
    token: Option<PathBuf>,
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
    #[arg(long)]
    action: Permission,
    /// The resource: an instance's id, or that and a repository: INSTANCE/team/app.
    #[arg(long, value_parser = arguments::resource)]
    resource: String,
    /// The client's address; without it, no allow list matches.
    #[arg(long, alias = "address", value_parser = arguments::address)]
    ip: Option<IpAddr>,
    /// A file with the session policy.
    #[arg(long, value_name = "FILE")]
    session_policy: Option<PathBuf>,
    /// The owner of the credential or the service account that the action changes: tcr:owner and
    /// cr:Owner in policies.
    #[arg(long, value_name = "PRINCIPAL")]
    owner: Option<AnyPrincipal>,
}

impl Command {
    /// Tells whether the command decides: it exits with 1 for "no", so its failures must exit with
    /// another code.
    pub(super) fn decides(&self) -> bool {
        matches!(self, Self::Explain(_) | Self::Check(_))
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<Ended> {
    let (service, call) = (&context.service, &context.call());
    let done = match command {
        Command::Create(document) => save(context, document, Save::Create).await,
        Command::Update(document) => save(context, document, Save::Update).await,
        Command::List { account } => {
            let attachments = service.identity.attachments(call, account).await?;
            let own = service.identity.policies(call, account).await?;
            context.output.list(views::Policy::list(own, &attachments))
        }
        Command::Show(one) => {
            let document = service
                .identity
                .policy_document(call, one.account, &one.name)
                .await?;
            context.output.show(vec![
                ("name", one.name.into()),
                ("document", document.into()),
            ])
        }
        Command::Delete(one) => {
            service
                .identity
                .delete_policy(call, one.account, &one.name)
                .await?;
            context
                .output
                .one(vec![("name", one.name.into()), ("state", "deleted".into())])
        }
        Command::Attach(attachment) => set_attached(context, attachment, Attached::Yes).await,
        Command::Detach(attachment) => set_attached(context, attachment, Attached::No).await,
        Command::Explain(explain) => return self::explain(context, explain).await,
        Command::Check(check) => return self::check(&check, &context.output),
    };
    done.map(|()| Ended::Done)
}

/// Prints the deciding step, and all steps before it.
async fn explain(context: &Context, explain: Explain) -> Result<Ended> {
    let (instance, path) = explain
        .resource
        .split_once('/')
        .unwrap_or((&explain.resource, ""));
    let instance: AnyInstanceId = instance.parse()?;
    let session_policy = explain
        .session_policy
        .map(|file| read_document("session-policy", &file))
        .transpose()?;
    let question = Question {
        permission: explain.action,
        instance: instance.into(),
        path,
        session_policy: session_policy.as_deref(),
        owner: explain.owner.as_ref(),
    };
    let from = RequestContext {
        address: explain.ip,
        ..context.request.clone()
    };
    let (service, call) = (
        &context.service,
        context.service.call(&context.operator, &from),
    );
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
    print_explained(context, &explained)
}

fn print_explained(context: &Context, explained: &Explained) -> Result<Ended> {
    let decision = if explained.allowed {
        "allowed"
    } else {
        "denied"
    };
    let (by, reason) = explained
        .deciding()
        .map(|step| (step.about, step.reason.clone()))
        .unwrap_or_default();
    let steps = explained.steps.iter().map(|step| {
        let passes = if step.passes { "passes" } else { "stops" };
        format!("{}: {passes}: {}", step.about, step.reason)
    });
    context.output.show(vec![
        ("decision", decision.into()),
        ("decided_by", by.into()),
        ("reason", reason.into()),
        ("steps", context.output.lines(steps)),
    ])?;
    Ok(if explained.allowed {
        Ended::Done
    } else {
        Ended::Denied
    })
}

async fn save(context: &Context, document: Document, save: Save) -> Result<()> {
    let Document {
        policy,
        document: file,
    } = document;
    let text = read_document("document", &file)?;
    let warnings = context
        .service
        .identity
        .save_policy(&context.call(), policy.account, &policy.name, &text, save)
        .await?;
    for warning in &warnings {
        output::warn(warning);
    }
    context.output.one(vec![
        ("name", policy.name.into()),
        ("warnings", warnings.into()),
    ])
}

async fn set_attached(context: &Context, attachment: Attachment, attached: Attached) -> Result<()> {
    let Attachment { policy, target } = attachment;
    let target = match (target.user, target.group, target.role) {
        (Some(name), _, _) => Target::User(name),
        (_, Some(name), _) => Target::Group(name),
        (_, _, Some(name)) => Target::Role(name),
        (None, None, None) => return Err(Error::missing_parameter("--user, --group or --role")),
    };
    context
        .service
        .identity
        .set_attached(
            &context.call(),
            policy.account,
            &policy.name,
            &target,
            attached,
        )
        .await?;
    context.output.one(vec![
        ("name", policy.name.into()),
        ("target", views::target_name(&target).into()),
        ("attached", (attached == Attached::Yes).into()),
    ])
}
