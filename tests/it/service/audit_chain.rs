//! The chains of the audit: what is done to it in the database is found.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use transire::domain::clock::Timestamp;
use transire::service::{
    AuditDocument, AuditFindings, KeptCheckpoints, VerifiedAudit, audit_jwk_set, audit_keys_of,
    verify_audit_export,
};

use crate::harness::operator::operator_call;
use crate::harness::{App, until};

const MINUTE: Duration = Duration::from_secs(60);

async fn verified(app: &App) -> (VerifiedAudit, AuditFindings) {
    let call = operator_call(&app.service);
    let verifying = app
        .service
        .operations
        .verify_audit(&call, None, KeptCheckpoints::default());
    verifying.await.unwrap()
}

/// Lets some minutes pass, with changes and exchanges, and a checkpoint in each.
async fn live(app: &App, minutes: usize) {
    for minute in 0..minutes {
        app.wait(MINUTE);
        let (call, name) = (operator_call(&app.service), format!("user-{}", app.nonce()));
        let made = app
            .service
            .identity
            .create_user(&call, app.instance.account, &name);
        made.await.unwrap();
        app.temporary().await;
        until("the token's event to be stored", async || {
            app.service.ledger.make_checkpoint().await.unwrap();
            pages(app) > i64::try_from(minute).unwrap()
        })
        .await;
    }
    app.wait(MINUTE);
    app.service.ledger.make_checkpoint().await.unwrap();
}

fn pages(app: &App) -> i64 {
    let database = Connection::open(app.database()).unwrap();
    let count = "SELECT COUNT(*) FROM audit_page";
    database.query_row(count, [], |row| row.get(0)).unwrap()
}

fn execute(app: &App, statement: &str) {
    let database = Connection::open(app.database()).unwrap();
    assert_ne!(database.execute(statement, []).unwrap(), 0, "{statement}");
}

fn names(findings: &AuditFindings) -> Vec<&'static str> {
    let mut names: Vec<_> = findings
        .kept
        .iter()
        .map(|found| found.wrong.name())
        .collect();
    names.dedup();
    names
}

#[tokio::test]
async fn an_audit_that_nobody_touched_has_no_finding() {
    let app = App::new().await;
    live(&app, 5).await;
    let (verified, findings) = verified(&app).await;
    assert_eq!(findings.kept, []);
    assert_eq!(verified.unchained, 0);
    assert!(
        verified.lines >= 10 && verified.checkpoints >= 5,
        "{verified:?}"
    );
    assert!(verified.signed_until.is_some());
}

#[tokio::test]
async fn what_is_done_to_the_audit_in_the_database_is_found() {
    let third = "(SELECT id FROM audit ORDER BY id LIMIT 1 OFFSET 2)";
    for (done, expected) in [
        (
            format!("UPDATE audit SET principal = 'another' WHERE id = {third}"),
            "changed",
        ),
        (format!("DELETE FROM audit WHERE id = {third}"), "missing"),
        (
            format!("UPDATE audit SET outcome = 'denied' WHERE id = {third}"),
            "changed",
        ),
        (
            "UPDATE audit_page SET lines = REPLACE(lines, 'ok', 'no')".to_owned(),
            "changed",
        ),
        ("UPDATE audit_page SET terms = x'00'".to_owned(), "changed"),
        ("DELETE FROM audit_page".to_owned(), "missing"),
        (
            format!(
                "INSERT INTO audit SELECT id || 'x', happened_at, request_id, action, principal, \
                 account_id, credential_id, address, service, detail, outcome, access_key, writer, \
                 position, previous FROM audit WHERE id = {third}"
            ),
            "twice",
        ),
        (
            "DELETE FROM audit_checkpoint WHERE number = 2".to_owned(),
            "checkpoints-missing",
        ),
        (
            "UPDATE audit_checkpoint SET signed = 'x' WHERE number = 2".to_owned(),
            "unsigned",
        ),
    ] {
        let app = App::new().await;
        live(&app, 4).await;
        execute(&app, &done);
        let (_, findings) = verified(&app).await;
        assert!(
            names(&findings).contains(&expected),
            "{done}: {:?}",
            findings.kept
        );
    }
}

#[tokio::test]
async fn an_exported_audit_is_verified_with_the_public_key_alone() {
    let app = App::new().await;
    live(&app, 3).await;
    let (call, operations) = (operator_call(&app.service), &app.service.operations);
    let keys = audit_jwk_set(&operations.audit_keys(&call).await.unwrap()).to_string();
    let mut lines = Vec::new();
    let write = |document: &AuditDocument| {
        lines.push(serde_json::to_string(document).unwrap());
        Ok(())
    };
    operations.export_audit(&call, None, write).await.unwrap();
    let verify = |lines: &[String]| {
        let kept = KeptCheckpoints::default();
        let lines = lines.iter().cloned().map(Ok);
        verify_audit_export(audit_keys_of(&keys).unwrap(), kept, lines)
    };
    let (exported, findings) = verify(&lines).unwrap();
    assert_eq!(findings.kept, []);
    assert_eq!(exported, verified(&app).await.0);
    let changed: Vec<String> = lines
        .iter()
        .map(|line| line.replace("user-", "bser-"))
        .collect();
    assert!(names(&verify(&changed).unwrap().1).contains(&"changed"));
    for cut in [1, 3, lines.len() - 1] {
        assert!(verify(&lines[..cut]).is_err(), "cut off after {cut}");
    }
    let mut fewer = lines.clone();
    fewer.remove(3);
    assert!(verify(&fewer).is_err());
    // Somebody else's key.
    let other = App::new().await;
    live(&other, 1).await;
    let others = other
        .service
        .operations
        .audit_keys(&operator_call(&other.service))
        .await;
    let outcome = verify_audit_export(
        others.unwrap(),
        KeptCheckpoints::default(),
        lines.iter().cloned().map(Ok),
    );
    assert_eq!(names(&outcome.unwrap().1), ["unsigned"]);
}

#[tokio::test]
async fn old_lines_are_deleted_only_after_that_is_signed() {
    let app = App::new().await;
    live(&app, 3).await;
    let count = || {
        let database = Connection::open(app.database()).unwrap();
        let count = "SELECT COUNT(*) FROM audit WHERE action = 'user.create'";
        database
            .query_row(count, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert!(count() >= 3);
    app.wait(Duration::from_hours(24 * 90 + 2));
    let housekeeper = tokio::spawn(Arc::clone(&app.service).run_background());
    app.wait(2 * MINUTE);
    until("the old lines to be gone", async || {
        // Their deletion is signed at the first look, and made at the next.
        app.wait(MINUTE);
        count() == 0
    })
    .await;
    housekeeper.abort();
    live(&app, 2).await;
    assert_eq!(verified(&app).await.1.kept, []);
    // More than was signed.
    execute(&app, "DELETE FROM audit WHERE action = 'user.create'");
    assert!(names(&verified(&app).await.1).contains(&"missing"));
}

/// After an outage, or where the machine slept, events are stored long after they happened.
#[tokio::test]
async fn lines_that_waited_until_those_before_them_are_deleted_are_not_missed() {
    let app = App::new().await;
    live(&app, 2).await;
    let stored = pages(&app);
    app.temporary().await;
    // Its event waits a tenth of a second for others.
    app.wait(Duration::from_hours(24 * 90 + 2));
    until("the token's event to be stored", async || {
        pages(&app) > stored
    })
    .await;
    let housekeeper = tokio::spawn(Arc::clone(&app.service).run_background());
    until("all that was stored in time to be gone", async || {
        app.wait(MINUTE);
        pages(&app) == 1
    })
    .await;
    housekeeper.abort();
    assert_eq!(verified(&app).await.1.kept, []);
}

#[tokio::test]
async fn a_forged_checkpoint_is_not_gone_on_from() {
    let app = App::new().await;
    live(&app, 2).await;
    let signed = "SELECT signed FROM audit_checkpoint ORDER BY number DESC LIMIT 1";
    let database = Connection::open(app.database()).unwrap();
    let signed: String = database.query_row(signed, [], |row| row.get(0)).unwrap();
    // A start that would let the service sign everything away.
    let mut parts: Vec<&str> = signed.split('.').collect();
    parts[1] = "eyJudW1iZXIiOjl9";
    let forged = parts.join(".");
    let newest = "number = (SELECT MAX(number) FROM audit_checkpoint)";
    execute(
        &app,
        &format!("UPDATE audit_checkpoint SET signed = '{forged}' WHERE {newest}"),
    );
    app.wait(MINUTE);
    let error = app.service.ledger.make_checkpoint().await.unwrap_err();
    assert!(error.message().contains("somebody changed it"), "{error}");
    assert!(names(&verified(&app).await.1).contains(&"unsigned"));
}

#[tokio::test]
async fn a_rotated_key_signs_after_the_one_before_announced_it() {
    let app = App::new().await;
    live(&app, 1).await;
    let call = operator_call(&app.service);
    let first = app.service.operations.audit_keys(&call).await.unwrap();
    let id = app
        .service
        .keys
        .rotate_key(&call, transire::service::KeyKind::Audit)
        .await
        .unwrap();
    live(&app, 3).await;
    assert_eq!(verified(&app).await.1.kept, []);
    let mut lines = Vec::new();
    let write = |document: &AuditDocument| {
        lines.push(serde_json::to_string(document).unwrap());
        Ok(())
    };
    app.service
        .operations
        .export_audit(&call, None, write)
        .await
        .unwrap();
    assert!(lines.iter().any(|line| line.contains(&id)));
    let lines = lines.into_iter().map(Ok);
    let (_, findings) = verify_audit_export(first, KeptCheckpoints::default(), lines).unwrap();
    assert_eq!(findings.kept, []);
}

#[tokio::test]
async fn a_part_is_verified_from_a_time_on() {
    let app = App::new().await;
    live(&app, 2).await;
    app.wait(Duration::from_hours(1));
    let since = app.now();
    live(&app, 2).await;
    let verify = async |since: Timestamp| {
        let (call, kept) = (operator_call(&app.service), KeptCheckpoints::default());
        let operations = &app.service.operations;
        operations
            .verify_audit(&call, Some(since), kept)
            .await
            .unwrap()
    };
    let (part, findings) = verify(since).await;
    assert_eq!(findings.kept, []);
    assert!(part.lines < verified(&app).await.0.lines);
    execute(&app, "DELETE FROM audit WHERE position = 2");
    assert!(names(&verified(&app).await.1).contains(&"missing"));
}
