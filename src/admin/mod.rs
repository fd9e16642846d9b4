//! The operations of administration: one struct an operation, for every surface.
//!
//! The fields of an operation's struct are the options of its command, the parameters of its HTTP
//! request, and the properties in the description of the API. Its answer is a view. An operation
//! decides nothing: it calls a use case, which asks whether the caller may.
//!
//! The command line runs operations on the data, or sends them to a service; `http::admin` serves
//! them. [`routes`] lists them all. Start with [`Operation`].

mod access_keys;
mod accounts;
mod activity;
mod allow_lists;
mod audit;
mod audit_words;
mod backup;
mod changed_instance;
mod credentials;
mod difference;
mod explanations;
mod groups;
mod import_plan;
mod imports;
mod instances;
mod keys;
mod listing;
mod method;
mod namespaces;
mod notices;
mod oidc_providers;
mod operation;
mod operators;
mod policies;
mod preview;
mod problem;
mod registry_config;
mod reports;
mod repositories;
mod resource;
mod revocations;
mod roles;
mod rotation;
mod route;
pub mod routes;
mod service_accounts;
mod state;
mod status;
mod text;
mod users;
mod window;

pub use self::access_keys::{
    CreateAccessKey, DeleteAccessKey, DisableAccessKey, EnableAccessKey, ListAccessKeys,
    ShowAccessKey,
};
pub use self::accounts::{CreateAccount, ListAccounts, ShowAccount, UpdateAccount};
pub use self::activity::ShowActivity;
pub use self::allow_lists::{
    AddAllowEntry, DisableAllowList, EnableAllowList, ListAllowEntries, RemoveAllowEntry,
};
pub use self::audit::{AuditNews, FollowAudit, ListAudit};
pub use self::audit_words::{ClientAddress, Outcome, When};
pub use self::backup::MakeBackup;
pub use self::changed_instance::UpdateInstance;
pub use self::credentials::{
    DeleteCredential, DeletePassword, DisableCredential, EnableCredential, ListCredentials,
    ListPasswords, ShowCredential,
};
pub use self::explanations::{Explain, ExplainRequest, ListRightHolders, ListRights};
pub use self::groups::{AddMember, CreateGroup, DeleteGroup, ListGroups, RemoveMember, ShowGroup};
pub use self::import_plan::Imported;
pub use self::imports::{ImportDockerAuth, ImportHtpasswd};
pub use self::instances::{CreateInstance, DeleteInstance, ListInstances, ShowInstance};
pub use self::keys::{
    ActivateCa, ActivateInstanceKey, CancelCa, CancelInstanceKey, ImportCa, ImportLeaf, ListKeys,
    ListSigningRequests, RetireCa, RotateAuditKey, RotateCa, RotateInstanceKey, RotateSealingKey,
    RotateSigningKey, ShowKey,
};
pub use self::listing::{Listing, MAX_ITEMS, Page, Selection};
pub use self::method::Method;
pub use self::namespaces::{
    CreateNamespace, DeleteNamespace, ListNamespaces, SetUnrecordedNamespaces, ShowNamespace,
};
pub use self::notices::{ListNotices, RetryNotice, ShowNotice, TestWebhook};
pub use self::oidc_providers::{
    CheckToken, CreateOidcProvider, DeleteOidcProvider, ListOidcProviders, ShowOidcProvider,
    UpdateOidcProvider,
};
pub use self::operation::{Effect, MAX_DOCUMENT_BYTES, Operation};
pub use self::operators::{
    CreateOperator, DeleteOperator, DisableOperator, EnableOperator, ListOperators,
    OperatorRoleName, RotateOperator, ShowOperator,
};
pub use self::policies::{
    AttachPolicy, CheckPolicy, CreatePolicy, DeletePolicy, DetachPolicy, DocumentUse, ListPolicies,
    ShowPolicy, UpdatePolicy,
};
pub use self::preview::{CONSEQUENCES, PreviewOperation};
pub use self::problem::{Failure, PROBLEM_TYPE, Problem};
pub use self::registry_config::{ShowRegistryConfig, TrustedKey, USUAL_LISTEN, realm};
pub use self::reports::{ListExpiring, ListUnused};
pub use self::repositories::{
    ApplyLifecycle, CreateRepository, DeleteRepository, ImportRepositories, ListRepositories,
    ShowRepository,
};
pub use self::resource::ResourceName;
pub use self::revocations::{AcceptSubject, ListRefusedSubjects, RefuseSubject, Revoke};
pub use self::roles::{CreateRole, DeleteRole, ListRoles, ShowRole, TestRole, UpdateRole};
pub use self::rotation::{
    CreateCredential, CreateServiceAccount, RotateCredential, RotateServiceAccount,
};
pub use self::route::{Description, Given, Route};
pub use self::service_accounts::{
    DeleteServiceAccount, DisableServiceAccount, EnableServiceAccount, ListServiceAccounts,
    ListServiceAccountsOfMaker, ShowServiceAccount,
};
pub use self::state::{AppliedState, ApplyState, ExportState, ExportedState};
pub use self::status::ShowStatus;
pub use self::text::{
    AccessKeyIdText, AccessKeyText, AccountIdText, AccountText, ActionText, AddressText,
    AlgorithmText, CidrText, CredentialText, Grant, GrantOrDefault, InstanceText, KidText,
    KindText, NoticeText, OidcAlgorithmText, OnOff, OpenClosed, OrDefault, PermissionText,
    PresetText, PrincipalText, RequestText, ResourceText, SecretText, SpanText, SpecificationText,
    Text, TimeText, UnrecordedText, WhenText, credential_id,
};
pub use self::users::{CreateUser, DeleteUser, DisableUser, EnableUser, ListUsers, ShowUser};
