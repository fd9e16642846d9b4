-- Times are unix milliseconds. Ids are made by the service and never reused. JSON is text.
-- The same tables and columns as migrations/postgres/0001_init.sql.

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- One row a write: a write that is tried again finds out whether it happened already.
CREATE TABLE operation (
    id TEXT NOT NULL PRIMARY KEY,
    applied_at INTEGER NOT NULL
) STRICT;
CREATE INDEX operation_by_time ON operation (applied_at);

CREATE TABLE change_counter (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL
) STRICT;
INSERT INTO change_counter (id, position) VALUES (1, 0);

CREATE TABLE change (
    position INTEGER NOT NULL PRIMARY KEY,
    noun TEXT NOT NULL,
    thing_id TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE access_key (
    id TEXT NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES account (id),
    principal TEXT NOT NULL,
    sealed_secret BLOB NOT NULL,
    state TEXT NOT NULL,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX access_key_by_account ON access_key (account_id, created_at);

-- A deleted instance stays as a row: its ids and its service are never used again.
CREATE TABLE instance (
    id TEXT NOT NULL PRIMARY KEY,
    cri_id TEXT NOT NULL UNIQUE,
    account_id INTEGER NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    region TEXT NOT NULL,
    service TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    kid_format TEXT NOT NULL,
    token_ttl_seconds INTEGER NOT NULL,
    registry_url TEXT,
    default_mark INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX instance_by_name ON instance (account_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX instance_by_default ON instance (account_id) WHERE default_mark = 1 AND deleted_at IS NULL;

CREATE TABLE credential (
    id TEXT NOT NULL PRIMARY KEY,
    instance_id TEXT NOT NULL REFERENCES instance (id),
    principal TEXT NOT NULL,
    username TEXT NOT NULL,
    description TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    state TEXT NOT NULL,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX credential_by_instance ON credential (instance_id, created_at);

CREATE TABLE sealing_key (
    id TEXT NOT NULL PRIMARY KEY,
    wrapped BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE signing_key (
    id TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    wrapped_private BLOB NOT NULL,
    leaf_der BLOB NOT NULL,
    leaf_expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE authority (
    id TEXT NOT NULL PRIMARY KEY,
    wrapped_private BLOB NOT NULL,
    certificate_der BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- What was done stays readable after what it was done to is gone: no references.
CREATE TABLE audit (
    id TEXT NOT NULL PRIMARY KEY,
    happened_at INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    principal TEXT,
    account_id INTEGER,
    credential_id TEXT,
    address TEXT,
    service TEXT,
    detail TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (happened_at, id);
CREATE INDEX audit_by_principal ON audit (principal, happened_at, id);
