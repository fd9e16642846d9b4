use proptest::prelude::*;

use super::*;
use crate::domain::ErrorKind;
use crate::sign::testing::{
    Captured, Vector, assert_holds_as_it_is_alone, secret, tencent_vectors,
};
use crate::sign::{KeyForm, Replay};

const ID: &str = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE";
const SECRET: &str = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn at() -> Timestamp {
    Timestamp::from_unix_seconds(1_735_877_057)
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<Vector> = tencent_vectors()
        .into_iter()
        .filter(|vector| vector.scheme.starts_with("Hmac"))
        .collect();
    assert_eq!(vectors.len(), 14);
    vectors
}

fn verify(captured: &Captured) -> Result<Replay> {
    let unverified = read(&captured.request())?.unverified;
    unverified.verify(&secret(if unverified.access_key_id() == ID {
        SECRET
    } else {
        "another"
    }))
}

fn signed(
    captured: &Captured,
    parameters: &Parameters,
    method: Method,
    token: Option<&str>,
    nonce: u64,
) -> Parameters {
    let key = secret(SECRET);
    let signer = Signer {
        access_key_id: ID,
        secret: &key,
        session_token: token,
    };
    sign(
        &captured.request(),
        parameters.clone(),
        method,
        &signer,
        at(),
        nonce,
    )
    .unwrap()
}

/// Signs a string by hand and sends it with `parameters`.
fn sent(parameters: &str, form: KeyForm, string: &str) -> Captured {
    let mut parameters = Parameters::parse(parameters.as_bytes()).unwrap();
    let signature = secret(SECRET).sign(form, string.as_bytes());
    parameters.set(
        "Signature",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature),
    );
    Captured::new(
        "GET",
        &format!("/api/?{}", parameters.encode()),
        "tcr.example.com:8080",
        &[],
        "",
    )
}

#[test]
fn every_vector_verifies_in_two_stages() {
    for vector in vectors() {
        let read = read(&vector.captured.request())
            .unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(
            read.unverified.strings_to_sign(),
            [vector.text("string_to_sign").as_bytes()],
            "{}",
            vector.name
        );
        assert_eq!(
            read.unverified
                .verify(&secret(vector.text("secret_key")))
                .unwrap(),
            Replay::None,
            "{}",
            vector.name
        );
        assert_eq!(read.unverified.method().name(), vector.scheme);
        assert_eq!(read.unverified.access_key_id(), vector.text("secret_id"));
        assert_eq!(
            read.unverified.session_token(),
            vector.json["token"].as_str()
        );
        assert_eq!(read.unverified.signed_at(), at());
        assert_eq!(read.parameters.get("Action"), Some(vector.text("action")));
        assert_eq!(read.parameters.get("Signature"), None);
    }
}

#[test]
fn every_vector_stands_as_it_is_alone() {
    for vector in vectors() {
        // The content type decides whether a body counts, and says nothing where there is none.
        let uncovered: &[&str] = if vector.captured.body.is_empty() {
            &["content-type"]
        } else {
            &[]
        };
        let read = |request: &Request<'_>| Ok(read(request)?.unverified);
        assert_holds_as_it_is_alone(&vector.name, &vector.captured, SECRET, uncovered, read);
    }
}

#[test]
fn our_own_signature_is_the_sdks() {
    for vector in vectors() {
        let mut sent =
            Parameters::parse_all([vector.captured.query.as_bytes(), &vector.captured.body[..]])
                .unwrap();
        assert_eq!(
            sent.take("Signature").as_deref(),
            Some(vector.text("signature")),
            "{}",
            vector.name
        );
        let nonce = sent.get("Nonce").unwrap().parse().unwrap();
        let method = if vector.scheme == "HmacSHA1" {
            Method::TencentHmacSha1
        } else {
            Method::TencentHmacSha256
        };
        let signed = signed(
            &vector.captured,
            &sent,
            method,
            vector.json["token"].as_str(),
            nonce,
        );
        assert_eq!(
            signed.get("Signature"),
            Some(vector.text("signature")),
            "{}",
            vector.name
        );
    }
    let captured = Captured::new("GET", "/", "h", &[], "");
    let key = secret(SECRET);
    let signer = Signer {
        access_key_id: ID,
        secret: &key,
        session_token: None,
    };
    assert!(
        sign(
            &captured.request(),
            Parameters::default(),
            Method::Tc3HmacSha256,
            &signer,
            at(),
            1
        )
        .is_err()
    );
}

#[test]
fn the_path_is_signed_and_no_method_means_sha1() {
    let parameters = format!("Nonce=1&SecretId={ID}&Timestamp=1735877057");
    let string = format!("GETtcr.example.com:8080/api/?{parameters}");
    let read = read(&sent(&parameters, KeyForm::PlainSha1, &string).request()).unwrap();
    assert_eq!(read.unverified.method(), Method::TencentHmacSha1);
    assert!(read.unverified.verify(&secret(SECRET)).is_ok());
    assert!(verify(&sent(&parameters, KeyForm::PlainSha256, &string)).is_err());
    assert!(
        verify(&sent(
            &parameters,
            KeyForm::PlainSha1,
            &string.replace("/api/", "/")
        ))
        .is_err()
    );
}

#[test]
fn a_name_with_an_underscore_is_signed_as_it_is_or_with_a_dot() {
    let parameters = format!("Nonce=1&SecretId={ID}&Timestamp=1735877057&tag_a.0=x_y&tagZ=1");
    for name in ["tag_a.0", "tag.a.0"] {
        let string = format!(
            "GETtcr.example.com:8080/api/?Nonce=1&SecretId={ID}&Timestamp=1735877057&tagZ=1&{name}=x_y"
        );
        verify(&sent(&parameters, KeyForm::PlainSha1, &string))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let value = format!(
        "GETtcr.example.com:8080/api/?Nonce=1&SecretId={ID}&Timestamp=1735877057&tagZ=1&tag_a.0=x.y"
    );
    assert!(
        verify(&sent(&parameters, KeyForm::PlainSha1, &value)).is_err(),
        "a value keeps its underscore"
    );
}

#[test]
fn what_is_ill_formed_is_refused_before_anything_is_looked_up() {
    let missing = |name: &str| ErrorKind::MissingParameter {
        name: name.to_owned(),
    };
    let invalid = |name: &str| ErrorKind::InvalidParameter {
        name: name.to_owned(),
    };
    let cases: &[(&str, Option<&str>, ErrorKind)] = &[
        ("SecretId", None, missing("SecretId")),
        ("SecretId", Some("a b"), ErrorKind::MalformedAuthorization),
        ("Signature", None, missing("Signature")),
        ("Signature", Some("***"), ErrorKind::MalformedAuthorization),
        ("Nonce", None, missing("Nonce")),
        ("Timestamp", None, missing("Timestamp")),
        ("Timestamp", Some("2025-01-03"), ErrorKind::MalformedTime),
        (
            "SignatureMethod",
            Some("HmacMD5"),
            ErrorKind::SignatureMethodRefused {
                method: "HmacMD5".to_owned(),
            },
        ),
    ];
    let base = Captured::new("GET", "/", "h", &[], "");
    let good = signed(
        &base,
        &Parameters::parse(b"Action=A").unwrap(),
        Method::TencentHmacSha256,
        None,
        7,
    );
    for (name, value, kind) in cases {
        let mut parameters = good.clone();
        parameters.take(name);
        if let Some(value) = value {
            parameters.set(name, *value);
        }
        let captured = Captured {
            query: parameters.encode(),
            ..base.clone()
        };
        assert_eq!(
            read(&captured.request()).unwrap_err().kind(),
            kind,
            "{name} {value:?}"
        );
    }
    let query = good.encode();
    for (name, captured, kind) in [
        (
            "HEAD",
            Captured::new("HEAD", &format!("/?{query}"), "h", &[], ""),
            ErrorKind::MalformedRequest,
        ),
        (
            "PUT",
            Captured::new("PUT", &format!("/?{query}"), "h", &[], ""),
            ErrorKind::MalformedRequest,
        ),
        (
            "a body on GET",
            Captured::new("GET", &format!("/?{query}"), "h", &[FORM], "a=1"),
            ErrorKind::MalformedRequest,
        ),
        (
            "a body that is no form",
            Captured::new("POST", &format!("/?{query}"), "h", &[], "{}"),
            ErrorKind::MalformedRequest,
        ),
        (
            "a name twice in the query",
            Captured::new("GET", &format!("/?{query}&Action=B"), "h", &[], ""),
            invalid("Action"),
        ),
        (
            "a name twice in the form",
            Captured::new("POST", "/", "h", &[FORM], &format!("{query}&Action=B")),
            invalid("Action"),
        ),
        (
            "a name in both",
            Captured::new("POST", "/?Action=B", "h", &[FORM], &query),
            invalid("Action"),
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
fn an_empty_token_is_none() {
    let base = Captured::new("GET", "/", "h", &[], "");
    let signed = signed(
        &base,
        &Parameters::parse(b"Action=A&Token=").unwrap(),
        Method::TencentHmacSha1,
        None,
        7,
    );
    let read = read(
        &Captured {
            query: signed.encode(),
            ..base
        }
        .request(),
    )
    .unwrap();
    assert_eq!(read.unverified.session_token(), None);
    assert!(read.unverified.verify(&secret(SECRET)).is_ok());
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_any_change_does_not(
        pairs in proptest::collection::btree_map(
            "[A-Z][a-zA-Z0-9.]{0,8}[0-9]",
            "[^&=]{0,10}",
            0..5,
        ),
        post in any::<bool>(),
        sha256 in any::<bool>(),
        path in "/[a-z/]{0,5}",
        place in any::<prop::sample::Index>(),
    ) {
        let parameters = Parameters::from_pairs(pairs.into_iter().collect()).unwrap();
        let method = if post { "POST" } else { "GET" };
        let mut captured = Captured::new(method, &path, "tcr.example.com", &[FORM], "");
        let method = if sha256 { Method::TencentHmacSha256 } else { Method::TencentHmacSha1 };
        let encoded = signed(&captured, &parameters, method, None, 7).encode();
        if post { captured.body = encoded.into_bytes() } else { captured.query = encoded }
        prop_assert!(verify(&captured).is_ok());
        let mutations = captured.mutations(if post { &[] } else { &["content-type"] });
        let (change, other) = &mutations[place.index(mutations.len())];
        prop_assert!(verify(other).is_err(), "{change} went unseen: {captured:?}");
    }

    #[test]
    fn reading_never_panics(
        query in "((SecretId|Timestamp|Signature|Nonce|SignatureMethod)=(1|HmacSHA256|\\PC{0,9})&){0,6}",
        host in "\\PC{0,9}",
    ) {
        let _ = verify(&Captured::new("GET", &format!("/?{query}"), &host, &[], ""));
    }
}
