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
    match command {
        Command::Create(new) => create(context, new).await,
        Command::List { instance } => list(context, instance).await,
        Command::Delete(one) => delete(context, one).await,
        Command::Unrecorded { instance, state } => set_unrecorded(context, instance, state).await,
    }
}

async fn create(context: &Context, create: Create) -> Result<()> {
    let visibility = Visibility::of(create.public);
    let new = NewNamespace {
        visibility,
        default_visibility: visibility,
        auto_create_repository: Switch::from(!create.no_auto_create),
        ..NewNamespace::named(create.one.name)
    };
    name::check_namespace("name", &new.name)?;
    let made = context
        .service
        .registry
        .create_namespace(&context.call(), &create.one.instance.into(), new)
        .await?;
    context.output.view(&views::Namespace::from(made))
}

async fn list(context: &Context, instance: AnyInstanceId) -> Result<()> {
    let (choice, filter) = (instance.into(), NamespaceFilter::default());
    let listed = context
        .service
        .registry
        .namespaces(&context.call(), &choice, &filter, Page::ALL)
        .await?;
    context.output.list(
        listed
            .items
            .into_iter()
            .map(|one| views::Namespace::from(one.namespace)),
    )
}

async fn delete(context: &Context, Delete { one, force }: Delete) -> Result<()> {
    let contents = if force {
        Contents::GoToo
    } else {
        Contents::MustBeGone
    };
    context
        .service
        .registry
        .delete_namespace(&context.call(), &one.instance.into(), &one.name, contents)
        .await?;
    context
        .output
        .one(vec![("name", one.name.into()), ("state", "deleted".into())])
}

async fn set_unrecorded(
    context: &Context,
    instance: AnyInstanceId,
    state: UnrecordedNamespaces,
) -> Result<()> {
    let (registry, call) = (&context.service.registry, &context.call());
    let choice = instance.into();
    registry
        .set_unrecorded_namespaces(call, &choice, state)
        .await?;
    let id = registry.instance(call, &choice).await?.id.to_string();
    context.output.one(vec![
        ("instance", id.into()),
        ("unrecorded_namespaces", state.name().into()),
    ])
}
