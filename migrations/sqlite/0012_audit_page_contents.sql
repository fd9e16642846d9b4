-- What is in a page, and how much: a listing reads only the pages that it wants, a few at a time.
-- The same columns and indices as migrations/postgres/0012_audit_page_contents.sql.

-- 0, and nothing, where a release wrote the page that doesn't know them.
ALTER TABLE audit_page ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_page ADD COLUMN contents TEXT NOT NULL DEFAULT '';
-- All that a page is found by, so that its lines are left alone until then.
DROP INDEX audit_page_by_time;
CREATE INDEX audit_page_by_time ON audit_page (first_at, id, last_at, bytes, contents);
-- Pages that an outage held back: few, and they reach far beyond their beginning.
CREATE INDEX audit_page_wide ON audit_page (last_at, first_at, id, bytes, contents) WHERE last_at - first_at > 10000;
