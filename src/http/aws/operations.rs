//! The operations that are served, and the names of those that AWS has besides.

use super::Product;
use super::call::Authenticated;
use super::ecr::{registry, repositories, tokens};
use super::sts::{federation, identity, key_sessions, roles};
use crate::http::door::operations::operations;

operations! {
    Authenticated;

    "ecr": GetAuthorizationToken => tokens::get_authorization_token, Change;

    "ecr" {
        CreateRepository => repositories::create, Change;
        DescribeRepositories => repositories::describe, Read;
        DeleteRepository => repositories::delete, Change;
        DescribeRegistry => registry::describe, Read;
        ListTagsForResource => registry::list_tags, Read;
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
    "BatchCheckLayerAvailability",
    "BatchDeleteImage",
    "BatchGetImage",
    "BatchGetRepositoryScanningConfiguration",
    "CompleteLayerUpload",
    "CreatePullThroughCacheRule",
    "CreateRepositoryCreationTemplate",
    "DeleteLifecyclePolicy",
    "DeletePullThroughCacheRule",
    "DeleteRegistryPolicy",
    "DeleteRepositoryCreationTemplate",
    "DeleteRepositoryPolicy",
    "DeleteSigningConfiguration",
    "DeregisterPullTimeUpdateExclusion",
    "DescribeImageReplicationStatus",
    "DescribeImageScanFindings",
    "DescribeImageSigningStatus",
    "DescribeImages",
    "DescribePullThroughCacheRules",
    "DescribeReplicationBackfillResults",
    "DescribeRepositoryCreationTemplates",
    "GetAccountSetting",
    "GetDownloadUrlForLayer",
    "GetLifecyclePolicy",
    "GetLifecyclePolicyPreview",
    "GetRegistryPolicy",
    "GetRegistryScanningConfiguration",
    "GetRepositoryPolicy",
    "GetSigningConfiguration",
    "InitiateLayerUpload",
    "ListImageReferrers",
    "ListImages",
    "ListPullTimeUpdateExclusions",
    "ListReplicationBackfills",
    "PutAccountSetting",
    "PutImage",
    "PutImageScanningConfiguration",
    "PutImageTagMutability",
    "PutLifecyclePolicy",
    "PutRegistryPolicy",
    "PutRegistryScanningConfiguration",
    "PutReplicationConfiguration",
    "PutSigningConfiguration",
    "RegisterPullTimeUpdateExclusion",
    "SetRepositoryPolicy",
    "StartImageScan",
    "StartLifecyclePolicyPreview",
    "StartReplicationBackfill",
    "StopReplicationBackfill",
    "TagResource",
    "UntagResource",
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
