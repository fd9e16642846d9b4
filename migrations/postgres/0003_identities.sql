-- Users, groups, roles, the policies attached to them, and who else is believed about identities.
-- The same tables and columns as migrations/sqlite/0003_identities.sql.

-- Every number that an account, a user or a role has or had: no two of them share one, and none is used again.
CREATE TABLE principal_id (
    id BIGINT NOT NULL PRIMARY KEY
);
INSERT INTO principal_id (id) SELECT id FROM account;

-- A deleted user stays as a row, and so does a deleted role: sealed things and the audit name their ids.
CREATE TABLE account_user (
    id BIGINT NOT NULL PRIMARY KEY REFERENCES principal_id (id),
    account_id BIGINT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX account_user_by_name ON account_user (account_id, name) WHERE state <> 'deleted';

CREATE TABLE account_group (
    account_id BIGINT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, name)
);

CREATE TABLE group_member (
    account_id BIGINT NOT NULL,
    group_name TEXT NOT NULL,
    user_id BIGINT NOT NULL REFERENCES account_user (id),
    PRIMARY KEY (account_id, group_name, user_id),
    FOREIGN KEY (account_id, group_name) REFERENCES account_group (account_id, name)
);
CREATE INDEX group_member_by_user ON group_member (user_id);

CREATE TABLE role (
    id BIGINT NOT NULL PRIMARY KEY REFERENCES principal_id (id),
    account_id BIGINT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    trust_policy TEXT NOT NULL,
    max_session_seconds BIGINT NOT NULL,
    state TEXT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX role_by_name ON role (account_id, name) WHERE state <> 'deleted';

CREATE TABLE policy (
    account_id BIGINT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, name)
);

-- The policy is one of the account's own or a built-in one, which has no row: so it is not referenced. Its kind
-- is kept, so that a built-in policy that a later version brings never takes the place of an own one.
CREATE TABLE policy_attachment (
    account_id BIGINT NOT NULL REFERENCES account (id),
    policy_name TEXT NOT NULL,
    policy_kind TEXT NOT NULL,
    user_id BIGINT REFERENCES account_user (id),
    group_name TEXT,
    role_id BIGINT REFERENCES role (id),
    FOREIGN KEY (account_id, group_name) REFERENCES account_group (account_id, name),
    CHECK (
        (user_id IS NOT NULL AND group_name IS NULL AND role_id IS NULL)
        OR (user_id IS NULL AND group_name IS NOT NULL AND role_id IS NULL)
        OR (user_id IS NULL AND group_name IS NULL AND role_id IS NOT NULL)
    )
);
CREATE UNIQUE INDEX policy_attachment_to_user ON policy_attachment (user_id, policy_name, policy_kind)
    WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX policy_attachment_to_group ON policy_attachment (account_id, group_name, policy_name, policy_kind)
    WHERE group_name IS NOT NULL;
CREATE UNIQUE INDEX policy_attachment_to_role ON policy_attachment (role_id, policy_name, policy_kind)
    WHERE role_id IS NOT NULL;
CREATE INDEX policy_attachment_by_policy ON policy_attachment (account_id, policy_name);

CREATE TABLE oidc_provider (
    account_id BIGINT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    issuer TEXT NOT NULL,
    jwks TEXT,
    -- Their names, divided by spaces.
    algorithms TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, name)
);

CREATE TABLE oidc_audience (
    account_id BIGINT NOT NULL,
    provider_name TEXT NOT NULL,
    place BIGINT NOT NULL,
    audience TEXT NOT NULL,
    PRIMARY KEY (account_id, provider_name, place),
    FOREIGN KEY (account_id, provider_name) REFERENCES oidc_provider (account_id, name)
);

CREATE INDEX access_key_by_principal ON access_key (principal, created_at);
CREATE INDEX credential_by_principal ON credential (principal, created_at);
