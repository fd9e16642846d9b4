//! IAM documents: rights at AWS's doors and at the others, in the words of AWS.

use std::time::Duration;

use serde_json::{Value, json};
use transire::domain::identity::Target;
use transire::service::NewNamespace;

use super::sts::with_token;
use crate::harness::aws::{element, log_in_of, refused_by_ecr, refused_by_sts, session_of};
use crate::harness::documents::{allow, cam, everything, iam, ram_allow, ram_deny};
use crate::harness::keyless::{GITHUB, Keyless};
use crate::harness::registry::granted;
use crate::harness::tencent::code;
use crate::harness::{ACCOUNT, Answer, App, Key};

const SCOPE: &str = "repository:team/app:pull,push";

fn repository(name: &str) -> String {
    format!("arn:aws:ecr:*:{ACCOUNT}:repository/{name}")
}

async fn granted_to(app: &App, key: &Key, scope: &str) -> String {
    let call = app.ecr("GetAuthorizationToken", &json!({})).by(key);
    let (username, secret) = log_in_of(&call.send().await);
    granted(app, &username, &secret, scope).await
}

#[tokio::test]
async fn awss_push_policy_pushes_and_pulls_nothing() {
    let app = App::new().await;
    let push = [
        "ecr:CompleteLayerUpload",
        "ecr:UploadLayerPart",
        "ecr:InitiateLayerUpload",
        "ecr:BatchCheckLayerAvailability",
        "ecr:PutImage",
    ];
    let statements = json!([
        ram_allow("ecr:GetAuthorizationToken", "*"),
        ram_allow(push, repository("team/app")),
    ]);
    let user = app.user("ci", &iam(&statements)).await;
    assert_eq!(
        granted_to(&app, &user, SCOPE).await,
        "repository:team/app:push"
    );
    assert_eq!(
        granted_to(&app, &user, "repository:team/other:pull,push").await,
        ""
    );
    let name = json!({ "repositoryNames": ["team/app"] });
    let answer = app
        .ecr("DescribeRepositories", &name)
        .by(&user)
        .send()
        .await;
    let (_, code, message) = refused_by_ecr(&answer);
    assert_eq!(code, "AccessDeniedException");
    let says = format!(
        "is not authorized to perform: ecr:DescribeRepositories on resource: \
         arn:aws:ecr:ap-guangzhou:{ACCOUNT}:repository/team/app because no identity-based policy \
         allows the ecr:DescribeRepositories action"
    );
    assert!(message.contains(&says), "{message}");
}

#[tokio::test]
async fn each_user_has_what_is_named_after_them() {
    let app = App::new().await;
    let pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
    let statements = json!([
        ram_allow("ecr:GetAuthorizationToken", "*"),
        ram_allow(pull, repository("${aws:username}/*")),
    ]);
    for (name, scope) in [("team", "repository:team/app:pull"), ("other", "")] {
        let user = app.user(name, &iam(&statements)).await;
        assert_eq!(granted_to(&app, &user, SCOPE).await, scope, "{name}");
    }
}

#[tokio::test]
async fn a_denial_in_iam_closes_every_door() {
    let app = App::new().await;
    let user = app.user("ci", &everything()).await;
    assert_eq!(granted_to(&app, &user, SCOPE).await, SCOPE);
    let denied = json!([
        ram_deny("ecr:UploadLayerPart", "*"),
        ram_deny("transire:ListInstance", "*"),
        ram_deny("ecr:GetAuthorizationToken", "*"),
    ]);
    let before = app.ecr("GetAuthorizationToken", &json!({})).by(&user);
    let (username, secret) = log_in_of(&before.send().await);
    app.grant("denials", &iam(&denied), Target::User("ci".to_owned()))
        .await;
    assert_eq!(
        granted(&app, &username, &secret, SCOPE).await,
        "repository:team/app:pull"
    );
    let answer = app.ecr("GetAuthorizationToken", &json!({})).by(&user);
    let (_, code_of_ecr, message) = refused_by_ecr(&answer.send().await);
    assert_eq!(code_of_ecr, "AccessDeniedException");
    assert!(
        message.contains("on resource: * with an explicit deny in an identity-based policy"),
        "{message}"
    );
    let answer = app
        .tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": app.instance.id.as_str() }),
        )
        .by(&user);
    assert_eq!(
        code(&answer.send().await),
        "AuthFailure.UnauthorizedOperation"
    );
}

async fn assume(app: &App, key: &Key, more: &[(&str, &str)]) -> Answer {
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/builder");
    let usual = [("RoleArn", arn.as_str()), ("RoleSessionName", "test")];
    let parameters: Vec<_> = usual.into_iter().chain(more.iter().copied()).collect();
    app.aws_sts("AssumeRole", &parameters).by(key).send().await
}

fn trusting(principal: &Value) -> Value {
    iam(&json!([{
        "Effect": "Allow",
        "Principal": { "AWS": principal },
        "Action": "sts:AssumeRole",
    }]))
}

#[tokio::test]
async fn a_trust_policy_suffices_for_a_user_that_it_names() {
    let app = App::new().await;
    let named = format!("arn:aws:iam::{ACCOUNT}:user/named");
    app.role_trusting("builder", &trusting(&json!(named)), &everything())
        .await;
    let nothing = cam(&json!([allow("tcr:DescribeRegions", "*")]));
    let user = app.user("named", &nothing).await;
    let answer = assume(&app, &user, &[]).await;
    assert_eq!(
        element(&answer, "Arn"),
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/builder/test")
    );
    // But not against a denial, and not for whom the account alone is named.
    let denial = iam(&json!([ram_deny("sts:AssumeRole", "*")]));
    app.grant("denial", &denial, Target::User("named".to_owned()))
        .await;
    let (status, code, _) = refused_by_sts(&assume(&app, &user, &[]).await);
    assert_eq!((status, code.as_str()), (403, "AccessDenied"));
    let other = app.user("other", &nothing).await;
    let (status, code, _) = refused_by_sts(&assume(&app, &other, &[]).await);
    assert_eq!((status, code.as_str()), (403, "AccessDenied"));
}

#[tokio::test]
async fn an_account_that_is_trusted_needs_policies_of_its_users_too() {
    let app = App::new().await;
    app.role_trusting(
        "builder",
        &trusting(&json!(ACCOUNT.to_string())),
        &everything(),
    )
    .await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/builder");
    let may = app
        .user("may", &iam(&json!([ram_allow("sts:AssumeRole", role)])))
        .await;
    let may_not = app
        .user("may-not", &iam(&json!([ram_allow("ecr:*", "*")])))
        .await;
    let answer = assume(&app, &may, &[]).await;
    assert!(element(&answer, "AccessKeyId").starts_with("ASIA"));
    let (_, code, message) = refused_by_sts(&assume(&app, &may_not, &[]).await);
    assert_eq!(code, "AccessDenied");
    let says = format!(
        "is not authorized to perform: sts:AssumeRole on resource: \
         arn:aws:iam::{ACCOUNT}:role/builder"
    );
    assert!(message.contains(&says), "{message}");
}

#[tokio::test]
async fn an_iam_document_narrows_a_session() {
    let app = App::new().await;
    app.role("builder", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let policy = iam(&json!([
        ram_allow("ecr:GetAuthorizationToken", "*"),
        ram_allow(
            ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            repository("team/*")
        ),
    ]));
    let answer = assume(&app, &user, &[("Policy", &policy.to_string())]).await;
    let key = session_of(&answer).key();
    assert_eq!(
        granted_to(&app, &key, SCOPE).await,
        "repository:team/app:pull"
    );
}

#[tokio::test]
async fn a_role_trusts_jobs_by_the_issuer_of_their_tokens() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let token = keyless.token(GITHUB);
    let with_token = async |role: &str| with_token(app, &token, role, &[]).await;
    let provider = element(&with_token("builder").await, "Provider");
    let issuer = provider.split_once("oidc-provider/").unwrap().1.to_owned();
    let trust = |subject: &str| {
        iam(&json!([{
            "Effect": "Allow",
            "Principal": { "Federated": provider },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": { format!("{issuer}:aud"): "sts.example.com" },
                "StringLike": { format!("{issuer}:sub"): subject },
            },
        }]))
    };
    let rights = iam(&json!([
        ram_allow("ecr:GetAuthorizationToken", "*"),
        ram_allow(
            ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            repository("team/*")
        ),
    ]));
    app.role_trusting("puller", &trust(GITHUB), &rights).await;
    app.role_trusting("other", &trust("repo:nobody/*"), &rights)
        .await;
    let key = session_of(&with_token("puller").await).key();
    assert_eq!(
        granted_to(app, &key, SCOPE).await,
        "repository:team/app:pull"
    );
    let (status, code, _) = refused_by_sts(&with_token("other").await);
    assert_eq!((status, code.as_str()), (403, "AccessDenied"));
}

#[tokio::test]
async fn a_right_may_depend_on_the_tags_of_a_repository() {
    let app = App::new().await;
    app.make_namespace(NewNamespace::named("team")).await;
    app.make_repository("team", "app", None).await;
    app.make_repository("team", "base", None).await;
    let of_tag = |key: &str| {
        json!({
            "Effect": "Allow", "Action": "ecr:*", "Resource": "*",
            "Condition": { "StringEquals": { key: "web" } },
        })
    };
    let log_in = ram_allow("ecr:GetAuthorizationToken", "*");
    for (name, key) in [
        ("aws", "aws:ResourceTag/owner"),
        ("ecr", "ecr:ResourceTag/Owner"),
    ] {
        let user = app.user(name, &iam(&json!([log_in, of_tag(key)]))).await;
        let call = app.ecr("GetAuthorizationToken", &json!({})).by(&user);
        let (username, secret) = log_in_of(&call.send().await);
        let may = async || granted(&app, &username, &secret, SCOPE).await;
        assert_eq!(may().await, "", "{key}");
        for (value, expected) in [("web", SCOPE), ("database", ""), ("web", SCOPE)] {
            let arn = format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/app");
            let tags = json!({
                "resourceArn": arn, "tags": [{ "Key": "owner", "Value": value }],
            });
            let answer = app.ecr("TagResource", &tags).send().await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            // Twice: the second is remembered.
            for _ in 0..2 {
                assert_eq!(may().await, expected, "{key} {value}");
            }
            app.wait(Duration::from_secs(1));
        }
        let other = "repository:team/base:pull,push";
        assert_eq!(granted(&app, &username, &secret, other).await, "");
        let input = json!({ "repositoryNames": ["team/app"] });
        let call = app.ecr("DescribeRepositories", &input).by(&user);
        assert_eq!(call.send().await.status, 200);
        let arn = format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/app");
        let keys = json!({ "resourceArn": arn, "tagKeys": ["owner"] });
        assert_eq!(app.ecr("UntagResource", &keys).send().await.status, 200);
        assert_eq!(may().await, "", "{key}");
    }
}
