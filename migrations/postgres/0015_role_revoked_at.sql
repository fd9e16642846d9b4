-- When a role was last revoked: OpenID Connect tokens from before then open it no more. Null for never, and for revocations before this.
-- The same column as migrations/sqlite/0015_role_revoked_at.sql.

ALTER TABLE role ADD COLUMN revoked_at BIGINT;
