use crate::domain::Noun;
use std::time::Duration;

use super::*;
use crate::store::audit::{
    self, AuditPage, AuditPosition, AuditRow, PageFilter, PageHead, RowFilter, Span, Wanted,
};
use crate::store::cascade::Contents;
use crate::store::instance_key::{self, InstanceKeyRow, InstanceKeyState};
use crate::store::key::{self, AuthorityRow, AuthorityState, SealingKeyRow, SigningKeyRow};
use crate::store::{
    access_key as access_keys, account as accounts, credential as credentials,
    instance as instances, meta,
};

on_both_databases! {
    an_account_reads_back_and_has_an_id_and_a_name_of_its_own
    an_access_key_is_disabled_enabled_and_deleted_for_ever
    an_instance_is_found_by_every_name_it_has
    an_instance_has_its_name_in_its_account_and_its_service_everywhere
    marking_a_default_unmarks_the_other
    a_credential_is_listed_disabled_and_deleted
    keys_read_back_and_a_leaf_is_replaced_by_one_replica_only
    one_authority_is_next_and_one_in_use_whoever_is_quicker
    a_signing_key_waits_for_its_first_leaf_and_keeps_the_next
    an_instance_has_one_key_that_signs_and_one_that_is_next
    a_setting_is_first_put_once
    audit_rows_are_listed_in_the_order_of_time
    audit_rows_are_filtered_by_principal
    audit_rows_are_filtered_by_action_and_outcome
    audit_rows_are_trimmed_by_their_end
    audit_pages_are_listed_by_their_beginning_and_trimmed_by_their_end
}

async fn an_account_reads_back_and_has_an_id_and_a_name_of_its_own(place: &Place) {
    let store = place.store().await;
    let first = account(100_000_000_001);
    apply(&store, accounts::insert(&first)).await.unwrap();
    assert_eq!(
        accounts::find(&store, first.id).await.unwrap().as_ref(),
        Some(&first)
    );
    assert_eq!(
        accounts::find(&store, AccountId::new(7).unwrap())
            .await
            .unwrap(),
        None
    );

    let same_id = Account {
        name: "other".to_owned(),
        ..first.clone()
    };
    let refusal = apply(&store, accounts::insert(&same_id)).await.unwrap_err();
    assert_eq!(
        refusal.message(),
        "There is an account 100000000001 already; choose another id."
    );
    let same_name = Account {
        id: AccountId::new(7).unwrap(),
        ..first.clone()
    };
    let refusal = apply(&store, accounts::insert(&same_name))
        .await
        .unwrap_err();
    assert_eq!(
        refusal.message(),
        "There is an account named account-100000000001 already; choose another name."
    );

    let second = Account {
        created_at: NOW.minus(Duration::from_secs(1)),
        ..account(999_999_999_999_999_999)
    };
    apply(&store, accounts::insert(&second)).await.unwrap();
    assert_eq!(
        accounts::list(&store).await.unwrap(),
        [second, first.clone()]
    );

    apply(&store, accounts::raise_generation(first.id))
        .await
        .unwrap();
    assert_eq!(
        accounts::find(&store, first.id)
            .await
            .unwrap()
            .unwrap()
            .generation,
        2
    );
    let missing = accounts::raise_generation(AccountId::new(7).unwrap());
    assert_eq!(
        kind(apply(&store, missing).await),
        ErrorKind::NotFound {
            noun: Noun::Account
        }
    );
}

async fn an_access_key_is_disabled_enabled_and_deleted_for_ever(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let key = access_key("AKIDone", &owner);
    assert_eq!(
        kind(apply(&store, access_keys::insert(&key).unchecked()).await),
        ErrorKind::NotFound {
            noun: Noun::Account
        }
    );
    apply(&store, accounts::insert(&owner)).await.unwrap();
    apply(&store, access_keys::insert(&key).unchecked())
        .await
        .unwrap();
    assert_eq!(
        access_keys::find(&store, "AKIDone").await.unwrap().as_ref(),
        Some(&key)
    );
    assert_eq!(access_keys::find(&store, "AKIDtwo").await.unwrap(), None);

    let steps = [
        (AccessKeyState::Disabled, 2, vec![0, 1, 254, 255]),
        (AccessKeyState::Active, 2, vec![0, 1, 254, 255]),
        (AccessKeyState::Deleted, 3, vec![]),
    ];
    for (state, generation, sealed_secret) in steps {
        assert_eq!(
            access_keys::list(&store, Some(owner.id))
                .await
                .unwrap()
                .len(),
            1
        );
        assert_eq!(access_keys::list(&store, None).await.unwrap().len(), 1);
        apply(&store, access_keys::set_state("AKIDone", state))
            .await
            .unwrap();
        let found = access_keys::find(&store, "AKIDone").await.unwrap().unwrap();
        assert_eq!(
            (found.state, found.generation, found.sealed_secret),
            (state, generation, Wrapped::from_bytes(sealed_secret))
        );
    }
    assert_eq!(access_keys::list(&store, Some(owner.id)).await.unwrap(), []);
    assert_eq!(access_keys::list(&store, None).await.unwrap(), []);
    for state in [
        AccessKeyState::Active,
        AccessKeyState::Disabled,
        AccessKeyState::Deleted,
    ] {
        let refused = apply(&store, access_keys::set_state("AKIDone", state)).await;
        assert_eq!(
            kind(refused),
            ErrorKind::NotFound {
                noun: Noun::AccessKey
            }
        );
    }
    assert_eq!(
        kind(apply(&store, access_keys::insert(&key).unchecked()).await),
        ErrorKind::AlreadyExists {
            noun: Noun::AccessKey
        }
    );
}

async fn an_instance_is_found_by_every_name_it_has(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let one = Instance {
        registry_url: Some("https://one.example.com".to_owned()),
        ..instance(&owner, "one")
    };
    assert_eq!(
        kind(apply(&store, instances::insert(&one)).await),
        ErrorKind::NotFound {
            noun: Noun::Account
        }
    );
    store
        .apply(
            write()
                .then(accounts::insert(&owner))
                .then(instances::insert(&one)),
        )
        .await
        .unwrap();
    let found = [
        instances::find(&store, &one.id).await.unwrap().unwrap(),
        instances::find_by_cri_id(&store, &one.cri_id)
            .await
            .unwrap()
            .unwrap(),
        instances::find_by_service(&store, &one.service)
            .await
            .unwrap()
            .unwrap(),
        instances::list(&store, Some(owner.id))
            .await
            .unwrap()
            .remove(0),
        instances::list(&store, None).await.unwrap().remove(0),
    ];
    for found in found {
        assert_eq!(format!("{found:?}"), format!("{one:?}"));
    }
    assert!(
        instances::find(&store, &InstanceId::random(&SystemRandom))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        instances::find_by_cri_id(&store, &CriId::random(&SystemRandom))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        instances::find_by_service(&store, "two.example.com")
            .await
            .unwrap()
            .is_none()
    );

    apply(
        &store,
        raw("instance", "UPDATE instance SET deleted_at = 1"),
    )
    .await
    .unwrap();
    assert!(instances::find(&store, &one.id).await.unwrap().is_none());
    assert!(instances::list(&store, None).await.unwrap().is_empty());
    let again = Instance {
        service: one.service.clone(),
        ..instance(&owner, "one")
    };
    let refusal = apply(&store, instances::insert(&again)).await.unwrap_err();
    assert!(
        refusal.message().contains("choose another service"),
        "{refusal}"
    );
    // The name alone is free again.
    let again = Instance {
        service: "new.example.com".to_owned(),
        ..again
    };
    apply(&store, instances::insert(&again)).await.unwrap();
}

async fn an_instance_has_its_name_in_its_account_and_its_service_everywhere(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let one = instance(&owner, "one");
    store
        .apply(
            write()
                .then(accounts::insert(&owner))
                .then(accounts::insert(&other))
                .then(instances::insert(&one)),
        )
        .await
        .unwrap();

    let same_name = Instance {
        service: "two.example.com".to_owned(),
        ..instance(&owner, "one")
    };
    let refusal = apply(&store, instances::insert(&same_name))
        .await
        .unwrap_err();
    assert_eq!(
        refusal.message(),
        "Account 1 has an instance named one already; choose another name."
    );
    apply(
        &store,
        instances::insert(&Instance {
            account: other.id,
            ..same_name
        }),
    )
    .await
    .unwrap();

    let same_service = Instance {
        name: "three".to_owned(),
        account: other.id,
        ..instance(&owner, "one")
    };
    let refusal = apply(&store, instances::insert(&same_service))
        .await
        .unwrap_err();
    assert_eq!(
        refusal.kind(),
        &ErrorKind::AlreadyExists {
            noun: Noun::Instance
        }
    );
    assert!(
        refusal.message().contains("choose another service"),
        "{refusal}"
    );
}

async fn marking_a_default_unmarks_the_other(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let marked = |owner: &Account, name: &str| Instance {
        default: DefaultMark::Marked,
        ..instance(owner, name)
    };
    let (one, two, foreign) = (
        marked(&owner, "one"),
        marked(&owner, "two"),
        marked(&other, "foreign"),
    );
    store
        .apply(
            write()
                .then(accounts::insert(&owner))
                .then(accounts::insert(&other)),
        )
        .await
        .unwrap();
    for instance in [&one, &foreign, &two] {
        apply(&store, instances::insert(instance)).await.unwrap();
    }
    let defaults = async || -> Vec<String> {
        let all = instances::list(&store, None).await.unwrap();
        let mut names: Vec<_> = all
            .into_iter()
            .filter(|one| one.default == DefaultMark::Marked)
            .map(|one| one.name)
            .collect();
        names.sort();
        names
    };
    assert_eq!(defaults().await, ["foreign", "two"]);
}

async fn a_credential_is_listed_disabled_and_deleted(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let home = instance(&owner, "home");
    let old = credential(&home);
    let new = LongTermCredential {
        username: Username::CrTempUser,
        created_at: NOW.plus(Duration::from_secs(1)),
        ..credential(&home)
    };
    assert_eq!(
        kind(apply(&store, credentials::insert(&old, QUOTA)).await),
        ErrorKind::InstanceNotFound
    );
    store
        .apply(
            write()
                .then(accounts::insert(&owner))
                .then(instances::insert(&home)),
        )
        .await
        .unwrap();
    apply(&store, credentials::insert(&old, QUOTA))
        .await
        .unwrap();
    apply(&store, credentials::insert(&new, QUOTA))
        .await
        .unwrap();
    assert_eq!(
        kind(apply(&store, credentials::insert(&new, QUOTA)).await),
        ErrorKind::AlreadyExists {
            noun: Noun::Credential
        }
    );

    let listed = credentials::list(&store, &home.id).await.unwrap();
    assert_eq!(format!("{listed:?}"), format!("{:?}", [&new, &old]));
    let found = credentials::find(&store, &old.id).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{old:?}"));

    for state in [CredentialState::Disabled, CredentialState::Active] {
        apply(&store, credentials::set_state(&old.id, state, Level::User))
            .await
            .unwrap();
        assert_eq!(
            credentials::find(&store, &old.id)
                .await
                .unwrap()
                .unwrap()
                .state,
            state
        );
    }
    apply(&store, credentials::delete(&old.id)).await.unwrap();
    assert!(credentials::find(&store, &old.id).await.unwrap().is_none());
    for part in [
        credentials::delete(&old.id),
        credentials::set_state(&old.id, CredentialState::Active, Level::User),
    ] {
        assert_eq!(
            kind(apply(&store, part).await),
            ErrorKind::NotFound {
                noun: Noun::Credential
            }
        );
    }
    assert_eq!(credentials::list(&store, &home.id).await.unwrap().len(), 1);
}

async fn keys_read_back_and_a_leaf_is_replaced_by_one_replica_only(place: &Place) {
    let store = place.store().await;
    let sealing = SealingKeyRow {
        id: "s1".to_owned(),
        wrapped: Wrapped::from_bytes(vec![1, 2]),
        created_at: NOW,
    };
    let authority = AuthorityRow {
        id: "a1".to_owned(),
        wrapped_private: None,
        certificate_der: vec![9],
        created_at: NOW,
        state: AuthorityState::InUse,
        changed_at: NOW,
    };
    let signing = SigningKeyRow {
        id: "k1".to_owned(),
        algorithm: Algorithm::Rs256,
        wrapped_private: Wrapped::from_bytes(vec![3]),
        leaf_der: vec![4],
        leaf_expires_at: NOW,
        created_at: NOW,
        next_leaf_der: None,
        certified_at: None,
    };
    let all = || {
        write()
            .then(key::insert_sealing(&sealing).unchecked())
            .then(key::insert_signing(&signing).unchecked())
            .then(key::insert_authority(&authority).unchecked())
    };
    store.apply(all()).await.unwrap();
    assert_eq!(
        kind(store.apply(all()).await),
        ErrorKind::AlreadyExists {
            noun: Noun::SealingKey
        }
    );
    assert_eq!(key::list_sealing(&store).await.unwrap(), [sealing]);
    assert_eq!(
        key::list_signing(&store).await.unwrap(),
        std::slice::from_ref(&signing)
    );
    assert_eq!(key::list_authorities(&store).await.unwrap(), [authority]);

    let later = NOW.plus(Duration::from_secs(60));
    apply(&store, key::replace_leaf("k1", NOW, &[5, 6], later, None))
        .await
        .unwrap();
    let second = apply(&store, key::replace_leaf("k1", NOW, &[7], later, None)).await;
    assert_eq!(
        kind(second),
        ErrorKind::AlreadyExists {
            noun: Noun::LeafCertificate
        }
    );
    let replaced = SigningKeyRow {
        leaf_der: vec![5, 6],
        leaf_expires_at: later,
        ..signing
    };
    assert_eq!(key::list_signing(&store).await.unwrap(), [replaced]);
}

async fn one_authority_is_next_and_one_in_use_whoever_is_quicker(place: &Place) {
    let store = place.store().await;
    let row = |id: &str, state| AuthorityRow {
        id: id.to_owned(),
        wrapped_private: Some(Wrapped::from_bytes(vec![1])),
        certificate_der: id.as_bytes().to_vec(),
        created_at: NOW,
        state,
        changed_at: NOW,
    };
    apply(
        &store,
        key::insert_authority(&row("a1", AuthorityState::InUse)).unchecked(),
    )
    .await
    .unwrap();
    let add = |id: &'static str, in_use: &str| {
        let part = key::insert_next_authority(&row(id, AuthorityState::Next), in_use);
        store.apply(write().then(part.unchecked()))
    };
    // Two operators at once: one authority.
    let (one, other) = tokio::join!(add("a2", "a1"), add("a3", "a1"));
    assert_eq!(
        [&one, &other]
            .iter()
            .filter(|outcome| outcome.is_ok())
            .count(),
        1,
        "{one:?} {other:?}"
    );
    let next = if one.is_ok() { "a2" } else { "a3" };
    let later = NOW.plus(Duration::from_secs(60));
    apply(&store, key::activate_authority(next, "a1", later))
        .await
        .unwrap();
    // Changes that depend on the one that was in use are refused.
    for part in [
        key::activate_authority(next, "a1", later),
        key::hold_authority("a1", AuthorityState::InUse),
        key::delete_authority(next, AuthorityState::Next),
    ] {
        assert_eq!(
            kind(apply(&store, part).await),
            ErrorKind::AlreadyExists {
                noun: Noun::Authority
            }
        );
    }
    assert_eq!(
        kind(add("a4", "a1").await),
        ErrorKind::AlreadyExists {
            noun: Noun::Authority
        }
    );
    apply(&store, key::forget_private(next)).await.unwrap();
    apply(&store, key::delete_authority("a1", AuthorityState::Old))
        .await
        .unwrap();
    let left = AuthorityRow {
        wrapped_private: None,
        changed_at: later,
        ..row(next, AuthorityState::InUse)
    };
    assert_eq!(key::list_authorities(&store).await.unwrap(), [left]);
}

async fn a_signing_key_waits_for_its_first_leaf_and_keeps_the_next(place: &Place) {
    let store = place.store().await;
    let row = SigningKeyRow {
        id: "k1".to_owned(),
        algorithm: Algorithm::Es256,
        wrapped_private: Wrapped::from_bytes(vec![3]),
        leaf_der: Vec::new(),
        leaf_expires_at: NOW,
        created_at: NOW,
        next_leaf_der: None,
        certified_at: None,
    };
    apply(&store, key::insert_signing(&row).unchecked())
        .await
        .unwrap();
    assert!(!key::list_signing(&store).await.unwrap()[0].is_certified());
    let [later, end] = [60, 120].map(|seconds| NOW.plus(Duration::from_secs(seconds)));
    apply(&store, key::set_next_leaf("k1", &[7])).await.unwrap();
    assert_eq!(
        kind(apply(&store, key::set_next_leaf("k2", &[7])).await),
        ErrorKind::NotFound {
            noun: Noun::SigningKey
        }
    );
    assert_eq!(
        key::list_signing(&store).await.unwrap()[0]
            .next_leaf_der
            .as_deref(),
        Some([7].as_slice())
    );
    apply(&store, key::replace_leaf("k1", NOW, &[5], end, Some(later)))
        .await
        .unwrap();
    apply(&store, key::replace_leaf("k1", end, &[6], end, Some(end)))
        .await
        .unwrap();
    let certified = SigningKeyRow {
        leaf_der: vec![6],
        leaf_expires_at: end,
        certified_at: Some(later),
        ..row
    };
    assert_eq!(certified.ready_at(), later);
    assert_eq!(key::list_signing(&store).await.unwrap(), [certified]);
}

async fn an_instance_has_one_key_that_signs_and_one_that_is_next(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let home = instance(&owner, "one");
    let row = |id: &str, state| InstanceKeyRow {
        id: id.to_owned(),
        instance: home.id.clone(),
        algorithm: Algorithm::Es256,
        wrapped_private: Wrapped::from_bytes(vec![3]),
        state,
        created_at: NOW,
    };
    let signs = row("k1", InstanceKeyState::InUse);
    let next = row("k2", InstanceKeyState::Next);
    let without = store
        .apply(write().then(instance_key::insert(&signs).unchecked()))
        .await;
    assert_eq!(kind(without), ErrorKind::InstanceNotFound);
    let both = write()
        .then(accounts::insert(&owner))
        .then(instances::insert(&home))
        .then(instance_key::insert(&signs).unchecked());
    store.apply(both).await.unwrap();
    apply(&store, instance_key::insert(&next).unchecked())
        .await
        .unwrap();
    for taken in [
        row("k3", InstanceKeyState::InUse),
        row("k3", InstanceKeyState::Next),
    ] {
        assert_eq!(
            kind(apply(&store, instance_key::insert(&taken).unchecked()).await),
            ErrorKind::AlreadyExists {
                noun: Noun::SigningKey
            }
        );
    }
    assert_eq!(
        instance_key::list(&store).await.unwrap(),
        [signs, next.clone()]
    );
    apply(&store, instance_key::activate("k2", &home.id))
        .await
        .unwrap();
    assert_eq!(
        kind(apply(&store, instance_key::activate("k2", &home.id)).await),
        ErrorKind::AlreadyExists {
            noun: Noun::SigningKey
        }
    );
    assert_eq!(
        instance_key::list(&store).await.unwrap(),
        [InstanceKeyRow {
            state: InstanceKeyState::InUse,
            ..next
        }]
    );
    apply(
        &store,
        instance_key::insert(&row("k4", InstanceKeyState::Next)).unchecked(),
    )
    .await
    .unwrap();
    apply(&store, instance_key::delete_next(&home.id))
        .await
        .unwrap();
    assert_eq!(instance_key::list(&store).await.unwrap().len(), 1);
    apply(
        &store,
        cascade::delete_instance(owner.id, &home.id, Contents::MustBeGone, NOW),
    )
    .await
    .unwrap();
    assert_eq!(instance_key::list(&store).await.unwrap(), []);
}

async fn a_setting_is_first_put_once(place: &Place) {
    let store = place.store().await;
    assert_eq!(meta::find(&store, meta::ISSUER).await.unwrap(), None);
    apply(
        &store,
        meta::put_if_absent(meta::ISSUER, b"https://a.example.com"),
    )
    .await
    .unwrap();
    let second = write()
        .then(accounts::insert(&account(1)))
        .then(meta::put_if_absent(meta::ISSUER, b"https://b.example.com"));
    assert_eq!(
        kind(store.apply(second).await),
        ErrorKind::AlreadyExists {
            noun: Noun::Setting
        }
    );
    assert_eq!(
        meta::find_text(&store, meta::ISSUER)
            .await
            .unwrap()
            .as_deref(),
        Some("https://a.example.com")
    );
    assert_eq!(accounts::list(&store).await.unwrap(), []);

    apply(&store, meta::put(meta::MASTER_KEY_CHECK, &[255, 0]))
        .await
        .unwrap();
    apply(&store, meta::put(meta::MASTER_KEY_CHECK, &[254, 0]))
        .await
        .unwrap();
    assert_eq!(
        meta::find(&store, meta::MASTER_KEY_CHECK).await.unwrap(),
        Some(vec![254, 0])
    );
    assert!(
        meta::find_text(&store, meta::MASTER_KEY_CHECK)
            .await
            .unwrap_err()
            .cause()
            .unwrap()
            .contains("table meta, column value")
    );
}

/// A store with three audit rows, recorded in another order than that of their times.
async fn three_audit_rows(place: &Place) -> (Store, [AuditRow; 3]) {
    let store = place.store().await;
    let row = |number: u64, principal: Option<&str>| AuditRow {
        id: format!("row-{number}"),
        at: NOW.plus(Duration::from_secs(number)),
        request_id: "r".to_owned(),
        action: "credential:create".to_owned(),
        principal: principal.map(str::to_owned),
        account: principal.map(|_| 1),
        credential_id: None,
        address: Some("192.0.2.1".to_owned()),
        service: None,
        detail: "{}".to_owned(),
        outcome: "ok".to_owned(),
    };
    let (one, two, three) = (row(1, Some("1:root")), row(2, None), row(3, Some("1:root")));
    store
        .apply(write().audit(&three).audit(&one))
        .await
        .unwrap();
    store.apply(write().audit(&two)).await.unwrap();
    (store, [one, two, three])
}

/// Everything that happened until the last of the three rows.
fn everything(rows: &[AuditRow; 3]) -> RowFilter<'static> {
    RowFilter {
        until: rows[2].at.plus(Duration::from_secs(1)),
        action: Wanted::Any,
        outcome: Wanted::Any,
        principal: Wanted::Any,
    }
}

fn since(at: Timestamp) -> AuditPosition {
    AuditPosition {
        at,
        id: String::new(),
    }
}

async fn list_rows(
    store: &Store,
    after: AuditPosition,
    filter: RowFilter<'_>,
    limit: u32,
) -> Vec<AuditRow> {
    audit::list(store, &after, filter, limit).await.unwrap()
}

async fn audit_rows_are_listed_in_the_order_of_time(place: &Place) {
    let (store, rows) = three_audit_rows(place).await;
    let all = everything(&rows);
    let [one, two, three] = rows;
    assert_eq!(
        list_rows(&store, since(NOW), all, 10).await,
        [one.clone(), two.clone(), three.clone()]
    );
    assert_eq!(
        list_rows(&store, since(two.at), all, 1).await,
        std::slice::from_ref(&two)
    );
    assert_eq!(
        list_rows(
            &store,
            AuditPosition {
                at: two.at,
                id: two.id.clone()
            },
            all,
            10
        )
        .await,
        std::slice::from_ref(&three)
    );
    assert_eq!(
        list_rows(
            &store,
            since(NOW),
            RowFilter {
                until: three.at,
                ..all
            },
            10
        )
        .await,
        [one.clone(), two.clone()]
    );
}

async fn audit_rows_are_filtered_by_principal(place: &Place) {
    let (store, rows) = three_audit_rows(place).await;
    let all = everything(&rows);
    let [one, _, three] = rows;
    for (wanted, expected) in [("1:root", &[&one, &three][..]), ("1:roo", &[]), ("1:", &[])] {
        assert_eq!(
            list_rows(
                &store,
                since(NOW),
                RowFilter {
                    principal: Wanted::Exactly(wanted),
                    ..all
                },
                10
            )
            .await,
            expected.iter().copied().cloned().collect::<Vec<_>>()
        );
    }
    assert_eq!(
        list_rows(
            &store,
            since(NOW),
            RowFilter {
                principal: Wanted::Beginning("1:"),
                ..all
            },
            10
        )
        .await,
        [one.clone(), three.clone()]
    );
}

async fn audit_rows_are_filtered_by_action_and_outcome(place: &Place) {
    let (store, rows) = three_audit_rows(place).await;
    let all = everything(&rows);
    for (action, count) in [
        (Wanted::Exactly("credential:create"), 3),
        (Wanted::Exactly("credential"), 0),
        (Wanted::Beginning("cred"), 3),
        (Wanted::Beginning("x"), 0),
    ] {
        assert_eq!(
            list_rows(&store, since(NOW), RowFilter { action, ..all }, 10)
                .await
                .len(),
            count,
            "{action:?}"
        );
    }
    assert_eq!(
        list_rows(
            &store,
            since(NOW),
            RowFilter {
                outcome: Wanted::Exactly("refused"),
                ..all
            },
            10
        )
        .await,
        []
    );
}

async fn audit_rows_are_trimmed_by_their_end(place: &Place) {
    let (store, rows) = three_audit_rows(place).await;
    let all = everything(&rows);
    let [.., three] = rows;
    apply(&store, audit::trim(three.at)).await.unwrap();
    assert_eq!(list_rows(&store, since(NOW), all, 10).await, [three]);
}

async fn audit_pages_are_listed_by_their_beginning_and_trimmed_by_their_end(place: &Place) {
    let store = place.store().await;
    let page = |id: &str, first: u64, last: u64, contents: &str| {
        let at = |seconds| NOW.plus(Duration::from_secs(seconds));
        AuditPage {
            id: id.to_owned(),
            first_at: at(first),
            last_at: at(last),
            lines: format!("the lines of {id}"),
            contents: contents.to_owned(),
        }
    };
    let pages = [
        page("a", 1, 9, "\na=1\n"),
        page("b", 2, 3, ""),
        page("c", 2, 8, "\na=1\n\na=2\n"),
        page("d", 5, 6, "\na+\n"),
        page("w", 4, 40, ""),
    ];
    for page in pages.iter().rev() {
        apply(&store, audit::insert_page(page)).await.unwrap();
    }
    let end = NOW.plus(Duration::from_secs(60));
    let from = |at, id: &str| AuditPosition {
        at,
        id: id.to_owned(),
    };
    let filter = |span, since, word: &str| PageFilter {
        span,
        since,
        words: [(word, "\na+\n"), ("\n", ""), ("\n", "")]
            .map(|(one, other)| (one.to_owned(), other.to_owned())),
    };
    let narrow = filter(Span::Narrow, NOW, "\n");
    let ids = async |after: AuditPosition, filter: &PageFilter, limit| {
        let heads = audit::list_pages(&store, &after, end, filter, limit)
            .await
            .unwrap();
        heads
            .iter()
            .map(|head| head.position.id.clone())
            .collect::<Vec<_>>()
            .concat()
    };
    assert_eq!(ids(from(NOW, ""), &narrow, 10).await, "abcd");
    assert_eq!(
        ids(from(NOW, ""), &filter(Span::Wide, NOW, "\n"), 10).await,
        "w"
    );
    assert_eq!(ids(from(pages[1].first_at, "b"), &narrow, 1).await, "c");
    assert_eq!(
        ids(
            from(NOW, ""),
            &filter(Span::Narrow, pages[3].last_at, "\n"),
            10
        )
        .await,
        "acd"
    );
    // Where nothing is known of a page, or it has too many words, it may have any.
    assert_eq!(
        ids(from(NOW, ""), &filter(Span::Narrow, NOW, "\na=2\n"), 10).await,
        "bcd"
    );
    let heads = audit::list_pages(&store, &from(NOW, ""), pages[1].first_at, &narrow, 10)
        .await
        .unwrap();
    let first = PageHead {
        position: from(pages[0].first_at, "a"),
        last_at: pages[0].last_at,
        bytes: Some(pages[0].lines.len()),
    };
    assert_eq!(
        heads,
        std::slice::from_ref(&first),
        "those that begin later are left out"
    );
    let read = audit::read_pages(
        &store,
        &first.position,
        &from(pages[1].first_at, "b"),
        &narrow,
    )
    .await
    .unwrap();
    assert_eq!(read, [("b".to_owned(), "the lines of b".to_owned())]);
    apply(&store, audit::trim(pages[2].last_at)).await.unwrap();
    assert_eq!(ids(from(NOW, ""), &narrow, 10).await, "ac");
}
