-- Signatures that made a durable change, under their SHA-256: each makes one.
-- The same table and columns as migrations/sqlite/0010_signed_change.sql.

CREATE TABLE signed_change (
    -- In hexadecimal.
    digest TEXT NOT NULL PRIMARY KEY,
    request_id TEXT NOT NULL,
    -- The id of what the change made, if it made something.
    made TEXT,
    -- When the signature is valid nowhere any more.
    ends_at BIGINT NOT NULL
);
CREATE INDEX signed_change_by_end ON signed_change (ends_at);
