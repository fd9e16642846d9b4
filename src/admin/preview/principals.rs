//! The consequences of operations on principals, and on what they have.

use std::time::Duration;

use super::{Asked, last_use, say, sentences};
use crate::admin::access_keys::{DeleteAccessKey, ShowAccessKey};
use crate::admin::credentials::ListCredentials;
use crate::admin::groups::{DeleteGroup, ShowGroup};
use crate::admin::instances::ListInstances;
use crate::admin::listing::Listing;
use crate::admin::operation::Operation;
use crate::admin::revocations::Revoke;
use crate::admin::service_accounts::ListServiceAccountsOfMaker;
use crate::admin::text::{PrincipalText, Text};
use crate::admin::users::DeleteUser;
use crate::domain::Result;
use crate::domain::ids::AccountId;
use crate::domain::instance::Instance;
use crate::views::{self, Consequence};

/// Returns the consequences of an operation on principals; none for another operation.
///
/// # Errors
/// Those of the use cases that show them.
pub(super) async fn foresee(asked: &Asked<'_>, operation: &str) -> Result<Vec<Consequence>> {
    let (service, call) = (asked.service, asked.call);
    Ok(match operation {
        "DeleteUser" => user(asked, sentences::USER_DELETED, true).await?,
        "DisableUser" => user(asked, sentences::USER_DISABLED, false).await?,
        "DeleteAccessKey" | "DisableAccessKey" => {
            let id = asked.fields::<DeleteAccessKey>()?.id;
            let key = ShowAccessKey { id }.run(service, call).await?;
            vec![
                say(sentences::KEY_REFUSED, []),
                say(sentences::TEMPORARY_END, []),
                tokens_last(asked),
                last_use(key.last_used_at),
            ]
        }
        "DeleteRole" => vec![say(sentences::ROLE_DELETED, []), tokens_last(asked)],
        "DeleteGroup" => {
            let DeleteGroup { account, name } = asked.fields()?;
            let group = ShowGroup { account, name }.run(service, call).await?;
            let members = group.members.len().to_string();
            vec![say(sentences::GROUP_DELETED, [members])]
        }
        "DeleteOperator" | "DisableOperator" => vec![say(sentences::OPERATOR_REFUSED, [])],
        "Revoke" => revoke(asked).await?,
        _ => Vec::new(),
    })
}

/// Says until when tokens last that clients hold already: registries verify them without asking.
pub(super) fn tokens_last(asked: &Asked<'_>) -> Consequence {
    let longest = Duration::from_secs(Instance::MAX_TOKEN_TTL.into());
    say(
        sentences::TOKENS_LAST,
        [asked.call.now.plus(longest).rfc3339()],
    )
}

async fn user(asked: &Asked<'_>, pattern: &str, goes: bool) -> Result<Vec<Consequence>> {
    let DeleteUser { account, name } = asked.fields()?;
    let (service, call) = (asked.service, asked.call);
    let id = account.id(service, call).await?;
    let user = service.identity.user(call, id, &name).await?;
    let principal = format!("{id}:user#{}", user.id);
    let keys = service.identity.access_keys(call, Some(id)).await?;
    let keys: Vec<_> = keys.into_iter().map(views::AccessKey::from).collect();
    let of_user = |key: &&views::AccessKey| key.principal == principal;
    let active = keys.iter().filter(of_user);
    let active = active.filter(|key| key.state == "active").count();
    let credentials = credentials(asked, id, &principal).await?;
    let mut said = vec![
        say(pattern, [active.to_string(), credentials.to_string()]),
        say(sentences::TEMPORARY_END, []),
        tokens_last(asked),
    ];
    if goes {
        let made_by: PrincipalText = Text(format!("{id}:user/{name}").parse()?);
        said.extend(made(asked, made_by, sentences::MADE_STAY).await?);
    }
    Ok(said)
}

/// Counts the active long-term credentials of a principal.
async fn credentials(asked: &Asked<'_>, account: AccountId, principal: &str) -> Result<usize> {
    let (service, call, account) = (asked.service, asked.call, account.to_string());
    let mut count = 0;
    let mut instances = ListInstances {}.all(service, call).await?;
    instances.retain(|instance| instance.account_id == account);
    for one in instances {
        let instance = Text(one.tcr_id.parse()?);
        let list = ListCredentials { instance }.all(service, call).await?;
        let of_principal = |credential: &&views::Credential| {
            credential.principal == principal && credential.state == "active"
        };
        count += list.iter().filter(of_principal).count();
    }
    Ok(count)
}

/// Says what becomes of the active service accounts that a principal made; nothing without any.
async fn made(
    asked: &Asked<'_>,
    made_by: PrincipalText,
    pattern: &str,
) -> Result<Option<Consequence>> {
    let list = ListServiceAccountsOfMaker { made_by };
    let made = list.all(asked.service, asked.call).await?;
    let active = made.iter().filter(|one| one.state == "active").count();
    Ok((active > 0).then(|| say(pattern, [active.to_string()])))
}

async fn revoke(asked: &Asked<'_>) -> Result<Vec<Consequence>> {
    let Revoke {
        principal,
        credential,
    } = asked.fields()?;
    if credential.is_some() {
        return Ok(vec![
            say(sentences::LOG_INS_REFUSED, []),
            tokens_last(asked),
        ]);
    }
    let mut said = vec![say(sentences::TEMPORARY_END, [])];
    said.extend(made(asked, principal, sentences::MADE_STOP).await?);
    said.push(tokens_last(asked));
    said.push(say(sentences::NEW_ONES, []));
    Ok(said)
}
