use proptest::prelude::*;
use serde_json::json;

use super::jwk_set::JWKS_BYTES;
use super::testing::TestKey;
use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);
const ISSUER: &str = "https://issuer.example.com";

fn provider(algorithms: &[OidcAlgorithm]) -> OidcProvider {
    OidcProvider {
        account: "100000000001".parse().unwrap(),
        name: "issuer".to_owned(),
        issuer: ISSUER.to_owned(),
        audiences: vec!["sts.example.com".to_owned(), "other.example.com".to_owned()],
        jwks: None,
        algorithms: algorithms.to_vec(),
        created_at: NOW,
    }
}

fn claims() -> Value {
    let now = NOW.unix_seconds();
    json!({
        "iss": ISSUER,
        "aud": "sts.example.com",
        "sub": "builder",
        "iat": now,
        "exp": now + 300,
    })
}

/// The claims with some changed; null takes one away.
fn with(changes: &Value) -> Value {
    merged(claims(), changes)
}

fn merged(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => value.as_object_mut().unwrap().remove(name),
            change => value
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), change.clone()),
        };
    }
    value
}

fn set(keys: &[Value]) -> JwkSet {
    JwkSet::parse(&json!({ "keys": keys }).to_string()).unwrap()
}

fn verify(token: &str, keys: &JwkSet) -> Result<WebIdentity> {
    UnverifiedToken::parse(token)?.verify(keys, &provider(&OidcAlgorithm::ALL), NOW)
}

fn fault(result: Result<WebIdentity>) -> Option<WebIdentityFault> {
    match result.err()?.kind() {
        crate::domain::ErrorKind::WebIdentity { fault } => Some(*fault),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_algorithm_verifies_what_it_signed_and_nothing_that_another_did() {
    let keys = [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
    ]
    .map(|alg| (alg, TestKey::generate(alg, alg)));
    for (name, key) in &keys {
        let token = key.token(&claims());
        let identity =
            verify(&token, &set(&[key.jwk()])).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(identity.subject, "builder");
        let narrowed = OidcAlgorithm::ALL
            .into_iter()
            .filter(|algorithm| algorithm.name() != *name)
            .collect::<Vec<_>>();
        let refused = UnverifiedToken::parse(&token).unwrap().verify(
            &set(&[key.jwk()]),
            &provider(&narrowed),
            NOW,
        );
        assert_eq!(
            fault(refused),
            Some(WebIdentityFault::Malformed),
            "{name} was not allowed"
        );
        for (other_name, other) in &keys {
            if name != other_name {
                // Another key under this token's kid.
                let impostor = merged(other.jwk(), &json!({ "kid": name, "alg": null }));
                assert_eq!(
                    fault(verify(&token, &set(&[impostor]))),
                    Some(WebIdentityFault::BadSignature),
                    "{name} by {other_name}"
                );
            }
        }
    }
}

#[test]
fn the_examples_of_the_rfcs_verify() {
    // RFC 7515, A.2 and A.3; RFC 8037, A.4. Their claims aren't ours, so the signatures are looked
    // at alone.
    let cases = [
        (
            OidcAlgorithm::Rs256,
            json!({
                "kty": "RSA",
                "e": "AQAB",
                "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
            }),
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            OidcAlgorithm::Es256,
            json!({
                "kty": "EC",
                "crv": "P-256",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            }),
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            OidcAlgorithm::EdDsa,
            json!({
                "kty": "OKP",
                "crv": "Ed25519",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            }),
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];
    for (algorithm, jwk, token) in cases {
        let key = Jwk::read(jwk.as_object().unwrap()).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(
            key.verifies(algorithm, signed.as_bytes(), &signature),
            "{algorithm}"
        );
        assert!(
            !key.verifies(algorithm, &signed.as_bytes()[1..], &signature),
            "{algorithm}"
        );
    }
}

#[test]
fn what_a_token_says_is_returned() {
    let key = TestKey::generate("ES256", "one");
    let token = key.token(&with(&json!({
        "aud": ["a", "other.example.com"],
        "exp": 1_735_877_357.9,
        "nbf": NOW.unix_seconds(),
    })));
    let identity = verify(&token, &set(&[key.jwk()])).unwrap();
    assert_eq!(identity.issuer, ISSUER);
    assert_eq!(identity.subject, "builder");
    assert_eq!(identity.audiences, ["a", "other.example.com"]);
    assert_eq!(identity.issued_at, NOW);
    assert_eq!(identity.expires_at, NOW.plus(Duration::from_secs(300)));
    assert_eq!(identity.claims.variable("sub"), Some("builder"));
    assert_eq!(
        identity.claims.find("aud").unwrap().values(),
        ["a", "other.example.com"]
    );
}

#[test]
fn claims_keep_to_their_rules() {
    use WebIdentityFault::{AudienceNotMatched, Expired, Malformed, NotYetValid};
    let now = NOW.unix_seconds();
    let (key, long) = (TestKey::generate("ES256", "one"), "a".repeat(255));
    let keys = set(&[key.jwk()]);
    let cases = [
        ("as they are", json!({}), None),
        (
            "another issuer",
            json!({ "iss": "https://issuer.example.com/" }),
            Some(Malformed),
        ),
        ("no issuer", json!({ "iss": null }), Some(Malformed)),
        (
            "an issuer that is a list",
            json!({ "iss": [ISSUER] }),
            Some(Malformed),
        ),
        ("no audience", json!({ "aud": null }), Some(Malformed)),
        (
            "an empty list of audiences",
            json!({ "aud": [] }),
            Some(Malformed),
        ),
        (
            "an audience that is a number",
            json!({ "aud": ["sts.example.com", 7] }),
            Some(Malformed),
        ),
        (
            "another audience",
            json!({ "aud": "sts.example.com.evil.example" }),
            Some(AudienceNotMatched),
        ),
        (
            "other audiences",
            json!({ "aud": ["a", "b"] }),
            Some(AudienceNotMatched),
        ),
        (
            "one audience of several",
            json!({ "aud": ["a", "other.example.com"] }),
            None,
        ),
        ("no subject", json!({ "sub": null }), Some(Malformed)),
        ("an empty subject", json!({ "sub": "" }), Some(Malformed)),
        ("the longest subject", json!({ "sub": long }), None),
        (
            "a longer subject",
            json!({ "sub": "a".repeat(256) }),
            Some(Malformed),
        ),
        (
            "a subject of two lines",
            json!({ "sub": "a\nb" }),
            Some(Malformed),
        ),
        ("no expiry", json!({ "exp": null }), Some(Malformed)),
        (
            "an expiry as a text",
            json!({ "exp": "1735877357" }),
            Some(Malformed),
        ),
        (
            "an expiry before the epoch",
            json!({ "exp": -1 }),
            Some(Malformed),
        ),
        (
            "an expiry beyond all years",
            json!({ "exp": 1e300 }),
            Some(Malformed),
        ),
        ("just expired", json!({ "exp": now - 59 }), None),
        ("expired", json!({ "exp": now - 60 }), Some(Expired)),
        ("no time of issue", json!({ "iat": null }), Some(Malformed)),
        ("issued in a minute", json!({ "iat": now + 60 }), None),
        (
            "issued later",
            json!({ "iat": now + 61 }),
            Some(NotYetValid),
        ),
        ("valid in a minute", json!({ "nbf": now + 60 }), None),
        ("valid later", json!({ "nbf": now + 61 }), Some(NotYetValid)),
        (
            "an unreadable beginning",
            json!({ "nbf": true }),
            Some(Malformed),
        ),
        (
            "others' claims",
            json!({ "kubernetes.io": { "namespace": "ci" }, "ref": [1, { "a": null }] }),
            None,
        ),
    ];
    for (name, changes, expected) in cases {
        assert_eq!(
            fault(verify(&key.token(&with(&changes)), &keys)),
            expected,
            "{name}"
        );
    }
}

#[test]
fn headers_keep_to_their_rules() {
    use WebIdentityFault::{BadSignature, Malformed};
    let key = TestKey::generate("ES256", "one");
    let keys = set(&[key.jwk()]);
    let cases = [
        ("as it is", json!({}), None),
        ("no algorithm", json!({ "alg": null }), Some(Malformed)),
        ("none", json!({ "alg": "none" }), Some(Malformed)),
        ("None", json!({ "alg": "None" }), Some(Malformed)),
        ("HMAC", json!({ "alg": "HS256" }), Some(Malformed)),
        (
            "an algorithm in lower case",
            json!({ "alg": "es256" }),
            Some(Malformed),
        ),
        (
            "another key's algorithm",
            json!({ "alg": "RS256" }),
            Some(BadSignature),
        ),
        (
            "another curve",
            json!({ "alg": "ES384" }),
            Some(BadSignature),
        ),
        ("no type", json!({ "typ": null }), None),
        ("a type in lower case", json!({ "typ": "jwt" }), None),
        ("an access token", json!({ "typ": "at+jwt" }), None),
        (
            "a log-out token",
            json!({ "typ": "logout+jwt" }),
            Some(Malformed),
        ),
        (
            "a type that is no text",
            json!({ "typ": 7 }),
            Some(Malformed),
        ),
        (
            "an extension",
            json!({ "crit": ["b64"], "b64": false }),
            Some(Malformed),
        ),
        (
            "an empty list of extensions",
            json!({ "crit": [] }),
            Some(Malformed),
        ),
        ("no kid", json!({ "kid": null }), None),
        ("another kid", json!({ "kid": "two" }), Some(BadSignature)),
        ("an empty kid", json!({ "kid": "" }), Some(Malformed)),
        (
            "a kid that is a number",
            json!({ "kid": 1 }),
            Some(Malformed),
        ),
        (
            "a key of its own",
            json!({
                "jwk": TestKey::generate("ES256",
                "own").jwk(),
                "jku": "https://evil.example",
            }),
            None,
        ),
    ];
    for (name, changes, expected) in cases {
        let header = merged(
            json!({ "alg": "ES256", "typ": "JWT", "kid": "one" }),
            &changes,
        );
        let token = key.sign(&header.to_string(), &claims().to_string());
        assert_eq!(fault(verify(&token, &keys)), expected, "{name}");
    }
}

#[test]
fn what_comes_twice_is_refused() {
    let key = TestKey::generate("ES256", "one");
    let (header, claims) = (
        json!({ "alg": "ES256", "kid": "one" }).to_string(),
        claims().to_string(),
    );
    let twice = |json: &str, member: &str| format!("{{{member},{}", &json[1..]);
    for (header, claims) in [
        (twice(&header, r#""alg":"ES256""#), claims.clone()),
        (twice(&header, r#""kid":"one""#), claims.clone()),
        (header.clone(), twice(&claims, r#""sub":"root""#)),
        // The same name, written otherwise.
        (header.clone(), twice(&claims, r#""\u0073ub":"root""#)),
        (header.clone(), twice(&claims, r#""exp":9999999999"#)),
    ] {
        let refused = verify(&key.sign(&header, &claims), &set(&[key.jwk()]));
        assert_eq!(
            fault(refused),
            Some(WebIdentityFault::Malformed),
            "{header} {claims}"
        );
    }
}

#[test]
fn a_token_without_a_kid_needs_the_only_key_that_fits() {
    let (one, two, other) = (
        TestKey::generate("ES256", "one"),
        TestKey::generate("ES256", "two"),
        TestKey::generate("RS256", "three"),
    );
    let token = one.sign(
        &json!({ "alg": "ES256" }).to_string(),
        &claims().to_string(),
    );
    assert!(verify(&token, &set(&[one.jwk(), other.jwk()])).is_ok());
    assert_eq!(
        fault(verify(&token, &set(&[one.jwk(), two.jwk()]))),
        Some(WebIdentityFault::BadSignature)
    );
    // Nor does a kid pick between two keys of that name, or a key without a name.
    let named = one.token(&claims());
    let namesake = merged(two.jwk(), &json!({ "kid": "one" }));
    assert_eq!(
        fault(verify(&named, &set(&[one.jwk(), namesake]))),
        Some(WebIdentityFault::BadSignature)
    );
    let nameless = merged(one.jwk(), &json!({ "kid": null }));
    assert_eq!(
        fault(verify(&named, &set(&[nameless]))),
        Some(WebIdentityFault::BadSignature)
    );
}

#[test]
fn keys_that_can_not_sign_tokens_are_left_out() {
    let (ec, rsa, ed) = (
        TestKey::generate("ES256", "k"),
        TestKey::generate("RS256", "k"),
        TestKey::generate("EdDSA", "k"),
    );
    let small = URL_SAFE_NO_PAD.encode([0xc1; 255]);
    let almost = URL_SAFE_NO_PAD.encode([&[0x7f][..], &[0xc1; 255]].concat());
    let cases = [
        ("a key as it is", ec.jwk(), true),
        (
            "no use or operations",
            merged(ec.jwk(), &json!({ "use": null, "alg": null })),
            true,
        ),
        (
            "for verifying",
            merged(ec.jwk(), &json!({ "key_ops": ["sign", "verify"] })),
            true,
        ),
        (
            "for encrypting",
            merged(ec.jwk(), &json!({ "use": "enc" })),
            false,
        ),
        (
            "for wrapping keys",
            merged(ec.jwk(), &json!({ "key_ops": ["wrapKey"] })),
            false,
        ),
        (
            "operations that are no list",
            merged(ec.jwk(), &json!({ "key_ops": "verify" })),
            false,
        ),
        (
            "for an unknown algorithm",
            merged(ec.jwk(), &json!({ "alg": "ES512" })),
            false,
        ),
        (
            "for another type's algorithm",
            merged(ec.jwk(), &json!({ "alg": "RS256" })),
            false,
        ),
        (
            "a short coordinate",
            merged(ec.jwk(), &json!({ "x": URL_SAFE_NO_PAD.encode([1; 31]) })),
            false,
        ),
        (
            "a point off the curve",
            merged(ec.jwk(), &json!({ "x": URL_SAFE_NO_PAD.encode([1; 32]) })),
            false,
        ),
        (
            "another curve",
            merged(ec.jwk(), &json!({ "crv": "secp256k1" })),
            false,
        ),
        (
            "a secret",
            json!({ "kty": "oct", "k": "AAAA", "kid": "k" }),
            false,
        ),
        ("RSA of 2048 bits", rsa.jwk(), true),
        (
            "RSA of 2040 bits",
            merged(rsa.jwk(), &json!({ "n": small })),
            false,
        ),
        (
            "RSA of 2047 bits",
            merged(rsa.jwk(), &json!({ "n": almost })),
            false,
        ),
        (
            "RSA of 2040 bits behind zeros",
            merged(
                rsa.jwk(),
                &json!({ "n": URL_SAFE_NO_PAD.encode([&[0; 9][..], &[0xc1; 255]].concat()) }),
            ),
            false,
        ),
        (
            "RSA of 8200 bits",
            merged(
                rsa.jwk(),
                &json!({ "n": URL_SAFE_NO_PAD.encode([0xc1; 1025]) }),
            ),
            false,
        ),
        (
            "an exponent of one",
            merged(rsa.jwk(), &json!({ "e": "AQ" })),
            false,
        ),
        (
            "an even exponent",
            merged(rsa.jwk(), &json!({ "e": "Ag" })),
            false,
        ),
        (
            "no exponent",
            merged(rsa.jwk(), &json!({ "e": "AA" })),
            false,
        ),
        ("Ed25519", ed.jwk(), true),
        (
            "X25519",
            merged(ed.jwk(), &json!({ "crv": "X25519" })),
            false,
        ),
        (
            "a short Ed25519 key",
            merged(ed.jwk(), &json!({ "x": URL_SAFE_NO_PAD.encode([1; 31]) })),
            false,
        ),
        ("no object", json!("key"), false),
    ];
    for (name, jwk, kept) in cases {
        assert_eq!(set(&[jwk]).has_key_for(&OidcAlgorithm::ALL), kept, "{name}");
    }
    assert!(!set(&[ec.jwk()]).has_key_for(&[OidcAlgorithm::Rs256]));
    // A zero in front of the modulus changes nothing.
    let n = URL_SAFE_NO_PAD
        .decode(rsa.jwk()["n"].as_str().unwrap())
        .unwrap();
    let padded = merged(
        rsa.jwk(),
        &json!({ "n": URL_SAFE_NO_PAD.encode([vec![0], n].concat()) }),
    );
    assert!(verify(&rsa.token(&claims()), &set(&[padded])).is_ok());
}

#[test]
fn a_key_set_keeps_to_its_bounds() {
    let jwk = TestKey::generate("ES256", "k").jwk();
    let refusal = |text: &str| JwkSet::parse(text).unwrap_err().message().to_owned();
    assert!(JwkSet::parse(&json!({ "keys": vec![&jwk; 64], "issuer": "x" }).to_string()).is_ok());
    assert!(refusal(&json!({ "keys": vec![&jwk; 65] }).to_string()).contains("more than 64"));
    assert!(
        refusal(&format!(
            "{{\"keys\":[],\"x\":\"{}\"}}",
            "a".repeat(JWKS_BYTES)
        ))
        .contains("larger than")
    );
    assert!(
        refusal(&json!({ "keys": [merged(jwk, &json!({ "d": "AAAA" }))] }).to_string())
            .contains("private")
    );
    for bad in [
        "",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[],\"keys\":[]}",
        "{\"keys\":[]} x",
    ] {
        assert!(JwkSet::parse(bad).is_err(), "{bad:?} was taken");
    }
}

#[test]
fn a_token_keeps_to_its_size_and_parts() {
    let key = TestKey::generate("ES256", "one");
    let keys = set(&[key.jwk()]);
    let longest = |padding: usize| key.token(&with(&json!({ "x": "a".repeat(padding) })));
    let padding = (14_000..)
        .take_while(|padding| longest(*padding).len() <= MAX_TOKEN)
        .last()
        .unwrap();
    assert!(verify(&longest(padding), &keys).is_ok());
    assert_eq!(
        fault(verify(&longest(padding + 4), &keys)),
        Some(WebIdentityFault::Malformed)
    );
    let token = key.token(&claims());
    for bad in [
        String::new(),
        "a.b".to_owned(),
        "...".to_owned(),
        format!("{token}."),
        format!("{token}.x"),
        format!(" {token}"),
        format!("{token}="),
    ] {
        assert_eq!(
            fault(verify(&bad, &keys)),
            Some(WebIdentityFault::Malformed),
            "{bad:?}"
        );
    }
}

#[test]
fn any_flipped_byte_fails() {
    for key in [
        TestKey::generate("ES256", "one"),
        TestKey::generate("EdDSA", "one"),
        TestKey::generate("RS256", "one"),
    ] {
        let (token, keys) = (key.token(&claims()), set(&[key.jwk()]));
        assert!(verify(&token, &keys).is_ok());
        for place in 0..token.len() {
            for bit in 0..7 {
                let mut bytes = token.clone().into_bytes();
                bytes[place] ^= 1 << bit;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(
                    verify(&changed, &keys).is_err(),
                    "bit {bit} of character {place} in {token}"
                );
            }
        }
    }
}

#[test]
fn a_token_is_not_printed() {
    let key = TestKey::generate("ES256", "one");
    let token = key.token(&claims());
    assert_eq!(
        format!("{:?}", UnverifiedToken::parse(&token).unwrap()),
        "UnverifiedToken { algorithm: Es256, .. }"
    );
}

proptest! {
    #[test]
    fn reading_a_token_never_panics(
        token in r#"[A-Za-z0-9_\-\.=]{0,80}"#,
        header in ".{0,40}",
        claims in ".{0,40}",
    ) {
        let _ = UnverifiedToken::parse(&token);
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let _ = UnverifiedToken::parse(&format!("{}.{}.AA", encode(&header), encode(&claims)));
        let (header_of_es256, claims) = (encode(r#"{"alg":"ES256"}"#), encode(&claims));
        let _ = UnverifiedToken::parse(&format!("{header_of_es256}.{claims}.AA"));
    }

    #[test]
    fn reading_a_key_set_never_panics(
        text in ".{0,80}",
        kty in "RSA|EC|OKP|oct",
        crv in "P-256|P-384|Ed25519",
        first in "[A-Za-z0-9_-]{0,80}",
        second in "[A-Za-z0-9_-]{0,8}",
    ) {
        let _ = JwkSet::parse(&text);
        let key = json!({
            "kty": kty, "crv": crv, "x": first, "y": second, "n": first, "e": second,
        });
        let set = json!({ "keys": [key] }).to_string();
        prop_assert!(JwkSet::parse(&set).is_ok());
    }
}
