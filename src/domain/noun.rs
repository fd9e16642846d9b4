//! The sorts of things that errors are about.

use std::fmt;

/// A sort of thing, as errors name it. Each API's table of errors says what is answered about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noun {
    /// An access key.
    AccessKey,
    /// An account.
    Account,
    /// An allow list.
    AllowList,
    /// An entry of an allow list.
    AllowListEntry,
    /// A policy's attachment to a user, a group or a role.
    Attachment,
    /// A certificate authority.
    Authority,
    /// A long-term credential.
    Credential,
    /// Which master key wraps.
    CurrentMasterKey,
    /// A domain of an instance's own, which none has here.
    CustomizedDomain,
    /// A fixed password.
    FixedPassword,
    /// A group of users.
    Group,
    /// An image, or a tag of one.
    Image,
    /// An instance.
    Instance,
    /// An issuer of an instance's tokens.
    Issuer,
    /// A key of any purpose.
    Key,
    /// A certificate of a signing key.
    LeafCertificate,
    /// A lifecycle policy of a repository.
    LifecyclePolicy,
    /// A master key.
    MasterKey,
    /// A user in a group.
    Member,
    /// A namespace.
    Namespace,
    /// A notice about a secret.
    Notice,
    /// An OpenID Connect provider.
    OidcProvider,
    /// An operator.
    Operator,
    /// A file that a command writes.
    OutputFile,
    /// A policy.
    Policy,
    /// A principal's numeric id.
    PrincipalId,
    /// A subject of an OpenID Connect issuer that is refused.
    RefusedSubject,
    /// A repository.
    Repository,
    /// A policy of a repository.
    RepositoryPolicy,
    /// A role.
    Role,
    /// A sealing key.
    SealingKey,
    /// A service account.
    ServiceAccount,
    /// A session.
    Session,
    /// A session's stored policy.
    SessionPolicy,
    /// A setting of the store.
    Setting,
    /// A signing key.
    SigningKey,
    /// A tag of a resource.
    Tag,
    /// A user.
    User,
}

impl Noun {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::AccessKey,
        Self::Account,
        Self::AllowList,
        Self::AllowListEntry,
        Self::Attachment,
        Self::Authority,
        Self::Credential,
        Self::CurrentMasterKey,
        Self::CustomizedDomain,
        Self::FixedPassword,
        Self::Group,
        Self::Image,
        Self::Instance,
        Self::Issuer,
        Self::Key,
        Self::LeafCertificate,
        Self::LifecyclePolicy,
        Self::MasterKey,
        Self::Member,
        Self::Namespace,
        Self::Notice,
        Self::OidcProvider,
        Self::OutputFile,
        Self::Policy,
        Self::PrincipalId,
        Self::RefusedSubject,
        Self::Repository,
        Self::RepositoryPolicy,
        Self::Role,
        Self::SealingKey,
        Self::ServiceAccount,
        Self::Session,
        Self::SessionPolicy,
        Self::Setting,
        Self::SigningKey,
        Self::Tag,
        Self::User,
    ];

    /// Returns the words for one of them in messages.
    pub fn words(self) -> &'static str {
        match self {
            Self::AccessKey => "access key",
            Self::Account => "account",
            Self::AllowList => "allow list",
            Self::AllowListEntry => "allow-list entry",
            Self::Attachment => "attachment",
            Self::Authority => "certificate authority",
            Self::Credential => "credential",
            Self::CurrentMasterKey => "current master key",
            Self::CustomizedDomain => "customized domain",
            Self::FixedPassword => "fixed password",
            Self::Group => "group",
            Self::Image => "image",
            Self::Instance => "instance",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::LeafCertificate => "leaf certificate",
            Self::LifecyclePolicy => "lifecycle policy",
            Self::MasterKey => "master key",
            Self::Member => "member",
            Self::Namespace => "namespace",
            Self::Notice => "notice",
            Self::OidcProvider => "OIDC provider",
            Self::Operator => "operator",
            Self::OutputFile => "output file",
            Self::Policy => "policy",
            Self::PrincipalId => "principal id",
            Self::RefusedSubject => "refused subject",
            Self::Repository => "repository",
            Self::RepositoryPolicy => "policy of a repository",
            Self::Role => "role",
            Self::SealingKey => "sealing key",
            Self::ServiceAccount => "service account",
            Self::Session => "session",
            Self::SessionPolicy => "session policy",
            Self::Setting => "setting",
            Self::SigningKey => "signing key",
            Self::Tag => "tag",
            Self::User => "user",
        }
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
