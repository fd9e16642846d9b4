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
use crate::domain::as_text::serde_as_text;
use crate::domain::{Error, Result};

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

/// Makes [`Permission`] and its table of rows: the permission's word, and in each language the form
/// of its resource and its names.
macro_rules! permissions {
    ($(
        $permission:ident $word:literal
            cam: $cam_form:ident [$($cam:literal),+]
            ram: $ram_form:ident [$($ram:literal),+];
    )+) => {
        /// An action that a principal may be allowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is said by its row of the table")]
        pub enum Permission {
            $($permission,)+
        }

        /// The rows, in the order of the enum.
        const TABLE: &[Row] = &[$(
            Row {
                permission: Permission::$permission,
                word: $word,
                cam: (&[$($cam),+], Form::$cam_form),
                ram: (&[$($ram),+], Form::$ram_form),
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
permissions! {
    Pull "pull"
        cam: Repository ["tcr:PullRepository"]
        ram: Repository ["cr:PullRepository"];
    Push "push"
        cam: Repository ["tcr:PushRepository"]
        ram: Repository ["cr:PushRepository"];
    Delete "delete"
        cam: Repository ["tcr:DeleteImage", "tcr:DeleteRepositoryTags"]
        ram: Repository ["cr:DeleteRepoTag"];
    ListCatalog "list-catalog"
        cam: AllRepositories ["tcr:DescribeRepositories"]
        ram: AllRepositories ["cr:ListRepository"];
    IssueTemporary "issue-temporary"
        cam: Instance ["tcr:CreateInstanceToken"]
        ram: Operation ["cr:GetAuthorizationToken"];
    IssueLongTerm "issue-long-term"
        cam: Instance ["tcr:CreateInstanceToken"]
        ram: Instance ["cr:CreateInstanceToken"];
    ListLongTerm "list-long-term"
        cam: Instance ["tcr:DescribeInstanceToken"]
        ram: Instance ["cr:ListInstanceToken"];
    ModifyLongTerm "modify-long-term"
        cam: Instance ["tcr:ModifyInstanceToken"]
        ram: Instance ["cr:UpdateInstanceToken"];
    DeleteLongTerm "delete-long-term"
        cam: Instance ["tcr:DeleteInstanceToken"]
        ram: Instance ["cr:DeleteInstanceToken"];
    CreateServiceAccount "create-service-account"
        cam: Instance ["tcr:CreateServiceAccount", "tcr:CreateCustomAccount"]
        ram: Instance ["cr:CreateServiceAccount"];
    ListServiceAccounts "list-service-accounts"
        cam: Instance ["tcr:DescribeServiceAccounts"]
        ram: Instance ["cr:ListServiceAccount"];
    ModifyServiceAccount "modify-service-account"
        cam: Instance ["tcr:ModifyServiceAccount"]
        ram: Instance ["cr:UpdateServiceAccount"];
    SetServiceAccountPassword "set-service-account-password"
        cam: Instance ["tcr:ModifyServiceAccountPassword"]
        ram: Instance ["cr:UpdateServiceAccount"];
    DeleteServiceAccount "delete-service-account"
        cam: Instance ["tcr:DeleteServiceAccount"]
        ram: Instance ["cr:DeleteServiceAccount"];
    SetFixedPassword "set-fixed-password"
        cam: Operation ["tcr:ModifyUserPasswordPersonal"]
        ram: Instance ["cr:ResetLoginPassword"];
    CreateInstance "create-instance"
        cam: Instance ["tcr:CreateInstance"]
        ram: Instance ["cr:CreateInstance"];
    ListInstances "list-instances"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Operation ["cr:ListInstance"];
    DescribeInstance "describe-instance"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Instance ["cr:GetInstance"];
    DescribeInstanceStatus "describe-instance-status"
        cam: Instance ["tcr:DescribeInstanceStatus"]
        ram: Instance ["cr:GetInstance"];
    ModifyInstance "modify-instance"
        cam: Instance ["tcr:ModifyInstance"]
        ram: Instance ["cr:UpdateInstance"];
    DeleteInstance "delete-instance"
        cam: Instance ["tcr:DeleteInstance"]
        ram: Instance ["cr:DeleteInstance"];
    DescribeEndpoint "describe-endpoint"
        cam: Instance ["tcr:DescribeExternalEndpointStatus"]
        ram: Instance ["cr:GetInstanceEndpoint"];
    ListEndpoints "list-endpoints"
        cam: Instance ["tcr:DescribeExternalEndpointStatus"]
        ram: Instance ["cr:ListInstanceEndpoint"];
    ManageEndpoint "manage-endpoint"
        cam: Instance ["tcr:ManageExternalEndpoint"]
        ram: Instance ["cr:UpdateInstanceEndpointStatus"];
    CreateAclEntry "create-acl-entry"
        cam: Instance ["tcr:CreateSecurityPolicy", "tcr:CreateMultipleSecurityPolicy"]
        ram: Instance ["cr:CreateInstanceEndpointAclPolicy"];
    DeleteAclEntry "delete-acl-entry"
        cam: Instance ["tcr:DeleteSecurityPolicy", "tcr:DeleteMultipleSecurityPolicy"]
        ram: Instance ["cr:DeleteInstanceEndpointAclPolicy"];
    CreateNamespace "create-namespace"
        cam: Namespace ["tcr:CreateNamespace"]
        ram: Registry ["cr:CreateNamespace"];
    ListNamespaces "list-namespaces"
        cam: Namespace ["tcr:DescribeNamespaces"]
        ram: AllRepositories ["cr:ListNamespace"];
    DescribeNamespace "describe-namespace"
        cam: Namespace ["tcr:DescribeNamespaces"]
        ram: Namespace ["cr:GetNamespace"];
    ModifyNamespace "modify-namespace"
        cam: Namespace ["tcr:ModifyNamespace"]
        ram: Namespace ["cr:UpdateNamespace"];
    DeleteNamespace "delete-namespace"
        cam: Namespace ["tcr:DeleteNamespace"]
        ram: Namespace ["cr:DeleteNamespace"];
    CreateRepository "create-repository"
        cam: Repository ["tcr:CreateRepository"]
        ram: Repository ["cr:CreateRepository"];
    ListRepositories "list-repositories"
        cam: Repository ["tcr:DescribeRepositories"]
        ram: AllInNamespace ["cr:ListRepository"];
    DescribeRepository "describe-repository"
        cam: Repository ["tcr:DescribeRepositories"]
        ram: Repository ["cr:GetRepository"];
    ModifyRepository "modify-repository"
        cam: Repository ["tcr:ModifyRepository"]
        ram: Repository ["cr:UpdateRepository"];
    DeleteRepository "delete-repository"
        cam: Repository ["tcr:DeleteRepository"]
        ram: Repository ["cr:DeleteRepository"];
    ListTags "list-tags"
        cam: AllInRepository ["tcr:DescribeImages"]
        ram: Repository ["cr:ListRepoTag"];
    DescribeTag "describe-tag"
        cam: AllInRepository ["tcr:DescribeImageManifests"]
        ram: Repository ["cr:GetRepoTag"];
    AssumeRole "assume-role"
        cam: Role ["sts:AssumeRole"]
        ram: Role ["sts:AssumeRole"];
    GetFederationToken "get-federation-token"
        cam: Operation ["sts:GetFederationToken"]
        ram: Operation ["sts:GetFederationToken"];
    CheckInstance "check-instance"
        cam: Instance ["tcr:CheckInstance"]
        ram: Instance ["cr:GetInstance"];
    CheckInstanceName "check-instance-name"
        cam: Operation ["tcr:CheckInstanceName"]
        ram: Operation ["cr:ListInstance"];
    CountInstances "count-instances"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Operation ["cr:GetInstanceCount"];
    DescribeUsage "describe-usage"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Instance ["cr:GetInstanceUsage"];
    ListRegions "list-regions"
        cam: Operation ["tcr:DescribeRegions"]
        ram: Operation ["cr:ListInstanceRegion"];
    ListAclEntries "list-acl-entries"
        cam: Instance ["tcr:DescribeSecurityPolicies"]
        ram: Instance ["cr:GetInstanceEndpoint"];
    ModifyAclEntry "modify-acl-entry"
        cam: Instance ["tcr:ModifySecurityPolicy"]
        ram: Instance ["cr:CreateInstanceEndpointAclPolicy"];
    TagInstance "tag-instance"
        cam: Instance ["tcr:ModifyInstance"]
        ram: Instance ["cr:TagResources"];
    UntagInstance "untag-instance"
        cam: Instance ["tcr:ModifyInstance"]
        ram: Instance ["cr:UntagResources"];
    ListInstanceTags "list-instance-tags"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Instance ["cr:ListTagResources"];
    DescribeInternalEndpoint "describe-internal-endpoint"
        cam: Instance ["tcr:DescribeInternalEndpoints"]
        ram: Instance ["cr:GetInstanceVpcEndpoint"];
    DescribeInternalDns "describe-internal-dns"
        cam: Instance ["tcr:DescribeInternalEndpointDnsStatus"]
        ram: Instance ["cr:GetInstanceVpcEndpoint"];
    DescribeCustomDomain "describe-custom-domain"
        cam: Instance ["tcr:DescribeInstanceCustomizedDomain"]
        ram: Instance ["cr:GetInstanceCustomizedDomain"];
    // On all repositories: the answer names every namespace.
    ListImmutabilityRules "list-immutability-rules"
        cam: AllRepositories ["tcr:DescribeImmutableTagRules"]
        ram: AllRepositories ["cr:ListRepository"];
    ListRetentionRules "list-retention-rules"
        cam: Namespace ["tcr:DescribeTagRetentionRules"]
        ram: Instance ["cr:ListArtifactLifecycleRule"];
    ListReplicas "list-replicas"
        cam: Instance ["tcr:DescribeReplicationInstances"]
        ram: Instance ["cr:ListRepoSyncRule"];
    ListSyncRules "list-sync-rules"
        cam: Instance ["tcr:DescribeReplicationPolicies"]
        ram: Instance ["cr:ListRepoSyncRule"];
    ListWebhooks "list-webhooks"
        cam: Namespace ["tcr:DescribeWebhookTrigger"]
        ram: AllInNamespace ["cr:ListRepoTrigger"];
    ListChains "list-chains"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Instance ["cr:ListChain"];
    ListScanRules "list-scan-rules"
        cam: Instance ["tcr:DescribeInstances"]
        ram: Instance ["cr:ListScanRule"];
}

impl Permission {
    /// All permissions.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.permission)
    }

    fn row(self) -> &'static Row {
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

serde_as_text!(Permission);

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
    use crate::domain::ErrorKind;

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
        assert_eq!(
            "fly".parse::<Permission>().unwrap_err().kind(),
            &ErrorKind::InvalidParameter {
                name: "action".to_owned()
            }
        );
        for permission in Permission::all() {
            assert_eq!(permission.word().parse::<Permission>().unwrap(), permission);
        }
    }
}
