//! Lifecycle policies as ECR's clients keep them, and the operator carries them out.

use serde_json::{Value, json};
use transire::service::{NewNamespace, RepositoryChoice, RunMode};

use crate::harness::aws::refused_by_ecr;
use crate::harness::documents::{allow, cam};
use crate::harness::issuer::{Issuer, Reply};
use crate::harness::{ACCOUNT, App};

const NAME: &str = "team/app";

/// A document that keeps some images, as Terraform writes it.
fn document(kept: u32) -> String {
    let selection = json!({
        "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": kept,
    });
    let rule = json!({
        "rulePriority": 1,
        "description": "keeps the last ones",
        "selection": selection,
        "action": { "type": "expire" },
    });
    json!({ "rules": [rule] }).to_string()
}

async fn stock() -> App {
    let app = App::new().await;
    app.make_namespace(NewNamespace::named("team")).await;
    app.make_repository("team", "app", None).await;
    app
}

async fn told(app: &App, operation: &str, input: &Value) -> Value {
    let answer = app.ecr(operation, input).send().await;
    assert_eq!(answer.status, 200, "{operation} {}", answer.body);
    answer.json()
}

async fn refused(app: &App, operation: &str, input: &Value) -> (String, String) {
    let (_, code, message) = refused_by_ecr(&app.ecr(operation, input).send().await);
    (code, message)
}

fn which() -> RepositoryChoice {
    RepositoryChoice::Named {
        namespace: "team".to_owned(),
        name: "app".to_owned(),
    }
}

#[tokio::test]
async fn a_policy_is_kept_to_the_letter_and_removed() {
    let app = stock().await;
    let of_it = json!({ "repositoryName": NAME });
    for operation in ["GetLifecyclePolicy", "DeleteLifecyclePolicy"] {
        assert_eq!(
            refused(&app, operation, &of_it).await,
            (
                "LifecyclePolicyNotFoundException".to_owned(),
                format!(
                    "Lifecycle policy does not exist for the repository with name '{NAME}' in the \
                     registry with id '{ACCOUNT}'"
                )
            )
        );
    }
    for text in [document(3), format!("  {}\n", document(4))] {
        let input = json!({ "repositoryName": NAME, "lifecyclePolicyText": text });
        let mut expected = input.clone();
        expected["registryId"] = ACCOUNT.into();
        assert_eq!(told(&app, "PutLifecyclePolicy", &input).await, expected);
        assert_eq!(told(&app, "GetLifecyclePolicy", &of_it).await, expected);
    }
    let with_id = json!({ "repositoryName": NAME, "registryId": ACCOUNT });
    let removed = told(&app, "DeleteLifecyclePolicy", &with_id).await;
    assert_eq!(
        removed["lifecyclePolicyText"],
        format!("  {}\n", document(4))
    );
    assert_eq!(
        refused(&app, "GetLifecyclePolicy", &of_it).await.0,
        "LifecyclePolicyNotFoundException"
    );
}

#[tokio::test]
async fn a_policy_ends_with_its_repository() {
    let app = stock().await;
    let input = json!({ "repositoryName": NAME, "lifecyclePolicyText": document(3) });
    told(&app, "PutLifecyclePolicy", &input).await;
    let of_it = json!({ "repositoryName": NAME });
    let gone = json!({ "repositoryName": NAME, "force": true });
    told(&app, "DeleteRepository", &gone).await;
    assert_eq!(
        refused(&app, "GetLifecyclePolicy", &of_it).await.0,
        "RepositoryNotFoundException"
    );
    told(&app, "CreateRepository", &of_it).await;
    assert_eq!(
        refused(&app, "GetLifecyclePolicy", &of_it).await.0,
        "LifecyclePolicyNotFoundException"
    );
}

#[tokio::test]
async fn policies_that_can_not_be_are_refused() {
    let app = stock().await;
    let bad_action = document(3).replace("expire", "archive");
    for text in [
        json!(null),
        json!(""),
        json!("{}"),
        json!("x".repeat(200)),
        json!("x".repeat(30_721)),
        json!(document(0)),
        json!(bad_action),
    ] {
        let input = json!({ "repositoryName": NAME, "lifecyclePolicyText": text });
        let (code, message) = refused(&app, "PutLifecyclePolicy", &input).await;
        assert_eq!(code, "InvalidParameterException", "{text}");
        let reason = "Lifecycle policy validation failure: ";
        assert_eq!(message.contains(reason), !text.is_null(), "{message}");
    }
    for operation in [
        "PutLifecyclePolicy",
        "GetLifecyclePolicy",
        "DeleteLifecyclePolicy",
    ] {
        for (name, registry, code) in [
            (json!(null), json!(null), "InvalidParameterException"),
            (json!("app"), json!(null), "InvalidParameterException"),
            (json!(NAME), json!("1"), "InvalidParameterException"),
            (
                json!("team/none"),
                json!(null),
                "RepositoryNotFoundException",
            ),
        ] {
            let input = json!({
                "repositoryName": name, "registryId": registry, "lifecyclePolicyText": document(1),
            });
            assert_eq!(
                refused(&app, operation, &input).await.0,
                code,
                "{operation} {input}"
            );
        }
    }
}

#[tokio::test]
async fn policies_are_set_by_who_may_modify_and_read_by_who_may_describe() {
    let app = stock().await;
    let input = json!({ "repositoryName": NAME, "lifecyclePolicyText": document(3) });
    told(&app, "PutLifecyclePolicy", &input).await;
    let reads = cam(&json!([allow("tcr:DescribeRepositories", "*")]));
    let reader = app.user("reader", &reads).await;
    for operation in ["PutLifecyclePolicy", "DeleteLifecyclePolicy"] {
        let answer = app.ecr(operation, &input).by(&reader).send().await;
        assert_eq!(refused_by_ecr(&answer).1, "AccessDeniedException");
    }
    let answer = app.ecr("GetLifecyclePolicy", &input).by(&reader).send();
    assert_eq!(answer.await.status, 200);
}

#[tokio::test]
async fn a_dry_run_asks_the_registry_and_deletes_nothing() {
    let app = stock().await;
    let registry = Issuer::start(&[]).await;
    app.service
        .registry
        .set_registry_url(&app.operator(), &app.choice(), Some(&registry.url))
        .await
        .unwrap();
    registry.reply(
        "/v2/team/app/tags/list",
        Reply::json(&json!({ "tags": ["v1"] })),
    );
    // An image of nothing says no time.
    let empty = Reply {
        body: "{}".to_owned(),
        ..Reply::json(&Value::Null)
    };
    let digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    for reference in ["v1", digest] {
        let path = format!("/v2/team/app/manifests/{reference}");
        registry.reply(&path, empty.clone());
    }
    let run = async |mode| {
        let registry = &app.service.registry;
        registry
            .apply_lifecycle(&app.operator(), &app.choice(), &which(), mode)
            .await
    };
    let none = run(RunMode::DryRun).await.unwrap_err();
    assert_eq!(
        none.message(),
        "There is no lifecycle policy of the repository team/app."
    );
    let input = json!({ "repositoryName": NAME, "lifecyclePolicyText": document(1) });
    told(&app, "PutLifecyclePolicy", &input).await;
    let done = run(RunMode::DryRun).await.unwrap();
    assert!(done.images.is_empty());
    assert_eq!(done.without_time, 1);
    let of_it = json!({ "repositoryName": NAME });
    let shown = told(&app, "GetLifecyclePolicy", &of_it).await;
    assert!(shown.get("lastEvaluatedAt").is_none());
    run(RunMode::Delete).await.unwrap();
    let shown = told(&app, "GetLifecyclePolicy", &of_it).await;
    assert_eq!(shown["lastEvaluatedAt"], app.now().unix_seconds());
}
