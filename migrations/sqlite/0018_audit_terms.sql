-- What a page's lines are about, as a small filter: a search leaves out the pages that can't have what it wants. And the access key of an event.
-- The same columns and indices as migrations/postgres/0018_audit_terms.sql.

ALTER TABLE audit ADD COLUMN access_key TEXT;
-- Empty where a release wrote the page that doesn't know it: such a page may have anything.
ALTER TABLE audit_page ADD COLUMN terms BLOB NOT NULL DEFAULT x'';
DROP INDEX audit_page_by_time;
CREATE INDEX audit_page_by_time ON audit_page (first_at, id, last_at, bytes, contents, terms);
DROP INDEX audit_page_wide;
CREATE INDEX audit_page_wide ON audit_page (last_at, first_at, id, bytes, contents, terms) WHERE last_at - first_at > 10000;
