//! Ways to an instance beside its public endpoint: private networks, and domains of the customer's.
//! There are none here.

use std::net::IpAddr;

use axum::response::Response;
use serde::Serialize;

use super::place::{instance, registry_id};
use crate::domain::name::check_region;
use crate::domain::{Error, Result};
use crate::http::tencent::Authenticated;
use crate::http::tencent::pager::Pager;
use crate::http::tencent::parameters::Parameters;
use crate::service::{Permission, Within};

/// How many private networks one call may ask about; the vendor documents no most.
const MAX_VPCS: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InternalEndpoints {
    access_vpc_set: [(); 0],
    total_count: u64,
}

pub(crate) async fn internal_endpoints(
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
    service
        .registry
        .instance_with(
            call,
            &instance(&id)?,
            Within::Instance,
            Permission::DescribeInternalEndpoint,
        )
        .await?;
    reply.with(&InternalEndpoints {
        access_vpc_set: [],
        total_count: 0,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CustomizedDomains {
    /// The instance's own name is none of these: DescribeInstances has it.
    domain_info_list: [(); 0],
    total_count: u64,
}

pub(crate) async fn customized_domains(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    Pager::PAGES_FROM_0.take(&mut parameters)?;
    parameters.finish()?;
    service
        .registry
        .instance_with(
            call,
            &instance(&id)?,
            Within::Instance,
            Permission::DescribeCustomDomain,
        )
        .await?;
    reply.with(&CustomizedDomains {
        domain_info_list: [],
        total_count: 0,
    })
}

/// A private network that is asked about.
struct Vpc {
    instance_id: String,
    vpc_id: String,
    region: Option<String>,
}

impl Vpc {
    fn read(mut given: Parameters) -> Result<Self> {
        let vpc = Self {
            instance_id: given.required_text("InstanceId")?,
            vpc_id: given.required_text("VpcId")?,
            region: given
                .text("RegionName")?
                .filter(|region| !region.is_empty()),
        };
        if given.required_text("EniLBIp")?.parse::<IpAddr>().is_err() {
            return Err(Error::invalid_parameter(
                "VpcSet.EniLBIp",
                "The parameter `VpcSet.EniLBIp` is an IP address.",
            ));
        }
        given.boolean("UsePublicDomain")?;
        given.finish()?;
        vpc.region
            .as_deref()
            .map_or(Ok(()), |region| check_region("VpcSet.RegionName", region))?;
        Ok(vpc)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DnsStatuses {
    vpc_set: Vec<DnsStatus>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DnsStatus {
    region: String,
    vpc_id: String,
    status: &'static str,
}

pub(crate) async fn dns_status(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let asked = parameters.structures("VpcSet")?;
    if asked.is_empty() {
        return Err(Error::missing_parameter("VpcSet"));
    }
    if asked.len() > MAX_VPCS {
        return Err(Error::invalid_parameter(
            "VpcSet",
            format!("The parameter `VpcSet` has at most {MAX_VPCS} networks."),
        ));
    }
    let asked = asked
        .into_iter()
        .map(Vpc::read)
        .collect::<Result<Vec<_>>>()?;
    parameters.finish()?;
    let mut vpc_set = Vec::with_capacity(asked.len());
    for Vpc {
        instance_id,
        vpc_id,
        region,
    } in asked
    {
        let choice = instance(&instance_id)?;
        let found = service
            .registry
            .instance_with(
                call,
                &choice,
                Within::Instance,
                Permission::DescribeInternalDns,
            )
            .await?;
        vpc_set.push(DnsStatus {
            region: region.unwrap_or_else(|| found.region.clone()),
            vpc_id,
            status: "DISABLE",
        });
    }
    reply.with(&DnsStatuses { vpc_set })
}
