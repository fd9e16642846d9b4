//! Subjects of OpenID Connect issuers that an account refuses.
//!
//! They belong to the issuer, not to the provider that names it: a provider that is deleted and
//! made again admits none of them.

use crate::domain::identity::RefusedSubject;
use crate::domain::ids::AccountId;
use crate::domain::{Error, Noun, Result};

use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::quota::used_up;
use super::row::{Row, statements};
use super::{Store, account};

statements! { "refused_subject";
    INSERT = "INSERT INTO refused_subject (account_id, issuer, subject, refused_at) \
              VALUES ($1, $2, $3, $4) ON CONFLICT (account_id, issuer, subject) DO NOTHING";
    WITHIN = "SELECT id FROM account WHERE id = $1 AND (SELECT COUNT(*) FROM refused_subject WHERE \
              account_id = $1) <= $2";
    LIST = "SELECT account_id, issuer, subject, refused_at FROM refused_subject WHERE account_id = \
            $1 ORDER BY refused_at, issuer, subject";
    DELETE = "DELETE FROM refused_subject WHERE account_id = $1 AND issuer = $2 AND subject = $3";
}

/// Refuses a subject; nothing changes when it is refused already.
///
/// `NotFound` without its account, `QuotaExceeded` when the account now has more than `most`.
pub fn insert(refused: &RefusedSubject, most: u32) -> Part {
    let account = refused.account.number();
    let insert = vec![
        account.into(),
        refused.issuer.as_str().into(),
        refused.subject.as_str().into(),
        refused.refused_at.into(),
    ];
    let within = vec![account.into(), i64::from(most).into()];
    Part::of([
        account::hold(refused.account),
        Guarded::unguarded(INSERT, insert),
        Guarded::new(WITHIN, within, Rows::Exactly(1), move || {
            Error::quota_exceeded(
                Noun::RefusedSubject,
                format!(
                    "The account may refuse {most} subjects and no more \
                     (quotas.refused_subjects); take back some, or narrow the trust policies."
                ),
            )
            .decided_by(used_up("refused_subjects", most))
        }),
    ])
    .changes(Entity::RefusedSubjects, &refused.account)
}

/// Takes a refusal back; `NotFound` when the subject isn't refused.
pub fn delete(account: AccountId, issuer: &str, subject: &str) -> Part {
    let parameters = vec![account.number().into(), issuer.into(), subject.into()];
    let missing = subject.to_owned();
    let delete = Guarded::new(DELETE, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::RefusedSubject, &missing)
    });
    Part::of([account::hold(account), delete]).changes(Entity::RefusedSubjects, &account)
}

/// Lists the refused subjects of an account, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store, account: AccountId) -> Result<Vec<RefusedSubject>> {
    store
        .query(LIST, vec![account.number().into()])
        .await?
        .iter()
        .map(refused_subject)
        .collect()
}

fn refused_subject(row: &Row) -> Result<RefusedSubject> {
    Ok(RefusedSubject {
        account: account::id_in(row, "account_id")?,
        issuer: row.text("issuer")?,
        subject: row.text("subject")?,
        refused_at: row.time("refused_at")?,
    })
}
