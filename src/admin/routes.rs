//! The table of all operations, by the nouns that they are about.

use super::access_keys::{
    CreateAccessKey, DeleteAccessKey, DisableAccessKey, EnableAccessKey, ListAccessKeys,
    ShowAccessKey,
};
use super::accounts::{CreateAccount, ListAccounts, ShowAccount, UpdateAccount};
use super::activity::ShowActivity;
use super::allow_lists::{
    AddAllowEntry, DisableAllowList, EnableAllowList, ListAllowEntries, RemoveAllowEntry,
};
use super::audit::{FollowAudit, ListAudit};
use super::changed_instance::UpdateInstance;
use super::credentials::{
    DeleteCredential, DeletePassword, DisableCredential, EnableCredential, ListCredentials,
    ListPasswords, ShowCredential,
};
use super::explanations::{Explain, ExplainRequest, ListRightHolders, ListRights};
use super::groups::{AddMember, CreateGroup, DeleteGroup, ListGroups, RemoveMember, ShowGroup};
use super::imports::{ImportDockerAuth, ImportHtpasswd};
use super::instances::{CreateInstance, DeleteInstance, ListInstances, ShowInstance};
use super::keys::{
    ActivateCa, ActivateInstanceKey, CancelCa, CancelInstanceKey, ImportCa, ImportLeaf, ListKeys,
    ListSigningRequests, RetireCa, RotateAuditKey, RotateCa, RotateInstanceKey, RotateSealingKey,
    RotateSigningKey, ShowKey,
};
use super::namespaces::{
    CreateNamespace, DeleteNamespace, ListNamespaces, SetUnrecordedNamespaces, ShowNamespace,
};
use super::notices::{ListNotices, RetryNotice, ShowNotice, TestWebhook};
use super::oidc_providers::{
    CheckToken, CreateOidcProvider, DeleteOidcProvider, ListOidcProviders, ShowOidcProvider,
    UpdateOidcProvider,
};
use super::operators::{
    CreateOperator, DeleteOperator, DisableOperator, EnableOperator, ListOperators, RotateOperator,
    ShowOperator,
};
use super::policies::{
    AttachPolicy, CheckPolicy, CreatePolicy, DeletePolicy, DetachPolicy, ListPolicies, ShowPolicy,
    UpdatePolicy,
};
use super::preview::PreviewOperation;
use super::registry_config::ShowRegistryConfig;
use super::reports::{ListExpiring, ListUnused};
use super::repositories::{
    ApplyLifecycle, CreateRepository, DeleteRepository, ImportRepositories, ListRepositories,
    ShowRepository,
};
use super::revocations::{AcceptSubject, ListRefusedSubjects, RefuseSubject, Revoke};
use super::roles::{CreateRole, DeleteRole, ListRoles, ShowRole, TestRole, UpdateRole};
use super::rotation::{
    CreateCredential, CreateServiceAccount, RotateCredential, RotateServiceAccount,
};
use super::route::Route;
use super::service_accounts::{
    DeleteServiceAccount, DisableServiceAccount, EnableServiceAccount, ListServiceAccounts,
    ListServiceAccountsOfMaker, ShowServiceAccount,
};
use super::state::{ApplyState, ExportState};
use super::status::ShowStatus;
use super::users::{CreateUser, DeleteUser, DisableUser, EnableUser, ListUsers, ShowUser};

macro_rules! routes {
    ($(
        $noun:literal: list [$($list:ident)*] do [$($operation:ident)*] $(file [$file:ident])?;
    )+) => {
        /// All operations.
        pub const ROUTES: &[Route] = &[$(
            $(Route::listing::<$list>($noun, concat!("admin:", stringify!($list))),)*
            $(Route::of::<$operation>($noun, concat!("admin:", stringify!($operation))),)*
            $(Route::backup($noun, concat!("admin:", stringify!($file))),)?
        )+];
    };
}

routes! {
    "Accounts": list [ListAccounts] do [CreateAccount ShowAccount UpdateAccount];
    "Users": list [ListUsers] do [CreateUser ShowUser DisableUser EnableUser DeleteUser];
    "Groups": list [ListGroups] do [CreateGroup ShowGroup DeleteGroup AddMember RemoveMember];
    "Instances": list [ListInstances]
        do [CreateInstance ShowInstance UpdateInstance DeleteInstance];
    "Access keys": list [ListAccessKeys]
        do [CreateAccessKey ShowAccessKey DisableAccessKey EnableAccessKey DeleteAccessKey];
    "Roles": list [ListRoles] do [CreateRole ShowRole UpdateRole TestRole DeleteRole];
    "Policies": list [ListPolicies]
        do [
            CreatePolicy ShowPolicy UpdatePolicy DeletePolicy AttachPolicy
            DetachPolicy CheckPolicy
        ];
    "Explanations": list [] do [Explain ExplainRequest ListRightHolders ListRights];
    "OpenID Connect providers": list [ListOidcProviders ListRefusedSubjects]
        do [CreateOidcProvider ShowOidcProvider UpdateOidcProvider CheckToken DeleteOidcProvider];
    "Revocations": list [] do [Revoke RefuseSubject AcceptSubject];
    "Operators": list [ListOperators]
        do [
            CreateOperator ShowOperator DisableOperator EnableOperator DeleteOperator
            RotateOperator
        ];
    "Namespaces": list [ListNamespaces]
        do [CreateNamespace ShowNamespace DeleteNamespace SetUnrecordedNamespaces];
    "Repositories": list [ListRepositories]
        do [
            CreateRepository ImportRepositories ShowRepository DeleteRepository ApplyLifecycle
        ];
    "Allow lists": list [ListAllowEntries]
        do [AddAllowEntry RemoveAllowEntry EnableAllowList DisableAllowList];
    "Credentials": list [ListCredentials]
        do [
            ShowCredential DisableCredential EnableCredential DeleteCredential
            CreateCredential RotateCredential
        ];
    "Fixed passwords": list [ListPasswords] do [DeletePassword];
    "Service accounts": list [ListServiceAccounts ListServiceAccountsOfMaker]
        do [
            ShowServiceAccount DisableServiceAccount EnableServiceAccount
            CreateServiceAccount DeleteServiceAccount RotateServiceAccount
        ];
    "Registry configurations": list [] do [ShowRegistryConfig];
    "Service": list [] do [ShowStatus ShowActivity PreviewOperation] file [MakeBackup];
    "Imports": list [] do [ImportHtpasswd ImportDockerAuth];
    "Declarations": list [] do [ApplyState ExportState];
    "Audit": list [ListAudit] do [FollowAudit];
    "Keys": list [ListSigningRequests ListKeys]
        do [
            ShowKey RotateSigningKey RotateSealingKey RotateAuditKey RotateInstanceKey
            ActivateInstanceKey CancelInstanceKey RotateCa ActivateCa CancelCa
            RetireCa ImportCa ImportLeaf
        ];
    "Reports": list [ListUnused ListExpiring] do [];
    "Notices": list [ListNotices] do [ShowNotice RetryNotice TestWebhook];
}
