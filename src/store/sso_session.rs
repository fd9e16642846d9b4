//! Sessions of the console that began by single sign-on, by the hash of their cookies' secret.

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::operator::SsoIdentity;
use crate::domain::sso::SsoSession;

use super::Store;
use super::part::{Guarded, Part};
use super::row::statements;

statements! { "sso_session";
    INSERT = "INSERT INTO sso_session (hash, issuer, subject, name, claims, created_at, \
              authenticated_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    KEEP = "DELETE FROM sso_session WHERE subject = $1 AND issuer = $2 AND hash NOT IN (SELECT \
            hash FROM sso_session WHERE subject = $1 AND issuer = $2 ORDER BY created_at DESC, \
            hash LIMIT $3)";
    FIND = "SELECT hash, issuer, subject, name, claims, created_at, authenticated_at, ends_at FROM \
            sso_session WHERE hash = $1";
    RENEW = "UPDATE sso_session SET name = $2, claims = $3, authenticated_at = $4 WHERE hash = $1";
    DELETE = "DELETE FROM sso_session WHERE hash = $1";
    TRIM = "DELETE FROM sso_session WHERE ends_at < $1";
}

/// Adds a session, and deletes its person's oldest ones beyond the `most` newest.
pub fn insert(session: &SsoSession, most: u32) -> Part {
    let SsoIdentity { issuer, subject } = &session.identity;
    let row = vec![
        session.hash.as_slice().into(),
        issuer.as_str().into(),
        subject.as_str().into(),
        session.name.as_str().into(),
        session.claims.as_str().into(),
        session.created_at.into(),
        session.authenticated_at.into(),
        session.ends_at.into(),
    ];
    let kept = vec![
        subject.as_str().into(),
        issuer.as_str().into(),
        i64::from(most).into(),
    ];
    Part::of([
        Guarded::unguarded(INSERT, row),
        Guarded::unguarded(KEEP, kept),
    ])
}

/// Writes what the issuer says of a session's person by now: its name, its claims, and when it
/// proved itself.
pub fn renew(session: &SsoSession) -> Part {
    let parameters = vec![
        session.hash.as_slice().into(),
        session.name.as_str().into(),
        session.claims.as_str().into(),
        session.authenticated_at.into(),
    ];
    Part::of([Guarded::unguarded(RENEW, parameters)])
}

/// Deletes a session, if it is there still.
pub fn delete(hash: &[u8; 32]) -> Part {
    Part::of([Guarded::unguarded(DELETE, vec![hash.as_slice().into()])])
}

/// Deletes the sessions that ended before `before`.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, vec![before.into()])])
}

/// Finds the session of this hash.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, hash: &[u8; 32]) -> Result<Option<SsoSession>> {
    let found = store.find(FIND, vec![hash.as_slice().into()]).await?;
    let Some(row) = found else {
        return Ok(None);
    };
    Ok(Some(SsoSession {
        hash: row.fixed_bytes("hash")?,
        identity: SsoIdentity {
            issuer: row.text("issuer")?,
            subject: row.text("subject")?,
        },
        name: row.text("name")?,
        claims: row.text("claims")?,
        created_at: row.time("created_at")?,
        authenticated_at: row.optional_time("authenticated_at")?,
        ends_at: row.time("ends_at")?,
    }))
}
