//! `transire role`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::session::{List, Session};
use super::{Ended, arguments, output, read_document};
use crate::admin::{CreateRole, DeleteRole, ListRoles, ShowRole, TestRole, UpdateRole};
use crate::domain::{Error, ErrorKind, Result};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a role. The principals that its trust policy names may assume it.
    Create(Create),
    /// List an account's roles.
    List(List<ListRoles>),
    /// Show a role, with its trust policy.
    Show(ShowRole),
    /// Change a role's trust policy, or the longest life of its sessions. Its sessions go on.
    Update(Update),
    /// Say whether a role accepts an OpenID Connect token, and which conditions it doesn't meet.
    Test(Test),
    /// Delete a role. Its sessions stop, and all credentials that they obtained.
    Delete(DeleteRole),
}

#[derive(Args)]
pub(super) struct Create {
    #[command(flatten)]
    role: CreateRole,
    /// A file with the trust policy, in CAM's or RAM's language: it names the principals that may
    /// assume the role.
    #[arg(long, value_name = "FILE")]
    trust_policy: PathBuf,
}

#[derive(Args)]
pub(super) struct Update {
    #[command(flatten)]
    role: UpdateRole,
    /// A file with another trust policy.
    #[arg(long, value_name = "FILE", required_unless_present = "max_session")]
    trust_policy: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Test {
    #[command(flatten)]
    role: TestRole,
    /// The file with the token; - reads it from standard input.
    #[arg(long, value_name = "FILE")]
    token: PathBuf,
}

impl Command {
    /// Tells whether the command answers a question: it exits with 1 for "no".
    pub(super) fn decides(&self) -> bool {
        matches!(self, Self::Test(_))
    }
}

pub(super) async fn run(session: &Session, command: Command) -> Result<Ended> {
    let done = match command {
        Command::Create(new) => create(session, new).await,
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.show(one).await,
        Command::Update(change) => update(session, change).await,
        Command::Test(of) => return test(session, of).await,
        Command::Delete(one) => session.print(one).await,
    };
    done.map(|()| Ended::Done)
}

async fn create(session: &Session, mut new: Create) -> Result<()> {
    new.role.trust_policy = read_document("trust-policy", &new.trust_policy)?;
    let made = session.ask(new.role).await?;
    made.warnings.iter().for_each(output::warn);
    session.output().view(&made)
}

async fn update(session: &Session, mut change: Update) -> Result<()> {
    let read = |file| read_document("trust-policy", file);
    change.role.trust_policy = change.trust_policy.as_deref().map(read).transpose()?;
    let changed = session.ask(change.role).await?;
    changed.warnings.iter().for_each(output::warn);
    session.output().view(&changed)
}

async fn test(session: &Session, mut of: Test) -> Result<Ended> {
    of.role.token = arguments::read_token(&of.token)?;
    let tested = session
        .ask(of.role)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound { .. } => Error::invalid_parameter("name", error.message()),
            _ => error,
        })?;
    session.output().show_view(&tested)?;
    Ok(Ended::of(tested.accepted))
}
