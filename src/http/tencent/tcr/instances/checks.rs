//! Whether an instance is there, and whether a name is free for one.

use axum::response::Response;
use serde::Serialize;

use super::regions::region_id;
use crate::domain::{ErrorKind, Result};
use crate::http::tencent::Authenticated;
use crate::http::tencent::tcr::place::{instance, registry_id};
use crate::service::{NameCheck, Permission, TaggedInstance};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Validated {
    is_validated: bool,
    region_id: u64,
}

pub(crate) async fn check(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    parameters.finish()?;
    let found = match instance(&id) {
        Ok(instance) => {
            service
                .registry
                .described_instance(call, &instance, Permission::CheckInstance)
                .await
        }
        Err(error) => Err(error),
    };
    let validated = match found {
        Ok(TaggedInstance { instance, .. }) => Validated {
            is_validated: true,
            region_id: region_id(&instance.region),
        },
        Err(error) if error.kind() == &ErrorKind::InstanceNotFound => Validated {
            is_validated: false,
            region_id: 0,
        },
        Err(error) => return Err(error),
    };
    reply.with(&validated)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ValidatedName {
    is_validated: bool,
    detail_code: i64,
}

pub(crate) async fn check_name(
    Authenticated {
        service,
        call,
        mut parameters,
        region,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let name = parameters.required_text("RegistryName")?;
    parameters.finish()?;
    let check = service
        .registry
        .check_instance_name(call, &name, region)
        .await?;
    reply.with(&ValidatedName {
        is_validated: check == NameCheck::Free,
        detail_code: match check {
            NameCheck::Free => 0,
            NameCheck::Illegal => 1,
            NameCheck::Reserved => 2,
            NameCheck::Taken => 3,
        },
    })
}
