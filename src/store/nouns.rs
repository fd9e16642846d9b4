//! The nouns: the modules with SQL, their tables, and the names of what changes in the feed.
//!
//! It makes the statements that the tests prepare, the tables of a backup, and [`Entity`]. A new
//! noun touches its file, the `mod` lines of the store, this list and a migration.

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A 64-bit number.
    Integer,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A type that a column is declared with.
trait Stored {
    const KIND: Kind;
    const NULLABLE: bool = false;
}

impl Stored for i64 {
    const KIND: Kind = Kind::Integer;
}

impl Stored for String {
    const KIND: Kind = Kind::Text;
}

impl Stored for Vec<u8> {
    const KIND: Kind = Kind::Bytes;
}

impl<T: Stored> Stored for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;
}

/// A column, as the list declares it.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeclaredColumn {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
}

/// A table, as the list declares it.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeclaredTable {
    pub(super) name: &'static str,
    /// The primary key; of a table without one, the columns that put its rows into one order.
    pub(super) key: &'static [&'static str],
    /// The columns, in the order of the schema.
    pub(super) columns: &'static [DeclaredColumn],
    /// Whether a migration itself puts rows there.
    pub(super) seeded: bool,
    /// The entities as which a change or a delete of its rows is announced, by one of them; empty
    /// when no cache holds what is in it.
    #[cfg(test)]
    pub(super) announced_as: &'static [Entity],
}

/// Tables about the schema itself, which no backup carries: the migrations taken, and who takes
/// them (PostgreSQL).
pub(super) const OF_SCHEMA: [&str; 2] = ["schema_version", "schema_lease"];

/// Makes the list: of each module its entities, with what a delete of one takes along, and its
/// tables, in which what is referred to comes first.
macro_rules! nouns {
    ($($module:ident {
        $(
            $(#[doc = $doc:literal])+
            entity $entity:ident = $name:literal $(takes $($taken:ident),+)?;
        )*
        $(table $table:ident ($($key:ident),+) $(with $seeded:ident)? $(as $($announced:ident)|+)? {
            $($column:ident: $kind:ty),+ $(,)?
        })*
    })+) => {
        /// The sorts of things that the store has, as the change feed names them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Entity {
            $($($(#[doc = $doc])+ $entity,)*)+
            /// Something that only a newer version of this service knows.
            Unknown,
        }

        impl Entity {
            /// All of them but [`Self::Unknown`].
            pub const KNOWN: &[Self] = &[$($(Self::$entity,)*)+];

            /// Returns the name that the feed uses.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $($(Self::$entity => $name,)*)+
                    Self::Unknown => "unknown",
                }
            }

            /// Returns the entities that a delete of this one takes along without announcing them:
            /// a cache of theirs is dropped by this one, too.
            pub fn takes_along(self) -> &'static [Self] {
                match self {
                    $($(Self::$entity => &[$($(Self::$taken),+)?],)*)+
                    Self::Unknown => Self::KNOWN,
                }
            }
        }

        /// All tables but those of [`OF_SCHEMA`], in an order in which what is referred to comes
        /// first.
        pub(super) const TABLES: &[DeclaredTable] = &[$($(
            DeclaredTable {
                name: stringify!($table),
                key: &[$(stringify!($key)),+],
                columns: &[$(DeclaredColumn {
                    name: stringify!($column),
                    kind: <$kind as Stored>::KIND,
                    nullable: <$kind as Stored>::NULLABLE,
                }),+],
                seeded: !stringify!($($seeded)?).is_empty(),
                #[cfg(test)]
                announced_as: &[$($(Entity::$announced),+)?],
            },
        )*)+];

        /// Lists the statements of every module, for the tests that prepare them.
        #[cfg(test)]
        macro_rules! all_statements {
            () => { [$($module::STATEMENTS),+] };
        }
        #[cfg(test)]
        pub(super) use all_statements;
    };
}

nouns! {
    meta {
        table meta (name) { name: String, value: Vec<u8> }
    }
    operation {
        table operation (id) { id: String, applied_at: i64 }
    }
    change {
        table change_counter (id) with seeded_rows { id: i64, position: i64 }
        table change (position) { position: i64, noun: String, thing_id: String, changed_at: i64 }
    }
    account {
        /// An account, or which instances it has and which of them is the default: drop all that is
        /// cached under it.
        entity Account = "account";
        table account (id) as Account {
            id: i64, name: String, generation: i64, created_at: i64,
            service_account_grant: Option<String>,
        }
    }
    access_key {
        /// An access key.
        entity AccessKey = "access_key";
        table access_key (id) as AccessKey {
            id: String, account_id: i64, principal: String, sealed_secret: Vec<u8>, state: String,
            generation: i64, created_at: i64,
        }
    }
    instance {
        /// An instance or its tags, by its own id: drop all that is cached of it or in it.
        entity Instance = "instance"
            takes AllowList, Credential, FixedPassword, Namespace, Repositories, ServiceAccount;
        table instance (id) as Instance {
            id: String, cri_id: String, account_id: i64, name: String, region: String,
            service: String, algorithm: String, kid_format: String, token_ttl_seconds: i64,
            registry_url: Option<String>, default_mark: i64, created_at: i64,
            deleted_at: Option<i64>, specification: String, deletion_protection: i64,
            public_endpoint: i64, allow_list: i64, allow_list_version: i64, origin: String,
            modified_at: Option<i64>, unrecorded_namespaces: String, kind: String,
            issuer: Option<String>, next_issuer: Option<String>, refresh_tokens: i64,
            refresh_generation: i64, token_log_in: i64, credential_room: i64,
            credential_quota: i64,
            ecr_host: Option<String>,
        }
    }
    quota {}
    credential {
        /// A long-term credential.
        entity Credential = "credential";
        table credential (id) as Credential {
            id: String, instance_id: String, principal: String, username: String,
            description: String, secret_hash: Vec<u8>, state: String, generation: i64,
            created_at: i64, expires_at: i64, disabled_by: Option<String>,
            older_secret_hash: Option<Vec<u8>>, older_secret_ends_at: Option<i64>,
        }
    }
    key {
        /// A sealing key.
        entity SealingKey = "sealing_key";
        /// A signing key or its leaf certificate.
        entity SigningKey = "signing_key";
        /// The authority that registries trust.
        entity Authority = "authority";
        /// Which master key wraps.
        entity MasterKey = "master_key";
        table sealing_key (id) as SealingKey { id: String, wrapped: Vec<u8>, created_at: i64 }
        table signing_key (id) as SigningKey | Authority {
            id: String, algorithm: String, wrapped_private: Vec<u8>, leaf_der: Vec<u8>,
            leaf_expires_at: i64, created_at: i64, next_leaf_der: Option<Vec<u8>>,
            certified_at: Option<i64>,
        }
        table authority (id) as Authority {
            id: String, wrapped_private: Vec<u8>, certificate_der: Vec<u8>, created_at: i64,
            state: String, changed_at: i64,
        }
    }
    instance_key {
        table instance_key (id) as SigningKey {
            id: String, instance_id: String, algorithm: String, wrapped_private: Vec<u8>,
            state: String, created_at: i64,
        }
    }
    wrapped {}
    audit {
        table audit (id) {
            id: String, happened_at: i64, request_id: String, action: String,
            principal: Option<String>, account_id: Option<i64>, credential_id: Option<String>,
            address: Option<String>, service: Option<String>, detail: String, outcome: String,
            access_key: Option<String>, writer: String, position: i64, previous: Vec<u8>,
        }
    }
    audit_page {
        table audit_page (id) {
            id: String, first_at: i64, last_at: i64, lines: String, bytes: i64, contents: String,
            terms: Vec<u8>, digests: Vec<u8>, writer: String, position: i64, previous: Vec<u8>,
        }
    }
    audit_chain {
        table audit_writer (id) { id: String, position: i64, link: Vec<u8>, moved_at: i64 }
    }
    audit_checkpoint {
        table audit_key (id) { id: String, wrapped_private: Vec<u8>, created_at: i64 }
        table audit_checkpoint (number) { number: i64, made_at: i64, signed: String }
    }
    principal_id {
        table principal_id (id) { id: i64 }
    }
    user {
        /// A user, by its id: drop all that is cached of it or decided for it.
        entity User = "user" takes AccessKey, Credential, FixedPassword;
        table account_user (id) as User {
            id: i64, account_id: i64, name: String, state: String, generation: i64, created_at: i64,
        }
    }
    group {
        table account_group (account_id, name) as Policies {
            account_id: i64, name: String, created_at: i64,
        }
        table group_member (account_id, group_name, user_id) as Policies {
            account_id: i64, group_name: String, user_id: i64,
        }
    }
    role {
        /// A role, by its id: drop all that is cached of it or decided for its sessions.
        entity Role = "role";
        table role (id) as Role {
            id: i64, account_id: i64, name: String, trust_policy: String, max_session_seconds: i64,
            state: String, generation: i64, created_at: i64, revoked_at: Option<i64>,
        }
    }
    policy {
        /// Policies, memberships and attachments, by the account's id: drop all that was decided
        /// from them.
        entity Policies = "policies";
        table policy (account_id, name) as Policies {
            account_id: i64, name: String, document: String, changed_at: i64,
        }
        table policy_attachment (
            account_id, policy_name, policy_kind, user_id, group_name, role_id
        ) as Policies {
            account_id: i64, policy_name: String, policy_kind: String, user_id: Option<i64>,
            group_name: Option<String>, role_id: Option<i64>,
        }
    }
    oidc_provider {
        /// An OpenID Connect issuer, by `ACCOUNT/NAME`.
        entity OidcProvider = "oidc_provider";
        table oidc_provider (account_id, name) as OidcProvider {
            account_id: i64, name: String, issuer: String, jwks: Option<String>, algorithms: String,
            created_at: i64,
        }
        table oidc_audience (account_id, provider_name, place) as OidcProvider {
            account_id: i64, provider_name: String, place: i64, audience: String,
        }
    }
    revocation {
        /// A sealed credential or session that was revoked by itself.
        entity Revocation = "revocation";
        table revocation (credential_id) as Revocation { credential_id: String, revoked_at: i64 }
    }
    refused_subject {
        /// The subjects that an account refuses, by the account's id.
        entity RefusedSubjects = "refused_subjects";
        table refused_subject (account_id, issuer, subject) as RefusedSubjects {
            account_id: i64, issuer: String, subject: String, refused_at: i64,
        }
    }
    namespace {
        /// A namespace or its tags, by `INSTANCE/NAME`: drop all that is cached of it or in it, and
        /// of the service accounts of its instance.
        entity Namespace = "namespace" takes Repositories, ServiceAccount;
        table namespace (id) as Namespace {
            id: String, number: i64, instance_id: String, name: String, visibility: String,
            auto_create_repository: i64, default_visibility: String, default_tag_immutability: i64,
            auto_scan: i64, prevent_vulnerable: i64, severity: String, allowed_cves: String,
            created_at: i64, modified_at: i64,
        }
    }
    repository {
        /// Repositories of a namespace, by `INSTANCE/NAMESPACE`.
        entity Repositories = "repositories";
        table repository (id) as Repositories {
            id: String, instance_id: String, namespace_id: String, name: String, visibility: String,
            summary: String, detail: String, tag_immutability: i64, created_at: i64,
            modified_at: i64, tag_exclusions: String, scan_on_push: i64, tags: String,
            lifecycle_policy: String, lifecycle_evaluated_at: Option<i64>, policy: String,
        }
    }
    service_account {
        /// A service account, by `INSTANCE/NAME`.
        entity ServiceAccount = "service_account";
        table service_account (id) as ServiceAccount {
            id: String, instance_id: String, name: String, description: String,
            made_hash: Option<Vec<u8>>, chosen_hash: Option<String>, state: String, generation: i64,
            created_at: i64, modified_at: i64, expires_at: i64, maker: Option<String>,
            maker_ids: String, revision: i64, disabled_by: Option<String>,
            older_made_hash: Option<Vec<u8>>, older_chosen_hash: Option<String>,
            older_secret_ends_at: Option<i64>,
        }
        table service_account_permission (service_account_id, namespace) as ServiceAccount {
            service_account_id: String, namespace: String, actions: String,
        }
    }
    fixed_password {
        /// A fixed password, by `INSTANCE/PRINCIPAL`.
        entity FixedPassword = "fixed_password";
        table fixed_password (instance_id, principal) as FixedPassword {
            instance_id: String, principal: String, hash: Option<String>, generation: i64,
            changed_at: i64, old_name: Option<String>, expires_at: Option<i64>,
        }
    }
    allow_list {
        /// An instance's allow list, by the instance's own id.
        entity AllowList = "allow_list";
        table allow_entry (instance_id, cidr) as AllowList {
            instance_id: String, cidr: String, written: String, comment: String, place: i64,
        }
    }
    tag {
        table resource_tag (thing_id, tag_key) as Instance | Namespace {
            thing_id: String, instance_id: String, tag_key: String, tag_value: String,
        }
    }
    last_use {
        // Lists read it, and no cache does.
        table last_use (kind, thing_id) { kind: String, thing_id: String, used_at: i64 }
    }
    report {}
    session_policy {
        // Found by its digest, so that what a cache holds never changes.
        table session_policy (account_id, digest) {
            account_id: i64, digest: String, charged_to: String, created_at: i64, ends_at: i64,
            document: String,
        }
    }
    operator {
        /// An operator that has a token.
        entity Operator = "operator";
        table operator (id) as Operator {
            id: String, name: String, role: String, account_id: Option<i64>, state: String,
            token_hash: Vec<u8>, older_token_hash: Option<Vec<u8>>,
            older_token_ends_at: Option<i64>, created_at: i64,
        }
    }
    console_session {
        table console_session (hash) {
            hash: Vec<u8>, operator_id: String, token_hash: Vec<u8>, created_at: i64,
            authenticated_at: i64, ends_at: i64,
        }
    }
    sso_session {
        table sso_session (hash) {
            hash: Vec<u8>, issuer: String, subject: String, name: String, claims: String,
            created_at: i64, authenticated_at: Option<i64>, ends_at: i64,
        }
    }
    activity {
        table activity (width, begins_at, name) {
            width: i64, begins_at: i64, name: String, amount: i64,
        }
    }
    notice {
        // Background tasks and operators read it, and no cache does.
        table notice (id) {
            id: String, kind: String, subject_kind: String, subject_id: String,
            name: Option<String>, account_id: Option<i64>, instance_id: Option<String>,
            ends_at: Option<i64>, older_secret: i64, refusals: Option<i64>, created_at: i64,
            state: String, attempts: i64, due_at: i64, failure: Option<String>,
        }
    }
    ending {}
    repository_policy {}
    signed_change {
        table signed_change (digest) {
            digest: String, request_id: String, made: Option<String>, ends_at: i64,
        }
    }
    portable {}
}

impl Entity {
    pub(super) fn of_name(name: &str) -> Self {
        // During an upgrade an older replica reads what a newer one wrote.
        Self::KNOWN
            .iter()
            .copied()
            .find(|entity| entity.name() == name)
            .unwrap_or(Self::Unknown)
    }
}

/// Returns whether there is a table of that name; [`statements!`](super::row::statements) asks when
/// it is compiled.
pub(super) const fn is_table(name: &str) -> bool {
    let mut index = 0;
    while index < TABLES.len() {
        if is_equal(TABLES[index].name, name) {
            return true;
        }
        index += 1;
    }
    is_equal(OF_SCHEMA[0], name) || is_equal(OF_SCHEMA[1], name)
}

/// Compares texts; `==` doesn't work before the program runs.
const fn is_equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entity_has_a_name_of_its_own_that_reads_back() {
        for entity in Entity::KNOWN {
            assert_eq!(Entity::of_name(entity.name()), *entity);
        }
        assert_eq!(Entity::of_name("something newer"), Entity::Unknown);
    }

    #[test]
    fn a_table_is_known_by_its_whole_name() {
        assert!(is_table("account") && is_table("signed_change") && is_table("schema_version"));
        for other in ["", "accoun", "account_", "Account"] {
            assert!(!is_table(other), "{other}");
        }
    }

    #[test]
    fn no_two_tables_share_a_name() {
        for (index, table) in TABLES.iter().enumerate() {
            assert!(
                TABLES[..index]
                    .iter()
                    .all(|earlier| earlier.name != table.name),
                "{}",
                table.name
            );
        }
    }
}
