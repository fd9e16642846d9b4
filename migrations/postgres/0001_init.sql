-- Times are unix milliseconds. Ids are made by the service and never reused. JSON is text.
-- The same tables and columns as migrations/sqlite/0001_init.sql.

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL
);

-- One row a write: a write that is tried again finds out whether it happened already.
CREATE TABLE operation (
    id TEXT NOT NULL PRIMARY KEY,
    applied_at BIGINT NOT NULL
);
CREATE INDEX operation_by_time ON operation (applied_at);

CREATE TABLE change_counter (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    position BIGINT NOT NULL
);
INSERT INTO change_counter (id, position) VALUES (1, 0);

CREATE TABLE change (
    position BIGINT NOT NULL PRIMARY KEY,
    noun TEXT NOT NULL,
    thing_id TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE account (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE access_key (
    id TEXT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id),
    principal TEXT NOT NULL,
    sealed_secret BYTEA NOT NULL,
    state TEXT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX access_key_by_account ON access_key (account_id, created_at);

-- A deleted instance stays as a row: its ids and its service are never used again.
CREATE TABLE instance (
    id TEXT NOT NULL PRIMARY KEY,
    cri_id TEXT NOT NULL UNIQUE,
    account_id BIGINT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    region TEXT NOT NULL,
    service TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    kid_format TEXT NOT NULL,
    token_ttl_seconds BIGINT NOT NULL,
    registry_url TEXT,
    default_mark BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX instance_by_name ON instance (account_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX instance_by_default ON instance (account_id) WHERE default_mark = 1 AND deleted_at IS NULL;

CREATE TABLE credential (
    id TEXT NOT NULL PRIMARY KEY,
    instance_id TEXT NOT NULL REFERENCES instance (id),
    principal TEXT NOT NULL,
    username TEXT NOT NULL,
    description TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    state TEXT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX credential_by_instance ON credential (instance_id, created_at);

CREATE TABLE sealing_key (
    id TEXT NOT NULL PRIMARY KEY,
    wrapped BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE signing_key (
    id TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    wrapped_private BYTEA NOT NULL,
    leaf_der BYTEA NOT NULL,
    leaf_expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE authority (
    id TEXT NOT NULL PRIMARY KEY,
    wrapped_private BYTEA NOT NULL,
    certificate_der BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- What was done stays readable after what it was done to is gone: no references.
CREATE TABLE audit (
    id TEXT NOT NULL PRIMARY KEY,
    happened_at BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    principal TEXT,
    account_id BIGINT,
    credential_id TEXT,
    address TEXT,
    service TEXT,
    detail TEXT NOT NULL,
    outcome TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (happened_at, id);
CREATE INDEX audit_by_principal ON audit (principal, happened_at, id);
