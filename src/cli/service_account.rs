//! `transire service-account`.

use clap::{Args, Subcommand};

use super::session::{List, Session};
use super::snippets::Snippets;
use crate::admin::{
    CreateServiceAccount, DeleteServiceAccount, DisableServiceAccount, EnableServiceAccount,
    InstanceText, ListServiceAccounts, ListServiceAccountsOfMaker, PrincipalText,
    RotateServiceAccount, ShowServiceAccount,
};
use crate::domain::{Error, Result};
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List an instance's service accounts, or those that a principal made.
    List(List<Which>),
    /// Make a service account, and show how to log in with it. Its password is shown this once.
    Create(CreateServiceAccount),
    /// Give a service account another password, which is shown this once, and show how to log in
    /// with it.
    Rotate(RotateServiceAccount),
    /// Show a service account, without its password and permissions.
    Show(ShowServiceAccount),
    /// Stop a service account. Only the account's root user and the operator can enable it again.
    Disable(DisableServiceAccount),
    /// Let a disabled service account log in again.
    Enable(EnableServiceAccount),
    /// Delete a service account for ever. Its name is free again.
    Delete(DeleteServiceAccount),
}

/// The list of an instance, or that of a maker.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: Option<InstanceText>,
    /// The maker, at any instance: ACCOUNT:root, ACCOUNT:user/NAME, ACCOUNT:role/NAME, or
    /// ACCOUNT:user#ID for a deleted user. Service accounts that its sessions made are listed, too.
    #[arg(long, value_name = "PRINCIPAL")]
    made_by: Option<PrincipalText>,
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::List(list) => print_list(session, list).await,
        Command::Create(new) => print(session, &session.ask(new).await?),
        Command::Rotate(one) => print(session, &session.ask(one).await?),
        Command::Delete(one) => session.print(one).await,
        Command::Show(one) => session.print(one).await,
        Command::Disable(one) => session.print(one).await,
        Command::Enable(one) => session.print(one).await,
    }
}

async fn print_list(session: &Session, list: List<Which>) -> Result<()> {
    let (Which { instance, made_by }, list) = list.split();
    match (instance, made_by) {
        (Some(instance), _) => {
            session
                .list(list.of(ListServiceAccounts { instance }))
                .await
        }
        (None, Some(made_by)) => {
            let of_maker = ListServiceAccountsOfMaker { made_by };
            session.list(list.of(of_maker)).await
        }
        (None, None) => Err(Error::missing_parameter("instance")),
    }
}

fn print(session: &Session, made: &views::ServiceAccountPassword) -> Result<()> {
    session.output().view(made)?;
    let snippets = Snippets {
        registry: &made.registry,
        username: &made.name,
        secret: &made.password,
    };
    session.output().for_people(&snippets.text())
}
