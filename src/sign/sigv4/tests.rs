use proptest::prelude::*;

use super::*;
use crate::domain::ErrorKind;
use crate::sign::testing::{Captured, assert_holds_as_it_is_alone, aws_vectors, secret};

const ID: &str = "AKIDEXAMPLEEXAMPLE00";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
const JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn at() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-28T14:33:55Z").unwrap()
}

fn verify(captured: &Captured) -> Result<Replay> {
    let unverified = read(&captured.request())?.unverified;
    // Another id leads to another secret.
    let is_known = unverified.access_key_id() == ID;
    unverified.verify(&secret(if is_known { SECRET } else { "another" }))
}

fn kind_of(captured: &Captured) -> ErrorKind {
    verify(captured).unwrap_err().kind().clone()
}

fn signed(mut captured: Captured, token: Option<&str>) -> Captured {
    let key = secret(SECRET);
    let signer = Signer {
        access_key_id: ID,
        secret: &key,
        session_token: token,
    };
    let added = sign(&captured.request(), ("us-east-1", "ecr"), &signer, at()).unwrap();
    captured.headers.extend(added);
    captured
}

fn of_ecr() -> Captured {
    let headers = [JSON, ("x-amz-target", TARGET)];
    signed(
        Captured::new("POST", "/", "ecr.example.com", &headers, "{}"),
        Some("token"),
    )
}

fn presigned(token: Option<&str>) -> Captured {
    let key = secret(SECRET);
    let signer = Signer {
        access_key_id: ID,
        secret: &key,
        session_token: token,
    };
    let target = "/?Action=GetCallerIdentity&Version=2011-06-15";
    let unsigned = Captured::new("GET", target, "sts.example.com", &[], "");
    let scope = ("us-east-1", "sts");
    let query = presign(&unsigned.request(), scope, &signer, at(), 60).unwrap();
    Captured { query, ..unsigned }
}

/// Returns the canonical request of a vector.
fn canonical(captured: &Captured) -> String {
    let request = captured.request();
    let query = Parameters::parse(request.query.as_bytes()).unwrap();
    let listed = match headers::authorization(request.headers) {
        Ok(value) => fields(value).unwrap().signed_headers.to_owned(),
        Err(_) => query.get("X-Amz-SignedHeaders").unwrap().to_owned(),
    };
    let canonical = Canonical {
        request: &request,
        names: &headers::signed_names(&listed, &[]).unwrap(),
        signed_headers: &listed,
        query: &query,
        payload_hash: hex_of(&sha256(request.body)),
    };
    String::from_utf8(canonical.write().unwrap()).unwrap()
}

/// The headers that nobody signed.
fn uncovered(captured: &Captured) -> Vec<&str> {
    let value = headers::authorization(&captured.headers).unwrap_or_default();
    let listed = fields(value).map_or("", |fields| fields.signed_headers);
    let listed: Vec<&str> = listed.split(';').collect();
    captured
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| *name != "authorization" && !listed.contains(name))
        .collect()
}

#[test]
fn every_vector_verifies_in_three_stages() {
    for vector in aws_vectors() {
        let read = read(&vector.captured.request())
            .unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(
            canonical(&vector.captured),
            vector.text("canonical_request"),
            "{}",
            vector.name
        );
        assert_eq!(
            read.unverified.strings_to_sign(),
            [vector.text("string_to_sign").as_bytes()],
            "{}",
            vector.name
        );
        assert_eq!(
            hex::encode(read.unverified.signature()),
            vector.text("signature")
        );
        let replay = read.unverified.verify(&secret(vector.text("secret")));
        assert_eq!(replay.unwrap(), Replay::None, "{}", vector.name);
        let preview = preview(&vector.captured.headers);
        assert_eq!(preview.is_none(), read.is_presigned, "{}", vector.name);
        if let Some(preview) = preview {
            assert_eq!(preview.access_key_id, vector.text("access_key_id"));
            assert_eq!(preview.signed_at, read.unverified.signed_at());
            assert_eq!(read.service, vector.text("service"));
            assert_eq!(read.region, vector.text("region"));
            assert_eq!(read.target.is_some(), read.service == "ecr");
        }
    }
}

#[test]
fn every_vector_stands_as_it_is_alone() {
    for vector in aws_vectors() {
        assert_holds_as_it_is_alone(
            &vector.name,
            &vector.captured,
            vector.text("secret"),
            &uncovered(&vector.captured),
            |request| Ok(read(request)?.unverified),
        );
    }
}

#[test]
fn what_is_made_here_is_what_a_client_makes() {
    let mut captured = aws_vectors().remove(0).captured;
    let expected = captured.headers.remove("authorization").unwrap();
    captured.headers.remove("x-amz-date");
    assert_eq!(signed(captured, None).headers["authorization"], expected);
}

#[test]
fn a_signature_in_a_query_is_made_and_verified() {
    for token in [None, Some("tok/en+==")] {
        let captured = presigned(token);
        let read = read(&captured.request()).unwrap();
        assert!(read.unverified.verify(&secret(SECRET)).is_ok());
        assert_eq!(read.unverified.session_token(), token);
        assert_eq!(read.unverified.signed_at(), at());
        assert!(read.is_presigned && read.target.is_none());
        assert_eq!(read.parameters.get("Action"), Some("GetCallerIdentity"));
    }
}

#[test]
fn sigv4a_is_refused_by_name() {
    let mut captured = of_ecr();
    let value = captured.headers["authorization"].to_str().unwrap();
    let value = value.replace("HMAC", "ECDSA-P256");
    captured.set("authorization", &value);
    let refused = |method: &str| ErrorKind::SignatureMethodRefused {
        method: method.to_owned(),
    };
    assert_eq!(kind_of(&captured), refused("AWS4-ECDSA-P256-SHA256"));
    let mut captured = presigned(None);
    captured.query = captured.query.replace("HMAC", "ECDSA-P256");
    assert_eq!(kind_of(&captured), refused("AWS4-ECDSA-P256-SHA256"));
}

/// Signs a request whose time stands in `Date`, and not in `X-Amz-Date`.
fn dated(date: &str, of: &str) -> Captured {
    let captured = Captured::new("POST", "/", "h", &[FORM, ("date", date)], "a=1");
    let scope = format!("{of}/us-east-1/sts/aws4_request");
    let signed_headers = "content-type;date;host";
    let key = secret(SECRET);
    let (request, names) = (captured.request(), ["content-type", "date", "host"]);
    let canonical = Canonical {
        request: &request,
        names: &names,
        signed_headers,
        query: &Parameters::parse(b"").unwrap(),
        payload_hash: hex_of(&sha256(b"a=1")),
    };
    let signature = signature(&key, &write_time(at()), &scope, &canonical).unwrap();
    let value = format!(
        "{ALGORITHM} Credential={ID}/{scope}, SignedHeaders={signed_headers}, \
         Signature={signature}"
    );
    let mut captured = captured;
    captured.set("authorization", &value);
    captured
}

#[test]
fn a_date_stands_for_the_time_where_there_is_no_other() {
    for date in [
        "Sat, 28 Nov 2026 14:33:55 GMT",
        "Sat, 28 Nov 2026 14:33:55 -0000",
    ] {
        let whole = dated(date, "20261128");
        assert!(verify(&whole).is_ok(), "{date}");
        let read = read(&whole.request()).unwrap();
        assert_eq!(read.unverified.signed_at(), at());
        assert_eq!(preview(&whole.headers).unwrap().signed_at, at());
        // It is signed as it was sent.
        let mut later = whole.clone();
        later.set("date", &date.replace(":55", ":56"));
        assert!(matches!(
            kind_of(&later),
            ErrorKind::SignatureMismatch { .. }
        ));
        // The other header counts, wherever it is.
        let mut both = whole.clone();
        both.set("x-amz-date", "20261128T143355Z");
        assert_eq!(kind_of(&both), ErrorKind::MalformedAuthorization);
        let mut unsigned = whole.clone();
        let value = whole.headers["authorization"].to_str().unwrap();
        unsigned.set("authorization", &value.replace("date;", ""));
        assert_eq!(kind_of(&unsigned), ErrorKind::MalformedAuthorization);
        let mut twice = whole.clone();
        twice.append("date", date);
        assert!(verify(&twice).is_err());
    }
    let of_another_day = dated("Sat, 28 Nov 2026 14:33:55 GMT", "20261127");
    assert_eq!(kind_of(&of_another_day), ErrorKind::MalformedAuthorization);
    for bad in [
        "20261128T143355Z",
        "Saturday, 28-Nov-26 14:33:55 GMT",
        "Sat Nov 28 14:33:55 2026",
        "Sat, 28 Nov 2026 14:33:55 +0100",
        "Sat, 31 Nov 2026 14:33:55 GMT",
    ] {
        assert_eq!(
            kind_of(&dated(bad, "20261128")),
            ErrorKind::MalformedTime,
            "{bad}"
        );
    }
}

#[test]
fn what_says_what_is_asked_must_be_signed() {
    let whole = of_ecr();
    assert!(verify(&whole).is_ok());
    for name in [
        "host",
        "x-amz-date",
        "x-amz-target",
        "x-amz-security-token",
        "content-type",
    ] {
        let value = whole.headers["authorization"].to_str().unwrap();
        let without =
            value
                .replacen(&format!("={name};"), "=", 1)
                .replacen(&format!(";{name}"), "", 1);
        assert_ne!(value, without, "{name}");
        let mut captured = whole.clone();
        captured.set("authorization", &without);
        assert_eq!(
            kind_of(&captured),
            ErrorKind::MalformedAuthorization,
            "{name}"
        );
    }
}

#[test]
fn a_signature_goes_with_its_own_target_body_and_token_alone() {
    let whole = of_ecr();
    type Change = fn(&mut Captured);
    let changes: [(&str, Change); 5] = [
        ("target", |c| {
            c.set(
                "x-amz-target",
                "AmazonEC2ContainerRegistry_V20150921.DeleteRepository",
            );
        }),
        ("body", |c| c.body = b"{ }".to_vec()),
        ("token", |c| c.set("x-amz-security-token", "other")),
        ("query", |c| {
            "Action=DeleteRepository".clone_into(&mut c.query)
        }),
        ("a second value", |c| c.append("x-amz-content-sha256", "x")),
    ];
    for (name, change) in changes {
        let mut captured = whole.clone();
        change(&mut captured);
        assert!(verify(&captured).is_err(), "{name}");
    }
    // A target that nobody signed makes no call of another API of it.
    let mut captured = signed(
        Captured::new("POST", "/", "h", &[FORM], "Action=GetCallerIdentity"),
        None,
    );
    assert!(verify(&captured).is_ok());
    captured.set("x-amz-target", TARGET);
    assert_eq!(kind_of(&captured), ErrorKind::MalformedAuthorization);
}

#[test]
fn a_form_is_read_as_parameters_and_json_is_not() {
    let of = |header| {
        let captured = Captured::new("POST", "/?b=2", "h", &[header], "a=1");
        read(&signed(captured, None).request()).unwrap().parameters
    };
    assert_eq!(of(FORM).len(), 2);
    assert_eq!(of(JSON).iter().collect::<Vec<_>>(), [("b", "2")]);
}

#[test]
fn white_space_and_repeated_headers_are_signed_as_the_scheme_says() {
    let headers = [("x-amz-meta", " a   b "), ("x-amz-meta", "c")];
    let captured = signed(Captured::new("GET", "/", "h", &headers, ""), None);
    assert!(verify(&captured).is_ok());
    assert!(canonical(&captured).contains("\nx-amz-meta:a b,c\n"));
}

#[test]
fn what_is_ill_formed_is_refused_before_anything_is_looked_up() {
    let malformed = ErrorKind::MalformedAuthorization;
    let missing = |name: &str| ErrorKind::MissingParameter {
        name: name.to_owned(),
    };
    let change_scope = |from: &'static str, to: &'static str| {
        move |captured: &mut Captured| {
            let value = captured.headers["authorization"].to_str().unwrap();
            let changed = value.replace(from, to);
            assert_ne!(value, changed);
            captured.set("authorization", &changed);
        }
    };
    type Case<'a> = (&'a str, Box<dyn Fn(&mut Captured)>, ErrorKind);
    let cases: Vec<Case<'_>> = vec![
        (
            "another cloud's",
            Box::new(|c| c.set("authorization", "TC3-HMAC-SHA256 Credential=a")),
            malformed.clone(),
        ),
        (
            "two of them",
            Box::new(|c| c.append("authorization", "x")),
            malformed.clone(),
        ),
        (
            "an unsigned body",
            Box::new(|c| c.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD")),
            malformed.clone(),
        ),
        (
            "no date",
            Box::new(|c| drop(c.headers.remove("x-amz-date"))),
            missing("X-Amz-Date"),
        ),
        (
            "a date of another form",
            Box::new(|c| c.set("x-amz-date", "2026-11-28T14:33:55Z")),
            ErrorKind::MalformedTime,
        ),
        (
            "the scope of another day",
            Box::new(change_scope("/20261128/", "/20261127/")),
            malformed.clone(),
        ),
        (
            "a part of a day",
            Box::new(change_scope("/20261128/", "/2026/")),
            malformed.clone(),
        ),
        (
            "another end of the scope",
            Box::new(change_scope("aws4_request", "tc3_request")),
            malformed.clone(),
        ),
        (
            "no region",
            Box::new(change_scope("/us-east-1/", "//")),
            malformed.clone(),
        ),
        (
            "a query that is signed as well",
            Box::new(|c| "X-Amz-Signature=00".clone_into(&mut c.query)),
            malformed,
        ),
    ];
    for (name, change, kind) in cases {
        let mut captured = of_ecr();
        change(&mut captured);
        assert_eq!(kind_of(&captured), kind, "{name}");
    }
}

#[test]
fn a_signed_query_has_no_headers_of_its_own_and_a_life_within_bounds() {
    type Change = fn(&mut Captured);
    let malformed = ErrorKind::MalformedAuthorization;
    let life = ErrorKind::InvalidParameter {
        name: "X-Amz-Expires".to_owned(),
    };
    let cases: [(Change, ErrorKind); 6] = [
        (|c| c.set("x-amz-target", TARGET), malformed.clone()),
        (|c| c.set("x-amz-security-token", "t"), malformed.clone()),
        (|c| "POST".clone_into(&mut c.method), malformed),
        (
            |c| c.query = c.query.replace("Expires=60", "Expires=0"),
            life.clone(),
        ),
        (
            |c| c.query = c.query.replace("Expires=60", "Expires=604801"),
            life,
        ),
        (
            |c| c.query = c.query.replace("X-Amz-Date", "X-Amz-Dat"),
            ErrorKind::MissingParameter {
                name: "X-Amz-Date".to_owned(),
            },
        ),
    ];
    for (change, kind) in cases {
        let mut captured = presigned(None);
        assert!(verify(&captured).is_ok());
        change(&mut captured);
        assert_eq!(kind_of(&captured), kind, "{captured:?}");
    }
}

#[test]
fn a_key_is_kept_for_its_scope_once_it_was_right() {
    let key = secret(SECRET);
    let good = read(&of_ecr().request()).unwrap().unverified;
    let mut other = of_ecr();
    other.body = b"{ }".to_vec();
    let bad = read(&other.request()).unwrap().unverified;
    assert!(bad.verify(&key).is_err());
    assert_eq!(key.kept_keys(), 0);
    for _ in 0..3 {
        assert!(good.verify(&key).is_ok());
    }
    assert_eq!(key.kept_keys(), 1);
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_any_change_does_not(
        pairs in proptest::collection::btree_map("[!-~]{1,8}", "\\PC{0,10}", 0..4),
        path in "/[a-z/%2]{0,6}",
        body in "\\PC{0,20}",
        token in proptest::option::of("[!-~]{1,10}"),
        place in any::<prop::sample::Index>(),
    ) {
        let query = Parameters::from_pairs(pairs.into_iter().collect()).unwrap().encode();
        let headers = [JSON, ("x-amz-target", TARGET)];
        let unsigned =
            Captured::new("POST", &format!("/?{query}"), "ecr.example.com:80", &headers, &body);
        let captured = signed(Captured { path, ..unsigned }, token.as_deref());
        prop_assert!(verify(&captured).is_ok());
        // Empty segments of a path count as none.
        let mutations = captured.mutations(&["path"]);
        let (change, other) = &mutations[place.index(mutations.len())];
        prop_assert!(verify(other).is_err(), "{change} went unseen: {captured:?}");
    }

    #[test]
    fn reading_never_panics(
        authorization in "(AWS4-HMAC-SHA256 \
                          )?((Credential|SignedHeaders|Signature)=[0-9a-f;,/]{0,70}){0,3}\\PC{0,9}",
        date in "\\PC{0,20}",
        query in "(X-Amz-(Date|Credential|Signature)=)?\\PC{0,12}",
    ) {
        let mut captured = of_ecr();
        captured.query = query;
        for (name, value) in [("authorization", authorization), ("x-amz-date", date)] {
            if let Ok(value) = http::HeaderValue::from_str(&value) {
                captured.headers.insert(name, value);
            }
        }
        let _ = preview(&captured.headers);
        let _ = verify(&captured);
    }
}
