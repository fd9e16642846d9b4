//! `transire account`.

use clap::Subcommand;

use super::Context;
use crate::domain::Result;
use crate::domain::principal::AccountId;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an account.
    Create {
        /// Its name.
        #[arg(long)]
        name: String,
        /// Its numeric id; without it, one is picked.
        #[arg(long)]
        id: Option<AccountId>,
    },
    /// List the accounts.
    List,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create { name, id } => {
            let account = context.service.create_account(&context.operator, id, &name, &context.request).await?;
            context.output.one(vec![("account_id", account.id.to_string().into()), ("name", account.name.into())])
        }
        Command::List => {
            let accounts = context.service.accounts(&context.operator).await?;
            let rows = accounts
                .into_iter()
                .map(|account| vec![account.id.to_string().into(), account.name.into(), account.created_at.rfc3339().into()]);
            context.output.list(&["account_id", "name", "created_at"], rows.collect())
        }
    }
}
