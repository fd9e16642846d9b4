//! `transire policy`.

mod check;
mod explain;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(super) use self::check::{Check, run as check};
use self::explain::Explain;
use super::session::{List, Session};
use super::{Ended, output, read_document};
use crate::admin::{
    AttachPolicy, CreatePolicy, DeletePolicy, DetachPolicy, ListPolicies, Operation, ShowPolicy,
    UpdatePolicy,
};
use crate::domain::Result;
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a policy from a file.
    Create(Document<CreatePolicy>),
    /// Replace a policy's document by a file's content.
    Update(Document<UpdatePolicy>),
    /// List an account's policies, and the objects to which they are attached.
    List(List<ListPolicies>),
    /// Show a policy's document; built-in policies work too.
    Show(ShowPolicy),
    /// Delete a policy, which must not be attached.
    Delete(DeletePolicy),
    /// Attach one of the account's policies, or a built-in one, to a user, a group or a role.
    Attach(AttachPolicy),
    /// Detach a policy.
    Detach(DetachPolicy),
    /// Check documents without saving them: the first fault of each, with its place, and warnings.
    Check(Check),
    /// Say whether a principal may do something, and which statement decides.
    Explain(Box<Explain>),
}

#[derive(Args)]
pub(super) struct Document<O: Args> {
    #[command(flatten)]
    policy: O,
    /// The file with the document, in CAM (`"version": "2.0"`) or RAM (`"Version": "1"`).
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
}

impl Command {
    /// Tells whether the command decides: it exits with 1 for "no", so its failures must exit with
    /// another code.
    pub(super) fn decides(&self) -> bool {
        matches!(self, Self::Explain(_) | Self::Check(_))
    }
}

pub(super) async fn run(session: &Session, command: Command) -> Result<Ended> {
    let done = match command {
        Command::Create(Document { policy, document }) => {
            let document = read_document("document", &document)?;
            save(session, CreatePolicy { document, ..policy }).await
        }
        Command::Update(Document { policy, document }) => {
            let document = read_document("document", &document)?;
            save(session, UpdatePolicy { document, ..policy }).await
        }
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.show(one).await,
        Command::Delete(one) => session.print(one).await,
        Command::Attach(attachment) => session.print(attachment).await,
        Command::Detach(attachment) => session.print(attachment).await,
        Command::Explain(explain) => return explain::run(session, *explain).await,
        Command::Check(check) => return self::check(&check, session.output()),
    };
    done.map(|()| Ended::Done)
}

async fn save<O>(session: &Session, policy: O) -> Result<()>
where
    O: Operation<Answer = views::ChangedDocument>,
{
    let saved = session.ask(policy).await?;
    saved.warnings.iter().for_each(output::warn);
    session.output().view(&saved)
}
