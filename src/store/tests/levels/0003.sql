DELETE FROM account_group WHERE account_id = $1 AND name = $2
DELETE FROM audit WHERE happened_at < $1
DELETE FROM audit_page WHERE last_at < $1
DELETE FROM change WHERE position <= (SELECT MAX(position) FROM change WHERE changed_at < $1)
DELETE FROM change WHERE position <= (SELECT position FROM change_counter WHERE id = 1) - $1
DELETE FROM credential WHERE id = $1
DELETE FROM credential WHERE principal = $1
DELETE FROM group_member WHERE account_id = $1 AND group_name = $2
DELETE FROM group_member WHERE account_id = $1 AND group_name = $2 AND user_id = (SELECT id FROM account_user WHERE account_id = $1 AND name = $3 AND state <> 'deleted')
DELETE FROM group_member WHERE user_id = $1
DELETE FROM oidc_audience WHERE account_id = $1 AND provider_name = $2
DELETE FROM oidc_provider WHERE account_id = $1 AND name = $2
DELETE FROM operation WHERE applied_at < $1
DELETE FROM policy WHERE account_id = $1 AND name = $2
DELETE FROM policy_attachment WHERE account_id = $1 AND group_name = $2
DELETE FROM policy_attachment WHERE account_id = $1 AND policy_name = $2 AND policy_kind = $3 AND group_name = $4
DELETE FROM policy_attachment WHERE policy_name = $2 AND policy_kind = $3 AND role_id = (SELECT id FROM role WHERE account_id = $1 AND name = $4 AND state <> 'deleted')
DELETE FROM policy_attachment WHERE policy_name = $2 AND policy_kind = $3 AND user_id = (SELECT id FROM account_user WHERE account_id = $1 AND name = $4 AND state <> 'deleted')
DELETE FROM policy_attachment WHERE role_id = $1
DELETE FROM policy_attachment WHERE user_id = $1
INSERT INTO access_key (id, account_id, principal, sealed_secret, state, generation, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
INSERT INTO account (id, name, generation, created_at) VALUES ($1, $2, $3, $4)
INSERT INTO account_group (account_id, name, created_at) VALUES ($1, $2, $3)
INSERT INTO account_user (id, account_id, name, state, generation, created_at) VALUES ($1, $2, $3, $4, $5, $6)
INSERT INTO audit (id, happened_at, request_id, action, principal, account_id, credential_id, address, service, detail, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
INSERT INTO audit_page (id, first_at, last_at, lines) VALUES ($1, $2, $3, $4)
INSERT INTO authority (id, wrapped_private, certificate_der, created_at) VALUES ($1, $2, $3, $4)
INSERT INTO change (position, noun, thing_id, changed_at) VALUES ((SELECT position FROM change_counter WHERE id = 1), $1, $2, $3)
INSERT INTO credential (id, instance_id, principal, username, description, secret_hash, state, generation, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
INSERT INTO group_member (account_id, group_name, user_id) SELECT account_group.account_id, account_group.name, account_user.id FROM account_group JOIN account_user ON account_user.account_id = account_group.account_id WHERE account_group.account_id = $1 AND account_group.name = $2 AND account_user.name = $3 AND account_user.state <> 'deleted'
INSERT INTO instance (id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
INSERT INTO oidc_audience (account_id, provider_name, place, audience) VALUES ($1, $2, $3, $4)
INSERT INTO oidc_provider (account_id, name, issuer, jwks, created_at) VALUES ($1, $2, $3, $4, $5)
INSERT INTO operation (id, applied_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING
INSERT INTO policy (account_id, name, document, changed_at) VALUES ($1, $2, $3, $4)
INSERT INTO policy_attachment (account_id, policy_name, policy_kind, group_name) VALUES ($1, $2, $3, $4)
INSERT INTO policy_attachment (account_id, policy_name, policy_kind, role_id) SELECT account_id, CAST($2 AS TEXT), CAST($3 AS TEXT), id FROM role WHERE account_id = $1 AND name = $4 AND state <> 'deleted'
INSERT INTO policy_attachment (account_id, policy_name, policy_kind, user_id) SELECT account_id, CAST($2 AS TEXT), CAST($3 AS TEXT), id FROM account_user WHERE account_id = $1 AND name = $4 AND state <> 'deleted'
INSERT INTO principal_id (id) VALUES ($1)
INSERT INTO role (id, account_id, name, trust_policy, max_session_seconds, state, generation, created_at) VALUES ($1, $2, $3, $4, $5, 'active', $6, $7)
INSERT INTO sealing_key (id, wrapped, created_at) VALUES ($1, $2, $3)
INSERT INTO signing_key (id, algorithm, wrapped_private, leaf_der, leaf_expires_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)
SELECT account_user.name AS name FROM group_member JOIN account_user ON account_user.id = group_member.user_id WHERE group_member.account_id = $1 AND group_member.group_name = $2 ORDER BY account_user.name
SELECT group_name FROM group_member WHERE user_id = $1 ORDER BY group_name
SELECT id FROM account WHERE id = $1
SELECT id FROM account_user WHERE account_id = $1 AND name = $2 AND state <> 'deleted'
SELECT id FROM instance WHERE account_id = $1 AND name = $2 AND deleted_at IS NULL
SELECT id FROM instance WHERE id = $1 AND deleted_at IS NULL
SELECT id FROM role WHERE account_id = $1 AND name = $2 AND state <> 'deleted'
SELECT id, account_id, name, state, generation, created_at FROM account_user WHERE state <> 'deleted' AND account_id = $1 AND name = $2
SELECT id, account_id, name, state, generation, created_at FROM account_user WHERE state <> 'deleted' AND account_id = $1 ORDER BY created_at, id
SELECT id, account_id, name, state, generation, created_at FROM account_user WHERE state <> 'deleted' AND id = $1
SELECT id, account_id, name, trust_policy, max_session_seconds, generation, created_at FROM role WHERE state <> 'deleted' AND account_id = $1 AND name = $2
SELECT id, account_id, name, trust_policy, max_session_seconds, generation, created_at FROM role WHERE state <> 'deleted' AND account_id = $1 ORDER BY created_at, id
SELECT id, account_id, name, trust_policy, max_session_seconds, generation, created_at FROM role WHERE state <> 'deleted' AND id = $1
SELECT id, algorithm, wrapped_private, leaf_der, leaf_expires_at, created_at FROM signing_key ORDER BY created_at, id
SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, created_at FROM instance WHERE deleted_at IS NULL AND account_id = $1 ORDER BY created_at, id
SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, created_at FROM instance WHERE deleted_at IS NULL AND cri_id = $1
SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, created_at FROM instance WHERE deleted_at IS NULL AND id = $1
SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, created_at FROM instance WHERE deleted_at IS NULL AND service = $1
SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, created_at FROM instance WHERE deleted_at IS NULL ORDER BY created_at, id
SELECT id, first_at, last_at, lines FROM audit_page WHERE last_at >= $1 AND (first_at > $2 OR (first_at = $2 AND id > $3)) ORDER BY first_at, id LIMIT $4
SELECT id, happened_at, request_id, action, principal, account_id, credential_id, address, service, detail, outcome FROM audit WHERE happened_at >= $1 ORDER BY happened_at, id LIMIT $2
SELECT id, happened_at, request_id, action, principal, account_id, credential_id, address, service, detail, outcome FROM audit WHERE principal = $3 AND happened_at >= $1 ORDER BY happened_at, id LIMIT $2
SELECT id, instance_id, principal, username, description, secret_hash, state, generation, created_at, expires_at FROM credential WHERE id = $1
SELECT id, instance_id, principal, username, description, secret_hash, state, generation, created_at, expires_at FROM credential WHERE instance_id = $1 ORDER BY created_at DESC, id DESC
SELECT id, instance_id, principal, username, description, secret_hash, state, generation, created_at, expires_at FROM credential WHERE principal = $1 ORDER BY created_at DESC, id DESC
SELECT id, name, generation, created_at FROM account ORDER BY created_at, id
SELECT id, name, generation, created_at FROM account WHERE id = $1
SELECT id, principal, sealed_secret, state, generation, created_at FROM access_key WHERE account_id = $1 AND state <> 'deleted' ORDER BY created_at, id
SELECT id, principal, sealed_secret, state, generation, created_at FROM access_key WHERE id = $1
SELECT id, principal, sealed_secret, state, generation, created_at FROM access_key WHERE principal = $1 AND state <> 'deleted' ORDER BY created_at, id
SELECT id, principal, sealed_secret, state, generation, created_at FROM access_key WHERE state <> 'deleted' ORDER BY created_at, id
SELECT id, wrapped, created_at FROM sealing_key ORDER BY created_at, id
SELECT id, wrapped_private, certificate_der, created_at FROM authority ORDER BY created_at, id
SELECT name FROM account_group WHERE account_id = $1 AND name = $2
SELECT name FROM policy WHERE account_id = $1 AND name = $2
SELECT name, account_id, created_at FROM account_group WHERE account_id = $1 ORDER BY created_at, name
SELECT name, account_id, document, changed_at FROM policy WHERE account_id = $1 AND name = $2
SELECT name, account_id, document, changed_at FROM policy WHERE account_id = $1 ORDER BY name
SELECT name, value FROM meta WHERE name = $1
SELECT number, checksum FROM schema_version WHERE number = $1
SELECT oidc_provider.name AS name, oidc_provider.account_id AS account_id, oidc_provider.issuer AS issuer, oidc_provider.jwks AS jwks, oidc_provider.created_at AS created_at, oidc_audience.audience AS audience FROM oidc_provider LEFT JOIN oidc_audience ON oidc_audience.account_id = oidc_provider.account_id AND oidc_audience.provider_name = oidc_provider.name WHERE oidc_provider.account_id = $1 AND oidc_provider.name = $2 ORDER BY oidc_provider.created_at, oidc_provider.name, oidc_audience.place
SELECT oidc_provider.name AS name, oidc_provider.account_id AS account_id, oidc_provider.issuer AS issuer, oidc_provider.jwks AS jwks, oidc_provider.created_at AS created_at, oidc_audience.audience AS audience FROM oidc_provider LEFT JOIN oidc_audience ON oidc_audience.account_id = oidc_provider.account_id AND oidc_audience.provider_name = oidc_provider.name WHERE oidc_provider.account_id = $1 ORDER BY oidc_provider.created_at, oidc_provider.name, oidc_audience.place
SELECT policy_attachment.policy_name AS policy_name, policy_attachment.policy_kind AS policy_kind, account_user.name AS user_name, policy_attachment.group_name AS group_name, role.name AS role_name FROM policy_attachment LEFT JOIN account_user ON account_user.id = policy_attachment.user_id LEFT JOIN role ON role.id = policy_attachment.role_id WHERE policy_attachment.account_id = $1 ORDER BY policy_attachment.policy_name, policy_attachment.policy_kind, account_user.name, policy_attachment.group_name, role.name
SELECT policy_attachment.policy_name AS policy_name, policy_attachment.policy_kind AS policy_kind, policy.document AS document FROM policy_attachment LEFT JOIN policy ON policy_attachment.policy_kind = 'own' AND policy.account_id = policy_attachment.account_id AND policy.name = policy_attachment.policy_name WHERE policy_attachment.role_id = $1 ORDER BY policy_name, policy_kind
SELECT policy_attachment.policy_name AS policy_name, policy_attachment.policy_kind AS policy_kind, policy.document AS document FROM policy_attachment LEFT JOIN policy ON policy_attachment.policy_kind = 'own' AND policy.account_id = policy_attachment.account_id AND policy.name = policy_attachment.policy_name WHERE policy_attachment.user_id = $1 UNION SELECT policy_attachment.policy_name AS policy_name, policy_attachment.policy_kind AS policy_kind, policy.document AS document FROM group_member JOIN policy_attachment ON policy_attachment.account_id = group_member.account_id AND policy_attachment.group_name = group_member.group_name LEFT JOIN policy ON policy_attachment.policy_kind = 'own' AND policy.account_id = policy_attachment.account_id AND policy.name = policy_attachment.policy_name WHERE group_member.user_id = $1 ORDER BY policy_name, policy_kind
SELECT policy_name FROM policy_attachment WHERE account_id = $1 AND policy_name = $2 AND policy_kind = 'own'
SELECT position FROM change ORDER BY position LIMIT 1
SELECT position FROM change_counter WHERE id = 1
SELECT position, noun, thing_id FROM change WHERE position > $1 ORDER BY position LIMIT $2
UPDATE access_key SET state = 'active' WHERE id = $1 AND state <> 'deleted'
UPDATE access_key SET state = 'deleted', generation = generation + 1, sealed_secret = $2 WHERE id = $1 AND state <> 'deleted'
UPDATE access_key SET state = 'deleted', generation = generation + 1, sealed_secret = $2 WHERE principal = $1 AND state <> 'deleted'
UPDATE access_key SET state = 'disabled', generation = generation + 1 WHERE id = $1 AND state <> 'deleted'
UPDATE account SET generation = generation + 1 WHERE id = $1
UPDATE account SET generation = generation WHERE id = $1
UPDATE account_user SET generation = generation + 1 WHERE id = $1 AND state <> 'deleted'
UPDATE account_user SET generation = generation WHERE id = $1 AND account_id = $2 AND state <> 'deleted'
UPDATE account_user SET state = 'active' WHERE id = $1 AND state <> 'deleted'
UPDATE account_user SET state = 'deleted', generation = generation + 1 WHERE id = $1 AND account_id = $2 AND state <> 'deleted'
UPDATE account_user SET state = 'disabled', generation = generation + 1 WHERE id = $1 AND state <> 'deleted'
UPDATE change_counter SET position = position + 1 WHERE id = 1
UPDATE credential SET state = 'active' WHERE id = $1
UPDATE credential SET state = 'disabled', generation = generation + 1 WHERE id = $1
UPDATE instance SET default_mark = 0 WHERE account_id = $1 AND default_mark = 1 AND deleted_at IS NULL
UPDATE instance SET default_mark = 1 WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL
UPDATE policy SET document = $3, changed_at = $4 WHERE account_id = $1 AND name = $2
UPDATE role SET generation = generation + 1 WHERE id = $1 AND state <> 'deleted'
UPDATE role SET generation = generation WHERE id = $1 AND account_id = $2 AND state <> 'deleted'
UPDATE role SET state = 'deleted', generation = generation + 1 WHERE id = $1 AND account_id = $2 AND state <> 'deleted'
UPDATE signing_key SET leaf_der = $3, leaf_expires_at = $4 WHERE id = $1 AND leaf_expires_at = $2
