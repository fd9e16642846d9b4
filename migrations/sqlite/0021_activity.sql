-- Counts of what the service did in each minute, and later in each hour, under few names.
-- The same table and columns as migrations/postgres/0021_activity.sql.

CREATE TABLE activity (
    width INTEGER NOT NULL,
    begins_at INTEGER NOT NULL,
    name TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (width, begins_at, name)
) STRICT;
