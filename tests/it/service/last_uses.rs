//! Last uses: what logs in or signs is shown with the hour, and replicas agree on the latest.

use std::time::Duration;

use serde_json::json;
use transire::domain::clock::Timestamp;
use transire::service::{Page, Service};

use crate::harness::operator::operator_call;
use crate::harness::postgres::Database;
use crate::harness::{ACCOUNT, App};

const PASSWORD: &str = "Passw0rd-EXAMPLE";
const HOUR: Duration = Duration::from_hours(1);

/// The last use of an access key, a credential, a fixed password and a service account.
type LastUsed = [Option<Timestamp>; 4];

/// An app with one of each kind whose use is recorded.
struct Used {
    app: App,
    credential: String,
    robot: String,
}

impl Used {
    async fn new(app: App) -> Self {
        let (_, credential) = app.long_term("ci").await;
        let robot = app.create_robot(&json!({})).await;
        assert_eq!(app.reset_login_password(PASSWORD).await.status, 200);
        Self {
            app,
            credential,
            robot,
        }
    }

    async fn of(&self, service: &Service) -> LastUsed {
        let (call, choice) = (operator_call(service), self.app.choice());
        let credentials = &service.credentials;
        let keys = service.identity.access_keys(&call, None).await.unwrap();
        let key = keys.into_iter().find(|key| key.id == self.app.key.id);
        let made = credentials.credentials(&call, &choice).await.unwrap();
        let passwords = credentials.fixed_passwords(&call, &choice).await.unwrap();
        let robots = credentials
            .service_accounts(&call, &choice, None, Page::ALL)
            .await
            .unwrap();
        [
            key.unwrap().last_used_at,
            made[0].last_used_at,
            passwords[0].last_used_at,
            robots.items[0].last_used_at,
        ]
    }

    /// Uses everything once.
    async fn use_all(&self) {
        self.app.wait(Duration::from_secs(1));
        self.app.temporary().await;
        assert!(self.app.logs_in(ACCOUNT, &self.credential).await);
        assert!(self.app.logs_in("acme", PASSWORD).await);
        assert!(self.app.robot_logs_in(&self.robot).await);
    }
}

fn hour(text: &str) -> Option<Timestamp> {
    Some(Timestamp::parse_rfc3339(text).unwrap())
}

async fn each_use_is_shown_to_the_hour(app: App) {
    let used = Used::new(app).await;
    let service = &used.app.service;
    service.write_last_uses().await.unwrap();
    let first = hour("2025-01-03T04:00:00Z");
    assert_eq!(used.of(service).await, [first, None, None, None]);
    used.use_all().await;
    service.write_last_uses().await.unwrap();
    assert_eq!(used.of(service).await, [first; 4]);
    used.app.later(HOUR).await;
    used.use_all().await;
    assert_eq!(used.of(service).await, [first; 4], "nothing is written yet");
    service.write_last_uses().await.unwrap();
    assert_eq!(used.of(service).await, [hour("2025-01-03T05:00:00Z"); 4]);
}

#[tokio::test]
async fn each_use_is_shown_to_the_hour_on_sqlite() {
    each_use_is_shown_to_the_hour(App::new().await).await;
}

#[tokio::test]
async fn each_use_is_shown_to_the_hour_on_postgres() {
    let Some(database) = Database::new().await else {
        return;
    };
    each_use_is_shown_to_the_hour(App::at(Some(database.location()), |_| {}).await).await;
    database.remove().await;
}

#[tokio::test]
async fn a_refused_log_in_and_a_refused_call_are_no_use() {
    let used = Used::new(App::new().await).await;
    let service = &used.app.service;
    service.write_last_uses().await.unwrap();
    let before = used.of(service).await;
    used.app.later(HOUR).await;
    let wrong = format!("{}x", used.credential);
    assert!(!used.app.logs_in(ACCOUNT, &wrong).await);
    assert!(!used.app.logs_in("2", &used.credential).await);
    assert!(!used.app.logs_in("acme", "Passw0rd-WRONG").await);
    assert!(
        !used
            .app
            .robot_logs_in(&used.robot.replace("trsa", "trsb"))
            .await
    );
    let call = used.app.tencent("CreateInstanceToken", &json!({}));
    let mut request = call.request();
    let forged = "TC3-HMAC-SHA256 Credential=".to_owned() + &used.app.key.id;
    request
        .headers_mut()
        .insert("authorization", forged.parse().unwrap());
    used.app.send(request).await;
    service.write_last_uses().await.unwrap();
    assert_eq!(used.of(service).await, before);
}

#[tokio::test]
async fn a_refresh_token_is_a_use_of_the_credential_that_it_came_from() {
    let used = Used::new(App::new().await).await;
    used.app.give_refresh_tokens().await;
    let token = used.app.refresh_token(ACCOUNT, &used.credential).await;
    used.app.later(HOUR).await;
    assert!(used.app.refreshes(&token).await);
    let service = &used.app.service;
    service.write_last_uses().await.unwrap();
    let last = hour("2025-01-03T05:00:00Z");
    assert_eq!(used.of(service).await[1], last);
}

#[tokio::test]
async fn replicas_agree_on_the_latest_hour_and_a_kill_loses_what_was_not_written() {
    let used = Used::new(App::new().await).await;
    let (first, killed) = (&used.app.service, used.app.replica().await);
    first.write_last_uses().await.unwrap();
    used.app.later(HOUR).await;
    let sign = used
        .app
        .tencent("CreateInstanceToken", &used.app.registry_id());
    assert_eq!(killed.send(sign.request()).await.status, 200);
    // It never writes: it is killed here.
    drop(killed);
    assert_eq!(used.of(first).await[0], hour("2025-01-03T04:00:00Z"));
    // The next use in the same hour is noted by whoever comes in its place.
    let second = used.app.replica().await;
    used.app.wait(Duration::from_secs(1));
    let sign = used
        .app
        .tencent("CreateInstanceToken", &used.app.registry_id());
    assert_eq!(second.send(sign.request()).await.status, 200);
    used.app.later(HOUR).await;
    used.app.temporary().await;
    let last = hour("2025-01-03T06:00:00Z");
    first.write_last_uses().await.unwrap();
    assert_eq!(used.of(first).await[0], last);
    second.service.write_last_uses().await.unwrap();
    assert_eq!(used.of(first).await[0], last, "the earlier hour came later");
}
