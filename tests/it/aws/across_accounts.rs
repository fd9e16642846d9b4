//! Access to another account's repositories: what a principal's own policies and the repository's
//! both allow.

use std::time::Duration;

use serde_json::{Value, json};
use transire::domain::any_principal::AnyPrincipal;
use transire::domain::identity::Target;
use transire::domain::ids::AccountId;
use transire::domain::namespace::Visibility;
use transire::domain::secret::Secret;
use transire::service::{Attached, Explained, NewNamespace};

use crate::harness::aws::{log_in_of, refused_by_ecr, session_of};
use crate::harness::documents::{allow, cam, deny, iam, ram_allow, ram_deny};
use crate::harness::operator::context;
use crate::harness::registry::granted;
use crate::harness::{ACCOUNT, App, Key, SERVICE};

const PARTNER: &str = "200000000002";
const NAME: &str = "team/app";
const SCOPE: &str = "repository:team/app:pull,push";
const PULL: &str = "repository:team/app:pull";
const PULLS: [&str; 2] = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

fn partner() -> AccountId {
    PARTNER.parse().unwrap()
}

/// An app with a repository, and a key of another account's root.
async fn stock() -> (App, Key) {
    let app = App::new().await;
    app.make_namespace(NewNamespace::named("team")).await;
    app.make_repository("team", "app", None).await;
    let root = app.other_account(partner()).await;
    (app, root)
}

fn statement(effect: &str, whom: &str, actions: &[&str]) -> Value {
    let principal = match whom {
        "*" => json!("*"),
        who => json!({ "AWS": format!("arn:aws:iam::{PARTNER}:{who}") }),
    };
    json!({ "Effect": effect, "Principal": principal, "Action": actions })
}

fn allowing(whom: &str, actions: &[&str]) -> String {
    iam(&json!([statement("Allow", whom, actions)])).to_string()
}

async fn set(app: &App, text: &str) {
    let input = json!({ "repositoryName": NAME, "policyText": text });
    let answer = app.ecr("SetRepositoryPolicy", &input).send().await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The rights of a user who may log in, and these statements.
fn log_in_and(statements: &[Value]) -> Value {
    let mut all = vec![ram_allow("ecr:GetAuthorizationToken", "*")];
    all.extend(statements.iter().cloned());
    iam(&json!(all))
}

async fn log_in(app: &App, key: &Key) -> (String, Secret) {
    let input = json!({ "registryIds": [ACCOUNT] });
    log_in_of(
        &app.ecr("GetAuthorizationToken", &input)
            .by(key)
            .send()
            .await,
    )
}

async fn may(app: &App, (username, secret): &(String, Secret)) -> String {
    granted(app, username, secret, SCOPE).await
}

async fn status(app: &App, operation: &str, input: &Value, key: &Key) -> (u16, String, String) {
    let answer = app.ecr(operation, input).by(key).send().await;
    if answer.status == 200 {
        return (200, String::new(), answer.body);
    }
    refused_by_ecr(&answer)
}

#[tokio::test]
async fn both_accounts_must_allow_it() {
    let (app, root) = stock().await;
    let all = log_in_and(&[ram_allow("ecr:*", "*")]);
    let arn = format!("arn:aws:ecr:*:{ACCOUNT}:repository/team/*");
    let pulls = log_in_and(&[ram_allow(PULLS, &arn)]);
    let of_own = format!("arn:aws:ecr:*:{PARTNER}:repository/*");
    let elsewhere = log_in_and(&[ram_allow("ecr:*", &of_own)]);
    let all = log_in(&app, &app.user_of(partner(), "all", &all).await).await;
    let pulls = log_in(&app, &app.user_of(partner(), "pulls", &pulls).await).await;
    let own = log_in(&app, &app.user_of(partner(), "own", &elsewhere).await).await;
    let root = log_in(&app, &root).await;
    // Each has what root, all, pulls and own are granted.
    for (policy, expected) in [
        (None, ["", "", "", ""]),
        (Some(allowing("root", &["ecr:*"])), [SCOPE, SCOPE, PULL, ""]),
        (Some(allowing("*", &["ecr:*"])), [SCOPE, SCOPE, PULL, ""]),
        (Some(allowing("root", &PULLS)), [PULL, PULL, PULL, ""]),
        (Some(allowing("user/all", &["ecr:*"])), ["", SCOPE, "", ""]),
        (Some(allowing("user/own", &["ecr:*"])), ["", "", "", ""]),
        (
            Some(
                iam(&json!([
                    statement("Allow", "root", &["ecr:*"]),
                    statement("Deny", "user/all", &["ecr:PutImage"]),
                ]))
                .to_string(),
            ),
            [SCOPE, PULL, PULL, ""],
        ),
        (
            Some(allowing("*", &["ecr:*"]).replace(
                "\"Effect\"",
                "\"Condition\":{\"StringEquals\":{\"aws:PrincipalAccount\":\"300000000003\"}},\
                 \"Effect\"",
            )),
            ["", "", "", ""],
        ),
    ] {
        if let Some(text) = &policy {
            set(&app, text).await;
        }
        let mut found = Vec::new();
        for credential in [&root, &all, &pulls, &own] {
            // Twice: the second is remembered.
            let first = may(&app, credential).await;
            assert_eq!(may(&app, credential).await, first, "{policy:?}");
            found.push(first);
        }
        assert_eq!(found, expected, "{policy:?}");
    }
}

#[tokio::test]
async fn a_log_in_is_given_for_each_registry_and_opens_it_alone() {
    let (app, root) = stock().await;
    set(&app, &allowing("root", &PULLS)).await;
    let input = json!({ "registryIds": [ACCOUNT] });
    let (_, secret) = log_in(&app, &root).await;
    // The partner has no registry of its own.
    for ids in [
        json!([PARTNER]),
        json!([ACCOUNT, PARTNER]),
        json!(["300000000003"]),
    ] {
        let input = json!({ "registryIds": ids });
        let (_, code, message) = status(&app, "GetAuthorizationToken", &input, &root).await;
        assert_eq!(code, "InvalidParameterException", "{ids}");
        let is_told = message.contains("There is no registry with id")
            || message.contains("The account has no default registry");
        assert!(is_told, "{message}");
    }
    let both = json!({ "registryIds": [ACCOUNT, ACCOUNT] });
    let answer = app
        .ecr("GetAuthorizationToken", &both)
        .by(&root)
        .send()
        .await;
    let data = answer.json()["authorizationData"].clone();
    assert_eq!(data.as_array().unwrap().len(), 2);
    for one in data.as_array().unwrap() {
        assert_eq!(one["proxyEndpoint"], format!("https://{SERVICE}"));
    }
    let other = "service=other.example.com";
    let refused = app.registry(Some(("AWS", secret.expose())), other).await;
    assert_eq!(refused.status, 401);
    // The right to log in is the caller's own to have.
    let nothing = app
        .user_of(
            partner(),
            "nothing",
            &iam(&json!([ram_allow("ecr:Describe*", "*")])),
        )
        .await;
    let (_, code, message) = status(&app, "GetAuthorizationToken", &input, &nothing).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains("no identity-based policy"), "{message}");
}

#[tokio::test]
async fn nothing_else_of_the_registry_is_opened() {
    let (app, root) = stock().await;
    app.make_repository("team", "base", None).await;
    set(&app, &allowing("*", &["ecr:*"])).await;
    let (username, secret) = log_in(&app, &root).await;
    for scope in [
        "repository:team/base:pull,push",
        "repository:team/new:push",
        "repository:other/app:pull,push",
        "registry:catalog:*",
        "repository::pull",
        "repository:team/../team/app:pull",
    ] {
        assert_eq!(
            granted(&app, &username, &secret, scope).await,
            "",
            "{scope}"
        );
    }
    let of = |name: &str| json!({ "registryId": ACCOUNT, "repositoryName": name });
    for (operation, input) in [
        ("DescribeRepositories", json!({ "registryId": ACCOUNT })),
        ("CreateRepository", of("team/new")),
        ("ListImages", of("team/base")),
        ("GetRepositoryPolicy", of("team/base")),
        (
            "SetRepositoryPolicy",
            json!({
                "registryId": ACCOUNT, "repositoryName": "team/base",
                "policyText": allowing("*", &["ecr:*"]),
            }),
        ),
        ("DeleteRepository", of("team/none")),
    ] {
        let (_, code, message) = status(&app, operation, &input, &root).await;
        assert_eq!(code, "AccessDeniedException", "{operation} {message}");
        assert!(
            message.contains("because no resource-based policy allows"),
            "{message}"
        );
    }
    // Other accounts' registries may be asked for, whether they are there or not.
    let input = json!({ "registryId": "300000000003", "repositoryName": NAME });
    let (_, code, _) = status(&app, "ListImages", &input, &root).await;
    assert_eq!(code, "RepositoryNotFoundException");
    // No other door names another account's instance.
    let answer = app.tencent_credential(&root).await;
    assert!(answer.body.contains("ResourceNotFound"), "{}", answer.body);
}

#[tokio::test]
async fn calls_name_the_other_registry_and_do_what_its_policy_allows() {
    let (app, root) = stock().await;
    let arn = format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{NAME}");
    let of_it = json!({ "registryId": ACCOUNT, "repositoryName": NAME });
    let named = json!({ "registryId": ACCOUNT, "repositoryNames": [NAME] });
    let calls = [
        ("DescribeRepositories", named),
        ("GetRepositoryPolicy", of_it.clone()),
        ("ListTagsForResource", json!({ "resourceArn": arn })),
    ];
    for (operation, input) in &calls {
        let (_, code, _) = status(&app, operation, input, &root).await;
        assert_eq!(code, "AccessDeniedException", "{operation}");
    }
    let actions = calls.each_ref().map(|(name, _)| format!("ecr:{name}"));
    set(
        &app,
        &allowing("root", &actions.each_ref().map(String::as_str)),
    )
    .await;
    for (operation, input) in &calls {
        let (status, _, body) = status(&app, operation, input, &root).await;
        assert_eq!(status, 200, "{operation}");
        let names_it = body.contains(ACCOUNT) || *operation == "ListTagsForResource";
        assert!(names_it, "{operation}: {body}");
    }
    let (_, code, message) = status(&app, "DeleteRepositoryPolicy", &of_it, &root).await;
    assert_eq!(code, "AccessDeniedException");
    let named = format!("{ACCOUNT}:repository/{NAME}");
    assert!(message.contains(&named), "{message}");
    // The exception for the root is that of the repository's own account.
    set(
        &app,
        &iam(&json!([statement("Deny", "*", &["ecr:*"])])).to_string(),
    )
    .await;
    let (_, code, message) = status(&app, "GetRepositoryPolicy", &of_it, &root).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.contains("with an explicit deny in a resource-based policy"),
        "{message}"
    );
    let (status, ..) = status(&app, "GetRepositoryPolicy", &of_it, &app.key).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn it_ends_with_the_policy_with_the_key_and_with_the_users_own_rights() {
    let (app, _) = stock().await;
    set(&app, &allowing("root", &["ecr:*"])).await;
    let key = app
        .user_of(partner(), "ci", &log_in_and(&[ram_allow("ecr:*", "*")]))
        .await;
    let credential = log_in(&app, &key).await;
    assert_eq!(may(&app, &credential).await, SCOPE);
    set(&app, &allowing("user/nobody", &["ecr:*"])).await;
    assert_eq!(may(&app, &credential).await, "");
    app.wait(Duration::from_secs(1));
    set(&app, &allowing("root", &["ecr:*"])).await;
    assert_eq!(may(&app, &credential).await, SCOPE);
    let (operator, identity) = (app.operator(), &app.service.identity);
    let user = Target::User("ci".to_owned());
    identity
        .set_attached(&operator, partner(), "of-user-ci", &user, Attached::No)
        .await
        .unwrap();
    assert_eq!(may(&app, &credential).await, "");
    identity
        .delete_user(&operator, partner(), "ci")
        .await
        .unwrap();
    assert!(!app.opens(&credential).await);
}

#[tokio::test]
async fn a_denial_of_either_account_closes_what_is_public_too() {
    let app = App::new().await;
    app.make_namespace(NewNamespace::named("team")).await;
    app.make_repository("team", "app", Some(Visibility::Public))
        .await;
    app.other_account(partner()).await;
    let plain = app.user_of(partner(), "plain", &log_in_and(&[])).await;
    let denied = app
        .user_of(
            partner(),
            "denied",
            &log_in_and(&[ram_deny("ecr:BatchGetImage", "*")]),
        )
        .await;
    assert_eq!(may(&app, &log_in(&app, &plain).await).await, PULL);
    assert_eq!(may(&app, &log_in(&app, &denied).await).await, "");
    // In whatever language.
    let in_cam = cam(&json!([allow("*", "*"), deny("tcr:PullRepository", "*")]));
    let in_cam = app.user_of(partner(), "in-cam", &in_cam).await;
    assert_eq!(may(&app, &log_in(&app, &in_cam).await).await, "");
    let text = iam(&json!([statement("Deny", "user/plain", &PULLS)])).to_string();
    set(&app, &text).await;
    assert_eq!(may(&app, &log_in(&app, &plain).await).await, "");
    assert_eq!(app.granted_to_nobody(PULL).await[0]["name"], NAME);
}

#[tokio::test]
async fn a_session_is_narrowed_across_accounts() {
    let (app, root) = stock().await;
    set(&app, &allowing("root", &["ecr:*"])).await;
    let pulls = log_in_and(&[ram_allow(PULLS, "*")]).to_string();
    let parameters = [("Name", "narrow"), ("Policy", &pulls)];
    let answer = app.aws_sts("GetFederationToken", &parameters);
    let session = session_of(&answer.by(&root).send().await).key();
    let credential = log_in(&app, &session).await;
    assert_eq!(may(&app, &credential).await, PULL);
}

#[tokio::test]
async fn the_explanation_has_both_sides() {
    let (app, _) = stock().await;
    app.user_of(partner(), "ci", &log_in_and(&[ram_allow("ecr:*", "*")]))
        .await;
    app.user_of(partner(), "none", &log_in_and(&[])).await;
    let explained = async |who: &str, action: &str| -> Explained {
        let who: AnyPrincipal = format!("{PARTNER}:{who}").parse().unwrap();
        app.explain(&who, action, &app.instance, NAME, &context())
            .await
            .unwrap()
    };
    let decided = |explained: Explained| {
        let step = explained.deciding().unwrap().clone();
        (explained.allowed, step.about, step.reason)
    };
    assert_eq!(
        decided(explained("user/ci", "pull").await),
        (
            false,
            "repository-policy",
            "the instance belongs to another account, and no policy of the repository allows it"
                .to_owned()
        )
    );
    set(&app, &allowing("root", &PULLS)).await;
    for who in ["user/ci", "root"] {
        assert_eq!(
            decided(explained(who, "pull").await),
            (
                true,
                "repository-policy",
                "allowed by the repository's policy Statement[0]".to_owned()
            )
        );
        assert!(!explained(who, "push").await.allowed);
        assert!(!explained(who, "list-catalog").await.allowed);
    }
    let (allowed, about, _) = decided(explained("user/none", "pull").await);
    assert_eq!((allowed, about), (false, "policies"));
}
