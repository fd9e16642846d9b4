//! `transire service-account`.

use clap::{Args, Subcommand};

use super::{Context, arguments};
use crate::domain::Result;
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::instance::AnyInstanceId;
use crate::domain::service_account::ServiceAccountState;
use crate::service::{ChangedServiceAccount, Page};
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List an instance's service accounts, or those that a principal made.
    List(Which),
    /// Stop a service account. Only the account's root user and the operator can enable it again.
    Disable(One),
    /// Let a disabled service account log in again.
    Enable(One),
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: Option<AnyInstanceId>,
    /// The maker, at any instance: ACCOUNT:root, ACCOUNT:user/NAME, ACCOUNT:role/NAME, or
    /// ACCOUNT:user#ID for a deleted user. Service accounts that its sessions made are listed, too.
    #[arg(long, value_name = "PRINCIPAL")]
    made_by: Option<AnyPrincipal>,
}

#[derive(Args)]
pub(super) struct One {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: AnyInstanceId,
    /// Its name, with `tcr$` or without.
    #[arg(long, value_parser = arguments::some_text)]
    name: String,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let (one, state) = match command {
        Command::List(which) => {
            let accounts = match (which.instance, which.made_by) {
                (Some(instance), _) => {
                    service
                        .credentials
                        .service_accounts(call, &instance.into(), None, Page::ALL)
                        .await?
                        .items
                }
                (None, Some(maker)) => {
                    service
                        .credentials
                        .service_accounts_made_by(call, &maker)
                        .await?
                }
                (None, None) => Vec::new(),
            };
            return context
                .output
                .list(accounts.into_iter().map(views::ServiceAccount::from));
        }
        Command::Disable(one) => (one, ServiceAccountState::Disabled),
        Command::Enable(one) => (one, ServiceAccountState::Active),
    };
    let changed = ChangedServiceAccount {
        state: Some(state),
        ..ChangedServiceAccount::default()
    };
    service
        .credentials
        .modify_service_account(call, &one.instance.into(), &one.name, changed)
        .await?;
    context.output.one(vec![
        ("name", one.name.into()),
        ("state", state.name().into()),
    ])
}
