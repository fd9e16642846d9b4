//! The account, the instance and the key of the quickstart.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{NAME, REGION, say};
use crate::domain::ids::AccountId;
use crate::domain::instance::{AnyInstanceId, DefaultMark, Instance};
use crate::domain::{Error, Result};
use crate::service::{
    AccessKeyState, Call, Caller, NewAccessKey, NewInstance, RequestContext, Service,
};

/// The things of the last run that the next one uses again.
#[derive(Serialize, Deserialize)]
struct Memory {
    account: AccountId,
    instance: String,
    access_key_id: String,
}

/// Makes the account and the instance, or finds those of the last run. It always makes a key, whose
/// secret is shown once.
pub(super) async fn make(service: &Service) -> Result<(Arc<Instance>, NewAccessKey)> {
    let (operator, context) = (
        Caller::operator(),
        RequestContext::operator(service.base.request_id()),
    );
    let call = || service.call(&operator, &context);
    let last: Option<Memory> = service
        .operations
        .command_state(&call(), NAME)
        .await?
        .and_then(|text| serde_json::from_str(&text).ok());
    let (account, instance) = match &last {
        Some(memory) => (
            memory.account,
            find_instance(service, &call(), memory).await?,
        ),
        None => make_instance(service, &call()).await?,
    };
    let key = make_key(service, &call(), account).await?;
    let memory = Memory {
        account,
        instance: instance.id.to_string(),
        access_key_id: key.id.clone(),
    };
    let memory = serde_json::to_string(&memory).map_err(Error::internal)?;
    service
        .operations
        .set_command_state(&call(), NAME, &memory)
        .await?;
    if let Some(last) = last {
        delete_key(service, &call(), &last.access_key_id).await?;
    }
    Ok((instance, key))
}

async fn find_instance(
    service: &Service,
    call: &Call<'_>,
    memory: &Memory,
) -> Result<Arc<Instance>> {
    let id: AnyInstanceId = memory.instance.parse()?;
    let instance = service.registry.instance(call, &id.into()).await?;
    say(&format!(
        "Account {} and instance {} are there from the last run.",
        memory.account, instance.id
    ));
    Ok(instance)
}

/// Makes an account with an instance.
async fn make_instance(service: &Service, call: &Call<'_>) -> Result<(AccountId, Arc<Instance>)> {
    let account = service
        .identity
        .create_account(call, None, NAME, None)
        .await?
        .id;
    say(&format!(
        "transire account create --name {NAME}: account {account}"
    ));
    let new = NewInstance {
        default: DefaultMark::Marked,
        ..NewInstance::named(account, NAME, REGION, format!("{NAME}.registry.localhost"))
    };
    let instance = service.registry.create_instance(call, new).await?;
    say(&format!(
        "transire instance create --name {NAME} --default: instance {} (also {})",
        instance.id, instance.cri_id
    ));
    Ok((account, Arc::new(instance)))
}

async fn make_key(service: &Service, call: &Call<'_>, account: AccountId) -> Result<NewAccessKey> {
    let key = service
        .identity
        .create_access_key(call, account, None)
        .await?;
    say(&format!(
        "transire access-key create --account {account}: access key {}",
        key.id
    ));
    Ok(key)
}

async fn delete_key(service: &Service, call: &Call<'_>, id: &str) -> Result<()> {
    service
        .identity
        .set_access_key_state(call, id, AccessKeyState::Deleted)
        .await?;
    say(&format!(
        "transire access-key delete --id {id}: the last run's"
    ));
    Ok(())
}
