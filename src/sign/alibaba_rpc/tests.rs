use proptest::prelude::*;

use super::*;
use crate::domain::ErrorKind;
use crate::sign::Replay;
use crate::sign::testing::{
    Captured, alibaba_published, alibaba_vectors, assert_holds_as_it_is_alone, secret,
};

const ID: &str = "LTAI5tTestAccessKeyId000";
const SECRET: &str = "TestAccessKeySecret0123456789ab";
const NONCE: &str = "0123456789abcdef0123456789abcdef";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn at() -> Timestamp {
    Timestamp::parse_rfc3339("2025-01-02T03:04:05Z").unwrap()
}

fn verify(captured: &Captured) -> Result<Replay> {
    let unverified = read(&captured.request())?.unverified;
    unverified.verify(&secret(if unverified.access_key_id() == ID {
        SECRET
    } else {
        "another"
    }))
}

fn signed(method: &str, parameters: &Parameters, token: Option<&str>) -> Parameters {
    let key = secret(SECRET);
    sign(
        method,
        parameters.clone(),
        &Signer {
            access_key_id: ID,
            secret: &key,
            session_token: token,
        },
        at(),
        NONCE,
    )
}

#[test]
fn every_vector_verifies_in_three_stages() {
    let vectors = alibaba_vectors("RPC-V1");
    assert_eq!(vectors.len(), 10);
    for vector in vectors {
        let read = read(&vector.captured.request())
            .unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(
            read.parameters.canonical_query(),
            vector.text("/intermediates/canonicalized_query_string"),
            "{}",
            vector.name
        );
        let strings = read.unverified.strings_to_sign();
        assert_eq!(
            strings,
            [vector.text("/intermediates/string_to_sign").as_bytes()],
            "{}",
            vector.name
        );
        let replay = read
            .unverified
            .verify(&secret(vector.text("/credentials/access_key_secret")))
            .unwrap();
        assert_eq!(
            replay,
            Replay::Nonce(vector.text("nonce").to_owned()),
            "{}",
            vector.name
        );
        assert_eq!(
            read.unverified.access_key_id(),
            vector.text("/credentials/access_key_id")
        );
        assert_eq!(
            read.unverified.session_token(),
            vector.json["credentials"]["security_token"].as_str()
        );
        assert_eq!(
            read.unverified.signed_at().rfc3339(),
            vector.text("timestamp")
        );
        assert_eq!(read.parameters.get("Signature"), None);
    }
}

#[test]
fn every_vector_stands_as_it_is_alone() {
    for vector in alibaba_vectors("RPC-V1") {
        let mut uncovered = vec!["path", "host"];
        let form = !vector.captured.body.is_empty();
        uncovered.extend(
            vector
                .captured
                .headers
                .keys()
                .map(|name| name.as_str())
                .filter(|name| !form || *name != "content-type"),
        );
        let read = |request: &Request<'_>| Ok(read(request)?.unverified);
        assert_holds_as_it_is_alone(&vector.name, &vector.captured, SECRET, &uncovered, read);
    }
}

#[test]
fn the_published_example_verifies() {
    let example = alibaba_published("doc-rpc-v1");
    let text = |field: &str| example[field].as_str().unwrap().to_owned();
    let pairs = example["parameters"].as_object().unwrap().iter();
    let mut parameters = Parameters::from_pairs(
        pairs
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
    )
    .unwrap();
    parameters.set("Signature", text("signature"));
    let captured = Captured::new(
        "GET",
        &format!("/?{}", parameters.encode()),
        "ecs.aliyuncs.com",
        &[],
        "",
    );
    let read = read(&captured.request()).unwrap();
    assert_eq!(
        read.parameters.canonical_query(),
        text("canonicalized_query_string")
    );
    assert_eq!(
        read.unverified.strings_to_sign(),
        [text("string_to_sign").into_bytes()]
    );
    assert!(
        read.unverified
            .verify(&secret(&text("access_key_secret")))
            .is_ok()
    );
}

#[test]
fn our_own_signature_is_the_sdks() {
    for vector in alibaba_vectors("RPC-V1") {
        let mut sent =
            Parameters::parse_all([vector.captured.query.as_bytes(), &vector.captured.body[..]])
                .unwrap();
        let signature = sent.take("Signature");
        let signed = signed(
            &vector.captured.method,
            &sent,
            vector.json["credentials"]["security_token"].as_str(),
        );
        assert_eq!(
            signed.get("Signature"),
            signature.as_deref(),
            "{}",
            vector.name
        );
    }
}

#[test]
fn parameters_may_stand_in_the_query_the_form_or_both() {
    let all = signed(
        "POST",
        &Parameters::parse(b"Action=GetInstance&InstanceId=cri-1&Desc=a+b*~'()!").unwrap(),
        None,
    );
    let half = |first: bool| {
        let pairs = all
            .iter()
            .enumerate()
            .filter(|(place, _)| (*place < 4) == first);
        Parameters::from_pairs(
            pairs
                .map(|(_, (name, value))| (name.to_owned(), value.to_owned()))
                .collect(),
        )
        .unwrap()
        .encode()
    };
    for (query, body) in [
        (all.encode(), String::new()),
        (String::new(), all.encode()),
        (half(true), half(false)),
        (half(false), half(true)),
    ] {
        let captured = Captured::new("POST", &format!("/?{query}"), "h", &[FORM], &body);
        assert_eq!(
            verify(&captured).unwrap(),
            Replay::Nonce(NONCE.to_owned()),
            "{query} {body}"
        );
    }
}

#[test]
fn what_is_ill_formed_is_refused_before_anything_is_looked_up() {
    let missing = |name: &str| ErrorKind::MissingParameter {
        name: name.to_owned(),
    };
    let invalid = |name: &str| ErrorKind::InvalidParameter {
        name: name.to_owned(),
    };
    let refused = |method: &str| ErrorKind::SignatureMethodRefused {
        method: method.to_owned(),
    };
    let cases: &[(&str, Option<&str>, ErrorKind)] = &[
        ("AccessKeyId", None, missing("AccessKeyId")),
        ("AccessKeyId", Some(""), missing("AccessKeyId")),
        (
            "AccessKeyId",
            Some("a b"),
            ErrorKind::MalformedAuthorization,
        ),
        ("Timestamp", None, missing("Timestamp")),
        ("Timestamp", Some("1735787045"), ErrorKind::MalformedTime),
        ("SignatureNonce", None, missing("SignatureNonce")),
        (
            "SignatureNonce",
            Some(&"a".repeat(257)),
            invalid("SignatureNonce"),
        ),
        ("SignatureMethod", None, missing("SignatureMethod")),
        (
            "SignatureMethod",
            Some("SHA256withRSA"),
            refused("SHA256withRSA"),
        ),
        ("SignatureVersion", None, missing("SignatureVersion")),
        ("SignatureVersion", Some("2.0"), invalid("SignatureVersion")),
        ("SignatureType", Some("BEARERTOKEN"), refused("BEARERTOKEN")),
        ("SignatureType", Some("PRIVATEKEY"), refused("PRIVATEKEY")),
        ("Signature", None, missing("Signature")),
        (
            "Signature",
            Some("not base64"),
            ErrorKind::MalformedAuthorization,
        ),
    ];
    let good = signed(
        "GET",
        &Parameters::parse(b"Action=GetInstance").unwrap(),
        None,
    );
    for (name, value, kind) in cases {
        let mut parameters = good.clone();
        parameters.take(name);
        if let Some(value) = value {
            parameters.set(name, *value);
        }
        let captured = Captured::new("GET", &format!("/?{}", parameters.encode()), "h", &[], "");
        assert_eq!(
            read(&captured.request()).unwrap_err().kind(),
            kind,
            "{name} {value:?}"
        );
    }
    let query = good.encode();
    for (name, captured, kind) in [
        (
            "another method",
            Captured::new("PUT", &format!("/?{query}"), "h", &[], ""),
            ErrorKind::MalformedRequest,
        ),
        (
            "a body that is no form",
            Captured::new("POST", &format!("/?{query}"), "h", &[], "{}"),
            ErrorKind::MalformedRequest,
        ),
        (
            "a name twice",
            Captured::new("GET", &format!("/?{query}&Action=X"), "h", &[], ""),
            invalid("Action"),
        ),
        (
            "a name in query and form",
            Captured::new("POST", &format!("/?{query}"), "h", &[FORM], "Action=X"),
            invalid("Action"),
        ),
        (
            "a bearer token without a key",
            Captured::new(
                "GET",
                "/?SignatureType=BEARERTOKEN&BearerToken=x",
                "h",
                &[],
                "",
            ),
            refused("BEARERTOKEN"),
        ),
    ] {
        assert_eq!(
            read(&captured.request()).expect_err(name).kind(),
            &kind,
            "{name}"
        );
    }
}

#[test]
fn the_method_is_compared_without_case_and_signed_as_sent() {
    let mut parameters = signed(
        "GET",
        &Parameters::parse(b"Action=GetInstance").unwrap(),
        None,
    );
    parameters.take("Signature");
    parameters.set("SignatureMethod", "Hmac-SHA1");
    let signature = secret(SECRET).sign(
        KeyForm::AmpersandSha1,
        string_to_sign("GET", &parameters).as_bytes(),
    );
    parameters.set(
        "Signature",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature),
    );
    assert!(
        verify(&Captured::new(
            "GET",
            &format!("/?{}", parameters.encode()),
            "h",
            &[],
            ""
        ))
        .is_ok()
    );
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_any_change_does_not(
        pairs in proptest::collection::btree_map(
            "[A-Z][a-zA-Z0-9._]{0,8}[0-9]",
            "\\PC{0,10}",
            0..5,
        ),
        token in proptest::option::of("\\PC{1,10}"),
        in_body in any::<bool>(),
        place in any::<prop::sample::Index>(),
    ) {
        let parameters = Parameters::from_pairs(pairs.into_iter().collect()).unwrap();
        let encoded = signed("POST", &parameters, token.as_deref()).encode();
        let (query, body) = if in_body { ("", encoded.as_str()) } else { (encoded.as_str(), "") };
        let captured = Captured::new("POST", &format!("/?{query}"), "h", &[FORM], body);
        prop_assert!(verify(&captured).is_ok());
        let uncovered: &[&str] = if in_body {
            &["path", "host"]
        } else {
            &["path", "host", "content-type"]
        };
        let mutations = captured.mutations(uncovered);
        let (change, other) = &mutations[place.index(mutations.len())];
        prop_assert!(verify(other).is_err(), "{change} went unseen: {query}{body}");
    }

    #[test]
    fn reading_never_panics(
        query in "((AccessKeyId|Timestamp|Signature|SignatureNonce|SignatureMethod|SignatureVersion)=(1.0|HMAC-SHA1|\\PC{0,9})&){0,6}",
    ) {
        let _ = verify(&Captured::new("GET", &format!("/?{query}"), "h", &[], ""));
    }
}
