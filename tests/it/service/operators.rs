//! Operators: their tokens, and what each role may do.

use std::net::IpAddr;
use std::time::Duration;

use transire::domain::credential::Username;
use transire::domain::ids::AccountId;
use transire::domain::operator::{Operator, OperatorPermission, OperatorRole, OperatorState};
use transire::domain::refusal::RefusalCause;
use transire::domain::secret::Secret;
use transire::domain::{Error, ErrorKind, Noun, Result};
use transire::service::{
    AuditFilter, Caller, InstanceChoice, Lifetime, Page, RequestContext, Service,
};
use transire::store::access_key::AccessKeyState;

use crate::harness::audit::lines;
use crate::harness::operator::account;
use crate::harness::{App, NOW};

const ADDRESS: &str = "192.0.2.1";
const DAY: Duration = Duration::from_hours(24);

fn request() -> RequestContext {
    RequestContext {
        request_id: "test".to_owned(),
        address: Some(ADDRESS.parse::<IpAddr>().unwrap()),
        secure_transport: true,
    }
}

async fn create(app: &App, name: &str, role: OperatorRole) -> (Operator, Secret) {
    app.service
        .identity
        .create_operator(&app.operator(), name, role)
        .await
        .unwrap()
}

async fn log_in(service: &Service, token: &Secret) -> Result<Caller> {
    service
        .access
        .authenticate_operator(token, &request())
        .await
}

/// Returns the audit name that a token proves, or the cause that log and audit have.
async fn proved(service: &Service, token: &Secret) -> Result<String, RefusalCause> {
    match log_in(service, token).await {
        Ok(caller) => Ok(caller.audit_name().unwrap()),
        Err(error) => {
            assert_eq!(error.kind(), &ErrorKind::BadCredentials);
            Err(error.refusal_cause().unwrap())
        }
    }
}

#[tokio::test]
async fn a_token_proves_its_operator_until_it_is_disabled_or_deleted() {
    let app = App::new().await;
    let (_, token) = create(&app, "alice", OperatorRole::Admin).await;
    let (identity, call) = (&app.service.identity, &app.operator());
    let alice = || Ok("operator/alice".to_owned());
    assert_eq!(proved(&app.service, &token).await, alice());
    identity
        .set_operator_state(call, "alice", OperatorState::Disabled)
        .await
        .unwrap();
    assert_eq!(
        proved(&app.service, &token).await,
        Err(RefusalCause::OperatorDisabled)
    );
    identity
        .set_operator_state(call, "alice", OperatorState::Active)
        .await
        .unwrap();
    assert_eq!(proved(&app.service, &token).await, alice());
    identity.delete_operator(call, "alice").await.unwrap();
    assert_eq!(
        proved(&app.service, &token).await,
        Err(RefusalCause::UnknownOperator)
    );
    // Another one of that name is another operator.
    create(&app, "alice", OperatorRole::Admin).await;
    assert_eq!(
        proved(&app.service, &token).await,
        Err(RefusalCause::UnknownOperator)
    );
}

#[tokio::test]
async fn a_client_hears_one_refusal_whatever_is_wrong_with_its_token() {
    let app = App::new().await;
    let (operator, token) = create(&app, "alice", OperatorRole::Auditor).await;
    let (_, gone) = create(&app, "bob", OperatorRole::Auditor).await;
    let (identity, call) = (&app.service.identity, &app.operator());
    identity.delete_operator(call, "bob").await.unwrap();
    let other = transire::domain::operator::operator_token(
        &operator.id,
        &transire::domain::clock::SystemRandom,
    );
    let mut messages = Vec::new();
    for (token, cause) in [
        (&gone, RefusalCause::UnknownOperator),
        (&other, RefusalCause::WrongSecret),
        (&Secret::new("trso_x"), RefusalCause::UnreadableSecret),
        (&Secret::new(""), RefusalCause::UnreadableSecret),
    ] {
        let refused = log_in(&app.service, token).await.map(drop).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::BadCredentials);
        assert_eq!(refused.refusal_cause(), Some(cause));
        messages.push(refused.message().to_owned());
    }
    messages.dedup();
    assert_eq!(messages.len(), 1);
    assert_eq!(
        proved(&app.service, &token).await.as_deref(),
        Ok("operator/alice")
    );
}

#[tokio::test]
async fn after_a_rotation_both_tokens_are_taken_until_the_grace_is_over() {
    let app = App::new().await;
    let (_, first) = create(&app, "alice", OperatorRole::Admin).await;
    let (identity, call) = (&app.service.identity, &app.operator());
    let (_, second) = identity.rotate_operator(call, "alice", DAY).await.unwrap();
    for token in [&first, &second] {
        assert!(proved(&app.service, token).await.is_ok());
    }
    app.wait(DAY);
    assert_eq!(
        proved(&app.service, &first).await,
        Err(RefusalCause::Expired)
    );
    assert!(proved(&app.service, &second).await.is_ok());
    let none = Duration::ZERO;
    let (_, third) = identity.rotate_operator(call, "alice", none).await.unwrap();
    for token in [&first, &second] {
        assert_eq!(
            proved(&app.service, token).await,
            Err(RefusalCause::WrongSecret)
        );
    }
    assert!(proved(&app.service, &third).await.is_ok());
}

#[tokio::test]
async fn two_tokens_are_not_taken_for_longer_than_a_month() {
    let app = App::new().await;
    create(&app, "alice", OperatorRole::Admin).await;
    let refused = app
        .service
        .identity
        .rotate_operator(&app.operator(), "alice", 31 * DAY)
        .await
        .map(drop)
        .unwrap_err();
    let name = "grace".to_owned();
    assert_eq!(refused.kind(), &ErrorKind::InvalidParameter { name });
}

#[tokio::test]
async fn another_replica_hears_of_a_disabled_operator_by_the_change_feed() {
    let app = App::new().await;
    let (_, token) = create(&app, "alice", OperatorRole::Admin).await;
    let replica = app.replica().await.service;
    assert!(proved(&replica, &token).await.is_ok());
    app.service
        .identity
        .set_operator_state(&app.operator(), "alice", OperatorState::Disabled)
        .await
        .unwrap();
    replica.memory.catch_up().await.unwrap();
    assert_eq!(
        proved(&replica, &token).await,
        Err(RefusalCause::OperatorDisabled)
    );
}

/// It was refused until the replica heard the change feed, a fifth of a second later.
#[tokio::test]
async fn a_token_that_another_process_made_a_moment_ago_is_taken() {
    let app = App::new().await;
    let (_, token) = create(&app, "alice", OperatorRole::Admin).await;
    let replica = app.replica().await.service;
    assert!(proved(&replica, &token).await.is_ok());
    let (_, of_bob) = create(&app, "bob", OperatorRole::Auditor).await;
    let bob = proved(&replica, &of_bob).await;
    assert_eq!(bob.as_deref(), Ok("operator/bob"));
    let (identity, call) = (&app.service.identity, &app.operator());
    let (_, second) = identity.rotate_operator(call, "bob", DAY).await.unwrap();
    assert!(proved(&replica, &second).await.is_ok());
}

#[tokio::test]
async fn guesses_are_limited_by_address_and_a_right_token_is_taken_all_the_same() {
    let app = App::with(|options| {
        options.service.limits.failed_log_ins = 3;
        options.service.limits.failed_log_ins_per_minute = 6;
    })
    .await;
    let (_, token) = create(&app, "alice", OperatorRole::Admin).await;
    let mut kinds = Vec::new();
    for number in 0..4 {
        let guess = Secret::new(format!("trso_{number}"));
        let refused = log_in(&app.service, &guess).await.map(drop).unwrap_err();
        kinds.push(refused.kind().clone());
    }
    assert_eq!(kinds[0], ErrorKind::BadCredentials);
    assert!(matches!(kinds[3], ErrorKind::AddressThrottled { .. }));
    assert!(proved(&app.service, &token).await.is_ok());
}

#[tokio::test]
async fn the_audit_names_operators_and_has_no_token() {
    let app = App::new().await;
    let (_, token) = create(&app, "alice", OperatorRole::Admin).await;
    let alice = log_in(&app.service, &token).await.unwrap();
    let local = Caller::local_operator(Some("carol".to_owned()));
    let request = request();
    for (caller, user) in [(&alice, "ann"), (&local, "bob")] {
        let call = app.service.call(caller, &request);
        app.service
            .identity
            .create_user(&call, account(), user)
            .await
            .unwrap();
    }
    let lines = lines(&app, 0).await;
    let of = |action: &str| -> Vec<Option<&str>> {
        lines
            .iter()
            .filter(|line| line.action == action)
            .map(|line| line.principal.as_deref())
            .collect()
    };
    let mut made = of("user.create");
    made.sort_unstable();
    assert_eq!(made, [Some("operator/alice"), Some("operator/local/carol")]);
    assert_eq!(of("operator.create"), [Some("operator")]);
    assert!(!format!("{lines:?}").contains(token.expose()));
}

#[tokio::test]
async fn an_account_admin_needs_an_account_that_is_there_and_names_are_unique() {
    let app = App::new().await;
    let (identity, call) = (&app.service.identity, &app.operator());
    let nowhere = OperatorRole::AccountAdmin(AccountId::new(5).unwrap());
    let make = async |name: &str, role| {
        let made = identity.create_operator(call, name, role).await;
        made.map(drop).unwrap_err().kind().clone()
    };
    assert_eq!(
        make("alice", nowhere).await,
        ErrorKind::NotFound {
            noun: Noun::Account
        }
    );
    create(&app, "alice", OperatorRole::Auditor).await;
    assert_eq!(
        make("alice", OperatorRole::Admin).await,
        ErrorKind::AlreadyExists {
            noun: Noun::Operator
        }
    );
    assert!(matches!(
        make("local", OperatorRole::Admin).await,
        ErrorKind::InvalidParameter { .. }
    ));
}

/// Its account-admin didn't see it.
#[tokio::test]
async fn an_account_admin_sees_what_others_changed_in_its_account() {
    let app = App::new().await;
    let (_, token) = create(&app, "alice", OperatorRole::AccountAdmin(account())).await;
    let caller = log_in(&app.service, &token).await.unwrap();
    let (identity, operator) = (&app.service.identity, &app.operator());
    identity
        .create_user(operator, account(), "ann")
        .await
        .unwrap();
    identity
        .create_group(operator, account(), "crew")
        .await
        .unwrap();
    let key = identity
        .create_access_key(operator, account(), Some("ann"))
        .await
        .unwrap();
    identity
        .set_access_key_state(operator, &key.id, AccessKeyState::Disabled)
        .await
        .unwrap();
    let request = request();
    let call = app.service.call(&caller, &request);
    let everything = AuditFilter::between(NOW.minus(DAY), NOW.plus(DAY));
    let seen = app
        .service
        .operations
        .audit_lines(&call, &everything, None)
        .await
        .unwrap();
    for action in [
        "user.create",
        "group.create",
        "access-key.create",
        "access-key.disable",
    ] {
        let is_there = seen.rows.iter().any(|row| row.action == action);
        assert!(is_there, "{action}");
    }
}

fn denied(error: &Error) -> OperatorPermission {
    match error.kind() {
        ErrorKind::OperatorDenied { permission } => *permission,
        kind => panic!("{kind:?}: {error}"),
    }
}

#[tokio::test]
async fn an_account_admin_sees_and_changes_its_own_account_alone() {
    let app = App::new().await;
    let stranger = app.foreign_instance.account;
    let (_, token) = create(&app, "alice", OperatorRole::AccountAdmin(account())).await;
    let caller = log_in(&app.service, &token).await.unwrap();
    let request = request();
    let call = app.service.call(&caller, &request);
    let (identity, registry) = (&app.service.identity, &app.service.registry);
    identity.create_user(&call, account(), "ann").await.unwrap();
    let accounts = identity.accounts(&call).await.unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].id, account());
    let instances = registry.instances(&call).await.unwrap();
    assert!(
        instances
            .iter()
            .all(|instance| instance.account == account())
    );
    assert_eq!(instances.len(), 2);
    let keys = identity.access_keys(&call, None).await.unwrap();
    assert!(keys.iter().all(|key| key.principal.account() == account()));
    let refused = identity
        .create_user(&call, stranger, "bob")
        .await
        .unwrap_err();
    assert_eq!(denied(&refused), OperatorPermission::UserCreate);
    let refused = identity
        .access_keys(&call, Some(stranger))
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(denied(&refused), OperatorPermission::AccessKeyRead);
    let foreign = InstanceChoice::Tcr(app.foreign_instance.id.clone());
    let refused = registry
        .instance(&call, &foreign)
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::InstanceNotFound);
    let refused = app.service.keys.keys(&call).await.map(drop).unwrap_err();
    assert_eq!(denied(&refused), OperatorPermission::KeyRead);
    let everything = AuditFilter::between(NOW.minus(DAY), NOW.plus(DAY));
    let seen = app
        .service
        .operations
        .audit_lines(&call, &everything, None)
        .await
        .unwrap();
    let own = Some(account().number());
    assert!(!seen.rows.is_empty() && seen.rows.iter().all(|row| row.account == own));
}

#[tokio::test]
async fn an_auditor_reads_what_is_there() {
    let app = App::new().await;
    let (_, token) = create(&app, "alice", OperatorRole::Auditor).await;
    let caller = log_in(&app.service, &token).await.unwrap();
    let request = request();
    let call = app.service.call(&caller, &request);
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    let service = &app.service;
    assert_eq!(service.identity.accounts(&call).await.unwrap().len(), 2);
    assert_eq!(service.registry.instances(&call).await.unwrap().len(), 3);
    service.keys.keys(&call).await.unwrap();
    service.keys.master_keys(&call).await.unwrap();
    service.identity.operators(&call).await.unwrap();
    service
        .credentials
        .credentials(&call, &choice)
        .await
        .unwrap();
    service
        .credentials
        .service_accounts(&call, &choice, None, Page::ALL)
        .await
        .unwrap();
}

#[tokio::test]
async fn no_operator_with_a_token_issues_a_credential() {
    // Such an operator would have become a client of registries, or a caller of the clouds' APIs.
    let app = App::new().await;
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    for (name, role) in [
        ("admin", OperatorRole::Admin),
        ("auditor", OperatorRole::Auditor),
        ("owner", OperatorRole::AccountAdmin(account())),
    ] {
        let (_, token) = create(&app, name, role).await;
        let caller = log_in(&app.service, &token).await.unwrap();
        let request = request();
        let call = app.service.call(&caller, &request);
        let issued = app.service.credentials.issue_temporary(
            &call,
            &choice,
            Username::NumericId,
            Lifetime::AtMost(DAY),
        );
        let refused = issued.await.map(drop).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Unsupported, "{name}");
    }
}
