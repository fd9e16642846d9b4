//! The table of permissions.

/// On what a permission is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Form {
    /// No resource of its own: only `*` allows it.
    Operation,
    /// `instance/ID`
    Instance,
    /// `repository/ID`, where Alibaba asks for new namespaces.
    Registry,
    /// `repository/ID/*`: all that the instance holds.
    AllRepositories,
    /// `repository/ID/NAMESPACE`
    Namespace,
    /// `repository/ID/NAMESPACE/*`: all that the namespace holds.
    AllInNamespace,
    /// `repository/ID/NAMESPACE/NAME`
    Repository,
    /// `repository/ID/NAMESPACE/NAME/*`: all that the repository holds.
    AllInRepository,
    /// A role.
    Role,
}

pub(super) struct Row {
    pub(super) permission: Permission,
    pub(super) word: &'static str,
    pub(super) cam: (&'static [&'static str], Form),
    pub(super) ram: (&'static [&'static str], Form),
    pub(super) iam: Named,
}

/// How IAM names a permission.
pub(super) enum Named {
    /// By an action of its own.
    Action(&'static [&'static str], Form),
    /// By those of other permissions, all of which are needed.
    All(&'static [Permission]),
}

/// Makes [`Permission`] and its table of rows: the permission's word, and in each language the form
/// of its resource and its names.
macro_rules! permissions {
    (@iam all [$($part:ident),+]) => { Named::All(&[$(Permission::$part),+]) };
    (@iam $form:ident [$name:literal]) => { Named::Action(&[$name], Form::$form) };
    ($(
        $permission:ident $word:literal
            cam: $cam_form:ident [$($cam:literal),+]
            ram: $ram_form:ident [$($ram:literal),+]
            iam: $iam_form:ident [$($iam:tt),+];
    )+) => {
        /// An action that a principal may be allowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is said by its row of the table")]
        pub enum Permission {
            $($permission,)+
        }

        /// The rows, in the order of the enum.
        pub(super) const TABLE: &[Row] = &[$(
            Row {
                permission: Permission::$permission,
                word: $word,
                cam: (&[$($cam),+], Form::$cam_form),
                ram: (&[$($ram),+], Form::$ram_form),
                iam: permissions!(@iam $iam_form [$($iam),+]),
            },
        )+];
    };
}

// THE table. Where a language has several names, any of them allows and any of them denies.
//
// Divergence: the RAM names for long-term credentials, service accounts and federation tokens, and
// `cr:UpdateInstance` and `cr:DeleteInstance`, are ours: the cloud has nothing of the kind. None
// begins with `cr:Get`, so that a policy written for temporary credentials never yields one that
// lives for years. Forms that the clouds don't publish (deleting, service accounts, access lists)
// follow their neighbours.
//
// AWS has no name for what ECR hasn't. Such a permission has one of the service `transire`, so that
// a policy written for ECR, `ecr:*` among them, never yields more than it does there.
permissions! {
    Pull "pull"
        cam: Repository ["tcr:PullRepository"]
        ram: Repository ["cr:PullRepository"]
        iam: all [PullManifest, PullLayer];
    Push "push"
        cam: Repository ["tcr:PushRepository"]
        ram: Repository ["cr:PushRepository"]
        iam: all [PushManifest, BeginUpload, UploadPart, CompleteUpload];
    Delete "delete"
        cam: Repository ["tcr:DeleteImage", "tcr:DeleteRepositoryTags"]
        ram: Repository ["cr:DeleteRepoTag"]
        iam: Repository ["ecr:BatchDeleteImage"];
    ListCatalog "list-catalog"
        cam: AllRepositories ["tcr:DescribeRepositories"]
        ram: AllRepositories ["cr:ListRepository"]
        iam: AllRepositories ["ecr:DescribeRepositories"];
    IssueTemporary "issue-temporary"
        cam: Instance ["tcr:CreateInstanceToken"]
        ram: Operation ["cr:GetAuthorizationToken"]
        iam: Operation ["ecr:GetAuthorizationToken"];
    IssueLongTerm "issue-long-term"
        cam: Instance ["tcr:CreateInstanceToken"]
        ram: Instance ["cr:CreateInstanceToken"]
        iam: Instance ["transire:CreateInstanceToken"];
    ListLongTerm "list-long-term"
        cam: Instance ["tcr:DescribeInstanceToken"]
        ram: Instance ["cr:ListInstanceToken"]
        iam: Instance ["transire:ListInstanceToken"];
    ModifyLongTerm "modify-long-term"
        cam: Instance ["tcr:ModifyInstanceToken"]
        ram: Instance ["cr:UpdateInstanceToken"]
        iam: Instance ["transire:UpdateInstanceToken"];
    DeleteLongTerm "delete-long-term"
        cam: Instance ["tcr:DeleteInstanceToken"]
        ram: Instance ["cr:DeleteInstanceToken"]
        iam: Instance ["transire:DeleteInstanceToken"];
    CreateServiceAccount "create-service-account"
        cam: Instance ["tcr:CreateServiceAccount", "tcr:CreateCustomAccount"]
        ram: Instance ["cr:CreateServiceAccount"]
        iam: Instance ["transire:CreateServiceAccount"];
    ListServiceAccounts "list-service-accounts"
        cam: Instance ["tcr:DescribeServiceAccounts"]
        ram: Instance ["cr:ListServiceAccount"]
        iam: Instance ["transire:ListServiceAccount"];
    ModifyServiceAccount "modify-service-account"
        cam: Instance ["tcr:ModifyServiceAccount"]
        ram: Instance ["cr:UpdateServiceAccount"]
        iam: Instance ["transire:UpdateServiceAccount"];
    SetServiceAccountPassword "set-service-account-password"
        cam: Instance ["tcr:ModifyServiceAccountPassword"]
        ram: Instance ["cr:UpdateServiceAccount"]
        iam: Instance ["transire:UpdateServiceAccount"];
    DeleteServiceAccount "delete-service-account"
        cam: Instance ["tcr:DeleteServiceAccount"]
        ram: Instance ["cr:DeleteServiceAccount"]
        iam: Instance ["transire:DeleteServiceAccount"];
    SetFixedPassword "set-fixed-password"
        cam: Operation ["tcr:ModifyUserPasswordPersonal"]
        ram: Instance ["cr:ResetLoginPassword"]
        iam: Instance ["transire:ResetLoginPassword"];
    CreateInstance "create-instance"
        cam: Instance ["tcr:CreateInstance"]
        ram: Instance ["cr:CreateInstance"]
        iam: Instance ["transire:CreateInstance"];
    ListInstances "list-instances"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Operation ["cr:ListInstance"]
        iam: Operation ["transire:ListInstance"];
    DescribeInstance "describe-instance"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Instance ["cr:GetInstance"]
        iam: Instance ["transire:GetInstance"];
    DescribeInstanceStatus "describe-instance-status"
        cam: Instance ["tcr:DescribeInstanceStatus"]
        ram: Instance ["cr:GetInstance"]
        iam: Instance ["transire:GetInstance"];
    ModifyInstance "modify-instance"
        cam: Instance ["tcr:ModifyInstance"]
        ram: Instance ["cr:UpdateInstance"]
        iam: Instance ["transire:UpdateInstance"];
    DeleteInstance "delete-instance"
        cam: Instance ["tcr:DeleteInstance"]
        ram: Instance ["cr:DeleteInstance"]
        iam: Instance ["transire:DeleteInstance"];
    DescribeEndpoint "describe-endpoint"
        cam: Instance ["tcr:DescribeExternalEndpointStatus"]
        ram: Instance ["cr:GetInstanceEndpoint"]
        iam: Instance ["transire:GetInstanceEndpoint"];
    ListEndpoints "list-endpoints"
        cam: Instance ["tcr:DescribeExternalEndpointStatus"]
        ram: Instance ["cr:ListInstanceEndpoint"]
        iam: Instance ["transire:ListInstanceEndpoint"];
    ManageEndpoint "manage-endpoint"
        cam: Instance ["tcr:ManageExternalEndpoint"]
        ram: Instance ["cr:UpdateInstanceEndpointStatus"]
        iam: Instance ["transire:UpdateInstanceEndpointStatus"];
    CreateAclEntry "create-acl-entry"
        cam: Instance ["tcr:CreateSecurityPolicy", "tcr:CreateMultipleSecurityPolicy"]
        ram: Instance ["cr:CreateInstanceEndpointAclPolicy"]
        iam: Instance ["transire:CreateInstanceEndpointAclPolicy"];
    DeleteAclEntry "delete-acl-entry"
        cam: Instance ["tcr:DeleteSecurityPolicy", "tcr:DeleteMultipleSecurityPolicy"]
        ram: Instance ["cr:DeleteInstanceEndpointAclPolicy"]
        iam: Instance ["transire:DeleteInstanceEndpointAclPolicy"];
    CreateNamespace "create-namespace"
        cam: Namespace ["tcr:CreateNamespace"]
        ram: Registry ["cr:CreateNamespace"]
        iam: Namespace ["transire:CreateNamespace"];
    ListNamespaces "list-namespaces"
        cam: Namespace ["tcr:DescribeNamespaces"]
        ram: AllRepositories ["cr:ListNamespace"]
        iam: Namespace ["transire:ListNamespace"];
    DescribeNamespace "describe-namespace"
        cam: Namespace ["tcr:DescribeNamespaces"]
        ram: Namespace ["cr:GetNamespace"]
        iam: Namespace ["transire:GetNamespace"];
    ModifyNamespace "modify-namespace"
        cam: Namespace ["tcr:ModifyNamespace"]
        ram: Namespace ["cr:UpdateNamespace"]
        iam: Namespace ["transire:UpdateNamespace"];
    DeleteNamespace "delete-namespace"
        cam: Namespace ["tcr:DeleteNamespace"]
        ram: Namespace ["cr:DeleteNamespace"]
        iam: Namespace ["transire:DeleteNamespace"];
    CreateRepository "create-repository"
        cam: Repository ["tcr:CreateRepository"]
        ram: Repository ["cr:CreateRepository"]
        iam: Repository ["ecr:CreateRepository"];
    ListRepositories "list-repositories"
        cam: Repository ["tcr:DescribeRepositories"]
        ram: AllInNamespace ["cr:ListRepository"]
        iam: AllInNamespace ["ecr:DescribeRepositories"];
    DescribeRepository "describe-repository"
        cam: Repository ["tcr:DescribeRepositories"]
        ram: Repository ["cr:GetRepository"]
        iam: Repository ["ecr:DescribeRepositories"];
    ModifyRepository "modify-repository"
        cam: Repository ["tcr:ModifyRepository"]
        ram: Repository ["cr:UpdateRepository"]
        iam: Repository ["transire:UpdateRepository"];
    DeleteRepository "delete-repository"
        cam: Repository ["tcr:DeleteRepository"]
        ram: Repository ["cr:DeleteRepository"]
        iam: Repository ["ecr:DeleteRepository"];
    ListTags "list-tags"
        cam: AllInRepository ["tcr:DescribeImages"]
        ram: Repository ["cr:ListRepoTag"]
        iam: Repository ["ecr:ListImages"];
    DescribeTag "describe-tag"
        cam: AllInRepository ["tcr:DescribeImageManifests"]
        ram: Repository ["cr:GetRepoTag"]
        iam: Repository ["ecr:DescribeImages"];
    AssumeRole "assume-role"
        cam: Role ["sts:AssumeRole"]
        ram: Role ["sts:AssumeRole"]
        iam: Role ["sts:AssumeRole"];
    GetFederationToken "get-federation-token"
        cam: Operation ["sts:GetFederationToken"]
        ram: Operation ["sts:GetFederationToken"]
        iam: Operation ["sts:GetFederationToken"];
    CheckInstance "check-instance"
        cam: Instance ["tcr:CheckInstance"]
        ram: Instance ["cr:GetInstance"]
        iam: Instance ["transire:GetInstance"];
    CheckInstanceName "check-instance-name"
        cam: Operation ["tcr:CheckInstanceName"]
        ram: Operation ["cr:ListInstance"]
        iam: Operation ["transire:ListInstance"];
    CountInstances "count-instances"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Operation ["cr:GetInstanceCount"]
        iam: Operation ["transire:ListInstance"];
    DescribeUsage "describe-usage"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Instance ["cr:GetInstanceUsage"]
        iam: Instance ["transire:GetInstanceUsage"];
    ListRegions "list-regions"
        cam: Operation ["tcr:DescribeRegions"]
        ram: Operation ["cr:ListInstanceRegion"]
        iam: Operation ["transire:ListInstanceRegion"];
    ListAclEntries "list-acl-entries"
        cam: Instance ["tcr:DescribeSecurityPolicies"]
        ram: Instance ["cr:GetInstanceEndpoint"]
        iam: Instance ["transire:GetInstanceEndpoint"];
    ModifyAclEntry "modify-acl-entry"
        cam: Instance ["tcr:ModifySecurityPolicy"]
        ram: Instance ["cr:CreateInstanceEndpointAclPolicy"]
        iam: Instance ["transire:CreateInstanceEndpointAclPolicy"];
    TagInstance "tag-instance"
        cam: Instance ["tcr:ModifyInstance"]
        ram: Instance ["cr:TagResources"]
        iam: Instance ["transire:TagResources"];
    UntagInstance "untag-instance"
        cam: Instance ["tcr:ModifyInstance"]
        ram: Instance ["cr:UntagResources"]
        iam: Instance ["transire:UntagResources"];
    ListInstanceTags "list-instance-tags"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Instance ["cr:ListTagResources"]
        iam: Instance ["transire:ListTagResources"];
    DescribeInternalEndpoint "describe-internal-endpoint"
        cam: Instance ["tcr:DescribeInternalEndpoints"]
        ram: Instance ["cr:GetInstanceVpcEndpoint"]
        iam: Instance ["transire:GetInstanceVpcEndpoint"];
    DescribeInternalDns "describe-internal-dns"
        cam: Instance ["tcr:DescribeInternalEndpointDnsStatus"]
        ram: Instance ["cr:GetInstanceVpcEndpoint"]
        iam: Instance ["transire:GetInstanceVpcEndpoint"];
    DescribeCustomDomain "describe-custom-domain"
        cam: Instance ["tcr:DescribeInstanceCustomizedDomain"]
        ram: Instance ["cr:GetInstanceCustomizedDomain"]
        iam: Instance ["transire:GetInstanceCustomizedDomain"];
    // On all repositories: the answer names every namespace.
    ListImmutabilityRules "list-immutability-rules"
        cam: AllRepositories ["tcr:DescribeImmutableTagRules"]
        ram: AllRepositories ["cr:ListRepository"]
        iam: AllRepositories ["ecr:DescribeRepositories"];
    ListRetentionRules "list-retention-rules"
        cam: Namespace ["tcr:DescribeTagRetentionRules"]
        ram: Instance ["cr:ListArtifactLifecycleRule"]
        iam: AllRepositories ["ecr:GetLifecyclePolicy"];
    ListReplicas "list-replicas"
        cam: Instance ["tcr:DescribeReplicationInstances"]
        ram: Instance ["cr:ListRepoSyncRule"]
        iam: Operation ["ecr:DescribeRegistry"];
    ListSyncRules "list-sync-rules"
        cam: Instance ["tcr:DescribeReplicationPolicies"]
        ram: Instance ["cr:ListRepoSyncRule"]
        iam: Operation ["ecr:DescribeRegistry"];
    ListWebhooks "list-webhooks"
        cam: Namespace ["tcr:DescribeWebhookTrigger"]
        ram: AllInNamespace ["cr:ListRepoTrigger"]
        iam: Namespace ["transire:ListRepoTrigger"];
    ListChains "list-chains"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Instance ["cr:ListChain"]
        iam: Instance ["transire:ListChain"];
    ListScanRules "list-scan-rules"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Instance ["cr:ListScanRule"]
        iam: Operation ["ecr:GetRegistryScanningConfiguration"];
    // The parts of pulling and pushing in IAM, which ECR's own calls ask one by one.
    PullManifest "pull-manifest"
        cam: Repository ["tcr:PullRepository"]
        ram: Repository ["cr:PullRepository"]
        iam: Repository ["ecr:BatchGetImage"];
    PullLayer "pull-layer"
        cam: Repository ["tcr:PullRepository"]
        ram: Repository ["cr:PullRepository"]
        iam: Repository ["ecr:GetDownloadUrlForLayer"];
    CheckLayer "check-layer"
        cam: Repository ["tcr:PullRepository"]
        ram: Repository ["cr:PullRepository"]
        iam: Repository ["ecr:BatchCheckLayerAvailability"];
    PushManifest "push-manifest"
        cam: Repository ["tcr:PushRepository"]
        ram: Repository ["cr:PushRepository"]
        iam: Repository ["ecr:PutImage"];
    BeginUpload "begin-upload"
        cam: Repository ["tcr:PushRepository"]
        ram: Repository ["cr:PushRepository"]
        iam: Repository ["ecr:InitiateLayerUpload"];
    UploadPart "upload-part"
        cam: Repository ["tcr:PushRepository"]
        ram: Repository ["cr:PushRepository"]
        iam: Repository ["ecr:UploadLayerPart"];
    CompleteUpload "complete-upload"
        cam: Repository ["tcr:PushRepository"]
        ram: Repository ["cr:PushRepository"]
        iam: Repository ["ecr:CompleteLayerUpload"];
    GetRepositoryPolicy "get-repository-policy"
        cam: Repository ["tcr:DescribeRepositories"]
        ram: Repository ["cr:GetRepository"]
        iam: Repository ["ecr:GetRepositoryPolicy"];
    // It gives rights away, so no name that there was before allows it.
    SetRepositoryPolicy "set-repository-policy"
        cam: Repository ["tcr:SetRepositoryPolicy"]
        ram: Repository ["cr:SetRepositoryPolicy"]
        iam: Repository ["ecr:SetRepositoryPolicy"];
    DeleteRepositoryPolicy "delete-repository-policy"
        cam: Repository ["tcr:DeleteRepositoryPolicy"]
        ram: Repository ["cr:DeleteRepositoryPolicy"]
        iam: Repository ["ecr:DeleteRepositoryPolicy"];
    GetLifecyclePolicy "get-lifecycle-policy"
        cam: Repository ["tcr:DescribeRepositories"]
        ram: Repository ["cr:GetRepository"]
        iam: Repository ["ecr:GetLifecyclePolicy"];
    PutLifecyclePolicy "put-lifecycle-policy"
        cam: Repository ["tcr:ModifyRepository"]
        ram: Repository ["cr:UpdateRepository"]
        iam: Repository ["ecr:PutLifecyclePolicy"];
    DeleteLifecyclePolicy "delete-lifecycle-policy"
        cam: Repository ["tcr:ModifyRepository"]
        ram: Repository ["cr:UpdateRepository"]
        iam: Repository ["ecr:DeleteLifecyclePolicy"];
    SetTagMutability "set-tag-mutability"
        cam: Repository ["tcr:ModifyRepository"]
        ram: Repository ["cr:UpdateRepository"]
        iam: Repository ["ecr:PutImageTagMutability"];
    SetScanning "set-scanning"
        cam: Repository ["tcr:ModifyRepository"]
        ram: Repository ["cr:UpdateRepository"]
        iam: Repository ["ecr:PutImageScanningConfiguration"];
    TagRepository "tag-repository"
        cam: Repository ["tcr:ModifyRepository"]
        ram: Repository ["cr:UpdateRepository"]
        iam: Repository ["ecr:TagResource"];
    UntagRepository "untag-repository"
        cam: Repository ["tcr:ModifyRepository"]
        ram: Repository ["cr:UpdateRepository"]
        iam: Repository ["ecr:UntagResource"];
    ListRepositoryTags "list-repository-tags"
        cam: Repository ["tcr:DescribeRepositories"]
        ram: Repository ["cr:GetRepository"]
        iam: Repository ["ecr:ListTagsForResource"];
}
