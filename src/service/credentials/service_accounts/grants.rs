//! Bounds the rights that a caller gives a service account by his own (decision 0016).

use std::collections::BTreeSet;

use crate::domain::Result;
use crate::domain::instance::Instance;
use crate::domain::principal::Level;
use crate::domain::service_account::{
    AccountAction, AccountPermissions, ServiceAccount, ServiceAccountGrant,
};
use crate::policy::{Context, Permission, Request, Resource};
use crate::service::access::caller::Caller;
use crate::service::call::Call;
use crate::service::credentials::{Credentials, DISABLED_FOR_GOOD};
use crate::service::rights::{Ruling, forbidden};
use crate::store::{self, Part};

/// Tells in refusals how the operator lets users give more.
macro_rules! the_setting {
    () => {
        "This is `service_accounts.grant = \"own-rights\"`; the operator sets it to \"vendor\", or \
         `transire account update --service-account-grant vendor` for one account, to let them."
    };
}

/// The reason why a session gives nothing.
const SESSIONS_GIVE_NOTHING: &str = concat!(
    "A session makes, widens or gives a password to no service account, which would outlive it: \
     make the call with a permanent access key. ",
    the_setting!()
);
/// The reason why a caller doesn't give this.
const NOT_HIS_TO_GIVE: &str = concat!(
    "A caller gives a service account only what his own policies allow without a condition, and a \
     password only to one that holds nothing else. ",
    the_setting!()
);

/// Returns the permission that a caller needs to give an action to a service account.
///
/// Nothing is decided by the last three actions. Charts are artifacts like images: making one is a
/// push, and seeing one a pull.
fn needed_to_give(action: AccountAction) -> Permission {
    match action {
        AccountAction::Push | AccountAction::CreateChart => Permission::Push,
        AccountAction::Pull | AccountAction::DescribeCharts => Permission::Pull,
        AccountAction::CreateRepository => Permission::CreateRepository,
    }
}

/// Guards a change whose caller was judged by the permissions of the service account as it was
/// read.
pub(super) fn as_decided(caller: &Caller, account: &ServiceAccount) -> Part {
    if caller.level() == Level::User {
        store::service_account::expect_as_read(account)
    } else {
        Part::default()
    }
}

impl Credentials {
    /// Refuses a caller that may not give `given` to a service account of the instance. The call
    /// asks by `permission`.
    ///
    /// The operator and the root may. Other callers need the rights in `given` themselves, without
    /// a condition, since a service account logs in from anywhere and at any time. A session gives
    /// nothing, since nothing of it may outlive it.
    ///
    /// # Errors
    /// `AccessDenied`, and those of the store.
    pub(super) async fn check_grant(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        permission: Permission,
        given: &AccountPermissions,
    ) -> Result<()> {
        if call.caller.level() > Level::User
            || self.rights.service_account_grant(instance.account).await?
                == ServiceAccountGrant::Vendor
        {
            return Ok(());
        }
        let signer = call.caller.signer()?;
        if signer.session.is_some() {
            let request = Self::request_on(call, permission, instance);
            return Err(forbidden(
                call.caller,
                &request,
                Ruling::UNALLOWED,
                SESSIONS_GIVE_NOTHING,
            ));
        }
        let asked = given.iter().flat_map(|(namespace, actions)| {
            let permissions: BTreeSet<Permission> =
                actions.iter().copied().map(needed_to_give).collect();
            permissions.into_iter().map(move |permission| Request {
                permission,
                resource: Resource::Namespace {
                    instance: instance.into(),
                    name: namespace,
                },
                context: Context::default(),
            })
        });
        match Box::pin(self.rights.first_withheld(signer.principal, asked)).await? {
            None => Ok(()),
            Some((request, outcome)) => {
                let ruling = Ruling::of_own(outcome);
                Err(forbidden(call.caller, &request, ruling, NOT_HIS_TO_GIVE))
            }
        }
    }

    /// Refuses a caller that may not enable a service account, because a higher level disabled it.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(super) fn check_enabling(
        call: &Call<'_>,
        instance: &Instance,
        permission: Permission,
        account: &ServiceAccount,
    ) -> Result<()> {
        if call.caller.level().may_enable(account.disabled_by) {
            return Ok(());
        }
        Err(forbidden(
            call.caller,
            &Self::request_on(call, permission, instance),
            Ruling::UNALLOWED,
            DISABLED_FOR_GOOD,
        ))
    }

    fn request_on<'a>(
        call: &Call<'_>,
        permission: Permission,
        instance: &'a Instance,
    ) -> Request<'a> {
        Request {
            permission,
            resource: Resource::Instance(instance.into()),
            context: call.policy_context(),
        }
    }
}
