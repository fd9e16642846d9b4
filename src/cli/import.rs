//! `transire import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::warn;
use super::session::Session;
use super::{Ended, arguments};
use crate::admin::{
    AccountText, ImportDockerAuth, ImportHtpasswd, Imported, InstanceText, Operation,
};
use crate::domain::{Error, Result};
use crate::import::rights;
use crate::views::ImportLine;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Import the users of an htpasswd file. They have no rights but those that --pull and --push
    /// give, and policies that you attach. Exits with 1 when something isn't carried, and with 2
    /// when it fails.
    Htpasswd(Htpasswd),
    /// Import the static users of a docker_auth configuration, with the rights that its list of
    /// access rules gives them. Exits with 1 when something isn't carried, and with 2 when it
    /// fails.
    DockerAuth(Import),
}

#[derive(Args)]
pub(super) struct Htpasswd {
    #[command(flatten)]
    import: Import,
    /// Let each user pull from this namespace; * is all of the instance. It may be repeated.
    #[arg(long, value_name = "NAMESPACE", value_parser = rights::namespace)]
    pull: Vec<String>,
    /// Let each user pull from and push to this namespace; * is all of the instance. It may be
    /// repeated.
    #[arg(long, value_name = "NAMESPACE", value_parser = rights::namespace)]
    push: Vec<String>,
}

#[derive(Args)]
pub(super) struct Import {
    /// The file; - reads standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The account that gets the users: its id or its name.
    #[arg(long)]
    account: AccountText,
    /// The instance's tcr- or cri- id, or its name: the old names log in there alone.
    #[arg(long)]
    instance: InstanceText,
    /// Change nothing, and print what would be made and what isn't carried.
    #[arg(long)]
    dry_run: bool,
    /// Import the others where some users are refused.
    #[arg(long)]
    skip_refused: bool,
    /// Give old names and passwords also to users that the account has already. An old password
    /// then gives all that the user may do at the instance.
    #[arg(long)]
    existing_users: bool,
    /// Name a user otherwise here than there, as OLD=NEW; it logs in with the old name. It may be
    /// repeated.
    #[arg(long, value_name = "OLD=NEW", value_parser = renaming)]
    rename: Vec<(String, String)>,
    /// Let the old passwords stop after so many days, unless their users choose others.
    #[arg(long, value_name = "DAYS", value_parser = days)]
    expires_in_days: Option<u32>,
}

fn renaming(text: &str) -> Result<(String, String)> {
    match text.rsplit_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err(Error::invalid_parameter(
            "rename",
            "a renaming is written like Alice.Smith=alice-smith",
        )),
    }
}

fn days(text: &str) -> Result<u32> {
    let number = text.parse().ok().filter(|days| (1..=36_500).contains(days));
    number.ok_or_else(|| Error::invalid_parameter("days", "a number from 1 to 36500"))
}

pub(super) async fn run(session: &Session, command: Command) -> Result<Ended> {
    match command {
        Command::Htpasswd(Htpasswd { import, pull, push }) => {
            let asked = ImportHtpasswd {
                account: import.account,
                instance: import.instance,
                text: arguments::read_file("FILE", &import.file)?,
                dry_run: import.dry_run,
                skip_refused: import.skip_refused,
                existing_users: import.existing_users,
                rename: import.rename.into_iter().collect(),
                expires_in_days: import.expires_in_days,
                pull,
                push,
            };
            carry_out(session, asked).await
        }
        Command::DockerAuth(import) => {
            let asked = ImportDockerAuth {
                account: import.account,
                instance: import.instance,
                text: arguments::read_file("FILE", &import.file)?,
                dry_run: import.dry_run,
                skip_refused: import.skip_refused,
                existing_users: import.existing_users,
                rename: import.rename.into_iter().collect(),
                expires_in_days: import.expires_in_days,
            };
            carry_out(session, asked).await
        }
    }
}

/// Has an import done, and prints what becomes of each line.
async fn carry_out(session: &Session, import: impl Operation<Answer = Imported>) -> Result<Ended> {
    let output = session.output();
    output.require_columns::<ImportLine>()?;
    let imported = session.ask(import).await?;
    output.list(imported.lines)?;
    imported.warnings.iter().for_each(warn);
    Ok(if imported.is_whole {
        Ended::Done
    } else {
        Ended::Denied
    })
}
