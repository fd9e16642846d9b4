//! The permissions of operators: each administrative action, in one table.

/// How far a permission reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// It shows, and no secret.
    Read,
    /// It changes, or shows a secret.
    Change,
}

/// Whose things a permission is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// One account's: its account-admin has the permission.
    Account,
    /// The whole service's.
    Service,
}

/// Makes [`OperatorPermission`] and its table of rows: the name, the reach, and whose things it is
/// about.
macro_rules! operator_permissions {
    ($($permission:ident = $name:literal $reach:ident $of:ident;)+) => {
        /// An administrative action that an operator may be allowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is said by its row of the table")]
        pub enum OperatorPermission {
            $($permission,)+
        }

        impl OperatorPermission {
            /// All permissions, in the order of their names.
            pub const ALL: &[Self] = &[$(Self::$permission,)+];

            /// Returns its name, such as `user.create`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$permission => $name,)+
                }
            }

            /// Returns how far it reaches: an auditor has those that read.
            pub fn reach(self) -> Reach {
                match self {
                    $(Self::$permission => Reach::$reach,)+
                }
            }

            fn of(self) -> Of {
                match self {
                    $(Self::$permission => Of::$of,)+
                }
            }
        }
    };
}

// An account-admin has no quota over it but the settings', so it makes no instance. The URL and the
// issuer of an instance are the service's, too: it connects to the one, and signs as the other.
operator_permissions! {
    AccessKeyCreate = "access-key.create" Change Account;
    AccessKeyDelete = "access-key.delete" Change Account;
    AccessKeyRead = "access-key.read" Read Account;
    AccessKeyUpdate = "access-key.update" Change Account;
    AccountCreate = "account.create" Change Service;
    AccountRead = "account.read" Read Account;
    AccountUpdate = "account.update" Change Service;
    AllowListRead = "allow-list.read" Read Account;
    AllowListUpdate = "allow-list.update" Change Account;
    AuditRead = "audit.read" Read Account;
    BackupCreate = "backup.create" Change Service;
    CaExport = "ca.export" Change Service;
    CaImport = "ca.import" Change Service;
    CaRotate = "ca.rotate" Change Service;
    CommandStateRead = "command-state.read" Read Service;
    CommandStateUpdate = "command-state.update" Change Service;
    CredentialCreate = "credential.create" Change Account;
    CredentialDelete = "credential.delete" Change Account;
    CredentialRead = "credential.read" Read Account;
    CredentialRotate = "credential.rotate" Change Account;
    CredentialUpdate = "credential.update" Change Account;
    FixedPasswordDelete = "fixed-password.delete" Change Account;
    FixedPasswordRead = "fixed-password.read" Read Account;
    GroupCreate = "group.create" Change Account;
    GroupDelete = "group.delete" Change Account;
    GroupRead = "group.read" Read Account;
    GroupUpdate = "group.update" Change Account;
    ImageRead = "image.read" Read Account;
    InstanceConfigure = "instance.configure" Change Service;
    InstanceCreate = "instance.create" Change Service;
    InstanceDelete = "instance.delete" Change Account;
    InstanceRead = "instance.read" Read Account;
    InstanceUpdate = "instance.update" Change Account;
    KeyImport = "key.import" Change Service;
    KeyRead = "key.read" Read Service;
    KeyRotate = "key.rotate" Change Service;
    MasterKeyRead = "master-key.read" Read Service;
    MasterKeyRotate = "master-key.rotate" Change Service;
    NamespaceCreate = "namespace.create" Change Account;
    NamespaceDelete = "namespace.delete" Change Account;
    NamespaceRead = "namespace.read" Read Account;
    NamespaceUpdate = "namespace.update" Change Account;
    NoticeCreate = "notice.create" Change Service;
    NoticeRead = "notice.read" Read Account;
    NoticeUpdate = "notice.update" Change Service;
    OidcProviderCreate = "oidc-provider.create" Change Account;
    OidcProviderDelete = "oidc-provider.delete" Change Account;
    OidcProviderRead = "oidc-provider.read" Read Account;
    OidcProviderUpdate = "oidc-provider.update" Change Account;
    OperatorCreate = "operator.create" Change Service;
    OperatorDelete = "operator.delete" Change Service;
    OperatorRead = "operator.read" Read Service;
    OperatorRotate = "operator.rotate" Change Service;
    OperatorUpdate = "operator.update" Change Service;
    PolicyAttach = "policy.attach" Change Account;
    PolicyCreate = "policy.create" Change Account;
    PolicyDelete = "policy.delete" Change Account;
    PolicyExplain = "policy.explain" Read Account;
    PolicyRead = "policy.read" Read Account;
    PolicyUpdate = "policy.update" Change Account;
    PrincipalRevoke = "principal.revoke" Change Account;
    RepositoryCreate = "repository.create" Change Account;
    RepositoryDelete = "repository.delete" Change Account;
    RepositoryImport = "repository.import" Change Account;
    RepositoryRead = "repository.read" Read Account;
    RepositoryUpdate = "repository.update" Change Account;
    RoleCreate = "role.create" Change Account;
    RoleDelete = "role.delete" Change Account;
    RoleRead = "role.read" Read Account;
    RoleUpdate = "role.update" Change Account;
    ServiceAccountCreate = "service-account.create" Change Account;
    ServiceAccountDelete = "service-account.delete" Change Account;
    ServiceAccountRead = "service-account.read" Read Account;
    ServiceAccountRotate = "service-account.rotate" Change Account;
    ServiceAccountUpdate = "service-account.update" Change Account;
    StatusRead = "status.read" Read Service;
    SubjectRead = "subject.read" Read Account;
    SubjectRefuse = "subject.refuse" Change Account;
    UserCreate = "user.create" Change Account;
    UserDelete = "user.delete" Change Account;
    UserImport = "user.import" Change Account;
    UserRead = "user.read" Read Account;
    UserUpdate = "user.update" Change Account;
}

impl OperatorPermission {
    /// Tells whether the account-admin of an account has it there.
    pub fn is_of_accounts(self) -> bool {
        self.of() == Of::Account
    }

    /// Says which roles have it, other than an account-admin's own where `outside` it.
    pub(in crate::domain) fn holders(self, outside: bool) -> &'static str {
        match (self.reach(), self.is_of_accounts() && !outside) {
            (Reach::Read, false) => "The roles admin and auditor have it.",
            (Reach::Read, true) => {
                "The roles admin and auditor have it, and account-admin has it in its own account."
            }
            (Reach::Change, false) => "The role admin has it.",
            (Reach::Change, true) => {
                "The role admin has it, and account-admin has it in its own account."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_is_called_as_its_permission_and_comes_in_the_order_of_names() {
        let names: Vec<_> = OperatorPermission::ALL
            .iter()
            .map(|permission| permission.name())
            .collect();
        assert!(names.is_sorted());
        for permission in OperatorPermission::ALL {
            let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
            let variant: String = permission.name().split(['.', '-']).map(capital).collect();
            assert_eq!(format!("{permission:?}"), variant);
        }
    }

    #[test]
    fn a_permission_reads_only_where_its_name_says_so() {
        for permission in OperatorPermission::ALL {
            let reads = ["read", "explain"]
                .iter()
                .any(|word| permission.name().ends_with(word));
            assert_eq!(permission.reach() == Reach::Read, reads);
        }
    }
}
