-- The hour in which an access key, a long-term credential, a service account or a fixed password was last used. A table of its own: nothing that a request waits for reads or writes it.
-- The same table and columns as migrations/sqlite/0019_last_use.sql.

-- No references: a use may be written after what was used is gone. Housekeeping deletes such rows.
CREATE TABLE last_use (
    kind TEXT NOT NULL,
    thing_id TEXT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (kind, thing_id)
);
