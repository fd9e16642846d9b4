-- How many long-term credentials an instance may get before they are counted again, and under which quota that was found.
-- The same columns as migrations/sqlite/0024_credential_room.sql.

-- Below 0 it is not known. It is never more than there is room for, so a deletion needn't raise it.
ALTER TABLE instance ADD COLUMN credential_room BIGINT NOT NULL DEFAULT -1;
ALTER TABLE instance ADD COLUMN credential_quota BIGINT NOT NULL DEFAULT 0;

-- Names of writes begin with their time: those to be forgotten are together in the index of names.
DROP INDEX operation_by_time;
