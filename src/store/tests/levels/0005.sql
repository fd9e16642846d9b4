DELETE FROM account_group WHERE account_id = $1 AND name = $2
DELETE FROM allow_entry WHERE instance_id = $1
DELETE FROM allow_entry WHERE instance_id = $1 AND cidr = $2
DELETE FROM audit WHERE happened_at < $1
DELETE FROM audit_page WHERE last_at < $1
DELETE FROM change WHERE position <= (SELECT MAX(position) FROM change WHERE changed_at < $1)
DELETE FROM change WHERE position <= (SELECT position FROM change_counter WHERE id = 1) - $1
DELETE FROM credential WHERE id = $1
DELETE FROM credential WHERE instance_id = $1
DELETE FROM credential WHERE principal = $1
DELETE FROM fixed_password WHERE instance_id = $1
DELETE FROM fixed_password WHERE principal = $1
DELETE FROM group_member WHERE account_id = $1 AND group_name = $2
DELETE FROM group_member WHERE account_id = $1 AND group_name = $2 AND user_id = (SELECT id FROM account_user WHERE account_id = $1 AND name = $3 AND state <> 'deleted')
DELETE FROM group_member WHERE user_id = $1
DELETE FROM namespace WHERE id = $1
DELETE FROM namespace WHERE instance_id = $1
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
DELETE FROM repository WHERE id = $1
DELETE FROM repository WHERE instance_id = $1
DELETE FROM repository WHERE namespace_id = $1
DELETE FROM resource_tag WHERE instance_id = $1
DELETE FROM resource_tag WHERE thing_id = $1
DELETE FROM resource_tag WHERE thing_id = $1 AND tag_key = $2
DELETE FROM revocation WHERE revoked_at < $1
DELETE FROM service_account WHERE id = $1
DELETE FROM service_account WHERE instance_id = $1
DELETE FROM service_account_permission WHERE namespace = $2 AND service_account_id IN (SELECT id FROM service_account WHERE instance_id = $1)
DELETE FROM service_account_permission WHERE service_account_id = $1
DELETE FROM service_account_permission WHERE service_account_id IN (SELECT id FROM service_account WHERE instance_id = $1)
INSERT INTO access_key (id, account_id, principal, sealed_secret, state, generation, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
INSERT INTO account (id, name, generation, created_at) VALUES ($1, $2, $3, $4)
INSERT INTO account_group (account_id, name, created_at) VALUES ($1, $2, $3)
INSERT INTO account_user (id, account_id, name, state, generation, created_at) VALUES ($1, $2, $3, $4, $5, $6)
INSERT INTO allow_entry (instance_id, cidr, written, comment, place) VALUES ($1, $2, $3, $4, (SELECT COALESCE(MAX(place), 0) + 1 FROM allow_entry WHERE instance_id = $1))
INSERT INTO allow_entry (instance_id, cidr, written, comment, place) VALUES ($1, $2, $3, $4, (SELECT COALESCE(MAX(place), 0) + 1 FROM allow_entry WHERE instance_id = $1)) ON CONFLICT (instance_id, cidr) DO NOTHING
INSERT INTO audit (id, happened_at, request_id, action, principal, account_id, credential_id, address, service, detail, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
INSERT INTO audit_page (id, first_at, last_at, lines) VALUES ($1, $2, $3, $4)
INSERT INTO authority (id, wrapped_private, certificate_der, created_at) VALUES ($1, $2, $3, $4)
INSERT INTO change (position, noun, thing_id, changed_at) VALUES ((SELECT position FROM change_counter WHERE id = 1), $1, $2, $3)
INSERT INTO credential (id, instance_id, principal, username, description, secret_hash, state, generation, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
INSERT INTO fixed_password (instance_id, principal, hash, generation, changed_at) VALUES ($1, $2, $3, 1, $4) ON CONFLICT (instance_id, principal) DO UPDATE SET hash = excluded.hash, generation = fixed_password.generation + 1, changed_at = excluded.changed_at
INSERT INTO group_member (account_id, group_name, user_id) SELECT account_group.account_id, account_group.name, account_user.id FROM account_group JOIN account_user ON account_user.account_id = account_group.account_id WHERE account_group.account_id = $1 AND account_group.name = $2 AND account_user.name = $3 AND account_user.state <> 'deleted'
INSERT INTO instance (id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, specification, deletion_protection, public_endpoint, allow_list, origin, created_at, modified_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
INSERT INTO namespace (id, number, instance_id, name, visibility, auto_create_repository, default_visibility, default_tag_immutability, auto_scan, prevent_vulnerable, severity, allowed_cves, created_at, modified_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
INSERT INTO oidc_audience (account_id, provider_name, place, audience) VALUES ($1, $2, $3, $4)
INSERT INTO oidc_provider (account_id, name, issuer, jwks, algorithms, created_at) VALUES ($1, $2, $3, $4, $5, $6)
INSERT INTO operation (id, applied_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING
INSERT INTO policy (account_id, name, document, changed_at) VALUES ($1, $2, $3, $4)
INSERT INTO policy_attachment (account_id, policy_name, policy_kind, group_name) VALUES ($1, $2, $3, $4)
INSERT INTO policy_attachment (account_id, policy_name, policy_kind, role_id) SELECT account_id, CAST($2 AS TEXT), CAST($3 AS TEXT), id FROM role WHERE account_id = $1 AND name = $4 AND state <> 'deleted'
INSERT INTO policy_attachment (account_id, policy_name, policy_kind, user_id) SELECT account_id, CAST($2 AS TEXT), CAST($3 AS TEXT), id FROM account_user WHERE account_id = $1 AND name = $4 AND state <> 'deleted'
INSERT INTO principal_id (id) VALUES ($1)
INSERT INTO repository (id, instance_id, namespace_id, name, visibility, summary, detail, tag_immutability, created_at, modified_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
INSERT INTO repository (id, instance_id, namespace_id, name, visibility, summary, detail, tag_immutability, created_at, modified_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (namespace_id, name) DO NOTHING
INSERT INTO resource_tag (thing_id, instance_id, tag_key, tag_value) VALUES ($1, $2, $3, $4) ON CONFLICT (thing_id, tag_key) DO UPDATE SET tag_value = excluded.tag_value
INSERT INTO revocation (credential_id, revoked_at) VALUES ($1, $2) ON CONFLICT (credential_id) DO NOTHING
INSERT INTO role (id, account_id, name, trust_policy, max_session_seconds, state, generation, created_at) VALUES ($1, $2, $3, $4, $5, 'active', $6, $7)
INSERT INTO sealing_key (id, wrapped, created_at) VALUES ($1, $2, $3)
INSERT INTO service_account (id, instance_id, name, description, made_hash, chosen_hash, state, generation, created_at, modified_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
INSERT INTO service_account_permission (service_account_id, namespace, actions) VALUES ($1, $2, $3)
INSERT INTO signing_key (id, algorithm, wrapped_private, leaf_der, leaf_expires_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)
SELECT account.*, permission.namespace AS namespace, permission.actions AS actions FROM (SELECT id, instance_id, name, description, made_hash, chosen_hash, state, generation, created_at, modified_at, expires_at FROM service_account WHERE id = $1) AS account LEFT JOIN service_account_permission AS permission ON permission.service_account_id = account.id ORDER BY permission.namespace
SELECT account.*, permission.namespace AS namespace, permission.actions AS actions FROM (SELECT id, instance_id, name, description, made_hash, chosen_hash, state, generation, created_at, modified_at, expires_at FROM service_account WHERE instance_id = $1 AND name = $2) AS account LEFT JOIN service_account_permission AS permission ON permission.service_account_id = account.id ORDER BY permission.namespace
SELECT account_user.name AS name FROM group_member JOIN account_user ON account_user.id = group_member.user_id WHERE group_member.account_id = $1 AND group_member.group_name = $2 ORDER BY account_user.name
SELECT cidr FROM allow_entry WHERE instance_id = $1 AND cidr = $2
SELECT credential_id FROM revocation
SELECT group_name FROM group_member WHERE user_id = $1 ORDER BY group_name
SELECT id FROM account WHERE id = $1
SELECT id FROM account WHERE id = $1 AND (SELECT COUNT(*) FROM instance WHERE account_id = $1 AND deleted_at IS NULL) <= $2
SELECT id FROM account_user WHERE account_id = $1 AND name = $2 AND state <> 'deleted'
SELECT id FROM credential WHERE instance_id = $1 LIMIT 1
SELECT id FROM instance WHERE account_id = $1 AND name = $2 AND deleted_at IS NULL
SELECT id FROM instance WHERE id = $1 AND (SELECT COUNT(*) FROM allow_entry WHERE instance_id = $1) <= $2
SELECT id FROM instance WHERE id = $1 AND (SELECT COUNT(*) FROM credential WHERE instance_id = $1) <= $2
SELECT id FROM instance WHERE id = $1 AND (SELECT COUNT(*) FROM namespace WHERE instance_id = $1) <= $2
SELECT id FROM instance WHERE id = $1 AND (SELECT COUNT(*) FROM repository WHERE instance_id = $1) <= $2
SELECT id FROM instance WHERE id = $1 AND (SELECT COUNT(*) FROM resource_tag WHERE thing_id = $2) <= $3
SELECT id FROM instance WHERE id = $1 AND (SELECT COUNT(*) FROM service_account WHERE instance_id = $1) <= $2
SELECT id FROM instance WHERE id = $1 AND allow_list_version = $2
SELECT id FROM instance WHERE id = $1 AND deletion_protection = 0
SELECT id FROM namespace WHERE id = $1
SELECT id FROM namespace WHERE instance_id = $1 AND name = $2
SELECT id FROM namespace WHERE instance_id = $1 LIMIT 1
SELECT id FROM repository WHERE namespace_id = $1 AND name = $2
SELECT id FROM repository WHERE namespace_id = $1 LIMIT 1
SELECT id FROM role WHERE account_id = $1 AND name = $2 AND state <> 'deleted'
SELECT id FROM service_account WHERE instance_id = $1 AND name = $2
SELECT id FROM service_account WHERE instance_id = $1 LIMIT 1
SELECT id, (SELECT COUNT(*) FROM credential WHERE instance_id = instance.id) AS credentials, (SELECT COUNT(*) FROM namespace WHERE instance_id = instance.id) AS namespaces, (SELECT COUNT(*) FROM repository WHERE instance_id = instance.id) AS repositories, (SELECT COUNT(*) FROM service_account WHERE instance_id = instance.id) AS service_accounts FROM instance WHERE id = $1 AND deleted_at IS NULL
SELECT id, account_id, name, state, generation, created_at FROM account_user WHERE state <> 'deleted' AND account_id = $1 AND name = $2
SELECT id, account_id, name, state, generation, created_at FROM account_user WHERE state <> 'deleted' AND account_id = $1 ORDER BY created_at, id
SELECT id, account_id, name, state, generation, created_at FROM account_user WHERE state <> 'deleted' AND id = $1
SELECT id, account_id, name, trust_policy, max_session_seconds, generation, created_at FROM role WHERE state <> 'deleted' AND account_id = $1 AND name = $2
SELECT id, account_id, name, trust_policy, max_session_seconds, generation, created_at FROM role WHERE state <> 'deleted' AND account_id = $1 ORDER BY created_at, id
SELECT id, account_id, name, trust_policy, max_session_seconds, generation, created_at FROM role WHERE state <> 'deleted' AND id = $1
SELECT id, algorithm, wrapped_private, leaf_der, leaf_expires_at, created_at FROM signing_key ORDER BY created_at, id
SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, specification, deletion_protection, public_endpoint, allow_list, origin, created_at, COALESCE(modified_at, created_at) AS modified_at FROM instance WHERE deleted_at IS NULL AND account_id = $1 ORDER BY created_at, id
SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, specification, deletion_protection, public_endpoint, allow_list, origin, created_at, COALESCE(modified_at, created_at) AS modified_at FROM instance WHERE deleted_at IS NULL AND cri_id = $1
SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, specification, deletion_protection, public_endpoint, allow_list, origin, created_at, COALESCE(modified_at, created_at) AS modified_at FROM instance WHERE deleted_at IS NULL AND id = $1
SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, specification, deletion_protection, public_endpoint, allow_list, origin, created_at, COALESCE(modified_at, created_at) AS modified_at FROM instance WHERE deleted_at IS NULL AND service = $1
SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, specification, deletion_protection, public_endpoint, allow_list, origin, created_at, COALESCE(modified_at, created_at) AS modified_at FROM instance WHERE deleted_at IS NULL ORDER BY created_at, id
SELECT id, first_at, last_at, lines FROM audit_page WHERE last_at >= $1 AND (first_at > $2 OR (first_at = $2 AND id > $3)) ORDER BY first_at, id LIMIT $4
SELECT id, happened_at, request_id, action, principal, account_id, credential_id, address, service, detail, outcome FROM audit WHERE happened_at >= $1 ORDER BY happened_at, id LIMIT $2
SELECT id, happened_at, request_id, action, principal, account_id, credential_id, address, service, detail, outcome FROM audit WHERE principal = $3 AND happened_at >= $1 ORDER BY happened_at, id LIMIT $2
SELECT id, instance_id, principal, username, description, secret_hash, state, generation, created_at, expires_at FROM credential WHERE id = $1
SELECT id, instance_id, principal, username, description, secret_hash, state, generation, created_at, expires_at FROM credential WHERE instance_id = $1 ORDER BY created_at DESC, id DESC
SELECT id, instance_id, principal, username, description, secret_hash, state, generation, created_at, expires_at FROM credential WHERE principal = $1 ORDER BY created_at DESC, id DESC
SELECT id, name, generation, created_at FROM account ORDER BY created_at, id
SELECT id, name, generation, created_at FROM account WHERE id = $1
SELECT id, number, instance_id, name, visibility, auto_create_repository, default_visibility, default_tag_immutability, auto_scan, prevent_vulnerable, severity, allowed_cves, created_at, modified_at FROM namespace WHERE instance_id = $1 AND id = $2
SELECT id, number, instance_id, name, visibility, auto_create_repository, default_visibility, default_tag_immutability, auto_scan, prevent_vulnerable, severity, allowed_cves, created_at, modified_at FROM namespace WHERE instance_id = $1 AND name = $2
SELECT id, principal, sealed_secret, state, generation, created_at FROM access_key WHERE account_id = $1 AND state <> 'deleted' ORDER BY created_at, id
SELECT id, principal, sealed_secret, state, generation, created_at FROM access_key WHERE id = $1
SELECT id, principal, sealed_secret, state, generation, created_at FROM access_key WHERE principal = $1 AND state <> 'deleted' ORDER BY created_at, id
SELECT id, principal, sealed_secret, state, generation, created_at FROM access_key WHERE state <> 'deleted' ORDER BY created_at, id
SELECT id, wrapped, created_at FROM sealing_key ORDER BY created_at, id
SELECT id, wrapped_private, certificate_der, created_at FROM authority ORDER BY created_at, id
SELECT instance.id AS id, instance.allow_list_version AS version, allow_entry.cidr AS cidr, allow_entry.written AS written, allow_entry.comment AS comment FROM instance LEFT JOIN allow_entry ON allow_entry.instance_id = instance.id WHERE instance.id = $1 AND instance.deleted_at IS NULL ORDER BY allow_entry.place
SELECT name FROM account_group WHERE account_id = $1 AND name = $2
SELECT name FROM policy WHERE account_id = $1 AND name = $2
SELECT name, account_id, created_at FROM account_group WHERE account_id = $1 ORDER BY created_at, name
SELECT name, account_id, document, changed_at FROM policy WHERE account_id = $1 AND name = $2
SELECT name, account_id, document, changed_at FROM policy WHERE account_id = $1 ORDER BY name
SELECT name, value FROM meta WHERE name = $1
SELECT number, checksum FROM schema_version WHERE number = $1
SELECT oidc_provider.name AS name, oidc_provider.account_id AS account_id, oidc_provider.issuer AS issuer, oidc_provider.jwks AS jwks, oidc_provider.algorithms AS algorithms, oidc_provider.created_at AS created_at, oidc_audience.audience AS audience FROM oidc_provider LEFT JOIN oidc_audience ON oidc_audience.account_id = oidc_provider.account_id AND oidc_audience.provider_name = oidc_provider.name WHERE oidc_provider.account_id = $1 AND oidc_provider.name = $2 ORDER BY oidc_provider.created_at, oidc_provider.name, oidc_audience.place
SELECT oidc_provider.name AS name, oidc_provider.account_id AS account_id, oidc_provider.issuer AS issuer, oidc_provider.jwks AS jwks, oidc_provider.algorithms AS algorithms, oidc_provider.created_at AS created_at, oidc_audience.audience AS audience FROM oidc_provider LEFT JOIN oidc_audience ON oidc_audience.account_id = oidc_provider.account_id AND oidc_audience.provider_name = oidc_provider.name WHERE oidc_provider.account_id = $1 ORDER BY oidc_provider.created_at, oidc_provider.name, oidc_audience.place
SELECT page.*, counted.total AS total FROM (SELECT COUNT(*) AS total FROM credential WHERE instance_id = $3) AS counted LEFT JOIN (SELECT id, instance_id, principal, username, description, secret_hash, state, generation, created_at, expires_at FROM credential WHERE instance_id = $3 ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2) AS page ON 1 = 1  ORDER BY created_at DESC, id DESC
SELECT page.*, counted.total AS total FROM (SELECT COUNT(*) AS total FROM instance WHERE deleted_at IS NULL AND account_id = $3 AND (CAST($4 AS TEXT) IS NULL OR name = $4) AND (CAST($5 AS TEXT) IS NULL OR region = $5)) AS counted LEFT JOIN (SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, default_mark, specification, deletion_protection, public_endpoint, allow_list, origin, created_at, COALESCE(modified_at, created_at) AS modified_at FROM instance WHERE deleted_at IS NULL AND account_id = $3 AND (CAST($4 AS TEXT) IS NULL OR name = $4) AND (CAST($5 AS TEXT) IS NULL OR region = $5) ORDER BY created_at, id LIMIT $1 OFFSET $2) AS page ON 1 = 1  ORDER BY created_at, id
SELECT page.*, counted.total AS total FROM (SELECT COUNT(*) AS total FROM namespace WHERE instance_id = $3 AND name = $4) AS counted LEFT JOIN (SELECT id, number, instance_id, name, visibility, auto_create_repository, default_visibility, default_tag_immutability, auto_scan, prevent_vulnerable, severity, allowed_cves, created_at, modified_at FROM namespace WHERE instance_id = $3 AND name = $4 ORDER BY created_at, id LIMIT $1 OFFSET $2) AS page ON 1 = 1  ORDER BY created_at, id
SELECT page.*, counted.total AS total FROM (SELECT COUNT(*) AS total FROM namespace WHERE instance_id = $3) AS counted LEFT JOIN (SELECT id, number, instance_id, name, visibility, auto_create_repository, default_visibility, default_tag_immutability, auto_scan, prevent_vulnerable, severity, allowed_cves, created_at, modified_at FROM namespace WHERE instance_id = $3 ORDER BY created_at, id LIMIT $1 OFFSET $2) AS page ON 1 = 1  ORDER BY created_at, id
SELECT page.*, counted.total AS total FROM (SELECT COUNT(*) AS total FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5)) AS counted LEFT JOIN (SELECT repository.id AS id, repository.instance_id AS instance_id, repository.namespace_id AS namespace_id, namespace.name AS namespace_name, repository.name AS name, repository.visibility AS visibility, repository.summary AS summary, repository.detail AS detail, repository.tag_immutability AS tag_immutability, repository.created_at AS created_at, repository.modified_at AS modified_at FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5) ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2) AS page ON 1 = 1  ORDER BY created_at DESC, id DESC
SELECT page.*, counted.total AS total FROM (SELECT COUNT(*) AS total FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5)) AS counted LEFT JOIN (SELECT repository.id AS id, repository.instance_id AS instance_id, repository.namespace_id AS namespace_id, namespace.name AS namespace_name, repository.name AS name, repository.visibility AS visibility, repository.summary AS summary, repository.detail AS detail, repository.tag_immutability AS tag_immutability, repository.created_at AS created_at, repository.modified_at AS modified_at FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5) ORDER BY created_at, id LIMIT $1 OFFSET $2) AS page ON 1 = 1  ORDER BY created_at, id
SELECT page.*, counted.total AS total FROM (SELECT COUNT(*) AS total FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5)) AS counted LEFT JOIN (SELECT repository.id AS id, repository.instance_id AS instance_id, repository.namespace_id AS namespace_id, namespace.name AS namespace_name, repository.name AS name, repository.visibility AS visibility, repository.summary AS summary, repository.detail AS detail, repository.tag_immutability AS tag_immutability, repository.created_at AS created_at, repository.modified_at AS modified_at FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5) ORDER BY modified_at DESC, id DESC LIMIT $1 OFFSET $2) AS page ON 1 = 1  ORDER BY modified_at DESC, id DESC
SELECT page.*, counted.total AS total FROM (SELECT COUNT(*) AS total FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5)) AS counted LEFT JOIN (SELECT repository.id AS id, repository.instance_id AS instance_id, repository.namespace_id AS namespace_id, namespace.name AS namespace_name, repository.name AS name, repository.visibility AS visibility, repository.summary AS summary, repository.detail AS detail, repository.tag_immutability AS tag_immutability, repository.created_at AS created_at, repository.modified_at AS modified_at FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5) ORDER BY modified_at, id LIMIT $1 OFFSET $2) AS page ON 1 = 1  ORDER BY modified_at, id
SELECT page.*, counted.total AS total FROM (SELECT COUNT(*) AS total FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5)) AS counted LEFT JOIN (SELECT repository.id AS id, repository.instance_id AS instance_id, repository.namespace_id AS namespace_id, namespace.name AS namespace_name, repository.name AS name, repository.visibility AS visibility, repository.summary AS summary, repository.detail AS detail, repository.tag_immutability AS tag_immutability, repository.created_at AS created_at, repository.modified_at AS modified_at FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5) ORDER BY namespace_name DESC, name DESC, id LIMIT $1 OFFSET $2) AS page ON 1 = 1  ORDER BY namespace_name DESC, name DESC, id
SELECT page.*, counted.total AS total FROM (SELECT COUNT(*) AS total FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5)) AS counted LEFT JOIN (SELECT repository.id AS id, repository.instance_id AS instance_id, repository.namespace_id AS namespace_id, namespace.name AS namespace_name, repository.name AS name, repository.visibility AS visibility, repository.summary AS summary, repository.detail AS detail, repository.tag_immutability AS tag_immutability, repository.created_at AS created_at, repository.modified_at AS modified_at FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $3 AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL OR repository.name = $5) ORDER BY namespace_name, name, id LIMIT $1 OFFSET $2) AS page ON 1 = 1  ORDER BY namespace_name, name, id
SELECT page.*, counted.total AS total, permission.namespace AS namespace, permission.actions AS actions FROM (SELECT COUNT(*) AS total FROM service_account WHERE instance_id = $3 AND name = $4) AS counted LEFT JOIN (SELECT id, instance_id, name, description, made_hash, chosen_hash, state, generation, created_at, modified_at, expires_at FROM service_account WHERE instance_id = $3 AND name = $4 ORDER BY created_at, id LIMIT $1 OFFSET $2) AS page ON 1 = 1 LEFT JOIN service_account_permission AS permission ON permission.service_account_id = page.id ORDER BY created_at, id, permission.namespace
SELECT page.*, counted.total AS total, permission.namespace AS namespace, permission.actions AS actions FROM (SELECT COUNT(*) AS total FROM service_account WHERE instance_id = $3) AS counted LEFT JOIN (SELECT id, instance_id, name, description, made_hash, chosen_hash, state, generation, created_at, modified_at, expires_at FROM service_account WHERE instance_id = $3 ORDER BY created_at, id LIMIT $1 OFFSET $2) AS page ON 1 = 1 LEFT JOIN service_account_permission AS permission ON permission.service_account_id = page.id ORDER BY created_at, id, permission.namespace
SELECT policy_attachment.policy_name AS policy_name, policy_attachment.policy_kind AS policy_kind, account_user.name AS user_name, policy_attachment.group_name AS group_name, role.name AS role_name FROM policy_attachment LEFT JOIN account_user ON account_user.id = policy_attachment.user_id LEFT JOIN role ON role.id = policy_attachment.role_id WHERE policy_attachment.account_id = $1 ORDER BY policy_attachment.policy_name, policy_attachment.policy_kind, account_user.name, policy_attachment.group_name, role.name
SELECT policy_attachment.policy_name AS policy_name, policy_attachment.policy_kind AS policy_kind, policy.document AS document FROM policy_attachment LEFT JOIN policy ON policy_attachment.policy_kind = 'own' AND policy.account_id = policy_attachment.account_id AND policy.name = policy_attachment.policy_name WHERE policy_attachment.role_id = $1 ORDER BY policy_name, policy_kind
SELECT policy_attachment.policy_name AS policy_name, policy_attachment.policy_kind AS policy_kind, policy.document AS document FROM policy_attachment LEFT JOIN policy ON policy_attachment.policy_kind = 'own' AND policy.account_id = policy_attachment.account_id AND policy.name = policy_attachment.policy_name WHERE policy_attachment.user_id = $1 UNION SELECT policy_attachment.policy_name AS policy_name, policy_attachment.policy_kind AS policy_kind, policy.document AS document FROM group_member JOIN policy_attachment ON policy_attachment.account_id = group_member.account_id AND policy_attachment.group_name = group_member.group_name LEFT JOIN policy ON policy_attachment.policy_kind = 'own' AND policy.account_id = policy_attachment.account_id AND policy.name = policy_attachment.policy_name WHERE group_member.user_id = $1 ORDER BY policy_name, policy_kind
SELECT policy_name FROM policy_attachment WHERE account_id = $1 AND policy_name = $2 AND policy_kind = 'own'
SELECT position FROM change ORDER BY position LIMIT 1
SELECT position FROM change_counter WHERE id = 1
SELECT position, noun, thing_id FROM change WHERE position > $1 ORDER BY position LIMIT $2
SELECT principal, instance_id, hash, generation, changed_at FROM fixed_password WHERE instance_id = $1 AND principal = $2 AND hash IS NOT NULL
SELECT repository.id AS id, repository.instance_id AS instance_id, repository.namespace_id AS namespace_id, namespace.name AS namespace_name, repository.name AS name, repository.visibility AS visibility, repository.summary AS summary, repository.detail AS detail, repository.tag_immutability AS tag_immutability, repository.created_at AS created_at, repository.modified_at AS modified_at FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $1 AND namespace.name = $2 AND repository.name = $3
SELECT repository.id AS id, repository.instance_id AS instance_id, repository.namespace_id AS namespace_id, namespace.name AS namespace_name, repository.name AS name, repository.visibility AS visibility, repository.summary AS summary, repository.detail AS detail, repository.tag_immutability AS tag_immutability, repository.created_at AS created_at, repository.modified_at AS modified_at FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE repository.instance_id = $1 AND repository.id = $2
SELECT resource_tag.thing_id AS thing_id, resource_tag.tag_key AS tag_key, resource_tag.tag_value AS tag_value FROM resource_tag JOIN instance ON instance.id = resource_tag.thing_id WHERE instance.account_id = $1 AND instance.deleted_at IS NULL ORDER BY resource_tag.thing_id, resource_tag.tag_key
SELECT thing_id, tag_key, tag_value FROM resource_tag WHERE instance_id = $1 AND thing_id <> $1 ORDER BY thing_id, tag_key
SELECT thing_id, tag_key, tag_value FROM resource_tag WHERE thing_id = $1 ORDER BY tag_key
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
UPDATE allow_entry SET cidr = $3, written = $4, comment = $5 WHERE instance_id = $1 AND cidr = $2
UPDATE change_counter SET position = position + 1 WHERE id = 1
UPDATE credential SET description = $2 WHERE id = $1
UPDATE credential SET state = 'active' WHERE id = $1
UPDATE credential SET state = 'disabled', generation = generation + 1 WHERE id = $1
UPDATE fixed_password SET hash = NULL, generation = generation + 1, changed_at = $3 WHERE instance_id = $1 AND principal = $2 AND hash IS NOT NULL
UPDATE instance SET allow_list = $2, modified_at = $3 WHERE id = $1 AND deleted_at IS NULL
UPDATE instance SET allow_list_version = allow_list_version + 1 WHERE id = $1 AND deleted_at IS NULL
UPDATE instance SET default_mark = 0 WHERE account_id = $1 AND default_mark = 1 AND deleted_at IS NULL
UPDATE instance SET default_mark = 1 WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL
UPDATE instance SET deleted_at = $3, default_mark = 0 WHERE id = $1 AND account_id = $2 AND deleted_at IS NULL
UPDATE instance SET name = name WHERE id = $1 AND deleted_at IS NULL
UPDATE instance SET public_endpoint = $2, modified_at = $3 WHERE id = $1 AND deleted_at IS NULL
UPDATE instance SET registry_url = $2, modified_at = $3 WHERE id = $1 AND deleted_at IS NULL
UPDATE instance SET specification = COALESCE($2, specification), deletion_protection = COALESCE($3, deletion_protection), modified_at = $4 WHERE id = $1 AND deleted_at IS NULL
UPDATE namespace SET visibility = COALESCE($2, visibility), auto_create_repository = COALESCE($3, auto_create_repository), default_visibility = COALESCE($4, default_visibility), default_tag_immutability = COALESCE($5, default_tag_immutability), auto_scan = COALESCE($6, auto_scan), prevent_vulnerable = COALESCE($7, prevent_vulnerable), severity = COALESCE($8, severity), allowed_cves = COALESCE($9, allowed_cves), modified_at = $10 WHERE id = $1
UPDATE policy SET document = $3, changed_at = $4 WHERE account_id = $1 AND name = $2
UPDATE repository SET visibility = COALESCE($2, visibility), summary = COALESCE($3, summary), detail = COALESCE($4, detail), tag_immutability = COALESCE($5, tag_immutability), modified_at = $6 WHERE id = $1
UPDATE role SET generation = generation + 1 WHERE id = $1 AND state <> 'deleted'
UPDATE role SET generation = generation WHERE id = $1 AND account_id = $2 AND state <> 'deleted'
UPDATE role SET state = 'deleted', generation = generation + 1 WHERE id = $1 AND account_id = $2 AND state <> 'deleted'
UPDATE service_account SET description = COALESCE($2, description), state = COALESCE($3, state), expires_at = COALESCE($4, expires_at), modified_at = $5, generation = generation + CASE WHEN CAST($3 AS TEXT) = 'disabled' THEN 1 ELSE 0 END WHERE id = $1
UPDATE service_account SET made_hash = $2, chosen_hash = $3, modified_at = $4, generation = generation + 1 WHERE id = $1
UPDATE signing_key SET leaf_der = $3, leaf_expires_at = $4 WHERE id = $1 AND leaf_expires_at = $2
