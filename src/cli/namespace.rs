//! `transire namespace`.

use clap::{Args, Subcommand};

use super::{Context, arguments};
use crate::domain::instance::{AnyInstanceId, UnrecordedNamespaces};
use crate::domain::namespace::Visibility;
use crate::domain::switch::Switch;
use crate::domain::{Result, name};
use crate::service::{Contents, NamespaceFilter, NewNamespace, Page};
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Record a namespace.
    Create(Create),
    /// List the recorded namespaces, the oldest first.
    List {
        /// The instance's tcr- or cri- id.
        #[arg(long)]
        instance: AnyInstanceId,
    },
    /// Delete a namespace's record; its images stay in the registry.
    Delete(Delete),
    /// Choose whether unrecorded namespaces accept pushes.
    Unrecorded {
        /// The instance's tcr- or cri- id.
        #[arg(long)]
        instance: AnyInstanceId,
        /// open: callers with the right may push; closed: nobody may.
        state: UnrecordedNamespaces,
    },
}

#[derive(Args)]
pub(super) struct Create {
    #[command(flatten)]
    one: One,
    /// Let anyone pull from it without a log-in.
    #[arg(long)]
    public: bool,
    /// Allow pushes only to recorded repositories.
    #[arg(long)]
    no_auto_create: bool,
}

#[derive(Args)]
pub(super) struct Delete {
    #[command(flatten)]
    one: One,
    /// Delete the records of its repositories, too.
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
pub(super) struct One {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: AnyInstanceId,
    /// The namespace's name.
    #[arg(long, value_parser = arguments::some_text)]
    name: String,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    match command {
        Command::Create(Create {
            one,
            public,
            no_auto_create,
        }) => {
            let visibility = if public {
                Visibility::Public
            } else {
                Visibility::Private
            };
            let new = NewNamespace {
                visibility,
                default_visibility: visibility,
                auto_create_repository: Switch::from(!no_auto_create),
                ..NewNamespace::named(one.name)
            };
            name::check_namespace("name", &new.name)?;
            let made = service
                .registry
                .create_namespace(call, &one.instance.into(), new)
                .await?;
            context.output.view(&views::Namespace::from(made))
        }
        Command::List { instance } => {
            let listed = service
                .registry
                .namespaces(
                    call,
                    &instance.into(),
                    &NamespaceFilter::default(),
                    Page::ALL,
                )
                .await?;
            context.output.list(
                listed
                    .items
                    .into_iter()
                    .map(|one| views::Namespace::from(one.namespace)),
            )
        }
        Command::Delete(Delete { one, force }) => {
            let contents = if force {
                Contents::GoToo
            } else {
                Contents::MustBeGone
            };
            service
                .registry
                .delete_namespace(call, &one.instance.into(), &one.name, contents)
                .await?;
            context
                .output
                .one(vec![("name", one.name.into()), ("state", "deleted".into())])
        }
        Command::Unrecorded { instance, state } => {
            let choice = instance.into();
            service
                .registry
                .set_unrecorded_namespaces(call, &choice, state)
                .await?;
            let id = service
                .registry
                .instance(call, &choice)
                .await?
                .id
                .to_string();
            context.output.one(vec![
                ("instance", id.into()),
                ("unrecorded_namespaces", state.name().into()),
            ])
        }
    }
}
