//! `transire policy`.

mod check;
mod explain;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(super) use self::check::{Check, run as check};
use self::explain::Explain;
use super::{Context, Ended, Named, arguments, output, read_document};
use crate::domain::identity::Target;
use crate::domain::ids::AccountId;
use crate::domain::{Error, Result};
use crate::service::{Attached, Save};
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
    Explain(Box<Explain>),
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
        Command::Explain(explain) => return explain::run(context, *explain).await,
        Command::Check(check) => return self::check(&check, &context.output),
    };
    done.map(|()| Ended::Done)
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
