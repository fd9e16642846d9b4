//! `transire access-key`.

use clap::Subcommand;

use super::{Context, arguments};
use crate::domain::Result;
use crate::domain::ids::AccountId;
use crate::service::AccessKeyState;
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an access key of an account's root user or of another user. Its secret is shown this
    /// once.
    Create {
        /// The account's id.
        #[arg(long)]
        account: AccountId,
        /// The user's name; without it, the key is the root user's.
        #[arg(long, value_parser = arguments::some_text)]
        user: Option<String>,
    },
    /// Stop an access key and the temporary credentials that it obtained. The audit lists its
    /// long-term ones.
    Disable {
        /// The access key's id.
        #[arg(long, value_parser = arguments::access_key_id)]
        id: String,
    },
    /// Let a disabled access key sign again.
    Enable {
        /// The access key's id.
        #[arg(long, value_parser = arguments::access_key_id)]
        id: String,
    },
    /// Stop an access key for ever, and the temporary credentials that it obtained.
    Delete {
        /// The access key's id.
        #[arg(long, value_parser = arguments::access_key_id)]
        id: String,
    },
    /// List the access keys.
    List {
        /// List only this account's keys.
        #[arg(long)]
        account: Option<AccountId>,
    },
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (id, state) = match command {
        Command::Create { account, user } => {
            let key = context
                .service
                .identity
                .create_access_key(&context.call(), account, user.as_deref())
                .await?;
            return context.output.one(vec![
                ("access_key_id", key.id.into()),
                ("access_key_secret", key.secret.expose().into()),
            ]);
        }
        Command::List { account } => {
            let keys = context
                .service
                .identity
                .access_keys(&context.call(), account)
                .await?;
            return context
                .output
                .list(keys.into_iter().map(views::AccessKey::from));
        }
        Command::Disable { id } => (id, AccessKeyState::Disabled),
        Command::Enable { id } => (id, AccessKeyState::Active),
        Command::Delete { id } => (id, AccessKeyState::Deleted),
    };
    context
        .service
        .identity
        .set_access_key_state(&context.call(), &id, state)
        .await?;
    context.output.one(vec![
        ("access_key_id", id.into()),
        ("state", state.name().into()),
    ])
}
