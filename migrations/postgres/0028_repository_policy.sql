-- Policies of repositories, as ECR's clients write them.
-- The same column as migrations/sqlite/0028_repository_policy.sql.

-- The document to the letter, or nothing.
ALTER TABLE repository ADD COLUMN policy TEXT NOT NULL DEFAULT '';
