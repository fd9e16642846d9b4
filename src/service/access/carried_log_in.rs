//! Log-ins with a temporary credential that came in the form of a JWT (decision 22).
//!
//! Nothing of the JWT but the secret is believed, and the secret logs in to nothing more than it
//! does by itself. Only the username is another one: clients send the one with which they asked.

use std::sync::Arc;

use crate::domain::credential::SecretKind;
use crate::domain::instance::Instance;
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::role_name::RoleName;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::access::Access;
use crate::service::access::caller::Proof;
use crate::service::access::log_in::check_instance;
use crate::service::request::RequestContext;

impl Access {
    /// Logs in with the secret of a role's session; the username names the role, as it did when its
    /// token was exchanged.
    ///
    /// # Errors
    /// `BadCredentials`, whose cause says why; those of the store.
    pub(super) async fn log_in_as_role(
        &self,
        instance: Option<Arc<Instance>>,
        username: &str,
        secret: &Secret,
        context: &RequestContext,
    ) -> Result<Proof> {
        let grant = self.granted(SecretKind::Temporary, secret, context).await?;
        self.check_validity(&grant, self.base.now()).await?;
        let instance = check_instance(instance, &grant)?;
        if !self.names_role_of(username, &grant.principal).await? {
            return Err(Error::bad_credentials(RefusalCause::OtherUsername));
        }
        self.logged_in(instance, grant, None).await
    }

    /// Tells whether a username names the role of a principal, or leaves it open.
    async fn names_role_of(&self, username: &str, principal: &Principal) -> Result<bool> {
        let (Some(named), Principal::RoleSession(account, id, _)) =
            (RoleName::parse(username), principal)
        else {
            return Ok(false);
        };
        let is_of_account = named.account().is_none_or(|of| of == *account);
        Ok(is_of_account
            && match named {
                RoleName::Any => true,
                RoleName::Id(_, named) => named == *id,
                RoleName::Name(_, name) => {
                    let role = self.memory.cache.role(&self.base.store, *id).await?;
                    role.is_some_and(|role| role.name == name)
                }
            })
    }
}
