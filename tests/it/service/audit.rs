//! The audit's events, and the requests whose events can't be recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;
use transire::service::{AuditAction, AuditMode, AuditRow};

use crate::harness::audit::lines;
use crate::harness::{ACCOUNT, App, SERVICE};

#[tokio::test]
async fn issuing_exchanging_and_refusing_leave_a_line_each_without_a_secret() {
    let app = App::new().await;
    let before = lines(&app, 6).await.len();
    let (username, secret) = app.temporary().await;
    let scope = "service=registry.example.com&scope=repository:team/app:pull,push";
    assert_eq!(
        app.registry(Some((&username, secret.expose())), scope)
            .await
            .status,
        200
    );
    assert_eq!(
        app.registry(Some((&username, "wrong-EXAMPLE")), scope)
            .await
            .status,
        401
    );
    let lines = lines(&app, before + 3).await;
    let of = |action: &str| {
        lines
            .iter()
            .find(|line| line.action == action)
            .unwrap_or_else(|| panic!("no {action} in {lines:?}"))
    };
    let (issued, exchanged, refused) = (
        of("credential.issue-temporary"),
        of("token.exchange"),
        of("registry.log-in"),
    );
    for line in [issued, exchanged] {
        assert_eq!(line.principal.as_deref(), Some(&*format!("{ACCOUNT}:root")));
        assert_eq!(line.service.as_deref(), Some(SERVICE));
        assert_eq!(line.outcome, "ok");
    }
    assert_eq!(issued.credential_id, exchanged.credential_id);
    let mut detail: serde_json::Value = serde_json::from_str(&exchanged.detail).unwrap();
    let jti = detail.as_object_mut().unwrap().remove("jti").unwrap();
    assert_eq!(jti.as_str().map(str::len), Some(32));
    assert_eq!(
        detail,
        json!({
            "asked": ["repository:team/app:pull,push"],
            "granted": ["repository:team/app:pull,push"],
        })
    );
    assert_eq!(
        (refused.outcome.as_str(), refused.principal.as_deref()),
        ("refused", None)
    );
    let expected = json!({
        "asked": ["repository:team/app:pull,push"],
        "cause": "no-password",
        "claimed": username,
    });
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&refused.detail).unwrap(),
        expected
    );
    assert!(
        issued.detail.contains(&app.key.id),
        "which key issued it: {}",
        issued.detail
    );
    let all = format!("{lines:?}");
    assert!(
        !all.contains(secret.expose()) && !all.contains("wrong-EXAMPLE"),
        "{all}"
    );
}

#[tokio::test]
async fn a_change_and_its_line_are_one_write() {
    let app = App::new().await;
    let before = lines(&app, 6).await.len();
    let made = app
        .tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" }),
        )
        .send()
        .await
        .json();
    // No waiting: the line was durable before the answer.
    let lines = lines(&app, 0).await;
    assert_eq!(lines.len(), before + 1);
    let line = lines
        .iter()
        .find(|line| line.action == "credential.issue-long-term")
        .unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!(
        line.credential_id.as_deref(),
        made["Response"]["TokenId"].as_str()
    );
}

/// Actions that are called otherwise than the functions that write them, but what these do.
const CALLED_OTHERWISE: &[(&str, &str)] = &[
    ("access-key.create", "store_access_key"),
    ("access-key.delete", "set_access_key_state"),
    ("access-key.disable", "set_access_key_state"),
    ("access-key.enable", "set_access_key_state"),
    ("account.modify", "set_service_account_grant"),
    ("allow-list.disable", "set_allow_list"),
    ("allow-list.enable", "set_allow_list"),
    ("audit-key.create", "make_audit_key"),
    ("authority.create", "make_ca"),
    ("console.log-in", "begin_session"),
    ("console.log-in", "open_console"),
    ("console.log-out", "close_console"),
    ("credential.disable", "set_credential_state"),
    ("credential.enable", "set_credential_state"),
    ("credential.exchange", "seal_log_in"),
    ("credential.issue-long-term", "create_credential"),
    ("credential.modify", "set_credential_description"),
    ("group.add", "set_member"),
    ("group.remove", "set_member"),
    ("instance.close", "set_public_endpoint"),
    ("instance.create", "request_instance"),
    ("instance.modify", "set_unrecorded_namespaces"),
    ("instance.open", "set_public_endpoint"),
    ("master-key.rotate", "switch_master_key"),
    ("operator.disable", "set_operator_state"),
    ("operator.enable", "set_operator_state"),
    ("policy.attach", "import_user"),
    ("policy.create", "import_policy"),
    ("policy.create", "save_policy"),
    ("policy.detach", "set_attached"),
    ("policy.update", "save_policy"),
    ("registry.log-in", "asked"),
    ("registry.log-in", "recorded"),
    ("sealing-key.create", "make_key"),
    ("service-account.disable", "modify_service_account"),
    ("service-account.enable", "modify_service_account"),
    ("session.federate", "federation_token"),
    ("signing-key.create", "make_instance_key"),
    ("signing-key.create", "make_key"),
    ("token.exchange", "asked"),
    ("token.exchange", "record_anonymous"),
    ("token.exchange", "who_asked"),
    ("user.disable", "set_user_state"),
    ("user.enable", "set_user_state"),
];

/// Returns each action that the sources of the service write, with the functions that do so.
fn named_actions() -> BTreeMap<String, BTreeSet<String>> {
    fn read(folder: &Path, found: &mut BTreeMap<String, BTreeSet<String>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, found);
                continue;
            }
            if path.ends_with("ledger/actions.rs") {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let mut function = String::new();
            for line in source.lines().take_while(|line| *line != "#[cfg(test)]") {
                let code = line.trim();
                if code.starts_with("//") {
                    continue;
                }
                if let Some((_, rest)) = code.split_once("fn ") {
                    function = rest.split(['(', '<']).next().unwrap().to_owned();
                }
                for rest in code.split("AuditAction::").skip(1) {
                    let variant = rest
                        .split(|letter: char| !letter.is_alphanumeric())
                        .next()
                        .unwrap();
                    let action = AuditAction::ALL
                        .iter()
                        .find(|action| format!("{action:?}") == variant);
                    let name = action
                        .map(|action| action.name())
                        .filter(|name| name.contains('.'));
                    found
                        .entry(name.unwrap_or_default().to_owned())
                        .or_default()
                        .insert(function.clone());
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    read(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service")),
        &mut found,
    );
    // The name for refusals of several actions, and methods of the type.
    found.remove("");
    found
}

#[test]
fn every_action_is_called_what_its_function_does() {
    // A credential's new description was written down as `credential.describe`, the clouds' word
    // for reading.
    let named = named_actions();
    assert!(named.len() > 70, "{named:?}");
    let mut otherwise = Vec::new();
    for (action, functions) in &named {
        let verb = action.split(['.', '-']).collect::<Vec<_>>();
        let noun_words = action.split('.').next().unwrap().split('-').count();
        let others = functions
            .iter()
            .filter(|function| !function.contains(verb[noun_words]));
        otherwise.extend(others.map(|function| (action.as_str(), function.as_str())));
    }
    assert_eq!(
        otherwise, CALLED_OTHERWISE,
        "an action has the verb of the function that writes it, or is listed here"
    );
}

/// Sixty-one scopes, which fill what a request may have in its head.
fn many_scopes() -> String {
    let scopes: Vec<String> = (0..61)
        .map(|number| format!("scope=repository:team/{}{number}:pull", "x".repeat(950)))
        .collect();
    format!("service={SERVICE}&{}", scopes.join("&"))
}

/// Returns the audit's lines of exchanges, once nothing waits for it any more.
async fn exchanges(app: &App) -> Vec<AuditRow> {
    app.service.ledger.close().await;
    let mut lines = lines(app, 0).await;
    lines.retain(|line| line.action == "token.exchange");
    lines
}

#[tokio::test]
async fn a_flood_of_long_scopes_without_a_log_in_stores_one_line_for_each_address() {
    // Every such request stored 65,480 bytes: ten addresses filled memory, and then the disk.
    let app = App::new().await;
    let (addresses, each) = (
        [
            "192.0.2.1",
            "192.0.2.2",
            "[2001:db8::1]",
            "[2001:db8::2]",
            "[2001:db8:0:1::1]",
        ],
        40,
    );
    for _ in 0..each {
        for address in addresses {
            assert_eq!(
                app.registry_from(address, None, &many_scopes())
                    .await
                    .status,
                200
            );
        }
    }
    let lines = exchanges(&app).await;
    let told: BTreeMap<&str, u64> = lines
        .iter()
        .map(|line| {
            assert_eq!(
                (
                    line.action.as_str(),
                    line.outcome.as_str(),
                    line.service.as_deref()
                ),
                ("token.exchange", "reduced", Some(SERVICE))
            );
            assert_eq!(
                (line.account, &line.principal),
                (Some(app.instance.account.number()), &None)
            );
            let detail: serde_json::Value = serde_json::from_str(&line.detail).unwrap();
            assert_eq!(detail["cause"], "nothing-granted");
            (
                line.address.as_deref().unwrap(),
                detail["exchanges"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("192.0.2.1", 40),
        ("192.0.2.2", 40),
        ("2001:db8::", 80),
        ("2001:db8:0:1::", 40),
    ];
    assert_eq!((lines.len(), told), (4, BTreeMap::from(expected)));
}

#[tokio::test]
async fn an_exchange_of_long_scopes_stores_a_bounded_line() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    for _ in 0..20 {
        assert_eq!(
            app.registry(Some((&username, secret.expose())), &many_scopes())
                .await
                .status,
            200
        );
    }
    let lines = exchanges(&app).await;
    let digest = |line: &AuditRow| {
        let detail: serde_json::Value = serde_json::from_str(&line.detail).unwrap();
        detail["cut"]["sha256"].as_str().unwrap().to_owned()
    };
    let digests: BTreeSet<String> = lines.iter().map(digest).collect();
    assert_eq!(
        (lines.len(), digests.len()),
        (20, 1),
        "who asks for the same again is told by the digest"
    );
    assert!(lines[0].detail.len() <= 1024, "{}", lines[0].detail.len());
    let detail: serde_json::Value = serde_json::from_str(&lines[0].detail).unwrap();
    assert_eq!(detail["cut"]["left_out"], json!({ "asked": 61 }));
}

#[tokio::test]
async fn an_exchange_without_a_log_in_that_is_granted_something_has_its_line() {
    let app = App::new().await;
    let made = app
        .tencent(
            "CreateNamespace",
            &json!({
                "RegistryId": app.instance.id.as_str(),
                "NamespaceName": "team",
                "IsPublic": true,
            }),
        )
        .send()
        .await;
    assert!(
        made.json()["Response"].get("Error").is_none(),
        "{}",
        made.body
    );
    let answer = app
        .registry_from(
            "192.0.2.1",
            None,
            &format!("service={SERVICE}&scope=repository:team/app:pull"),
        )
        .await;
    let lines = exchanges(&app).await;
    let line = lines
        .iter()
        .find(|line| Some(line.request_id.as_str()) == answer.header("x-request-id"));
    assert_eq!(
        line.map(|line| line.address.as_deref()),
        Some(Some("192.0.2.1"))
    );
}

#[tokio::test]
async fn a_stop_writes_all_that_was_counted_however_short_the_queue_and_nobody_waited_for_it() {
    let app = App::with(|options| {
        (options.service.audit.mode, options.service.audit.queue) = (AuditMode::Required, 8)
    })
    .await;
    for number in 0..300 {
        let peer = format!("192.0.{}.{}", number / 100, number % 100);
        let answer = app
            .registry_from(
                &peer,
                None,
                &format!("service={SERVICE}&scope=repository:team/app:pull"),
            )
            .await;
        assert_eq!(
            answer.status, 200,
            "with audit = \"required\" it waits for no place in the queue"
        );
    }
    let lines = exchanges(&app).await;
    assert!(
        lines.len() == 300
            && lines
                .iter()
                .all(|line| line.detail.contains(r#""exchanges":1"#)),
        "{lines:?}"
    );
}
