//! Session policies that are too long for a log-in secret, stored once an account under the digest
//! of their text.
//!
//! A row is content-addressed: its text never changes, and no cache of it can be wrong.

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::{Error, Noun, Result};

use super::part::{Guarded, Part, Rows};
use super::quota::used_up;
use super::row::statements;
use super::{Store, account};

statements! { "session_policy";
    SAVE = "INSERT INTO session_policy (account_id, digest, charged_to, created_at, ends_at, \
            document) VALUES ($1, $2, $3, $4, $5, $6) \
            ON CONFLICT (account_id, digest) DO UPDATE SET ends_at = \
            CASE WHEN session_policy.ends_at < excluded.ends_at THEN excluded.ends_at ELSE \
            session_policy.ends_at END";
    WITHIN_ACCOUNT = "SELECT id FROM account WHERE id = $1 AND (SELECT COUNT(*) FROM \
                      session_policy WHERE account_id = $1) <= $2";
    WITHIN_SHARE = "SELECT id FROM account WHERE id = $1 AND \
                    (SELECT COUNT(*) FROM session_policy WHERE account_id = $1 AND charged_to = \
                    $3) <= $2";
    FIND = "SELECT digest, document FROM session_policy WHERE account_id = $1 AND digest = $2";
    TRIM = "DELETE FROM session_policy WHERE ends_at < $1";
}

/// A session policy that a session refers to.
#[derive(Clone, Copy, Debug)]
pub struct SessionPolicy<'a> {
    /// The account that the session is of.
    pub account: AccountId,
    /// The digest of the document, in hexadecimal.
    pub digest: &'a str,
    /// The document as written.
    pub document: &'a str,
    /// Against whose share it counts, if nobody stored it before.
    pub charged_to: &'a str,
    /// When the session ends.
    pub ends_at: Timestamp,
}

/// How many session policies may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Of an account.
    pub of_account: u32,
    /// Of the account, charged to one.
    pub of_one: u32,
}

/// Stores a session policy until its session has ended; one that is there already is kept for at
/// least as long.
///
/// `NotFound` without its account, `QuotaExceeded` when the account, or whom it is charged to, now
/// has more than it may.
pub fn save(policy: &SessionPolicy<'_>, most: Most, now: Timestamp) -> Part {
    let account = policy.account.number();
    let save = vec![
        account.into(),
        policy.digest.into(),
        policy.charged_to.into(),
        now.into(),
        policy.ends_at.into(),
        policy.document.into(),
    ];
    let within_share = vec![
        account.into(),
        i64::from(most.of_one).into(),
        policy.charged_to.into(),
    ];
    let within_account = vec![account.into(), i64::from(most.of_account).into()];
    Part::of([
        account::hold(policy.account),
        Guarded::unguarded(SAVE, save),
        Guarded::new(WITHIN_SHARE, within_share, Rows::Exactly(1), move || {
            exceeded(&format!(
                "one caller's sessions in one account may have {} different ones",
                most.of_one
            ))
            .decided_by(format!(
                "a quarter of quotas.session_policies, {}, is in use by the caller",
                most.of_one
            ))
        }),
        Guarded::new(
            WITHIN_ACCOUNT,
            within_account,
            Rows::Exactly(1),
            move || {
                exceeded(&format!(
                    "the sessions of one account may have {} different ones",
                    most.of_account
                ))
                .decided_by(used_up("session_policies", most.of_account))
            },
        ),
    ])
}

fn exceeded(quota: &str) -> Error {
    Error::quota_exceeded(
        Noun::SessionPolicy,
        format!(
            "The session's policy is too long for a log-in secret, so it has to be stored, and \
             {quota} at once (quotas.session_policies). Shorten it, give more sessions the same \
             one, or wait until sessions have ended."
        ),
    )
}

/// Finds the document of this digest, in hexadecimal, that a session of the account refers to.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, account: AccountId, digest: &str) -> Result<Option<String>> {
    store
        .find(FIND, vec![account.number().into(), digest.into()])
        .await?
        .map(|row| row.text("document"))
        .transpose()
}

/// Forgets the session policies of sessions that ended before `before`.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, vec![before.into()])])
}
