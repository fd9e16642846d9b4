//! The operations that are served.

use super::call::Authenticated;
use super::cr::{
    charts, endpoints, images, instances, namespaces, passwords, repositories, resource_tags,
    rules, tokens,
};
use super::sts;
use crate::http::door::operations::operations;

operations! {
    Authenticated;

    "cr": GetAuthorizationToken => tokens::get_authorization_token, Change;

    "cr" {
        CreateNamespace => namespaces::create, Change;
        GetNamespace => namespaces::get, Read;
        ListNamespace => namespaces::list, Read;
        UpdateNamespace => namespaces::update, Change;
        DeleteNamespace => namespaces::delete, Change;

        CreateRepository => repositories::create, Change;
        GetRepository => repositories::get, Read;
        ListRepository => repositories::list, Read;
        UpdateRepository => repositories::update, Change;
        DeleteRepository => repositories::delete, Change;

        ListInstance => instances::list, Read;
        GetInstance => instances::get, Read;
        GetInstanceCount => instances::count, Read;
        GetInstanceUsage => instances::usage, Read;
        ListInstanceRegion => instances::list_regions, Read;

        GetInstanceEndpoint => endpoints::get, Read;
        ListInstanceEndpoint => endpoints::list, Read;
        UpdateInstanceEndpointStatus => endpoints::update, Change;
        CreateInstanceEndpointAclPolicy => endpoints::create, Change;
        DeleteInstanceEndpointAclPolicy => endpoints::delete, Change;
        GetInstanceVpcEndpoint => endpoints::vpc, Read;
        GetInstanceCustomizedDomain => endpoints::customized_domain, Read;

        TagResources => resource_tags::tag, Change;
        UntagResources => resource_tags::untag, Change;
        ListTagResources => resource_tags::list, Read;

        ResetLoginPassword => passwords::reset_login_password, Change;

        DeleteRepoTag => images::delete, Change;
        GetRepoTag => images::get, Read;
        ListRepoTag => images::list, Read;

        ListRepoSyncRule => rules::list_sync, Read;
        ListArtifactLifecycleRule => rules::list_lifecycle, Read;
        ListScanRule => rules::list_scan, Read;
        ListChain => rules::list_chains, Read;
        ListChartNamespace => charts::list, Read;
    }

    "sts" {
        AssumeRole => sts::assume_role, Change;
        AssumeRoleWithOIDC => sts::assume_signed_role_with_oidc, Change;
        GetCallerIdentity => sts::get_caller_identity, Read;
    }

    // Of 2016-06-07, by their path. It gives out the same credential, and is counted with the
    // other.
    beside "cr" {
        GetTokens: "GET /tokens" as "cr:GetAuthorizationToken" => tokens::get_tokens, Change;
    }
}

impl Operation {
    /// Returns the operation of a path of 2016-06-07.
    pub(super) fn of_path(method: &str, path: &str) -> Option<Self> {
        (method == "GET" && path == "/tokens").then_some(Self::GetTokens)
    }
}
