//! The vocabulary: each permission with its names and the form of its resource in both languages.
//!
//! A document is asked in its own language, whichever door a call came through: a CAM document
//! about `tcr:PullRepository` on a `tcr-` id, a RAM document about `cr:PullRepository` on a `cri-`
//! id. So a deny in either language closes both doors. Sources: Tencent's list of TCR interfaces
//! with access control, Alibaba's authorisation list for `cr` (document 144229). Start with
//! [`Permission`]'s table.

use std::fmt;
use std::str::FromStr;

use super::actions;
use super::language::Language;
use crate::domain::{Error, Result};

/// An action that a principal may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is said by its row of the table")]
pub enum Permission {
    Pull,
    Push,
    Delete,
    ListCatalog,
    IssueTemporary,
    IssueLongTerm,
    ListLongTerm,
    ModifyLongTerm,
    DeleteLongTerm,
    CreateServiceAccount,
    ListServiceAccounts,
    ModifyServiceAccount,
    SetServiceAccountPassword,
    DeleteServiceAccount,
    SetFixedPassword,
    CreateInstance,
    ListInstances,
    DescribeInstance,
    DescribeInstanceStatus,
    ModifyInstance,
    DeleteInstance,
    DescribeEndpoint,
    ListEndpoints,
    ManageEndpoint,
    CreateAclEntry,
    DeleteAclEntry,
    CreateNamespace,
    ListNamespaces,
    DescribeNamespace,
    ModifyNamespace,
    DeleteNamespace,
    CreateRepository,
    ListRepositories,
    DescribeRepository,
    ModifyRepository,
    DeleteRepository,
    ListTags,
    DescribeTag,
    AssumeRole,
    GetFederationToken,
    CheckInstance,
    CheckInstanceName,
    CountInstances,
    DescribeUsage,
    ListRegions,
    ListAclEntries,
    ModifyAclEntry,
    TagInstance,
    UntagInstance,
    ListInstanceTags,
    DescribeInternalEndpoint,
    DescribeInternalDns,
    DescribeCustomDomain,
    ListImmutabilityRules,
    ListRetentionRules,
    ListReplicas,
    ListSyncRules,
    ListWebhooks,
    ListChains,
    ListScanRules,
}

/// On what a permission is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
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

struct Row {
    permission: Permission,
    word: &'static str,
    cam: (&'static [&'static str], Form),
    ram: (&'static [&'static str], Form),
}

/// THE table. Where a language has several names, any of them allows and any of them denies.
///
/// Divergence: the RAM names for long-term credentials, service accounts and federation tokens, and
/// `cr:UpdateInstance` and `cr:DeleteInstance`, are ours: the cloud has nothing of the kind. None
/// begins with `cr:Get`, so that a policy written for temporary credentials never yields one that
/// lives for years. Forms that the clouds don't publish (deleting, service accounts, access lists)
/// follow their neighbours.
const TABLE: [Row; 60] = {
    use Form::{
        AllInNamespace, AllInRepository, AllRepositories, Instance, Namespace, Operation, Registry,
        Repository, Role,
    };
    use Permission as P;
    type Names = &'static [&'static str];
    const fn row(
        permission: P,
        word: &'static str,
        cam: Names,
        cam_form: Form,
        ram: Names,
        ram_form: Form,
    ) -> Row {
        Row {
            permission,
            word,
            cam: (cam, cam_form),
            ram: (ram, ram_form),
        }
    }
    [
        row(
            P::Pull,
            "pull",
            &["tcr:PullRepository"],
            Repository,
            &["cr:PullRepository"],
            Repository,
        ),
        row(
            P::Push,
            "push",
            &["tcr:PushRepository"],
            Repository,
            &["cr:PushRepository"],
            Repository,
        ),
        row(
            P::Delete,
            "delete",
            &["tcr:DeleteImage", "tcr:DeleteRepositoryTags"],
            Repository,
            &["cr:DeleteRepoTag"],
            Repository,
        ),
        row(
            P::ListCatalog,
            "list-catalog",
            &["tcr:DescribeRepositories"],
            AllRepositories,
            &["cr:ListRepository"],
            AllRepositories,
        ),
        row(
            P::IssueTemporary,
            "issue-temporary",
            &["tcr:CreateInstanceToken"],
            Instance,
            &["cr:GetAuthorizationToken"],
            Operation,
        ),
        row(
            P::IssueLongTerm,
            "issue-long-term",
            &["tcr:CreateInstanceToken"],
            Instance,
            &["cr:CreateInstanceToken"],
            Instance,
        ),
        row(
            P::ListLongTerm,
            "list-long-term",
            &["tcr:DescribeInstanceToken"],
            Instance,
            &["cr:ListInstanceToken"],
            Instance,
        ),
        row(
            P::ModifyLongTerm,
            "modify-long-term",
            &["tcr:ModifyInstanceToken"],
            Instance,
            &["cr:UpdateInstanceToken"],
            Instance,
        ),
        row(
            P::DeleteLongTerm,
            "delete-long-term",
            &["tcr:DeleteInstanceToken"],
            Instance,
            &["cr:DeleteInstanceToken"],
            Instance,
        ),
        row(
            P::CreateServiceAccount,
            "create-service-account",
            &["tcr:CreateServiceAccount", "tcr:CreateCustomAccount"],
            Instance,
            &["cr:CreateServiceAccount"],
            Instance,
        ),
        row(
            P::ListServiceAccounts,
            "list-service-accounts",
            &["tcr:DescribeServiceAccounts"],
            Instance,
            &["cr:ListServiceAccount"],
            Instance,
        ),
        row(
            P::ModifyServiceAccount,
            "modify-service-account",
            &["tcr:ModifyServiceAccount"],
            Instance,
            &["cr:UpdateServiceAccount"],
            Instance,
        ),
        row(
            P::SetServiceAccountPassword,
            "set-service-account-password",
            &["tcr:ModifyServiceAccountPassword"],
            Instance,
            &["cr:UpdateServiceAccount"],
            Instance,
        ),
        row(
            P::DeleteServiceAccount,
            "delete-service-account",
            &["tcr:DeleteServiceAccount"],
            Instance,
            &["cr:DeleteServiceAccount"],
            Instance,
        ),
        row(
            P::SetFixedPassword,
            "set-fixed-password",
            &["tcr:ModifyUserPasswordPersonal"],
            Operation,
            &["cr:ResetLoginPassword"],
            Instance,
        ),
        row(
            P::CreateInstance,
            "create-instance",
            &["tcr:CreateInstance"],
            Instance,
            &["cr:CreateInstance"],
            Instance,
        ),
        row(
            P::ListInstances,
            "list-instances",
            &["tcr:DescribeInstances"],
            Instance,
            &["cr:ListInstance"],
            Operation,
        ),
        row(
            P::DescribeInstance,
            "describe-instance",
            &["tcr:DescribeInstances"],
            Instance,
            &["cr:GetInstance"],
            Instance,
        ),
        row(
            P::DescribeInstanceStatus,
            "describe-instance-status",
            &["tcr:DescribeInstanceStatus"],
            Instance,
            &["cr:GetInstance"],
            Instance,
        ),
        row(
            P::ModifyInstance,
            "modify-instance",
            &["tcr:ModifyInstance"],
            Instance,
            &["cr:UpdateInstance"],
            Instance,
        ),
        row(
            P::DeleteInstance,
            "delete-instance",
            &["tcr:DeleteInstance"],
            Instance,
            &["cr:DeleteInstance"],
            Instance,
        ),
        row(
            P::DescribeEndpoint,
            "describe-endpoint",
            &["tcr:DescribeExternalEndpointStatus"],
            Instance,
            &["cr:GetInstanceEndpoint"],
            Instance,
        ),
        row(
            P::ListEndpoints,
            "list-endpoints",
            &["tcr:DescribeExternalEndpointStatus"],
            Instance,
            &["cr:ListInstanceEndpoint"],
            Instance,
        ),
        row(
            P::ManageEndpoint,
            "manage-endpoint",
            &["tcr:ManageExternalEndpoint"],
            Instance,
            &["cr:UpdateInstanceEndpointStatus"],
            Instance,
        ),
        row(
            P::CreateAclEntry,
            "create-acl-entry",
            &[
                "tcr:CreateSecurityPolicy",
                "tcr:CreateMultipleSecurityPolicy",
            ],
            Instance,
            &["cr:CreateInstanceEndpointAclPolicy"],
            Instance,
        ),
        row(
            P::DeleteAclEntry,
            "delete-acl-entry",
            &[
                "tcr:DeleteSecurityPolicy",
                "tcr:DeleteMultipleSecurityPolicy",
            ],
            Instance,
            &["cr:DeleteInstanceEndpointAclPolicy"],
            Instance,
        ),
        row(
            P::CreateNamespace,
            "create-namespace",
            &["tcr:CreateNamespace"],
            Namespace,
            &["cr:CreateNamespace"],
            Registry,
        ),
        row(
            P::ListNamespaces,
            "list-namespaces",
            &["tcr:DescribeNamespaces"],
            Namespace,
            &["cr:ListNamespace"],
            AllRepositories,
        ),
        row(
            P::DescribeNamespace,
            "describe-namespace",
            &["tcr:DescribeNamespaces"],
            Namespace,
            &["cr:GetNamespace"],
            Namespace,
        ),
        row(
            P::ModifyNamespace,
            "modify-namespace",
            &["tcr:ModifyNamespace"],
            Namespace,
            &["cr:UpdateNamespace"],
            Namespace,
        ),
        row(
            P::DeleteNamespace,
            "delete-namespace",
            &["tcr:DeleteNamespace"],
            Namespace,
            &["cr:DeleteNamespace"],
            Namespace,
        ),
        row(
            P::CreateRepository,
            "create-repository",
            &["tcr:CreateRepository"],
            Repository,
            &["cr:CreateRepository"],
            Repository,
        ),
        row(
            P::ListRepositories,
            "list-repositories",
            &["tcr:DescribeRepositories"],
            Repository,
            &["cr:ListRepository"],
            AllInNamespace,
        ),
        row(
            P::DescribeRepository,
            "describe-repository",
            &["tcr:DescribeRepositories"],
            Repository,
            &["cr:GetRepository"],
            Repository,
        ),
        row(
            P::ModifyRepository,
            "modify-repository",
            &["tcr:ModifyRepository"],
            Repository,
            &["cr:UpdateRepository"],
            Repository,
        ),
        row(
            P::DeleteRepository,
            "delete-repository",
            &["tcr:DeleteRepository"],
            Repository,
            &["cr:DeleteRepository"],
            Repository,
        ),
        row(
            P::ListTags,
            "list-tags",
            &["tcr:DescribeImages"],
            AllInRepository,
            &["cr:ListRepoTag"],
            Repository,
        ),
        row(
            P::DescribeTag,
            "describe-tag",
            &["tcr:DescribeImageManifests"],
            AllInRepository,
            &["cr:GetRepoTag"],
            Repository,
        ),
        row(
            P::AssumeRole,
            "assume-role",
            &["sts:AssumeRole"],
            Role,
            &["sts:AssumeRole"],
            Role,
        ),
        row(
            P::GetFederationToken,
            "get-federation-token",
            &["sts:GetFederationToken"],
            Operation,
            &["sts:GetFederationToken"],
            Operation,
        ),
        row(
            P::CheckInstance,
            "check-instance",
            &["tcr:CheckInstance"],
            Instance,
            &["cr:GetInstance"],
            Instance,
        ),
        row(
            P::CheckInstanceName,
            "check-instance-name",
            &["tcr:CheckInstanceName"],
            Operation,
            &["cr:ListInstance"],
            Operation,
        ),
        row(
            P::CountInstances,
            "count-instances",
            &["tcr:DescribeInstances"],
            Instance,
            &["cr:GetInstanceCount"],
            Operation,
        ),
        row(
            P::DescribeUsage,
            "describe-usage",
            &["tcr:DescribeInstances"],
            Instance,
            &["cr:GetInstanceUsage"],
            Instance,
        ),
        row(
            P::ListRegions,
            "list-regions",
            &["tcr:DescribeRegions"],
            Operation,
            &["cr:ListInstanceRegion"],
            Operation,
        ),
        row(
            P::ListAclEntries,
            "list-acl-entries",
            &["tcr:DescribeSecurityPolicies"],
            Instance,
            &["cr:GetInstanceEndpoint"],
            Instance,
        ),
        row(
            P::ModifyAclEntry,
            "modify-acl-entry",
            &["tcr:ModifySecurityPolicy"],
            Instance,
            &["cr:CreateInstanceEndpointAclPolicy"],
            Instance,
        ),
        row(
            P::TagInstance,
            "tag-instance",
            &["tcr:ModifyInstance"],
            Instance,
            &["cr:TagResources"],
            Instance,
        ),
        row(
            P::UntagInstance,
            "untag-instance",
            &["tcr:ModifyInstance"],
            Instance,
            &["cr:UntagResources"],
            Instance,
        ),
        row(
            P::ListInstanceTags,
            "list-instance-tags",
            &["tcr:DescribeInstances"],
            Instance,
            &["cr:ListTagResources"],
            Instance,
        ),
        row(
            P::DescribeInternalEndpoint,
            "describe-internal-endpoint",
            &["tcr:DescribeInternalEndpoints"],
            Instance,
            &["cr:GetInstanceVpcEndpoint"],
            Instance,
        ),
        row(
            P::DescribeInternalDns,
            "describe-internal-dns",
            &["tcr:DescribeInternalEndpointDnsStatus"],
            Instance,
            &["cr:GetInstanceVpcEndpoint"],
            Instance,
        ),
        row(
            P::DescribeCustomDomain,
            "describe-custom-domain",
            &["tcr:DescribeInstanceCustomizedDomain"],
            Instance,
            &["cr:GetInstanceCustomizedDomain"],
            Instance,
        ),
        // On all repositories: the answer names every namespace.
        row(
            P::ListImmutabilityRules,
            "list-immutability-rules",
            &["tcr:DescribeImmutableTagRules"],
            AllRepositories,
            &["cr:ListRepository"],
            AllRepositories,
        ),
        row(
            P::ListRetentionRules,
            "list-retention-rules",
            &["tcr:DescribeTagRetentionRules"],
            Namespace,
            &["cr:ListArtifactLifecycleRule"],
            Instance,
        ),
        row(
            P::ListReplicas,
            "list-replicas",
            &["tcr:DescribeReplicationInstances"],
            Instance,
            &["cr:ListRepoSyncRule"],
            Instance,
        ),
        row(
            P::ListSyncRules,
            "list-sync-rules",
            &["tcr:DescribeReplicationPolicies"],
            Instance,
            &["cr:ListRepoSyncRule"],
            Instance,
        ),
        row(
            P::ListWebhooks,
            "list-webhooks",
            &["tcr:DescribeWebhookTrigger"],
            Namespace,
            &["cr:ListRepoTrigger"],
            AllInNamespace,
        ),
        row(
            P::ListChains,
            "list-chains",
            &["tcr:DescribeInstances"],
            Instance,
            &["cr:ListChain"],
            Instance,
        ),
        row(
            P::ListScanRules,
            "list-scan-rules",
            &["tcr:DescribeInstances"],
            Instance,
            &["cr:ListScanRule"],
            Instance,
        ),
    ]
};

impl Permission {
    /// All permissions.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.permission)
    }

    fn row(self) -> &'static Row {
        // A test holds the table to the order of the enum.
        &TABLE[self as usize]
    }

    /// Returns the permission's own word, such as `pull`.
    pub fn word(self) -> &'static str {
        self.row().word
    }

    /// Returns its names in a language, the present one first, such as `tcr:PullRepository`.
    pub fn names(self, language: Language) -> &'static [&'static str] {
        match language {
            Language::Cam => self.row().cam.0,
            Language::Ram => self.row().ram.0,
        }
    }

    /// Returns its present name in a language.
    pub fn name(self, language: Language) -> &'static str {
        self.names(language).first().copied().unwrap_or_default()
    }

    /// Tells whether it is asked on something that has an owner, of whom conditions may ask.
    pub(super) fn has_owner(self) -> bool {
        matches!(
            self,
            Self::ModifyLongTerm
                | Self::DeleteLongTerm
                | Self::ModifyServiceAccount
                | Self::SetServiceAccountPassword
                | Self::DeleteServiceAccount
        )
    }

    pub(super) fn form(self, language: Language) -> Form {
        match language {
            Language::Cam => self.row().cam.1,
            Language::Ram => self.row().ram.1,
        }
    }
}

impl FromStr for Permission {
    type Err = Error;

    /// Reads the permission's own word, or a name in either language; of several with that name,
    /// the first.
    fn from_str(text: &str) -> Result<Self> {
        let named = |permission: &Self| {
            Language::ALL
                .iter()
                .any(|language| permission.names(*language).contains(&text))
        };
        Self::all()
            .find(|permission| permission.word() == text)
            .or_else(|| Self::all().find(named))
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "action",
                    "an action is pull, push, delete, or a name from docs/policies.md, such as \
                     tcr:CreateInstanceToken",
                )
            })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Some permissions, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Permissions(u64);

const _: () = assert!(
    TABLE.len() <= u64::BITS as usize,
    "a wider type for the permissions of a statement"
);

impl Permissions {
    pub(super) fn add(&mut self, permission: Permission) {
        self.0 |= 1 << permission as u32;
    }

    pub(super) fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u32) != 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::all().filter(move |permission| self.has(*permission))
    }
}

/// Returns every action that the languages know of in the services that matter here, as service and
/// name.
pub(super) fn known_actions(
    language: Language,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lists: [(&str, &[&str]); 4] = match language {
        Language::Cam => [
            ("tcr", actions::TCR),
            ("sts", actions::CAM_STS),
            ("", &[]),
            ("", &[]),
        ],
        Language::Ram => [
            ("cr", actions::CR),
            ("cr", actions::CR_OWN),
            ("sts", actions::RAM_STS),
            ("sts", actions::RAM_STS_OWN),
        ],
    };
    lists
        .into_iter()
        .flat_map(|(service, names)| names.iter().map(move |name| (service, *name)))
}

/// Tells whether the cloud of a language has an action of that exact name in a service such as
/// `tcr`.
pub fn is_action(language: Language, service: &str, name: &str) -> bool {
    let names = match (language, service) {
        (Language::Cam, "tcr") => actions::TCR,
        (Language::Cam, "sts") => actions::CAM_STS,
        (Language::Ram, "cr") => actions::CR,
        (Language::Ram, "sts") => actions::RAM_STS,
        _ => &[],
    };
    names.contains(&name)
}

/// Returns the permissions that an action names.
pub(super) fn permissions_named<'a>(
    language: Language,
    service: &'a str,
    name: &'a str,
) -> impl Iterator<Item = Permission> + 'a {
    let same = move |full: &&str| full.split_once(':') == Some((service, name));
    Permission::all().filter(move |permission| permission.names(language).iter().any(same))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_name_is_known() {
        for (place, permission) in Permission::all().enumerate() {
            assert_eq!(permission as usize, place, "{permission}");
            for language in Language::ALL {
                for full in permission.names(language) {
                    let (service, name) = full.split_once(':').unwrap();
                    assert!(
                        known_actions(language).any(|known| known == (service, name)),
                        "{full}"
                    );
                }
            }
            // An action that NotAction excludes would otherwise be let in by its other name.
            assert_eq!(permission.names(Language::Ram).len(), 1, "{permission}");
        }
    }

    #[test]
    fn no_name_for_a_temporary_credential_yields_a_long_term_one() {
        let long_term = Permission::IssueLongTerm.name(Language::Ram);
        assert!(!long_term.starts_with("cr:Get"));
        assert_eq!(
            permissions_named(Language::Ram, "cr", "GetAuthorizationToken").collect::<Vec<_>>(),
            [Permission::IssueTemporary]
        );
    }

    #[test]
    fn a_permission_is_found_by_its_word_and_its_names() {
        assert_eq!("pull".parse::<Permission>().unwrap(), Permission::Pull);
        assert_eq!(
            "cr:PushRepository".parse::<Permission>().unwrap(),
            Permission::Push
        );
        assert_eq!(
            "tcr:CreateInstanceToken".parse::<Permission>().unwrap(),
            Permission::IssueTemporary
        );
        assert!("fly".parse::<Permission>().is_err());
        for permission in Permission::all() {
            assert_eq!(permission.word().parse::<Permission>().unwrap(), permission);
        }
    }
}
