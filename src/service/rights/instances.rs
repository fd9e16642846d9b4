//! The instance that a call means, if the caller may do what it asks there.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::domain::as_text::serde_as_text;
use crate::domain::ids::{AccountId, CriId, InstanceId};
use crate::domain::instance::{AnyInstanceId, Instance};
use crate::domain::operator::OperatorPermission;
use crate::domain::reference::InstanceRef;
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{Permission, Resource};
use crate::service::call::Call;
use crate::service::rights::Rights;
use crate::store;

/// How another account's default is written.
const DEFAULT_OF: &str = "default-of/";

/// Which instance a call means.
#[derive(Clone, Debug)]
pub enum InstanceChoice {
    /// The one with this Tencent id.
    Tcr(InstanceId),
    /// The one with this Alibaba id.
    Cri(CriId),
    /// The only one with this name that the caller may see.
    Named(String),
    /// The account's default.
    Default,
    /// The default of another account. Policies of its repositories may let the caller in.
    DefaultOf(AccountId),
}

impl From<InstanceRef> for InstanceChoice {
    fn from(reference: InstanceRef) -> Self {
        match reference {
            InstanceRef::Id(id) => id.into(),
            InstanceRef::Name(name) => Self::Named(name),
        }
    }
}

impl From<AnyInstanceId> for InstanceChoice {
    fn from(id: AnyInstanceId) -> Self {
        match id {
            AnyInstanceId::Tcr(id) => Self::Tcr(id),
            AnyInstanceId::Cri(id) => Self::Cri(id),
        }
    }
}

impl fmt::Display for InstanceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcr(id) => id.fmt(f),
            Self::Cri(id) => id.fmt(f),
            Self::Named(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
            Self::DefaultOf(account) => write!(f, "{DEFAULT_OF}{account}"),
        }
    }
}

impl FromStr for InstanceChoice {
    type Err = Error;

    /// Reads an id of either cloud, or the word `default`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "default" => Ok(Self::Default),
            text if text.starts_with(DEFAULT_OF) => {
                Ok(Self::DefaultOf(text[DEFAULT_OF.len()..].parse()?))
            }
            id => id.parse::<AnyInstanceId>().map(Self::from),
        }
    }
}

serde_as_text!(InstanceChoice);

impl Rights {
    /// Returns the caller's own instance, if it may do this there.
    pub(in crate::service) async fn permitted_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        permission: Permission,
    ) -> Result<Arc<Instance>> {
        let instance = self.own_instance(call, choice).await?;
        self.authorize(call, permission, Resource::Instance((&*instance).into()))
            .await?;
        Ok(instance)
    }

    /// Returns the instance that an operator means, if it has the permission there.
    ///
    /// # Errors
    /// `Unsupported` for a caller that is no operator; `OperatorDenied`; `InstanceNotFound`, also
    /// for an instance of another account than an account-admin's; those of the store.
    pub(in crate::service) async fn administered_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        permission: OperatorPermission,
    ) -> Result<Arc<Instance>> {
        call.caller.require_in_own_account(permission)?;
        let instance = self.own_instance(call, choice).await?;
        call.caller.require(permission, Some(instance.account))?;
        Ok(instance)
    }

    /// Returns the instance that the caller means; what belongs to others does not exist for them.
    pub(in crate::service) async fn own_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<Arc<Instance>> {
        let found = match choice {
            InstanceChoice::Tcr(id) => self.memory.cache.instance(&self.base.store, id).await?,
            InstanceChoice::Cri(id) => {
                self.memory
                    .cache
                    .instance_by_cri_id(&self.base.store, id)
                    .await?
            }
            InstanceChoice::Named(name) => Some(self.named_instance(call, name).await?),
            InstanceChoice::DefaultOf(account) => {
                // Of a signed caller alone, whose policies decide.
                call.caller.signer()?;
                self.memory
                    .cache
                    .default_instance(&self.base.store, *account)
                    .await?
            }
            InstanceChoice::Default => {
                let account = call.caller.signer()?.principal.account();
                let found = self
                    .memory
                    .cache
                    .default_instance(&self.base.store, account)
                    .await?;
                Some(found.ok_or_else(|| {
                    Error::new(
                        ErrorKind::NoDefaultInstance,
                        "This call names no instance, and the account has no default one: mark one \
                         with `transire instance create --default`, or call GetAuthorizationToken \
                         of version 2018-12-01 with an InstanceId.",
                    )
                })?)
            }
        };
        let is_another = matches!(choice, InstanceChoice::DefaultOf(_));
        found
            // Nothing is allowed at another account's but what policies of repositories say.
            .filter(|instance| is_another || call.caller.is_of(instance.account))
            .ok_or_else(|| {
                let error = Error::instance_not_found();
                match choice {
                    InstanceChoice::Tcr(id) => error.decided_by(lacking(id)),
                    InstanceChoice::Cri(id) => error.decided_by(lacking(id)),
                    _ => error,
                }
            })
    }

    /// Returns the only instance of this name that the caller may see.
    async fn named_instance(&self, call: &Call<'_>, name: &str) -> Result<Arc<Instance>> {
        let account = call.caller.account();
        let mut found = store::instance::list(&self.base.store, account).await?;
        found.retain(|one| one.name == name);
        match found.as_slice() {
            [] => Err(Error::instance_not_found()),
            [one] => Ok(Arc::new(one.clone())),
            several => {
                let ids: Vec<_> = several.iter().map(|one| one.id.to_string()).collect();
                Err(Error::invalid_parameter(
                    "instance",
                    format!(
                        "several instances are called {name}: name one of {}",
                        ids.join(", ")
                    ),
                ))
            }
        }
    }
}

/// Says which instance an account lacks.
fn lacking(id: impl fmt::Display) -> String {
    format!("asked for {id}, which is no instance of the account")
}
