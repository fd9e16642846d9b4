//! Charts in repositories of their own. There are none here: charts are images among others.

use axum::response::Response;
use serde::Serialize;

use super::namespaces::{Paging, instance, instance_id, is_normal, respond};
use crate::domain::Result;
use crate::http::alibaba::Proved;
use crate::http::operation::operations;
use crate::service::{Permission, Within};

operations! { "cr": ListChartNamespace }

impl Operation {
    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, call: Proved<'_>) -> Result<Response> {
        match self {
            Self::ListChartNamespace => list(call).await,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Namespaces {
    page_no: u32,
    page_size: u32,
    /// A text, as that of the other namespaces.
    total_count: &'static str,
    namespaces: [(); 0],
}

/// The vendor's policies name charts' actions as those of images: `cr:GetNamespace` for `GetChartNamespace`.
async fn list(Proved { service, caller, parameters, visit }: Proved<'_>) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let paging = Paging::read(parameters)?;
    is_normal(parameters)?;
    service.instance_with(caller, &instance(instance_id)?, Within::Instance, Permission::ListNamespaces, &visit.context).await?;
    let output = Namespaces { page_no: paging.number, page_size: paging.size, total_count: "0", namespaces: [] };
    respond("ListChartNamespaceResponse", output, visit)
}
