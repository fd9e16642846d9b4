//! Every kind of error at every front door: what the client sees is written down, and reviewed as
//! text.

use std::fmt::Write as _;

use axum::body::to_bytes;
use http::{Method, Request, header};
use transire::http::refusal;

use crate::harness::kinds::{every_kind, is_listed};

/// Writes down what a client of one door sees of every kind.
async fn at_the_door(uri: &str, method: Method, headers: &[(&str, &str)]) -> String {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::HOST, "localhost:8480");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let parts = request.body(()).unwrap().into_parts().0;
    let mut page = String::new();
    for error in every_kind() {
        assert!(is_listed(error.kind()));
        let kind = format!("{:?}", error.kind());
        let response = refusal(
            &parts,
            &error,
            "7f0c1a52-6a1e-4f5e-9a38-000000000001".to_owned(),
        );
        writeln!(
            page,
            "{}: {}",
            kind.split([' ', '{', '(']).next().unwrap(),
            response.status()
        )
        .unwrap();
        for (name, value) in response.headers() {
            writeln!(page, "    {name}: {}", value.to_str().unwrap()).unwrap();
        }
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        writeln!(page, "    {}", String::from_utf8(body.to_vec()).unwrap()).unwrap();
    }
    for secret in ["sector", "table leg", "/etc/"] {
        assert!(!page.contains(secret), "{secret} was sent");
    }
    page
}

#[tokio::test]
async fn errors_at_the_tencent_door() {
    let headers = [
        ("authorization", "TC3-HMAC-SHA256 x"),
        ("x-tc-language", "en-US"),
        ("x-tc-traceid", "trace-1"),
    ];
    insta::assert_snapshot!("tencent", at_the_door("/", Method::POST, &headers).await);
}

#[tokio::test]
async fn errors_at_the_tencent_door_in_chinese() {
    insta::assert_snapshot!(
        "tencent_chinese",
        at_the_door("/?SecretId=a&Signature=b&Language=zh-CN", Method::GET, &[]).await
    );
}

#[tokio::test]
async fn errors_at_the_alibaba_door() {
    let headers = [
        ("authorization", "ACS3-HMAC-SHA256 x"),
        ("accept", "application/json"),
    ];
    insta::assert_snapshot!("alibaba", at_the_door("/", Method::POST, &headers).await);
}

#[tokio::test]
async fn errors_at_the_alibaba_door_as_xml() {
    insta::assert_snapshot!(
        "alibaba_xml",
        at_the_door("/?AccessKeyId=a&Signature=b&Format=XML", Method::GET, &[]).await
    );
}

#[tokio::test]
async fn errors_of_alibabas_path_style_api() {
    let headers = [
        ("authorization", "acs LTAI:x"),
        ("x-acs-version", "2016-06-07"),
    ];
    insta::assert_snapshot!(
        "alibaba_paths",
        at_the_door("/tokens", Method::GET, &headers).await
    );
}

#[tokio::test]
async fn errors_of_tencents_sts() {
    let headers = [
        ("authorization", "TC3-HMAC-SHA256 x"),
        ("x-tc-language", "en-US"),
        ("x-tc-version", "2018-08-13"),
    ];
    insta::assert_snapshot!(
        "tencent_sts",
        at_the_door("/", Method::POST, &headers).await
    );
}

#[tokio::test]
async fn errors_of_alibabas_sts() {
    let headers = [
        ("authorization", "ACS3-HMAC-SHA256 x"),
        ("x-acs-version", "2015-04-01"),
    ];
    insta::assert_snapshot!(
        "alibaba_sts",
        at_the_door("/", Method::POST, &headers).await
    );
}

#[tokio::test]
async fn errors_of_awss_ecr() {
    let headers = [
        ("authorization", "AWS4-HMAC-SHA256 x"),
        (
            "x-amz-target",
            "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
        ),
    ];
    insta::assert_snapshot!("aws_ecr", at_the_door("/", Method::POST, &headers).await);
}

#[tokio::test]
async fn errors_of_awss_sts() {
    let headers = [("authorization", "AWS4-HMAC-SHA256 x")];
    insta::assert_snapshot!(
        "aws_sts",
        at_the_door("/?Action=GetCallerIdentity", Method::GET, &headers).await
    );
}

#[tokio::test]
async fn errors_at_the_registry_door() {
    insta::assert_snapshot!("registry", at_the_door("/token", Method::GET, &[]).await);
}

#[tokio::test]
async fn errors_at_the_oauth_door() {
    insta::assert_snapshot!(
        "oauth",
        at_the_door("/oauth/token", Method::POST, &[]).await
    );
}

#[tokio::test]
async fn errors_of_quays_exchange() {
    let path = "/oauth2/federation/robot/token";
    insta::assert_snapshot!(
        "oauth_federation",
        at_the_door(path, Method::GET, &[]).await
    );
}

#[tokio::test]
async fn errors_at_the_plain_door() {
    insta::assert_snapshot!("plain", at_the_door("/", Method::GET, &[]).await);
}
