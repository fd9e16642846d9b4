//! Policies of repositories: kept as ECR's clients write them, and obeyed beside those of
//! principals.

use std::time::Duration;

use serde_json::{Value, json};
use transire::domain::any_principal::AnyPrincipal;
use transire::domain::namespace::Visibility;
use transire::domain::secret::Secret;
use transire::service::{Explained, NewNamespace};

use crate::harness::aws::{log_in_of, refused_by_ecr, session_of};
use crate::harness::documents::{iam, ram_allow, ram_deny};
use crate::harness::operator::context;
use crate::harness::registry::granted;
use crate::harness::{ACCOUNT, App, Key};

const NAME: &str = "team/app";
const SCOPE: &str = "repository:team/app:pull,push";
const PULL: &str = "repository:team/app:pull";
const PULLS: [&str; 2] = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];

/// A policy with one statement about some actions.
fn policy(effect: &str, principal: &Value, actions: &[&str]) -> String {
    iam(&json!([{ "Effect": effect, "Principal": principal, "Action": actions }])).to_string()
}

fn named(what: &str) -> Value {
    json!({ "AWS": format!("arn:aws:iam::{ACCOUNT}:{what}") })
}

async fn stock() -> App {
    let app = App::new().await;
    app.make_namespace(NewNamespace::named("team")).await;
    app.make_repository("team", "app", None).await;
    app
}

/// The rights of a user who may log in, and these statements.
fn log_in_and(statements: &[Value]) -> Value {
    let mut all = vec![ram_allow("ecr:GetAuthorizationToken", "*")];
    all.extend(statements.iter().cloned());
    iam(&json!(all))
}

async fn told(app: &App, operation: &str, input: &Value) -> Value {
    let answer = app.ecr(operation, input).send().await;
    assert_eq!(answer.status, 200, "{operation} {}", answer.body);
    answer.json()
}

async fn refused(app: &App, operation: &str, input: &Value, key: &Key) -> (String, String) {
    let (_, code, message) = refused_by_ecr(&app.ecr(operation, input).by(key).send().await);
    (code, message)
}

async fn set(app: &App, text: &str) {
    let input = json!({ "repositoryName": NAME, "policyText": text });
    told(app, "SetRepositoryPolicy", &input).await;
}

async fn log_in(app: &App, key: &Key) -> (String, Secret) {
    let call = app.ecr("GetAuthorizationToken", &json!({})).by(key);
    log_in_of(&call.send().await)
}

async fn may(app: &App, (username, secret): &(String, Secret)) -> String {
    granted(app, username, secret, SCOPE).await
}

async fn explained(app: &App, who: &str, action: &str) -> Explained {
    let who: AnyPrincipal = format!("{ACCOUNT}:{who}").parse().unwrap();
    app.explain(&who, action, &app.instance, NAME, &context())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_policy_is_kept_to_the_letter_and_removed() {
    let app = stock().await;
    let of_it = json!({ "repositoryName": NAME });
    let none = (
        "RepositoryPolicyNotFoundException".to_owned(),
        format!(
            "Repository policy does not exist for the repository with name '{NAME}' in the \
             registry with id '{ACCOUNT}'"
        ),
    );
    for operation in ["GetRepositoryPolicy", "DeleteRepositoryPolicy"] {
        assert_eq!(refused(&app, operation, &of_it, &app.key).await, none);
    }
    let first = policy("Allow", &json!("*"), &PULLS);
    for text in [first.clone(), format!("  {first}\n")] {
        let input = json!({ "repositoryName": NAME, "policyText": text, "force": true });
        let expected = json!({
            "registryId": ACCOUNT, "repositoryName": NAME, "policyText": text,
        });
        assert_eq!(told(&app, "SetRepositoryPolicy", &input).await, expected);
        assert_eq!(told(&app, "GetRepositoryPolicy", &of_it).await, expected);
    }
    let with_id = json!({ "repositoryName": NAME, "registryId": ACCOUNT });
    let removed = told(&app, "DeleteRepositoryPolicy", &with_id).await;
    assert_eq!(removed["policyText"], format!("  {first}\n"));
    assert_eq!(
        refused(&app, "GetRepositoryPolicy", &of_it, &app.key).await,
        none
    );
}

#[tokio::test]
async fn policies_that_can_not_be_are_refused_with_the_place() {
    let app = stock().await;
    let with_resource = iam(&json!([{
        "Effect": "Allow", "Principal": "*", "Action": "ecr:*", "Resource": "*",
    }]));
    for (text, why) in [
        (json!(null), "policyText"),
        (json!(""), "well-formed JSON"),
        (json!("{}"), "it must have"),
        (
            json!(with_resource.to_string()),
            "Statement[0].Resource: a repository's policy has no resource",
        ),
        (
            json!(policy("Allow", &json!("*"), &["ecr:BatchGetImage", "s3:*"])),
            "Statement[0].Action[1]: the action of a repository's policy is ecr:NAME",
        ),
        (json!("x".repeat(10_241)), "longer than 10240 characters"),
    ] {
        let input = json!({ "repositoryName": NAME, "policyText": text });
        let (code, message) = refused(&app, "SetRepositoryPolicy", &input, &app.key).await;
        assert_eq!(code, "InvalidParameterException", "{text}");
        assert!(message.contains(why), "{message}");
    }
    for operation in [
        "SetRepositoryPolicy",
        "GetRepositoryPolicy",
        "DeleteRepositoryPolicy",
    ] {
        for (name, registry, code) in [
            (json!(null), json!(null), "InvalidParameterException"),
            (json!(NAME), json!("1"), "InvalidParameterException"),
            (
                json!("team/none"),
                json!(null),
                "RepositoryNotFoundException",
            ),
        ] {
            let text = policy("Allow", &json!("*"), &PULLS);
            let input =
                json!({ "repositoryName": name, "registryId": registry, "policyText": text });
            let found = refused(&app, operation, &input, &app.key).await;
            assert_eq!(found.0, code, "{operation} {input}");
        }
    }
}

#[tokio::test]
async fn each_call_wants_its_right_which_the_policy_itself_may_give() {
    let app = stock().await;
    let reader = app
        .user(
            "reader",
            &iam(&json!([ram_allow("ecr:DescribeRepositories", "*")])),
        )
        .await;
    let text = policy("Allow", &named("user/reader"), &["ecr:GetRepositoryPolicy"]);
    let input = json!({ "repositoryName": NAME, "policyText": text });
    for operation in ["SetRepositoryPolicy", "GetRepositoryPolicy"] {
        let found = refused(&app, operation, &input, &reader).await;
        assert_eq!(found.0, "AccessDeniedException", "{operation}");
    }
    set(&app, &text).await;
    let answer = app
        .ecr("GetRepositoryPolicy", &input)
        .by(&reader)
        .send()
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for operation in ["SetRepositoryPolicy", "DeleteRepositoryPolicy"] {
        let found = refused(&app, operation, &input, &reader).await;
        assert_eq!(found.0, "AccessDeniedException", "{operation}");
    }
}

#[tokio::test]
async fn a_changed_policy_takes_effect_at_once_on_a_repeated_exchange() {
    let app = stock().await;
    let ci = app.user("ci", &log_in_and(&[])).await;
    let credential = log_in(&app, &ci).await;
    let all = ["ecr:*"];
    let of_it = json!({ "repositoryName": NAME });
    for _ in 0..2 {
        assert_eq!(may(&app, &credential).await, "");
        set(&app, &policy("Allow", &named("user/ci"), &PULLS)).await;
        assert_eq!(may(&app, &credential).await, PULL);
        assert_eq!(may(&app, &credential).await, PULL);
        set(&app, &policy("Allow", &named("root"), &all)).await;
        assert_eq!(may(&app, &credential).await, SCOPE);
        set(&app, &policy("Allow", &named("user/cd"), &all)).await;
        assert_eq!(may(&app, &credential).await, "");
        set(&app, &policy("Allow", &json!("*"), &all)).await;
        assert_eq!(may(&app, &credential).await, SCOPE);
        told(&app, "DeleteRepositoryPolicy", &of_it).await;
        // A change of the same content is refused as repeated within a second.
        app.wait(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_denial_of_either_wins() {
    let app = stock().await;
    let denied = log_in_and(&[ram_deny(PULLS, "*")]);
    let allowed = log_in_and(&[ram_allow("ecr:*", "*")]);
    let ci = log_in(&app, &app.user("ci", &denied).await).await;
    let cd = log_in(&app, &app.user("cd", &allowed).await).await;
    let root = log_in(&app, &app.key).await;
    set(&app, &policy("Allow", &json!("*"), &PULLS)).await;
    assert_eq!(may(&app, &ci).await, "");
    for credential in [&cd, &root] {
        assert_eq!(may(&app, credential).await, SCOPE);
    }
    set(&app, &policy("Deny", &json!("*"), &["ecr:*"])).await;
    for credential in [&ci, &cd, &root] {
        assert_eq!(may(&app, credential).await, "");
    }
    // The root alone is never locked out.
    let of_it = json!({ "repositoryName": NAME });
    let user = app.user("ops", &allowed).await;
    let found = refused(&app, "DeleteRepositoryPolicy", &of_it, &user).await;
    assert_eq!(found.0, "AccessDeniedException");
    told(&app, "DeleteRepositoryPolicy", &of_it).await;
    assert_eq!(may(&app, &cd).await, SCOPE);
}

#[tokio::test]
async fn a_denial_of_everyone_closes_what_is_public() {
    let app = App::new().await;
    app.make_namespace(NewNamespace::named("team")).await;
    app.make_repository("team", "app", Some(Visibility::Public))
        .await;
    assert_eq!(app.granted_to_nobody(PULL).await[0]["name"], NAME);
    set(&app, &policy("Deny", &json!("*"), &PULLS)).await;
    assert_eq!(app.granted_to_nobody(PULL).await, json!([]));
    // Private registries of AWS let nobody in without a log-in, so no policy does.
    app.make_repository("team", "base", None).await;
    let text = policy("Allow", &json!("*"), &["ecr:*"]);
    let input = json!({ "repositoryName": "team/base", "policyText": text });
    told(&app, "SetRepositoryPolicy", &input).await;
    let scope = "repository:team/base:pull";
    assert_eq!(app.granted_to_nobody(scope).await, json!([]));
}

#[tokio::test]
async fn a_session_gets_from_it_what_its_own_policy_allows_too() {
    let app = stock().await;
    app.role("puller", &log_in_and(&[])).await;
    let user = app
        .user("ci", &iam(&json!([ram_allow("sts:AssumeRole", "*")])))
        .await;
    set(&app, &policy("Allow", &named("role/puller"), &["ecr:*"])).await;
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/puller");
    let only_log_in = log_in_and(&[]).to_string();
    let pulls = log_in_and(&[ram_allow(PULLS, "*")]).to_string();
    for (session, expected) in [(None, SCOPE), (Some(only_log_in), ""), (Some(pulls), PULL)] {
        let mut parameters = vec![("RoleArn", arn.as_str()), ("RoleSessionName", "test")];
        parameters.extend(session.as_deref().map(|text| ("Policy", text)));
        let answer = app
            .aws_sts("AssumeRole", &parameters)
            .by(&user)
            .send()
            .await;
        let credential = log_in(&app, &session_of(&answer).key()).await;
        assert_eq!(may(&app, &credential).await, expected, "{session:?}");
    }
}

#[tokio::test]
async fn it_ends_with_its_repository() {
    let app = stock().await;
    let ci = log_in(&app, &app.user("ci", &log_in_and(&[])).await).await;
    set(&app, &policy("Allow", &json!("*"), &PULLS)).await;
    assert_eq!(may(&app, &ci).await, PULL);
    let gone = json!({ "repositoryName": NAME, "force": true });
    told(&app, "DeleteRepository", &gone).await;
    assert_eq!(may(&app, &ci).await, "");
    told(&app, "CreateRepository", &json!({ "repositoryName": NAME })).await;
    assert_eq!(may(&app, &ci).await, "");
}

#[tokio::test]
async fn the_explanation_says_when_it_decided() {
    let app = stock().await;
    app.user("ci", &log_in_and(&[])).await;
    app.user("cd", &log_in_and(&[ram_allow("ecr:*", "*")]))
        .await;
    let statement = json!([{
        "Sid": "ours", "Effect": "Allow", "Principal": named("user/ci"), "Action": PULLS,
    }]);
    set(&app, &iam(&statement).to_string()).await;
    let decided = |explained: Explained| {
        let step = explained.deciding().unwrap().clone();
        (explained.allowed, step.about, step.reason)
    };
    assert_eq!(
        decided(explained(&app, "user/ci", "pull").await),
        (
            true,
            "repository-policy",
            "allowed by the repository's policy Statement[0] (ours)".to_owned()
        )
    );
    assert!(!explained(&app, "user/ci", "push").await.allowed);
    assert_eq!(
        decided(explained(&app, "user/cd", "pull").await).1,
        "policies"
    );
    set(&app, &policy("Deny", &json!("*"), &["ecr:PutImage"])).await;
    for who in ["user/cd", "root"] {
        assert_eq!(
            decided(explained(&app, who, "push").await),
            (
                false,
                "repository-policy",
                "denied by the repository's policy Statement[0]".to_owned()
            )
        );
    }
}
