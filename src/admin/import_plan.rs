//! The making of what an import's file has: users, old passwords and policies.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::clock::Timestamp;
use crate::domain::credential::PasswordHash;
use crate::domain::instance::Instance;
use crate::domain::{Error, Result};
use crate::import::OldUser;
use crate::service::{Call, ExistingUsers, ImportState, ImportedUser, Service};
use crate::views::ImportLine;

/// The longest time for which old passwords may work, in days.
const MAX_DAYS: u32 = 36_500;

/// The outcome of an import.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// Each policy and each line of the file.
    pub lines: Vec<ImportLine>,
    /// Whether all of the file is carried.
    pub is_whole: bool,
    /// Warnings about what was made.
    pub warnings: Vec<String>,
}

/// The choices of an import.
pub(super) struct Choices {
    pub(super) dry_run: bool,
    pub(super) skip_refused: bool,
    pub(super) existing_users: bool,
    pub(super) expires_in_days: Option<u32>,
}

/// A user of the file, and what it gets.
pub(super) struct Planned {
    line: usize,
    pub(super) old_name: String,
    pub(super) user: String,
    pub(super) hash: Result<PasswordHash, String>,
    pub(super) policies: Vec<String>,
}

/// All that an import is to make.
#[derive(Default)]
pub(super) struct Plan {
    /// The documents by the names of the policies.
    pub(super) policies: BTreeMap<String, String>,
    pub(super) users: Vec<Planned>,
    /// The parts that aren't carried.
    pub(super) left_out: Vec<ImportLine>,
    pub(super) warnings: Vec<String>,
}

/// Gives each user its name here.
pub(super) fn planned(
    users: &[OldUser],
    renamings: &BTreeMap<String, String>,
) -> Result<Vec<Planned>> {
    let known: BTreeSet<&str> = users.iter().map(|user| user.name.as_str()).collect();
    if let Some(unknown) = renamings.keys().find(|old| !known.contains(old.as_str())) {
        return Err(Error::invalid_parameter(
            "rename",
            format!("the file has no user {unknown}"),
        ));
    }
    let mut taken = BTreeSet::new();
    Ok(users
        .iter()
        .map(|old| {
            let user = renamings.get(&old.name).unwrap_or(&old.name);
            let is_first = old.hash.is_err() || taken.insert(user.clone());
            Planned {
                line: old.line,
                old_name: old.name.clone(),
                user: user.clone(),
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

/// Makes what is planned, or only says it; says what becomes of each line.
pub(super) async fn carry_out(
    service: &Service,
    call: &Call<'_>,
    choices: &Choices,
    instance: &Instance,
    plan: Plan,
) -> Result<Imported> {
    let terms = Terms::of(choices, call.now)?;
    let states = states(service, call, instance, &plan.users, &terms).await?;
    let is_refused = |state: &&ImportState| matches!(state, ImportState::Refused(_));
    let refused = states.iter().filter(is_refused).count();
    let makes = !choices.dry_run && (refused == 0 || choices.skip_refused);
    let mut lines = policies(service, call, instance, &plan, &states, makes).await?;
    for (user, state) in plan.users.iter().zip(states) {
        if let (true, true, Ok(imported)) = (makes, is_to_be_made(&state), terms.of_user(user)) {
            let identity = &service.identity;
            identity.import_user(call, instance, &imported).await?;
        }
        lines.push(user_line(user, state, makes));
    }
    let is_whole = refused == 0 && plan.left_out.is_empty();
    lines.extend(plan.left_out);
    let mut warnings = plan.warnings;
    if !choices.dry_run && !makes {
        warnings.push(format!(
            "nothing was made, because {refused} of the users are refused: mend the file, name \
             them otherwise by --rename, or import the others by --skip-refused"
        ));
    }
    Ok(Imported {
        lines,
        is_whole,
        warnings,
    })
}

/// The terms that hold for all users of an import.
struct Terms {
    expires_at: Option<Timestamp>,
    existing: ExistingUsers,
}

impl Terms {
    fn of(choices: &Choices, now: Timestamp) -> Result<Self> {
        let expires_in = choices.expires_in_days.map(|days| {
            if (1..=MAX_DAYS).contains(&days) {
                return Ok(now.plus(Duration::from_hours(24 * u64::from(days))));
            }
            let why = format!("a number from 1 to {MAX_DAYS}");
            Err(Error::invalid_parameter("expires_in_days", why))
        });
        Ok(Self {
            expires_at: expires_in.transpose()?,
            existing: if choices.existing_users {
                ExistingUsers::Take
            } else {
                ExistingUsers::Refuse
            },
        })
    }

    /// Returns what is to be made of a user, or why its hash isn't taken.
    fn of_user<'a>(&self, user: &'a Planned) -> Result<ImportedUser<'a>, String> {
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
    service: &Service,
    call: &Call<'_>,
    instance: &Instance,
    users: &[Planned],
    terms: &Terms,
) -> Result<Vec<ImportState>> {
    let identity = &service.identity;
    let mut states = Vec::with_capacity(users.len());
    for user in users {
        states.push(match terms.of_user(user) {
            Ok(imported) => identity.import_state(call, instance, &imported).await?,
            Err(why) => ImportState::Refused(why),
        });
    }
    Ok(states)
}

/// Makes the policies of users that are to be made, or only looks whether they are there.
async fn policies(
    service: &Service,
    call: &Call<'_>,
    instance: &Instance,
    plan: &Plan,
    states: &[ImportState],
    makes: bool,
) -> Result<Vec<ImportLine>> {
    let identity = &service.identity;
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
