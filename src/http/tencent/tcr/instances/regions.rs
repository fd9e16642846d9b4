//! The regions in which an account has instances, and the numbers of Tencent's.

use axum::response::Response;
use serde::Serialize;

use crate::domain::Result;
use crate::domain::instance::Instance;
use crate::http::tencent::{Authenticated, times};
use crate::service::Permission;

/// The numbers of the regions that Tencent publishes; any other is 0.
const REGIONS: [(&str, u64); 22] = [
    ("ap-guangzhou", 1),
    ("ap-shanghai", 4),
    ("ap-hongkong", 5),
    ("na-toronto", 6),
    ("ap-shanghai-fsi", 7),
    ("ap-beijing", 8),
    ("ap-singapore", 9),
    ("ap-shenzhen-fsi", 11),
    ("na-siliconvalley", 15),
    ("ap-chengdu", 16),
    ("eu-frankfurt", 17),
    ("ap-seoul", 18),
    ("ap-chongqing", 19),
    ("ap-mumbai", 21),
    ("na-ashburn", 22),
    ("ap-bangkok", 23),
    ("eu-moscow", 24),
    ("ap-tokyo", 25),
    ("ap-nanjing", 33),
    ("ap-taipei", 39),
    ("ap-jakarta", 72),
    ("sa-saopaulo", 74),
];

/// Returns the number of a region.
pub(super) fn region_id(region: &str) -> u64 {
    REGIONS
        .iter()
        .find(|(name, _)| *name == region)
        .map_or(0, |(_, id)| *id)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Regions {
    total_count: usize,
    regions: Vec<Region>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Region {
    alias: String,
    region_id: u64,
    region_name: String,
    status: &'static str,
    remark: &'static str,
    created_at: String,
    updated_at: String,
    id: u64,
}

/// Divergence: the regions are those in which the account has instances; they date from the first
/// and the last of them.
pub(crate) async fn describe(
    Authenticated {
        service,
        call,
        parameters,
        region,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    parameters.finish()?;
    let own = service
        .registry
        .own_instances(call, Permission::ListRegions, region)
        .await?;
    let mut regions: Vec<Region> = Vec::new();
    for Instance {
        region, created_at, ..
    } in own.into_iter().map(|one| one.instance)
    {
        match regions.iter_mut().find(|known| known.region_name == region) {
            Some(known) => known.updated_at = times::beijing(created_at),
            None => regions.push(Region {
                alias: region.clone(),
                region_id: region_id(&region),
                status: "alluser",
                remark: "",
                created_at: times::beijing(created_at),
                updated_at: times::beijing(created_at),
                id: region_id(&region),
                region_name: region,
            }),
        }
    }
    reply.with(&Regions {
        total_count: regions.len(),
        regions,
    })
}
