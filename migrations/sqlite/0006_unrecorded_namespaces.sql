-- Whether a registry's namespaces must be recorded before anyone pushes to them.
-- The same columns as migrations/postgres/0006_unrecorded_namespaces.sql.

-- Instances from before have no records of their namespaces, and go on taking every push.
ALTER TABLE instance ADD COLUMN unrecorded_namespaces TEXT NOT NULL DEFAULT 'open';
