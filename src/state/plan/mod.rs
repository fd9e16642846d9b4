//! The plan: the steps from what a service has to what a file says, in the order in which one
//! thing needs another. Deletions come last, in the reverse order.

mod identity;
mod instances;
mod prune;

use std::collections::{BTreeMap, HashMap, HashSet};

use toml::Spanned;

use super::deed::Deed;
use super::format::{Account, Grant, Names, Word};
use super::present::{self, Present};
use super::source::{Source, hint};
use super::step::{Action, Changes, Step};
use super::{Options, State};
use crate::domain::ids::AccountId;
use crate::domain::{Error, Noun, Result, name};
use crate::service::{self, Call, Service};

/// The steps of one plan.
pub(super) const MAX_STEPS: usize = 100_000;

/// A step, and how it is executed.
pub(super) struct Planned<'s> {
    pub(super) step: Step,
    pub(super) noun: Noun,
    pub(super) account: AccountId,
    /// The place in the file, in bytes.
    pub(super) at: Option<usize>,
    pub(super) deed: Deed<'s>,
}

/// The steps, and the objects that pruning leaves.
pub(super) struct Plan<'s> {
    pub(super) steps: Vec<Planned<'s>>,
    pub(super) kept: Vec<String>,
}

/// Plans the steps from what the service has to what a state says.
///
/// # Errors
/// `InvalidParameter` with the file and the line of what can't be made; those of the use cases.
pub(super) async fn plan<'s>(
    service: &Service,
    call: &Call<'_>,
    state: &'s State,
    options: &Options,
) -> Result<Plan<'s>> {
    let present = present::accounts(service, call).await?;
    let mut planner = Planner {
        service,
        call,
        source: &state.source,
        options,
        is_seed: state.is_seed,
        owners: Owners::read(service, call).await?,
        steps: Vec::new(),
        deletions: Vec::new(),
        kept: Vec::new(),
    };
    let mut named = HashSet::new();
    for account in &state.content.accounts {
        let (id, at) = (account.id.as_ref().0, account.id.span().start);
        if !named.insert(id) {
            return Err(state.source.fault(at, "this account comes twice"));
        }
        planner.account(account, present.get(&id)).await?;
    }
    let Planner {
        mut steps,
        mut deletions,
        kept,
        ..
    } = planner;
    deletions.sort_by_key(|(rank, _)| *rank);
    steps.extend(deletions.into_iter().map(|(_, planned)| planned));
    if steps.len() > MAX_STEPS {
        let why = format!(
            "these are {} steps, and {MAX_STEPS} are allowed: divide the file",
            steps.len()
        );
        return Err(state.source.fault(0, &why));
    }
    Ok(Plan { steps, kept })
}

/// The accounts that own what is unique over all accounts.
struct Owners {
    services: HashMap<String, (AccountId, String)>,
    ids: HashMap<String, (AccountId, String)>,
    access_keys: HashSet<String>,
}

impl Owners {
    async fn read(service: &Service, call: &Call<'_>) -> Result<Self> {
        let (mut services, mut ids) = (HashMap::new(), HashMap::new());
        for instance in service.registry.instances(call).await? {
            let owner = (instance.account, instance.name);
            ids.insert(instance.id.to_string(), owner.clone());
            ids.insert(instance.cri_id.to_string(), owner.clone());
            services.insert(instance.service, owner);
        }
        Ok(Self {
            services,
            ids,
            access_keys: HashSet::new(),
        })
    }
}

/// The order of deletions; what needs others goes before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Namespace,
    Instance,
    Role,
    OidcProvider,
    Group,
    User,
    Policy,
}

struct Planner<'p, 's> {
    service: &'p Service,
    call: &'p Call<'p>,
    source: &'s Source,
    options: &'p Options,
    is_seed: bool,
    owners: Owners,
    steps: Vec<Planned<'s>>,
    deletions: Vec<(Rank, Planned<'s>)>,
    kept: Vec<String>,
}

impl<'s> Planner<'_, 's> {
    async fn account(
        &mut self,
        wanted: &'s Account,
        there: Option<&service::Account>,
    ) -> Result<()> {
        let id = wanted.id.as_ref().0;
        let present = match there {
            Some(_) => Present::read(self.service, self.call, id).await?,
            None => Present::default(),
        };
        let mut inside = Inside {
            planner: self,
            account: id,
            wanted,
            present: &present,
            built_in: BTreeMap::new(),
        };
        inside.account(there)?;
        inside.policies()?;
        inside.users()?;
        inside.groups()?;
        inside.members()?;
        Box::pin(inside.attachments_of_users_and_groups()).await?;
        Box::pin(inside.access_keys()).await?;
        inside.oidc_providers()?;
        inside.roles()?;
        Box::pin(inside.attachments_of_roles()).await?;
        inside.instances()?;
        Box::pin(inside.prune()).await
    }
}

/// The planning of one account.
struct Inside<'i, 'p, 's> {
    planner: &'i mut Planner<'p, 's>,
    account: AccountId,
    wanted: &'s Account,
    present: &'i Present,
    /// Whether a policy of this name is built in, of those that were asked for.
    built_in: BTreeMap<String, bool>,
}

impl<'s> Inside<'_, '_, 's> {
    /// Adds a step about an object that the file names.
    fn add(&mut self, action: Action, about: About<'_>, changes: Changes, deed: Deed<'s>) {
        let planned = self.planned(action, about, changes, deed);
        self.planner.steps.push(planned);
    }

    fn planned(
        &self,
        action: Action,
        about: About<'_>,
        changes: Changes,
        deed: Deed<'s>,
    ) -> Planned<'s> {
        Planned {
            step: Step {
                action,
                noun: about.noun.words().to_owned(),
                account: self.account.to_string(),
                name: about.name.to_owned(),
                target: about.target,
                changes: changes.0,
            },
            noun: about.noun,
            account: self.account,
            at: about.at,
            deed,
        }
    }

    /// Makes the error of the line at which a name is.
    fn fault<T>(&self, name: &Spanned<T>, why: &str) -> Error {
        self.planner.source.fault(name.span().start, why)
    }

    /// Returns a mapping of errors to faults of an object of the file.
    fn fault_of<T>(&self, noun: Noun, name: &Spanned<T>) -> impl Fn(Error) -> Error {
        self.planner.source.fault_of(noun, name.span().start)
    }

    /// Refuses a name that comes twice.
    fn once<'n>(&self, noun: Noun, names: impl Iterator<Item = &'n Spanned<String>>) -> Result<()> {
        let mut seen = HashSet::new();
        for name in names {
            if !seen.insert(name.as_ref()) {
                let why = format!("{noun}: {} comes twice", name.as_ref());
                return Err(self.fault(name, &why));
            }
        }
        Ok(())
    }

    /// Returns the names that the file gives, or none where it gives no list and that means none.
    fn names(&self, given: &'s Option<Names>) -> Option<&'s [Spanned<String>]> {
        match given {
            Some(names) => Some(names),
            None if self.planner.options.prune => Some(&[]),
            None => None,
        }
    }

    /// Makes the error of a name that names nothing.
    fn missing<'n>(
        &self,
        noun: Noun,
        name: &Spanned<String>,
        known: impl Iterator<Item = &'n str>,
    ) -> Error {
        let hint = hint(name.as_ref(), known);
        let why = format!("{noun}: there is no {noun} {}{hint}", name.as_ref());
        self.fault(name, &why)
    }

    /// Compares the account itself.
    fn account(&mut self, there: Option<&service::Account>) -> Result<()> {
        let (wanted, id) = (self.wanted, self.account.to_string());
        let grant = wanted.service_account_grant.map(|Word(Grant(grant))| grant);
        let about = About::of(Noun::Account, &id, wanted.id.span().start);
        let mut changes = Changes::default();
        let word = |grant: Option<service::ServiceAccountGrant>| {
            grant.map_or("default", service::ServiceAccountGrant::name)
        };
        let Some(there) = there else {
            if let Some(name) = &wanted.name {
                name::check_name("name", name.as_ref())
                    .map_err(self.fault_of(Noun::Account, name))?;
            }
            let own = wanted.name.as_ref().map_or(&id, |name| name.as_ref());
            changes.note("name", (), own.clone());
            changes.given("service_account_grant", &grant.map(word));
            self.add(Action::Create, about, changes, Deed::CreateAccount(wanted));
            return Ok(());
        };
        if let Some(given) = &wanted.name
            && *given.as_ref() != there.name
        {
            let why = format!(
                "account: it is called {}, and an account's name doesn't change",
                there.name
            );
            return Err(self.fault(given, &why));
        }
        let present = word(there.service_account_grant);
        let changed = changes.compare("service_account_grant", &present, grant.map(word));
        if let (Some(_), Some(grant)) = (changed, grant) {
            self.add(Action::Update, about, changes, Deed::SetGrant(grant));
        }
        Ok(())
    }
}

/// The object of a step.
struct About<'a> {
    noun: Noun,
    name: &'a str,
    target: Option<String>,
    at: Option<usize>,
}

impl<'a> About<'a> {
    fn of(noun: Noun, name: &'a str, at: usize) -> Self {
        Self {
            noun,
            name,
            target: None,
            at: Some(at),
        }
    }

    /// An object that the file gives a name to.
    fn named(noun: Noun, name: &'a Spanned<String>) -> Self {
        Self::of(noun, name.as_ref(), name.span().start)
    }

    /// An object that the file doesn't name.
    fn unnamed(noun: Noun, name: &'a str) -> Self {
        Self {
            noun,
            name,
            target: None,
            at: None,
        }
    }

    fn at_target(self, target: String) -> Self {
        Self {
            target: Some(target),
            ..self
        }
    }
}
