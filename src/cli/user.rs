//! `transire user`.

use clap::Subcommand;

use super::{Context, Named};
use crate::domain::Result;
use crate::domain::identity::UserState;
use crate::domain::ids::AccountId;
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a user.
    Create(Named),
    /// List an account's users.
    List {
        /// The account's id.
        #[arg(long)]
        account: AccountId,
    },
    /// Stop a user, its access keys, and all credentials that it obtained.
    Disable(Named),
    /// Let a disabled user act again. Its temporary credentials stay stopped.
    Enable(Named),
    /// Delete a user, its access keys and its credentials. Service accounts that it made keep
    /// working, and are listed.
    Delete(Named),
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let (one, state) = match command {
        Command::Create(one) => {
            let user = service
                .identity
                .create_user(call, one.account, &one.name)
                .await?;
            return context.output.one(vec![
                ("user_id", user.id.to_string().into()),
                ("name", user.name.into()),
            ]);
        }
        Command::List { account } => {
            let users = service.identity.users(call, account).await?;
            return context
                .output
                .list(users.into_iter().map(views::User::from));
        }
        Command::Delete(one) => {
            let made = service
                .identity
                .delete_user(call, one.account, &one.name)
                .await?;
            let made = context.output.lines(made.into_iter());
            return context.output.one(vec![
                ("name", one.name.into()),
                ("state", "deleted".into()),
                ("service_accounts", made),
            ]);
        }
        Command::Disable(one) => (one, UserState::Disabled),
        Command::Enable(one) => (one, UserState::Active),
    };
    service
        .identity
        .set_user_state(call, one.account, &one.name, state)
        .await?;
    context.output.one(vec![
        ("name", one.name.into()),
        ("state", state.name().into()),
    ])
}
