-- Whether OpenID Connect tokens log in at an instance. Off where it exists already: its roles were trusted for STS alone.
-- The same column as migrations/sqlite/0013_token_log_in.sql.

ALTER TABLE instance ADD COLUMN token_log_in BIGINT NOT NULL DEFAULT 0;
