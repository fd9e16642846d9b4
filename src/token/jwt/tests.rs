use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

use aws_lc_rs::digest;

use super::*;
use crate::domain::ErrorKind;
use crate::domain::clock::SystemRandom as OsRandom;
use crate::token::authority::{Authority, LEAF_TTL};
use crate::token::testing::Seeded;

const NOW: Timestamp = Timestamp::from_unix_millis(1_735_787_045_999);

fn signing_key(algorithm: Algorithm) -> (Authority, SigningKey) {
    let authority = Authority::generate("test", NOW, &Seeded::new(1)).unwrap();
    let pair = SigningKeyPair::generate(algorithm).unwrap();
    let leaf = authority.issue_leaf(&pair, NOW).unwrap();
    let key = SigningKey::from_parts(
        "key-1",
        algorithm,
        &pair.private_pkcs8().unwrap(),
        &leaf.der,
        leaf.expires_at,
    )
    .unwrap();
    (authority, key)
}

fn access() -> Vec<Access> {
    vec![Access {
        resource_type: "repository".to_owned(),
        name: "team/app".to_owned(),
        actions: vec!["pull", "push"],
    }]
}

fn claims(access: &[Access]) -> Claims<'_> {
    Claims {
        issuer: "https://transire.example.com",
        subject: "100000000001",
        audience: "registry.example.com",
        now: NOW,
        ttl: Duration::from_secs(300),
        access,
    }
}

/// Header, claims, and all that is signed.
fn split(token: &str) -> (String, String, &str, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, body) = signed.split_once('.').unwrap();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    (
        String::from_utf8(decode(header)).unwrap(),
        String::from_utf8(decode(body)).unwrap(),
        signed,
        decode(signature),
    )
}

#[test]
fn a_token_verifies_under_the_leaf_that_it_carries_and_the_leaf_under_its_authority() {
    for (algorithm, verifier, signature_length) in [
        (
            Algorithm::Es256,
            &ECDSA_P256_SHA256_FIXED as &dyn VerificationAlgorithm,
            64,
        ),
        (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256, 256),
    ] {
        let (authority, key) = signing_key(algorithm);
        for kid in [KidFormat::Thumbprint, KidFormat::Libtrust] {
            let token = key.sign(kid, &claims(&access()), &OsRandom).unwrap();
            let (header, _, signed, signature) = split(&token.text);
            let header: Value = serde_json::from_str(&header).unwrap();
            assert_eq!(header["alg"], algorithm.name());
            assert_eq!(header["kid"], key.kid(kid));
            let leaf = STANDARD.decode(header["x5c"][0].as_str().unwrap()).unwrap();
            let leaf = Certificate::parse(&leaf).unwrap();
            assert!(leaf.is_issued_by(&Certificate::parse(authority.certificate_der()).unwrap()));
            let public_key = UnparsedPublicKey::new(verifier, leaf.public_key);
            public_key.verify(signed.as_bytes(), &signature).unwrap();
            assert_eq!(signature.len(), signature_length);
            let changed = format!("{}A", &signed[..signed.len() - 1]);
            assert!(
                changed == signed || public_key.verify(changed.as_bytes(), &signature).is_err()
            );
        }
    }
}

#[test]
fn header_and_claims_are_what_every_registry_takes() {
    let (_, key) = signing_key(Algorithm::Es256);
    let token = key
        .sign(KidFormat::Thumbprint, &claims(&access()), &Seeded::new(2))
        .unwrap();
    let (header, body, ..) = split(&token.text);
    let x5c = STANDARD.encode(key.leaf_der());
    assert_eq!(
        header,
        format!(
            r#"{{"typ":"JWT","alg":"ES256","kid":"{}","x5c":["{x5c}"]}}"#,
            key.kid(KidFormat::Thumbprint)
        )
    );
    insta::assert_snapshot!(body, @r#"{"iss":"https://transire.example.com","sub":"100000000001","aud":"registry.example.com","exp":1735787345,"nbf":1735786985,"iat":1735786985,"jti":"1309ac3f4e41512820fbf259ae492bb6","access":[{"type":"repository","name":"team/app","actions":["pull","push"]}]}"#);
    assert!(body.contains(&token.id));
    assert_eq!(token.issued_at.rfc3339(), "2025-01-02T03:04:05Z");
    assert_eq!(token.expires_at.rfc3339(), "2025-01-02T03:09:05Z");
    // Twice in a reply of at most 64 KiB, and in one header line of a proxy that takes 8 KiB.
    assert!(token.text.len() < 1400, "{} characters", token.text.len());
}

#[test]
fn access_and_actions_are_lists_even_when_empty() {
    let (_, key) = signing_key(Algorithm::Es256);
    let body = |access: &[Access]| {
        split(
            &key.sign(KidFormat::Libtrust, &claims(access), &OsRandom)
                .unwrap()
                .text,
        )
        .1
    };
    assert!(body(&[]).ends_with(r#","access":[]}"#));
    let none = Access {
        resource_type: "registry".to_owned(),
        name: "catalog".to_owned(),
        actions: Vec::new(),
    };
    assert!(
        body(&[none])
            .ends_with(r#","access":[{"type":"registry","name":"catalog","actions":[]}]}"#)
    );
}

#[test]
fn what_a_caller_gives_is_escaped() {
    let (_, key) = signing_key(Algorithm::Es256);
    let access = [Access {
        resource_type: "repository".to_owned(),
        name: "a\"],\"x".to_owned(),
        actions: vec!["pull"],
    }];
    let token = key
        .sign(
            KidFormat::Thumbprint,
            &Claims {
                subject: "a\"b\n",
                ..claims(&access)
            },
            &OsRandom,
        )
        .unwrap();
    let body: Value = serde_json::from_str(&split(&token.text).1).unwrap();
    assert_eq!(body["sub"], "a\"b\n");
    assert_eq!(body["access"][0]["name"], "a\"],\"x");
}

#[test]
fn a_token_that_registries_would_not_take_is_refused_before_it_is_signed() {
    let (_, key) = signing_key(Algorithm::Es256);
    let sign = |repositories: usize| {
        let access: Vec<Access> = (0..repositories)
            .map(|number| Access {
                name: format!("catalog/image-{number:04}"),
                ..access().remove(0)
            })
            .collect();
        key.sign(KidFormat::Thumbprint, &claims(&access), &OsRandom)
            .map(|token| token.text.len())
    };
    let largest = (500..900)
        .take_while(|repositories| sign(*repositories).is_ok())
        .last()
        .unwrap();
    assert!(sign(largest).unwrap() <= MAX_TOKEN_BYTES);
    let error = sign(largest + 1).unwrap_err();
    assert_eq!(
        error.kind(),
        &ErrorKind::InvalidParameter {
            name: "scope".to_owned()
        }
    );
    assert!(error.message().contains("65536 bytes"), "{error}");
}

#[test]
fn every_token_has_its_own_id_of_128_bits() {
    let (_, key) = signing_key(Algorithm::Es256);
    let id = || {
        key.sign(KidFormat::Thumbprint, &claims(&[]), &OsRandom)
            .unwrap()
            .id
    };
    let (one, two) = (id(), id());
    assert_ne!(one, two);
    assert_eq!(one.len(), 32);
}

#[test]
fn a_token_never_outlives_its_leaf() {
    let (_, key) = signing_key(Algorithm::Es256);
    let last = key
        .leaf_expires_at()
        .minus(LEAF_MARGIN + Duration::from_secs(300));
    let sign = |now| {
        key.sign(
            KidFormat::Thumbprint,
            &Claims { now, ..claims(&[]) },
            &OsRandom,
        )
    };
    assert_eq!(
        sign(last).unwrap().expires_at,
        key.leaf_expires_at().minus(LEAF_MARGIN)
    );
    let error = sign(last.plus(Duration::from_secs(1))).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Misconfigured);
    assert!(error.message().contains("must be renewed"), "{error}");
}

#[test]
fn renewal_is_due_when_half_of_the_leaf_is_gone() {
    let (_, key) = signing_key(Algorithm::Es256);
    assert!(!key.leaf_renewal_is_due(NOW));
    let half = key.leaf_expires_at().minus(LEAF_TTL / 2);
    assert!(!key.leaf_renewal_is_due(half));
    assert!(key.leaf_renewal_is_due(half.plus(Duration::from_millis(1))));
    assert!(key.leaf_renewal_is_due(key.leaf_expires_at().plus(LEAF_TTL)));
}

#[test]
fn p256_coordinates_are_full_length() {
    // With one key in 128 too short, 600 keys without the check would pass one time in a hundred.
    for _ in 0..600 {
        let pair = SigningKeyPair::generate(Algorithm::Es256).unwrap();
        let (x, y) = pair.coordinates().unwrap();
        assert_eq!((x.len(), y.len()), (32, 32));
        assert!(x[0] != 0 && y[0] != 0);
    }
}

#[test]
fn the_thumbprint_is_the_one_of_rfc_7638() {
    // RFC 7638, 3.1.
    let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let members = [
        ("e", "AQAB".to_owned()),
        ("kty", "RSA".to_owned()),
        ("n", modulus.to_owned()),
    ];
    assert_eq!(
        thumbprint(&members),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

#[test]
fn a_public_jwk_has_all_that_its_thumbprint_needs() {
    for algorithm in Algorithm::ALL {
        let (_, key) = signing_key(algorithm);
        let jwk = key.jwk();
        let text = |name: &str| jwk[name].as_str().unwrap();
        let canonical = match algorithm {
            Algorithm::Es256 => format!(
                r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                text("x"),
                text("y")
            ),
            Algorithm::Rs256 => format!(r#"{{"e":"AQAB","kty":"RSA","n":"{}"}}"#, text("n")),
        };
        let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
        assert_eq!(text("kid"), URL_SAFE_NO_PAD.encode(hash));
        assert_eq!(text("kid"), key.kid(KidFormat::Thumbprint));
        assert_eq!((text("alg"), text("use")), (algorithm.name(), "sig"));
        assert_eq!(jwk["x5c"], json!([STANDARD.encode(key.leaf_der())]));
        // The public members end the SubjectPublicKeyInfo of either kind, and no other is there.
        let last = match algorithm {
            Algorithm::Es256 => [text("x"), text("y")]
                .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
                .concat(),
            Algorithm::Rs256 => [
                &URL_SAFE_NO_PAD.decode(text("n")).unwrap()[..],
                b"\x02\x03\x01\x00\x01",
            ]
            .concat(),
        };
        assert!(key.pair().public_der().ends_with(&last));
        assert_eq!(
            jwk.as_object().unwrap().len(),
            if algorithm == Algorithm::Es256 { 8 } else { 7 }
        );
    }
}

#[test]
fn the_libtrust_fingerprint_is_base32_in_groups() {
    // SHA-256 of nothing begins e3b0c442 98fc1c14 9afbf4c8 996fb924 27ae41e4 649b934c a495991b
    // 7852; its base32 was made apart from this code.
    assert_eq!(
        libtrust_fingerprint(b""),
        "4OYM:IQUY:7QOB:JGX3:6TEJ:S35Z:EQT2:4QPE:MSNZ:GTFE:SWMR:W6CS"
    );
    let (_, key) = signing_key(Algorithm::Rs256);
    let hash = digest::digest(&digest::SHA256, key.pair().public_der());
    // Bit by bit, the slow way.
    let bits: Vec<u8> = hash.as_ref()[..30]
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let letters: String = bits
        .chunks(5)
        .map(|bits| bits.iter().fold(0, |sum, bit| sum * 2 + bit))
        .map(|value| {
            char::from(if value < 26 {
                b'A' + value
            } else {
                b'2' + value - 26
            })
        })
        .collect();
    let groups: Vec<_> = (0..12)
        .map(|group| &letters[4 * group..4 * group + 4])
        .collect();
    assert_eq!(key.kid(KidFormat::Libtrust), groups.join(":"));
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let (authority, key) = signing_key(Algorithm::Es256);
    let private = key.pair().private_pkcs8().unwrap();
    let from = |algorithm, private: &[u8], leaf: &[u8], expires_at| {
        SigningKey::from_parts("key-1", algorithm, private, leaf, expires_at)
    };
    let again = from(
        Algorithm::Es256,
        &private,
        key.leaf_der(),
        key.leaf_expires_at(),
    )
    .unwrap();
    assert_eq!(again.jwk(), key.jwk());
    assert!(
        from(
            Algorithm::Rs256,
            &private,
            key.leaf_der(),
            key.leaf_expires_at()
        )
        .is_err()
    );
    assert!(
        from(
            Algorithm::Es256,
            &private,
            authority.certificate_der(),
            key.leaf_expires_at()
        )
        .is_err()
    );
    assert!(
        from(
            Algorithm::Es256,
            &private,
            &key.leaf_der()[..50],
            key.leaf_expires_at()
        )
        .is_err()
    );
    assert!(
        from(
            Algorithm::Es256,
            &private,
            key.leaf_der(),
            key.leaf_expires_at().plus(Duration::from_secs(1))
        )
        .is_err()
    );
    assert!(from(Algorithm::Es256, &[], key.leaf_der(), key.leaf_expires_at()).is_err());
}

#[test]
fn keys_and_tokens_never_print_their_secrets() {
    let (_, key) = signing_key(Algorithm::Es256);
    assert_eq!(
        format!("{:?}", key.pair()),
        "SigningKeyPair { algorithm: Es256, .. }"
    );
    let kid = key.kid(KidFormat::Thumbprint);
    assert_eq!(
        format!("{key:?}"),
        format!(
            "SigningKey {{ id: \"key-1\", algorithm: Es256, kid: {kid:?}, leaf_expires_at: \
             2025-01-16T02:04:05Z, .. }}"
        )
    );
    let token = key
        .sign(KidFormat::Thumbprint, &claims(&[]), &OsRandom)
        .unwrap();
    assert!(!format!("{token:?}").contains("ey"), "{token:?}");
}
