//! Fixed passwords: Alibaba's ResetLoginPassword, and the log-in with one.

use serde_json::{Value, json};
use transire::domain::ErrorKind;
use transire::domain::identity::UserState;
use transire::domain::secret::Secret;
use transire::service::InstanceChoice;

use crate::harness::documents::{allow, cam, ram, ram_allow};
use crate::harness::identity::app_of_user;
use crate::harness::operator::account;
use crate::harness::registry::granted;
use crate::harness::{ACCOUNT, App, SERVICE};

const PASSWORD: &str = "Passw0rd-EXAMPLE";

fn may_set() -> Value {
    ram(&json!([ram_allow(
        "cr:ResetLoginPassword",
        "acs:cr:*:*:instance/INSTANCE-CRI"
    )]))
}

#[tokio::test]
async fn the_root_logs_in_by_its_name_or_its_id_with_the_password_it_set() {
    let app = App::new().await;
    assert_eq!(app.status("acme", PASSWORD).await, 401);
    let answer = app.reset_login_password(PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    assert_eq!(
        body,
        json!({ "RequestId": body["RequestId"], "Code": "success", "IsSuccess": true })
    );
    assert_eq!(body["RequestId"].as_str().map(str::len), Some(36));
    // Twice: the second time it is remembered.
    for _ in 0..2 {
        assert_eq!(
            (
                app.status("acme", PASSWORD).await,
                app.status(ACCOUNT, PASSWORD).await
            ),
            (200, 200)
        );
        for (username, password) in [
            ("acme", "Passw0rd-EXAMPLF"),
            ("acme", "passw0rd-EXAMPLE"),
            ("stranger", PASSWORD),
            ("100000000002", PASSWORD),
            ("acme@acme", PASSWORD),
            ("cr_temp_user", PASSWORD),
            ("", PASSWORD),
        ] {
            assert_eq!(
                app.status(username, password).await,
                401,
                "{username} {password}"
            );
        }
    }
    let elsewhere = app
        .registry(Some(("acme", PASSWORD)), "service=other.example.com")
        .await;
    assert_eq!(elsewhere.status, 401);
    assert_eq!(
        elsewhere.body,
        app.registry(Some((ACCOUNT, "trst_no")), &format!("service={SERVICE}"))
            .await
            .body
    );
    let scope = "repository:team/app:pull,push,delete";
    assert_eq!(
        granted(&app, "acme", &Secret::new(PASSWORD), scope).await,
        scope
    );
    app.service.ledger.close().await;
    assert!(
        !app.files()
            .windows(PASSWORD.len())
            .any(|bytes| bytes == PASSWORD.as_bytes()),
        "the password stands in the data"
    );
}

#[tokio::test]
async fn a_user_logs_in_by_its_name_at_its_account() {
    let pull = cam(&json!([allow("tcr:PullRepository", "*")]));
    let app = app_of_user(&[may_set(), pull]).await;
    assert_eq!(app.reset_login_password(PASSWORD).await.status, 200);
    for (username, status) in [
        (format!("ci@{ACCOUNT}"), 200),
        ("ci@acme".to_owned(), 200),
        ("ci".to_owned(), 401),
        ("acme".to_owned(), 401),
        (ACCOUNT.to_owned(), 401),
        ("ci@stranger".to_owned(), 401),
        ("ci@100000000002".to_owned(), 401),
        ("nobody@acme".to_owned(), 401),
    ] {
        assert_eq!(app.status(&username, PASSWORD).await, status, "{username}");
    }
    let query = format!("service={SERVICE}&scope=repository:team/app:pull,push&offline_token=true");
    let answer = app
        .registry(Some(("ci@acme", PASSWORD)), &query)
        .await
        .json();
    assert_eq!(
        answer["refresh_token"],
        Value::Null,
        "it would outlive a changed password"
    );
    assert_eq!(
        granted(
            &app,
            "ci@acme",
            &Secret::new(PASSWORD),
            "repository:team/app:pull,push"
        )
        .await,
        "repository:team/app:pull"
    );
}

#[tokio::test]
async fn a_changed_password_ends_the_old_one_and_a_disabled_user_has_none() {
    let app = app_of_user(&[may_set()]).await;
    let works = async |password: &str| app.status("ci@acme", password).await == 200;
    app.reset_login_password(PASSWORD).await;
    assert!(works(PASSWORD).await);
    let new = "New:Passw0rd-EXAMPLE";
    app.reset_login_password(new).await;
    assert!(!works(PASSWORD).await && works(new).await);
    // The same once more is a new one too.
    app.reset_login_password(new).await;
    assert!(works(new).await);
    for (state, expected) in [(UserState::Disabled, false), (UserState::Active, true)] {
        app.service
            .identity
            .set_user_state(&app.operator(), account(), "ci", state)
            .await
            .unwrap();
        assert_eq!(works(new).await, expected, "{state:?}");
    }
    app.service
        .identity
        .revoke(
            &app.operator(),
            &format!("{ACCOUNT}:user/ci").parse().unwrap(),
        )
        .await
        .unwrap();
    assert!(works(new).await, "a password is nothing temporary");
    app.service
        .identity
        .delete_user(&app.operator(), account(), "ci")
        .await
        .unwrap();
    assert!(!works(new).await);
    // Another user of that name has another password.
    app.service
        .identity
        .create_user(&app.operator(), account(), "ci")
        .await
        .unwrap();
    assert!(!works(new).await);
}

#[tokio::test]
async fn the_operator_takes_a_password_back_and_its_owner_sets_another() {
    let app = app_of_user(&[may_set()]).await;
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    let delete = async |principal: &str| {
        let principal = format!("{ACCOUNT}:{principal}").parse().unwrap();
        app.service
            .credentials
            .delete_fixed_password(&app.operator(), &choice, &principal)
            .await
    };
    app.reset_login_password(PASSWORD).await;
    assert_eq!(app.status("ci@acme", PASSWORD).await, 200);
    delete("user/ci").await.unwrap();
    assert_eq!(app.status("ci@acme", PASSWORD).await, 401);
    assert!(matches!(
        delete("user/ci").await.unwrap_err().kind(),
        ErrorKind::NotFound { .. }
    ));
    assert!(matches!(
        delete("root").await.unwrap_err().kind(),
        ErrorKind::NotFound { .. }
    ));
    assert_eq!(
        delete("role/builder").await.unwrap_err().kind(),
        &ErrorKind::Unsupported
    );
    app.reset_login_password(PASSWORD).await;
    assert_eq!(app.status("ci@acme", PASSWORD).await, 200);
}

#[tokio::test]
async fn what_is_asked_of_a_password_is_checked() {
    let app = App::new().await;
    let cri = app.instance.cri_id.as_str();
    for (query, expected) in [
        (&[("InstanceId", cri)][..], (400, "MissingPassword")),
        (&[("Password", PASSWORD)], (400, "MissingInstanceId")),
        (
            &[
                ("InstanceId", "cri-zzzzzzzzzzzzzzzz"),
                ("Password", PASSWORD),
            ],
            (404, "INSTANCE_NOT_EXIST"),
        ),
        (
            &[("InstanceId", "x"), ("Password", PASSWORD)],
            (404, "INSTANCE_NOT_EXIST"),
        ),
        (
            &[
                ("InstanceId", app.foreign_instance.cri_id.as_str()),
                ("Password", PASSWORD),
            ],
            (404, "INSTANCE_NOT_EXIST"),
        ),
        (
            &[("InstanceId", cri), ("Password", "short-1")],
            (400, "InvalidPassword"),
        ),
        (
            &[("InstanceId", cri), ("Password", "onlyletters")],
            (400, "InvalidPassword"),
        ),
        (
            &[("InstanceId", cri), ("Password", "with space 1")],
            (400, "InvalidPassword"),
        ),
        (
            &[("InstanceId", cri), ("Password", "pässwörd-1")],
            (400, "InvalidPassword"),
        ),
        (
            &[("InstanceId", cri), ("Password", "trst_Passw0rd")],
            (400, "InvalidPassword"),
        ),
        (
            &[
                ("InstanceId", cri),
                ("Password", "a23456789012345678901234567890123"),
            ],
            (400, "InvalidPassword"),
        ),
    ] {
        let answer = app.alibaba("ResetLoginPassword", query).send().await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.json()["Code"].as_str().unwrap()
            ),
            expected,
            "{query:?}"
        );
        let given = query
            .iter()
            .find(|(name, _)| *name == "Password")
            .map_or(PASSWORD, |(_, password)| password);
        assert!(!answer.body.contains(given), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_user_needs_a_right_to_set_one_and_a_session_can_have_none() {
    let app = app_of_user(&[ram(&json!([ram_allow(
        ["cr:Get*", "sts:GetFederationToken"],
        "*",
    )]))])
    .await;
    let denied = app.reset_login_password(PASSWORD).await;
    assert_eq!(
        (denied.status.as_u16(), denied.json()["Code"].clone()),
        (403, json!("NoPrivilege"))
    );
    assert_eq!(
        denied.json()["AccessDeniedDetail"]["AuthAction"],
        "cr:ResetLoginPassword"
    );

    let app = App::new().await;
    let everything = ram(&json!([ram_allow("*", "*")]));
    let user = app.user("ci", &everything).await;
    app.role("builder", &everything).await;
    let key = app.alibaba_session(&user, "builder", &[]).await.key();
    let query = [
        ("InstanceId", app.instance.cri_id.as_str()),
        ("Password", PASSWORD),
    ];
    let call = app
        .alibaba("ResetLoginPassword", &query)
        .by(&key)
        .header("x-acs-security-token", key.token.as_deref().unwrap());
    let refused = call.send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["Code"].clone()),
        (400, json!("UnsupportedOperation")),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn a_chosen_password_waits_after_failures_unless_it_is_remembered_or_comes_from_elsewhere() {
    let app = App::with(|options| {
        (
            options.service.limits.failed_log_ins,
            options.service.limits.failed_log_ins_per_minute,
        ) = (2, 6)
    })
    .await;
    app.reset_login_password(PASSWORD).await;
    let query = format!("service={SERVICE}");
    let try_at = async |peer: &str, username: &str, secret: &str| {
        let answer = app
            .registry_from(peer, Some((username, secret)), &query)
            .await;
        (
            answer.status.as_u16(),
            answer.header("retry-after").map(str::to_owned),
        )
    };
    let (waits, right, wrong) = ((429, Some("10".to_owned())), (200, None), (401, None));
    for guess in ["Passw0rd-wrong-1", "Passw0rd-wrong-2"] {
        assert_eq!(try_at("192.0.2.1", "acme", guess).await, wrong);
    }
    assert_eq!(try_at("192.0.2.1", "acme", "Passw0rd-wrong-3").await, waits);
    assert_eq!(
        try_at("192.0.2.1", "acme", PASSWORD).await,
        waits,
        "whether it is right isn't looked at"
    );
    assert_eq!(
        try_at("192.0.2.1", ACCOUNT, PASSWORD).await,
        right,
        "another username has its own count"
    );
    // Nobody is kept out by what others do; and what was right a moment ago costs nothing to find
    // right again.
    assert_eq!(try_at("192.0.2.2", "acme", PASSWORD).await, right);
    assert_eq!(try_at("192.0.2.1", "acme", PASSWORD).await, right);
    assert_eq!(try_at("192.0.2.1", "acme", "Passw0rd-wrong-4").await, waits);
    app.wait(std::time::Duration::from_secs(10));
    assert_eq!(try_at("192.0.2.1", "acme", "Passw0rd-wrong-5").await, wrong);
    assert_eq!(try_at("192.0.2.1", "acme", "Passw0rd-wrong-6").await, waits);
}

#[tokio::test]
async fn passwords_beyond_the_pool_are_told_to_come_again_and_nothing_else_is() {
    let app = App::with(|options| {
        (
            options.service.passwords.threads,
            options.service.passwords.queue,
        ) = (1, 0);
        // Being sent away is no refusal: it must not count against the address.
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 5);
    })
    .await;
    let (username, temporary) = app.temporary().await;
    app.reset_login_password(PASSWORD).await;
    let query = format!("service={SERVICE}");
    // Each under a name of its own: of one name, one waits for the other.
    let wrong = async |secret: &'static str| app.registry(Some(("acme", secret)), &query).await;
    let by = async |username: &'static str, secret: &'static str| {
        app.registry(Some((username, secret)), &query).await
    };
    // From here on the database is not asked before the pool is.
    assert_eq!(wrong("Passw0rd-wrong-0").await.status, 401);
    // Each is polled in turn on this one thread: the first holds the pool until a thread of its own
    // is done.
    let (first, busy, also, credential, made) = tokio::join!(
        biased;
        wrong("Passw0rd-wrong-1"),
        by("ci@acme", "Passw0rd-wrong-2"),
        by(ACCOUNT, PASSWORD),
        app.registry(Some((&username, temporary.expose())), &query),
        wrong("trst_notASecretOfAnybody"),
    );
    assert_eq!(first.status, 401, "{}", first.body);
    for busy in [busy, also] {
        assert_eq!(
            (busy.status.as_u16(), busy.header("retry-after")),
            (429, Some("1")),
            "{}",
            busy.body
        );
        assert_eq!(busy.json()["errors"][0]["code"], "TOOMANYREQUESTS");
    }
    assert_eq!(
        (credential.status.as_u16(), made.status.as_u16()),
        (200, 401),
        "what this service made needs no pool"
    );
    assert_eq!(wrong(PASSWORD).await.status, 200);
    let (first, again) = tokio::join!(biased; by("ci@acme", "Passw0rd-wrong-3"), wrong(PASSWORD));
    assert_eq!(
        (first.status.as_u16(), again.status.as_u16()),
        (401, 200),
        "a success is remembered, and needs no pool"
    );
}

/// Logs in with so many guesses at once, and returns how many were looked at and found wrong.
async fn guess_at_once(
    app: &std::sync::Arc<App>,
    guesses: usize,
    username: impl Fn(usize) -> String,
) -> usize {
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..guesses {
        let (app, username) = (std::sync::Arc::clone(app), username(number));
        crowd.spawn(async move {
            let guess = format!("Passw0rd-wrong-{number}");
            app.registry(Some((&username, &guess)), &format!("service={SERVICE}"))
                .await
                .status
                .as_u16()
        });
    }
    let statuses = crowd.join_all().await;
    assert!(
        statuses.iter().all(|status| [401, 429].contains(status)),
        "{statuses:?}"
    );
    statuses.into_iter().filter(|status| *status == 401).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_guesses_at_once_no_more_are_hashed_than_the_limit_allows() {
    // It was looked at before the hash and counted after it: 36 guesses were hashed where one was
    // allowed.
    let app = App::with(|options| {
        (
            options.service.limits.failed_log_ins,
            options.service.limits.failed_log_ins_per_minute,
        ) = (3, 1);
        (
            options.service.passwords.threads,
            options.service.passwords.queue,
        ) = (4, 32);
    })
    .await;
    app.reset_login_password(PASSWORD).await;
    let app = std::sync::Arc::new(app);
    assert_eq!(guess_at_once(&app, 40, |_| "acme".to_owned()).await, 3);
    // And a service account's by the same count.
    assert_eq!(guess_at_once(&app, 40, |_| "tcr$robot".to_owned()).await, 3);
    assert_eq!(
        app.status(ACCOUNT, PASSWORD).await,
        200,
        "another username has its own"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_guesses_at_once_over_usernames_no_more_are_hashed_than_an_address_may_fail() {
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 5);
        (
            options.service.passwords.threads,
            options.service.passwords.queue,
        ) = (4, 200);
    })
    .await;
    app.reset_login_password(PASSWORD).await;
    let app = std::sync::Arc::new(app);
    assert_eq!(
        guess_at_once(&app, 60, |number| format!("user-{number}")).await,
        5
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_password_that_comes_many_times_at_once_is_hashed_once_and_uses_nothing_up() {
    let app = App::with(|options| {
        (
            options.service.limits.failed_log_ins,
            options.service.limits.failed_log_ins_per_minute,
        ) = (1, 1)
    })
    .await;
    app.reset_login_password(PASSWORD).await;
    let app = std::sync::Arc::new(app);
    let mut layers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let app = std::sync::Arc::clone(&app);
        layers.spawn(async move { app.status("acme", PASSWORD).await });
    }
    assert_eq!(layers.join_all().await, [200; 8]);
    assert_eq!(guess_at_once(&app, 1, |_| "acme".to_owned()).await, 1);
}

/// Guesses with always new usernames from an address until it is dropped, with so many guesses
/// under way at once.
fn flood(
    app: &std::sync::Arc<App>,
    peer: &'static str,
    at_once: usize,
) -> tokio::task::JoinSet<()> {
    let mut flood = tokio::task::JoinSet::new();
    for number in 0..at_once {
        let app = std::sync::Arc::clone(app);
        flood.spawn(async move {
            for round in 0.. {
                let username = format!("made-up-{number}-{round}@acme");
                let answer = app
                    .registry_from(
                        peer,
                        Some((&username, "Passw0rd-wrong-1")),
                        &format!("service={SERVICE}"),
                    )
                    .await;
                assert!(
                    [401, 429].contains(&answer.status.as_u16()),
                    "{}",
                    answer.body
                );
                tokio::task::yield_now().await;
            }
        });
    }
    flood
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_usernames_keep_nobody_out_who_logged_in_before_nor_any_signed_call() {
    // One address that guessed with always new usernames had 20 of 25 right log-ins told to come
    // again, and signed calls that set a password.
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1_000_000, 1_000_000);
        (
            options.service.passwords.threads,
            options.service.passwords.queue,
        ) = (2, 4);
    })
    .await;
    let app = std::sync::Arc::new(app);
    app.reset_login_password(PASSWORD).await;
    let here = "192.0.2.1";
    let log_in = async |password: &str| {
        app.registry_from(
            here,
            Some(("acme", password)),
            &format!("service={SERVICE}"),
        )
        .await
        .status
    };
    assert_eq!(log_in(PASSWORD).await, 200);
    let flood = flood(&app, here, 40);
    for round in 0..10 {
        // A new password, so that no success of it is remembered and it has to be hashed.
        let password = format!("Passw0rd-EXAMPLE-{round}");
        let set = app.reset_login_password(&password).await;
        assert_eq!(set.status, 200, "round {round}: {}", set.body);
        assert_eq!(log_in(&password).await, 200, "round {round}");
    }
    drop(flood);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_usernames_of_one_address_keep_no_other_address_out() {
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1_000_000, 1_000_000);
        (
            options.service.passwords.threads,
            options.service.passwords.queue,
        ) = (2, 4);
    })
    .await;
    let app = std::sync::Arc::new(app);
    let flood = flood(&app, "192.0.2.1", 40);
    for round in 0..10 {
        let password = format!("Passw0rd-EXAMPLE-{round}");
        app.reset_login_password(&password).await;
        let (elsewhere, query) = (
            format!("192.0.2.{}", round + 2),
            format!("service={SERVICE}"),
        );
        let answer = app
            .registry_from(&elsewhere, Some(("acme", &password)), &query)
            .await;
        assert_eq!(answer.status, 200, "round {round}: {}", answer.body);
    }
    drop(flood);
}

#[tokio::test]
async fn what_else_fails_at_an_address_keeps_no_chosen_password_waiting() {
    // A job with a bad token kept everybody with a password behind the same address out.
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 1)
    })
    .await;
    app.reset_login_password(PASSWORD).await;
    for guess in 0..5 {
        app.status("acme", &format!("trst_guess{guess}")).await;
    }
    assert_eq!(app.status(ACCOUNT, PASSWORD).await, 200);
}
