-- Sessions of the console, each by the SHA-256 of its cookie, and the token by which its operator logged in.
-- The same table and columns as migrations/sqlite/0020_console_session.sql.

CREATE TABLE console_session (
    hash BYTEA NOT NULL PRIMARY KEY,
    operator_id TEXT NOT NULL REFERENCES operator (id),
    token_hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);

CREATE INDEX console_session_by_operator ON console_session (operator_id, created_at);
