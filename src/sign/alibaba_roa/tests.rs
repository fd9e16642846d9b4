use proptest::prelude::*;

use super::*;
use crate::domain::ErrorKind;
use crate::sign::Replay;
use crate::sign::testing::{Captured, alibaba_vectors, assert_holds_as_it_is_alone, secret};

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

fn signed(mut captured: Captured, token: Option<&str>) -> Captured {
    let key = secret(SECRET);
    let signer = Signer {
        access_key_id: ID,
        secret: &key,
        session_token: token,
    };
    let added = sign(
        &captured.request(),
        "2016-06-07",
        &signer,
        at(),
        Some(NONCE),
    )
    .unwrap();
    captured.headers.extend(added);
    captured
}

fn plain() -> Captured {
    signed(
        Captured::new(
            "GET",
            "/tokens?RegionId=cn-hangzhou",
            "h",
            &[("accept", "application/json")],
            "",
        ),
        None,
    )
}

/// Headers that nobody signs.
fn uncovered(captured: &Captured) -> Vec<&str> {
    let covered = |name: &str| {
        name.starts_with("x-acs-")
            || [
                "accept",
                "content-md5",
                "content-type",
                "date",
                "authorization",
            ]
            .contains(&name)
    };
    captured
        .headers
        .keys()
        .map(HeaderName::as_str)
        .filter(|name| !covered(name))
        .chain(["host"])
        .collect()
}

#[test]
fn every_vector_verifies_in_two_stages() {
    let vectors = alibaba_vectors("ROA-V1");
    assert_eq!(vectors.len(), 7);
    for vector in vectors {
        let read = read(&vector.captured.request())
            .unwrap_or_else(|error| panic!("{}: {error}", vector.name));
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
        // The oldest SDK sends no nonce.
        let nonce = if vector.name.contains("oldpy") {
            Replay::None
        } else {
            Replay::Nonce(vector.text("nonce").to_owned())
        };
        assert_eq!(replay, nonce, "{}", vector.name);
        assert_eq!(
            read.unverified.access_key_id(),
            vector.text("/credentials/access_key_id")
        );
        assert_eq!(
            read.unverified.session_token(),
            vector.json["credentials"]["security_token"].as_str()
        );
        let preview = preview(&vector.captured.headers).unwrap();
        assert_eq!((preview.access_key_id, preview.signed_at), (ID, at()));
    }
}

#[test]
fn every_vector_stands_as_it_is_alone() {
    for vector in alibaba_vectors("ROA-V1") {
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
fn an_empty_value_is_signed_with_or_without_its_equals_sign() {
    for (name, resource) in [("Node", "/repos?a=1&b=&c="), ("Python", "/repos?a=1&b&c")] {
        let mut captured = Captured::new(
            "GET",
            "/repos?c=&b=&a=1",
            "h",
            &[("date", "Thu, 02 Jan 2025 03:04:05 GMT")],
            "",
        );
        let string = format!("GET\n\n\n\nThu, 02 Jan 2025 03:04:05 GMT\n{resource}");
        let signature = secret(SECRET).sign(KeyForm::PlainSha1, string.as_bytes());
        let signature =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature);
        captured.set("authorization", &format!("acs {ID}:{signature}"));
        verify(&captured).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn a_body_that_no_signature_covers_is_refused() {
    let signed = signed(
        Captured::new("GET", "/tokens", "h", &[("content-md5", NO_BODY_MD5)], ""),
        None,
    );
    assert!(verify(&signed).is_ok());
    let mut other = signed.clone();
    other.body.push(b' ');
    assert_eq!(
        read(&other.request()).unwrap_err().kind(),
        &ErrorKind::MalformedRequest
    );
    let mut other = signed;
    other.set("content-md5", "kAFQmDzST7DWlj99KOF/cg==");
    assert_eq!(
        read(&other.request()).unwrap_err().kind(),
        &ErrorKind::MalformedAuthorization
    );
}

#[test]
fn our_own_signature_is_the_sdks() {
    for vector in alibaba_vectors("ROA-V1") {
        let mut captured = vector.captured.clone();
        let value = captured.headers.remove("authorization").unwrap();
        let nonce = captured
            .headers
            .get("x-acs-signature-nonce")
            .map(|nonce| nonce.to_str().unwrap().to_owned());
        let key = secret(SECRET);
        let signer = Signer {
            access_key_id: ID,
            secret: &key,
            session_token: vector.json["credentials"]["security_token"].as_str(),
        };
        let added = sign(
            &captured.request(),
            "2016-06-07",
            &signer,
            at(),
            nonce.as_deref(),
        )
        .unwrap();
        assert_eq!(added["authorization"], value, "{}", vector.name);
        assert_eq!(added["date"], "Thu, 02 Jan 2025 03:04:05 GMT");
    }
}

#[test]
fn what_is_ill_formed_is_refused_before_anything_is_looked_up() {
    type Change = fn(&mut Captured);
    let malformed = ErrorKind::MalformedAuthorization;
    let refused = |method: &str| ErrorKind::SignatureMethodRefused {
        method: method.to_owned(),
    };
    let cases: &[(&str, Change, ErrorKind)] = &[
        (
            "no Authorization",
            |c| drop(c.headers.remove("authorization")),
            malformed.clone(),
        ),
        (
            "another scheme",
            |c| c.set("authorization", "Bearer x"),
            malformed.clone(),
        ),
        (
            "no signature",
            |c| c.set("authorization", "acs AK"),
            malformed.clone(),
        ),
        (
            "no access key",
            |c| c.set("authorization", "acs :c2ln"),
            malformed.clone(),
        ),
        (
            "no Base64",
            |c| c.set("authorization", "acs AK:*"),
            malformed.clone(),
        ),
        (
            "two of them",
            |c| c.append("authorization", "acs AK:c2ln"),
            malformed.clone(),
        ),
        (
            "a vendor header twice",
            |c| c.append("x-acs-version", "2016-06-07"),
            malformed.clone(),
        ),
        (
            "two accepts",
            |c| c.append("accept", "text/plain"),
            malformed,
        ),
        (
            "no date",
            |c| drop(c.headers.remove("date")),
            ErrorKind::MissingParameter {
                name: "Date".to_owned(),
            },
        ),
        (
            "a date of another form",
            |c| c.set("date", "2025-01-02T03:04:05Z"),
            ErrorKind::MalformedTime,
        ),
        (
            "another method",
            |c| c.set("x-acs-signature-method", "HMAC-SM3"),
            refused("HMAC-SM3"),
        ),
        (
            "a bearer token",
            |c| c.set("x-acs-signature-type", "BEARERTOKEN"),
            refused("BEARERTOKEN"),
        ),
        (
            "another version",
            |c| c.set("x-acs-signature-version", "2.0"),
            ErrorKind::InvalidParameter {
                name: "x-acs-signature-version".to_owned(),
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
        pairs in proptest::collection::btree_map("[A-Z][a-zA-Z0-9.]{0,8}", "[^&=?]{0,10}", 0..4),
        path in "/[a-z/]{0,6}",
        token in proptest::option::of("[!-~]{1,10}"),
        place in any::<prop::sample::Index>(),
    ) {
        let query = Parameters::from_pairs(pairs.into_iter().collect()).unwrap().encode();
        let headers = [("accept", "application/json"), ("content-type", "application/json")];
        let unsigned = Captured::new("GET", &format!("{path}?{query}"), "h", &headers, "");
        let captured = signed(unsigned, token.as_deref());
        prop_assert!(verify(&captured).is_ok());
        let mutations = captured.mutations(&["host"]);
        let (change, other) = &mutations[place.index(mutations.len())];
        prop_assert!(verify(other).is_err(), "{change} went unseen: {captured:?}");
    }

    #[test]
    fn reading_never_panics(
        authorization in "(acs )?[a-zA-Z:+/=]{0,40}\\PC{0,9}",
        date in "\\PC{0,20}",
        query in "\\PC{0,12}",
    ) {
        let mut captured = plain();
        captured.query = query;
        for (name, value) in [("authorization", authorization), ("date", date)] {
            if let Ok(value) = http::HeaderValue::from_str(&value) {
                captured.headers.insert(name, value);
            }
        }
        let _ = preview(&captured.headers);
        let _ = verify(&captured);
    }
}
