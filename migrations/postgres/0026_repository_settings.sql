-- Settings of repositories, as ECR's clients make them.
-- The same columns as migrations/sqlite/0026_repository_settings.sql.

-- Patterns of tags that are excepted from the rule about immutable tags, with spaces between them.
ALTER TABLE repository ADD COLUMN tag_exclusions TEXT NOT NULL DEFAULT '';
ALTER TABLE repository ADD COLUMN scan_on_push BIGINT NOT NULL DEFAULT 0;
-- Resource tags: a JSON object of keys and values.
ALTER TABLE repository ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
-- The document to the letter, or nothing; and when it was last carried out.
ALTER TABLE repository ADD COLUMN lifecycle_policy TEXT NOT NULL DEFAULT '';
ALTER TABLE repository ADD COLUMN lifecycle_evaluated_at BIGINT;
