//! Images as ECR's clients list, describe, get and delete them. The tests with real clients have a
//! true registry.

use serde_json::{Value, json};
use transire::service::NewNamespace;

use crate::harness::aws::refused_by_ecr;
use crate::harness::documents::{allow, cam};
use crate::harness::issuer::{Issuer, Reply};
use crate::harness::{ACCOUNT, App};

const OPERATIONS: [&str; 5] = [
    "ListImages",
    "DescribeImages",
    "BatchGetImage",
    "BatchDeleteImage",
    "BatchCheckLayerAvailability",
];

/// Returns a digest that a registry could have.
fn digest() -> String {
    format!("sha256:{}", "0".repeat(64))
}

/// Returns an input that is right for every operation of images.
fn right() -> Value {
    json!({
        "repositoryName": "team/app",
        "imageIds": [{ "imageTag": "v1" }],
        "layerDigests": [digest()],
    })
}

/// A service whose registry has the repository `team/app` without tags.
async fn stock() -> (App, Issuer) {
    let app = App::new().await;
    let registry = Issuer::start(&[]).await;
    app.make_namespace(NewNamespace::named("team")).await;
    app.make_repository("team", "app", None).await;
    app.service
        .registry
        .set_registry_url(&app.operator(), &app.choice(), Some(&registry.url))
        .await
        .unwrap();
    registry.reply(
        "/v2/team/app/tags/list",
        Reply::json(&json!({ "tags": [] })),
    );
    (app, registry)
}

#[tokio::test]
async fn a_repository_without_images_is_listed_as_such() {
    let (app, _registry) = stock().await;
    for (operation, input, expected) in [
        ("ListImages", json!({}), json!({ "imageIds": [] })),
        ("DescribeImages", json!({}), json!({ "imageDetails": [] })),
        (
            "BatchGetImage",
            json!({ "imageIds": [{}] }),
            json!({
                "images": [],
                "failures": [{
                    "imageId": {},
                    "failureCode": "MissingDigestAndTag",
                    "failureReason":
                        "Invalid request parameters: both tag and digest cannot be null",
                }],
            }),
        ),
        (
            "BatchDeleteImage",
            json!({ "imageIds": [{ "imageTag": "v1" }] }),
            json!({
                "imageIds": [],
                "failures": [{
                    "imageId": { "imageTag": "v1" },
                    "failureCode": "ImageNotFound",
                    "failureReason": "Requested image not found",
                }],
            }),
        ),
        (
            "BatchCheckLayerAvailability",
            json!({ "layerDigests": [digest()] }),
            json!({
                "layers": [{ "layerDigest": digest(), "layerAvailability": "UNAVAILABLE" }],
                "failures": [],
            }),
        ),
    ] {
        let mut input = input;
        input["repositoryName"] = "team/app".into();
        let answer = app.ecr(operation, &input).send().await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json(), expected, "{operation}");
    }
    let input = json!({ "repositoryName": "team/app", "imageIds": [{ "imageTag": "v1" }] });
    let answer = app.ecr("DescribeImages", &input).send().await;
    let (_, code, message) = refused_by_ecr(&answer);
    assert_eq!(code, "ImageNotFoundException");
    assert_eq!(
        message,
        format!(
            "The image with imageId {{imageDigest:null, imageTag:'v1'}} does not exist within the \
             repository with name 'team/app' in the registry with id '{ACCOUNT}'"
        )
    );
}

/// Checks that inputs are refused with `InvalidParameterException`, before the registry is asked.
async fn refuses(operations: &[&str], changes: &[Value]) {
    let (app, registry) = stock().await;
    let connections = registry.connections();
    for operation in operations {
        for change in changes {
            let mut input = right();
            for (name, value) in change.as_object().unwrap() {
                input[name] = value.clone();
            }
            let answer = app.ecr(operation, &input).send().await;
            let (status, code, _) = refused_by_ecr(&answer);
            assert_eq!(
                (status, code.as_str()),
                (400, "InvalidParameterException"),
                "{operation} {change}"
            );
        }
    }
    assert_eq!(registry.connections(), connections, "it was asked");
}

#[tokio::test]
async fn the_place_of_images_is_checked_by_each_operation() {
    let places = [
        json!({ "repositoryName": null }),
        json!({ "repositoryName": "" }),
        json!({ "repositoryName": "app" }),
        json!({ "repositoryName": "team/../app" }),
        json!({ "repositoryName": "team/APP" }),
        json!({ "repositoryName": format!("team/{}", "a".repeat(255)) }),
        json!({ "registryId": "x" }),
    ];
    refuses(&OPERATIONS, &places).await;
}

#[tokio::test]
async fn pages_and_filters_of_images_are_checked() {
    let mut lists = vec![
        json!({ "maxResults": 0, "imageIds": null }),
        json!({ "maxResults": 1001, "imageIds": null }),
        json!({ "maxResults": -1, "imageIds": null }),
        json!({ "nextToken": "", "imageIds": null }),
        json!({ "nextToken": "../x", "imageIds": null }),
        json!({ "filter": { "tagStatus": "SOME" }, "imageIds": null }),
        json!({ "filter": { "imageStatus": "GONE" }, "imageIds": null }),
    ];
    refuses(&["ListImages", "DescribeImages"], &lists).await;
    lists = vec![
        json!({ "nextToken": "v1", "imageIds": null }),
        json!({ "maxResults": 1 }),
        json!({ "nextToken": digest() }),
        json!({ "imageIds": [{}] }),
        json!({ "imageIds": [{ "imageDigest": "x" }] }),
        json!({ "imageIds": [{ "imageTag": ".." }] }),
    ];
    refuses(&["DescribeImages"], &lists).await;
}

#[tokio::test]
async fn image_ids_and_media_types_are_checked() {
    let ids = [
        json!({ "imageIds": [] }),
        json!({ "imageIds": vec![json!({ "imageTag": "v1" }); 101] }),
        json!({ "imageIds": [{ "imageTag": "" }] }),
        json!({ "imageIds": [{ "imageTag": "a".repeat(301) }] }),
        json!({ "imageIds": [{ "imageDigest": "" }] }),
    ];
    refuses(
        &["DescribeImages", "BatchGetImage", "BatchDeleteImage"],
        &ids,
    )
    .await;
    let missing = [json!({ "imageIds": null })];
    refuses(&["BatchGetImage", "BatchDeleteImage"], &missing).await;
    let types = [
        json!({ "acceptedMediaTypes": [] }),
        json!({ "acceptedMediaTypes": vec!["a/b"; 101] }),
    ];
    refuses(&["BatchGetImage"], &types).await;
    let layers = [
        json!({ "layerDigests": null }),
        json!({ "layerDigests": [] }),
        json!({ "layerDigests": vec![digest(); 101] }),
        json!({ "layerDigests": ["a".repeat(1001)] }),
    ];
    refuses(&["BatchCheckLayerAvailability"], &layers).await;
}

#[tokio::test]
async fn members_of_another_type_can_not_be_read() {
    let (app, _registry) = stock().await;
    for (operation, change) in [
        ("ListImages", json!({ "filter": 1 })),
        ("ListImages", json!({ "maxResults": 1.5 })),
        ("DescribeImages", json!({ "imageIds": "v1" })),
        ("BatchGetImage", json!({ "acceptedMediaTypes": "a/b" })),
        ("BatchDeleteImage", json!({ "imageIds": ["v1"] })),
        ("BatchCheckLayerAvailability", json!({ "layerDigests": 1 })),
    ] {
        let mut input = right();
        for (name, value) in change.as_object().unwrap() {
            input[name] = value.clone();
        }
        let answer = app.ecr(operation, &input).send().await;
        assert_eq!(
            refused_by_ecr(&answer).1,
            "SerializationException",
            "{operation} {change}"
        );
    }
}

#[tokio::test]
async fn each_operation_of_images_wants_its_right() {
    let (app, _registry) = stock().await;
    let all = [
        ("ListImages", "tcr:DescribeImages"),
        ("DescribeImages", "tcr:DescribeImages"),
        ("BatchGetImage", "tcr:PullRepository"),
        ("BatchDeleteImage", "tcr:DeleteImage"),
        ("BatchCheckLayerAvailability", "tcr:PullRepository"),
    ];
    for right_of in [
        "tcr:DescribeImages",
        "tcr:PullRepository",
        "tcr:DeleteImage",
    ] {
        let policy = cam(&json!([allow(right_of, "*")]));
        let name = right_of.trim_start_matches("tcr:").to_lowercase();
        let user = app.user(&name, &policy).await;
        for (operation, wanted) in all {
            let mut input = right();
            if operation == "DescribeImages" {
                input["imageIds"].take();
            }
            let answer = app.ecr(operation, &input).by(&user).send().await;
            if wanted == right_of {
                assert_eq!(answer.status, 200, "{operation} {}", answer.body);
            } else {
                let (_, code, message) = refused_by_ecr(&answer);
                assert_eq!(code, "AccessDeniedException", "{operation}");
                assert!(message.contains(&format!("ecr:{operation}")), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn without_a_registry_images_are_not_known() {
    let app = App::new().await;
    app.make_namespace(NewNamespace::named("team")).await;
    app.make_repository("team", "app", None).await;
    for operation in OPERATIONS {
        let mut input = right();
        if operation == "DescribeImages" {
            input["imageIds"].take();
        }
        let answer = app.ecr(operation, &input).send().await;
        let (_, code, message) = refused_by_ecr(&answer);
        assert_eq!(code, "UnsupportedOperationException", "{operation}");
        assert!(message.contains("--registry-url"), "{message}");
    }
}
