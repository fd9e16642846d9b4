//! `transire account`.

use clap::Subcommand;

use super::Context;
use super::arguments::{self, OrDefault};
use crate::domain::Result;
use crate::domain::ids::AccountId;
use crate::service::ServiceAccountGrant;
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an account.
    Create {
        /// Its name.
        #[arg(long)]
        name: String,
        /// Its numeric id; without it, a random one.
        #[arg(long)]
        id: Option<AccountId>,
        /// The rights that its users may grant to service accounts. own-rights: those that their
        /// policies allow them without a condition. vendor: any. [default: as the settings say]
        #[arg(long, value_name = "GRANT")]
        service_account_grant: Option<ServiceAccountGrant>,
    },
    /// Change the rights of an account's users.
    Update {
        /// Its numeric id.
        #[arg(long)]
        id: AccountId,
        /// The rights that its users may grant to service accounts: own-rights, vendor, or default
        /// (as the settings say).
        #[arg(
            long,
            value_name = "GRANT",
            value_parser = arguments::or_default::<ServiceAccountGrant>
        )]
        service_account_grant: OrDefault<ServiceAccountGrant>,
    },
    /// List the accounts.
    List,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create {
            name,
            id,
            service_account_grant,
        } => {
            let (service, call) = (&context.service, &context.call());
            let account = service
                .identity
                .create_account(call, id, &name, service_account_grant)
                .await?;
            context.output.one(vec![
                ("account_id", account.id.to_string().into()),
                ("name", account.name.into()),
            ])
        }
        Command::Update {
            id,
            service_account_grant: OrDefault(grant),
        } => {
            context
                .service
                .identity
                .set_service_account_grant(&context.call(), id, grant)
                .await?;
            context.output.one(vec![
                ("account_id", id.to_string().into()),
                ("service_account_grant", views::grant_name(grant).into()),
            ])
        }
        Command::List => {
            let accounts = context.service.identity.accounts(&context.call()).await?;
            context
                .output
                .list(accounts.into_iter().map(views::Account::from))
        }
    }
}
