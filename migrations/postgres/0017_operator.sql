-- Operators, who administer this service with a token: its hash, and for a while that of the token before.
-- The same table and columns as migrations/sqlite/0017_operator.sql.

CREATE TABLE operator (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    account_id BIGINT REFERENCES account (id),
    state TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    older_token_hash BYTEA,
    older_token_ends_at BIGINT,
    created_at BIGINT NOT NULL
);
