-- The name that a fixed password logs in with besides its principal's own, and when the password stops: both of imported ones. Null for none.
-- The same columns and index as migrations/postgres/0016_old_name.sql.

ALTER TABLE fixed_password ADD COLUMN old_name TEXT;
ALTER TABLE fixed_password ADD COLUMN expires_at INTEGER;

CREATE UNIQUE INDEX fixed_password_old_name ON fixed_password (instance_id, old_name);
