//! The use cases: all rules live here, and none of them knows a dialect.
//!
//! Every use case takes a [`Call`] first and authorises in its first lines. It holds a [`Caller`],
//! which is made in [`access`] alone. Issuing a temporary credential and exchanging one for a token
//! read only memory: what they record goes through the queue of the [`ledger`].
//!
//! Start with [`access`], then [`credentials`] and [`exchange`].

mod access;
mod adjustable;
mod background;
mod base;
mod call;
mod credentials;
mod exchange;
mod identity;
mod keys;
mod ledger;
mod limits;
mod memory;
mod notices;
mod open;
mod operations;
mod quotas;
mod registry;
mod request;
mod rights;
mod settings;
mod sharded;
mod sts;

use std::sync::Arc;
use std::time::Duration;

use self::base::Base;
use self::ledger::Ledger;
use self::limits::Limits;
use self::memory::Memory;
use self::notices::Notices;

pub use self::access::caller::Caller;
pub use self::access::once::content_hash;
pub use self::access::presented::{Accepted, LogIn};
pub use self::access::{Access, BegunSso, FinishedSso, NewConsole, OpenConsole, SsoAnswer};
pub use self::adjustable::{KeySchedule, NoticeSettings, Signatures, Sso};
pub use self::call::Call;
pub use self::credentials::Credentials;
pub use self::credentials::service_accounts::{ChangedServiceAccount, NewServiceAccount, Validity};
pub use self::credentials::{Issued, Lifetime};
pub use self::exchange::Exchange;
pub use self::exchange::decisions::{Decision, TokenQuestion};
pub use self::exchange::log_ins::{AskedLogIn, IssuedLogIn};
pub use self::exchange::{AskedToken, ExchangeFigures, Exchanged, Offline};
pub use self::identity::Identity;
pub use self::identity::documents::{
    CheckedDocument, DocumentFindings, DocumentKind, PlacedFinding,
};
pub use self::identity::explained_tokens::TokenInQuestion;
pub use self::identity::groups::Membership;
pub use self::identity::imports::{ExistingUsers, ImportState, ImportedUser};
pub use self::identity::oidc_presets::OidcPreset;
pub use self::identity::oidc_providers::NewOidcProvider;
pub use self::identity::policies::{Attached, Save};
pub use self::identity::refused_subjects::TokenIssuer;
pub use self::identity::revocations::Revoked;
pub use self::identity::roles::{RoleChange, RoleTest};
pub use self::keys::Keys;
pub use self::keys::{
    CaStep, ExportedCa, ImportedLeaf, KeyInfo, KeyKind, KeyState, MasterKeyInfo, MasterKeyState,
    MasterKeyStep, NextStep, PrivatePart, Replacement, Retired, SigningRequest, Warning,
    WarningKind, has_sealed_backup, is_set_up, opens, seal_backup, set_up,
};
pub use self::ledger::actions::AuditAction;
pub use self::ledger::checkpoint_sink::{CheckpointSink, MadeCheckpoint};
pub use self::ledger::notices::NoticeFigures;
pub use self::ledger::queue::AuditMode;
pub use self::ledger::refusals::{Claim, Refusal};
pub use self::limits::rates::subscriber;
pub use self::limits::replay::{Purpose, ReplayFigures};
pub use self::limits::waits::Wait;
pub use self::memory::master_keys::{MasterKeySource, MasterKeys};
pub use self::notices::settings::{WebhookSecretSource, WebhookSettings};
pub use self::operations::Operations;
pub use self::operations::activity::{Activity, Latency};
pub use self::operations::audit_log::{
    AuditBatch, AuditFilter, AuditNews, AuditReads, AuditTail, Document as AuditDocument,
    Finding as AuditFinding, Findings as AuditFindings, KeptCheckpoints, Verified as VerifiedAudit,
    jwk_set as audit_jwk_set, keys_of as audit_keys_of, verify_export as verify_audit_export,
};
pub use self::operations::backup::BackupBytes;
pub use self::operations::doctor::{Check, CheckState};
pub use self::operations::explained_requests::{ExplainedPart, ExplainedRequest, RequestQuestion};
pub use self::operations::metrics::ServiceMetrics;
pub use self::operations::replicas::{Replica, check_shared};
pub use self::operations::status::Status;
pub use self::quotas::{BySpecification, Quotas};
pub use self::registry::Registry;
pub use self::registry::allow_lists::AllowListPlace;
pub use self::registry::catalog::Imported;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::registry::fuzzing;
pub use self::registry::images::batch_deletion::DeletedImage;
pub use self::registry::images::by_digest::{FoundManifest, LayerPresence, PartAfter};
pub use self::registry::images::{ImageFilter, TagFilter};
pub use self::registry::instances::{
    InstanceCriterion, NameCheck, NewInstance, RequestedInstance, TaggedInstance,
};
pub use self::registry::inventory::{InstanceContents, RecordedNamespace};
pub use self::registry::lifecycle::{
    ExpiredImage, ImageFate, LifecycleRun, RunMode, StoredLifecycle,
};
pub use self::registry::namespaces::{
    NamespaceChoice, NamespaceFilter, NewNamespace, TaggedNamespace,
};
pub use self::registry::repositories::{Images, NewRepository, RepositoryChoice};
pub use self::registry::within::Within;
pub use self::request::RequestContext;
pub use self::rights::Rights;
pub use self::rights::held::{HeldRight, HeldRights};
pub use self::rights::holders::{HeldWhen, HolderPosition, RightHolder, RightHolders};
pub use self::rights::instances::InstanceChoice;
pub use self::rights::question::Question;
pub use self::rights::steps::{Explained, PlacedStatement, Step};
pub use self::settings::{AuditSettings, LimitSettings, PasswordSettings, Settings};
pub use self::sts::CallerIdentity;
pub use self::sts::Sts;
pub use self::sts::assume_role::{AssumeRole, RoleChoice};
pub use self::sts::federation::{FederationLife, FederationToken};
pub use self::sts::key_sessions::NarrowSession;
pub use self::sts::rules::{Durations, NameRule, SessionRules};
pub use self::sts::session::NewSession;
pub use crate::domain::access_key::NewAccessKey;
pub use crate::domain::notice::NoticeKind;
pub use crate::domain::service_account::ServiceAccountGrant;
pub use crate::policy::{Effect, Language, Outcome, Permission, is_action, position, span_of};
pub use crate::remote::{SaidBy, Settings as Outgoing};
pub use crate::shared::Settings as SharedSettings;
pub use crate::store::access_key::{AccessKey, AccessKeyState};
pub use crate::store::account::Account;
pub use crate::store::audit::{AuditPosition, AuditRow};
pub use crate::store::cascade::Contents;
pub use crate::store::page::{Listed, Page};
pub use crate::store::policy::{Attachment, PolicyKind};
pub use crate::store::quota::Usage;
pub use crate::store::repository::{RepositoryFilter, RepositoryOrder};
pub use crate::token::WebIdentity;

/// The service: a table of its parts.
pub struct Service {
    /// How long a request waits for the database.
    database_patience: Duration,
    /// The store, the clock and chance.
    pub base: Arc<Base>,
    /// How often.
    pub limits: Arc<Limits>,
    /// Caches and keys in memory.
    pub memory: Arc<Memory>,
    /// Changes and the audit.
    pub ledger: Arc<Ledger>,
    /// Proof of callers.
    pub access: Arc<Access>,
    /// May they, and why.
    pub rights: Arc<Rights>,
    /// Credentials, service accounts, fixed passwords.
    pub credentials: Credentials,
    /// Registry tokens.
    pub exchange: Exchange,
    /// Sessions.
    pub sts: Sts,
    /// Accounts, and who is in them.
    pub identity: Identity,
    /// Keys of this service.
    pub keys: Arc<Keys>,
    /// Instances, and what their registries hold.
    pub registry: Registry,
    /// Notices, and the webhook.
    pub notices: Arc<Notices>,
    /// Reports for operators and probes.
    pub operations: Operations,
}

impl Service {
    /// Begins a call of a caller, now.
    pub fn call<'a>(&self, caller: &'a Caller, request: &'a RequestContext) -> Call<'a> {
        Call {
            caller,
            request,
            now: self.base.now(),
        }
    }
}
