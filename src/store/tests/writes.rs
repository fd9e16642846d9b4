use crate::domain::Noun;
use tokio::task::JoinSet;

use super::*;
use crate::store::Entity;
use crate::store::change::{self, Change, Changes};
use crate::store::part::Rows;
use crate::store::{
    account as accounts, credential as credentials, instance as instances, operation,
};

on_both_databases! {
    a_failing_guard_leaves_nothing
    a_dry_run_says_what_the_write_would_and_leaves_nothing
    the_same_operation_happens_once
    of_many_writes_at_once_all_land_and_a_refused_one_hurts_no_other
    positions_have_no_gaps_and_follow_the_order_of_commits
    a_reader_that_fell_behind_what_is_kept_can_see_it
    the_feed_keeps_what_is_new
    creating_a_credential_is_no_change
    two_stores_on_one_database_both_write
    a_race_for_one_name_has_one_winner
    a_row_that_will_not_convert_names_table_column_and_id
    a_command_wants_a_store_that_is_there
    a_store_opens_again_with_what_it_had
    a_newer_schema_is_refused
    a_changed_migration_is_refused
}

async fn a_failing_guard_leaves_nothing(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let refused = write()
        .then(accounts::insert(&owner))
        .then(accounts::raise_generation(AccountId::new(2).unwrap()));
    assert_eq!(
        kind(store.apply(refused).await),
        ErrorKind::NotFound {
            noun: Noun::Account
        }
    );
    assert_eq!(accounts::list(&store).await.unwrap(), []);
    assert_eq!(change::position(&store).await.unwrap(), 0);
    assert_eq!(
        count(&store, "SELECT COUNT(*) AS count FROM operation").await,
        0
    );
    assert!(store.is_healthy().await);
}

async fn a_dry_run_says_what_the_write_would_and_leaves_nothing(place: &Place) {
    // The end of a dry run was told by its kind alone, so a write that was refused with that kind
    // seemed to succeed.
    let store = place.store().await;
    let owner = account(1);
    store
        .dry_run(write().then(accounts::insert(&owner)))
        .await
        .unwrap();
    assert_eq!(accounts::list(&store).await.unwrap(), []);
    assert_eq!(change::position(&store).await.unwrap(), 0);
    apply(&store, accounts::insert(&owner)).await.unwrap();
    for error in [
        || Error::unsupported("It is so."),
        || Error::internal("It is so."),
        || Error::instance_not_found(),
    ] {
        let guard = Guarded::new(
            Statement {
                table: "account",
                text: "SELECT id FROM account",
            },
            Vec::new(),
            Rows::Exactly(0),
            error,
        );
        let refused = store.dry_run(write().then(Part::of([guard]))).await;
        assert_eq!(kind(refused), *error().kind());
    }
}

async fn the_same_operation_happens_once(place: &Place) {
    let store = place.store().await;
    let operation = Operation::new(&SystemRandom, NOW);
    let owner = account(1);
    for _ in 0..2 {
        store
            .apply(Write::new(operation.clone()).then(accounts::insert(&owner)))
            .await
            .unwrap();
    }
    assert_eq!(change::position(&store).await.unwrap(), 1);

    // A refused write may be tried again under its own name.
    let operation = Operation::new(&SystemRandom, NOW);
    let second = Account {
        name: "free-now".to_owned(),
        ..account(2)
    };
    let attempt = || Write::new(operation.clone()).then(accounts::raise_generation(second.id));
    let refused = kind(store.apply(attempt()).await);
    let noun = Noun::Account;
    assert_eq!(refused, ErrorKind::NotFound { noun });
    apply(&store, accounts::insert(&second)).await.unwrap();
    store.apply(attempt()).await.unwrap();
    store.apply(attempt()).await.unwrap();
    assert_eq!(
        accounts::find(&store, second.id)
            .await
            .unwrap()
            .unwrap()
            .generation,
        2
    );

    apply(&store, operation::trim(NOW.plus(Duration::from_millis(1))))
        .await
        .unwrap();
    assert_eq!(
        count(&store, "SELECT COUNT(*) AS count FROM operation").await,
        0
    );
}

async fn of_many_writes_at_once_all_land_and_a_refused_one_hurts_no_other(place: &Place) {
    let store = place.store().await;
    apply(&store, accounts::insert(&account(7))).await.unwrap();
    let mut writes = JoinSet::new();
    for number in 1..=200 {
        let store = store.clone();
        // Every tenth is refused half-way, after it wrote something.
        writes.spawn(async move {
            let mut all = write().then(accounts::insert(&account(1000 + number)));
            if number % 10 == 0 {
                all = all.then(accounts::insert(&account(7)));
            }
            (number, store.apply(all).await)
        });
    }
    while let Some(done) = writes.join_next().await {
        let (number, result) = done.unwrap();
        match number % 10 {
            0 => assert_eq!(
                kind(result),
                ErrorKind::AlreadyExists {
                    noun: Noun::Account
                }
            ),
            _ => result.unwrap(),
        }
    }
    assert_eq!(accounts::list(&store).await.unwrap().len(), 1 + 180);
    assert_eq!(change::position(&store).await.unwrap(), 1 + 180);
}

async fn positions_have_no_gaps_and_follow_the_order_of_commits(place: &Place) {
    let store = place.store().await;
    let mut writes = JoinSet::new();
    for number in 1..=100 {
        let store = store.clone();
        writes.spawn(async move {
            // Those with an even number are slow between their first statement and their position.
            let mut all = write().changes(Entity::Instance, &number);
            for more in 0..(number % 2) * 20 {
                all = all.then(accounts::insert(&account(number * 100 + more + 1)));
            }
            store.apply(all).await.unwrap();
        });
    }
    let total = 100 + 50 * 20;
    let mut seen: Vec<Change> = Vec::new();
    // A reader at work meanwhile: a position that is committed late would leave a gap before it.
    while seen.len() < total {
        let after = seen.last().map_or(0, |change| change.position);
        match change::read(&store, after, 37).await.unwrap() {
            Changes::Next(next) => seen.extend(next),
            Changes::FellBehind { position } => panic!("a gap after {after}, at {position}"),
        }
    }
    writes.join_all().await;
    for (index, change) in seen.iter().enumerate() {
        assert_eq!(change.position, index as i64 + 1);
    }
    assert_eq!(
        seen.iter()
            .filter(|change| change.noun == Entity::Instance)
            .count(),
        100
    );
}

async fn a_reader_that_fell_behind_what_is_kept_can_see_it(place: &Place) {
    let store = place.store().await;
    for number in 1..=5 {
        apply(&store, accounts::insert(&account(number)))
            .await
            .unwrap();
    }
    apply(&store, change::trim(NOW, 2)).await.unwrap();
    assert_eq!(change::oldest(&store).await.unwrap(), Some(4));
    assert_eq!(
        change::read(&store, 2, 10).await.unwrap(),
        Changes::FellBehind { position: 5 }
    );
    let Changes::Next(next) = change::read(&store, 3, 10).await.unwrap() else {
        panic!("3 was seen, so nothing is missing")
    };
    assert_eq!(
        next.iter()
            .map(|change| change.position)
            .collect::<Vec<_>>(),
        [4, 5]
    );
    assert_eq!(
        next[1],
        Change {
            position: 5,
            noun: Entity::Account,
            id: "5".to_owned()
        }
    );
    assert_eq!(
        change::read(&store, 5, 10).await.unwrap(),
        Changes::Next(vec![])
    );
    // Put back to an older state.
    assert_eq!(
        change::read(&store, 6, 10).await.unwrap(),
        Changes::FellBehind { position: 5 }
    );

    apply(&store, change::trim(NOW.plus(Duration::from_secs(1)), 100))
        .await
        .unwrap();
    assert_eq!(change::oldest(&store).await.unwrap(), None);
    assert_eq!(
        change::read(&store, 4, 10).await.unwrap(),
        Changes::FellBehind { position: 5 }
    );
    assert_eq!(
        change::read(&store, 5, 10).await.unwrap(),
        Changes::Next(vec![])
    );

    apply(
        &store,
        raw("change", "UPDATE change_counter SET position = 6"),
    )
    .await
    .unwrap();
    apply(
        &store,
        raw(
            "change",
            "INSERT INTO change (position, noun, thing_id, changed_at) VALUES (6, 'robot', 'x', 0)",
        ),
    )
    .await
    .unwrap();
    let Changes::Next(next) = change::read(&store, 5, 10).await.unwrap() else {
        panic!("5 was seen")
    };
    assert_eq!(next[0].noun, Entity::Unknown);
}

async fn the_feed_keeps_what_is_new(place: &Place) {
    let store = place.store().await;
    let mut announcements = store.announcements();
    // The third was written by a replica whose clock is behind.
    for (number, seconds) in [(1, 10), (2, 30), (3, 20), (4, 40)] {
        let operation = Operation::new(&SystemRandom, NOW.plus(Duration::from_secs(seconds)));
        store
            .apply(Write::new(operation).then(accounts::insert(&account(number))))
            .await
            .unwrap();
    }
    assert!(announcements.has_changed().unwrap());
    announcements.mark_unchanged();
    apply(&store, change::trim(NOW.plus(Duration::from_secs(25)), 100))
        .await
        .unwrap();
    assert!(!announcements.has_changed().unwrap());
    assert_eq!(
        change::oldest(&store).await.unwrap(),
        Some(4),
        "the feed has a gap where a clock was behind"
    );
}

async fn creating_a_credential_is_no_change(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let home = instance(&owner, "home");
    let made = credential(&home);
    store
        .apply(
            write()
                .then(accounts::insert(&owner))
                .then(instances::insert(&home)),
        )
        .await
        .unwrap();
    let before = change::position(&store).await.unwrap();
    apply(&store, credentials::insert(&made, QUOTA))
        .await
        .unwrap();
    assert_eq!(change::position(&store).await.unwrap(), before);
    apply(
        &store,
        credentials::set_state(&made.id, CredentialState::Disabled, Level::User),
    )
    .await
    .unwrap();
    apply(&store, credentials::delete(&made.id)).await.unwrap();
    let Changes::Next(next) = change::read(&store, before, 10).await.unwrap() else {
        panic!("nothing was trimmed")
    };
    assert!(
        next.iter()
            .all(|change| change.noun == Entity::Credential && change.id == made.id.as_str())
    );
    assert_eq!(next.len(), 2);
}

async fn two_stores_on_one_database_both_write(place: &Place) {
    let stores = [
        place.store().await,
        place.try_open(Open::Command).await.unwrap(),
    ];
    let mut writes = JoinSet::new();
    for number in 1..=100 {
        let store = stores[number % 2].clone();
        writes.spawn(async move { apply(&store, accounts::insert(&account(number as i64))).await });
    }
    for result in writes.join_all().await {
        result.unwrap();
    }
    for store in &stores {
        assert_eq!(accounts::list(store).await.unwrap().len(), 100);
        assert_eq!(change::position(store).await.unwrap(), 100);
    }
}

async fn a_race_for_one_name_has_one_winner(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    store
        .apply(
            write()
                .then(accounts::insert(&owner))
                .then(accounts::insert(&other)),
        )
        .await
        .unwrap();
    let race = async |contenders: Vec<Instance>| {
        let mut writes = JoinSet::new();
        for contender in contenders {
            let store = store.clone();
            writes.spawn(async move { apply(&store, instances::insert(&contender)).await });
        }
        let (won, lost): (Vec<_>, Vec<_>) =
            writes.join_all().await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        lost.into_iter()
            .map(|lost| lost.unwrap_err().message().to_owned())
            .collect::<Vec<_>>()
    };
    // Several rounds: in one alone, the first may be done before the second begins.
    for round in 0..5 {
        let one_name = (0..8).map(|number| Instance {
            service: format!("{round}-{number}.example.com"),
            default: DefaultMark::Marked,
            ..instance(&owner, &format!("one-{round}"))
        });
        for message in race(one_name.collect()).await {
            assert_eq!(
                message,
                format!(
                    "Account 1 has an instance named one-{round} already; choose another name."
                )
            );
        }
        let one_service = (0..8).map(|number| Instance {
            service: format!("{round}.example.com"),
            default: DefaultMark::Marked,
            ..instance([&owner, &other][number % 2], &format!("n-{round}-{number}"))
        });
        for message in race(one_service.collect()).await {
            assert!(message.contains("choose another service"), "{message}");
        }
    }
}

async fn a_row_that_will_not_convert_names_table_column_and_id(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let home = instance(&owner, "home");
    let made = credential(&home);
    let all = write()
        .then(accounts::insert(&owner))
        .then(instances::insert(&home))
        .then(credentials::insert(&made, QUOTA));
    store.apply(all).await.unwrap();

    let cases = [
        (
            raw("", "UPDATE credential SET state = 'asleep'"),
            format!("table credential, column state, id \"{}\": ", made.id),
        ),
        (
            raw("", "UPDATE credential SET username = 'bob'"),
            format!("table credential, column username, id \"{}\": ", made.id),
        ),
        (
            raw("", "UPDATE credential SET principal = 'bob'"),
            format!("table credential, column principal, id \"{}\": ", made.id),
        ),
    ];
    for (damage, expected) in cases {
        apply(
            &store,
            raw(
                "",
                "UPDATE credential SET state = 'active', username = 'numeric_id', \
                 principal = '1:root'",
            ),
        )
        .await
        .unwrap();
        assert!(credentials::find(&store, &made.id).await.is_ok());
        apply(&store, damage).await.unwrap();
        let error = credentials::find(&store, &made.id).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Internal);
        let cause = error.cause().unwrap();
        assert!(cause.starts_with(&expected), "{cause}");
    }

    let damage = Guarded::new(
        Statement {
            table: "credential",
            text: "UPDATE credential SET secret_hash = $1, state = 'active'",
        },
        vec![[1, 2, 3].as_slice().into()],
        Rows::Exactly(1),
        unexpected,
    );
    apply(
        &store,
        raw(
            "",
            "UPDATE credential SET username = 'numeric_id', principal = '1:root'",
        ),
    )
    .await
    .unwrap();
    apply(&store, Part::of([damage])).await.unwrap();
    let cause = credentials::list(&store, &home.id)
        .await
        .unwrap_err()
        .cause()
        .unwrap();
    assert_eq!(
        cause,
        format!(
            "table credential, column secret_hash, id \"{}\": 3 bytes instead of 32",
            made.id
        )
    );

    apply(
        &store,
        raw("", "UPDATE instance SET token_ttl_seconds = -1"),
    )
    .await
    .unwrap();
    let cause = instances::find(&store, &home.id)
        .await
        .unwrap_err()
        .cause()
        .unwrap();
    assert_eq!(
        cause,
        format!(
            "table instance, column token_ttl_seconds, id \"{}\": -1 is out of range",
            home.id
        )
    );
    apply(
        &store,
        raw(
            "",
            "INSERT INTO account (id, name, generation, created_at) VALUES (0, 'zero', 1, 1)",
        ),
    )
    .await
    .unwrap();
    let cause = accounts::list(&store).await.unwrap_err().cause().unwrap();
    assert!(
        cause.starts_with("table account, column id, id 0: "),
        "{cause}"
    );
}

async fn a_command_wants_a_store_that_is_there(place: &Place) {
    let refusal = place.try_open(Open::Command).await.unwrap_err();
    assert_eq!(refusal.kind(), &ErrorKind::Misconfigured);
    assert!(
        refusal
            .message()
            .contains(&format!("there is no data in {}", place.location())),
        "{refusal}"
    );
    if let Place::Sqlite(directory) = place {
        assert!(!directory.exists());
    }
    place.store().await;
    place.try_open(Open::Command).await.unwrap();
}

async fn a_store_opens_again_with_what_it_had(place: &Place) {
    let store = place.try_open(Open::SetUp).await.unwrap();
    apply(&store, accounts::insert(&account(1))).await.unwrap();
    drop(store);
    for open in [Open::Serve, Open::SetUp, Open::Command] {
        let store = place.try_open(open).await.unwrap();
        assert_eq!(accounts::list(&store).await.unwrap(), [account(1)]);
    }
}

async fn a_newer_schema_is_refused(place: &Place) {
    let store = place.store().await;
    let newer = "INSERT INTO schema_version (number, name, checksum, applied_at) VALUES (1000, \
                 'later', 'x', 0)";
    apply(&store, raw("schema_version", newer)).await.unwrap();
    drop(store);
    for open in [Open::Serve, Open::Command] {
        let refusal = place.try_open(open).await.unwrap_err();
        assert_eq!(refusal.kind(), &ErrorKind::Misconfigured);
        assert!(
            refusal.message().contains("use the newer transire"),
            "{refusal}"
        );
    }
}

async fn a_changed_migration_is_refused(place: &Place) {
    let store = place.store().await;
    apply(
        &store,
        raw(
            "schema_version",
            "UPDATE schema_version SET checksum = 'x' WHERE number = 1",
        ),
    )
    .await
    .unwrap();
    drop(store);
    for open in [Open::Serve, Open::Command] {
        let refusal = place.try_open(open).await.unwrap_err();
        assert_eq!(refusal.kind(), &ErrorKind::Misconfigured);
        assert!(refusal.message().contains("step 1 (init)"), "{refusal}");
    }
}
