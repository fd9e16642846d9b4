-- Sessions of the console, each by the SHA-256 of its cookie, and the token by which its operator logged in.
-- The same table and columns as migrations/postgres/0020_console_session.sql.

CREATE TABLE console_session (
    hash BLOB NOT NULL PRIMARY KEY,
    operator_id TEXT NOT NULL REFERENCES operator (id),
    token_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    authenticated_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT;

CREATE INDEX console_session_by_operator ON console_session (operator_id, created_at);
