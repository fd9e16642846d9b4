//! The operations that are served.

use super::call::Authenticated;
use super::sts;
use super::tcr::{
    endpoints, images, instances, namespaces, replication, repositories, security_policies,
    service_accounts, tag_rules, tokens, webhooks,
};
use crate::http::door::operations::operations;

operations! {
    Authenticated;

    "tcr": CreateInstanceToken => tokens::create_instance_token, Change;

    "tcr" {
        DescribeInstanceToken => tokens::describe_instance_token, Read;
        ModifyInstanceToken => tokens::modify_instance_token, Change;
        DeleteInstanceToken => tokens::delete_instance_token, Change;

        CreateNamespace => namespaces::create, Change;
        DescribeNamespaces => namespaces::describe, Read;
        ModifyNamespace => namespaces::modify, Change;
        DeleteNamespace => namespaces::delete, Change;

        CreateRepository => repositories::create, Change;
        DescribeRepositories => repositories::describe, Read;
        ModifyRepository => repositories::modify, Change;
        DeleteRepository => repositories::delete, Change;

        CreateInstance => instances::create, Change;
        DescribeInstances => instances::lists::describe, Read;
        DescribeInstanceStatus => instances::lists::describe_status, Read;
        ModifyInstance => instances::modify, Change;
        DeleteInstance => instances::delete, Change;
        CheckInstance => instances::checks::check, Read;
        CheckInstanceName => instances::checks::check_name, Read;
        DescribeRegions => instances::regions::describe, Read;

        DescribeExternalEndpointStatus => security_policies::endpoint_status, Read;
        ManageExternalEndpoint => security_policies::manage_endpoint, Change;
        DescribeSecurityPolicies => security_policies::describe, Read;
        CreateSecurityPolicy => security_policies::create, Change;
        ModifySecurityPolicy => security_policies::modify, Change;
        DeleteSecurityPolicy => security_policies::delete, Change;
        CreateMultipleSecurityPolicy => security_policies::create_multiple, Change;
        DeleteMultipleSecurityPolicy => security_policies::delete_multiple, Change;

        CreateServiceAccount => service_accounts::create, Change;
        DescribeServiceAccounts => service_accounts::describe, Read;
        ModifyServiceAccount => service_accounts::modify, Change;
        ModifyServiceAccountPassword => service_accounts::modify_password, Change;
        DeleteServiceAccount => service_accounts::delete, Change;

        DeleteImage => images::delete, Change;
        DeleteRepositoryTags => images::delete_tags, Change;
        DescribeImageManifests => images::describe_manifests, Read;
        DescribeImages => images::describe, Read;

        DescribeInternalEndpoints => endpoints::internal_endpoints, Read;
        DescribeInternalEndpointDnsStatus => endpoints::dns_status, Read;
        DescribeInstanceCustomizedDomain => endpoints::customized_domains, Read;
        DescribeReplicationInstances => replication::replicas, Read;
        DescribeReplicationPolicies => replication::policies, Read;
        DescribeImmutableTagRules => tag_rules::immutability, Read;
        DescribeTagRetentionRules => tag_rules::retention, Read;
        DescribeWebhookTrigger => webhooks::triggers, Read;
    }

    "sts" {
        AssumeRole => sts::assume_role, Change;
        AssumeRoleWithWebIdentity => sts::assume_signed_role_with_web_identity, Change;
        GetCallerIdentity => sts::get_caller_identity, Read;
        GetFederationToken => sts::get_federation_token, Change;
    }
}
