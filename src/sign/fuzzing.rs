//! Fuzzing of signed requests: what verifies is what was signed.
//!
//! An input is two bytes and a request. The two bytes choose another spelling of it. Two requests
//! under one string to sign must be read alike, and a request that verifies under the key of an
//! SDK's must be read as the SDK's is. Parts that a scheme leaves out of its signature are left out
//! here.

use std::sync::OnceLock;

use http::request::Parts;

use super::{
    Parameters, Replay, Request, SigningSecret, Unverified, acs3, alibaba_roa, alibaba_rpc, sigv4,
    tc3, tencent_v1,
};
use crate::domain::Result;
use crate::domain::secret::Secret;
use crate::fuzzing::requests::{Signed, parse, signed};

pub(crate) const WORDS: &[&str] = &[
    "&",
    "=",
    "%26",
    "%3D",
    "+",
    "%20",
    "%2F",
    "\n",
    "&Action=",
    "&Version=",
    "&Token=",
    "x-acs-",
    "x-tc-",
    "x-amz-",
    "X-Amz-",
    ";host",
    ",",
    "/",
    "?",
    "host: ",
    "content-type: ",
    "application/json",
    ":80",
    "application/x-www-form-urlencoded",
    "UNSIGNED-PAYLOAD",
    "SignatureType",
    "=&",
];

/// Spellings that one may be exchanged for the other where readers are careless.
const SPELLINGS: &[(&str, &str)] = &[
    ("%20", "+"),
    ("+", "%20"),
    ("+", "%2B"),
    ("&", "%26"),
    ("%26", "&"),
    ("=", "%3D"),
    ("%3D", "="),
    ("/", "%2F"),
    ("%2F", "/"),
    ("_", "."),
    (".", "_"),
    ("-", "%2D"),
    ("&", "&&"),
    ("=", "=="),
    ("&", "\n\n"),
    ("\n\n", "&"),
    ("?", "\n\n"),
    ("/?", "/x?"),
    (",", "\naccept: "),
    (": ", ":  "),
    ("a", "A"),
    ("T", "t"),
    ("POST", "GET"),
    ("GET", "POST"),
    (":80", ""),
    ("\nhost: ", "\nhost: http://"),
];

/// The parts of a request that a service reads, where the signature covers them.
type Reading = Vec<(&'static str, String)>;

/// A scheme: its name in the vectors, and its reader.
struct Scheme {
    names: &'static [&'static str],
    read: fn(&Request<'_>) -> Result<(Unverified, Reading)>,
    /// Tells whether two readings under one string to sign are alike.
    alike: fn(&Reading, &Reading) -> bool,
}

const TC3: Scheme = Scheme {
    names: &["TC3-HMAC-SHA256"],
    read: |request| {
        let read = tc3::read(request)?;
        // The port and the case of letters are not covered.
        let mut host = request.host.trim();
        while let Some((name, port)) = host.rsplit_once(':')
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            host = name;
        }
        let reading = vec![
            ("method", request.method.to_owned()),
            ("query", request.query.to_owned()),
            ("host", host.to_ascii_lowercase()),
            ("service", read.service),
            ("body", covered_body(&read.unverified, request.body)),
        ];
        Ok((read.unverified, reading))
    },
    alike: |one, other| one == other,
};

const TENCENT_V1: Scheme = Scheme {
    names: &["HmacSHA1", "HmacSHA256"],
    read: |request| {
        let read = tencent_v1::read(request)?;
        let mut reading = of_parameters(&read.parameters);
        reading.push(("method", request.method.to_owned()));
        reading.push(("host", request.host.to_owned()));
        Ok((read.unverified, reading))
    },
    alike: |one, other| {
        // The scheme joins parameters unescaped, and one SDK writes `.` for `_` in names.
        let dotted = |reading: &Reading| {
            let mut all: Vec<_> = reading
                .iter()
                .map(|(kind, text)| (*kind, text.replace('_', ".")))
                .collect();
            all.sort_unstable();
            all
        };
        is_ambiguous(one) || is_ambiguous(other) || dotted(one) == dotted(other)
    },
};

const ACS3: Scheme = Scheme {
    names: &["ACS3-HMAC-SHA256"],
    read: |request| {
        let read = acs3::read(request)?;
        let mut reading = of_parameters(&read.parameters);
        let path = if request.path.is_empty() {
            "/"
        } else {
            request.path
        };
        reading.extend([
            ("method", request.method.to_owned()),
            ("host", request.host.to_owned()),
            ("path", path.to_owned()),
            ("action", read.action),
            ("version", read.version),
            ("body", request.body.escape_ascii().to_string()),
            (
                "token",
                read.unverified
                    .session_token()
                    .unwrap_or_default()
                    .to_owned(),
            ),
        ]);
        Ok((read.unverified, reading))
    },
    alike: |one, other| one == other,
};

const ALIBABA_RPC: Scheme = Scheme {
    names: &["RPC-V1"],
    read: |request| {
        let read = alibaba_rpc::read(request)?;
        let mut reading = of_parameters(&read.parameters);
        reading.push(("method", request.method.to_owned()));
        Ok((read.unverified, reading))
    },
    alike: |one, other| one == other,
};

const ALIBABA_ROA: Scheme = Scheme {
    names: &["ROA-V1"],
    read: |request| {
        let read = alibaba_roa::read(request)?;
        let mut reading = of_parameters(&read.parameters);
        let version = request.headers.get("x-acs-version");
        reading.extend([
            ("method", request.method.to_owned()),
            ("version", format!("{version:?}")),
            (
                "token",
                read.unverified
                    .session_token()
                    .unwrap_or_default()
                    .to_owned(),
            ),
        ]);
        if !request.path.is_empty() {
            reading.push(("path", request.path.to_owned()));
        }
        Ok((read.unverified, reading))
    },
    // The scheme joins parameters unescaped.
    alike: |one, other| is_ambiguous(one) || is_ambiguous(other) || one == other,
};

const SIGV4: Scheme = Scheme {
    names: &["AWS4-HMAC-SHA256", "AWS4-QUERY"],
    read: |request| {
        let mut read = sigv4::read(request)?;
        // It isn't signed, but what is.
        read.parameters.take("X-Amz-Signature");
        let mut reading = of_parameters(&read.parameters);
        let spaced = |text: &str| text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        reading.extend([
            ("method", request.method.to_owned()),
            ("host", request.host.to_owned()),
            ("region", read.region),
            ("service", read.service),
            ("presigned", read.is_presigned.to_string()),
            ("target", spaced(&read.target.unwrap_or_default())),
            ("body", request.body.escape_ascii().to_string()),
            (
                "token",
                spaced(read.unverified.session_token().unwrap_or_default()),
            ),
        ]);
        Ok((read.unverified, reading))
    },
    alike: |one, other| one == other,
};

/// The body, where the signature covers it; a body that it leaves out is bound when first seen.
fn covered_body(unverified: &Unverified, body: &[u8]) -> String {
    match &unverified.proof {
        super::Proof::Tc3(proof) if !proof.covers_body() => "unsigned".to_owned(),
        _ => body.escape_ascii().to_string(),
    }
}

fn of_parameters(parameters: &Parameters) -> Reading {
    let pairs = parameters.sorted().into_iter();
    pairs
        .flat_map(|(name, value)| [("name", name.to_owned()), ("value", value.to_owned())])
        .collect()
}

/// Tells whether a name or a value holds a mark that divides parameters.
fn is_ambiguous(reading: &Reading) -> bool {
    reading.iter().any(|(kind, text)| match *kind {
        "name" | "value" => text.contains(['&', '=']),
        "host" => text.contains(['/', '?']),
        _ => false,
    })
}

pub(crate) fn tc3(input: &[u8]) -> Option<()> {
    static KNOWN: OnceLock<Vec<Known>> = OnceLock::new();
    check(&TC3, &KNOWN, input)
}

pub(crate) fn tencent_v1(input: &[u8]) -> Option<()> {
    static KNOWN: OnceLock<Vec<Known>> = OnceLock::new();
    check(&TENCENT_V1, &KNOWN, input)
}

pub(crate) fn acs3(input: &[u8]) -> Option<()> {
    static KNOWN: OnceLock<Vec<Known>> = OnceLock::new();
    check(&ACS3, &KNOWN, input)
}

pub(crate) fn alibaba_rpc(input: &[u8]) -> Option<()> {
    static KNOWN: OnceLock<Vec<Known>> = OnceLock::new();
    check(&ALIBABA_RPC, &KNOWN, input)
}

pub(crate) fn alibaba_roa(input: &[u8]) -> Option<()> {
    static KNOWN: OnceLock<Vec<Known>> = OnceLock::new();
    check(&ALIBABA_ROA, &KNOWN, input)
}

pub(crate) fn sigv4(input: &[u8]) -> Option<()> {
    static KNOWN: OnceLock<Vec<Known>> = OnceLock::new();
    check(&SIGV4, &KNOWN, input)
}

/// Returns the SDKs' requests of a scheme, as inputs.
pub(crate) fn seeds(names: &[&str]) -> Vec<Vec<u8>> {
    let all = signed(|scheme| names.contains(&scheme))
        .into_iter()
        .enumerate();
    let prefix = |place: usize| u8::try_from(place % 256).unwrap_or_default();
    all.map(|(place, signed)| [&[prefix(place), 1], &signed.text[..]].concat())
        .collect()
}

/// A request of an SDK, read.
struct Known {
    access_key_id: String,
    secret: SigningSecret,
    signature: [u8; 32],
    replay: Option<Replay>,
    reading: Reading,
}

impl Known {
    fn of(scheme: &Scheme, signed: Signed) -> Option<Self> {
        let (parts, body) = parse(&signed.text)?;
        let (unverified, reading) = (scheme.read)(&request(&parts, body)?).ok()?;
        let secret = SigningSecret::new(Secret::new(signed.secret));
        Some(Self {
            access_key_id: signed.access_key_id,
            signature: unverified.signature(),
            replay: unverified.verify(&secret).ok(),
            secret,
            reading,
        })
    }
}

fn check(scheme: &Scheme, known: &OnceLock<Vec<Known>>, input: &[u8]) -> Option<()> {
    let known = known.get_or_init(|| {
        let all = signed(|name| scheme.names.contains(&name)).into_iter();
        let known: Vec<Known> = all.filter_map(|signed| Known::of(scheme, signed)).collect();
        let verify = known.iter().filter(|known| known.replay.is_some()).count();
        assert!(verify > 2, "of the SDKs' requests {verify} verify");
        known
    });
    let ([choice, place], text) = input.split_first_chunk::<2>().map(|(a, b)| (*a, b))?;
    let (parts, body) = parse(text)?;
    let first = request(&parts, body)?;
    for preview in [
        tc3::preview,
        acs3::preview,
        alibaba_roa::preview,
        sigv4::preview,
    ] {
        preview(first.headers);
    }
    let (unverified, reading) = (scheme.read)(&first).ok()?;
    is_of_known(scheme, known, &unverified, &reading);
    let strings = unverified.strings_to_sign();
    let written: usize = strings.iter().map(Vec::len).sum();
    assert!(
        written <= 32 * input.len() + 4096,
        "{written} bytes are signed"
    );
    let other = respelled(text, choice, place);
    if let Some((parts, body)) = parse(&other)
        && let Some(second) = request(&parts, body)
        && let Ok((other, read)) = (scheme.read)(&second)
    {
        let is_same_key =
            other.access_key_id == unverified.access_key_id && other.method == unverified.method;
        let all = other.strings_to_sign();
        if is_same_key && all.iter().any(|string| strings.contains(string)) {
            differ_in_nothing(scheme, &reading, &read);
        }
    }
    Some(())
}

/// Checks that a request which verifies under a known key is one that the key signed.
fn is_of_known(scheme: &Scheme, known: &[Known], unverified: &Unverified, reading: &Reading) {
    let mut of_key = known
        .iter()
        .filter(|known| known.access_key_id == unverified.access_key_id);
    let Some(key) = of_key.clone().next() else {
        return;
    };
    let Ok(replay) = unverified.verify(&key.secret) else {
        return;
    };
    let signature = unverified.signature();
    let original = of_key.find(|known| known.signature == signature);
    let original = original.expect("a signature is verified that nobody made");
    differ_in_nothing(scheme, &original.reading, reading);
    if let (Some(Replay::Nonce(made)), Replay::Nonce(read)) = (&original.replay, &replay) {
        assert_eq!(made, read, "a nonce is read that nobody signed");
    }
}

fn differ_in_nothing(scheme: &Scheme, one: &Reading, other: &Reading) {
    let is_alike = (scheme.alike)(one, other);
    assert!(
        is_alike,
        "one signature is of two requests:\n{one:?}\n{other:?}"
    );
}

fn request<'a>(parts: &'a Parts, body: &'a [u8]) -> Option<Request<'a>> {
    Some(Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        host: parts.headers.get("host")?.to_str().ok()?,
        headers: &parts.headers,
        body,
    })
}

/// Returns a text in which one spelling is exchanged at one place, or two pieces change places.
fn respelled(text: &[u8], choice: u8, place: u8) -> Vec<u8> {
    let Some((from, to)) = SPELLINGS.get(usize::from(choice) % (SPELLINGS.len() + 2)) else {
        let mark = if choice.is_multiple_of(2) {
            b'&'
        } else {
            b'\n'
        };
        let mut pieces: Vec<&[u8]> = text.split(|byte| *byte == mark).collect();
        let first = usize::from(place) % pieces.len();
        let second = (first + 1) % pieces.len();
        pieces.swap(first, second);
        return pieces.join(&mark);
    };
    let from = from.as_bytes();
    let places: Vec<usize> = (0..text.len())
        .filter(|at| text[*at..].starts_with(from))
        .collect();
    let Some(at) = places.get(usize::from(place) % places.len().max(1)) else {
        return text.to_vec();
    };
    [&text[..*at], to.as_bytes(), &text[at + from.len()..]].concat()
}
