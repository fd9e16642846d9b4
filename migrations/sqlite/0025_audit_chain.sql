-- Chains of the audit's lines, and signed statements about where they end.
-- The same columns as migrations/postgres/0025_audit_chain.sql.

-- Of a line of an earlier release there is no writer.
ALTER TABLE audit ADD COLUMN writer TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit ADD COLUMN previous BLOB NOT NULL DEFAULT x'';
ALTER TABLE audit_page ADD COLUMN digests BLOB NOT NULL DEFAULT x'';
ALTER TABLE audit_page ADD COLUMN writer TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_page ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_page ADD COLUMN previous BLOB NOT NULL DEFAULT x'';

-- The last line of each writer that wrote lately.
CREATE TABLE audit_writer (
    id TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,
    link BLOB NOT NULL,
    moved_at INTEGER NOT NULL
);

-- The keys that sign checkpoints; all are kept as long as what they signed.
CREATE TABLE audit_key (
    id TEXT NOT NULL PRIMARY KEY,
    wrapped_private BLOB NOT NULL,
    created_at INTEGER NOT NULL
);

-- The checkpoints: each a JSON Web Signature that names the last lines, and the checkpoint before it.
CREATE TABLE audit_checkpoint (
    number INTEGER NOT NULL PRIMARY KEY,
    made_at INTEGER NOT NULL,
    signed TEXT NOT NULL
);
