//! The names of the audit's actions, each with what it means: `docs/audit.md` has the same table.

use super::action_table::actions;

actions! {
    AccessKeyCreate = "access-key.create":
        "An access key was made.",
        by "`access-key create`", detail "`access_key_id`";
    AccessKeyDelete = "access-key.delete":
        "An access key was deleted, and its temporary credentials stopped.",
        by "`access-key delete`", detail "`access_key_id`";
    AccessKeyDisable = "access-key.disable":
        "An access key was disabled, and its temporary credentials stopped.",
        by "`access-key disable`", detail "`access_key_id`";
    AccessKeyEnable = "access-key.enable":
        "An access key was enabled again.",
        by "`access-key enable`", detail "`access_key_id`";
    AccountCreate = "account.create":
        "An account was made.",
        by "`account create`", detail "`account`, `name`";
    AccountModify = "account.modify":
        "The rights that an account's users may grant to service accounts were changed.",
        by "`account update`",
        detail "`account`, `service_account_grant`";
    AllowListAdd = "allow-list.add":
        "Ranges were added to an allow list, and the list was switched on.",
        by "`CreateSecurityPolicy`, `CreateMultipleSecurityPolicy`, \
            `CreateInstanceEndpointAclPolicy`, `allow-list add`",
        detail "`ranges`";
    AllowListDisable = "allow-list.disable":
        "An allow list was switched off.",
        by "`allow-list disable`", detail "";
    AllowListEnable = "allow-list.enable":
        "An allow list was switched on.",
        by "`allow-list enable`", detail "";
    AllowListRemove = "allow-list.remove":
        "Ranges were removed from an allow list.",
        by "`DeleteSecurityPolicy`, `DeleteMultipleSecurityPolicy`, \
            `DeleteInstanceEndpointAclPolicy`, `allow-list remove`",
        detail "`ranges`";
    AllowListReplace = "allow-list.replace":
        "A range of an allow list was replaced.",
        by "`ModifySecurityPolicy`", detail "`range`, `by`";
    AuditKeyCreate = "audit-key.create":
        "A key that signs the audit's checkpoints was made.",
        by "`keys rotate audit`, and the running service by its schedule",
        detail "`key`; by schedule `because`, `replaces`";
    AuthorityActivate = "authority.activate":
        "The next CA took the place of the one in use, and every signing key got another leaf \
         certificate.",
        by "`keys rotate ca --activate`",
        detail "`authority`, `replaced`, `leaves`";
    AuthorityCancel = "authority.cancel":
        "The next CA was dropped.",
        by "`keys rotate ca --cancel`", detail "`authority`";
    AuthorityCreate = "authority.create":
        "The next CA was made.",
        by "`keys rotate ca`", detail "`authority`";
    AuthorityExport = "authority.export":
        "The CA's private key was written into a file.",
        by "`keys take-ca-offline`", detail "`authority`";
    AuthorityForgetKey = "authority.forget-key":
        "The CA's private key was deleted from the data.",
        by "`keys take-ca-offline`", detail "`authority`";
    AuthorityImport = "authority.import":
        "The certificate of a CA that is kept elsewhere was imported as the next CA.",
        by "`keys import-ca`", detail "`authority`";
    AuthorityRetire = "authority.retire":
        "The old CAs were removed from the bundle.",
        by "`keys rotate ca --retire`", detail "`authorities`";
    ConsoleLogIn = "console.log-in":
        "An operator logged in to the console.",
        by "the console", detail "of single sign-on: `name`, `role`";
    ConsoleLogOut = "console.log-out":
        "An operator logged out of the console.",
        by "the console", detail "";
    CredentialDelete = "credential.delete":
        "A long-term credential was deleted.",
        by "`DeleteInstanceToken`, `credential delete`", detail "";
    CredentialDisable = "credential.disable":
        "A long-term credential was disabled.",
        by "`ModifyInstanceToken`, `credential disable`", detail "";
    CredentialEnable = "credential.enable":
        "A long-term credential was enabled again.",
        by "`ModifyInstanceToken`, `credential enable`", detail "";
    CredentialExchange = "credential.exchange":
        "A log-in was issued in exchange for an OpenID Connect token or a credential, or the \
         exchange refused.",
        by "`POST /oauth/token`, `GET /oauth2/federation/robot/token`",
        detail "`expires_at`, `scope`; `exchanged`, or `oidc_provider` and `subject`; `asked` \
                where less was granted (`reduced`); refused: `cause`";
    CredentialIssueLongTerm = "credential.issue-long-term":
        "A long-term credential was issued.",
        by "`CreateInstanceToken` with the type `longterm`, `credential create`",
        detail "`access_key_id` or `issued_to`, `expires_at`";
    CredentialIssueTemporary = "credential.issue-temporary":
        "A temporary credential was issued.",
        by "`CreateInstanceToken`, `GetAuthorizationToken`, `GET /tokens`",
        detail "`access_key_id`, `expires_at`";
    CredentialModify = "credential.modify":
        "The description of a long-term credential was changed.",
        by "`ModifyInstanceToken`", detail "";
    CredentialRevoke = "credential.revoke":
        "One credential or session was stopped.",
        by "`revoke --credential`", detail "`revoked`";
    CredentialRotate = "credential.rotate":
        "A long-term credential got another secret.",
        by "`credential rotate`", detail "`older_secret_ends_at`";
    FixedPasswordDelete = "fixed-password.delete":
        "A principal's fixed password was deleted.",
        by "`credential delete-password`", detail "`deleted`";
    FixedPasswordImport = "fixed-password.import":
        "An old password was imported, with the name that it logs in with.",
        by "`import htpasswd`, `import docker-auth`",
        detail "`account`, `user`, `old_name`, `expires_at`";
    FixedPasswordRenew = "fixed-password.renew":
        "The old hash of an imported password was replaced at a log-in.",
        by "`GET /token`, `POST /token`", detail "";
    FixedPasswordSet = "fixed-password.set":
        "A principal set its fixed password.",
        by "`ResetLoginPassword`", detail "";
    GroupAdd = "group.add":
        "A user was added to a group.",
        by "`group add`", detail "`account`, `group`, `user`";
    GroupCreate = "group.create":
        "A group was made.",
        by "`group create`", detail "`account`, `group`";
    GroupDelete = "group.delete":
        "A group was deleted.",
        by "`group delete`", detail "`account`, `group`";
    GroupRemove = "group.remove":
        "A user was removed from a group.",
        by "`group remove`", detail "`account`, `group`, `user`";
    ImageDelete = "image.delete":
        "Images are about to be deleted from a registry; a second event with the outcome `refused` \
         says that the registry failed.",
        by "`DeleteImage`, `DeleteRepositoryTags`, `DeleteRepoTag`, `BatchDeleteImage` and others",
        detail "`repository`, `images` by tag; `manifests` that go whole";
    InstanceActivateIssuer = "instance.activate-issuer":
        "An instance's tokens name the prepared issuer from now on.",
        by "`instance update --activate`", detail "`issuer`";
    InstanceCancelIssuer = "instance.cancel-issuer":
        "An instance's prepared issuer was dropped.",
        by "`instance update --cancel`", detail "`issuer`";
    InstanceClose = "instance.close":
        "An instance's public endpoint was closed.",
        by "`ManageExternalEndpoint`, `UpdateInstanceEndpointStatus`, `instance update \
            --public-endpoint closed`",
        detail "";
    InstanceCreate = "instance.create":
        "An instance was made.",
        by "`CreateInstance`, `instance create`", detail "`instance`";
    InstanceDelete = "instance.delete":
        "An instance was deleted.",
        by "`DeleteInstance`, `instance delete`",
        detail "`instance`, `with_contents`";
    InstanceModify = "instance.modify":
        "An instance's size, its protection from deletion, its log-ins by token, or its rule for \
         unrecorded namespaces was changed.",
        by "`ModifyInstance`, `instance update`, `namespace unrecorded`",
        detail "`specification`, `deletion_protection`, `token_log_in`; or `unrecorded_namespaces`";
    InstanceOpen = "instance.open":
        "An instance's public endpoint was opened.",
        by "`ManageExternalEndpoint`, `UpdateInstanceEndpointStatus`, `instance update \
            --public-endpoint open`",
        detail "";
    InstancePrepareIssuer = "instance.prepare-issuer":
        "Another issuer was prepared for an instance's tokens.",
        by "`instance update --issuer`", detail "`issuer`";
    InstanceSetEcrHost = "instance.set-ecr-host":
        "The host that an instance answers to as an ECR registry was set or removed.",
        by "`instance update --ecr-host`, `--no-ecr-host`",
        detail "`ecr_host`";
    InstanceSetRefreshTokens = "instance.set-refresh-tokens":
        "An instance's refresh tokens were switched on or off, or the issued ones were refused.",
        by "`instance update --refresh-tokens`",
        detail "`on`, `refuse_old`";
    InstanceSetRegistryUrl = "instance.set-registry-url":
        "The URL of an instance's registry was set or removed.",
        by "`instance update --registry-url`, `--no-registry-url`", detail "";
    InstanceTag = "instance.tag":
        "An instance got tags.",
        by "`TagResources`", detail "`keys`";
    InstanceUntag = "instance.untag":
        "An instance lost tags, or, where `keys` is null, all of them.",
        by "`UntagResources`", detail "`keys`";
    MasterKeyRetire = "master-key.retire":
        "The old master key was retired.",
        by "`keys rotate master --finish`", detail "`key`";
    MasterKeyRotate = "master-key.rotate":
        "Another master key wraps secrets from now on.",
        by "`keys rotate master`", detail "`from`, `to`";
    NamespaceCreate = "namespace.create":
        "A namespace was made.",
        by "`CreateNamespace`, `namespace create`",
        detail "`namespace`, `visibility`, `auto_create_repository`, `default_visibility`";
    NamespaceDelete = "namespace.delete":
        "A namespace was deleted.",
        by "`DeleteNamespace`, `namespace delete`",
        detail "`namespace`";
    NamespaceModify = "namespace.modify":
        "A namespace was changed; fields that stayed as they were are null.",
        by "`ModifyNamespace`, `UpdateNamespace`",
        detail "`namespace`, `visibility`, `auto_create_repository`, `default_visibility`";
    NoticeRetry = "notice.retry":
        "A notice that the webhook didn't take is sent again.",
        by "`notice retry`", detail "`notice`";
    NoticeTest = "notice.test":
        "A notice was made that tries the webhook.",
        by "`notice test`", detail "`notice`";
    OidcProviderCreate = "oidc-provider.create":
        "An OpenID Connect provider was made.",
        by "`oidc-provider create`",
        detail "`account`, `oidc_provider`, `issuer`";
    OidcProviderDelete = "oidc-provider.delete":
        "An OpenID Connect provider was deleted.",
        by "`oidc-provider delete`",
        detail "`account`, `oidc_provider`";
    OidcProviderUpdate = "oidc-provider.update":
        "The keys, audiences or algorithms of an OpenID Connect provider were changed; those that \
         stayed as they were are null.",
        by "`oidc-provider update`",
        detail "`account`, `oidc_provider`, `keys`, `audiences`, `algorithms`";
    OperatorCreate = "operator.create":
        "An operator was made.",
        by "`operator create`",
        detail "`operator`, `operator_id`, `role`, `account`";
    OperatorDelete = "operator.delete":
        "An operator was deleted; its tokens are refused.",
        by "`operator delete`",
        detail "`operator`, `operator_id`, `role`, `account`";
    OperatorDisable = "operator.disable":
        "An operator was disabled; its tokens are refused.",
        by "`operator disable`",
        detail "`operator`, `operator_id`, `role`, `account`";
    OperatorEnable = "operator.enable":
        "An operator was enabled again.",
        by "`operator enable`",
        detail "`operator`, `operator_id`, `role`, `account`";
    OperatorRotate = "operator.rotate":
        "An operator got another token.",
        by "`operator rotate`",
        detail "`operator`, `operator_id`, `older_token_ends_at`";
    PolicyAttach = "policy.attach":
        "A policy was attached to a user, a group or a role.",
        by "`policy attach`, `import htpasswd`, `import docker-auth`",
        detail "`account`, `policy`, `target`";
    PolicyCreate = "policy.create":
        "A policy was made.",
        by "`policy create`, `import htpasswd`, `import docker-auth`",
        detail "`account`, `policy`";
    PolicyDelete = "policy.delete":
        "A policy was deleted.",
        by "`policy delete`", detail "`account`, `policy`";
    PolicyDetach = "policy.detach":
        "A policy was detached from a user, a group or a role.",
        by "`policy detach`", detail "`account`, `policy`, `target`";
    PolicyUpdate = "policy.update":
        "A policy's document was replaced.",
        by "`policy update`", detail "`account`, `policy`";
    PrincipalRevoke = "principal.revoke":
        "The temporary credentials, sessions and refresh tokens of a principal were stopped, and \
         its service accounts disabled.",
        by "`revoke`", detail "`revoked`, `disabled`";
    RefusedSubjectCreate = "refused-subject.create":
        "A subject of an OpenID Connect issuer was refused, until that is taken back.",
        by "`revoke --subject`",
        detail "`account`, `issuer`, `subject`";
    RefusedSubjectDelete = "refused-subject.delete":
        "The refusal of a subject was taken back.",
        by "`revoke --subject --take-back`",
        detail "`account`, `issuer`, `subject`";
    RegistryLogIn = "registry.log-in":
        "A log-in at the token endpoint was refused.",
        by "`GET /token`, `POST /token`, `POST /oauth/token`, \
            `GET /oauth2/federation/robot/token`",
        detail "`cause`, `claimed`, `asked`, `decided`; or `cause`, `more`";
    RepositoryApplyLifecycle = "repository.apply-lifecycle":
        "A repository's lifecycle policy was carried out; `image.delete` names the images.",
        by "`repository apply-lifecycle`",
        detail "`repository`, `deleted`, `expired`";
    RepositoryCreate = "repository.create":
        "A repository was recorded.",
        by "`CreateRepository`, `repository create`",
        detail "`repository`, `visibility`";
    RepositoryDelete = "repository.delete":
        "A repository was deleted.",
        by "`DeleteRepository`, `repository delete`",
        detail "`repository`";
    RepositoryImport = "repository.import":
        "Repositories that a registry has were recorded.",
        by "`repository import`; `DescribeRepositories`, `ListRepository`, and calls about images",
        detail "`repositories`";
    RepositoryModify = "repository.modify":
        "A repository was changed; a visibility that stayed as it was is null.",
        by "`ModifyRepository`, `UpdateRepository`, `PutImageTagMutability` and others",
        detail "`repository`, `visibility`; settings that were given";
    RepositorySetLifecycle = "repository.set-lifecycle":
        "A repository's lifecycle policy was set, or, where `rules` is null, removed.",
        by "`PutLifecyclePolicy`, `DeleteLifecyclePolicy`",
        detail "`repository`, `rules`";
    RepositorySetPolicy = "repository.set-policy":
        "A repository's policy was set, or, where `statements` is null, removed.",
        by "`SetRepositoryPolicy`, `DeleteRepositoryPolicy`",
        detail "`repository`, `statements`";
    RepositoryTag = "repository.tag":
        "A repository got tags.",
        by "`TagResource`", detail "`repository`, `keys`";
    RepositoryUntag = "repository.untag":
        "A repository lost tags.",
        by "`UntagResource`", detail "`repository`, `keys`";
    RoleCreate = "role.create":
        "A role was made.",
        by "`role create`", detail "`account`, `role`";
    RoleDelete = "role.delete":
        "A role was deleted, and its sessions stopped.",
        by "`role delete`",
        detail "`account`, `role`, `role_id`, `service_accounts`";
    RoleUpdate = "role.update":
        "A role's trust policy, or the longest life of its sessions, was changed.",
        by "`role update`",
        detail "`account`, `role`, `trust_policy`, `max_session`";
    SealingKeyCreate = "sealing-key.create":
        "A sealing key was made.",
        by "`keys rotate sealing`, and the running service by its schedule",
        detail "`key`; by schedule `because`, `replaces`";
    ServiceAccountCreate = "service-account.create":
        "A service account was made.",
        by "`CreateServiceAccount`, `service-account create`",
        detail "`service_account`, `expires_at`";
    ServiceAccountDelete = "service-account.delete":
        "A service account was deleted.",
        by "`DeleteServiceAccount`, `service-account delete`",
        detail "`service_account`";
    ServiceAccountDisable = "service-account.disable":
        "A service account was disabled.",
        by "`ModifyServiceAccount`, `service-account disable`",
        detail "`service_account`";
    ServiceAccountEnable = "service-account.enable":
        "A service account was enabled again.",
        by "`ModifyServiceAccount`, `service-account enable`",
        detail "`service_account`";
    ServiceAccountModify = "service-account.modify":
        "A service account's description, permissions or end was changed.",
        by "`ModifyServiceAccount`", detail "`service_account`";
    ServiceAccountRotate = "service-account.rotate":
        "A service account got another password, which was made.",
        by "`service-account rotate`",
        detail "`service_account`, `older_secret_ends_at`";
    ServiceAccountSetPassword = "service-account.set-password":
        "A service account's password was replaced.",
        by "`ModifyServiceAccountPassword`",
        detail "`service_account`";
    SessionAssumeRole = "session.assume-role":
        "A session of a role was opened.",
        by "`AssumeRole`, `AssumeRoleWithWebIdentity`, `AssumeRoleWithOIDC`",
        detail "`session`, `access_key_id`, `expires_at`, `source_identity`";
    SessionFederate = "session.federate":
        "A federated session was opened.",
        by "`GetFederationToken`",
        detail "`session`, `access_key_id`, `expires_at`";
    SessionIssue = "session.issue":
        "A session of a user's or a root's own was opened.",
        by "`GetSessionToken`",
        detail "`session`, `access_key_id`, `expires_at`";
    SessionNarrow = "session.narrow":
        "A session was opened that is narrower than the one that asked for it.",
        by "`GetScopedCredentials`",
        detail "`session`, `access_key_id`, `expires_at`, `description`";
    Several = "several":
        "Requests of several callers were refused for one cause, beyond those that are counted by \
         caller.",
        by "every API", detail "`cause`, `more`";
    SigningKeyActivate = "signing-key.activate":
        "An instance's next signing key took the place of the one in use.",
        by "`keys rotate signing --instance --activate`",
        detail "`key`";
    SigningKeyCancel = "signing-key.cancel":
        "An instance's next signing key was dropped.",
        by "`keys rotate signing --instance --cancel`",
        detail "`key`";
    SigningKeyCreate = "signing-key.create":
        "A signing key was made.",
        by "`keys rotate signing`, `instance create` and `CreateInstance` for an algorithm without \
            a key, and the running service by its schedule",
        detail "`key`; by schedule `because`, `replaces`";
    SigningKeyImportCertificate = "signing-key.import-certificate":
        "A signing key's leaf certificate was imported.",
        by "`keys import-leaf`",
        detail "`key`, `authority`, `expires_at`";
    StoreBackup = "store.backup":
        "All data was written into a backup.",
        by "`backup`", detail "";
    TokenExchange = "token.exchange":
        "A registry token was issued, or the exchange refused; or exchanges without a log-in were \
         granted nothing, and are counted.",
        by "`GET /token`, `POST /token`, `POST /oauth/token`",
        detail "`asked`, `granted`; or `cause`, `exchanges`; refused: `cause`, `decided`";
    UserCreate = "user.create":
        "A user was made.",
        by "`user create`, `import htpasswd`, `import docker-auth`",
        detail "`account`, `user`";
    UserDelete = "user.delete":
        "A user was deleted with its access keys and credentials.",
        by "`user delete`",
        detail "`account`, `user`, `user_id`, `service_accounts`";
    UserDisable = "user.disable":
        "A user was disabled, and what it got was stopped.",
        by "`user disable`", detail "`account`, `user`";
    UserEnable = "user.enable":
        "A user was enabled again.",
        by "`user enable`", detail "`account`, `user`";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_is_called_as_its_action_and_comes_in_the_order_of_names() {
        for action in AuditAction::ALL {
            let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
            let variant: String = action.name().split(['.', '-']).map(capital).collect();
            assert_eq!(format!("{action:?}"), variant);
        }
        assert!(AuditAction::ALL.is_sorted_by(|one, other| one.name() < other.name()));
    }
}
