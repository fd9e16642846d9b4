//! Users, groups, roles, the policies attached to them, and who else is believed about identities.

use super::clock::Timestamp;
use super::principal::{AccountId, RoleId, UserId};

/// Whether a user may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserState {
    /// It may.
    Active,
    /// Nothing that is the user's works, until it is enabled again.
    Disabled,
}

/// A user of an account: a sub-account in Tencent's words, a RAM user in Alibaba's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its numeric id, never reused.
    pub id: UserId,
    /// Who owns it.
    pub account: AccountId,
    /// Its name, unique among the account's users.
    pub name: String,
    /// Whether it may act.
    pub state: UserState,
    /// What sealed credentials of it name; raising it stops them.
    pub generation: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A group of users, which share the policies attached to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Who owns it.
    pub account: AccountId,
    /// Its name, unique among the account's groups.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A role: it can be assumed by whom its trust policy names, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its numeric id, never reused.
    pub id: RoleId,
    /// Who owns it.
    pub account: AccountId,
    /// Its name, unique among the account's roles.
    pub name: String,
    /// Who may assume it, as written.
    pub trust_policy: String,
    /// The longest life of a session, in seconds.
    pub max_session_seconds: u32,
    /// What its sessions name; raising it stops them.
    pub generation: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Role {
    /// The shortest `max_session_seconds`: an hour.
    pub const SHORTEST_MAX_SESSION: u32 = 3600;
    /// The longest `max_session_seconds`: twelve hours, at both clouds.
    pub const LONGEST_MAX_SESSION: u32 = 43_200;
}

/// A policy document under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who owns it.
    pub account: AccountId,
    /// Its name, unique among the account's policies.
    pub name: String,
    /// The document, as written.
    pub document: String,
    /// When it was made or last changed.
    pub changed_at: Timestamp,
}

/// What a policy can be attached to, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// A role.
    Role(String),
}

/// An OpenID Connect issuer that roles may trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProvider {
    /// Who owns it.
    pub account: AccountId,
    /// Its name, unique among the account's providers.
    pub name: String,
    /// The issuer, as its tokens say it.
    pub issuer: String,
    /// The audiences of which a token must have one.
    pub audiences: Vec<String>,
    /// The issuer's keys as a JWK set, when they are not to be fetched.
    pub jwks: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}
