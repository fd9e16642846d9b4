//! Makes what a state describes, in the order in which one thing needs another.

use toml::Spanned;

use super::{AccessKey, Account, Instance, Namespace, OidcProvider, Policy, Role, State, User};
use crate::domain::access_key::NewAccessKey;
use crate::domain::identity::Target;
use crate::domain::ids::AccountId;
use crate::domain::instance::DefaultMark;
use crate::domain::namespace::Visibility;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::service::{
    Attached, Call, Caller, InstanceChoice, NewInstance, NewNamespace, NewOidcProvider,
    RequestContext, Save, Service,
};

/// The account in which things are made, and all that it takes to make them.
struct Maker<'a> {
    state: &'a State,
    service: &'a Service,
    call: Call<'a>,
    account: AccountId,
}

impl State {
    /// Makes what the file describes. An account that is there already gets what is new.
    ///
    /// # Errors
    /// `InvalidParameter` with the file and the line of what can't be made; those of the store.
    pub async fn apply(&self, service: &Service) -> Result<()> {
        let operator = Caller::operator();
        let context = RequestContext::operator(service.base.request_id());
        for account in &self.content.accounts {
            let fault = self.source.fault_of("account", account.id.span().start);
            let maker = Maker {
                state: self,
                service,
                call: service.call(&operator, &context),
                account: account.id.as_ref().parse().map_err(&fault)?,
            };
            maker.account(account).await.map_err(fault)?;
            maker.contents(account).await?;
        }
        Ok(())
    }
}

impl Maker<'_> {
    async fn account(&self, account: &Account) -> Result<()> {
        let name = account.name.as_deref().unwrap_or(account.id.as_ref());
        let identity = &self.service.identity;
        let made = identity
            .create_account(&self.call, Some(self.account), name, None)
            .await;
        match made {
            Err(error) if is_there(&error, Noun::Account) => Ok(()),
            made => made.map(drop),
        }
    }

    /// Makes what is in an account: policies before those to whom they are attached, users before
    /// their keys, providers before the roles that trust them.
    async fn contents(&self, account: &Account) -> Result<()> {
        for policy in &account.policies {
            self.policy(policy)
                .await
                .map_err(self.fault("policy", &policy.name))?;
        }
        for user in &account.users {
            self.user(user)
                .await
                .map_err(self.fault("user", &user.name))?;
            let target = Target::User(user.name.as_ref().clone());
            self.attach(&user.policies, &target).await?;
        }
        for key in &account.access_keys {
            self.access_key(key)
                .await
                .map_err(self.fault("access key", &key.id))?;
        }
        for provider in &account.oidc_providers {
            self.oidc_provider(provider)
                .await
                .map_err(self.fault("OIDC provider", &provider.name))?;
        }
        for role in &account.roles {
            self.role(role)
                .await
                .map_err(self.fault("role", &role.name))?;
            let target = Target::Role(role.name.as_ref().clone());
            self.attach(&role.policies, &target).await?;
        }
        for instance in &account.instances {
            let id = self
                .instance(instance)
                .await
                .map_err(self.fault("instance", &instance.name))?;
            for namespace in &instance.namespaces {
                self.namespace(&id, namespace)
                    .await
                    .map_err(self.fault("namespace", &namespace.name))?;
            }
        }
        Ok(())
    }

    fn fault<T>(&self, what: &str, name: &Spanned<T>) -> impl Fn(Error) -> Error {
        self.state.source.fault_of(what, name.span().start)
    }

    async fn policy(&self, policy: &Policy) -> Result<()> {
        let (name, document) = (policy.name.as_ref(), &policy.document);
        let identity = &self.service.identity;
        identity
            .save_policy(&self.call, self.account, name, document, Save::Create)
            .await
            .map(drop)
    }

    async fn user(&self, user: &User) -> Result<()> {
        let identity = &self.service.identity;
        identity
            .create_user(&self.call, self.account, user.name.as_ref())
            .await
            .map(drop)
    }

    async fn attach(&self, policies: &[Spanned<String>], target: &Target) -> Result<()> {
        let identity = &self.service.identity;
        for policy in policies {
            identity
                .set_attached(
                    &self.call,
                    self.account,
                    policy.as_ref(),
                    target,
                    Attached::Yes,
                )
                .await
                .map_err(self.fault("policy", policy))?;
        }
        Ok(())
    }

    async fn access_key(&self, key: &AccessKey) -> Result<()> {
        let made = NewAccessKey::given(key.id.as_ref(), &key.secret)?;
        let identity = &self.service.identity;
        identity
            .add_access_key(&self.call, self.account, key.user.as_deref(), &made)
            .await
    }

    async fn oidc_provider(&self, provider: &OidcProvider) -> Result<()> {
        let algorithms = provider.algorithms.iter().map(|name| name.parse());
        let new = NewOidcProvider {
            account: self.account,
            name: provider.name.as_ref().clone(),
            issuer: provider.issuer.clone(),
            audiences: provider.audiences.clone(),
            jwks: provider.jwks.clone(),
            algorithms: algorithms.collect::<Result<_>>()?,
        };
        let identity = &self.service.identity;
        identity
            .create_oidc_provider(&self.call, new)
            .await
            .map(drop)
    }

    async fn role(&self, role: &Role) -> Result<()> {
        let identity = &self.service.identity;
        identity
            .create_role(
                &self.call,
                self.account,
                role.name.as_ref(),
                &role.trust_policy,
                role.max_session_seconds,
            )
            .await
            .map(drop)
    }

    async fn instance(&self, instance: &Instance) -> Result<InstanceChoice> {
        let ids = match (&instance.tcr_id, &instance.cri_id) {
            (None, None) => None,
            (Some(tcr), Some(cri)) => Some((
                tcr.parse().map_err(|_| not_an_id("tcr_id", "tcr- and 8"))?,
                cri.parse()
                    .map_err(|_| not_an_id("cri_id", "cri- and 16"))?,
            )),
            (None, Some(_)) => return Err(missing("tcr_id")),
            (Some(_), None) => return Err(missing("cri_id")),
        };
        let name = instance.name.as_ref();
        let new = NewInstance {
            registry_url: instance.registry_url.clone(),
            default: if instance.default {
                DefaultMark::Marked
            } else {
                DefaultMark::Unmarked
            },
            ids,
            ..NewInstance::named(self.account, name, &instance.region, &instance.service)
        };
        let made = self
            .service
            .registry
            .create_instance(&self.call, new)
            .await?;
        Ok(InstanceChoice::Tcr(made.id))
    }

    async fn namespace(&self, instance: &InstanceChoice, namespace: &Namespace) -> Result<()> {
        let visibility = Visibility::of(namespace.public);
        let new = NewNamespace {
            visibility,
            default_visibility: visibility,
            ..NewNamespace::named(namespace.name.as_ref())
        };
        self.service
            .registry
            .create_namespace(&self.call, instance, new)
            .await
            .map(drop)
    }
}

fn not_an_id(name: &str, form: &str) -> Error {
    Error::invalid_parameter(name, format!("an id is {form} of a-z and 0-9"))
}

fn missing(name: &str) -> Error {
    Error::invalid_parameter(name, "tcr_id and cri_id are given together, or neither")
}

/// Tells whether an error says that a thing of this kind is there already.
fn is_there(error: &Error, thing: Noun) -> bool {
    matches!(error.kind(), ErrorKind::AlreadyExists { noun } if *noun == thing)
}
