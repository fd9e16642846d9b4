//! The servers that transire is compared with: hyper, and beside it only what an operation can't do
//! without.
//!
//! A limit server decodes nothing, looks nothing up, encodes nothing and draws no random bytes. It
//! works on texts as long as the true ones, with the library and the algorithms that transire uses,
//! and every key is made ready before the first request.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Result;
use crate::job_tokens::Issuer;

/// Which server a child process is.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Role {
    /// Answers.
    Bare,
    /// Hashes, verifies and seals as for a TC3-signed call.
    IssueTencent,
    /// The same as for an ACS3-signed call.
    IssueAlibaba,
    /// The same as for a call that Signature Version 4 signs.
    IssueAmazon,
    /// Opens and signs.
    Exchange,
    /// Verifies RS256 and signs.
    ExchangeJobToken,
}

/// The request that a TC3 client signs, but for the body's hash.
const TC3_CANONICAL: &str =
    "POST\n/\n\ncontent-type:application/json\nhost:transire.example.com\n\ncontent-type;host\n";
/// The request that an ACS3 client signs, but for the body's hash at the end.
const ACS3_CANONICAL: &str = concat!(
    "POST\n/\nInstanceId=cri-0123456789abcdef\nhost:transire.example.com\n",
    "x-acs-action:GetAuthorizationToken\n",
    "x-acs-content-sha256:",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
    "x-acs-date:2025-01-02T03:04:05Z\n",
    "x-acs-signature-nonce:0123456789abcdef0123456789abcdef\n",
    "x-acs-version:2018-12-01\n\n",
    "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version\n",
);
/// The request that a client of AWS's signs, but for the body's hash at the end.
const SIGV4_CANONICAL: &str = concat!(
    "POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:transire.example.com\n",
    "x-amz-date:20250102T030405Z\n",
    "x-amz-target:AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken\n\n",
    "content-type;host;x-amz-date;x-amz-target\n",
);
/// The text that TC3 makes an HMAC of, but for the hash.
const TC3_TO_SIGN: &str = "TC3-HMAC-SHA256\n1735787045\n2025-01-02/tcr/tc3_request\n";
/// The text that ACS3 makes an HMAC of, but for the hash.
const ACS3_TO_SIGN: &str = "ACS3-HMAC-SHA256\n";
/// The text that Signature Version 4 makes an HMAC of, but for the hash.
const SIGV4_TO_SIGN: &str =
    "AWS4-HMAC-SHA256\n20250102T030405Z\n20250102/us-east-1/ecr/aws4_request\n";
/// Bytes of what a temporary credential says.
const PAYLOAD: usize = 128;
/// Bytes of what ES256 signs: a token's header with its leaf certificate, and its claims.
const SIGNED: usize = 1100;

/// The keys, made ready.
struct Keys {
    role: Role,
    verifying: hmac::Key,
    sealing: LessSafeKey,
    signing: EcdsaKeyPair,
    sealed: Vec<u8>,
    signed: Vec<u8>,
    /// The issuer's public key, what it signed and its signature.
    job_token: (ParsedPublicKey, Vec<u8>, Vec<u8>),
    random: SystemRandom,
    /// Nonces are counted: drawing one is not what a seal can't do without.
    nonce: AtomicU64,
}

impl Keys {
    fn new(role: Role) -> Result<Self> {
        let failed = |_| "a key can't be made";
        let sealing =
            LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &[7; 32]).map_err(failed)?);
        let mut sealed = vec![1; PAYLOAD];
        sealing
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key([0; 12]),
                Aad::from([3; 10]),
                &mut sealed,
            )
            .map_err(failed)?;
        let (key, text, signature) = Issuer::new()?.signed()?;
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .map_err(|_| "a key can't be read")?;
        Ok(Self {
            role,
            job_token: (key, text, signature),
            verifying: hmac::Key::new(hmac::HMAC_SHA256, &[5; 32]),
            sealing,
            signing: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?,
            sealed,
            signed: vec![b'a'; SIGNED],
            random: SystemRandom::new(),
            nonce: AtomicU64::new(1),
        })
    }

    /// Does the cryptography; returns whether it succeeded, so that none of it can be left out.
    fn work(&self, body: &[u8]) -> bool {
        match self.role {
            Role::Bare => true,
            Role::IssueTencent => self.issue(body, TC3_CANONICAL, TC3_TO_SIGN),
            Role::IssueAlibaba => self.issue(body, ACS3_CANONICAL, ACS3_TO_SIGN),
            Role::IssueAmazon => self.issue(body, SIGV4_CANONICAL, SIGV4_TO_SIGN),
            Role::Exchange => self.exchange(),
            Role::ExchangeJobToken => self.exchange_job_token(),
        }
    }

    fn issue(&self, body: &[u8], canonical: &str, to_sign: &str) -> bool {
        let mut buffer = [0; 1024];
        let hash_of_body = digest(&SHA256, body);
        let canonical = joined(&mut buffer, canonical.as_bytes(), hash_of_body.as_ref());
        let hash = digest(&SHA256, canonical);
        let to_sign = joined(&mut buffer, to_sign.as_bytes(), hash.as_ref());
        let signature = hmac::sign(&self.verifying, to_sign);
        let mut payload = [0; PAYLOAD];
        payload[..32].copy_from_slice(signature.as_ref());
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.nonce.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        self.sealing
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from([3; 10]),
                &mut payload,
            )
            .is_ok()
    }

    fn exchange_job_token(&self) -> bool {
        let (key, text, signature) = &self.job_token;
        key.verify_sig(text, signature).is_ok()
            && self.signing.sign(&self.random, &self.signed).is_ok()
    }

    fn exchange(&self) -> bool {
        let mut sealed = [0; PAYLOAD + 16];
        sealed.copy_from_slice(&self.sealed);
        let opened = self.sealing.open_in_place(
            Nonce::assume_unique_for_key([0; 12]),
            Aad::from([3; 10]),
            &mut sealed,
        );
        opened.is_ok() && self.signing.sign(&self.random, &self.signed).is_ok()
    }
}

/// Puts a text and a hash, which is sent as hexadecimal digits, one after the other.
fn joined<'a>(buffer: &'a mut [u8], text: &[u8], hash: &[u8]) -> &'a [u8] {
    let length = text.len() + 2 * hash.len();
    buffer[..text.len()].copy_from_slice(text);
    // The digits themselves don't matter here, only how many there are.
    buffer[text.len()..text.len() + hash.len()].copy_from_slice(hash);
    &buffer[..length]
}

/// Serves as `role` until the process is ended, with answers of so many bytes.
pub(crate) fn serve(role: Role, answer_bytes: usize) -> Result<()> {
    let keys = Arc::new(Keys::new(role)?);
    let answer = Bytes::from(vec![b' '; answer_bytes]);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let mut stdout = std::io::stdout();
            writeln!(
                stdout,
                "{}",
                serde_json::json!({ "listening": listener.local_addr()?.to_string() })
            )?;
            stdout.flush()?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let (keys, answer) = (Arc::clone(&keys), answer.clone());
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    answer_to(request, Arc::clone(&keys), answer.clone())
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        })
}

async fn answer_to(
    request: hyper::Request<Incoming>,
    keys: Arc<Keys>,
    answer: Bytes,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let mut response = hyper::Response::new(Full::new(answer));
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    if !keys.work(&body) {
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    }
    Ok(response)
}
