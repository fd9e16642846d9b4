//! Rules of every request to the admin API.

use http::{Method, StatusCode};
use transire::domain::ErrorKind;
use transire::domain::operator::OperatorRole;

use crate::harness::App;
use crate::harness::audit::found;

#[tokio::test]
async fn an_operator_that_asks_without_end_waits_and_keeps_no_other_waiting() {
    let app = App::administered(None, |options| {
        let limits = &mut options.service.limits;
        (
            limits.operator_requests_per_second,
            limits.operator_requests_burst,
        ) = (1, 3);
    })
    .await;
    let loops = app.operator_token("loops", OperatorRole::Admin).await;
    let alice = app.operator_token("alice", OperatorRole::Auditor).await;
    let ask = async |token, path: &str| app.administer(token, Method::GET, path, &[], None).await;
    for _ in 0..3 {
        let answer = ask(&loops, "/accounts").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    // The clock stands, so no bucket is filled meanwhile.
    for path in ["/accounts", "/nothing/is/here"] {
        let refused = ask(&loops, path).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert_eq!(refused.header("retry-after"), Some("1"));
        let kind = ErrorKind::Throttled {
            measured: 2,
            allowed: 1,
        };
        assert_eq!(refused.json()["kind"], kind.name());
    }
    assert_eq!(ask(&alice, "/accounts").await.status, StatusCode::OK);
    app.wait(std::time::Duration::from_secs(1));
    assert_eq!(ask(&loops, "/accounts").await.status, StatusCode::OK);

    let line = found(&app, |lines| {
        lines
            .into_iter()
            .find(|line| line.outcome == "refused" && line.action == "admin:ListAccounts")
    })
    .await;
    assert_eq!(line.principal.as_deref(), Some("operator/loops"));
    assert!(
        line.detail
            .contains("limits.operator_requests_per_second is 1"),
        "{}",
        line.detail
    );
}
