//! The Tencent door, through the true server.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::{Value, json};
use transire::domain::credential::{CredentialId, SecretKind, long_term_id};
use transire::sign;
use transire::store::access_key::AccessKeyState;

use crate::harness::tencent::{code, refused, served};
use crate::harness::{ACCOUNT, App, HOST, NOW, Stalled};

#[tokio::test]
async fn a_temporary_credential_lives_an_hour_and_has_no_id() {
    let app = App::new().await;
    for body in [
        app.registry_id(),
        json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "temp", "Desc": "ignored" }),
    ] {
        let output = served(&app.tencent("CreateInstanceToken", &body).send().await);
        assert_eq!(output["Username"], ACCOUNT);
        assert_eq!(
            output["ExpTime"],
            NOW.plus(Duration::from_secs(3600)).unix_millis()
        );
        assert_eq!(output["TokenId"], "");
        assert!(
            SecretKind::Temporary
                .read(output["Token"].as_str().unwrap())
                .is_some()
        );
        let names: Vec<&String> = output.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            ["ExpTime", "RequestId", "Token", "TokenId", "Username"]
        );
    }
}

#[tokio::test]
async fn a_long_term_credential_lives_ten_years_and_has_an_id() {
    let app = App::new().await;
    let body = json!({
        "RegistryId": app.instance.id.as_str(),
        "TokenType": "longterm",
        "Desc": "流水线",
    });
    let output = served(&app.tencent("CreateInstanceToken", &body).send().await);
    assert_eq!(
        output["ExpTime"],
        NOW.plus(Duration::from_hours(87_600)).unix_millis()
    );
    let id: CredentialId = output["TokenId"].as_str().unwrap().parse().unwrap();
    assert_eq!(long_term_id(output["Token"].as_str().unwrap()), Some(id));
}

#[tokio::test]
async fn every_client_of_facts_section_0_is_served() {
    let app = App::new().await;
    // Node: the scope is the endpoint's first label, and the path is its own.
    let mut node = app.tencent("CreateInstanceToken", &app.registry_id());
    node.scope = "localhost:8480";
    node.uri = "/api/".to_owned();
    served(&node.send().await);
    // tccli over plain HTTP: a scheme in the Host header.
    served(
        &app.tencent("CreateInstanceToken", &app.registry_id())
            .header("host", Some("http://127.0.0.1:8480"))
            .send()
            .await,
    );
    // Python, GET: parameters in the query, unsorted, and a form's content type.
    let mut get = app
        .tencent("CreateInstanceToken", &Value::Null)
        .body("")
        .header("content-type", Some("application/x-www-form-urlencoded"));
    get.method = Method::GET;
    get.uri = format!("/?TokenType=temp&RegistryId={}&Desc=a+b", app.instance.id);
    served(&get.send().await);
    // A body that isn't signed.
    served(
        &app.tencent("CreateInstanceToken", &app.registry_id())
            .header("x-tc-content-sha256", Some("UNSIGNED-PAYLOAD"))
            .send()
            .await,
    );
    // A charset in the content type.
    served(
        &app.tencent("CreateInstanceToken", &app.registry_id())
            .header("content-type", Some("application/json; charset=utf-8"))
            .send()
            .await,
    );
    // The older signatures, by query and by form.
    for method in [Method::GET, Method::POST] {
        for signature in [
            sign::Method::TencentHmacSha1,
            sign::Method::TencentHmacSha256,
        ] {
            served(&app.send(app.v1(&method, signature, |_| {})).await);
        }
    }
    // Node leaves what is undefined empty.
    served(
        &app.send(
            app.v1(&Method::GET, sign::Method::TencentHmacSha1, |parameters| {
                parameters.set("TokenType", "")
            }),
        )
        .await,
    );
}

#[tokio::test]
async fn the_trace_id_comes_back() {
    let app = App::new().await;
    let answer = app
        .tencent("CreateInstanceToken", &app.registry_id())
        .header("x-tc-traceid", Some("trace-1"))
        .send()
        .await;
    assert_eq!(answer.header("x-tc-traceid"), Some("trace-1"));
    let answer = app
        .tencent("Nothing", &app.registry_id())
        .header("x-tc-traceid", Some("trace-2"))
        .send()
        .await;
    assert_eq!(answer.header("x-tc-traceid"), Some("trace-2"));
}

#[tokio::test]
async fn the_same_request_may_come_again_but_not_its_signature_with_something_else() {
    let app = App::new().await;
    let call = app.tencent("CreateInstanceToken", &app.registry_id());
    served(&app.send(call.request()).await);
    served(&app.send(call.request()).await);
    for (name, value) in [
        ("x-tc-action", "DeleteInstance"),
        ("x-tc-version", "2018-08-13"),
        ("x-tc-region", "ap-shanghai"),
    ] {
        let mut request = call.request();
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(
            code(&app.send(request).await),
            "AuthFailure.SignatureFailure",
            "{name}"
        );
    }
}

#[tokio::test]
async fn who_calls_is_proved_first() {
    let app = App::new().await;
    let nonsense = || {
        app.tencent("Nothing", &json!({ "Nothing": 1 }))
            .header("x-tc-version", Some("1999-01-01"))
    };
    let mut wrong = nonsense().request();
    let line = wrong.headers()["authorization"]
        .to_str()
        .unwrap()
        .to_owned();
    let flipped = format!(
        "{}{}",
        &line[..line.len() - 1],
        if line.ends_with('0') { '1' } else { '0' }
    );
    wrong
        .headers_mut()
        .insert("authorization", flipped.parse().unwrap());
    let (code_, message) = refused(&app.send(wrong).await);
    assert_eq!(
        (code_.as_str(), message.as_str()),
        (
            "AuthFailure.SignatureFailure",
            "The provided credentials could not be validated. Please check your signature is \
             correct."
        )
    );

    let mut unknown = nonsense().request();
    unknown.headers_mut().insert(
        "authorization",
        line.replace(&app.key.id, "AKIDnobody").parse().unwrap(),
    );
    assert_eq!(
        code(&app.send(unknown).await),
        "AuthFailure.SecretIdNotFound"
    );

    for away in [301, -301] {
        let mut late = nonsense();
        late.signed_at =
            transire::domain::clock::Timestamp::from_unix_seconds(NOW.unix_seconds() + away);
        // Clients whose clock is wrong look for the fault elsewhere, unless they hear the right
        // time (jeessy2/ddns-go#999).
        let message = format!(
            "Signature expired. Please use local time and enable NTP service for time \
             synchronization to avoid a deviation between `Timestamp` and the server time {}.",
            NOW.unix_seconds()
        );
        assert_eq!(
            refused(&late.send().await),
            ("AuthFailure.SignatureExpire".to_owned(), message)
        );
    }
    assert_eq!(
        code(
            &nonsense()
                .header("x-tc-token", Some("session"))
                .send()
                .await
        ),
        "AuthFailure.TokenFailure"
    );

    for line in [
        "TC3-HMAC-SHA256 nonsense",
        "TC3-HMAC-SM3 Credential=a",
        "SKIP",
    ] {
        let mut request = nonsense().request();
        request
            .headers_mut()
            .insert("authorization", line.parse().unwrap());
        assert_eq!(
            code(&app.send(request).await),
            "AuthFailure.InvalidAuthorization",
            "{line}"
        );
    }
    let mut missing = nonsense().request();
    missing.headers_mut().remove("authorization");
    assert_eq!(
        code(&app.send(missing).await),
        "AuthFailure.InvalidAuthorization"
    );
    let mut untimed = nonsense().request();
    untimed.headers_mut().remove("x-tc-timestamp");
    assert_eq!(
        refused(&app.send(untimed).await),
        (
            "MissingParameter".to_owned(),
            "The request is missing a required parameter `Timestamp`.".to_owned()
        )
    );

    app.service
        .identity
        .set_access_key_state(&app.operator(), &app.key.id, AccessKeyState::Disabled)
        .await
        .unwrap();
    assert_eq!(
        code(&nonsense().send().await),
        "AuthFailure.SecretIdNotFound"
    );
}

#[tokio::test]
async fn messages_are_chinese_for_who_asks() {
    let app = App::new().await;
    let mut request = app
        .tencent("CreateInstanceToken", &app.registry_id())
        .header("x-tc-language", Some("zh-CN"))
        .request();
    let line = request.headers()["authorization"]
        .to_str()
        .unwrap()
        .replace(&app.key.id, "AKIDnobody");
    request
        .headers_mut()
        .insert("authorization", line.parse().unwrap());
    assert_eq!(
        refused(&app.send(request).await).1,
        "SecretId不存在，请输入正确的密钥。"
    );
    let mut v1 = app.v1(&Method::GET, sign::Method::TencentHmacSha1, |parameters| {
        parameters.set("Language", "zh-CN")
    });
    *v1.uri_mut() = v1
        .uri()
        .to_string()
        .replace("RegistryId=tcr-", "RegistryId=tcr_")
        .parse()
        .unwrap();
    assert_eq!(
        refused(&app.send(v1).await).1,
        "请求签名验证失败，请检查您的签名计算是否正确。"
    );
}

#[tokio::test]
async fn what_is_called_must_be_said_and_known() {
    let app = App::new().await;
    // A second each: with the same time they would have the same signature, bound to the first of
    // them.
    let call = || {
        app.wait(Duration::from_secs(1));
        app.tencent("CreateInstanceToken", &app.registry_id())
    };
    let missing = |name: &str| {
        (
            "MissingParameter".to_owned(),
            format!("The request is missing a required parameter `{name}`."),
        )
    };
    assert_eq!(
        refused(&call().header("x-tc-region", None).send().await),
        missing("Region")
    );
    assert_eq!(
        refused(&call().header("x-tc-version", None).send().await),
        missing("Version")
    );
    assert_eq!(
        refused(&call().header("x-tc-action", None).send().await),
        missing("Action")
    );
    let (code_, message) = refused(&call().header("x-tc-region", Some("Guangzhou")).send().await);
    assert_eq!(code_, "InvalidParameterValue");
    assert_eq!(
        message,
        "A value specified in `X-TC-Region` is not valid, is unsupported, or cannot be used."
    );
    let v1 = app.v1(
        &Method::POST,
        sign::Method::TencentHmacSha256,
        |parameters| parameters.set("Region", "x"),
    );
    assert_eq!(
        refused(&app.send(v1).await).1,
        "A value specified in `Region` is not valid, is unsupported, or cannot be used."
    );
    assert_eq!(
        code(
            &call()
                .header("x-tc-version", Some("1999-01-01"))
                .send()
                .await
        ),
        "NoSuchVersion"
    );
    let (code_, message) = refused(
        &call()
            .header("x-tc-action", Some("createInstanceToken"))
            .send()
            .await,
    );
    assert_eq!(code_, "InvalidAction");
    assert_eq!(
        message,
        "The request action=`createInstanceToken` is invalid or not found in service=`tcr` and \
         version=`2019-09-24`."
    );
    for version in ["2018-08-13", "2019-01-16"] {
        let mut other = call().header("x-tc-version", Some(version));
        other.scope = if version == "2018-08-13" {
            "sts"
        } else {
            "cam"
        };
        assert_eq!(code(&other.send().await), "InvalidAction");
    }
    let mut elsewhere = call();
    elsewhere.scope = "sts";
    assert_eq!(
        code(&elsewhere.send().await),
        "AuthFailure.InvalidAuthorization"
    );
}

#[tokio::test]
async fn any_well_formed_region_reaches_an_instance_by_its_id() {
    let app = App::new().await;
    assert_eq!(app.instance.region, "ap-guangzhou");
    for region in ["ap-shanghai", "eu-frankfurt", "nowhere-1"] {
        // A second each: the same signature may not come with another region.
        app.wait(Duration::from_secs(1));
        served(
            &app.tencent("CreateInstanceToken", &app.registry_id())
                .header("x-tc-region", Some(region))
                .send()
                .await,
        );
        served(
            &app.send(app.v1(
                &Method::POST,
                sign::Method::TencentHmacSha256,
                |parameters| parameters.set("Region", region),
            ))
            .await,
        );
    }
}

#[tokio::test]
async fn a_request_of_the_older_signatures_may_come_again() {
    let app = App::new().await;
    let uri = app
        .v1(&Method::GET, sign::Method::TencentHmacSha1, |_| {})
        .uri()
        .clone();
    for _ in 0..2 {
        served(
            &app.send(
                Request::get(uri.clone())
                    .header(header::HOST, HOST)
                    .body(Body::empty())
                    .unwrap(),
            )
            .await,
        );
    }
}

#[tokio::test]
async fn without_a_language_messages_are_english() {
    let app = App::new().await;
    let english = "The request is missing a required parameter `RegistryId`.";
    assert_eq!(
        refused(
            &app.tencent("CreateInstanceToken", &json!({}))
                .header("x-tc-language", None)
                .send()
                .await
        )
        .1,
        english
    );
    let chinese = app
        .tencent("CreateInstanceToken", &json!({ "RegistryId": 5 }))
        .header("x-tc-language", Some("zh-CN"));
    assert_eq!(
        refused(&chinese.send().await).1,
        "参数 `RegistryId` 取值类型错误。"
    );
}

#[tokio::test]
async fn a_description_is_one_line() {
    let app = App::new().await;
    let call = async |token_type: &str, description: &str| {
        let body = json!({
            "RegistryId": app.instance.id.as_str(),
            "TokenType": token_type,
            "Desc": description,
        });
        app.tencent("CreateInstanceToken", &body).send().await
    };
    for bad in ["a\nb", "\u{1b}[2J", "a\u{202e}b", &"中".repeat(256)] {
        assert_eq!(code(&call("longterm", bad).await), "InvalidParameterValue");
        // A temporary credential keeps none, so any will do.
        served(&call("temp", bad).await);
    }
    served(&call("longterm", &"中".repeat(255)).await);
}

#[tokio::test]
async fn parameters_are_checked_with_their_types() {
    let app = App::new().await;
    let id = app.instance.id.as_str();
    let long = "x".repeat(256);
    let cases = [
        (
            json!({}),
            "MissingParameter",
            "The request is missing a required parameter `RegistryId`.",
        ),
        (
            json!({ "RegistryId": null }),
            "MissingParameter",
            "The request is missing a required parameter `RegistryId`.",
        ),
        (
            json!({ "RegistryId": 5 }),
            "InvalidParameter",
            "The value type of parameter `RegistryId` is not valid.",
        ),
        (
            json!({ "RegistryId": id, "Desc": ["a"] }),
            "InvalidParameter",
            "The value type of parameter `Desc` is not valid.",
        ),
        (
            json!({ "RegistryId": id, "Wings": 2 }),
            "UnknownParameter",
            "The parameter `Wings` is not recognized",
        ),
        (
            json!({ "RegistryId": id, "TokenType": "forever" }),
            "InvalidParameterValue",
            "The parameter `TokenType` is `temp` or `longterm`.",
        ),
        (
            json!({ "RegistryId": id, "TokenType": "longterm", "Desc": long }),
            "InvalidParameterValue",
            "The parameter `Desc` is not valid: a description has at most 255 characters, and no \
             control or bidirectional characters",
        ),
        (
            json!([id]),
            "InvalidParameter",
            "The request's body is not a JSON object.",
        ),
        (
            json!({ "RegistryId": "nonsense" }),
            "ResourceNotFound.TcrResourceNotFound",
            "The instance does not exist.",
        ),
        (
            json!({ "RegistryId": app.foreign_instance.id.as_str() }),
            "ResourceNotFound.TcrResourceNotFound",
            "The instance does not exist.",
        ),
        (
            json!({ "RegistryId": app.instance.cri_id.as_str() }),
            "ResourceNotFound.TcrResourceNotFound",
            "The instance does not exist.",
        ),
    ];
    for (body, code, message) in cases {
        assert_eq!(
            refused(&app.tencent("CreateInstanceToken", &body).send().await),
            (code.to_owned(), message.to_owned()),
            "{body}"
        );
    }
    let raw = |body: &str| app.tencent("CreateInstanceToken", &Value::Null).body(body);
    for body in [
        "",
        "{",
        "nonsense",
        &format!(r#"{{"RegistryId": "{id}", "RegistryId": "{id}"}}"#),
    ] {
        assert_eq!(code(&raw(body).send().await), "InvalidParameter", "{body}");
    }
    let form =
        raw("RegistryId=a").header("content-type", Some("application/x-www-form-urlencoded"));
    assert_eq!(code(&form.send().await), "InvalidParameter");
}

#[tokio::test]
async fn what_two_readers_could_read_differently_is_refused() {
    let app = App::new().await;
    let mut with_query = app.tencent("CreateInstanceToken", &app.registry_id());
    with_query.uri = "/?RegistryId=tcr-00000000".to_owned();
    assert_eq!(code(&with_query.send().await), "InvalidParameter");

    let mut hosts = app
        .tencent("CreateInstanceToken", &app.registry_id())
        .request();
    hosts.headers_mut().append("host", "other".parse().unwrap());
    assert_eq!(code(&app.send(hosts).await), "InvalidParameter");

    let mut both = app
        .tencent("CreateInstanceToken", &app.registry_id())
        .request();
    both.headers_mut()
        .insert("x-acs-action", "GetAuthorizationToken".parse().unwrap());
    assert_eq!(
        code(&app.send(both).await),
        "AuthFailure.InvalidAuthorization"
    );

    let mut twice = app.v1(&Method::GET, sign::Method::TencentHmacSha1, |_| {});
    *twice.uri_mut() = format!("{}&RegistryId=tcr-00000000", twice.uri())
        .parse()
        .unwrap();
    assert_eq!(code(&app.send(twice).await), "InvalidParameterValue");

    let mut put = app.tencent("CreateInstanceToken", &app.registry_id());
    put.method = Method::PUT;
    assert_eq!(code(&put.send().await), "InvalidParameter");
}

#[tokio::test]
async fn a_body_has_limits() {
    let app = App::with(|options| options.http.max_tc3_body_bytes = 2 * 1024 * 1024).await;
    let large = |kib: usize| {
        app.tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": "x".repeat(kib * 1024) }),
        )
    };
    assert_eq!(
        code(&large(1500).send().await),
        "ResourceNotFound.TcrResourceNotFound"
    );
    assert_eq!(code(&large(2100).send().await), "RequestSizeLimitExceeded");
    // The older signatures are inside of the body: it is looked at as far as it is read.
    let v1 = app.v1(&Method::POST, sign::Method::TencentHmacSha1, |parameters| {
        parameters.set("Zzz", "x".repeat(1_100_000))
    });
    let (code_, message) = refused(&app.send(v1).await);
    assert_eq!(code_, "AuthFailure.SignatureFailure");
    assert_eq!(
        message,
        "The provided credentials could not be validated because of exceeding request size limit, \
         please use new signature method `TC3-HMAC-SHA256`."
    );
    // They stand in forms, which anybody may send: those are smaller than what headers vouch for.
    let v1 = |bytes: usize| {
        app.v1(
            &Method::POST,
            sign::Method::TencentHmacSha256,
            |parameters| parameters.set("Zzz", "x".repeat(bytes)),
        )
    };
    assert_eq!(code(&app.send(v1(64_000)).await), "UnknownParameter");
    assert_eq!(
        code(&app.send(v1(66_000)).await),
        "AuthFailure.SignatureFailure"
    );
    // A stranger's body is never read.
    let mut stranger = large(2100).request();
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
async fn bodies_that_trickle_or_crowd_are_refused_in_the_envelope() {
    let app = App::with(|options| options.http.body_timeout = Duration::from_millis(5)).await;
    let mut slow = app
        .tencent("CreateInstanceToken", &app.registry_id())
        .request();
    *slow.body_mut() = Body::new(Never);
    assert_eq!(code(&app.send(slow).await), "InvalidRequest");
    let app = App::with(|options| options.http.body_budget_bytes = 10).await;
    let (code_, message) = refused(
        &app.tencent("CreateInstanceToken", &app.registry_id())
            .send()
            .await,
    );
    assert_eq!(
        (code_.as_str(), message.as_str()),
        (
            "RequestLimitExceeded",
            "Too many requests are being received; try again in a moment."
        )
    );
}

#[tokio::test]
async fn strangers_that_fill_the_memory_for_bodies_shut_no_known_key_out() {
    // All bodies shared one budget: 64 stalled forms of a megabyte, from anybody, and no signed
    // POST was served.
    let app = App::with(|options| options.http.body_budget_bytes = 1000).await;
    let stalled = || {
        let request = Request::post("/")
            .header("host", HOST)
            .header("content-type", "application/x-www-form-urlencoded");
        app.send(
            request
                .body(Body::new(Stalled(Some(bytes::Bytes::from_static(
                    &[b'a'; 330],
                )))))
                .unwrap(),
        )
    };
    let crowd = async { tokio::join!(stalled(), stalled(), stalled()) };
    tokio::select! {
        biased;
        _ = crowd => panic!("no form was kept"),
        answer = app.tencent("CreateInstanceToken", &app.registry_id()).send() => {
            served(&answer);
        }
    }
}

/// A body that never comes.
struct Never;

impl axum::body::HttpBody for Never {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, std::convert::Infallible>>>
    {
        std::task::Poll::Pending
    }
}

#[tokio::test]
async fn beyond_the_limit_a_call_hears_the_figures() {
    let app = App::with(|options| options.service.limits.requests_per_second = 2).await;
    for _ in 0..2 {
        served(
            &app.tencent("CreateInstanceToken", &app.registry_id())
                .send()
                .await,
        );
    }
    let (code_, message) = refused(
        &app.tencent("CreateInstanceToken", &app.registry_id())
            .send()
            .await,
    );
    assert_eq!(code_, "RequestLimitExceeded");
    assert_eq!(
        message,
        "Your current request times equals to `3` in a second, which exceeds the frequency limit \
         `2` for a second. Please reduce the frequency of calls."
    );
    app.wait(Duration::from_secs(1));
    served(
        &app.tencent("CreateInstanceToken", &app.registry_id())
            .send()
            .await,
    );
}

#[tokio::test]
async fn a_method_that_is_turned_off_is_refused() {
    let app = App::with(|options| {
        options
            .service
            .signatures
            .methods
            .retain(|method| *method != sign::Method::TencentHmacSha1)
    })
    .await;
    assert_eq!(
        code(
            &app.send(app.v1(&Method::GET, sign::Method::TencentHmacSha1, |_| {}))
                .await
        ),
        "AuthFailure.InvalidAuthorization"
    );
    served(
        &app.send(app.v1(&Method::GET, sign::Method::TencentHmacSha256, |_| {}))
            .await,
    );
}

#[tokio::test]
async fn an_address_that_is_refused_too_often_waits() {
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 1)
    })
    .await;
    let stranger = || {
        let mut request = app
            .tencent("CreateInstanceToken", &app.registry_id())
            .request();
        let line = request.headers()["authorization"]
            .to_str()
            .unwrap()
            .replace(&app.key.id, "AKIDnobody");
        request
            .headers_mut()
            .insert("authorization", line.parse().unwrap());
        request
    };
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(code(&app.send(stranger()).await));
    }
    assert!(
        codes.iter().any(|code| code == "RequestLimitExceeded"),
        "{codes:?}"
    );
}
