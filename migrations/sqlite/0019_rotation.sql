-- For secrets that are replaced without breaking anybody: when each was last used, and the secret from before a rotation.
-- The same table and columns as migrations/postgres/0019_rotation.sql.

-- The hour in which an access key, a long-term credential, a service account or a fixed password was last used. A table of its own: no request reads or writes it. No references: a use may be written after what was used is gone, and housekeeping deletes it.
CREATE TABLE last_use (
    kind TEXT NOT NULL,
    thing_id TEXT NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (kind, thing_id)
) STRICT;

-- The secret before the last rotation, which is taken until its end. Null without one.
ALTER TABLE credential ADD COLUMN older_secret_hash BLOB;
ALTER TABLE credential ADD COLUMN older_secret_ends_at INTEGER;
-- Of the two hashes at most one is there.
ALTER TABLE service_account ADD COLUMN older_made_hash BLOB;
ALTER TABLE service_account ADD COLUMN older_chosen_hash TEXT;
ALTER TABLE service_account ADD COLUMN older_secret_ends_at INTEGER;
