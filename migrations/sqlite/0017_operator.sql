-- Operators, who administer this service with a token: its hash, and for a while that of the token before.
-- The same table and columns as migrations/postgres/0017_operator.sql.

CREATE TABLE operator (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    account_id INTEGER REFERENCES account (id),
    state TEXT NOT NULL,
    token_hash BLOB NOT NULL,
    older_token_hash BLOB,
    older_token_ends_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
