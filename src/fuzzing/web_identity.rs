//! Tokens of OpenID Connect issuers, and their keys.

use std::sync::OnceLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::domain::claims::MAX_NAME;
use crate::domain::clock::Timestamp;
use crate::domain::identity::{OidcAlgorithm, OidcProvider};
use crate::token::{JwkSet, UnverifiedToken};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);
const ISSUER: &str = "https://issuer.example.com";
pub(super) const WORDS: &[&str] = &[
    "eyJhbGciOiJFZERTQSJ9",
    ".",
    "..",
    "=",
    "-",
    "_",
    "\"alg\":\"none\"",
    "\"alg\":\"HS256\"",
    "\"kid\":",
    "\"crit\":",
    "\"typ\":\"JWT\"",
    "\"aud\":",
    "\"sub\":",
    "\"iss\":",
    "\"exp\":",
    "\"nbf\":",
    "\"d\":",
    "\"keys\":",
    "\"kty\":\"RSA\"",
    "\"kty\":\"EC\"",
    "\"crv\":\"P-256\"",
    "\"use\":\"enc\"",
    "\"alg\":",
    "\"key_ops\":[]",
    "{",
    "}",
    "[",
    "]",
    ",",
    "1e300",
    "AQAB",
];

/// The issuer's key, the same each time.
struct Issuer {
    pair: Ed25519KeyPair,
    provider: OidcProvider,
    keys: JwkSet,
}

fn issuer() -> &'static Issuer {
    static ISSUER_OF_ALL: OnceLock<Issuer> = OnceLock::new();
    ISSUER_OF_ALL.get_or_init(|| {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).expect("a key of 32 bytes");
        let keys = json!({ "keys": [jwk(&pair)] }).to_string();
        Issuer {
            keys: JwkSet::parse(&keys).expect("a set of one key"),
            provider: OidcProvider {
                account: "100000000001".parse().expect("an account's number"),
                name: "issuer".to_owned(),
                issuer: ISSUER.to_owned(),
                audiences: vec!["sts.example.com".to_owned()],
                jwks: None,
                algorithms: OidcAlgorithm::ALL.to_vec(),
                created_at: NOW,
            },
            pair,
        }
    })
}

fn jwk(pair: &Ed25519KeyPair) -> Value {
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "one", "alg": "EdDSA", "use": "sig" })
}

fn sign(header: &[u8], claims: &[u8]) -> String {
    let (header, claims) = (
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims),
    );
    let signed = format!("{header}.{claims}");
    let signature = issuer().pair.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn claims() -> [Value; 2] {
    let now = NOW.unix_seconds();
    [
        json!({
            "iss": ISSUER, "aud": "sts.example.com", "sub": "builder", "iat": now, "exp": now + 300,
        }),
        json!({
            "iss": ISSUER, "aud": ["a", "sts.example.com"], "sub": "repo:team/app:main",
            "iat": now, "exp": 1_735_877_357.9, "nbf": now, "kubernetes.io": { "namespace": "ci" },
            "environment": true, "run": 7, "teams": ["a", "b"], "nested": { "a": { "b": null } },
        }),
    ]
}

/// Returns tokens, and headers with claims that are signed when they are read.
pub(super) fn token_seeds() -> Vec<Vec<u8>> {
    let header = r#"{"alg":"EdDSA","typ":"JWT","kid":"one"}"#;
    let texts = claims().map(|claims| format!("{header}\n{claims}"));
    let tokens = claims().map(|claims| sign(header.as_bytes(), claims.to_string().as_bytes()));
    texts
        .into_iter()
        .chain(tokens)
        .map(String::into_bytes)
        .collect()
}

/// Reads a token, or signs a header and claims first, which are divided by a line feed.
pub(super) fn check_token(input: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(input).ok()?;
    let issuer = issuer();
    match text.split_once('\n') {
        Some((header, claims)) => {
            let token = sign(header.as_bytes(), claims.as_bytes());
            let verified = verify(&token);
            let claims = verified?;
            let (name, value) = token.split_once('.').expect("a token has parts");
            for other in [
                format!("{name}.{value}A"),
                format!("{name}A.{value}"),
                token.clone() + "A",
            ] {
                assert!(verify(&other).is_none(), "{other} verifies, too");
            }
            let length: usize = claims.iter().map(|(name, _)| name.len()).sum();
            let longest = claims
                .iter()
                .map(|(name, _)| name.len())
                .max()
                .unwrap_or_default();
            assert!(longest <= MAX_NAME, "a name of {longest} bytes");
            // Names of nested claims repeat those of the levels above.
            assert!(length <= MAX_NAME * input.len(), "{length} bytes of names");
        }
        None => {
            if verify(text).is_some() {
                let known = token_seeds();
                let is_known = known.iter().any(|token| token == text.as_bytes());
                assert!(is_known, "{text} verifies, and nobody signed it");
            }
        }
    }
    drop(UnverifiedToken::parse(text).map(|token| token.check_claims(&issuer.provider, NOW)));
    Some(())
}

/// Verifies a token by the issuer's key, and returns its claims.
fn verify(token: &str) -> Option<crate::domain::claims::Claims> {
    let issuer = issuer();
    let parsed = UnverifiedToken::parse(token).ok()?;
    let identity = parsed.verify(&issuer.keys, &issuer.provider, NOW).ok()?;
    assert_eq!(identity.issuer, ISSUER);
    assert!(
        identity
            .audiences
            .iter()
            .any(|own| own == "sts.example.com"),
        "no audience of ours"
    );
    assert!(
        (1..=255).contains(&identity.subject.len()),
        "a subject of that length"
    );
    assert!(
        identity.expires_at.plus(crate::token::LEEWAY) > NOW,
        "it is over"
    );
    Some(identity.claims)
}

/// Returns sets of keys.
pub(super) fn key_seeds() -> Vec<Vec<u8>> {
    let own = jwk(&issuer().pair);
    let rsa = json!({
        "kty": "RSA", "kid": "r", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    });
    let ec = json!({
        "kty": "EC", "crv": "P-256", "key_ops": ["verify"],
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let sets = [
        json!({ "keys": [own] }),
        json!({ "keys": [rsa, ec] }),
        json!({ "keys": [ec, own] }),
    ];
    sets.map(|set| set.to_string().into_bytes()).into()
}

/// Reads a set of keys: no private key is taken, and a token verifies only where its own key is in
/// the set, once.
pub(super) fn check_keys(input: &[u8]) -> Option<()> {
    static TOKEN: OnceLock<String> = OnceLock::new();
    let text = std::str::from_utf8(input).ok()?;
    let set = JwkSet::parse(text).ok()?;
    set.has_key_for(&OidcAlgorithm::ALL);
    let value: Value = serde_json::from_str(text).expect("a set is JSON");
    let keys = value["keys"].as_array().expect("a set has keys");
    assert!(
        keys.iter().all(|key| key.get("d").is_none()),
        "a private key is taken"
    );
    let own = jwk(&issuer().pair)["x"].clone();
    let header = br#"{"alg":"EdDSA","kid":"one"}"#;
    let token = TOKEN.get_or_init(|| sign(header, claims()[0].to_string().as_bytes()));
    let parsed = UnverifiedToken::parse(token).expect("it is well-formed");
    if parsed.verify(&set, &issuer().provider, NOW).is_ok() {
        let named = keys
            .iter()
            .filter(|key| key["x"] == own && key["kid"] == "one");
        assert!(
            named.count() > 0,
            "a token verifies by none of the keys: {text}"
        );
    }
    Some(())
}
