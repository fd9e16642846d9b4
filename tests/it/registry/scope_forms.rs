//! Every form in which a scope was seen or could be tried, and what each caller gets for it.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::harness::{App, SERVICE};

/// Scopes of one request each; a line may hold several, divided by spaces.
const FORMS: &[&str] = &[
    "repository:team/app:pull",
    "repository:team/app:pull,push",
    "repository:team/app:push,pull",
    "repository:team/app:pull,pull,pull",
    "repository:team/app:delete",
    "repository:team/app:*",
    "repository:team/app:pull,*",
    "repository:team/app:PULL",
    "repository:team/app:Pull,push",
    "repository:team/app:",
    "repository:team/app:,",
    "repository:team/app: pull",
    "repository:team/app:pull;push",
    "repository:team/app:pull%2Cpush",
    "repository:team/app:fly",
    "repository:team/app:pull,fly",
    // No actions, no name, no type.
    "repository:a:pull",
    "repository:team/app",
    // zot asks so where it lists them all.
    "repository::pull",
    "repository::push,delete",
    "repository::*",
    ":team/app:pull",
    "::",
    ":",
    "pull",
    // The deprecated class.
    "repository(plugin):team/app:pull",
    "repository():team/app:pull",
    "repository(plugin:team/app:pull",
    // Other types, and spellings of the types.
    "Repository:team/app:pull",
    "REPOSITORY:team/app:pull",
    "repositories:team/app:pull",
    "registry:catalog:*",
    "registry:catalog:pull",
    "registry:catalog:list",
    "registry:Catalog:*",
    "registry:*:*",
    "registry:team/app:pull",
    "repository:catalog:*",
    "*:*:*",
    "image:team/app:pull",
    // Several of one request: of one resource, of several types.
    "repository:team/app:pull repository:team/app:push",
    "repository:team/app:pull repository:other/app:pull",
    "repository:team/app:pull registry:catalog:*",
    "repository:team/app:pull nonsense",
    "repository:team/app:pull  repository:team/app:pull",
    // Wildcards in names.
    "repository:*:pull",
    "repository:**:pull",
    "repository:team/*:pull",
    "repository:*/app:pull",
    "repository:team/ap?:pull",
    "repository:team/[a-z]pp:pull",
    // Names that another name is read as, by somebody.
    "repository:other/../team/app:pull",
    "repository:team/./app:pull",
    "repository:./team/app:pull",
    "repository:../team/app:pull",
    "repository:/team/app:pull",
    "repository:team/app/:pull",
    "repository:team//app:pull",
    "repository:team%2Fapp:pull",
    "repository:team%252Fapp:pull",
    "repository:team\\app:pull",
    "repository:Team/app:pull",
    "repository:team/App:pull",
    "repository:team/app@sha256:pull",
    "repository:team/app:v1:pull",
    "repository:registry.example.com/team/app:pull",
    "repository:registry.example.com:5000/team/app:pull",
    "repository:other.example.com/team/app:pull",
    "repository:team/app\u{202e}:pull",
    "repository:te\u{430}m/app:pull",
    "repository:team/app\u{0}:pull",
    "repository:team/app\r\nX-Injected: 1:pull",
    "repository:team/app':pull",
    "repository:team/app\":pull",
    "repository:team/__app__a..b--c:pull",
    "repository:team/a_.b:pull",
    "repository:-team/app:pull",
];

fn query(scopes: &[&str]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("service", SERVICE);
    query
        .extend_pairs(scopes.iter().map(|scope| ("scope", scope)))
        .finish()
}

/// Returns what the token of an answer allows, or the refusal.
fn outcome(answer: &crate::harness::Answer) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    if answer.status != 200 {
        return format!(
            "{} {}",
            answer.status.as_u16(),
            answer.json()["errors"][0]["code"].as_str().unwrap()
        );
    }
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let claims: Value = serde_json::from_slice(
        &URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).unwrap())
            .unwrap(),
    )
    .unwrap();
    let access = claims["access"].as_array().unwrap().iter().map(|one| {
        let actions: Vec<&str> = one["actions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|action| action.as_str().unwrap())
            .collect();
        format!(
            "{}:{}:{}",
            one["type"].as_str().unwrap(),
            one["name"].as_str().unwrap(),
            actions.join(",")
        )
    });
    let access: Vec<String> = access.collect();
    if access.is_empty() {
        "nothing".to_owned()
    } else {
        access.join(" ")
    }
}

#[tokio::test]
async fn every_form_of_a_scope_gets_what_its_caller_may_and_no_more() {
    let app = App::new().await;
    let id = app.instance.id.as_str();
    for (name, is_public) in [("team", false), ("open", true)] {
        app.tcr(
            "CreateNamespace",
            json!({ "RegistryId": id, "NamespaceName": name, "IsPublic": is_public }),
        )
        .await;
    }
    let (username, secret) = app.temporary().await;
    let robot = app.create_robot(&json!({})).await;
    let mut table = String::new();
    let public = FORMS.iter().map(|form| form.replace("team", "open"));
    for (form, public) in FORMS.iter().zip(public) {
        let root = outcome(
            &app.registry(Some((&username, secret.expose())), &query(&[form]))
                .await,
        );
        let puller = outcome(
            &app.registry(Some(("tcr$robot", &robot)), &query(&[form]))
                .await,
        );
        let nobody = outcome(&app.registry(None, &query(&[&public])).await);
        writeln!(
            table,
            "{form:?}\n    root: {root}\n    may pull from team: {puller}\n    nobody, \
             of open: {nobody}"
        )
        .unwrap();
    }
    insta::assert_snapshot!("scope_forms", table);
}

#[tokio::test]
async fn scopes_by_get_and_by_post_get_the_same() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    for form in FORMS {
        let by_get = outcome(
            &app.registry(Some((&username, secret.expose())), &query(&[form]))
                .await,
        );
        let fields = [
            ("grant_type", "password"),
            ("username", username.as_str()),
            ("password", secret.expose()),
        ];
        let fields = form_urlencoded::Serializer::new(query(&[form]))
            .extend_pairs(fields)
            .finish();
        assert_eq!(
            by_get,
            outcome(&app.registry_form(&fields).await),
            "{form:?}"
        );
    }
}

#[tokio::test]
async fn a_repeated_scope_is_one_and_too_many_or_too_long_ones_are_none() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let credential = Some((username.as_str(), secret.expose()));
    let one = "repository:team/app:pull";
    assert_eq!(
        outcome(&app.registry(credential, &query(&[one; 300])).await),
        one
    );
    // A name that a registry can have is at most 255 characters long.
    for (length, granted) in [(255, true), (256, false), (2000, false)] {
        let scope = format!("repository:{}:pull", "a".repeat(length));
        let answer = outcome(&app.registry(credential, &query(&[&scope, one])).await);
        assert_eq!(answer.contains("aaaa"), granted, "{length}: {answer}");
        assert!(answer.ends_with(one), "{length}: {answer}");
    }
    // Without a log-in 64 are the most, those that are one counted as one.
    let many: Vec<String> = (0..65)
        .map(|number| format!("repository:team/app-{number}:pull"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        outcome(&app.registry(None, &query(&many[..64])).await),
        "nothing"
    );
    assert_eq!(
        outcome(&app.registry(None, &query(&many)).await),
        "400 INVALID_REQUEST"
    );
}
