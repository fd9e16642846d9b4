//! Policies, users, groups, access keys, providers and roles.

use std::collections::{BTreeSet, HashSet};

use toml::Spanned;

use super::{About, Inside};
use crate::domain::access_key::NewAccessKey;
use crate::domain::identity::{OidcAlgorithm, OidcProviderChange, Target, UserState};
use crate::domain::{ErrorKind, Noun, Result, name};
use crate::service::{
    Attached, CheckedDocument, DocumentKind, Membership, NewOidcProvider, RoleChange, Save,
};
use crate::state::deed::Deed;
use crate::state::format::{OidcProvider, Role};
use crate::state::step::{Action, Changes};

impl<'s> Inside<'_, '_, 's> {
    pub(super) fn policies(&mut self) -> Result<()> {
        let (wanted, present) = (self.wanted, self.present);
        self.once(Noun::Policy, wanted.policies.iter().map(|one| &one.name))?;
        for policy in &wanted.policies {
            let there = present.policies.get(policy.name.as_ref());
            let old = there.map(|there| &there.document);
            if old == Some(&policy.document) {
                continue;
            }
            CheckedDocument::read(&policy.document, DocumentKind::Identity)
                .map_err(self.fault_of(Noun::Policy, &policy.name))?;
            let (action, save) = match old {
                Some(_) => (Action::Update, Save::Update),
                None => (Action::Create, Save::Create),
            };
            let mut changes = Changes::default();
            changes.note("document", old.cloned(), policy.document.clone());
            let about = About::named(Noun::Policy, &policy.name);
            self.add(action, about, changes, Deed::SavePolicy(policy, save));
        }
        Ok(())
    }

    pub(super) fn users(&mut self) -> Result<()> {
        let (wanted, present) = (self.wanted, self.present);
        self.once(Noun::User, wanted.users.iter().map(|one| &one.name))?;
        for user in &wanted.users {
            let about = About::named(Noun::User, &user.name);
            let mut changes = Changes::default();
            let Some(there) = present.users.get(user.name.as_ref()) else {
                self.check_name(Noun::User, &user.name)?;
                changes.given("disabled", &user.disabled);
                self.add(Action::Create, about, changes, Deed::CreateUser(user));
                continue;
            };
            let is_disabled = there.state == UserState::Disabled;
            let Some(disabled) = changes.compare("disabled", &is_disabled, user.disabled) else {
                continue;
            };
            let state = if disabled {
                UserState::Disabled
            } else {
                UserState::Active
            };
            let deed = Deed::SetUserState(user.name.as_ref(), state);
            self.add(Action::Update, about, changes, deed);
        }
        Ok(())
    }

    pub(super) fn groups(&mut self) -> Result<()> {
        let (wanted, present) = (self.wanted, self.present);
        self.once(Noun::Group, wanted.groups.iter().map(|one| &one.name))?;
        for group in &wanted.groups {
            if !present.groups.contains_key(group.name.as_ref()) {
                self.check_name(Noun::Group, &group.name)?;
                let about = About::named(Noun::Group, &group.name);
                let deed = Deed::CreateGroup(group.name.as_ref());
                self.add(Action::Create, about, Changes::default(), deed);
            }
        }
        Ok(())
    }

    pub(super) fn members(&mut self) -> Result<()> {
        let (wanted, present) = (self.wanted, self.present);
        let none = BTreeSet::new();
        let mut users: HashSet<&str> = present.users.keys().map(String::as_str).collect();
        users.extend(wanted.users.iter().map(|user| user.name.as_ref().as_str()));
        for group in &wanted.groups {
            let Some(members) = self.names(&group.members) else {
                continue;
            };
            self.once(Noun::Member, members.iter())?;
            let name = group.name.as_ref().as_str();
            let there = present.groups.get(name).unwrap_or(&none);
            for member in members {
                if !users.contains(member.as_ref().as_str()) {
                    return Err(self.missing(Noun::User, member, users.iter().copied()));
                }
                if !there.contains(member.as_ref()) {
                    let about = About::named(Noun::User, member);
                    self.set_member(about, name, Membership::In);
                }
            }
            let kept: HashSet<&str> = members.iter().map(|one| one.as_ref().as_str()).collect();
            for gone in there.iter().filter(|one| !kept.contains(one.as_str())) {
                let about = About::of(Noun::User, gone, group.name.span().start);
                self.set_member(about, name, Membership::Out);
            }
        }
        Ok(())
    }

    fn set_member(&mut self, about: About<'_>, group: &'s str, membership: Membership) {
        let action = match membership {
            Membership::In => Action::Attach,
            Membership::Out => Action::Detach,
        };
        let deed = Deed::SetMember {
            group,
            user: about.name.to_owned(),
            membership,
        };
        let about = about.at_target(format!("group {group}"));
        self.add(action, about, Changes::default(), deed);
    }

    pub(super) async fn attachments_of_users_and_groups(&mut self) -> Result<()> {
        let wanted = self.wanted;
        for user in &wanted.users {
            let target = Target::User(user.name.as_ref().clone());
            let policies = self.names(&user.policies);
            self.attachments(&user.name, &target, policies).await?;
        }
        for group in &wanted.groups {
            let target = Target::Group(group.name.as_ref().clone());
            let policies = self.names(&group.policies);
            self.attachments(&group.name, &target, policies).await?;
        }
        Ok(())
    }

    pub(super) async fn attachments_of_roles(&mut self) -> Result<()> {
        let wanted = self.wanted;
        for role in &wanted.roles {
            let target = Target::Role(role.name.as_ref().clone());
            let policies = self.names(&role.policies);
            self.attachments(&role.name, &target, policies).await?;
        }
        Ok(())
    }

    async fn attachments(
        &mut self,
        name: &Spanned<String>,
        target: &Target,
        policies: Option<&'s [Spanned<String>]>,
    ) -> Result<()> {
        let Some(policies) = policies else {
            return Ok(());
        };
        self.once(Noun::Policy, policies.iter())?;
        for policy in policies {
            if !self.present.is_attached(policy.as_ref(), target) {
                self.check_policy(policy).await?;
                self.attach(About::named(Noun::Policy, policy), target, Attached::Yes);
            }
        }
        let kept: HashSet<&str> = policies.iter().map(|one| one.as_ref().as_str()).collect();
        let present = self.present;
        for gone in present.attached(target).filter(|one| !kept.contains(one)) {
            let about = About::of(Noun::Policy, gone, name.span().start);
            self.attach(about, target, Attached::No);
        }
        Ok(())
    }

    fn attach(&mut self, about: About<'_>, target: &Target, attached: Attached) {
        let action = match attached {
            Attached::Yes => Action::Attach,
            Attached::No => Action::Detach,
        };
        let deed = Deed::SetAttached {
            policy: about.name.to_owned(),
            target: target.clone(),
            attached,
        };
        let words = match target {
            Target::User(name) => format!("user {name}"),
            Target::Group(name) => format!("group {name}"),
            Target::Role(name) => format!("role {name}"),
        };
        self.add(action, about.at_target(words), Changes::default(), deed);
    }

    /// Refuses a policy that neither the file nor the account has, and that isn't built in.
    async fn check_policy(&mut self, policy: &Spanned<String>) -> Result<()> {
        let (wanted, present) = (self.wanted, self.present);
        let name = policy.as_ref();
        let own = wanted.policies.iter().map(|one| one.name.as_ref());
        if present.policies.contains_key(name) || own.clone().any(|own| own == name) {
            return Ok(());
        }
        let is_built_in = match self.built_in.get(name) {
            Some(known) => *known,
            None => {
                let (service, call) = (self.planner.service, self.planner.call);
                let identity = &service.identity;
                let found = match identity.policy_document(call, self.account, name).await {
                    Ok(_) => true,
                    Err(error) if matches!(error.kind(), ErrorKind::NotFound { .. }) => false,
                    Err(error) => return Err(error),
                };
                self.built_in.insert(name.clone(), found);
                found
            }
        };
        if is_built_in {
            return Ok(());
        }
        let known = own.chain(present.policies.keys()).map(String::as_str);
        Err(self.missing(Noun::Policy, policy, known))
    }

    /// Plans the access keys of a seed; elsewhere a secret doesn't belong into a file.
    pub(super) async fn access_keys(&mut self) -> Result<()> {
        let wanted = self.wanted;
        let Some(first) = wanted.access_keys.first() else {
            return Ok(());
        };
        if !self.planner.is_seed {
            let why = "access key: secrets don't belong into this file; `transire access-key \
                       create` makes a key, and a mock's seed alone names them";
            return Err(self.fault(&first.id, why));
        }
        let (service, call) = (self.planner.service, self.planner.call);
        if self.planner.owners.access_keys.is_empty() {
            let known = service.identity.access_keys(call, None).await?;
            self.planner.owners.access_keys = known.into_iter().map(|key| key.id).collect();
        }
        for key in &wanted.access_keys {
            NewAccessKey::given(key.id.as_ref(), &key.secret)
                .map_err(self.fault_of(Noun::AccessKey, &key.id))?;
            let owners = &mut self.planner.owners;
            if !owners.access_keys.insert(key.id.as_ref().clone()) {
                let why = "access key: this id is taken already";
                return Err(self.fault(&key.id, why));
            }
            let mut changes = Changes::default();
            changes.given("user", &key.user);
            let about = About::named(Noun::AccessKey, &key.id);
            self.add(Action::Create, about, changes, Deed::AddAccessKey(key));
        }
        Ok(())
    }

    pub(super) fn oidc_providers(&mut self) -> Result<()> {
        let wanted = self.wanted;
        let noun = Noun::OidcProvider;
        self.once(noun, wanted.oidc_providers.iter().map(|one| &one.name))?;
        for provider in &wanted.oidc_providers {
            self.oidc_provider(provider)?;
        }
        Ok(())
    }

    fn oidc_provider(&mut self, wanted: &'s OidcProvider) -> Result<()> {
        let about = About::named(Noun::OidcProvider, &wanted.name);
        let mut changes = Changes::default();
        let algorithms: Option<Vec<OidcAlgorithm>> = wanted
            .algorithms
            .as_ref()
            .map(|all| all.iter().map(|word| word.0).collect());
        let Some(there) = self.present.oidc_providers.get(wanted.name.as_ref()) else {
            let algorithms = algorithms.unwrap_or_default();
            changes.note("issuer", (), wanted.issuer.clone());
            changes.note("audiences", (), wanted.audiences.clone());
            changes.given("jwks", &wanted.jwks);
            changes.note("algorithms", (), names(&algorithms));
            let new = NewOidcProvider {
                account: self.account,
                name: wanted.name.as_ref().clone(),
                issuer: wanted.issuer.clone(),
                audiences: wanted.audiences.clone(),
                jwks: wanted.jwks.clone(),
                algorithms,
            };
            let deed = Deed::CreateProvider(Box::new(new));
            self.add(Action::Create, about, changes, deed);
            return Ok(());
        };
        if there.issuer != wanted.issuer {
            let why = format!(
                "OIDC provider: its issuer is {}, and an issuer doesn't change: make another \
                 provider",
                there.issuer
            );
            return Err(self.fault(&wanted.name, &why));
        }
        // Without a list, or with an empty one, a provider that is made takes all.
        let algorithms = algorithms.map(|all| match all.as_slice() {
            [] => OidcAlgorithm::ALL.to_vec(),
            _ => all,
        });
        let shown = algorithms.as_deref().map(names);
        let changed = changes.compare("algorithms", &names(&there.algorithms), shown);
        let audiences = Some(wanted.audiences.clone());
        let jwks = wanted.jwks.clone().map(Some);
        let change = OidcProviderChange {
            algorithms: changed.and(algorithms),
            audiences: changes.compare("audiences", &there.audiences, audiences),
            jwks: changes.compare("jwks", &there.jwks, jwks).flatten(),
        };
        if !changes.0.is_empty() {
            let deed = Deed::UpdateProvider(wanted.name.as_ref(), change);
            self.add(Action::Update, about, changes, deed);
        }
        Ok(())
    }

    pub(super) fn roles(&mut self) -> Result<()> {
        let wanted = self.wanted;
        self.once(Noun::Role, wanted.roles.iter().map(|one| &one.name))?;
        for role in &wanted.roles {
            self.role(role)?;
        }
        Ok(())
    }

    fn role(&mut self, wanted: &'s Role) -> Result<()> {
        let about = About::named(Noun::Role, &wanted.name);
        let mut changes = Changes::default();
        let there = self.present.roles.get(wanted.name.as_ref());
        if there.is_none_or(|there| there.trust_policy != wanted.trust_policy) {
            CheckedDocument::read(&wanted.trust_policy, DocumentKind::Trust)
                .map_err(self.fault_of(Noun::Role, &wanted.name))?;
        }
        let Some(there) = there else {
            self.check_name(Noun::Role, &wanted.name)?;
            changes.note("trust_policy", (), wanted.trust_policy.clone());
            changes.given("max_session_seconds", &wanted.max_session_seconds);
            self.add(Action::Create, about, changes, Deed::CreateRole(wanted));
            return Ok(());
        };
        let policy = &wanted.trust_policy;
        let changed = changes.compare("trust_policy", &there.trust_policy, Some(policy.clone()));
        let change = RoleChange {
            trust_policy: changed.map(|_| policy.as_str()),
            max_session_seconds: changes.compare(
                "max_session_seconds",
                &there.max_session_seconds,
                wanted.max_session_seconds,
            ),
        };
        if !changes.0.is_empty() {
            let deed = Deed::UpdateRole(wanted.name.as_ref(), change);
            self.add(Action::Update, about, changes, deed);
        }
        Ok(())
    }

    fn check_name(&self, noun: Noun, name: &Spanned<String>) -> Result<()> {
        name::check_name("name", name.as_ref()).map_err(self.fault_of(noun, name))
    }
}

fn names(algorithms: &[OidcAlgorithm]) -> Vec<&'static str> {
    algorithms.iter().map(|one| one.name()).collect()
}
