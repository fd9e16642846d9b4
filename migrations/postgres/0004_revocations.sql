-- Sealed credentials and sessions that were revoked one by one, by their own ids: until the last of them would have expired.
-- The same tables and columns as migrations/sqlite/0004_revocations.sql.

CREATE TABLE revocation (
    credential_id TEXT NOT NULL PRIMARY KEY,
    revoked_at BIGINT NOT NULL
);
