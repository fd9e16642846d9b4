//! Backups that are made while their reader reads them.

use std::future::poll_fn;

use transire::domain::operator::OperatorRole;
use transire::domain::{ErrorKind, Result};
use transire::service::{AuditRow, BackupBytes, Caller, RequestContext};

use crate::harness::App;
use crate::harness::audit::found;

async fn next(bytes: &mut BackupBytes) -> Option<Result<Vec<u8>>> {
    poll_fn(|context| bytes.poll_next(context)).await
}

/// Makes more data than waits for a reader.
async fn with_much_data() -> App {
    let app = App::new().await;
    let (identity, call) = (&app.service.identity, app.operator());
    for number in 0..300 {
        let name = format!("account-{number}");
        let made = identity.create_account(&call, None, &name, None).await;
        made.unwrap();
    }
    app
}

/// Returns the event of a backup, once it is stored.
async fn recorded(app: &App) -> AuditRow {
    let is_of_backup = |line: &AuditRow| line.action == "store.backup";
    found(app, |lines| lines.into_iter().find(is_of_backup)).await
}

#[tokio::test]
async fn a_backup_is_handed_over_whole_and_recorded() {
    let app = with_much_data().await;
    let mut bytes = app
        .service
        .operations
        .backup(&app.operator())
        .await
        .unwrap();
    let mut all = Vec::new();
    while let Some(piece) = next(&mut bytes).await {
        all.extend(piece.unwrap());
    }
    assert!(all.starts_with(b"transire backup 1\n"));
    assert_eq!(recorded(&app).await.outcome, "ok");
}

#[tokio::test]
async fn a_backup_whose_reader_goes_away_is_recorded_as_failed() {
    let app = with_much_data().await;
    let operations = &app.service.operations;
    let bytes = operations.backup(&app.operator()).await.unwrap();
    drop(bytes);
    assert_eq!(recorded(&app).await.outcome, "failed");
}

#[tokio::test]
async fn one_backup_is_made_at_a_time() {
    let app = with_much_data().await;
    let operations = &app.service.operations;
    let first = operations.backup(&app.operator()).await.unwrap();
    let Err(refused) = operations.backup(&app.operator()).await else {
        panic!("a second backup is made");
    };
    assert_eq!(refused.kind(), &ErrorKind::Overloaded);
    drop(first);
    recorded(&app).await;
}

#[tokio::test]
async fn an_auditor_gets_no_backup() {
    let app = App::new().await;
    let (identity, request) = (
        &app.service.identity,
        RequestContext::operator("test".into()),
    );
    let (operator, role) = (app.operator(), OperatorRole::Auditor);
    let (_, token) = identity
        .create_operator(&operator, "bob", role)
        .await
        .unwrap();
    let access = &app.service.access;
    let caller: Caller = access
        .authenticate_operator(&token, &request)
        .await
        .unwrap();
    let call = app.service.call(&caller, &request);
    let Err(refused) = app.service.operations.backup(&call).await else {
        panic!("an auditor gets a backup");
    };
    assert!(matches!(refused.kind(), ErrorKind::OperatorDenied { .. }));
}
