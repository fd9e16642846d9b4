-- Several authorities, one of which is in use; signing keys that wait; registries that hold one key of their own.
-- The same columns as migrations/postgres/0007_authorities.sql.

ALTER TABLE authority ADD COLUMN state TEXT NOT NULL DEFAULT 'in-use';
ALTER TABLE authority ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;

-- The certificate under the authority that is next; it takes the other's place when that one is activated.
ALTER TABLE signing_key ADD COLUMN next_leaf_der BLOB;
-- When the key had its first certificate, if that was not when it was made.
ALTER TABLE signing_key ADD COLUMN certified_at INTEGER;

ALTER TABLE instance ADD COLUMN kind TEXT NOT NULL DEFAULT 'distribution';

-- Keys that sign for one instance alone, and have no certificate.
CREATE TABLE instance_key (
    id TEXT NOT NULL PRIMARY KEY,
    instance_id TEXT NOT NULL REFERENCES instance (id),
    algorithm TEXT NOT NULL,
    wrapped_private BLOB NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- One signs, and at most one comes after it.
CREATE UNIQUE INDEX instance_key_state ON instance_key (instance_id, state);
