//! The Alibaba door, through the true server.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use transire::domain::clock::Timestamp;
use transire::sign;
use transire::store::access_key::AccessKeyState;

use crate::harness::alibaba::{Place, code, refused, served};
use crate::harness::{App, HOST, NOW, Options, headers, to_sign};

fn after(hours: u64) -> i64 {
    NOW.plus(Duration::from_hours(hours)).unix_millis()
}

#[tokio::test]
async fn a_credential_lives_as_long_as_was_asked() {
    let app = App::new().await;
    assert_eq!(
        served(&app.get_token().send().await)["ExpireTime"],
        after(1)
    );
    for (asked, hours) in [("1", 1), ("24", 24), ("", 1)] {
        let call = app.alibaba(
            "GetAuthorizationToken",
            &[
                ("InstanceId", app.instance.cri_id.as_str()),
                ("ExpiresInHours", asked),
            ],
        );
        assert_eq!(
            served(&call.send().await)["ExpireTime"],
            after(hours),
            "{asked:?}"
        );
    }
    for asked in ["0", "25", "-1", "1.5", "one", "99999999999999999999"] {
        let call = app.alibaba(
            "GetAuthorizationToken",
            &[
                ("InstanceId", app.instance.cri_id.as_str()),
                ("ExpiresInHours", asked),
            ],
        );
        let (status, code, message) = refused(&call.send().await);
        assert_eq!(
            (status, code.as_str()),
            (400, "InvalidExpiresInHours"),
            "{asked:?}"
        );
        assert!(
            message.starts_with("Specified parameter ExpiresInHours is not valid."),
            "{message}"
        );
    }
}

#[tokio::test]
async fn every_way_to_send_parameters_is_served() {
    let app = App::new().await;
    served(
        &app.send(app.rpc(
            Method::GET,
            Place::Query,
            &[
                ("Format", "JSON"),
                ("SignatureType", ""),
                ("RegionId", "cn-hangzhou"),
            ],
        ))
        .await,
    );
    served(
        &app.send(app.rpc(Method::POST, Place::Query, &[("Format", "json")]))
            .await,
    );
    served(&app.send(app.rpc(Method::POST, Place::Form, &[])).await);
    served(&app.send(app.rpc(Method::POST, Place::Split, &[])).await);
    let mut form = app
        .alibaba("GetAuthorizationToken", &[])
        .header("content-type", "application/x-www-form-urlencoded");
    form.body = format!("InstanceId={}", app.instance.cri_id);
    served(&form.send().await);
    // A scheme in the Host header, as one client writes it.
    served(
        &app.get_token()
            .header("host", "http://127.0.0.1:8480")
            .send()
            .await,
    );
}

#[tokio::test]
async fn the_path_style_api_answers_for_the_default_instance() {
    let app = App::new().await;
    let mut acs3 = app.alibaba("GetAuthorizationToken", &[]);
    (acs3.method, acs3.uri, acs3.version) =
        (Method::GET, "/tokens".to_owned(), "2016-06-07".to_owned());
    for request in [
        app.roa("/tokens", Some("n1")),
        app.roa("/tokens", None),
        acs3.request(),
    ] {
        let answer = app.send(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let body = answer.json();
        assert_eq!(body["data"]["tempUserName"], "cr_temp_user");
        assert_eq!(body["data"]["expireDate"], after(1));
        assert_eq!(
            body["requestId"].as_str(),
            answer.header("x-acs-request-id")
        );
        let secret = body["data"]["authorizationToken"].as_str().unwrap();
        assert_eq!(
            app.registry(
                Some(("cr_temp_user", secret)),
                "service=registry.example.com"
            )
            .await
            .status,
            StatusCode::OK
        );
    }
    let answer = app.send(app.roa("/repos", Some("n2"))).await;
    assert_eq!(refused(&answer).1, "InvalidApi.NotFound");
    let body = answer.json();
    assert_eq!(
        (body["code"].as_str(), body["requestId"].as_str()),
        (
            Some("InvalidApi.NotFound"),
            answer.header("x-acs-request-id")
        )
    );
    assert_eq!(body["message"], body["Message"]);
}

#[tokio::test]
async fn a_request_without_a_default_instance_hears_what_to_do() {
    let app = App::new().await;
    let account = "100000000003".parse().unwrap();
    app.service
        .identity
        .create_account(&app.operator(), Some(account), "empty", None)
        .await
        .unwrap();
    let key = app
        .service
        .identity
        .create_access_key(&app.operator(), account, None)
        .await
        .unwrap();
    let secret = sign::SigningSecret::new(key.secret);
    let signer = sign::Signer {
        access_key_id: &key.id,
        secret: &secret,
        session_token: None,
    };
    let mut signed = headers(&[("host", HOST.to_owned())]);
    let uri = http::Uri::from_static("/tokens");
    let to_sign = to_sign(&Method::GET, &uri, &signed, b"");
    let added =
        sign::alibaba_roa::sign(&to_sign, "2016-06-07", &signer, app.now(), Some("n")).unwrap();
    signed.extend(added);
    let mut request = Request::get(uri).body(Body::empty()).unwrap();
    *request.headers_mut() = signed;
    let (status, code, message) = refused(&app.send(request).await);
    assert_eq!((status, code.as_str()), (404, "INSTANCE_NOT_EXIST"));
    assert!(
        message.contains("Personal Edition (2016-06-07)"),
        "{message}"
    );
}

#[tokio::test]
async fn who_calls_is_proved_first() {
    let app = App::new().await;
    let nonsense = || app.alibaba("Nothing", &[("ExpiresInHours", "x")]);
    let with_line = |change: &dyn Fn(&str) -> String| {
        let mut request = nonsense().request();
        let line = change(request.headers()["authorization"].to_str().unwrap());
        request
            .headers_mut()
            .insert("authorization", line.parse().unwrap());
        request
    };
    let flipped = with_line(&|line| {
        format!(
            "{}{}",
            &line[..line.len() - 1],
            if line.ends_with('0') { '1' } else { '0' }
        )
    });
    let (status, code_, message) = refused(&app.send(flipped).await);
    assert_eq!((status, code_.as_str()), (400, "SignatureDoesNotMatch"));
    assert!(
        message.starts_with(
            "Specified signature is not matched with our calculation. server \
             string to sign is:ACS3-HMAC-SHA256\n"
        ),
        "{message}"
    );
    let unknown = with_line(&|line| line.replace(&app.key.id, "LTAInobody"));
    assert_eq!(refused(&app.send(unknown).await).0, 404);
    let unknown = with_line(&|line| line.replace(&app.key.id, "LTAInobody"));
    assert_eq!(
        code(&app.send(unknown).await),
        "InvalidAccessKeyId.NotFound"
    );
    for method in ["ACS3-HMAC-SM3", "ACS3-RSA-SHA256"] {
        let refused = with_line(&|line| line.replace("ACS3-HMAC-SHA256", method));
        assert_eq!(
            code(&app.send(refused).await),
            "InvalidSignatureMethod",
            "{method}"
        );
    }
    assert_eq!(
        code(
            &app.send(with_line(&|_| "ACS3-HMAC-SHA256 nonsense".to_owned()))
                .await
        ),
        "IncompleteSignature"
    );
    // A client's list of what it signed is not taken on trust.
    assert_eq!(
        code(
            &app.send(with_line(&|line| line.replace("x-acs-action;", "")))
                .await
        ),
        "IncompleteSignature"
    );

    for away in [901, -901] {
        let mut late = nonsense();
        late.signed_at = Timestamp::from_unix_seconds(NOW.unix_seconds() + away);
        // Clients whose clock is wrong look for the fault elsewhere, unless they hear the right
        // time (jeessy2/ddns-go#1291).
        let (_, code_, message) = refused(&late.send().await);
        assert_eq!(code_, "InvalidTimeStamp.Expired");
        let figures = format!(
            "The server's time is {}, and a request's may differ from it by 900 seconds",
            NOW.rfc3339()
        );
        assert!(
            message.starts_with("Specified time stamp or date value is expired. ")
                && message.contains(&figures),
            "{message}"
        );
    }
    let mut malformed = nonsense().request();
    malformed
        .headers_mut()
        .insert("x-acs-date", "yesterday".parse().unwrap());
    let (_, code_, message) = refused(&app.send(malformed).await);
    assert!(
        code_ == "InvalidTimeStamp.Format" && message.contains("such as 2025-01-03T04:04:17Z"),
        "{code_}: {message}"
    );
    let mut other_body = nonsense().request();
    *other_body.body_mut() = Body::from("more");
    assert_eq!(code(&app.send(other_body).await), "IncompleteSignature");

    app.service
        .identity
        .set_access_key_state(&app.operator(), &app.key.id, AccessKeyState::Disabled)
        .await
        .unwrap();
    assert_eq!(
        code(&nonsense().send().await),
        "InvalidAccessKeyId.Inactive"
    );
}

#[tokio::test]
async fn a_wrong_rpc_signature_hears_the_string_to_sign_after_the_first_colon() {
    let app = App::new().await;
    let request = app.rpc(Method::GET, Place::Query, &[]);
    let uri = request
        .uri()
        .to_string()
        .replace("Version=2018-12-01", "Version=2018-12-02");
    let answer = app
        .send(
            Request::get(uri)
                .header(header::HOST, HOST)
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    let (_, code, message) = refused(&answer);
    assert_eq!(code, "SignatureDoesNotMatch");
    assert!(
        message
            .split_once(':')
            .unwrap()
            .1
            .starts_with("GET&%2F&AccessKeyId%3D"),
        "{message}"
    );
}

#[tokio::test]
async fn unsigned_and_bearer_requests_are_refused_in_their_own_envelope() {
    let app = App::new().await;
    let ask = |uri: &str, headers: &[(&str, &str)]| {
        let mut request = Request::get(uri).header(header::HOST, HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    };
    let unsigned = ask("/?Action=GetAuthorizationToken&Version=2018-12-01", &[]);
    assert_eq!(
        refused(&app.send(unsigned).await),
        (
            400,
            "MissingAccessKeyId".to_owned(),
            "AccessKeyId is mandatory for this action.".to_owned()
        )
    );
    let anonymous = ask(
        "/",
        &[
            ("x-acs-action", "GetAuthorizationToken"),
            ("x-acs-version", "2018-12-01"),
        ],
    );
    assert_eq!(code(&app.send(anonymous).await), "MissingAccessKeyId");
    let bearer = ask(
        "/?SignatureType=BEARERTOKEN",
        &[
            ("x-acs-bearer-token", "t"),
            ("x-acs-action", "GetAuthorizationToken"),
        ],
    );
    assert_eq!(code(&app.send(bearer).await), "InvalidSignatureMethod");
    let bearer = ask(
        "/?Action=GetAuthorizationToken&BearerToken=t&SignatureType=BEARERTOKEN",
        &[],
    );
    assert_eq!(code(&app.send(bearer).await), "InvalidSignatureMethod");
    let rsa = ask(
        "/?AccessKeyId=a&Signature=eA%3D%3D&SignatureMethod=SHA256withRSA&SignatureType=PRIVATEKEY",
        &[],
    );
    assert_eq!(code(&app.send(rsa).await), "InvalidSignatureMethod");
}

#[tokio::test]
async fn a_nonce_is_used_once() {
    let app = App::new().await;
    let call = app.get_token();
    served(&app.send(call.request()).await);
    assert_eq!(code(&app.send(call.request()).await), "SignatureNonceUsed");
    // A request that was never proved burns nothing.
    let call = app.get_token();
    let mut wrong = call.request();
    wrong.headers_mut().insert(
        "x-acs-date",
        NOW.minus(Duration::from_secs(1)).rfc3339().parse().unwrap(),
    );
    assert_eq!(code(&app.send(wrong).await), "SignatureDoesNotMatch");
    served(&app.send(call.request()).await);
}

#[tokio::test]
async fn what_is_called_must_be_said_and_known() {
    let app = App::new().await;
    let not_found = (
        404,
        "InvalidAction.NotFound".to_owned(),
        "Specified api is not found, please check your url and method.".to_owned(),
    );
    assert_eq!(
        refused(&app.alibaba("GetNothing", &[]).send().await),
        not_found
    );
    let mut elsewhere = app.get_token();
    elsewhere.uri = elsewhere.uri.replacen('/', "/tokens", 1);
    assert_eq!(refused(&elsewhere.send().await), not_found);
    let mut version = app.get_token();
    version.version = "1999-01-01".to_owned();
    assert_eq!(
        refused(&version.send().await),
        (
            400,
            "InvalidVersion".to_owned(),
            "Specified parameter Version is not valid.".to_owned()
        )
    );
    // A signature that covers no path can't call a path.
    let rpc = app.rpc(Method::GET, Place::Query, &[("Version", "2016-06-07")]);
    let uri = rpc.uri().to_string().replacen("/?", "/tokens?", 1);
    assert_eq!(
        code(
            &app.send(
                Request::get(uri)
                    .header(header::HOST, HOST)
                    .body(Body::empty())
                    .unwrap()
            )
            .await
        ),
        "InvalidVersion"
    );
    assert_eq!(
        refused(&app.alibaba("GetAuthorizationToken", &[]).send().await),
        (
            400,
            "MissingInstanceId".to_owned(),
            "InstanceId is mandatory for this action.".to_owned()
        )
    );
    for id in [
        "nonsense",
        app.foreign_instance.cri_id.as_str(),
        app.instance.id.as_str(),
    ] {
        assert_eq!(
            refused(
                &app.alibaba("GetAuthorizationToken", &[("InstanceId", id)])
                    .send()
                    .await
            )
            .1,
            "INSTANCE_NOT_EXIST",
            "{id}"
        );
    }
    assert_eq!(
        code(
            &app.send(app.rpc(Method::GET, Place::Query, &[("Format", "YAML")]))
                .await
        ),
        "InvalidParameter.Format"
    );
}

#[tokio::test]
async fn a_parameter_that_the_operation_lacks_is_let_pass() {
    let app = App::new().await;
    let call = app.alibaba(
        "GetAuthorizationToken",
        &[("InstanceId", app.instance.cri_id.as_str()), ("Wings", "2")],
    );
    served(&call.send().await);
    served(
        &app.send(app.rpc(Method::POST, Place::Form, &[("Wings", "2")]))
            .await,
    );
}

#[tokio::test]
async fn a_method_other_than_get_and_post_is_refused() {
    let app = App::new().await;
    let mut put = app.get_token();
    put.method = Method::PUT;
    let (status, code_, _) = refused(&put.send().await);
    assert_eq!((status, code_.as_str()), (400, "InvalidParameter"));
    let rpc = app.rpc(Method::PUT, Place::Query, &[]);
    assert_eq!(code(&app.send(rpc).await), "InvalidParameter");
}

#[tokio::test]
async fn a_session_token_with_a_key_of_no_session_is_refused() {
    let app = App::new().await;
    let expected = (
        400,
        "InvalidSecurityToken.MismatchWithAccessKey".to_owned(),
        "Specified SecurityToken mismatch with the AccessKey.".to_owned(),
    );
    assert_eq!(
        refused(
            &app.get_token()
                .header("x-acs-security-token", "session")
                .send()
                .await
        ),
        expected
    );
    assert_eq!(
        refused(
            &app.send(app.rpc(Method::GET, Place::Query, &[("SecurityToken", "session")]))
                .await
        ),
        expected
    );
}

#[tokio::test]
async fn a_path_style_request_without_a_nonce_may_come_again() {
    let app = App::new().await;
    for _ in 0..2 {
        assert_eq!(
            app.send(app.roa("/tokens", None)).await.status,
            StatusCode::OK
        );
    }
    assert_eq!(
        app.send(app.roa("/tokens", Some("n"))).await.status,
        StatusCode::OK
    );
    assert_eq!(
        code(&app.send(app.roa("/tokens", Some("n"))).await),
        "SignatureNonceUsed"
    );
}

#[tokio::test]
async fn both_generations_of_the_api_share_a_counter() {
    let app = App::with(|options| {
        options
            .service
            .limits
            .requests_per_second_by_action
            .insert("cr:GetAuthorizationToken".to_owned(), 1);
    })
    .await;
    served(&app.get_token().send().await);
    assert_eq!(
        code(&app.send(app.roa("/tokens", Some("n"))).await),
        "Throttling.User"
    );
}

#[tokio::test]
async fn xml_is_for_who_asks_for_it() {
    let app = App::new().await;
    let answer = app
        .send(app.rpc(Method::GET, Place::Query, &[("Format", "XML")]))
        .await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/xml;charset=utf-8")
    );
    assert!(
        answer.body.starts_with(concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            "<GetAuthorizationTokenResponse><AuthorizationToken>trst_",
        )),
        "{}",
        answer.body
    );
    assert!(
        answer.body.contains("<Code>success</Code>")
            && answer.body.contains("<IsSuccess>true</IsSuccess>"),
        "{}",
        answer.body
    );
    let answer = app
        .alibaba("Nothing", &[])
        .header("accept", "application/xml")
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(
        answer
            .body
            .contains("<Error><Code>InvalidAction.NotFound</Code>"),
        "{}",
        answer.body
    );
    for accept in ["*/*", "application/xml, application/json"] {
        refused(
            &app.alibaba("Nothing", &[])
                .header("accept", accept)
                .send()
                .await,
        );
    }
}

#[tokio::test]
async fn beyond_the_limit_a_call_hears_when_to_come_back() {
    let app = App::with(|options| {
        options
            .service
            .limits
            .requests_per_second_by_action
            .insert("cr:GetAuthorizationToken".to_owned(), 1);
    })
    .await;
    served(&app.get_token().send().await);
    let answer = app.get_token().send().await;
    let text = "Request was denied due to user flow control. \
                The account called cr:GetAuthorizationToken 2 times in a second; 1 are allowed.";
    assert_eq!(
        refused(&answer),
        (400, "Throttling.User".to_owned(), text.to_owned())
    );
    assert_eq!(answer.header("x-acs-retry-after"), Some("1000"));
}

#[tokio::test]
async fn a_key_that_used_its_memory_up_waits_and_forgets_none() {
    let app = App::new().await;
    let first = app.get_token();
    served(&app.send(first.request()).await);
    let mut settings = Options::usual().service;
    settings.limits.replay_bytes = 0;
    app.service.adjust(&settings);
    let second = app.get_token();
    assert_eq!(code(&app.send(second.request()).await), "Throttling.User");
    assert_eq!(code(&app.send(first.request()).await), "SignatureNonceUsed");
    app.service.adjust(&Options::usual().service);
    served(&app.send(second.request()).await);
}

#[tokio::test]
async fn the_marks_of_two_dialects_are_refused() {
    let app = App::new().await;
    let mut both = app.get_token().request();
    both.headers_mut()
        .insert("x-tc-action", "CreateInstanceToken".parse().unwrap());
    assert_eq!(code(&app.send(both).await), "IncompleteSignature");
    let mut twice = app.get_token();
    twice.uri += "&AccessKeyId=a&Signature=b";
    assert_eq!(code(&twice.send().await), "IncompleteSignature");
    let mut hosts = app.get_token().request();
    hosts.headers_mut().append("host", "other".parse().unwrap());
    let answer = app.send(hosts).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["Code"].as_str()),
        (400, Some("InvalidParameter"))
    );
}

#[tokio::test]
async fn a_request_to_no_door_hears_what_this_is() {
    let app = App::new().await;
    for request in [
        Request::get("/")
            .header(header::HOST, HOST)
            .body(Body::empty())
            .unwrap(),
        Request::post("/")
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from("a=b"))
            .unwrap(),
        Request::get("/v1/")
            .header(header::HOST, HOST)
            .header(header::AUTHORIZATION, "Bearer x")
            .body(Body::empty())
            .unwrap(),
    ] {
        let answer = app.send(request).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(
            answer.body.starts_with("This is transire") && answer.body.contains("Documentation:"),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_form_of_the_older_signature_is_smaller_than_a_body_that_headers_vouch_for() {
    // A form of a megabyte under a made-up key cost 22 milliseconds of a core.
    let app = App::new().await;
    let padding = |bytes: usize| "x".repeat(bytes);
    let by_form = async |bytes: usize| {
        app.send(app.rpc(Method::POST, Place::Form, &[("Zzz", &padding(bytes))]))
            .await
    };
    assert_eq!(by_form(64_000).await.status, StatusCode::OK);
    let refused = by_form(66_000).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["Code"].clone()),
        (413, serde_json::json!("RequestEntityTooLarge")),
        "{}",
        refused.body
    );
    let form = format!("Zzz={}", padding(100_000));
    let query = [("InstanceId", app.instance.cri_id.as_str())];
    let mut in_headers = app
        .alibaba("GetAuthorizationToken", &query)
        .header("content-type", "application/x-www-form-urlencoded");
    in_headers.body = form;
    assert_eq!(in_headers.send().await.status, StatusCode::OK);
}
