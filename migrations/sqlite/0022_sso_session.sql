-- Sessions of the console that began by single sign-on, each by the SHA-256 of its cookie, with the claims that the rules of roles looked at.
-- The same table and columns as migrations/postgres/0022_sso_session.sql.

CREATE TABLE sso_session (
    hash BLOB NOT NULL PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    claims TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    authenticated_at INTEGER,
    ends_at INTEGER NOT NULL
) STRICT;

CREATE INDEX sso_session_by_subject ON sso_session (subject, issuer, created_at);
