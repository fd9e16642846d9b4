//! `transire allow-list`.

use clap::{Args, Subcommand};

use super::Context;
use crate::domain::allow_list::{AllowEntry, Cidr};
use crate::domain::instance::AnyInstanceId;
use crate::domain::switch::Switch;
use crate::domain::{Result, name};
use crate::service::{AllowListPlace, InstanceChoice, Permission};
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Let clients at these addresses log in. From then on no other address may.
    Add {
        #[command(flatten)]
        one: One,
        /// An address, or a range such as 192.0.2.0/24.
        #[arg(long)]
        cidr: String,
        /// The purpose of the entry.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Remove an entry. An empty list that is enabled lets nobody in.
    Remove {
        #[command(flatten)]
        one: One,
        /// The entry's address or range.
        #[arg(long)]
        cidr: Cidr,
    },
    /// List the entries, in the order in which they were added.
    List(One),
    /// Enable the list.
    Enable(One),
    /// Disable the list but keep its entries: every address may log in.
    Disable(One),
}

#[derive(Args)]
pub(super) struct One {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: AnyInstanceId,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let (one, switch) = match command {
        Command::Add { one, cidr, comment } => {
            name::check_description("comment", &comment)?;
            let entry = AllowEntry {
                cidr: cidr.parse()?,
                written: cidr,
                comment,
            };
            service
                .registry
                .add_to_allow_list(call, &one.instance.into(), std::slice::from_ref(&entry))
                .await?;
            return context.output.one(vec![
                ("cidr", entry.written.into()),
                ("state", "added".into()),
            ]);
        }
        Command::Remove { one, cidr } => {
            service
                .registry
                .remove_from_allow_list(call, &one.instance.into(), &[AllowListPlace::Cidr(cidr)])
                .await?;
            return context.output.one(vec![
                ("cidr", cidr.to_string().into()),
                ("state", "removed".into()),
            ]);
        }
        Command::List(one) => {
            let (_, list) = service
                .registry
                .allow_list(call, &one.instance.into(), Permission::ListAclEntries)
                .await?;
            return context
                .output
                .list(list.entries.iter().cloned().map(views::AllowEntry::from));
        }
        Command::Enable(one) => (one, Switch::On),
        Command::Disable(one) => (one, Switch::Off),
    };
    let instance = service
        .registry
        .instance(call, &one.instance.into())
        .await?;
    service
        .registry
        .set_allow_list(call, &InstanceChoice::Tcr(instance.id.clone()), switch)
        .await?;
    context.output.one(vec![
        ("instance", instance.id.as_str().into()),
        ("state", views::allow_list_state(switch).into()),
    ])
}
