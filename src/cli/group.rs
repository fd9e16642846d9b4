//! `transire group`.

use clap::{Args, Subcommand};

use super::{Context, Named, arguments};
use crate::domain::Result;
use crate::domain::ids::AccountId;
use crate::service::Membership;
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a group.
    Create(Named),
    /// List an account's groups and their members.
    List {
        /// The account's id.
        #[arg(long)]
        account: AccountId,
    },
    /// Add a user to a group.
    Add(Member),
    /// Remove a user from a group.
    Remove(Member),
    /// Delete a group; its members are not deleted.
    Delete(Named),
}

#[derive(Args)]
pub(super) struct Member {
    #[command(flatten)]
    group: Named,
    /// The user's name.
    #[arg(long, value_parser = arguments::some_text)]
    user: String,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let (member, membership) = match command {
        Command::Create(one) => {
            let group = service
                .identity
                .create_group(call, one.account, &one.name)
                .await?;
            return context.output.one(vec![("name", group.name.into())]);
        }
        Command::List { account } => {
            let groups = service.identity.groups(call, account).await?;
            return context
                .output
                .list(groups.into_iter().map(views::Group::from));
        }
        Command::Delete(one) => {
            service
                .identity
                .delete_group(call, one.account, &one.name)
                .await?;
            return context
                .output
                .one(vec![("name", one.name.into()), ("state", "deleted".into())]);
        }
        Command::Add(member) => (member, Membership::In),
        Command::Remove(member) => (member, Membership::Out),
    };
    let Member { group, user } = member;
    service
        .identity
        .set_member(call, group.account, &group.name, &user, membership)
        .await?;
    context.output.one(vec![
        ("name", group.name.into()),
        ("user", user.into()),
        ("member", (membership == Membership::In).into()),
    ])
}
