//! What is recorded, and what happens when it can't be.

use std::time::Duration;

use serde_json::json;
use transire::domain::clock::Timestamp;
use transire::service::{AuditFilter, AuditRow, Caller};

use crate::harness::{ACCOUNT, App, SERVICE};

/// Returns every line once `expected` of them are stored: the queue's writer is asynchronous.
pub(crate) async fn lines(app: &App, expected: usize) -> Vec<AuditRow> {
    let mut lines = Vec::new();
    for _ in 0..1000 {
        lines = app
            .service
            .audit_lines(&Caller::operator(), &AuditFilter::between(Timestamp::from_unix_millis(0), Timestamp::from_unix_millis(i64::MAX)))
            .await
            .unwrap();
        if lines.len() >= expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    lines
}

#[tokio::test]
async fn issuing_exchanging_and_refusing_leave_a_line_each_without_a_secret() {
    let app = App::new().await;
    let before = lines(&app, 6).await.len();
    let (username, secret) = app.temporary().await;
    let scope = "service=registry.example.com&scope=repository:team/app:pull,push";
    assert_eq!(app.registry(Some((&username, secret.expose())), scope).await.status, 200);
    assert_eq!(app.registry(Some((&username, "wrong-EXAMPLE")), scope).await.status, 401);
    let lines = lines(&app, before + 3).await;
    let of = |action: &str| lines.iter().find(|line| line.action == action).unwrap_or_else(|| panic!("no {action} in {lines:?}"));
    let (issued, exchanged, refused) = (of("credential.issue-temporary"), of("token.exchange"), of("registry.log-in"));
    for line in [issued, exchanged] {
        assert_eq!(line.principal.as_deref(), Some(&*format!("{ACCOUNT}:root")));
        assert_eq!(line.service.as_deref(), Some(SERVICE));
        assert_eq!(line.outcome, "ok");
    }
    assert_eq!(issued.credential_id, exchanged.credential_id);
    assert_eq!(
        exchanged.detail,
        json!({ "asked": ["repository:team/app:pull,push"], "granted": ["repository:team/app:pull,push"] }).to_string()
    );
    assert_eq!((refused.outcome.as_str(), refused.principal.as_deref()), ("refused", None));
    let expected = json!({ "asked": ["repository:team/app:pull,push"], "cause": "no-password", "claimed": username });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&refused.detail).unwrap(), expected);
    assert!(issued.detail.contains(&app.key.id), "which key issued it: {}", issued.detail);
    let all = format!("{lines:?}");
    assert!(!all.contains(secret.expose()) && !all.contains("wrong-EXAMPLE"), "{all}");
}

#[tokio::test]
async fn a_change_and_its_line_are_one_write() {
    let app = App::new().await;
    let before = lines(&app, 6).await.len();
    let made =
        app.tencent("CreateInstanceToken", &json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" })).send().await.json();
    // No waiting: the line was durable before the answer.
    let lines = lines(&app, 0).await;
    assert_eq!(lines.len(), before + 1);
    let line = lines.iter().find(|line| line.action == "credential.issue-long-term").unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!(line.credential_id.as_deref(), made["Response"]["TokenId"].as_str());
}
