//! Notices about secrets: what the webhook is still to be told, and what it was.
//!
//! A notice is written with the change that it tells of. Replicas claim one for a time before they
//! send it, so that one replica sends it at once, and another goes on where that one was killed.

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::notice::{Notice, NoticeId, NoticeState, Subject};
use crate::domain::{Error, Noun, Result};

use super::part::{Guarded, Part, Rows};
use super::row::{Row, Value, statements};
use super::{Store, account};

macro_rules! columns {
    () => {
        "id, kind, subject_kind, subject_id, name, account_id, instance_id, ends_at, \
         older_secret, refusals, created_at, state, attempts, due_at, failure"
    };
}

statements! { "notice";
    INSERT = concat!(
        "INSERT INTO notice (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
    );
    FIND = concat!("SELECT ", columns!(), " FROM notice WHERE id = $1");
    LIST = concat!(
        "SELECT ",
        columns!(),
        " FROM notice WHERE CAST($1 AS BIGINT) IS NULL OR account_id = $1 \
         ORDER BY created_at DESC, id"
    );
    DUE = concat!(
        "SELECT ",
        columns!(),
        " FROM notice WHERE state = 'waiting' AND due_at <= $1 ORDER BY due_at, id LIMIT $2"
    );
    // The time names the claim: another replica's has another.
    CLAIM = "UPDATE notice SET due_at = $3, attempts = attempts + 1 WHERE id = $1 AND state = \
             'waiting' AND due_at = $2";
    SETTLE = "UPDATE notice SET state = $3, due_at = $4, failure = $5 WHERE id = $1 AND state = \
              'waiting' AND due_at = $2";
    HOLD = "UPDATE notice SET state = state WHERE id = $1";
    RETRY = "UPDATE notice SET state = 'waiting', attempts = 0, due_at = $2, failure = NULL WHERE \
             id = $1 AND state = 'dead'";
    COUNT = "SELECT COUNT(*) AS amount FROM notice WHERE state = $1";
    // The account that has most gives way, so that one account doesn't drown the others' notices.
    DROP_WAITING = "UPDATE notice SET state = 'dead', due_at = $2, failure = $3 WHERE id IN \
                    (SELECT id FROM notice WHERE state = 'waiting' AND COALESCE(account_id, 0) = \
                    (SELECT COALESCE(account_id, 0) FROM notice WHERE state = 'waiting' GROUP BY \
                    1 ORDER BY COUNT(*) DESC LIMIT 1) ORDER BY created_at, id LIMIT $1)";
    // One that was sent before is another replica's, which has a webhook.
    KEEP_OLD = "UPDATE notice SET state = 'kept', due_at = $2 WHERE state = 'waiting' AND \
                attempts = 0 AND created_at < $1";
    TRIM_AGE = "DELETE FROM notice WHERE created_at < $1 AND state <> 'waiting'";
    TRIM_NUMBER = "DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE state <> 'waiting' \
                   ORDER BY created_at, id LIMIT $1)";
    COUNT_ALL = "SELECT COUNT(*) AS amount FROM notice";
}

/// Writes a notice; `AlreadyExists` where one of its id is there.
pub fn insert(notice: &Notice) -> Part {
    let subject = &notice.subject;
    let row = vec![
        notice.id.as_str().into(),
        notice.kind.name().into(),
        subject.kind.name().into(),
        subject.id.as_str().into(),
        subject.name.as_deref().into(),
        subject.account.map(AccountId::number).into(),
        subject.instance.as_ref().map(|id| id.as_str()).into(),
        notice.ends_at.into(),
        i64::from(notice.is_older_secret).into(),
        notice.refusals.map(i64::from).into(),
        notice.created_at.into(),
        notice.state.name().into(),
        i64::from(notice.attempts).into(),
        notice.due_at.into(),
        notice.failure.as_deref().into(),
    ];
    let id = notice.id.clone();
    let insert = Guarded::new(INSERT, row, Rows::Exactly(1), move || {
        Error::already_exists(Noun::Notice, format!("There is a notice {id} already."))
    });
    Part::of([insert])
}

/// Claims a notice that waits until `until`; `PreconditionFailed` where another replica was first.
pub fn claim(notice: &Notice, until: Timestamp) -> Part {
    let row = vec![
        notice.id.as_str().into(),
        notice.due_at.into(),
        until.into(),
    ];
    Part::of([Guarded::new(CLAIM, row, Rows::Exactly(1), || {
        Error::precondition_failed(Noun::Notice, "Another replica sends the notice.")
    })])
}

/// Writes the outcome of sending a notice that was claimed until `claimed_until`. Nothing happens
/// where that claim is another's by now.
pub fn settle(
    id: &NoticeId,
    claimed_until: Timestamp,
    state: NoticeState,
    due_at: Timestamp,
    failure: Option<&str>,
) -> Part {
    let row = vec![
        id.as_str().into(),
        claimed_until.into(),
        state.name().into(),
        due_at.into(),
        failure.into(),
    ];
    Part::of([Guarded::unguarded(SETTLE, row)])
}

/// Has a dead notice sent again; `NotFound`, or `PreconditionFailed` where it isn't dead.
pub fn retry(id: &NoticeId, now: Timestamp) -> Part {
    let missing = id.clone();
    let hold = Guarded::new(
        HOLD,
        vec![id.as_str().into()],
        Rows::Exactly(1),
        move || Error::not_found(Noun::Notice, &missing),
    );
    let row = vec![id.as_str().into(), now.into()];
    let retry = Guarded::new(RETRY, row, Rows::Exactly(1), || {
        Error::precondition_failed(
            Noun::Notice,
            "The notice isn't dead, so it needs no other attempt; `transire notice show` tells \
             its state.",
        )
    });
    Part::of([hold, retry])
}

/// Gives up the `most` oldest waiting notices of the account that has most of them.
pub fn drop_waiting(most: u32, now: Timestamp, failure: &str) -> Part {
    let row = vec![i64::from(most).into(), now.into(), failure.into()];
    Part::of([Guarded::unguarded(DROP_WAITING, row)])
}

/// Lets the notices from before `before` that were never sent wait for no webhook any more.
pub fn keep_old(before: Timestamp, now: Timestamp) -> Part {
    let row = vec![before.into(), now.into()];
    Part::of([Guarded::unguarded(KEEP_OLD, row)])
}

/// Deletes the notices from before `before` that don't wait, and the `oldest` of the others.
pub fn trim(before: Timestamp, oldest: u32) -> Part {
    let mut trims = vec![Guarded::unguarded(TRIM_AGE, vec![before.into()])];
    if oldest > 0 {
        let row = vec![i64::from(oldest).into()];
        trims.push(Guarded::unguarded(TRIM_NUMBER, row));
    }
    Part::of(trims)
}

/// Finds a notice by its id.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, id: &NoticeId) -> Result<Option<Notice>> {
    let found = store.find(FIND, vec![id.as_str().into()]).await?;
    found.as_ref().map(notice).transpose()
}

/// Lists the notices of one account or of all, the newest first.
///
/// # Errors
///
/// As [`find`].
pub async fn list(store: &Store, account: Option<AccountId>) -> Result<Vec<Notice>> {
    let of: Value = account.map(AccountId::number).into();
    let rows = store.query(LIST, vec![of]).await?;
    rows.iter().map(notice).collect()
}

/// Lists the first `most` notices that are to be sent by now.
///
/// # Errors
///
/// As [`find`].
pub async fn due(store: &Store, now: Timestamp, most: u32) -> Result<Vec<Notice>> {
    let rows = store
        .query(DUE, vec![now.into(), i64::from(most).into()])
        .await?;
    rows.iter().map(notice).collect()
}

/// Counts the notices in a state.
///
/// # Errors
///
/// As [`find`].
pub async fn count(store: &Store, state: NoticeState) -> Result<u64> {
    counted(store.find(COUNT, vec![state.name().into()]).await?)
}

/// Counts all notices.
///
/// # Errors
///
/// As [`find`].
pub async fn count_all(store: &Store) -> Result<u64> {
    counted(store.find(COUNT_ALL, Vec::new()).await?)
}

fn counted(row: Option<Row>) -> Result<u64> {
    row.map_or(Ok(0), |row| row.number("amount"))
}

fn notice(row: &Row) -> Result<Notice> {
    Ok(Notice {
        id: row.parsed("id")?,
        kind: row.parsed("kind")?,
        subject: Subject {
            kind: row.parsed("subject_kind")?,
            id: row.text("subject_id")?,
            name: row.optional_text("name")?,
            account: match row.optional_integer("account_id")? {
                Some(_) => Some(account::id_in(row, "account_id")?),
                None => None,
            },
            instance: row.optional_parsed("instance_id")?,
        },
        ends_at: row.optional_time("ends_at")?,
        is_older_secret: row.switch("older_secret")?.is_on(),
        refusals: match row.optional_integer("refusals")? {
            Some(_) => Some(row.number("refusals")?),
            None => None,
        },
        created_at: row.time("created_at")?,
        state: row.parsed("state")?,
        attempts: row.number("attempts")?,
        due_at: row.time("due_at")?,
        failure: row.optional_text("failure")?,
    })
}
