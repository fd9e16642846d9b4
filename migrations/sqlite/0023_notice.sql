-- Notices of secrets that end, were replaced, were stopped or are refused too often, each until the webhook took it, and for some time after.
-- The same table and columns as migrations/postgres/0023_notice.sql.

-- No references: a notice tells of what may be gone.
CREATE TABLE notice (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    name TEXT,
    account_id INTEGER,
    instance_id TEXT,
    ends_at INTEGER,
    older_secret INTEGER NOT NULL,
    refusals INTEGER,
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    failure TEXT
) STRICT;

CREATE INDEX notice_by_due ON notice (state, due_at);
CREATE INDEX notice_by_age ON notice (created_at, id);

-- For the search for what ends.
CREATE INDEX credential_by_end ON credential (expires_at);
CREATE INDEX credential_by_older_end ON credential (older_secret_ends_at) WHERE older_secret_ends_at IS NOT NULL;
CREATE INDEX service_account_by_end ON service_account (expires_at);
CREATE INDEX service_account_by_older_end ON service_account (older_secret_ends_at) WHERE older_secret_ends_at IS NOT NULL;
CREATE INDEX fixed_password_by_end ON fixed_password (expires_at) WHERE expires_at IS NOT NULL;
