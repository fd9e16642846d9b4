//! Calls that nobody signs: a web identity becomes a session at both doors.

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::harness::alibaba::alibaba_code;
use crate::harness::tencent::{code, refused};
use crate::harness::{ACCOUNT, Answer, App, HOST};

/// A request that nobody signed.
fn unsigned(
    method: &Method,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::HOST, HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

const SKIP: [(&str, &str); 4] = [
    ("authorization", "SKIP"),
    ("x-tc-version", "2018-08-13"),
    ("x-tc-language", "en-US"),
    ("content-type", "application/json"),
];

/// Calls an action of Tencent's STS without a signature.
async fn call_tencent(app: &App, action: &'static str, body: &Value) -> Answer {
    let headers: Vec<_> = SKIP.into_iter().chain([("x-tc-action", action)]).collect();
    app.send(unsigned(&Method::POST, "/", &headers, body.to_string()))
        .await
}

/// The parameters of `AssumeRoleWithWebIdentity`, with a token that proves nothing.
fn web_identity() -> Value {
    json!({
        "ProviderId": "ci",
        "WebIdentityToken": "a.b.c",
        "RoleArn": format!("qcs::cam::uin/{ACCOUNT}:roleName/open"),
        "RoleSessionName": "test",
    })
}

/// Returns how far a call with all parameters comes at Tencent's door: to the token's proof.
async fn tencents_proof(app: &App) -> String {
    let proof = code(&call_tencent(app, "AssumeRoleWithWebIdentity", &web_identity()).await);
    assert!(
        ![
            "AuthFailure.InvalidAuthorization",
            "MissingParameter",
            "InvalidParameter"
        ]
        .contains(&proof.as_str()),
        "{proof}"
    );
    proof
}

#[tokio::test]
async fn tencents_unsigned_call_needs_each_of_its_parameters() {
    let app = App::new().await;
    let whole = web_identity();
    for name in [
        "ProviderId",
        "WebIdentityToken",
        "RoleArn",
        "RoleSessionName",
    ] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(name);
        let (code, message) =
            refused(&call_tencent(&app, "AssumeRoleWithWebIdentity", &body).await);
        assert_eq!(
            (code.as_str(), message),
            (
                "MissingParameter",
                format!("The request is missing a required parameter `{name}`.")
            )
        );
    }
}

#[tokio::test]
async fn the_parameters_of_tencents_unsigned_call_are_checked() {
    let app = App::new().await;
    let whole = web_identity();
    let mut body = whole.clone();
    body["RoleArn"] = json!("open");
    assert_eq!(
        code(&call_tencent(&app, "AssumeRoleWithWebIdentity", &body).await),
        "InvalidParameter.ParamError"
    );
    body = whole.clone();
    body["Policy"] = json!("{}");
    assert_eq!(
        code(&call_tencent(&app, "AssumeRoleWithWebIdentity", &body).await),
        "UnknownParameter"
    );
    let large = json!({ "WebIdentityToken": "x".repeat(70_000) });
    assert_eq!(
        code(&call_tencent(&app, "AssumeRoleWithWebIdentity", &large).await),
        "RequestSizeLimitExceeded"
    );
}

#[tokio::test]
async fn tencents_unsigned_call_is_served_by_post_and_by_get() {
    let app = App::new().await;
    let whole = web_identity();
    let proof = tencents_proof(&app).await;
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(
            whole
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name, value.as_str().unwrap())),
        )
        .finish();
    let headers = [
        ("authorization", "SKIP"),
        ("x-tc-version", "2018-08-13"),
        ("x-tc-action", "AssumeRoleWithWebIdentity"),
    ];
    assert_eq!(
        code(
            &app.send(unsigned(&Method::GET, &format!("/?{query}"), &headers, ""))
                .await
        ),
        proof
    );
}

#[tokio::test]
async fn a_signature_at_tencents_unsigned_call_must_be_right() {
    // One SDK signs it all the same.
    let app = App::new().await;
    let whole = web_identity();
    let proof = tencents_proof(&app).await;
    assert_eq!(
        code(
            &app.tencent_sts("AssumeRoleWithWebIdentity", &whole)
                .send()
                .await
        ),
        proof
    );
    let mut stranger = app
        .tencent_sts("AssumeRoleWithWebIdentity", &whole)
        .request();
    let line = stranger.headers()["authorization"]
        .to_str()
        .unwrap()
        .replace(&app.key.id, "AKIDnobody");
    stranger
        .headers_mut()
        .insert("authorization", line.parse().unwrap());
    assert_eq!(
        code(&app.send(stranger).await),
        "AuthFailure.SecretIdNotFound"
    );
}

#[tokio::test]
async fn other_unsigned_calls_at_tencents_door_are_refused() {
    let app = App::new().await;
    let whole = web_identity();
    for action in [
        "AssumeRole",
        "GetCallerIdentity",
        "GetFederationToken",
        "AssumeRoleWithSAML",
        "Nothing",
    ] {
        assert_eq!(
            code(&call_tencent(&app, action, &whole).await),
            "AuthFailure.InvalidAuthorization",
            "{action}"
        );
    }
}

#[tokio::test]
async fn an_unsigned_call_that_two_readers_could_read_differently_is_refused_at_tencents_door() {
    let app = App::new().await;
    let whole = web_identity();
    let headers: Vec<_> = SKIP
        .into_iter()
        .chain([("x-tc-action", "AssumeRoleWithWebIdentity")])
        .collect();
    let both = unsigned(&Method::POST, "/?ProviderId=b", &headers, whole.to_string());
    assert_eq!(code(&app.send(both).await), "InvalidParameter");
}

/// The parameters of `AssumeRoleWithOIDC`, with a token that proves nothing.
fn oidc() -> [(&'static str, String); 4] {
    [
        (
            "OIDCProviderArn",
            format!("acs:ram::{ACCOUNT}:oidc-provider/ci"),
        ),
        ("RoleArn", format!("acs:ram::{ACCOUNT}:role/open")),
        ("OIDCToken", "a.b.c".to_owned()),
        ("RoleSessionName", "test".to_owned()),
    ]
}

fn encode(pairs: &[(&str, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Calls `AssumeRoleWithOIDC` as the credential libraries do: by a GET, without a nonce.
async fn call_alibaba(app: &App, pairs: &[(&str, String)]) -> Answer {
    let uri = format!(
        "/?Action=AssumeRoleWithOIDC&Format=JSON&Version=2015-04-01\
         &Timestamp=2025-01-03T04:04:17Z&{}",
        encode(pairs)
    );
    app.send(unsigned(&Method::GET, &uri, &[], "")).await
}

/// Returns how far a call with all parameters comes at Alibaba's door: to the token's proof.
async fn alibabas_proof(app: &App) -> (u16, String) {
    let proof = alibaba_code(&call_alibaba(app, &oidc()).await);
    assert!(
        !proof.1.starts_with("Missing") && !proof.1.starts_with("InvalidParameter"),
        "{proof:?}"
    );
    proof
}

#[tokio::test]
async fn alibabas_unsigned_call_needs_each_of_its_parameters() {
    let app = App::new().await;
    for (name, expected) in [
        ("OIDCProviderArn", (400, "MissingOIDCProviderArn")),
        ("RoleArn", (400, "MissingRoleArn")),
        ("OIDCToken", (401, "AuthenticationFail.OIDCToken.Invalid")),
        ("RoleSessionName", (400, "MissingRoleSessionName")),
    ] {
        let pairs: Vec<_> = oidc()
            .into_iter()
            .filter(|(known, _)| *known != name)
            .collect();
        let answer = call_alibaba(&app, &pairs).await;
        assert_eq!(alibaba_code(&answer), (expected.0, expected.1.to_owned()));
        assert!(
            answer.json()["Recommend"]
                .as_str()
                .unwrap()
                .contains("product=Sts"),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn the_parameters_of_alibabas_unsigned_call_are_checked() {
    let app = App::new().await;
    let with = |name: &str, value: &str| {
        oidc().map(|(known, old)| {
            let new = if known == name { value.to_owned() } else { old };
            (known, new)
        })
    };
    assert_eq!(
        alibaba_code(&call_alibaba(&app, &with("OIDCProviderArn", "ci")).await),
        (400, "InvalidParameter.OIDCProviderArn".to_owned())
    );
    assert_eq!(
        alibaba_code(&call_alibaba(&app, &with("OIDCToken", "abc")).await),
        (401, "AuthenticationFail.OIDCToken.Invalid".to_owned())
    );
}

#[tokio::test]
async fn alibabas_unsigned_call_is_served_by_post_with_its_action_in_the_query() {
    let app = App::new().await;
    let proof = alibabas_proof(&app).await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let action = "/?Action=AssumeRoleWithOIDC&Version=2015-04-01&SignatureNonce=n";
    assert_eq!(
        alibaba_code(
            &app.send(unsigned(&Method::POST, action, &[form], encode(&oidc())))
                .await
        ),
        proof
    );
}

#[tokio::test]
async fn alibabas_unsigned_call_is_served_by_post_with_its_action_in_headers() {
    let app = App::new().await;
    let proof = alibabas_proof(&app).await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let headers = [
        ("x-acs-action", "AssumeRoleWithOIDC"),
        ("x-acs-version", "2015-04-01"),
        form,
    ];
    assert_eq!(
        alibaba_code(
            &app.send(unsigned(
                &Method::POST,
                "/?Format=json",
                &headers,
                encode(&oidc())
            ))
            .await
        ),
        proof
    );
}

#[tokio::test]
async fn alibabas_unsigned_call_is_served_by_post_with_everything_in_its_form() {
    let app = App::new().await;
    let proof = alibabas_proof(&app).await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let everything_in_the_form = format!(
        "Action=AssumeRoleWithOIDC&Version=2015-04-01&{}",
        encode(&oidc())
    );
    assert_eq!(
        alibaba_code(
            &app.send(unsigned(
                &Method::POST,
                "/",
                &[form],
                everything_in_the_form
            ))
            .await
        ),
        proof
    );
}

#[tokio::test]
async fn alibabas_unsigned_call_is_served_with_a_right_signature_beside_it() {
    let app = App::new().await;
    let proof = alibabas_proof(&app).await;
    let whole = oidc();
    let whole: Vec<_> = whole
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(
        alibaba_code(&app.alibaba_sts("AssumeRoleWithOIDC", &whole).send().await),
        proof
    );
}

#[tokio::test]
async fn other_unsigned_calls_at_alibabas_door_are_refused() {
    let app = App::new().await;
    for other in [
        "Action=AssumeRole&Version=2015-04-01",
        "Action=AssumeRoleWithOIDC&Version=2018-12-01",
        "Action=AssumeRoleWithOIDC",
    ] {
        assert_eq!(
            alibaba_code(
                &app.send(unsigned(&Method::GET, &format!("/?{other}"), &[], ""))
                    .await
            )
            .1,
            "MissingAccessKeyId",
            "{other}"
        );
    }
}

#[tokio::test]
async fn an_unsigned_call_that_two_readers_could_read_differently_is_refused_at_alibabas_door() {
    let app = App::new().await;
    let headers = [
        ("x-acs-action", "AssumeRoleWithOIDC"),
        ("x-acs-version", "2015-04-01"),
    ];
    let both = unsigned(
        &Method::GET,
        "/?Action=AssumeRole&Version=2015-04-01",
        &headers,
        "",
    );
    assert_eq!(
        alibaba_code(&app.send(both).await),
        (400, "InvalidParameter".to_owned())
    );
}

#[tokio::test]
async fn a_refused_unsigned_call_counts_against_its_address() {
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 2)
    })
    .await;
    let call = async || {
        let headers: Vec<_> = SKIP
            .into_iter()
            .chain([("x-tc-action", "AssumeRoleWithWebIdentity")])
            .collect();
        code(&app.send(unsigned(&Method::POST, "/", &headers, "{}")).await)
    };
    assert_eq!(
        [call().await, call().await, call().await],
        [
            "MissingParameter",
            "MissingParameter",
            "RequestLimitExceeded"
        ]
    );
}
