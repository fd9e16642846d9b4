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

fn canonical(captured: &Captured) -> String {
    let request = captured.request();
    let fields = fields(headers::authorization(request.headers).unwrap()).unwrap();
    let names = headers::signed_names(fields.signed_headers, &[]).unwrap();
    let parameters = Parameters::parse(request.query.as_bytes()).unwrap();
    let hash = hex_of(&sha256(request.body));
    String::from_utf8(
        canonical_request(&request, &names, fields.signed_headers, &parameters, &hash).unwrap(),
    )
    .unwrap()
}

fn signed(mut captured: Captured, token: Option<&str>) -> Captured {
    let key = secret(SECRET);
    let signer = Signer {
        access_key_id: ID,
        secret: &key,
        session_token: token,
    };
    let added = sign(
        &captured.request(),
        "GetAuthorizationToken",
        "2018-12-01",
        &signer,
        at(),
        NONCE,
    )
    .unwrap();
    captured.headers.extend(added);
    captured
}

fn plain() -> Captured {
    signed(
        Captured::new("POST", "/?InstanceId=cri-1", "cr.example.com", &[], ""),
        None,
    )
}

/// The headers that nobody signed.
fn uncovered(captured: &Captured) -> Vec<&str> {
    let value = headers::authorization(&captured.headers).unwrap();
    let signed: Vec<&str> = fields(value).unwrap().signed_headers.split(';').collect();
    captured
        .headers
        .keys()
        .map(HeaderName::as_str)
        .filter(|name| *name != "authorization" && !signed.contains(name))
        .collect()
}

#[test]
fn every_vector_verifies_in_three_stages() {
    let vectors = alibaba_vectors("ACS3-HMAC-SHA256");
    assert_eq!(vectors.len(), 10);
    for vector in vectors {
        let read = read(&vector.captured.request())
            .unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(
            canonical(&vector.captured),
            vector.text("/intermediates/canonical_request"),
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
        let preview = preview(&vector.captured.headers).unwrap();
        assert_eq!((preview.access_key_id, preview.signed_at), (ID, at()));
    }
}

#[test]
fn every_vector_stands_as_it_is_alone() {
    for vector in alibaba_vectors("ACS3-HMAC-SHA256") {
        let read = |request: &Request<'_>| Ok(read(request)?.unverified);
        assert_holds_as_it_is_alone(
            &vector.name,
            &vector.captured,
            SECRET,
            &uncovered(&vector.captured),
            read,
        );
    }
}

#[test]
fn the_published_example_verifies() {
    let example = alibaba_published("doc-acs3");
    let text = |field: &str| example[field].as_str().unwrap().to_owned();
    let lines: Vec<String> = text("canonical_request")
        .lines()
        .map(str::to_owned)
        .collect();
    let headers: Vec<(&str, &str)> = lines[3..9]
        .iter()
        .map(|line| line.split_once(':').unwrap())
        .collect();
    let mut captured = Captured::new("POST", &format!("/?{}", lines[2]), "", &headers, "");
    let value = format!(
        "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={}",
        text("access_key_id"),
        lines[10],
        text("signature")
    );
    captured.set("authorization", &value);
    assert_eq!(canonical(&captured), text("canonical_request"));
    let unverified = read(&captured.request()).unwrap().unverified;
    assert_eq!(
        unverified.strings_to_sign(),
        [text("string_to_sign").into_bytes()]
    );
    assert!(
        unverified
            .verify(&secret(&text("access_key_secret")))
            .is_ok()
    );
}

#[test]
fn sm3_and_rsa_are_refused_by_name() {
    for scheme in ["ACS3-HMAC-SM3", "ACS3-RSA-SHA256"] {
        let vectors = alibaba_vectors(scheme);
        assert_eq!(vectors.len(), 2);
        for vector in vectors {
            let error = read(&vector.captured.request()).unwrap_err();
            assert_eq!(
                error.kind(),
                &ErrorKind::SignatureMethodRefused {
                    method: scheme.to_owned()
                }
            );
        }
    }
}

#[test]
fn parameters_stand_in_the_query_and_the_form() {
    let form = (
        "content-type",
        "application/x-www-form-urlencoded; charset=utf-8",
    );
    let captured = signed(
        Captured::new("POST", "/?a=1+2", "h", &[form], "b=3%2B&c="),
        None,
    );
    let read = read(&captured.request()).unwrap();
    assert!(read.unverified.verify(&secret(SECRET)).is_ok());
    assert_eq!(
        read.parameters.iter().collect::<Vec<_>>(),
        [("a", "1 2"), ("b", "3+"), ("c", "")]
    );
    assert_eq!(
        (read.action.as_str(), read.version.as_str()),
        ("GetAuthorizationToken", "2018-12-01")
    );
    // A body that isn't a form is covered all the same, and gives no parameters.
    let captured = signed(
        Captured::new(
            "POST",
            "/?a=1",
            "h",
            &[("content-type", "application/json")],
            "{}",
        ),
        None,
    );
    assert!(verify(&captured).is_ok());
    assert_eq!(
        super::read(&captured.request()).unwrap().parameters.len(),
        1
    );
}

#[test]
fn repeated_headers_are_sorted_and_joined() {
    let captured = signed(
        Captured::new(
            "GET",
            "/tokens",
            "h",
            &[("accept", " b "), ("accept", "a")],
            "",
        ),
        None,
    );
    assert!(verify(&captured).is_ok());
    assert!(
        canonical(&captured).contains("\naccept:a,b\n"),
        "{}",
        canonical(&captured)
    );
    let mut swapped = captured;
    swapped.headers.remove("accept");
    swapped.append("accept", "a");
    swapped.append("accept", "b");
    assert!(verify(&swapped).is_ok());
    swapped.append("accept", "c");
    assert!(verify(&swapped).is_err());
}

#[test]
fn the_host_is_signed_as_it_came() {
    // A Python endpoint of `http://..` comes out literally in the Host header.
    let captured = signed(
        Captured::new("GET", "/", "http://127.0.0.1:8080", &[], ""),
        None,
    );
    assert!(verify(&captured).is_ok());
    assert!(canonical(&captured).contains("\nhost:http://127.0.0.1:8080\n"));
    for host in [
        "127.0.0.1:8080",
        "http://127.0.0.1",
        "http://127.0.0.1:8081",
    ] {
        assert!(
            verify(&Captured {
                host: host.to_owned(),
                ..captured.clone()
            })
            .is_err(),
            "{host}"
        );
    }
}

#[test]
fn what_says_what_is_asked_must_be_signed() {
    let whole = signed(
        Captured::new("POST", "/", "h", &[("content-type", "text/plain")], "x"),
        Some("token"),
    );
    assert!(verify(&whole).is_ok());
    for name in REQUIRED
        .into_iter()
        .chain(["x-acs-security-token", "content-type"])
    {
        let value = whole.headers["authorization"].to_str().unwrap();
        let without = value
            .replacen(&format!(";{name};"), ";", 1)
            .replacen(&format!("={name};"), "=", 1)
            .replacen(&format!(";{name},"), ",", 1);
        assert_ne!(value, without);
        let mut captured = whole.clone();
        captured.set("authorization", &without);
        assert_eq!(
            read(&captured.request()).expect_err(name).kind(),
            &ErrorKind::MalformedAuthorization,
            "{name}"
        );
    }
}

#[test]
fn a_session_token_can_be_neither_added_nor_taken_away() {
    let mut captured = plain();
    captured.set("x-acs-security-token", "stolen");
    assert_eq!(
        read(&captured.request()).unwrap_err().kind(),
        &ErrorKind::MalformedAuthorization
    );
    let mut captured = signed(Captured::new("POST", "/", "h", &[], ""), Some("token"));
    captured.headers.remove("x-acs-security-token");
    assert_eq!(
        read(&captured.request()).unwrap_err().kind(),
        &ErrorKind::MalformedAuthorization
    );
}

#[test]
fn what_is_ill_formed_is_refused_before_anything_is_looked_up() {
    type Change = fn(&mut Captured);
    let malformed = ErrorKind::MalformedAuthorization;
    let missing = |name: &str| ErrorKind::MissingParameter {
        name: name.to_owned(),
    };
    let cases: &[(&str, Change, ErrorKind)] = &[
        (
            "no Authorization",
            |c| drop(c.headers.remove("authorization")),
            malformed.clone(),
        ),
        (
            "another cloud's",
            |c| c.set("authorization", "TC3-HMAC-SHA256 Credential=a"),
            malformed.clone(),
        ),
        (
            "two of them",
            |c| c.append("authorization", "x"),
            malformed.clone(),
        ),
        (
            "two actions",
            |c| c.append("x-acs-action", "DeleteInstance"),
            malformed.clone(),
        ),
        (
            "any vendor header twice",
            |c| {
                ["a", "b"]
                    .into_iter()
                    .for_each(|value| c.append("x-acs-any", value))
            },
            malformed.clone(),
        ),
        ("another body", |c| c.body.push(b'x'), malformed),
        (
            "no date",
            |c| drop(c.headers.remove("x-acs-date")),
            missing("x-acs-date"),
        ),
        (
            "no nonce",
            |c| drop(c.headers.remove("x-acs-signature-nonce")),
            missing("x-acs-signature-nonce"),
        ),
        (
            "no action",
            |c| drop(c.headers.remove("x-acs-action")),
            missing("x-acs-action"),
        ),
        (
            "no version",
            |c| drop(c.headers.remove("x-acs-version")),
            missing("x-acs-version"),
        ),
        (
            "no hash",
            |c| drop(c.headers.remove("x-acs-content-sha256")),
            missing("x-acs-content-sha256"),
        ),
        (
            "a date of another form",
            |c| c.set("x-acs-date", "Thu, 02 Jan 2025 03:04:05 GMT"),
            ErrorKind::MalformedTime,
        ),
        (
            "a long nonce",
            |c| c.set("x-acs-signature-nonce", &"a".repeat(257)),
            ErrorKind::InvalidParameter {
                name: "x-acs-signature-nonce".to_owned(),
            },
        ),
        (
            "a name twice",
            |c| "a=1&a=2".clone_into(&mut c.query),
            ErrorKind::InvalidParameter {
                name: "a".to_owned(),
            },
        ),
    ];
    for (name, change, kind) in cases {
        let mut captured = plain();
        assert!(verify(&captured).is_ok());
        change(&mut captured);
        assert_eq!(
            read(&captured.request()).expect_err(name).kind(),
            kind,
            "{name}"
        );
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_any_change_does_not(
        pairs in proptest::collection::btree_map("\\PC{1,8}", "\\PC{0,10}", 0..4),
        path in "/[a-z/%2]{0,6}",
        body in "\\PC{0,20}",
        token in proptest::option::of("[!-~]{1,10}"),
        place in any::<prop::sample::Index>(),
    ) {
        let query = Parameters::from_pairs(pairs.into_iter().collect()).unwrap().encode();
        let headers = [("content-type", "application/json")];
        let target = format!("{path}?{query}");
        let unsigned = Captured::new("POST", &target, "cr.example.com:80", &headers, &body);
        let captured = signed(unsigned, token.as_deref());
        prop_assert!(verify(&captured).is_ok());
        let mutations = captured.mutations(&[]);
        let (change, other) = &mutations[place.index(mutations.len())];
        prop_assert!(verify(other).is_err(), "{change} went unseen: {captured:?}");
    }

    #[test]
    fn reading_never_panics(
        authorization in "(ACS3-HMAC-SHA256 \
                          )?((Credential|SignedHeaders|Signature)=[0-9a-f;,]{0,70}){0,3}\\PC{0,9}",
        date in "\\PC{0,20}",
        query in "\\PC{0,12}",
    ) {
        let mut captured = plain();
        captured.query = query;
        for (name, value) in [("authorization", authorization), ("x-acs-date", date)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                captured.headers.insert(name, value);
            }
        }
        let _ = preview(&captured.headers);
        let _ = verify(&captured);
    }
}
