//! Notices: what makes them, that each is made once, and how the webhook is told.

use std::time::Duration;

use transire::domain::credential::{CredentialId, CredentialState};
use transire::domain::notice::{Notice, NoticeId, NoticeKind, NoticeState, SubjectKind};
use transire::domain::operator::OperatorRole;
use transire::domain::secret::Secret;
use transire::domain::service_account::{AccountPermissions, ServiceAccountState};
use transire::domain::{ErrorKind, Noun};
use transire::service::{NewServiceAccount, Validity};
use transire::store::Location;

use crate::harness::operator::{account, context};
use crate::harness::postgres::Database;
use crate::harness::receiver::Receiver;
use crate::harness::{ACCOUNT, App, NOW};

const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);

/// Two replicas of one service.
struct Two {
    one: App,
    other: App,
}

impl Two {
    async fn new(location: Location) -> Self {
        let one = App::at(Some(location.clone()), |_| {}).await;
        let other = App::beside(&one, location).await;
        let two = Self { one, other };
        two.later(Duration::ZERO).await;
        two
    }

    /// Lets time pass; then both make the notices that are due, at once.
    async fn later(&self, time: Duration) {
        self.one.wait(time);
        self.other.wait(time);
        let (one, other) = (&self.one.service.notices, &self.other.service.notices);
        let (of_one, of_other) = tokio::join!(one.make_due(), other.make_due());
        of_one.and(of_other).unwrap();
    }
}

async fn notices(app: &App) -> Vec<Notice> {
    let found = app.service.notices.list(&app.operator(), None).await;
    let mut found = found.unwrap();
    found.reverse();
    found
}

async fn kinds(app: &App) -> Vec<NoticeKind> {
    let found = notices(app).await.into_iter();
    found.map(|notice| notice.kind).collect()
}

async fn service_account(app: &App, name: &str, lives: Duration) -> Secret {
    let new = NewServiceAccount {
        name: name.to_owned(),
        description: String::new(),
        permissions: AccountPermissions::new(),
        validity: Some(Validity::Until(app.now().plus(lives))),
        state: ServiceAccountState::Active,
    };
    let made = app
        .service
        .credentials
        .create_service_account(&app.operator(), &app.choice(), new)
        .await;
    made.unwrap().1
}

async fn credential(app: &App) -> (CredentialId, String) {
    let made = app
        .service
        .credentials
        .create_credential(&app.operator(), &app.choice(), None, "ci")
        .await;
    let (stored, secret) = made.unwrap();
    (stored.id, secret.expose().to_owned())
}

async fn rotate(app: &App, id: &CredentialId, grace: Duration) {
    app.service
        .credentials
        .rotate_credential(&app.operator(), &app.choice(), id, grace)
        .await
        .unwrap();
}

async fn each_notice_of_an_end_is_made_once(location: Location) {
    let two = Two::new(location).await;
    service_account(&two.one, "robot", 10 * DAY).await;
    two.later(2 * DAY).await;
    assert_eq!(kinds(&two.one).await, []);
    for (wait, expected) in [
        (DAY + SECOND, NoticeKind::Expiring),
        (6 * DAY, NoticeKind::Expiring),
        (DAY, NoticeKind::Expired),
    ] {
        let before = kinds(&two.one).await;
        two.later(wait).await;
        two.later(SECOND).await;
        let after = kinds(&two.other).await;
        assert_eq!(after[before.len()..], [expected]);
    }
    let all = notices(&two.one).await;
    for notice in &all {
        assert_eq!(notice.subject.kind, SubjectKind::ServiceAccount);
        assert_eq!(notice.subject.name.as_deref(), Some("tcr$robot"));
        assert_eq!(notice.ends_at, Some(NOW.plus(10 * DAY)));
        assert_eq!(notice.subject.account, Some(account()));
    }
}

#[tokio::test]
async fn each_notice_of_an_end_is_made_once_on_sqlite() {
    let place = std::env::temp_dir().join(format!("transire-notices-{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    each_notice_of_an_end_is_made_once(Location::Directory(place.clone())).await;
    std::fs::remove_dir_all(place).unwrap();
}

#[tokio::test]
async fn each_notice_of_an_end_is_made_once_on_postgres() {
    let Some(database) = Database::new().await else {
        return;
    };
    each_notice_of_an_end_is_made_once(database.location()).await;
    database.remove().await;
}

/// Makes the notices that are due after some time.
async fn later(app: &App, time: Duration) {
    app.later(time).await;
    app.service.notices.make_due().await.unwrap();
}

#[tokio::test]
async fn pages_of_ends_at_one_moment_are_told_to_the_last() {
    let app = App::with(|options| options.service.quotas.service_accounts = 300).await;
    later(&app, Duration::ZERO).await;
    // More than a write takes.
    for number in 0..205 {
        service_account(&app, &format!("robot-{number}"), 3 * DAY).await;
    }
    later(&app, 2 * DAY + SECOND).await;
    assert_eq!(kinds(&app).await, [NoticeKind::Expiring; 205]);
}

#[tokio::test]
async fn the_secret_before_a_rotation_has_notices_of_its_own() {
    let app = App::new().await;
    later(&app, Duration::ZERO).await;
    let (id, _) = credential(&app).await;
    rotate(&app, &id, 3 * DAY).await;
    later(&app, 2 * DAY + SECOND).await;
    later(&app, DAY).await;
    let told: Vec<_> = notices(&app)
        .await
        .into_iter()
        .map(|notice| (notice.kind, notice.is_older_secret, notice.ends_at))
        .collect();
    let ends_at = Some(NOW.plus(3 * DAY));
    assert_eq!(
        told,
        [
            (NoticeKind::Rotated, false, ends_at),
            (NoticeKind::Expiring, true, ends_at),
            (NoticeKind::Expired, true, ends_at),
        ]
    );
}

#[tokio::test]
async fn a_disabled_secret_has_no_notice_of_its_end() {
    let app = App::new().await;
    later(&app, Duration::ZERO).await;
    let (id, _) = credential(&app).await;
    rotate(&app, &id, 3 * DAY).await;
    // Notices are listed by their time.
    later(&app, SECOND).await;
    let of = &app.service.credentials;
    of.set_credential_state(
        &app.operator(),
        &app.choice(),
        &id,
        CredentialState::Disabled,
    )
    .await
    .unwrap();
    later(&app, 4 * DAY).await;
    assert_eq!(
        kinds(&app).await,
        [NoticeKind::Rotated, NoticeKind::Revoked]
    );
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_notice_twice() {
    let app = App::new().await;
    later(&app, Duration::ZERO).await;
    service_account(&app, "robot", 3 * DAY).await;
    later(&app, 2 * DAY + SECOND).await;
    app.set_back(SECOND * 60);
    later(&app, Duration::ZERO).await;
    later(&app, SECOND * 120).await;
    assert_eq!(kinds(&app).await, [NoticeKind::Expiring]);
}

#[tokio::test]
async fn a_clock_that_was_far_ahead_stops_no_notices() {
    let app = App::new().await;
    app.wait(100 * DAY);
    later(&app, Duration::ZERO).await;
    app.set_back(100 * DAY);
    later(&app, Duration::ZERO).await;
    service_account(&app, "robot", 3 * DAY).await;
    later(&app, 2 * DAY + SECOND).await;
    assert_eq!(kinds(&app).await, [NoticeKind::Expiring]);
}

#[tokio::test]
async fn whatever_stops_a_secret_tells_it_once() {
    let app = App::new().await;
    let (call, choice) = (app.operator(), app.choice());
    let (of, identity) = (&app.service.credentials, &app.service.identity);
    let (id, _) = credential(&app).await;
    for _ in 0..2 {
        of.set_credential_state(&call, &choice, &id, CredentialState::Disabled)
            .await
            .unwrap();
    }
    of.delete_credential(&call, &choice, &id).await.unwrap();
    service_account(&app, "robot", DAY).await;
    of.delete_service_account(&call, &choice, "robot")
        .await
        .unwrap();
    let root = format!("{ACCOUNT}:root").parse().unwrap();
    identity.revoke(&call, &root).await.unwrap();
    let mut told: Vec<_> = notices(&app)
        .await
        .into_iter()
        .map(|notice| (notice.kind, notice.subject.kind))
        .collect();
    let revoked = NoticeKind::Revoked;
    let mut expected = vec![
        (revoked, SubjectKind::Credential),
        (revoked, SubjectKind::Credential),
        (revoked, SubjectKind::ServiceAccount),
        (revoked, SubjectKind::Principal),
    ];
    // They were made at one moment, so their order is that of their ids.
    expected.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_secret_that_is_refused_often_is_told_once_an_hour_by_all_replicas() {
    let app = App::with(|options| options.service.notices.refusals_per_hour = 3).await;
    let replica = app.replica().await;
    let (id, secret) = credential(&app).await;
    rotate(&app, &id, Duration::ZERO).await;
    for _ in 0..2 {
        assert!(!app.logs_in(ACCOUNT, &secret).await);
    }
    later(&app, Duration::ZERO).await;
    assert_eq!(kinds(&app).await, [NoticeKind::Rotated]);
    assert!(!app.logs_in(ACCOUNT, &secret).await);
    later(&app, Duration::ZERO).await;
    assert!(!app.logs_in(ACCOUNT, &secret).await);
    later(&app, Duration::ZERO).await;
    replica.service.notices.make_due().await.unwrap();
    let told = notices(&app).await;
    let of_refusals: Vec<_> = told
        .iter()
        .filter(|notice| notice.kind == NoticeKind::RefusedTooOften)
        .collect();
    assert_eq!(of_refusals.len(), 1);
    assert_eq!(of_refusals[0].refusals, Some(3));
    assert_eq!(of_refusals[0].subject.id, id.to_string());
}

/// An app whose webhook is a receiver.
struct Hooked {
    app: App,
    receiver: Receiver,
}

impl Hooked {
    async fn new() -> Self {
        let receiver = Receiver::start().await;
        let webhook = receiver.settings();
        let app = App::with(|options| options.service.webhook = Some(webhook)).await;
        Self { app, receiver }
    }

    async fn test(&self) -> NoticeId {
        let (app, call) = (&self.app, self.app.operator());
        app.service.notices.test(&call).await.unwrap().id
    }

    async fn send(&self) {
        self.app.service.notices.send_due().await.unwrap();
    }

    async fn shown(&self, id: &NoticeId) -> Notice {
        let call = self.app.operator();
        self.app.service.notices.show(&call, id).await.unwrap()
    }
}

#[tokio::test]
async fn the_webhook_is_told_what_its_receiver_can_verify() {
    let hooked = Hooked::new().await;
    let (id, secret) = credential(&hooked.app).await;
    rotate(&hooked.app, &id, DAY).await;
    hooked.send().await;
    let told = hooked.receiver.told().remove(0);
    assert_eq!(told.headers["content-type"], "application/json");
    let document = told.verified();
    assert_eq!(document["type"], "notice.rotated");
    assert_eq!(document["timestamp"], NOW.rfc3339());
    let data = &document["data"];
    assert_eq!(data["id"], told.headers["webhook-id"].as_str());
    assert_eq!(data["subject"]["kind"], "credential");
    assert_eq!(data["subject"]["id"], id.to_string());
    assert_eq!(data["account_id"], ACCOUNT);
    assert_eq!(data["instance_id"], hooked.app.instance.id.to_string());
    assert_eq!(data["ends_at"], NOW.plus(DAY).rfc3339());
    assert!(!document.to_string().contains(&secret));
    hooked.send().await;
    assert_eq!(hooked.receiver.told().len(), 1);
    let stored = notices(&hooked.app).await.remove(0);
    assert_eq!(stored.state, NoticeState::Delivered);
}

#[tokio::test]
async fn a_notice_that_is_not_taken_comes_again_later_and_later_until_it_is_dead() {
    let hooked = Hooked::new().await;
    hooked.receiver.answer([500; 15]);
    let id = hooked.test().await;
    let mut pauses = Vec::new();
    loop {
        hooked.send().await;
        let stored = hooked.shown(&id).await;
        assert_eq!(hooked.receiver.told().len(), stored.attempts as usize);
        if stored.state == NoticeState::Dead {
            break;
        }
        let pause = hooked.app.now().until(stored.due_at);
        hooked.app.wait(pause - Duration::from_millis(1));
        hooked.send().await;
        assert_eq!(hooked.shown(&id).await.attempts, stored.attempts);
        hooked.app.wait(Duration::from_millis(1));
        pauses.push(pause);
    }
    assert_eq!(pauses.len(), 14);
    assert!(Duration::from_secs(4) <= pauses[0] && pauses[0] <= Duration::from_secs(5));
    assert!(pauses.iter().sum::<Duration>() > 2 * DAY);
    let dead = hooked.shown(&id).await;
    assert_eq!(dead.failure.as_deref(), Some("the receiver answered 500"));
    let ids: Vec<_> = hooked.receiver.told();
    assert!(
        ids.iter()
            .all(|told| told.headers["webhook-id"] == id.as_str())
    );
}

#[tokio::test]
async fn a_dead_notice_is_sent_again_when_an_operator_says_so() {
    let hooked = Hooked::new().await;
    let (service, call) = (&hooked.app.service, hooked.app.operator());
    // It says that it takes nothing any more.
    hooked.receiver.answer([410]);
    let id = hooked.test().await;
    hooked.send().await;
    assert_eq!(hooked.shown(&id).await.state, NoticeState::Dead);
    service.notices.trim().await.unwrap();
    let warned = service.operations.notice_warnings();
    assert!(warned[0].0.contains("1 notices"), "{warned:?}");
    service.notices.retry(&call, &id).await.unwrap();
    hooked.send().await;
    assert_eq!(hooked.shown(&id).await.state, NoticeState::Delivered);
    let again = service.notices.retry(&call, &id).await.unwrap_err();
    let noun = Noun::Notice;
    assert_eq!(again.kind(), &ErrorKind::PreconditionFailed { noun });
    service.notices.trim().await.unwrap();
    assert_eq!(service.operations.notice_warnings(), []);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let hooked = Hooked::new().await;
    hooked.receiver.answer([302]);
    let id = hooked.test().await;
    hooked.send().await;
    let stored = hooked.shown(&id).await;
    assert_eq!(stored.failure.as_deref(), Some("the receiver answered 302"));
    assert_eq!(stored.state, NoticeState::Waiting);
}

#[tokio::test]
async fn of_two_replicas_one_sends_a_notice() {
    let hooked = Hooked::new().await;
    let replica = hooked.app.replica().await;
    for _ in 0..20 {
        hooked.test().await;
    }
    loop {
        let (one, other) = (&hooked.app.service.notices, &replica.service.notices);
        let (of_one, of_other) = tokio::join!(one.send_due(), other.send_due());
        of_one.unwrap();
        of_other.unwrap();
        let all = notices(&hooked.app).await;
        if all.iter().all(|one| one.state == NoticeState::Delivered) {
            break;
        }
    }
    assert_eq!(hooked.receiver.told().len(), 20);
}

#[tokio::test]
async fn a_kind_that_the_webhook_is_not_told_is_kept() {
    let receiver = Receiver::start().await;
    let mut webhook = receiver.settings();
    webhook.kinds = vec![NoticeKind::Test];
    let app = App::with(|options| options.service.webhook = Some(webhook)).await;
    let (id, _) = credential(&app).await;
    rotate(&app, &id, DAY).await;
    app.service.notices.send_due().await.unwrap();
    assert_eq!(notices(&app).await[0].state, NoticeState::Kept);
    assert_eq!(receiver.told().len(), 0);
}

#[tokio::test]
async fn a_private_address_is_not_told_unless_the_settings_allow_it() {
    let receiver = Receiver::start().await;
    let mut webhook = receiver.settings();
    webhook.outgoing.allow_private_addresses = false;
    let app = App::with(|options| options.service.webhook = Some(webhook)).await;
    app.service.notices.test(&app.operator()).await.unwrap();
    app.service.notices.send_due().await.unwrap();
    assert_eq!(receiver.told().len(), 0);
    assert_eq!(notices(&app).await[0].state, NoticeState::Waiting);
}

#[tokio::test]
async fn without_a_webhook_notices_are_kept_and_none_is_tried() {
    let app = App::new().await;
    let (id, _) = credential(&app).await;
    rotate(&app, &id, DAY).await;
    let refused = app.service.notices.test(&app.operator()).await.unwrap_err();
    let noun = Noun::Setting;
    assert_eq!(refused.kind(), &ErrorKind::PreconditionFailed { noun });
    app.wait(4 * DAY);
    app.service.notices.trim().await.unwrap();
    assert_eq!(notices(&app).await[0].state, NoticeState::Kept);
    app.wait(30 * DAY);
    app.service.notices.trim().await.unwrap();
    assert_eq!(notices(&app).await, []);
}

#[tokio::test]
async fn an_account_admin_sees_the_notices_of_its_account() {
    let app = App::new().await;
    let (id, _) = credential(&app).await;
    rotate(&app, &id, DAY).await;
    let told = notices(&app).await.remove(0);
    for (of, sees) in [(ACCOUNT, true), ("100000000002", false)] {
        let (role, name) = (
            OperatorRole::AccountAdmin(of.parse().unwrap()),
            format!("of-{of}"),
        );
        let identity = &app.service.identity;
        let made = identity.create_operator(&app.operator(), &name, role).await;
        let request = context();
        let access = &app.service.access;
        let caller = access
            .authenticate_operator(&made.unwrap().1, &request)
            .await;
        let caller = caller.unwrap();
        let call = app.service.call(&caller, &request);
        let listed = app.service.notices.list(&call, None).await.unwrap();
        assert_eq!(!listed.is_empty(), sees);
        let shown = app.service.notices.show(&call, &told.id).await;
        let noun = Noun::Notice;
        let missing = shown.is_err_and(|error| *error.kind() == ErrorKind::NotFound { noun });
        assert_eq!(missing, !sees);
        let retried = app
            .service
            .notices
            .retry(&call, &told.id)
            .await
            .unwrap_err();
        assert!(matches!(retried.kind(), ErrorKind::OperatorDenied { .. }));
    }
}
