//! Single sign-on for the console: a real issuer on loopback, and a clock that stands still.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use transire::domain::refusal::RefusalCause;
use transire::service::AuditRow;

use crate::harness::audit::found;
use crate::harness::issuer::{DESCRIPTION, Reply, TestKey};
use crate::harness::sso::{Begun, CLIENT, PATH, SUBJECT, SignOn, TOKEN, cookie, fields, rules};
use crate::harness::{Answer, HOST};

const PLATFORM: &str = "groups=platform -> admin";
const AUDIT: &str = "groups=audit -> auditor";

/// Returns the line of the audit about the refusal of a cause.
async fn refusal(on: &SignOn, cause: RefusalCause) -> AuditRow {
    let word = format!("\"{}\"", cause.name());
    found(&on.app, |lines| {
        let mut lines = lines.into_iter();
        lines.find(|line| line.outcome == "refused" && line.detail.contains(&word))
    })
    .await
}

/// Fails unless an answer is the page of the log-in, says why, and begins no session.
async fn assert_refused(on: &SignOn, answer: &Answer, cause: RefusalCause) {
    assert!(answer.body.contains("role=\"alert\""), "{}", answer.body);
    assert!(answer.body.contains("Log in with single sign-on"));
    assert_eq!(cookie(answer, "transire-console"), None, "{}", cause.name());
    refusal(on, cause).await;
}

/// Redeems a code for a token of the usual claims but for a change, and expects its refusal.
async fn refuses_claims(on: &SignOn, change: impl Fn(&mut Value), cause: RefusalCause) {
    let begun = on.begin().await;
    let mut claims = on.claims(&begun, &["platform"]);
    change(&mut claims);
    on.answer_with(&claims);
    assert_refused(on, &on.finish(&begun).await, cause).await;
}

#[tokio::test]
async fn a_person_logs_in_at_the_issuer_and_has_the_role_that_its_claims_give() {
    let on = SignOn::new(&[PLATFORM, AUDIT]).await;
    let page = on.get("/console", "").await;
    assert!(
        page.body.contains("Log in with single sign-on"),
        "{}",
        page.body
    );
    let begun = on.begin().await;
    let redirect = format!("http://{HOST}{PATH}");
    let asked = |name: &str| begun.asked[name].as_str();
    assert_eq!(
        ["response_type", "client_id", "redirect_uri", "scope"].map(asked),
        ["code", CLIENT, &redirect, "openid profile"]
    );
    assert_eq!(begun.asked.get("prompt"), None);
    on.answer_with(&on.claims(&begun, &["audit"]));
    let finished = on.finish(&begun).await;
    assert!(
        finished.body.contains("url=/console\""),
        "{}",
        finished.body
    );
    let (form, authorization) = on.issuer.form(TOKEN);
    let sent = fields(&form);
    assert_eq!(authorization, "");
    assert_eq!(
        ["grant_type", "code", "redirect_uri", "client_id"].map(|name| sent[name].as_str()),
        ["authorization_code", "EXAMPLE-code", &redirect, CLIENT]
    );
    let verifier =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, sent["code_verifier"].as_bytes());
    assert_eq!(URL_SAFE_NO_PAD.encode(verifier), asked("code_challenge"));
    assert_eq!(asked("code_challenge_method"), "S256");

    let session = cookie(&finished, "transire-console").unwrap();
    let overview = on.get("/console", &session).await;
    assert!(overview.body.contains("Alice <small>auditor</small>"));
    let line = found(&on.app, |lines| {
        let mut lines = lines.into_iter();
        lines.find(|line| line.action == "console.log-in")
    })
    .await;
    let name = format!("operator/sso/{SUBJECT}@{}", on.issuer.url);
    assert_eq!(line.principal, Some(name));
    assert_eq!(line.detail, r#"{"name":"Alice","role":"auditor"}"#);
}

#[tokio::test]
async fn the_cookie_of_a_log_in_under_way_is_short_lived_and_taken_away() {
    let on = SignOn::new(&[PLATFORM]).await;
    let page = on.post(PATH, "", "").await;
    let set = page.header("set-cookie").unwrap();
    assert!(
        set.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"),
        "{set}"
    );
    let begun = on.begin().await;
    on.answer_with(&on.claims(&begun, &["platform"]));
    let finished = on.finish(&begun).await;
    let gone = "transire-console-flow=";
    assert_eq!(cookie(&finished, "transire-console-flow").unwrap(), gone);
}

#[tokio::test]
async fn nobody_gets_in_whom_no_rule_gives_a_role_and_the_page_names_the_claims() {
    let on = SignOn::new(&[PLATFORM, "amr=otp -> admin"]).await;
    let begun = on.begin().await;
    on.answer_with(&on.claims(&begun, &["sales"]));
    let finished = on.finish(&begun).await;
    assert!(finished.body.contains("groups, amr"), "{}", finished.body);
    assert!(!finished.body.contains("sales"));
    assert_refused(&on, &finished, RefusalCause::SsoNoRole).await;
    let line = refusal(&on, RefusalCause::SsoNoRole).await;
    assert!(line.detail.contains(SUBJECT), "{}", line.detail);
}

#[tokio::test]
async fn an_answer_needs_the_browser_that_began_the_log_in() {
    let on = SignOn::new(&[PLATFORM]).await;
    let (one, other) = (on.begin().await, on.begin().await);
    on.answer_with(&on.claims(&one, &["platform"]));
    let swapped = Begun {
        cookie: other.cookie.clone(),
        ..one
    };
    assert_refused(&on, &on.finish(&swapped).await, RefusalCause::SsoState).await;
    for cookies in ["", "transire-console-flow=trsc_EXAMPLE"] {
        let without = Begun {
            cookie: cookies.to_owned(),
            asked: other.asked.clone(),
        };
        assert_refused(&on, &on.finish(&without).await, RefusalCause::SsoFlow).await;
    }
    assert_eq!(on.issuer.asked(TOKEN), 0);
}

#[tokio::test]
async fn a_log_in_that_took_too_long_or_is_of_other_settings_is_refused() {
    let mut on = SignOn::new(&[PLATFORM]).await;
    let begun = on.begin().await;
    on.app.wait(Duration::from_mins(10));
    on.answer_with(&on.claims(&begun, &["platform"]));
    assert_refused(&on, &on.finish(&begun).await, RefusalCause::SsoFlow).await;
    let begun = on.begin().await;
    on.answer_with(&on.claims(&begun, &["platform"]));
    on.adjust(|sso| sso.client_id = Some("another".to_owned()));
    assert_refused(&on, &on.finish(&begun).await, RefusalCause::SsoFlow).await;
}

#[tokio::test]
async fn a_token_for_another_log_in_or_another_client_is_refused() {
    let on = SignOn::new(&[PLATFORM]).await;
    let nonce = RefusalCause::SsoNonce;
    refuses_claims(&on, |claims| claims["nonce"] = json!("another"), nonce).await;
    refuses_claims(&on, |claims| claims["nonce"] = json!(null), nonce).await;
    refuses_claims(&on, |claims| claims["azp"] = json!("another"), nonce).await;
    let several = |claims: &mut Value| claims["aud"] = json!([CLIENT, "another"]);
    refuses_claims(&on, several, nonce).await;
    let other = |claims: &mut Value| claims["aud"] = json!("another");
    refuses_claims(&on, other, RefusalCause::WebIdentityAudience).await;
}

#[tokio::test]
async fn a_token_that_is_not_the_issuer_s_is_refused() {
    let on = SignOn::new(&[PLATFORM]).await;
    let expired = |claims: &mut Value| {
        for name in ["iat", "nbf", "exp"] {
            claims[name] = json!(claims[name].as_i64().unwrap() - 3600);
        }
    };
    refuses_claims(&on, expired, RefusalCause::WebIdentityExpired).await;
    let issuer = |claims: &mut Value| claims["iss"] = json!("https://other.example.com");
    refuses_claims(&on, issuer, RefusalCause::WebIdentityMalformed).await;

    let begun = on.begin().await;
    let claims = on.claims(&begun, &["platform"]);
    let foreign = TestKey::generate("ES256", "one");
    on.answer_with_token(&foreign.token(&claims));
    assert_refused(
        &on,
        &on.finish(&begun).await,
        RefusalCause::WebIdentitySignature,
    )
    .await;
    let encode = |value: &str| URL_SAFE_NO_PAD.encode(value);
    let header = encode(r#"{"alg":"none","typ":"JWT"}"#);
    for signature in ["", "AAAA"] {
        let token = format!("{header}.{}.{signature}", encode(&claims.to_string()));
        on.answer_with_token(&token);
        let answer = on.finish(&begun).await;
        assert_refused(&on, &answer, RefusalCause::WebIdentityMalformed).await;
    }
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_refused_before_its_code_is_sent_anywhere() {
    let on = SignOn::new(&[PLATFORM]).await;
    let begun = on.begin().await;
    let state = &begun.asked["state"];
    let path = format!("{PATH}?code=EXAMPLE&state={state}&iss=https%3A%2F%2Fother.example.com");
    let answer = on.get(&path, &begun.cookie).await;
    assert_refused(&on, &answer, RefusalCause::SsoOtherIssuer).await;
    assert_eq!(on.issuer.asked(TOKEN), 0);
}

#[tokio::test]
async fn an_issuer_that_says_it_names_itself_has_to() {
    let on = SignOn::new(&[PLATFORM]).await;
    let place = |path: &str| format!("{}{path}", on.issuer.url);
    let description = json!({
        "issuer": on.issuer.url,
        "jwks_uri": place("/keys"),
        "authorization_endpoint": place("/authorize"),
        "token_endpoint": place(TOKEN),
        "authorization_response_iss_parameter_supported": true,
    });
    on.issuer.reply(DESCRIPTION, Reply::json(&description));
    let begun = on.begin().await;
    on.answer_with(&on.claims(&begun, &["platform"]));
    assert_refused(&on, &on.finish(&begun).await, RefusalCause::SsoOtherIssuer).await;
    let state = &begun.asked["state"];
    let path = format!("{PATH}?code=EXAMPLE&state={state}&iss={}", on.issuer.url);
    let answer = on.get(&path, &begun.cookie).await;
    assert!(
        cookie(&answer, "transire-console").is_some(),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_refusal_of_the_issuer_is_shown_by_its_word() {
    let on = SignOn::new(&[PLATFORM]).await;
    let begun = on.begin().await;
    let state = &begun.asked["state"];
    let path = format!("{PATH}?error=access_denied&error_description=%3Cb%3E&state={state}");
    let answer = on.get(&path, &begun.cookie).await;
    assert!(answer.body.contains("access_denied"), "{}", answer.body);
    assert_refused(&on, &answer, RefusalCause::SsoRefused).await;
}

#[tokio::test]
async fn a_code_that_was_redeemed_before_is_refused_by_the_issuer() {
    let on = SignOn::new(&[PLATFORM]).await;
    let begun = on.begin().await;
    let mut refused = Reply::status(400);
    refused.body = json!({ "error": "invalid_grant" }).to_string();
    on.issuer.reply(TOKEN, refused);
    assert_refused(&on, &on.finish(&begun).await, RefusalCause::SsoRefused).await;
}

#[tokio::test]
async fn an_issuer_that_is_gone_or_lies_costs_one_question_and_gives_a_clear_page() {
    let on = SignOn::new(&[PLATFORM]).await;
    let lying = json!({ "issuer": "https://other.example.com", "jwks_uri": "https://x" });
    for reply in [Reply::status(500), Reply::json(&lying)] {
        on.issuer.reply(DESCRIPTION, reply);
        let before = on.issuer.asked(DESCRIPTION);
        for _ in 0..3 {
            let answer = on.post(PATH, "", "").await;
            assert_eq!(answer.status, 502, "{}", answer.body);
            assert!(
                answer.body.contains("operator&#39;s token"),
                "{}",
                answer.body
            );
        }
        assert_eq!(on.issuer.asked(DESCRIPTION), before + 1);
        on.app.wait(Duration::from_secs(10));
    }
}

#[tokio::test]
async fn an_issuer_that_refuses_the_service_is_the_operator_s_to_mend() {
    let on = SignOn::new(&[PLATFORM]).await;
    let begun = on.begin().await;
    let mut refused = Reply::status(401);
    refused.body = json!({ "error": "invalid_client" }).to_string();
    on.issuer.reply(TOKEN, refused);
    let answer = on.finish(&begun).await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert!(!answer.body.contains("invalid_client"));
}

#[tokio::test]
async fn strangers_begin_no_log_ins_without_end() {
    let on = SignOn::with(&[PLATFORM], |options| {
        let limits = &mut options.service.limits;
        (limits.refusals_per_second, limits.refusals_burst) = (1, 3);
    })
    .await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(on.post(PATH, "", "").await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    on.app.wait(Duration::from_secs(1));
    assert_eq!(on.post(PATH, "", "").await.status, 200);
}

#[tokio::test]
async fn a_session_ends_with_the_rule_that_gave_it_a_role_and_changes_with_the_rules() {
    let mut on = SignOn::new(&[PLATFORM]).await;
    let session = on.log_in(&["platform", "audit"]).await;
    let shown = async |on: &SignOn| on.get("/console/accounts", &session).await.body;
    assert!(shown(&on).await.contains("Alice <small>admin</small>"));
    on.adjust(|sso| sso.roles = rules(&[AUDIT, PLATFORM]));
    assert!(shown(&on).await.contains("Alice <small>auditor</small>"));
    on.adjust(|sso| sso.roles = rules(&["groups=sales -> admin"]));
    assert!(shown(&on).await.contains("no role any more"));
    refusal(&on, RefusalCause::SsoNoRole).await;
}

#[tokio::test]
async fn a_session_ends_with_its_time_its_issuer_and_its_log_out() {
    let mut on = SignOn::new(&[PLATFORM]).await;
    let shown = async |on: &SignOn, session: &str| on.get("/console", session).await.body;
    let first = on.log_in(&["platform"]).await;
    on.app.wait(Duration::from_hours(8));
    assert!(!shown(&on, &first).await.contains("Alice"));
    let second = on.log_in(&["platform"]).await;
    on.adjust(|sso| sso.session = Duration::from_mins(1));
    on.app.wait(Duration::from_mins(1));
    assert!(!shown(&on, &second).await.contains("Alice"));
    let third = on.log_in(&["platform"]).await;
    let page = shown(&on, &third).await;
    assert!(page.contains("Alice"));
    let form = format!("form_token={}", form_token(&page));
    assert_eq!(on.post("/console/log-out", &third, &form).await.status, 303);
    assert!(!shown(&on, &third).await.contains("Alice"));
    let fourth = on.log_in(&["platform"]).await;
    let issuer = on.issuer.url.clone();
    on.adjust(|sso| sso.issuer = Some("https://other.example.com".to_owned()));
    assert!(!shown(&on, &fourth).await.contains("Alice"));
    refusal(&on, RefusalCause::SsoOff).await;
    on.adjust(|sso| (sso.issuer, sso.client_id) = (Some(issuer), None));
    let page = shown(&on, &fourth).await;
    assert!(!page.contains("Alice") && !page.contains("Log in with"));
}

/// Returns the word of a page's forms.
fn form_token(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"form_token\" value=\"").unwrap();
    rest.split_once('"').unwrap().0
}

const MAKES_SECRET: &str = "/console/do/CreateOperator";

#[tokio::test]
async fn a_secret_is_shown_only_after_a_fresh_log_in_which_returns_to_the_form() {
    let on = SignOn::new(&[PLATFORM]).await;
    let session = on.log_in(&["platform"]).await;
    let page = on.get(MAKES_SECRET, &session).await.body;
    assert!(page.contains("Log in again first"), "{page}");
    assert!(!page.contains("operator_token") && !page.contains("field-name"));
    let word = form_token(&page).to_owned();
    let form = format!("form_token={word}&name=bob&role=auditor");
    let refused = on.post(MAKES_SECRET, &session, &form).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("value=\"bob\"") && refused.body.contains("target=\"_blank\""));

    let again = format!("form_token={word}&back={MAKES_SECRET}");
    let begun = on.begin_with(&session, &again).await;
    assert_eq!(
        (&*begun.asked["prompt"], &*begun.asked["max_age"]),
        ("login", "0")
    );
    let mut claims = on.claims(&begun, &["platform"]);
    claims["auth_time"] = json!(on.app.now().unix_seconds());
    on.answer_with(&claims);
    let finished = on.finish(&begun).await;
    let target = format!("url={MAKES_SECRET}\"");
    assert!(finished.body.contains(&target), "{}", finished.body);
    assert_eq!(cookie(&finished, "transire-console"), None);
    let page = on.get(MAKES_SECRET, &session).await.body;
    assert!(page.contains("field-name"), "{page}");
    let made = on.post(MAKES_SECRET, &session, &form).await;
    assert!(made.body.contains("trso_"), "{}", made.body);
    on.app.wait(Duration::from_mins(10));
    assert_eq!(on.post(MAKES_SECRET, &session, &form).await.status, 403);
}

#[tokio::test]
async fn a_fresh_log_in_that_the_issuer_does_not_vouch_for_is_refused() {
    let on = SignOn::new(&[PLATFORM]).await;
    let session = on.log_in(&["platform"]).await;
    let page = on.get(MAKES_SECRET, &session).await.body;
    let again = format!("form_token={}&back={MAKES_SECRET}", form_token(&page));
    let (now, fresh) = (on.app.now().unix_seconds(), RefusalCause::SsoNotFresh);
    for (auth_time, subject) in [
        (json!(null), SUBJECT),
        (json!(now - 3600), SUBJECT),
        (json!(now), "another"),
    ] {
        let begun = on.begin_with(&session, &again).await;
        let mut claims = on.claims(&begun, &["platform"]);
        (claims["auth_time"], claims["sub"]) = (auth_time, json!(subject));
        on.answer_with(&claims);
        assert_refused(&on, &on.finish(&begun).await, fresh).await;
        let page = on.get(MAKES_SECRET, &session).await.body;
        assert!(page.contains("Log in again first"), "{page}");
    }
}

#[tokio::test]
async fn another_page_can_not_have_a_session_prove_itself_again() {
    let on = SignOn::new(&[PLATFORM]).await;
    let session = on.log_in(&["platform"]).await;
    let refused = on.post(PATH, &session, "form_token=guessed").await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let begun = on
        .begin_with("", "back=https%3A%2F%2Fother.example.com")
        .await;
    on.answer_with(&on.claims(&begun, &["platform"]));
    let finished = on.finish(&begun).await;
    assert!(
        finished.body.contains("url=/console\""),
        "{}",
        finished.body
    );
}

#[tokio::test]
async fn the_client_s_secret_is_read_at_each_log_in() {
    let mut on = SignOn::new(&[PLATFORM]).await;
    let folder = std::env::temp_dir().join(format!("transire-sso-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("secret");
    on.adjust(|sso| sso.client_secret_file = Some(file.clone()));
    let begun = on.begin().await;
    on.answer_with(&on.claims(&begun, &["platform"]));
    let answer = on.finish(&begun).await;
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert_eq!(on.issuer.asked(TOKEN), 0);
    std::fs::write(&file, "EXAMPLE-secret\n").unwrap();
    on.log_in(&["platform"]).await;
    let (form, authorization) = on.issuer.form(TOKEN);
    assert!(!form.contains("EXAMPLE-secret"));
    let expected = base64::engine::general_purpose::STANDARD.encode("transire:EXAMPLE-secret");
    assert_eq!(authorization, format!("Basic {expected}"));
    std::fs::remove_dir_all(&folder).unwrap();
}
