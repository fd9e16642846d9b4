//! The state of a service, read as lists.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::Result;
use crate::domain::identity::{OidcProvider, Policy, Role, Target, User};
use crate::domain::ids::AccountId;
use crate::service::{Account, Call, InstanceContents, Service};

/// The contents of an account, each noun by its name.
#[derive(Default)]
pub(super) struct Present {
    pub(super) policies: BTreeMap<String, Policy>,
    pub(super) users: BTreeMap<String, User>,
    /// The groups, with their members.
    pub(super) groups: BTreeMap<String, BTreeSet<String>>,
    pub(super) oidc_providers: BTreeMap<String, OidcProvider>,
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) instances: BTreeMap<String, InstanceContents>,
    attached: HashMap<Target, BTreeSet<String>>,
}

impl Present {
    /// Reads what is in an account. The questions are as many for a thousand objects as for one.
    ///
    /// # Errors
    /// Those of the use cases.
    pub(super) async fn read(
        service: &Service,
        call: &Call<'_>,
        account: AccountId,
    ) -> Result<Self> {
        let identity = &service.identity;
        let policies = identity.policies(call, account).await?;
        let users = identity.users(call, account).await?;
        let groups = identity.groups(call, account).await?;
        let providers = identity.oidc_providers(call, account).await?;
        let roles = identity.roles(call, account).await?;
        let instances = service.registry.inventory(call, account).await?;
        let mut attached: HashMap<Target, BTreeSet<String>> = HashMap::new();
        for attachment in identity.attachments(call, account).await? {
            let policies = attached.entry(attachment.target).or_default();
            policies.insert(attachment.policy);
        }
        Ok(Self {
            policies: by_name(policies, |policy| &policy.name),
            users: by_name(users, |user| &user.name),
            groups: groups
                .into_iter()
                .map(|(group, members)| (group.name, members.into_iter().collect()))
                .collect(),
            oidc_providers: by_name(providers, |provider| &provider.name),
            roles: by_name(roles, |role| &role.name),
            instances: by_name(instances, |contents| &contents.instance.name),
            attached,
        })
    }

    /// Returns the names of the policies that are attached to a target.
    pub(super) fn attached(&self, target: &Target) -> impl Iterator<Item = &str> {
        let policies = self.attached.get(target).into_iter().flatten();
        policies.map(String::as_str)
    }

    /// Tells whether a policy is attached to a target.
    pub(super) fn is_attached(&self, policy: &str, target: &Target) -> bool {
        let policies = self.attached.get(target);
        policies.is_some_and(|policies| policies.contains(policy))
    }
}

/// Reads the accounts, by their ids.
///
/// # Errors
/// Those of the use case.
pub(super) async fn accounts(
    service: &Service,
    call: &Call<'_>,
) -> Result<BTreeMap<AccountId, Account>> {
    let accounts = service.identity.accounts(call).await?;
    Ok(accounts
        .into_iter()
        .map(|account| (account.id, account))
        .collect())
}

fn by_name<T>(all: Vec<T>, name: impl Fn(&T) -> &String) -> BTreeMap<String, T> {
    all.into_iter()
        .map(|one| (name(&one).clone(), one))
        .collect()
}
