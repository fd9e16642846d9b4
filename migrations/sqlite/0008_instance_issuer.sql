-- An issuer of an instance's own, and whether its log-ins get refresh tokens.
-- The same columns as migrations/postgres/0008_instance_issuer.sql.

-- Without one, the store's.
ALTER TABLE instance ADD COLUMN issuer TEXT;
-- The one that is prepared and not used yet.
ALTER TABLE instance ADD COLUMN next_issuer TEXT;

-- Off for instances that exist, too: `docker login` stores a refresh token in place of the password, and other tools
-- that read the same file can't use it.
ALTER TABLE instance ADD COLUMN refresh_tokens INTEGER NOT NULL DEFAULT 0;
-- Raised to refuse those that were given out.
ALTER TABLE instance ADD COLUMN refresh_generation INTEGER NOT NULL DEFAULT 0;
