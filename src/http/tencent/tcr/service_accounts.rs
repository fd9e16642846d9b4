//! Service accounts: named log-ins of an instance, with permissions of their own.

use std::collections::BTreeSet;

use axum::response::Response;
use serde::Serialize;

use crate::domain::clock::Timestamp;
use crate::domain::name::check_namespace;
use crate::domain::secret::Secret;
use crate::domain::service_account::{
    AccountAction, AccountPermissions, ServiceAccount, ServiceAccountState,
};
use crate::domain::{Error, Result};
use crate::service::{ChangedServiceAccount, NewServiceAccount, Page, Validity};

use super::place::{instance, registry_id};
use crate::http::tencent::pager::Pager;
use crate::http::tencent::parameters::Parameters;
use crate::http::tencent::times::beijing;
use crate::http::tencent::{Authenticated, Nothing};

/// Returns the vendor's name of what a service account may be given.
fn action_name(action: AccountAction) -> &'static str {
    match action {
        AccountAction::Push => "tcr:PushRepository",
        AccountAction::Pull => "tcr:PullRepository",
        AccountAction::CreateRepository => "tcr:CreateRepository",
        AccountAction::CreateChart => "tcr:CreateHelmChart",
        AccountAction::DescribeCharts => "tcr:DescribeHelmCharts",
    }
}

/// Takes `Permissions`; a namespace that is named twice has the actions of both. `None` when there
/// is no such parameter.
fn permissions(parameters: &mut Parameters) -> Result<Option<AccountPermissions>> {
    if !parameters.has("Permissions") {
        return Ok(None);
    }
    let mut permissions = AccountPermissions::new();
    for (place, mut permission) in parameters
        .structures("Permissions")?
        .into_iter()
        .enumerate()
    {
        let namespace = permission.required_text("Resource")?;
        let names = permission.texts("Actions")?;
        permission.finish()?;
        let named = |field: &str| format!("Permissions.{place}.{field}");
        check_namespace("Resource", &namespace)
            .map_err(|error| Error::invalid_parameter(named("Resource"), error.message()))?;
        if names.is_empty() {
            return Err(Error::missing_parameter(named("Actions")));
        }
        let actions = permissions.entry(namespace).or_default();
        for name in &names {
            let action = AccountAction::ALL
                .into_iter()
                .find(|action| action_name(*action) == name);
            actions.insert(action.ok_or_else(|| {
                let known = AccountAction::ALL.map(action_name).join(", ");
                Error::invalid_parameter(named("Actions"), format!("An action is one of {known}."))
            })?);
        }
    }
    Ok(Some(permissions))
}

/// Takes `Duration`, in days, which wins over `ExpiresAt`, in unix milliseconds.
fn validity(parameters: &mut Parameters) -> Result<Option<Validity>> {
    let (days, until) = (
        parameters.integer("Duration")?,
        parameters.integer("ExpiresAt")?,
    );
    Ok(days
        .map(Validity::Days)
        .or(until.map(|millis| Validity::Until(Timestamp::from_unix_millis(millis)))))
}

/// Takes `Disable`.
fn state(parameters: &mut Parameters) -> Result<Option<ServiceAccountState>> {
    Ok(parameters.boolean("Disable")?.map(|disable| {
        if disable {
            ServiceAccountState::Disabled
        } else {
            ServiceAccountState::Active
        }
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created<'a> {
    name: String,
    password: &'a str,
    /// Unix milliseconds, a number.
    expires_at: i64,
    create_time: String,
}

pub(crate) async fn create(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let name = parameters.required_text("Name")?;
    let permissions = permissions(&mut parameters)?.filter(|permissions| !permissions.is_empty());
    let new = NewServiceAccount {
        name,
        permissions: permissions.ok_or_else(|| Error::missing_parameter("Permissions"))?,
        description: parameters.text("Description")?.unwrap_or_default(),
        validity: validity(&mut parameters)?,
        state: state(&mut parameters)?.unwrap_or(ServiceAccountState::Active),
    };
    parameters.finish()?;
    let (account, password) = service
        .credentials
        .create_service_account(call, &instance(&registry_id)?, new)
        .await?;
    let created = Created {
        name: account.username(),
        password: password.expose(),
        expires_at: account.expires_at.unix_millis(),
        create_time: beijing(account.created_at),
    };
    reply.with(&created)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Accounts<'a> {
    service_accounts: Vec<Account<'a>>,
    total_count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Account<'a> {
    name: String,
    description: &'a str,
    disable: bool,
    /// Unix milliseconds, a number.
    expires_at: i64,
    create_time: String,
    update_time: String,
    permissions: Vec<Permission<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Permission<'a> {
    resource: &'a str,
    actions: Vec<&'static str>,
}

/// Whether permissions are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Embed {
    Permissions,
    Nothing,
}

impl<'a> Account<'a> {
    fn of(account: &'a ServiceAccount, embed: Embed) -> Self {
        let permissions = account
            .permissions
            .iter()
            .filter(|_| embed == Embed::Permissions);
        Self {
            name: account.username(),
            description: &account.description,
            disable: account.state == ServiceAccountState::Disabled,
            expires_at: account.expires_at.unix_millis(),
            create_time: beijing(account.created_at),
            update_time: beijing(account.modified_at),
            permissions: permissions
                .map(|(resource, actions)| Permission {
                    resource,
                    actions: actions.iter().copied().map(action_name).collect(),
                })
                .collect(),
        }
    }
}

/// Takes `Filters`, of which there is one: the values of one are alternatives, and all that are
/// given must hold.
fn names(parameters: &mut Parameters) -> Result<Option<BTreeSet<String>>> {
    let mut names: Option<BTreeSet<String>> = None;
    for (place, mut filter) in parameters.structures("Filters")?.into_iter().enumerate() {
        let name = filter.required_text("Name")?;
        let values = filter.texts("Values")?;
        filter.finish()?;
        if name != "ServiceAccountName" {
            return Err(Error::invalid_parameter(
                format!("Filters.{place}.Name"),
                "The one filter is `ServiceAccountName`.",
            ));
        }
        let values: BTreeSet<String> = values
            .iter()
            .map(|value| ServiceAccount::bare_name(value).to_owned())
            .collect();
        names = Some(match names {
            Some(before) => &before & &values,
            None => values,
        });
    }
    Ok(names)
}

pub(crate) async fn describe(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let names = names(&mut parameters)?;
    let page = Pager::SERVICE_ACCOUNTS.take(&mut parameters)?;
    let page = if parameters.boolean("All")? == Some(true) {
        Page::ALL
    } else {
        page
    };
    let embed = if parameters.boolean("EmbedPermission")? == Some(true) {
        Embed::Permissions
    } else {
        Embed::Nothing
    };
    parameters.finish()?;
    let listed = service
        .credentials
        .service_accounts(call, &instance(&registry_id)?, names.as_ref(), page)
        .await?;
    let service_accounts = listed
        .items
        .iter()
        .map(|account| Account::of(account, embed))
        .collect();
    reply.with(&Accounts {
        service_accounts,
        total_count: listed.total,
    })
}

pub(crate) async fn modify(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let name = parameters.required_text("Name")?;
    let changed = ChangedServiceAccount {
        description: parameters.text("Description")?,
        permissions: permissions(&mut parameters)?,
        validity: validity(&mut parameters)?,
        state: state(&mut parameters)?,
    };
    parameters.finish()?;
    service
        .credentials
        .modify_service_account(call, &instance(&registry_id)?, &name, changed)
        .await?;
    reply.with(&Nothing {})
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewPassword<'a> {
    password: &'a str,
}

pub(crate) async fn modify_password(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let name = parameters.required_text("Name")?;
    let random = parameters
        .boolean("Random")?
        .ok_or_else(|| Error::missing_parameter("Random"))?;
    let given = parameters.text("Password")?.map(Secret::new);
    parameters.finish()?;
    // With Random the other field is ignored, as it is documented.
    let chosen = if random {
        None
    } else {
        Some(given.ok_or_else(|| Error::missing_parameter("Password"))?)
    };
    let password = service
        .credentials
        .set_service_account_password(call, &instance(&registry_id)?, &name, chosen)
        .await?;
    reply.with(&NewPassword {
        password: password.expose(),
    })
}

pub(crate) async fn delete(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let name = parameters.required_text("Name")?;
    parameters.finish()?;
    service
        .credentials
        .delete_service_account(call, &instance(&registry_id)?, &name)
        .await?;
    reply.with(&Nothing {})
}
