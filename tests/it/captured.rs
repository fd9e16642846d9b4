//! A captured request is sent again: as another action, at another region or host, and as itself.

use axum::body::{Body, to_bytes};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request};
use serde_json::json;
use transire::sign;

use crate::harness::alibaba::Place;
use crate::harness::{Answer, App};

/// A request as somebody on its way saw it.
#[derive(Clone)]
struct Captured {
    parts: Parts,
    body: String,
}

impl Captured {
    async fn of(request: Request<Body>) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            parts,
            body: String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap(),
        }
    }

    async fn send(&self, app: &App) -> Answer {
        app.send(Request::from_parts(
            self.parts.clone(),
            Body::from(self.body.clone()),
        ))
        .await
    }

    /// Returns it with another text wherever it stands: in the line of the request, a header's
    /// value or the body.
    fn with(&self, text: &str, other: &str) -> Self {
        let mut changed = self.clone();
        changed.body = self.body.replace(text, other);
        changed.parts.uri = self
            .parts
            .uri
            .to_string()
            .replace(text, other)
            .parse()
            .unwrap();
        for value in changed.parts.headers.values_mut() {
            *value = HeaderValue::from_str(&value.to_str().unwrap().replace(text, other)).unwrap();
        }
        changed
    }

    fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut changed = self.clone();
        changed
            .parts
            .headers
            .insert(HeaderName::from_static(name), value.parse().unwrap());
        changed
    }
}

/// Returns the code of a refusal, or that there is none.
fn outcome(answer: &Answer) -> String {
    let body = answer.json();
    let code = [
        &body["Response"]["Error"]["Code"],
        &body["Code"],
        &body["code"],
    ]
    .into_iter()
    .find_map(|code| code.as_str());
    match code {
        None | Some("success") => "served".to_owned(),
        Some(code) => code.to_owned(),
    }
}

/// Every way in which a request is signed, as a request that only reads or gives out what ends by
/// itself.
async fn requests(app: &App) -> Vec<(&'static str, Captured)> {
    let wanted = json!({ "RegistryId": app.instance.id.as_str() });
    let mut unsigned = app
        .tencent("CreateInstanceToken", &wanted)
        .header("x-tc-content-sha256", Some("UNSIGNED-PAYLOAD"));
    unsigned.signed_at = app.now().plus(std::time::Duration::from_secs(1));
    let mut requests = vec![
        (
            "TC3",
            Captured::of(app.tencent("CreateInstanceToken", &wanted).request()).await,
        ),
        (
            "TC3, body not signed",
            Captured::of(unsigned.request()).await,
        ),
        (
            "ACS3",
            Captured::of(
                app.alibaba(
                    "GetAuthorizationToken",
                    &[
                        ("InstanceId", app.instance.cri_id.as_str()),
                        ("RegionId", "cn-hangzhou"),
                    ],
                )
                .request(),
            )
            .await,
        ),
        (
            "RPC, query",
            Captured::of(app.rpc(Method::GET, Place::Query, &[("RegionId", "cn-hangzhou")])).await,
        ),
        (
            "RPC, form",
            Captured::of(app.rpc(Method::POST, Place::Form, &[("RegionId", "cn-hangzhou")])).await,
        ),
        (
            "ROA",
            Captured::of(app.roa("/tokens?RegionId=cn-hangzhou", None)).await,
        ),
        (
            "ROA, with a nonce",
            Captured::of(app.roa("/tokens", Some("nonce"))).await,
        ),
    ];
    for (name, method, signature) in [
        (
            "HmacSHA1, query",
            Method::GET,
            sign::Method::TencentHmacSha1,
        ),
        (
            "HmacSHA1, form",
            Method::POST,
            sign::Method::TencentHmacSha1,
        ),
        (
            "HmacSHA256, query",
            Method::GET,
            sign::Method::TencentHmacSha256,
        ),
        (
            "HmacSHA256, form",
            Method::POST,
            sign::Method::TencentHmacSha256,
        ),
    ] {
        requests.push((name, Captured::of(app.v1(&method, signature, |_| {})).await));
    }
    requests
}

/// The refusals of a signature that doesn't fit, or was used up.
const REFUSED: [&str; 4] = [
    "AuthFailure.SignatureFailure",
    "SignatureDoesNotMatch",
    "SignatureNonceUsed",
    "IncompleteSignature",
];

#[tokio::test]
async fn a_captured_request_is_no_other_action() {
    let app = App::new().await;
    for (name, captured) in requests(&app).await {
        assert_eq!(outcome(&captured.send(&app).await), "served", "{name}");
        let others = [
            ("CreateInstanceToken", "DescribeInstanceToken"),
            ("CreateInstanceToken", "DeleteInstance"),
            ("GetAuthorizationToken", "ListInstance"),
            ("GetAuthorizationToken", "ResetLoginPassword"),
            ("/tokens", "/repos"),
            ("2019-09-24", "2018-08-13"),
            ("2018-12-01", "2015-04-01"),
            ("2016-06-07", "2018-12-01"),
        ];
        let mut tried = 0;
        for (action, other) in others {
            let changed = captured.with(action, other);
            if changed.parts.uri == captured.parts.uri
                && changed.parts.headers == captured.parts.headers
                && changed.body == captured.body
            {
                continue;
            }
            tried += 1;
            let outcome = outcome(&changed.send(&app).await);
            // TC3 signs no action: what only reads shares a signature with what only reads or gives
            // out what ends by itself.
            let is_a_read =
                name.starts_with("TC3") && other == "DescribeInstanceToken" && outcome == "served";
            assert!(
                is_a_read || REFUSED.contains(&outcome.as_str()),
                "{name} as {other}: {outcome}"
            );
        }
        assert!(tried >= 2, "{name}");
    }
}

#[tokio::test]
async fn a_captured_request_goes_to_no_other_region_host_or_instance() {
    let app = App::new().await;
    for (name, captured) in requests(&app).await {
        assert_eq!(outcome(&captured.send(&app).await), "served", "{name}");
        let (tcr, cri) = (app.instance.id.as_str(), app.instance.cri_id.as_str());
        let mut others = vec![captured.with_header("host", "cr.cn-beijing.aliyuncs.com")];
        for (text, other) in [
            ("ap-guangzhou", "ap-shanghai"),
            ("cn-hangzhou", "cn-beijing"),
            (tcr, app.other_instance.id.as_str()),
            (cri, app.other_instance.cri_id.as_str()),
        ] {
            let changed = captured.with(text, other);
            if changed.parts.uri != captured.parts.uri
                || changed.parts.headers != captured.parts.headers
                || changed.body != captured.body
            {
                others.push(changed);
            }
        }
        for changed in others {
            let outcome = outcome(&changed.send(&app).await);
            // ROA covers no host, and has no nonce unless the client gives one: it is the same
            // question at the same service.
            let is_itself =
                name == "ROA" && changed.parts.uri == captured.parts.uri && outcome == "served";
            assert!(
                is_itself || REFUSED.contains(&outcome.as_str()),
                "{name} at {:?}: {outcome}",
                changed.parts
            );
        }
    }
}

#[tokio::test]
async fn a_captured_request_comes_again_only_where_its_method_has_no_nonce() {
    let app = App::new().await;
    for (name, captured) in requests(&app).await {
        assert_eq!(outcome(&captured.send(&app).await), "served", "{name}");
        let expected = match name {
            "ACS3" | "RPC, query" | "RPC, form" | "ROA, with a nonce" => "SignatureNonceUsed",
            _ => "served",
        };
        assert_eq!(outcome(&captured.send(&app).await), expected, "{name}");
    }
}

#[tokio::test]
async fn a_captured_request_is_too_old_after_its_time() {
    let app = App::new().await;
    for (name, captured) in requests(&app).await {
        assert_eq!(outcome(&captured.send(&app).await), "served", "{name}");
    }
    let requests = requests(&app).await;
    app.wait(std::time::Duration::from_secs(902));
    for (name, captured) in requests {
        let outcome = outcome(&captured.send(&app).await);
        let expected = [
            "AuthFailure.SignatureExpire",
            "InvalidTimeStamp.Expired",
            "IllegalTimestamp",
            "InvalidTimeStamp.Format",
        ];
        assert!(expected.contains(&outcome.as_str()), "{name}: {outcome}");
    }
}
