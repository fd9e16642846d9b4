//! Request signatures: read, verified, and (for tests and our own clients) made.
//!
//! Pure: no input or output, no clock, no store. A reader such as [`tc3::read`] checks the shape of
//! a request and gives an [`Unverified`], which can name its access key and be verified, and
//! nothing else. Its caller finds the access key, checks the time, verifies, and looks the
//! [`Replay`] up, in that order; what else the reader gives (action, parameters) is not to be acted
//! on before.
//!
//! Each scheme's own file says what its signature leaves uncovered. Start with [`Request`], then
//! [`tc3`].

pub mod acs3;
pub mod alibaba_roa;
pub mod alibaba_rpc;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod headers;
mod parameters;
mod secret;
pub mod sigv4;
pub mod tc3;
pub mod tencent_v1;
#[cfg(test)]
mod testing;
pub mod webhook;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use subtle::ConstantTimeEq;

pub use headers::{Preview, is_form_type};
pub use parameters::Parameters;
use secret::KeyForm;
pub use secret::SigningSecret;

use crate::domain::clock::Timestamp;
use crate::domain::credential::Cloud;
use crate::domain::{Error, Result};

/// A request as it came: what signatures cover.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path, still encoded; it begins with `/`.
    pub path: &'a str,
    /// The query, still encoded, without its `?`; empty when there is none.
    pub query: &'a str,
    /// The Host header as it came, or `:authority` on HTTP/2.
    pub host: &'a str,
    /// All headers; `host` among them is not read.
    pub headers: &'a http::HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// How a request is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Method {
    /// Tencent Cloud's present one, in headers.
    Tc3HmacSha256,
    /// Tencent Cloud's old one, in parameters, with SHA-1.
    TencentHmacSha1,
    /// Tencent Cloud's old one, in parameters, with SHA-256.
    TencentHmacSha256,
    /// Alibaba Cloud's present one (V3), in headers.
    Acs3HmacSha256,
    /// Alibaba Cloud's old one (V1) for RPC products, in parameters.
    AlibabaRpcHmacSha1,
    /// Alibaba Cloud's old one (V1) for ROA products, in headers.
    AlibabaRoaHmacSha1,
    /// Amazon Web Services' Signature Version 4, in headers or in a query.
    AwsSigV4,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 7] = [
        Self::Tc3HmacSha256,
        Self::TencentHmacSha1,
        Self::TencentHmacSha256,
        Self::Acs3HmacSha256,
        Self::AlibabaRpcHmacSha1,
        Self::AlibabaRoaHmacSha1,
        Self::AwsSigV4,
    ];

    /// Returns the name at the wire; Alibaba's two old ones share theirs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tc3HmacSha256 => tc3::ALGORITHM,
            Self::TencentHmacSha1 => "HmacSHA1",
            Self::TencentHmacSha256 => "HmacSHA256",
            Self::Acs3HmacSha256 => acs3::ALGORITHM,
            Self::AlibabaRpcHmacSha1 | Self::AlibabaRoaHmacSha1 => "HMAC-SHA1",
            Self::AwsSigV4 => sigv4::ALGORITHM,
        }
    }

    /// Returns how far a request's time may be from the server's, before or after: 5 minutes at
    /// Tencent (common parameters of its API documents), 15 at Alibaba (help document 48054) and at
    /// AWS (its refusals name both times).
    pub fn window(self) -> Duration {
        match self.cloud() {
            Cloud::Tencent => Duration::from_mins(5),
            Cloud::Alibaba | Cloud::Aws => Duration::from_mins(15),
        }
    }

    /// Returns the cloud whose method it is.
    pub fn cloud(self) -> Cloud {
        match self {
            Self::Tc3HmacSha256 | Self::TencentHmacSha1 | Self::TencentHmacSha256 => Cloud::Tencent,
            Self::Acs3HmacSha256 | Self::AlibabaRpcHmacSha1 | Self::AlibabaRoaHmacSha1 => {
                Cloud::Alibaba
            }
            Self::AwsSigV4 => Cloud::Aws,
        }
    }

    /// Returns whether a request of that time may be taken now.
    ///
    /// # Errors
    ///
    /// `RequestExpired` beyond the method's window.
    pub fn check_time(self, signed_at: Timestamp, now: Timestamp) -> Result<()> {
        check_time_within(self.window(), signed_at, now)
    }
}

/// Fails unless a request's time is at most `window` from the present.
///
/// # Errors
///
/// `RequestExpired` beyond it.
pub fn check_time_within(window: Duration, signed_at: Timestamp, now: Timestamp) -> Result<()> {
    if now.distance(signed_at) <= window {
        Ok(())
    } else {
        let signed = format!("signed at {}", signed_at.rfc3339());
        Err(Error::request_expired(now, window).decided_by(signed))
    }
}

/// The identity that a request is signed as.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The access key's id.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret: &'a SigningSecret,
    /// The session token, when the access key belongs to a session.
    pub session_token: Option<&'a str>,
}

impl fmt::Debug for Signer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// A request whose signature nobody has checked. It can name its access key and be verified;
/// nothing else.
pub struct Unverified {
    method: Method,
    access_key_id: String,
    session_token: Option<String>,
    signed_at: Timestamp,
    proof: Proof,
}

/// The text that the signature must be of.
enum Proof {
    Tc3(tc3::Proof),
    SigV4(sigv4::Proof),
    Keyed(Keyed),
}

/// A signature by a key that doesn't depend on the request.
struct Keyed {
    form: KeyForm,
    to_sign: ToSign,
    signature: Vec<u8>,
    nonce: Option<String>,
}

/// The strings to sign that are accepted, the likeliest first: more than one where clients of the
/// same cloud differ.
///
/// Those of parameters are written out when they are verified, which is after the access key was
/// found. Writing them costs more than all else of a request, and strangers make access keys up.
enum ToSign {
    /// As they are.
    Written(Vec<Vec<u8>>),
    /// Of Tencent's parameters.
    TencentV1(tencent_v1::ToSign),
    /// Of Alibaba's parameters.
    AlibabaRpc(alibaba_rpc::ToSign),
}

impl ToSign {
    fn strings(&self) -> Cow<'_, [Vec<u8>]> {
        match self {
            Self::Written(strings) => Cow::Borrowed(strings),
            Self::TencentV1(to_sign) => Cow::Owned(to_sign.strings()),
            Self::AlibabaRpc(to_sign) => Cow::Owned(vec![to_sign.string()]),
        }
    }
}

/// How a verified request is told from its own repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Alibaba: to be used once per access key within the window.
    Nonce(String),
    /// TC3: the scheme has no nonce, and clients repeat themselves within a second. The same
    /// signature must always come with the same `bound`: what it doesn't cover and still matters.
    Bound {
        /// The signature.
        signature: [u8; 32],
        /// SHA-256 of action, version, region, session token, and an unsigned payload.
        bound: [u8; 32],
        /// Whether the signature covers the body: an unsigned payload is in `bound` alone.
        covers_body: bool,
    },
    /// Nothing to tell it by: Tencent's v1, ROA from clients that send no nonce, and AWS's, which
    /// leaves nothing out that could be exchanged.
    None,
}

impl Unverified {
    /// Returns the access key's id as the client named it.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Returns the session token; an empty one counts as none.
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }

    /// Returns how the request is signed.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Returns the time that the client wrote into it.
    pub fn signed_at(&self) -> Timestamp {
        self.signed_at
    }

    /// Returns the signature, filled up with zeros: it is the same however the request spells it.
    pub fn signature(&self) -> [u8; 32] {
        match &self.proof {
            Proof::Tc3(proof) => proof.signature(),
            Proof::SigV4(proof) => proof.signature(),
            Proof::Keyed(proof) => {
                let mut signature = [0; 32];
                // No scheme has a longer one that is right.
                signature
                    .iter_mut()
                    .zip(&proof.signature)
                    .for_each(|(byte, given)| *byte = *given);
                signature
            }
        }
    }

    /// Returns how far the request's time may be from the server's.
    pub fn window(&self) -> Duration {
        self.method.window()
    }

    /// Checks the request's time.
    ///
    /// # Errors
    ///
    /// `RequestExpired` beyond the method's window.
    pub fn check_time(&self, now: Timestamp) -> Result<()> {
        self.method.check_time(self.signed_at, now)
    }

    /// Checks the signature, in constant time.
    ///
    /// # Errors
    ///
    /// `SignatureMismatch`, with the string that the server signed.
    pub fn verify(&self, secret: &SigningSecret) -> Result<Replay> {
        match &self.proof {
            Proof::Tc3(proof) => proof.verify(secret),
            Proof::SigV4(proof) => proof.verify(secret),
            Proof::Keyed(proof) => proof.verify(secret),
        }
    }

    /// Returns every string to sign that would be accepted, the likeliest first.
    #[cfg(any(test, feature = "fuzzing"))]
    fn strings_to_sign(&self) -> Vec<Vec<u8>> {
        match &self.proof {
            Proof::Tc3(proof) => proof.strings_to_sign(),
            Proof::SigV4(proof) => vec![proof.string_to_sign()],
            Proof::Keyed(proof) => proof.to_sign.strings().into_owned(),
        }
    }
}

impl fmt::Debug for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified")
            .field("method", &self.method)
            .field("access_key_id", &self.access_key_id)
            .field("signed_at", &self.signed_at)
            .finish_non_exhaustive()
    }
}

impl Keyed {
    fn verify(&self, secret: &SigningSecret) -> Result<Replay> {
        let fits = |string: &Vec<u8>| {
            bool::from(
                secret
                    .sign(self.form, string)
                    .as_ref()
                    .ct_eq(&self.signature),
            )
        };
        let strings = self.to_sign.strings();
        if strings.iter().any(fits) {
            Ok(self.nonce.clone().map_or(Replay::None, Replay::Nonce))
        } else {
            let likeliest = strings.first().map_or(&[][..], Vec::as_slice);
            Err(Error::signature_mismatch(String::from_utf8_lossy(
                likeliest,
            )))
        }
    }
}

/// The most bytes of an access key's id; Tencent documents 1024 for temporary ones.
const MAX_ACCESS_KEY_ID: usize = 1024;

/// The most bytes of a nonce: what is remembered of every request must be small.
const MAX_NONCE: usize = 256;

/// Checks an access key's id: printable, and not so long that it burdens look-ups and logs.
fn check_access_key_id(id: &str) -> Result<&str> {
    if !id.is_empty()
        && id.len() <= MAX_ACCESS_KEY_ID
        && id.bytes().all(|byte| byte.is_ascii_graphic())
    {
        Ok(id)
    } else {
        let why = format!(
            "An access key id has 1 to {MAX_ACCESS_KEY_ID} printable characters of ASCII, and no \
             space."
        );
        Err(Error::malformed_authorization(why))
    }
}

/// Checks a nonce's length; `name` is where it stood.
fn check_nonce<'a>(name: &'static str, nonce: &'a str) -> Result<&'a str> {
    if nonce.is_empty() {
        Err(Error::missing_parameter(name))
    } else if nonce.len() > MAX_NONCE {
        Err(Error::invalid_parameter(
            name,
            format!("A nonce has at most {MAX_NONCE} bytes."),
        ))
    } else {
        Ok(nonce)
    }
}

/// The last second of the year 9999: later dates have no `YYYY-MM-DD`.
const LATEST: i64 = 253_402_300_799;

/// Reads Tencent's time, unix seconds.
fn parse_tencent_time(text: &str) -> Result<Timestamp> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| digits && (0..=LATEST).contains(seconds));
    seconds
        .map(Timestamp::from_unix_seconds)
        .ok_or_else(|| Error::malformed_time("in unix seconds, such as 1735877057"))
}

/// Reads Alibaba's time, `YYYY-MM-DDThh:mm:ssZ` and nothing else that RFC 3339 allows.
fn parse_alibaba_time(text: &str) -> Result<Timestamp> {
    let shaped = text.len() == 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T';
    shaped
        .then(|| Timestamp::parse_rfc3339(text))
        .flatten()
        .ok_or_else(|| Error::malformed_time("in UTC, such as 2025-01-03T04:04:17Z"))
}

/// Decodes a signature written as Base64.
fn decode_base64_signature(text: &str) -> Result<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|_| Error::malformed_authorization("The signature is not well-formed Base64."))
}

/// Decodes a signature of 32 bytes written as lower-case hex.
fn decode_hex_signature(text: &str) -> Result<[u8; 32]> {
    let decode = || {
        let mut signature = [0; 32];
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return None;
        };
        if pairs.len() != signature.len() {
            return None;
        }
        for (byte, [high, low]) in signature.iter_mut().zip(pairs) {
            *byte = lower_case_digit(*high)? << 4 | lower_case_digit(*low)?;
        }
        Some(signature)
    };
    decode().ok_or_else(|| {
        Error::malformed_authorization("The signature is not 64 lower-case hexadecimal digits.")
    })
}

fn lower_case_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Returns SHA-256 as bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// Returns bytes as lower-case hex.
fn hex_of(bytes: &[u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    // The lengths fit, so it can't fail.
    let _ = hex::encode_to_slice(bytes, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alibabas_time_has_one_form() {
        assert_eq!(
            parse_alibaba_time("2025-01-02T03:04:05Z").unwrap(),
            Timestamp::from_unix_seconds(1_735_787_045)
        );
        for bad in [
            "",
            "2025-01-02",
            "2025-01-02 03:04:05Z",
            "2025-01-02t03:04:05Z",
            "2025-01-02T03:04:05z",
            "2025-01-02T03:04:05",
            "2025-01-02T03:04:05.5Z",
            "2025-01-02T03:04:05+00:00",
            "2025-02-30T03:04:05Z",
            "2025-01-02T03:04:中Z",
        ] {
            assert_eq!(
                parse_alibaba_time(bad).unwrap_err().kind(),
                &crate::domain::ErrorKind::MalformedTime,
                "{bad}"
            );
        }
    }

    #[test]
    fn a_signature_has_one_spelling() {
        assert_eq!(decode_hex_signature(&"ab".repeat(32)).unwrap(), [0xab; 32]);
        for bad in [
            "",
            &"AB".repeat(32),
            &"ab".repeat(31),
            &"ab".repeat(33),
            &"ag".repeat(32),
        ] {
            assert!(decode_hex_signature(bad).is_err(), "{bad}");
        }
        assert_eq!(decode_base64_signature("YWI=").unwrap(), b"ab");
        for bad in ["YWI", "YWJ=", "YWI =", "YWI=\n", "Y-I="] {
            assert!(decode_base64_signature(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_window_ends_where_the_clouds_say() {
        let now = Timestamp::from_unix_seconds(1_735_787_045);
        for method in Method::ALL {
            for signed_at in [now.minus(method.window()), now, now.plus(method.window())] {
                assert!(method.check_time(signed_at, now).is_ok(), "{method:?}");
            }
            let more = method.window() + Duration::from_millis(1);
            for signed_at in [
                now.minus(more),
                now.plus(more),
                Timestamp::from_unix_millis(i64::MIN),
            ] {
                let error = method.check_time(signed_at, now).unwrap_err();
                assert_eq!(
                    error.kind(),
                    &crate::domain::ErrorKind::RequestExpired { server_time: now },
                    "{method:?}"
                );
            }
        }
    }

    #[test]
    fn an_unverified_request_is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Unverified>();
        shared::<SigningSecret>();
    }

    #[test]
    fn only_header_signed_requests_have_a_preview() {
        let schemes = testing::tencent_vectors().into_iter().chain(
            ["ACS3-HMAC-SHA256", "ACS3-HMAC-SM3", "RPC-V1", "ROA-V1"]
                .into_iter()
                .flat_map(testing::alibaba_vectors),
        );
        let schemes = schemes.chain(testing::aws_vectors());
        for vector in schemes {
            let expected = match vector.scheme.as_str() {
                "TC3-HMAC-SHA256" => Some(Method::Tc3HmacSha256),
                "ACS3-HMAC-SHA256" => Some(Method::Acs3HmacSha256),
                "ROA-V1" => Some(Method::AlibabaRoaHmacSha1),
                "AWS4-HMAC-SHA256" => Some(Method::AwsSigV4),
                _ => None,
            };
            let previews = [
                tc3::preview,
                acs3::preview,
                alibaba_roa::preview,
                sigv4::preview,
            ];
            let methods = previews
                .iter()
                .filter_map(|preview| Some(preview(&vector.captured.headers)?.method));
            assert_eq!(
                methods.collect::<Vec<_>>(),
                Vec::from_iter(expected),
                "{}",
                vector.name
            );
        }
    }

    #[test]
    fn nothing_that_is_read_prints_a_session_token() {
        let key = testing::secret("abcEXAMPLE");
        let signer = Signer {
            access_key_id: "LTAIEXAMPLE",
            secret: &key,
            session_token: Some("hunter2"),
        };
        let parameters = alibaba_rpc::sign(
            "GET",
            Parameters::default(),
            &signer,
            Timestamp::default(),
            "n",
        );
        let captured =
            testing::Captured::new("GET", &format!("/?{}", parameters.encode()), "h", &[], "");
        let read = alibaba_rpc::read(&captured.request()).unwrap();
        assert_eq!(read.unverified.session_token(), Some("hunter2"));
        assert!(read.unverified.verify(&key).is_ok());
        assert!(
            !format!("{read:?} {signer:?}").contains("hunter2"),
            "{read:?}"
        );
    }
}
