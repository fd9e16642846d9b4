//! What sort of thing the store has, as the change feed names it.

/// What sort of thing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entity {
    /// An account, or which instances it has and which of them is the default: drop all that is cached under it.
    Account,
    /// An access key.
    AccessKey,
    /// An instance or its tags, by its own id: drop all that is cached of it or in it, which goes with it without
    /// entries of its own.
    Instance,
    /// A long-term credential.
    Credential,
    /// A sealing key.
    SealingKey,
    /// A signing key or its leaf certificate.
    SigningKey,
    /// The authority that registries trust.
    Authority,
    /// Which master key wraps.
    MasterKey,
    /// A user, by its id: drop all that is cached of it or decided for it, and its access keys and credentials,
    /// which go with it without entries of their own.
    User,
    /// A role, by its id: drop all that is cached of it or decided for its sessions.
    Role,
    /// What policies, memberships and attachments say, by the account's id: drop all that was decided from them.
    Policies,
    /// An OpenID Connect issuer, by `ACCOUNT/NAME`.
    OidcProvider,
    /// A sealed credential or session that was revoked by itself.
    Revocation,
    /// A namespace, by `INSTANCE/NAME`: drop all that is cached of it or in it, and of the service accounts of its instance.
    Namespace,
    /// Repositories of a namespace, by `INSTANCE/NAMESPACE`.
    Repositories,
    /// A service account, by `INSTANCE/NAME`.
    ServiceAccount,
    /// A fixed password, by `INSTANCE/PRINCIPAL`.
    FixedPassword,
    /// An instance's allow list, by the instance's own id.
    AllowList,
    /// Something that only a newer version of this service knows.
    Unknown,
}

impl Entity {
    const KNOWN: [Self; 18] = [
        Self::Account,
        Self::AccessKey,
        Self::Instance,
        Self::Credential,
        Self::SealingKey,
        Self::SigningKey,
        Self::Authority,
        Self::MasterKey,
        Self::User,
        Self::Role,
        Self::Policies,
        Self::OidcProvider,
        Self::Revocation,
        Self::Namespace,
        Self::Repositories,
        Self::ServiceAccount,
        Self::FixedPassword,
        Self::AllowList,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::AccessKey => "access_key",
            Self::Instance => "instance",
            Self::Credential => "credential",
            Self::SealingKey => "sealing_key",
            Self::SigningKey => "signing_key",
            Self::Authority => "authority",
            Self::MasterKey => "master_key",
            Self::User => "user",
            Self::Role => "role",
            Self::Policies => "policies",
            Self::OidcProvider => "oidc_provider",
            Self::Revocation => "revocation",
            Self::Namespace => "namespace",
            Self::Repositories => "repositories",
            Self::ServiceAccount => "service_account",
            Self::FixedPassword => "fixed_password",
            Self::AllowList => "allow_list",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn of_name(name: &str) -> Self {
        // During an upgrade an older replica reads what a newer one wrote.
        Self::KNOWN.into_iter().find(|noun| noun.name() == name).unwrap_or(Self::Unknown)
    }
}
