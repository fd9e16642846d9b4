-- Session policies that are too long for a log-in secret: stored once an account, under the SHA-256 of their text.
-- The same tables and columns as migrations/postgres/0009_session_policy.sql.

CREATE TABLE session_policy (
    account_id INTEGER NOT NULL REFERENCES account (id),
    -- In hexadecimal.
    digest TEXT NOT NULL,
    -- Against whose share of the account's quota it counts.
    charged_to TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- When the last session ends that has it.
    ends_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (account_id, digest)
) STRICT;
CREATE INDEX session_policy_by_charge ON session_policy (account_id, charged_to);
CREATE INDEX session_policy_by_end ON session_policy (ends_at);
