-- Counts of what the service did in each minute, and later in each hour, under few names.
-- The same table and columns as migrations/sqlite/0021_activity.sql.

CREATE TABLE activity (
    width BIGINT NOT NULL,
    begins_at BIGINT NOT NULL,
    name TEXT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (width, begins_at, name)
);
