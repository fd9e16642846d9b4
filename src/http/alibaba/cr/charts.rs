//! Charts in repositories of their own. There are none here: charts are images among others.

use axum::response::Response;
use serde::Serialize;

use super::namespaces::is_normal;
use super::place::{instance, instance_id};
use crate::domain::Result;
use crate::http::alibaba::Authenticated;
use crate::http::alibaba::pager::Paging;
use crate::service::{Permission, Within};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Namespaces {
    page_no: u32,
    page_size: u32,
    /// A text, as that of the other namespaces.
    total_count: &'static str,
    namespaces: [(); 0],
}

/// The vendor's policies name charts' actions as those of images: `cr:GetNamespace` for
/// `GetChartNamespace`.
pub(crate) async fn list(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let paging = Paging::read(parameters)?;
    is_normal(parameters)?;
    service
        .registry
        .instance_with(
            call,
            &instance(instance_id)?,
            Within::Instance,
            Permission::ListNamespaces,
        )
        .await?;
    let output = Namespaces {
        page_no: paging.number,
        page_size: paging.size,
        total_count: "0",
        namespaces: [],
    };
    reply.success(output)
}
