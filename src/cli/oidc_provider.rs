//! `transire oidc-provider`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::arguments;
use super::output::Fields;
use super::session::{List, Session};
use crate::admin::{
    CheckToken, CreateOidcProvider, DeleteOidcProvider, ListOidcProviders, ListRefusedSubjects,
    ShowOidcProvider, UpdateOidcProvider,
};
use crate::domain::Result;
use crate::views::{NewOidcProvider, View};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a provider: an issuer whose tokens the account's roles may trust.
    Create(Create),
    /// List an account's providers.
    List(List<ListOidcProviders>),
    /// Show a provider, with the keys that were given.
    Show(ShowOidcProvider),
    /// Change a provider's keys, audiences or algorithms. Sessions go on.
    Update(Update),
    /// Say whether a token is accepted, and print its content.
    Check(Check),
    /// List the subjects that an account refuses: see `transire revoke --subject`.
    Refused(List<ListRefusedSubjects>),
    /// Delete a provider: its tokens are refused from then on.
    Delete(DeleteOidcProvider),
}

#[derive(Args)]
pub(super) struct Create {
    #[command(flatten)]
    provider: CreateOidcProvider,
    /// A file with the issuer's public keys, a JWK set. Without it they are fetched from the
    /// issuer.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Update {
    #[command(flatten)]
    provider: UpdateOidcProvider,
    /// A file with the issuer's public keys, a JWK set, in place of those given or fetched. It may
    /// hold old and new keys.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present_any = ["audience", "algorithm"]
    )]
    jwks: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Check {
    #[command(flatten)]
    provider: CheckToken,
    /// The file with the token; - reads it from standard input.
    #[arg(long, value_name = "FILE")]
    token: PathBuf,
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Create(new) => create(session, new).await,
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.show(one).await,
        Command::Update(mut change) => {
            change.provider.jwks = read_keys(change.jwks.as_deref())?;
            session.print(change.provider).await
        }
        Command::Check(mut check) => {
            check.provider.token = arguments::read_token(&check.token)?;
            session.show(check.provider).await
        }
        Command::Refused(list) => session.list(list).await,
        Command::Delete(one) => session.print(one).await,
    }
}

async fn create(session: &Session, mut new: Create) -> Result<()> {
    new.provider.jwks = read_keys(new.jwks.as_deref())?;
    let account = new.provider.account.clone();
    let made = session.ask(new.provider).await?;
    let named = NewOidcProvider::COLUMNS.iter().copied().zip(made.values());
    let mut fields: Fields = named.filter(|(name, _)| *name != "trust_policy").collect();
    if let Some(policy) = made.trust_policy {
        let next = format!(
            "put your own names into this trust policy, save it, and run `transire role create \
             --account {account} --name NAME --trust-policy FILE`"
        );
        fields.extend([("next", next.into()), ("trust_policy", policy.into())]);
    }
    session.output().one(fields)
}

fn read_keys(file: Option<&Path>) -> Result<Option<String>> {
    file.map(|file| arguments::read_file("jwks", file))
        .transpose()
}
