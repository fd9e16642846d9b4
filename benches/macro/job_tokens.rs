//! OpenID Connect tokens of jobs, in the shape of GitHub Actions'.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use transire::domain::clock::{Clock, SystemClock};

use crate::Result;

pub(crate) const ISSUER: &str = "https://token.example.com";
pub(crate) const AUDIENCE: &str = "sts.example.com";

/// The issuer's key: RSA of 2048 bits, as GitHub, GitLab and Kubernetes have.
pub(crate) struct Issuer {
    key: RsaKeyPair,
}

impl Issuer {
    pub(crate) fn new() -> Result<Self> {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| "no key can be made")?;
        Ok(Self { key })
    }

    /// Returns the issuer's keys as a JWK set.
    pub(crate) fn jwks(&self) -> String {
        // PKCS #1 in DER: of 2048 bits the modulus, behind a zero, is always at the same place.
        let der = self.key.public_key().as_ref();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "keys": [{
            "kty": "RSA", "kid": "bench", "use": "sig", "alg": "RS256",
            "n": number(&der[9..265]), "e": number(&der[267..]),
        }] })
        .to_string()
    }

    /// Returns the public key in DER, and what is signed and the signature of a token.
    pub(crate) fn signed(&self) -> Result<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        let der = self.key.public_key().as_ref().to_vec();
        let text = signed_text(0);
        let signature = self.sign(&text)?;
        Ok((der, text.into_bytes(), signature))
    }

    /// Returns the token of a job, which ends in an hour.
    pub(crate) fn token(&self, number: usize) -> Result<String> {
        let text = signed_text(number);
        let signature = URL_SAFE_NO_PAD.encode(self.sign(&text)?);
        Ok(format!("{text}.{signature}"))
    }

    fn sign(&self, text: &str) -> Result<Vec<u8>> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
            .map_err(|_| "a token can't be signed")?;
        Ok(signature)
    }
}

/// Returns the header and the claims of a job's token.
fn signed_text(number: usize) -> String {
    let now = SystemClock.now().unix_seconds();
    let repository = format!("example-org/app-{number}");
    let workflow = format!("{repository}/.github/workflows/build.yml@refs/heads/main");
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "bench", "x5t": "c2hhMS1FWEFNUExF" });
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "iat": now, "nbf": now - 300, "exp": now + 3600,
        "jti": format!("00000000-0000-4000-8000-{number:012}"),
        "sub": format!("repo:{repository}:ref:refs/heads/main"),
        "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true",
        "sha": "0123456789abcdef0123456789abcdef01234567", "repository": repository,
        "repository_id": format!("{}", 400_000_000 + number), "repository_owner": "example-org",
        "repository_owner_id": "123456", "repository_visibility": "private",
        "run_id": "19000000001", "run_number": "42", "run_attempt": "1", "actor": "alice",
        "actor_id": "654321", "workflow": "build", "head_ref": "", "base_ref": "",
        "event_name": "push", "workflow_ref": workflow, "job_workflow_ref": workflow,
        "workflow_sha": "0123456789abcdef0123456789abcdef01234567",
        "job_workflow_sha": "0123456789abcdef0123456789abcdef01234567",
        "runner_environment": "self-hosted", "enterprise": "example",
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(&header), part(&claims))
}
