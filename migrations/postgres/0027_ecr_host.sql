-- The host that an instance answers to as an ECR registry.
-- The same columns as migrations/sqlite/0027_ecr_host.sql.

ALTER TABLE instance ADD COLUMN ecr_host TEXT;
