//! `transire import`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Context, Ended, arguments, output};
use crate::domain::clock::Timestamp;
use crate::domain::credential::PasswordHash;
use crate::domain::ids::AccountId;
use crate::domain::instance::{AnyInstanceId, Instance};
use crate::domain::{Error, Result};
use crate::import::docker_auth::translate::{self, Rights};
use crate::import::{OldUser, docker_auth, htpasswd, rights};
use crate::service::{ExistingUsers, ImportState, ImportedUser};
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
    /// The id of the account that gets the users.
    #[arg(long)]
    account: AccountId,
    /// The instance's tcr- or cri- id: the old names log in there alone.
    #[arg(long)]
    instance: AnyInstanceId,
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

/// A user of the file, and what it gets.
struct Planned {
    line: usize,
    old_name: String,
    user: String,
    hash: Result<PasswordHash, String>,
    policies: Vec<String>,
}

/// All that an import is to make.
#[derive(Default)]
struct Plan {
    /// The documents by the names of the policies.
    policies: BTreeMap<String, String>,
    users: Vec<Planned>,
    /// The parts that aren't carried.
    left_out: Vec<ImportLine>,
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

pub(super) async fn run(context: &Context, command: Command) -> Result<Ended> {
    match command {
        Command::Htpasswd(command) => import_htpasswd(context, &command).await,
        Command::DockerAuth(import) => import_docker_auth(context, &import).await,
    }
}

async fn import_docker_auth(context: &Context, import: &Import) -> Result<Ended> {
    let instance = place(context, import).await?;
    let config = docker_auth::read(&arguments::read_file("FILE", &import.file)?)?;
    let rights: BTreeMap<String, Rights> = config
        .users
        .iter()
        .map(|user| {
            let name = user.name.as_str();
            let rights = translate::rights(&config.acl, name, &instance.service, &instance.cri_id);
            (user.name.clone(), rights)
        })
        .collect();
    let mut users = planned(&config.users, &import.rename)?;
    let mut policies = BTreeMap::new();
    for user in &mut users {
        let documents = rights
            .get(&user.old_name)
            .map(|rights| &rights.documents[..]);
        for (index, document) in documents.unwrap_or_default().iter().enumerate() {
            let name = match index {
                0 => format!("docker-auth-{}-{}", instance.id, user.user),
                more => format!("docker-auth-{}-{}_{}", instance.id, user.user, more + 1),
            };
            user.policies.push(name.clone());
            if user.hash.is_ok() {
                policies.insert(name, document.clone());
            }
        }
    }
    let of_users = rights.iter().map(|(user, rights)| (user.as_str(), rights));
    let mut left_out = config.left_out;
    left_out.extend(translate::left_out(of_users));
    let left_out = left_out.into_iter().map(|part| ImportLine {
        line: Some(part.line),
        kind: part.kind.to_owned(),
        name: part.name,
        result: "left-out".to_owned(),
        detail: part.why,
    });
    let plan = Plan {
        policies,
        users,
        left_out: left_out.collect(),
    };
    carry_out(context, import, &instance, plan).await
}

async fn import_htpasswd(context: &Context, command: &Htpasswd) -> Result<Ended> {
    let import = &command.import;
    let instance = place(context, import).await?;
    let text = arguments::read_file("FILE", &import.file)?;
    let document = rights::of_namespaces(&instance.cri_id, &command.pull, &command.push);
    let mut plan = Plan::default();
    let mut policies = Vec::new();
    match document {
        Some(document) => {
            let name = format!("htpasswd-{}", instance.id);
            policies.push(name.clone());
            plan.policies.insert(name, document);
        }
        None => output::warn(
            "the users get no rights: give --pull and --push, or attach policies to them",
        ),
    }
    plan.users = planned(&htpasswd::read(&text), &import.rename)?;
    for user in &mut plan.users {
        user.policies.clone_from(&policies);
    }
    carry_out(context, import, &instance, plan).await
}

async fn place(context: &Context, import: &Import) -> Result<Arc<Instance>> {
    let (identity, call) = (&context.service.identity, &context.call());
    identity
        .import_place(call, import.account, &import.instance)
        .await
}

/// Gives each user its name here.
fn planned(users: &[OldUser], renamings: &[(String, String)]) -> Result<Vec<Planned>> {
    let renamings: BTreeMap<&str, &str> = renamings
        .iter()
        .map(|(old, new)| (old.as_str(), new.as_str()))
        .collect();
    let known: BTreeSet<&str> = users.iter().map(|user| user.name.as_str()).collect();
    if let Some(unknown) = renamings.keys().find(|old| !known.contains(*old)) {
        return Err(Error::invalid_parameter(
            "rename",
            format!("the file has no user {unknown}"),
        ));
    }
    let mut taken = BTreeSet::new();
    Ok(users
        .iter()
        .map(|old| {
            let user = *renamings
                .get(old.name.as_str())
                .unwrap_or(&old.name.as_str());
            let is_first = old.hash.is_err() || taken.insert(user.to_owned());
            Planned {
                line: old.line,
                old_name: old.name.clone(),
                user: user.to_owned(),
                hash: if is_first {
                    old.hash.clone()
                } else {
                    Err(format!("another user of the file is named {user} here"))
                },
                policies: Vec::new(),
            }
        })
        .collect())
}

/// Makes what is planned, or only says it; prints what becomes of each line.
async fn carry_out(
    context: &Context,
    import: &Import,
    instance: &Instance,
    plan: Plan,
) -> Result<Ended> {
    context.output.require_columns::<ImportLine>()?;
    let days = |days: u32| Duration::from_hours(24 * u64::from(days));
    let terms = Terms {
        expires_at: import
            .expires_in_days
            .map(|number| context.call().now.plus(days(number))),
        existing: if import.existing_users {
            ExistingUsers::Take
        } else {
            ExistingUsers::Refuse
        },
    };
    let states = states(context, instance, &plan.users, &terms).await?;
    let is_refused = |state: &&ImportState| matches!(state, ImportState::Refused(_));
    let refused = states.iter().filter(is_refused).count();
    let makes = !import.dry_run && (refused == 0 || import.skip_refused);
    let mut lines = policies(context, instance, &plan, &states, makes).await?;
    for (user, state) in plan.users.iter().zip(states) {
        if let (true, true, Ok(imported)) = (makes, is_to_be_made(&state), terms.of(user)) {
            let (identity, call) = (&context.service.identity, &context.call());
            identity.import_user(call, instance, &imported).await?;
        }
        lines.push(user_line(user, state, makes));
    }
    let is_whole = refused == 0 && plan.left_out.is_empty();
    lines.extend(plan.left_out);
    context.output.list(lines)?;
    if !import.dry_run && !makes {
        output::warn(format!(
            "nothing was made, because {refused} of the users are refused: mend the file, name \
             them otherwise by --rename, or import the others by --skip-refused"
        ));
    }
    Ok(if is_whole { Ended::Done } else { Ended::Denied })
}

/// The terms that hold for all users of an import.
struct Terms {
    expires_at: Option<Timestamp>,
    existing: ExistingUsers,
}

impl Terms {
    /// Returns what is to be made of a user, or why its hash isn't taken.
    fn of<'a>(&self, user: &'a Planned) -> Result<ImportedUser<'a>, String> {
        Ok(ImportedUser {
            old_name: &user.old_name,
            user: &user.user,
            hash: user.hash.as_ref().map_err(String::clone)?,
            expires_at: self.expires_at,
            policies: &user.policies,
            existing: self.existing,
        })
    }
}

fn is_to_be_made(state: &ImportState) -> bool {
    matches!(state, ImportState::New | ImportState::Joins(_))
}

/// Says of each user what the import would do.
async fn states(
    context: &Context,
    instance: &Instance,
    users: &[Planned],
    terms: &Terms,
) -> Result<Vec<ImportState>> {
    let (identity, call) = (&context.service.identity, &context.call());
    let mut states = Vec::with_capacity(users.len());
    for user in users {
        states.push(match terms.of(user) {
            Ok(imported) => identity.import_state(call, instance, &imported).await?,
            Err(why) => ImportState::Refused(why),
        });
    }
    Ok(states)
}

/// Makes the policies of users that are to be made, or only looks whether they are there.
async fn policies(
    context: &Context,
    instance: &Instance,
    plan: &Plan,
    states: &[ImportState],
    makes: bool,
) -> Result<Vec<ImportLine>> {
    let (identity, call) = (&context.service.identity, &context.call());
    let wanted: BTreeSet<&String> = plan
        .users
        .iter()
        .zip(states)
        .filter(|(_, state)| is_to_be_made(state))
        .flat_map(|(user, _)| &user.policies)
        .collect();
    let mut lines = Vec::new();
    for (name, document) in plan
        .policies
        .iter()
        .filter(|(name, _)| wanted.contains(name))
    {
        let account = instance.account;
        let has = identity.has_imported_policy(call, account, name, document);
        let has = has.await?;
        if makes {
            let made = identity.import_policy(call, account, name, document);
            made.await?;
        }
        lines.push(ImportLine {
            line: None,
            kind: "policy".to_owned(),
            name: name.clone(),
            result: result(makes, has).to_owned(),
            detail: document.clone(),
        });
    }
    Ok(lines)
}

fn user_line(user: &Planned, state: ImportState, makes: bool) -> ImportLine {
    let policies = if user.policies.is_empty() {
        "no policy".to_owned()
    } else {
        user.policies.join(", ")
    };
    let (result, detail) = match state {
        ImportState::New => (
            result(makes, false),
            format!("the user {}, with {policies}", user.user),
        ),
        ImportState::Joins(_) => (
            result(makes, false),
            format!("for the user {} that is there, with {policies}", user.user),
        ),
        ImportState::AlreadyThere => ("already-there", format!("the user {}", user.user)),
        ImportState::Refused(why) => ("refused", why),
    };
    ImportLine {
        line: Some(user.line),
        kind: "user".to_owned(),
        name: user.old_name.clone(),
        result: result.to_owned(),
        detail,
    }
}

fn result(makes: bool, is_there: bool) -> &'static str {
    match (makes, is_there) {
        (_, true) => "already-there",
        (true, false) => "made",
        (false, false) => "new",
    }
}
