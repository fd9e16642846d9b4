-- Audit lines of what changes nothing, many to a row: a row of its own costs more than the request that it is about.
-- The same tables and columns as migrations/sqlite/0002_audit_page.sql.

CREATE TABLE audit_page (
    id TEXT NOT NULL PRIMARY KEY,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    lines TEXT NOT NULL
);
CREATE INDEX audit_page_by_time ON audit_page (first_at, id, last_at);
