-- Chains of the audit's lines, and signed statements about where they end.
-- The same columns as migrations/sqlite/0025_audit_chain.sql.

-- Of a line of an earlier release there is no writer.
ALTER TABLE audit ADD COLUMN writer TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit ADD COLUMN previous BYTEA NOT NULL DEFAULT '';
ALTER TABLE audit_page ADD COLUMN digests BYTEA NOT NULL DEFAULT '';
ALTER TABLE audit_page ADD COLUMN writer TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_page ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit_page ADD COLUMN previous BYTEA NOT NULL DEFAULT '';

-- The last line of each writer that wrote lately.
CREATE TABLE audit_writer (
    id TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    link BYTEA NOT NULL,
    moved_at BIGINT NOT NULL
);

-- The keys that sign checkpoints; all are kept as long as what they signed.
CREATE TABLE audit_key (
    id TEXT NOT NULL PRIMARY KEY,
    wrapped_private BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- The checkpoints: each a JSON Web Signature that names the last lines, and the checkpoint before it.
CREATE TABLE audit_checkpoint (
    number BIGINT NOT NULL PRIMARY KEY,
    made_at BIGINT NOT NULL,
    signed TEXT NOT NULL
);
