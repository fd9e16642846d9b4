//! Policy documents, and what they are attached to.

use crate::domain::identity::{Policy, Target};
use crate::domain::ids::{AccountId, RoleId, UserId};
use crate::domain::{Error, Noun, Result};

use super::look::Look;
use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::row::{Row, statements};
use super::{Store, account, group, role, user};

/// The columns of an attached document; a built-in policy's is not here.
macro_rules! select_documents {
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT policy_attachment.policy_name AS policy_name, policy_attachment.policy_kind AS \
             policy_kind, \
             policy.document AS document FROM ",
            $from,
            " LEFT JOIN policy ON policy_attachment.policy_kind = 'own' AND policy.account_id = \
             policy_attachment.account_id \
             AND policy.name = policy_attachment.policy_name WHERE ",
            $rest
        )
    };
}

statements! {
    "policy" {
        INSERT = "INSERT INTO policy (account_id, name, document, changed_at) VALUES ($1, $2, $3, \
                  $4)";
        UPDATE = "UPDATE policy SET document = $3, changed_at = $4 WHERE account_id = $1 AND name \
                  = $2";
        DELETE = "DELETE FROM policy WHERE account_id = $1 AND name = $2";
        HAS_NAME = "SELECT name FROM policy WHERE account_id = $1 AND name = $2";
        FIND = "SELECT name, account_id, document, changed_at FROM policy WHERE account_id = $1 \
                AND name = $2";
        LIST = "SELECT name, account_id, document, changed_at FROM policy WHERE account_id = $1 \
                ORDER BY name";
    }
    "policy_attachment" {
        IS_ATTACHED = "SELECT policy_name FROM policy_attachment \
                       WHERE account_id = $1 AND policy_name = $2 AND policy_kind = 'own'";
        ATTACH_TO_USER = "INSERT INTO policy_attachment (account_id, policy_name, policy_kind, \
                          user_id) \
                          SELECT account_id, CAST($2 AS TEXT), CAST($3 AS TEXT), id FROM \
                          account_user \
                          WHERE account_id = $1 AND name = $4 AND state <> 'deleted'";
        ATTACH_TO_GROUP = "INSERT INTO policy_attachment (account_id, policy_name, policy_kind, \
                           group_name) \
                           VALUES ($1, $2, $3, $4)";
        ATTACH_TO_ROLE = "INSERT INTO policy_attachment (account_id, policy_name, policy_kind, \
                          role_id) \
                          SELECT account_id, CAST($2 AS TEXT), CAST($3 AS TEXT), id FROM role \
                          WHERE account_id = $1 AND name = $4 AND state <> 'deleted'";
        DETACH_FROM_USER = "DELETE FROM policy_attachment WHERE policy_name = $2 AND policy_kind = \
                            $3 AND user_id = \
                            (SELECT id FROM account_user WHERE account_id = $1 AND name = $4 AND \
                            state <> 'deleted')";
        DETACH_FROM_GROUP = "DELETE FROM policy_attachment \
                             WHERE account_id = $1 AND policy_name = $2 AND policy_kind = $3 AND \
                             group_name = $4";
        DETACH_FROM_ROLE = "DELETE FROM policy_attachment WHERE policy_name = $2 AND policy_kind = \
                            $3 AND role_id = \
                            (SELECT id FROM role WHERE account_id = $1 AND name = $4 AND state <> \
                            'deleted')";
        DETACH_ALL_OF_USER = "DELETE FROM policy_attachment WHERE user_id = $1";
        DETACH_ALL_OF_GROUP = "DELETE FROM policy_attachment WHERE account_id = $1 AND group_name \
                               = $2";
        DETACH_ALL_OF_ROLE = "DELETE FROM policy_attachment WHERE role_id = $1";
        LIST_ATTACHMENTS = "SELECT policy_attachment.policy_name AS policy_name, \
                            policy_attachment.policy_kind AS policy_kind, \
                            account_user.name AS user_name, policy_attachment.group_name AS \
                            group_name, role.name AS role_name \
                            FROM policy_attachment LEFT JOIN account_user ON account_user.id = \
                            policy_attachment.user_id \
                            LEFT JOIN role ON role.id = policy_attachment.role_id WHERE \
                            policy_attachment.account_id = $1 \
                            ORDER BY policy_attachment.policy_name, policy_attachment.policy_kind, \
                            account_user.name, \
                            policy_attachment.group_name, role.name";
        // One statement, so that no change comes between what is the user's own and what its groups
        // give it. UNION leaves each document once.
        DOCUMENTS_OF_USER = concat!(
            select_documents!("policy_attachment", "policy_attachment.user_id = $1"),
            " UNION ",
            select_documents!(
                "group_member JOIN policy_attachment ON policy_attachment.account_id = \
                 group_member.account_id AND policy_attachment.group_name = \
                 group_member.group_name",
                "group_member.user_id = $1"
            ),
            " ORDER BY policy_name, policy_kind"
        );
        DOCUMENTS_OF_ROLE = select_documents!(
            "policy_attachment",
            "policy_attachment.role_id = $1 ORDER BY policy_name, policy_kind"
        );
    }
}

/// Whose a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// The account's own: its document is stored.
    Own,
    /// One that this service brings: only its name is stored, where it is attached.
    BuiltIn,
}

impl PolicyKind {
    fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::BuiltIn => "built_in",
        }
    }
}

/// A policy's being attached to something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attachment {
    /// The policy's name.
    pub policy: String,
    /// Whose the policy is.
    pub kind: PolicyKind,
    /// The user, group or role that it is attached to.
    pub target: Target,
}

/// Adds a policy; `NotFound` without its account, `AlreadyExists` when the account has that name
/// already.
pub fn create(policy: &Policy) -> Part {
    let (account, name) = (policy.account, policy.name.clone());
    let insert = Guarded::new(INSERT, columns(policy), Rows::Exactly(1), move || {
        Error::already_exists(
            Noun::Policy,
            format!(
                "Account {account} has a policy named {name} already; choose another name, or \
                 update it."
            ),
        )
    });
    Part::of([account::hold(account), insert]).changes(Entity::Policies, &account)
}

/// Replaces a policy's document; `NotFound` when the account has no such policy.
pub fn update(policy: &Policy) -> Part {
    let update = Guarded::new(
        UPDATE,
        columns(policy),
        Rows::Exactly(1),
        missing(&policy.name),
    );
    Part::of([update]).changes(Entity::Policies, &policy.account)
}

/// Deletes a policy that is attached to nothing; `NotFound` when the account has no such policy,
/// `Unsupported` while it is attached.
pub fn delete(account: AccountId, name: &str) -> Part {
    let key = || vec![account.number().into(), name.into()];
    let attached = name.to_owned();
    let is_free = Guarded::new(IS_ATTACHED, key(), Rows::Exactly(0), move || {
        Error::unsupported(format!(
            "The policy {attached} is attached to a user, a group or a role; detach it first."
        ))
    });
    let delete = Guarded::new(DELETE, key(), Rows::Exactly(1), missing(name));
    Part::of([account::hold(account), is_free, delete]).changes(Entity::Policies, &account)
}

/// Attaches a policy; `NotFound` without the target or an own policy, `AlreadyExists` when it is
/// attached there.
///
/// Which built-in policies there are the caller knows, and has looked.
pub fn attach(account: AccountId, policy: &str, kind: PolicyKind, target: &Target) -> Part {
    let mut guarded = vec![account::hold(account)];
    if kind == PolicyKind::Own {
        guarded.push(Guarded::new(
            HAS_NAME,
            vec![account.number().into(), policy.into()],
            Rows::Exactly(1),
            missing(policy),
        ));
    }
    let (there, statement) = match target {
        Target::User(name) => (user::named(account, name), ATTACH_TO_USER),
        Target::Group(name) => (group::named(account, name), ATTACH_TO_GROUP),
        Target::Role(name) => (role::named(account, name), ATTACH_TO_ROLE),
    };
    let message = format!(
        "The policy {policy} is attached to {} already.",
        described(target)
    );
    let attach = Guarded::new(
        statement,
        attachment(account, policy, kind, target),
        Rows::Exactly(1),
        move || Error::already_exists(Noun::Attachment, message.as_str()),
    );
    guarded.extend([there, attach]);
    Part::of(guarded).changes(Entity::Policies, &account)
}

/// Detaches a policy; `NotFound` without the target, or when the policy is not attached to it.
pub fn detach(account: AccountId, policy: &str, kind: PolicyKind, target: &Target) -> Part {
    let (there, statement) = match target {
        Target::User(name) => (user::named(account, name), DETACH_FROM_USER),
        Target::Group(name) => (group::named(account, name), DETACH_FROM_GROUP),
        Target::Role(name) => (role::named(account, name), DETACH_FROM_ROLE),
    };
    let which = format!("of policy {policy} to {}", described(target));
    let detach = Guarded::new(
        statement,
        attachment(account, policy, kind, target),
        Rows::Exactly(1),
        move || Error::not_found(Noun::Attachment, &which),
    );
    Part::of([account::hold(account), there, detach]).changes(Entity::Policies, &account)
}

fn columns(policy: &Policy) -> Vec<super::Value> {
    vec![
        policy.account.number().into(),
        policy.name.as_str().into(),
        policy.document.as_str().into(),
        policy.changed_at.into(),
    ]
}

fn attachment(
    account: AccountId,
    policy: &str,
    kind: PolicyKind,
    target: &Target,
) -> Vec<super::Value> {
    let (Target::User(name) | Target::Group(name) | Target::Role(name)) = target;
    vec![
        account.number().into(),
        policy.into(),
        kind.name().into(),
        name.as_str().into(),
    ]
}

fn described(target: &Target) -> String {
    match target {
        Target::User(name) => format!("user {name}"),
        Target::Group(name) => format!("group {name}"),
        Target::Role(name) => format!("role {name}"),
    }
}

fn missing(name: &str) -> impl Fn() -> Error + Send + Sync + 'static {
    let name = name.to_owned();
    move || Error::not_found(Noun::Policy, &name)
}

/// Detaches everything from a user that is being deleted.
pub(super) fn detach_all_of_user(user: UserId) -> Guarded {
    Guarded::unguarded(DETACH_ALL_OF_USER, vec![user.number().into()])
}

/// Detaches everything from a group that is being deleted.
pub(super) fn detach_all_of_group(account: AccountId, name: &str) -> Guarded {
    Guarded::unguarded(
        DETACH_ALL_OF_GROUP,
        vec![account.number().into(), name.into()],
    )
}

/// Detaches everything from a role that is being deleted.
pub(super) fn detach_all_of_role(role: RoleId) -> Guarded {
    Guarded::unguarded(DETACH_ALL_OF_ROLE, vec![role.number().into()])
}

/// Finds a policy of an account by its name.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, account: AccountId, name: &str) -> Result<Option<Policy>> {
    store
        .find(FIND, vec![account.number().into(), name.into()])
        .await?
        .as_ref()
        .map(policy)
        .transpose()
}

/// Lists the policies of an account, by name.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store, account: AccountId) -> Result<Vec<Policy>> {
    store
        .query(LIST, vec![account.number().into()])
        .await?
        .iter()
        .map(policy)
        .collect()
}

/// Lists what the policies that an account uses are attached to, by the policies' names.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn attachments(store: &Store, account: AccountId) -> Result<Vec<Attachment>> {
    let rows = store
        .query(LIST_ATTACHMENTS, vec![account.number().into()])
        .await?;
    rows.iter()
        .map(|row| {
            let target = match (
                row.optional_text("user_name")?,
                row.optional_text("group_name")?,
                row.optional_text("role_name")?,
            ) {
                (Some(user), None, None) => Target::User(user),
                (None, Some(group), None) => Target::Group(group),
                (None, None, Some(role)) => Target::Role(role),
                _ => return Err(row.unreadable("user_name", "an attachment has one target")),
            };
            Ok(Attachment {
                policy: row.text("policy_name")?,
                kind: kind(row)?,
                target,
            })
        })
        .collect()
}

/// Reads the policies attached to a user and to its groups, each once: names, and the documents of
/// those that are not built in.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn documents_of_user(
    store: &Store,
    user: UserId,
) -> Result<Vec<(String, Option<String>)>> {
    documents(user).ask(store).await
}

/// Looks for the policies of a user.
pub(super) fn documents(user: UserId) -> Look<Vec<(String, Option<String>)>> {
    Look::all(DOCUMENTS_OF_USER, vec![user.number().into()], document)
}

/// Reads the policies attached to a role: names, and the documents of those that are not built in.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn documents_of_role(
    store: &Store,
    role: RoleId,
) -> Result<Vec<(String, Option<String>)>> {
    store
        .query(DOCUMENTS_OF_ROLE, vec![role.number().into()])
        .await?
        .iter()
        .map(document)
        .collect()
}

fn document(row: &Row) -> Result<(String, Option<String>)> {
    let document = match kind(row)? {
        // Never none: what follows would take it for a built-in policy of that name.
        PolicyKind::Own => Some(row.text("document")?),
        PolicyKind::BuiltIn => None,
    };
    Ok((row.text("policy_name")?, document))
}

fn kind(row: &Row) -> Result<PolicyKind> {
    match row.text("policy_kind")?.as_str() {
        "own" => Ok(PolicyKind::Own),
        "built_in" => Ok(PolicyKind::BuiltIn),
        other => Err(row.unreadable(
            "policy_kind",
            format_args!("{other:?} is not a kind of policy"),
        )),
    }
}

fn policy(row: &Row) -> Result<Policy> {
    Ok(Policy {
        account: account::id_in(row, "account_id")?,
        name: row.text("name")?,
        document: row.text("document")?,
        changed_at: row.time("changed_at")?,
    })
}
