//! The operations that are served, and the names of those that AWS has besides.

use super::Product;
use super::call::Authenticated;
use super::ecr::{images, lifecycle, policies, registry, repositories, settings, tags, tokens};
use super::sts::{federation, identity, key_sessions, roles};
use crate::http::door::operations::operations;

operations! {
    Authenticated;

    "ecr": GetAuthorizationToken => tokens::get_authorization_token, Change;

    "ecr" {
        CreateRepository => repositories::create, Change;
        DescribeRepositories => repositories::describe, Read;
        DeleteRepository => repositories::delete, Change;
        ListImages => images::list, Read;
        DescribeImages => images::describe, Read;
        BatchGetImage => images::manifests::batch_get, Read;
        BatchDeleteImage => images::deletion::batch_delete, Change;
        BatchCheckLayerAvailability => images::layers::batch_check, Read;
        DescribeRegistry => registry::describe, Read;
        GetAccountSetting => registry::account_setting, Read;
        GetRegistryScanningConfiguration => settings::registry_scanning, Read;
        BatchGetRepositoryScanningConfiguration => settings::batch_get_scanning, Read;
        PutImageScanningConfiguration => settings::put_scanning, Change;
        PutImageTagMutability => settings::put_mutability, Change;
        PutLifecyclePolicy => lifecycle::put, Change;
        GetLifecyclePolicy => lifecycle::get, Read;
        DeleteLifecyclePolicy => lifecycle::delete, Change;
        SetRepositoryPolicy => policies::set, Change;
        GetRepositoryPolicy => policies::get, Read;
        DeleteRepositoryPolicy => policies::delete, Change;
        ListTagsForResource => tags::list, Read;
        TagResource => tags::add, Change;
        UntagResource => tags::remove, Change;
    }

    "sts" {
        AssumeRole => roles::assume_role, Change;
        AssumeRoleWithWebIdentity => roles::assume_signed_role_with_web_identity, Change;
        GetAccessKeyInfo => identity::get_access_key_info, Read;
        GetFederationToken => federation::get_federation_token, Change;
        GetCallerIdentity => identity::get_caller_identity, Read;
        GetScopedCredentials => key_sessions::get_scoped_credentials, Change;
        GetSessionToken => key_sessions::get_session_token, Change;
    }
}

/// Tells whether AWS has an operation that isn't served here, as its SDKs name it (botocore
/// 1.44.8).
pub(super) fn is_known(product: Product, name: &str) -> bool {
    let all = match product {
        Product::Ecr => ECR,
        Product::Sts => STS,
    };
    all.contains(&name)
}

const ECR: &[&str] = &[
    "CompleteLayerUpload",
    "CreatePullThroughCacheRule",
    "CreateRepositoryCreationTemplate",
    "DeletePullThroughCacheRule",
    "DeleteRegistryPolicy",
    "DeleteRepositoryCreationTemplate",
    "DeleteSigningConfiguration",
    "DeregisterPullTimeUpdateExclusion",
    "DescribeImageReplicationStatus",
    "DescribeImageScanFindings",
    "DescribeImageSigningStatus",
    "DescribePullThroughCacheRules",
    "DescribeReplicationBackfillResults",
    "DescribeRepositoryCreationTemplates",
    "GetDownloadUrlForLayer",
    "GetLifecyclePolicyPreview",
    "GetRegistryPolicy",
    "GetSigningConfiguration",
    "InitiateLayerUpload",
    "ListImageReferrers",
    "ListPullTimeUpdateExclusions",
    "ListReplicationBackfills",
    "PutAccountSetting",
    "PutImage",
    "PutRegistryPolicy",
    "PutRegistryScanningConfiguration",
    "PutReplicationConfiguration",
    "PutSigningConfiguration",
    "RegisterPullTimeUpdateExclusion",
    "StartImageScan",
    "StartLifecyclePolicyPreview",
    "StartReplicationBackfill",
    "StopReplicationBackfill",
    "UpdateImageStorageClass",
    "UpdatePullThroughCacheRule",
    "UpdateRepositoryCreationTemplate",
    "UploadLayerPart",
    "ValidatePullThroughCacheRule",
];

const STS: &[&str] = &[
    "AssumeRoleWithSAML",
    "AssumeRoot",
    "DecodeAuthorizationMessage",
    "GetDelegatedAccessToken",
    "GetWebIdentityToken",
];
