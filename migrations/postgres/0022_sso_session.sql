-- Sessions of the console that began by single sign-on, each by the SHA-256 of its cookie, with the claims that the rules of roles looked at.
-- The same table and columns as migrations/sqlite/0022_sso_session.sql.

CREATE TABLE sso_session (
    hash BYTEA NOT NULL PRIMARY KEY,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    claims TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    authenticated_at BIGINT,
    ends_at BIGINT NOT NULL
);

CREATE INDEX sso_session_by_subject ON sso_session (subject, issuer, created_at);
