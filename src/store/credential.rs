//! Long-term credentials: all but their secrets.

use crate::domain::clock::Timestamp;
use crate::domain::credential::{CredentialId, CredentialState, LongTermCredential, Username};
use crate::domain::ids::InstanceId;
use crate::domain::principal::{Level, Principal};
use crate::domain::rotation::Older;
use crate::domain::{Error, Noun, Result};

use super::last_use::used_at;
use super::look::Look;
use super::nouns::Entity;
use super::page::{Listed, Page, listed_rows, select_page};
use super::part::{Guarded, Part, Rows};
use super::quota;
use super::row::{Row, statements};
use super::{Store, principal};

macro_rules! columns {
    () => {
        "id, instance_id, principal, username, description, secret_hash, state, generation, \
         created_at, expires_at, disabled_by"
    };
}

/// The columns, those of the older secret, and the last use.
macro_rules! read {
    () => {
        concat!(
            columns!(),
            ", older_secret_hash, older_secret_ends_at, ",
            used_at!("credential", "credential.id")
        )
    };
}

statements! { "credential";
    INSERT = concat!(
        "INSERT INTO credential (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    );
    FIND = concat!("SELECT ", read!(), " FROM credential WHERE id = $1");
    IDS_AFTER = "SELECT id FROM credential WHERE id > $1 ORDER BY id LIMIT $2";
    LIST = concat!(
        "SELECT ",
        read!(),
        " FROM credential WHERE instance_id = $1 ORDER BY created_at DESC, id DESC"
    );
    PAGE = select_page!(
        read!(),
        "credential WHERE instance_id = $3",
        "created_at DESC, id DESC"
    );
    HOLD = "UPDATE credential SET state = state WHERE id = $1";
    MAY_BE_ENABLED = "SELECT id FROM credential WHERE id = $1 AND (disabled_by IS NULL OR \
                      disabled_by = 'user')";
    ENABLE = "UPDATE credential SET state = 'active', disabled_by = NULL WHERE id = $1";
    // Once root or the operator disabled it, a user who does so too changes nothing of that. Both
    // secrets have another generation afterwards.
    DISABLE = "UPDATE credential SET state = 'disabled', generation = generation + 2, disabled_by \
               = \
               CASE WHEN CAST($2 AS TEXT) = 'user' AND disabled_by IS NOT NULL THEN disabled_by \
               ELSE $2 END WHERE id = $1";
    SET_DESCRIPTION = "UPDATE credential SET description = $2 WHERE id = $1";
    ROTATE = "UPDATE credential SET older_secret_hash = CASE WHEN CAST($3 AS BIGINT) IS NULL THEN \
              NULL ELSE secret_hash END, older_secret_ends_at = $3, secret_hash = $2, generation = \
              generation + 1 WHERE id = $1";
    LIST_OF_PRINCIPAL = concat!("SELECT ", read!(), " FROM credential WHERE principal = $1 \
                                                        ORDER BY created_at DESC, id DESC");
    DELETE = "DELETE FROM credential WHERE id = $1";
    DELETE_OF_PRINCIPAL = "DELETE FROM credential WHERE principal = $1";
    COUNT_ENDING = "SELECT COUNT(*) AS ending FROM credential WHERE state = 'active' AND \
                    expires_at > $1 AND expires_at <= $2";
    ANY_OF_INSTANCE = "SELECT id FROM credential WHERE instance_id = $1 LIMIT 1";
    DELETE_OF_INSTANCE = "DELETE FROM credential WHERE instance_id = $1";
}

/// Adds a credential to an instance that may have `most` of them.
///
/// `InstanceNotFound` without its instance, `NotFound` without its user, `QuotaExceeded`.
///
/// It announces no change: no cache can hold a credential before its owner has it.
pub fn insert(credential: &LongTermCredential, most: u32) -> Part {
    let parameters = vec![
        credential.id.as_str().into(),
        credential.instance.as_str().into(),
        credential.principal.to_string().into(),
        username_name(credential.username).into(),
        credential.description.as_str().into(),
        credential.secret_hash.as_slice().into(),
        credential.state.name().into(),
        credential.generation.into(),
        credential.created_at.into(),
        credential.expires_at.into(),
        credential.disabled_by.map(Level::name).into(),
    ];
    let id = credential.id.clone();
    let insert = Guarded::new(INSERT, parameters, Rows::Exactly(1), move || {
        Error::already_exists(
            Noun::Credential,
            format!("There is a credential {id} already."),
        )
    });
    let inserts = principal::hold(&credential.principal)
        .into_iter()
        .chain([insert]);
    Part::of(quota::add_credential(&credential.instance, most, inserts))
}

/// Sets whether a credential may be used, as somebody of that level wants.
///
/// Disabling raises the generation, so that the refresh tokens of both secrets stop for ever.
///
/// # Errors
/// `NotFound` when there is no such credential, `PreconditionFailed` when a user enables what root
/// or the operator disabled.
pub fn set_state(id: &CredentialId, state: CredentialState, by: Level) -> Part {
    let of = || vec![id.as_str().into()];
    let guarded = match state {
        CredentialState::Active => {
            let hold = Guarded::new(HOLD, of(), Rows::Exactly(1), missing(id));
            let may = Guarded::new(MAY_BE_ENABLED, of(), Rows::Exactly(1), || {
                Error::precondition_failed(
                    Noun::Credential,
                    "The account's root or the operator disabled it, and only they enable it.",
                )
            });
            let enable = Guarded::new(ENABLE, of(), Rows::Exactly(1), missing(id));
            if by == Level::User {
                vec![hold, may, enable]
            } else {
                vec![enable]
            }
        }
        CredentialState::Disabled => {
            vec![Guarded::new(
                DISABLE,
                vec![id.as_str().into(), by.name().into()],
                Rows::Exactly(1),
                missing(id),
            )]
        }
    };
    Part::of(guarded).changes(Entity::Credential, id)
}

/// Replaces what is written about a credential; `NotFound` when there is no such credential.
pub fn set_description(id: &CredentialId, description: &str) -> Part {
    let update = Guarded::new(
        SET_DESCRIPTION,
        vec![id.as_str().into(), description.into()],
        Rows::Exactly(1),
        missing(id),
    );
    Part::of([update]).changes(Entity::Credential, id)
}

/// Gives a credential another secret. The one before is taken until `older_ends_at`, or no more; an
/// even older one is refused. `NotFound` when there is no such credential.
pub fn rotate(id: &CredentialId, secret_hash: &[u8; 32], older_ends_at: Option<Timestamp>) -> Part {
    let parameters = vec![
        id.as_str().into(),
        secret_hash.as_slice().into(),
        older_ends_at.into(),
    ];
    let rotate = Guarded::new(ROTATE, parameters, Rows::Exactly(1), missing(id));
    Part::of([rotate]).changes(Entity::Credential, id)
}

/// Deletes a credential for ever; `NotFound` when there is no such credential.
pub fn delete(id: &CredentialId) -> Part {
    let delete = Guarded::new(
        DELETE,
        vec![id.as_str().into()],
        Rows::Exactly(1),
        missing(id),
    );
    Part::of([delete]).changes(Entity::Credential, id)
}

/// Deletes all credentials of a principal that is itself being deleted, whose own change covers
/// them.
pub(super) fn delete_of(principal: &Principal) -> Guarded {
    Guarded::unguarded(DELETE_OF_PRINCIPAL, vec![principal.to_string().into()])
}

/// Returns the first `limit` ids after `after`, in order.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn ids_after(store: &Store, after: &str, limit: u32) -> Result<Vec<String>> {
    store
        .query(IDS_AFTER, vec![after.into(), i64::from(limit).into()])
        .await?
        .iter()
        .map(|row| row.text("id"))
        .collect()
}

/// Refuses with `PreconditionFailed` when an instance that is to be deleted has long-term
/// credentials.
pub(super) fn none_in(id: &InstanceId) -> Guarded {
    Guarded::new(
        ANY_OF_INSTANCE,
        vec![id.as_str().into()],
        Rows::Exactly(0),
        || {
            Error::precondition_failed(
                Noun::Instance,
                "The instance has long-term credentials; delete them first.",
            )
        },
    )
}

/// Counts the active credentials that end within a span of time.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn count_ending(store: &Store, since: Timestamp, until: Timestamp) -> Result<u64> {
    let parameters = vec![since.into(), until.into()];
    match store.find(COUNT_ENDING, parameters).await? {
        Some(row) => row.number("ending"),
        None => Ok(0),
    }
}

/// Deletes all credentials of an instance that is being deleted, whose own change covers them.
pub(super) fn delete_of_instance(id: &InstanceId) -> Guarded {
    Guarded::unguarded(DELETE_OF_INSTANCE, vec![id.as_str().into()])
}

fn missing(id: &CredentialId) -> impl Fn() -> Error + Send + Sync + 'static {
    let id = id.clone();
    move || Error::not_found(Noun::Credential, &id)
}

/// Finds a credential by its id.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, id: &CredentialId) -> Result<Option<LongTermCredential>> {
    finding(id).ask(store).await
}

/// Looks for a credential by its id.
pub(super) fn finding(id: &CredentialId) -> Look<Option<LongTermCredential>> {
    Look::first(FIND, vec![id.as_str().into()], credential)
}

/// Lists the credentials of an instance, newest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store, instance: &InstanceId) -> Result<Vec<LongTermCredential>> {
    store
        .query(LIST, vec![instance.as_str().into()])
        .await?
        .iter()
        .map(credential)
        .collect()
}

/// Lists a page of the credentials of an instance, newest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_page(
    store: &Store,
    instance: &InstanceId,
    page: Page,
) -> Result<Listed<LongTermCredential>> {
    listed_rows(
        &store
            .query(PAGE, page.parameters([instance.as_str().into()]))
            .await?,
        credential,
    )
}

/// Lists the credentials of a principal at all instances, newest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_of_principal(
    store: &Store,
    principal: &Principal,
) -> Result<Vec<LongTermCredential>> {
    store
        .query(LIST_OF_PRINCIPAL, vec![principal.to_string().into()])
        .await?
        .iter()
        .map(credential)
        .collect()
}

fn username_name(username: Username) -> &'static str {
    match username {
        Username::NumericId => "numeric_id",
        Username::CrTempUser => "cr_temp_user",
        Username::Aws => "aws",
    }
}

fn credential(row: &Row) -> Result<LongTermCredential> {
    Ok(LongTermCredential {
        id: row.parsed("id")?,
        instance: row.parsed("instance_id")?,
        principal: row.parsed("principal")?,
        username: match row.text("username")?.as_str() {
            "numeric_id" => Username::NumericId,
            "cr_temp_user" => Username::CrTempUser,
            "aws" => Username::Aws,
            other => {
                return Err(row.unreadable(
                    "username",
                    format_args!("{other:?} is not a kind of username"),
                ));
            }
        },
        description: row.text("description")?,
        secret_hash: row.fixed_bytes("secret_hash")?,
        older: match row.optional_time("older_secret_ends_at")? {
            Some(ends_at) => Some(Older {
                secret: row.fixed_bytes("older_secret_hash")?,
                ends_at,
            }),
            None => None,
        },
        state: row.parsed("state")?,
        generation: row.integer("generation")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        disabled_by: row.optional_parsed("disabled_by")?,
        last_used_at: row.optional_time("used_at")?,
    })
}
