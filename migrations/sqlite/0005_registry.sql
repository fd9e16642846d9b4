-- What is in an instance: namespaces, repositories, service accounts, fixed passwords, allow lists, tags.
-- The same tables and columns as migrations/postgres/0005_registry.sql.

-- Instances from before were made by the operator, and go on being open to all who can log in.
ALTER TABLE instance ADD COLUMN specification TEXT NOT NULL DEFAULT 'premium';
ALTER TABLE instance ADD COLUMN deletion_protection INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instance ADD COLUMN public_endpoint INTEGER NOT NULL DEFAULT 1;
ALTER TABLE instance ADD COLUMN allow_list INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instance ADD COLUMN allow_list_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instance ADD COLUMN origin TEXT NOT NULL DEFAULT 'operator';
-- Null until the first change, and in what an older replica writes.
ALTER TABLE instance ADD COLUMN modified_at INTEGER;

CREATE TABLE namespace (
    id TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    instance_id TEXT NOT NULL REFERENCES instance (id),
    name TEXT NOT NULL,
    visibility TEXT NOT NULL,
    auto_create_repository INTEGER NOT NULL,
    default_visibility TEXT NOT NULL,
    default_tag_immutability INTEGER NOT NULL,
    auto_scan INTEGER NOT NULL,
    prevent_vulnerable INTEGER NOT NULL,
    severity TEXT NOT NULL,
    -- Their ids, divided by commas.
    allowed_cves TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX namespace_by_name ON namespace (instance_id, name);

CREATE TABLE repository (
    id TEXT NOT NULL PRIMARY KEY,
    instance_id TEXT NOT NULL REFERENCES instance (id),
    namespace_id TEXT NOT NULL REFERENCES namespace (id),
    name TEXT NOT NULL,
    visibility TEXT NOT NULL,
    summary TEXT NOT NULL,
    detail TEXT NOT NULL,
    tag_immutability INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX repository_by_name ON repository (namespace_id, name);
CREATE INDEX repository_by_instance ON repository (instance_id, created_at);

-- A made password has a fast hash, a chosen one a slow one.
CREATE TABLE service_account (
    id TEXT NOT NULL PRIMARY KEY,
    instance_id TEXT NOT NULL REFERENCES instance (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    made_hash BLOB,
    chosen_hash TEXT,
    state TEXT NOT NULL,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CHECK ((made_hash IS NULL) <> (chosen_hash IS NULL))
) STRICT;
CREATE UNIQUE INDEX service_account_by_name ON service_account (instance_id, name);

-- By the namespace's name, because a permission may come before what it is for.
CREATE TABLE service_account_permission (
    service_account_id TEXT NOT NULL REFERENCES service_account (id),
    namespace TEXT NOT NULL,
    -- Divided by commas.
    actions TEXT NOT NULL,
    PRIMARY KEY (service_account_id, namespace)
) STRICT;

-- A password that was taken back stays as a row without its hash: its generation goes on.
CREATE TABLE fixed_password (
    instance_id TEXT NOT NULL REFERENCES instance (id),
    principal TEXT NOT NULL,
    hash TEXT,
    generation INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (instance_id, principal)
) STRICT;
CREATE INDEX fixed_password_by_principal ON fixed_password (principal);

CREATE TABLE allow_entry (
    instance_id TEXT NOT NULL REFERENCES instance (id),
    cidr TEXT NOT NULL,
    written TEXT NOT NULL,
    comment TEXT NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (instance_id, cidr)
) STRICT;

-- On an instance or a namespace, by its id: both sorts are told apart by their prefix, and never reused.
CREATE TABLE resource_tag (
    thing_id TEXT NOT NULL,
    instance_id TEXT NOT NULL REFERENCES instance (id),
    tag_key TEXT NOT NULL,
    tag_value TEXT NOT NULL,
    PRIMARY KEY (thing_id, tag_key)
) STRICT;
CREATE INDEX resource_tag_by_instance ON resource_tag (instance_id);
