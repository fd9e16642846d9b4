//! Fuzzing of heads: which door a request is for, its host, its client and its log-in; and of what
//! errors repeat of it.

use std::net::IpAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Version, header};
use http_body_util::BodyExt;

use super::Settings;
use super::doors::choose;
use super::request::address::{Network, client};
use super::request::basic::basic;
use super::request::{Head, host};
use crate::domain::{Error, ErrorKind};
use crate::fuzzing::requests::{parse, signed};
use crate::fuzzing::seeds::texts;

pub(crate) use super::oauth::fuzzing as exchange;

pub(crate) const WORDS: &[&str] = &[
    "Authorization: ",
    "Basic ",
    "Bearer ",
    "TC3-HMAC-SHA256 ",
    "ACS3-HMAC-SHA256 ",
    "acs ",
    "AWS4-HMAC-SHA256 ",
    "x-amz-target: ",
    "X-Amz-Credential=",
    "&Action=A&Version=2011-06-15",
    "x-acs-action: ",
    "x-tc-action: ",
    "host: ",
    "&AccessKeyId=",
    "&SecretId=",
    "&Signature=",
    "&Format=XML",
    "/token",
    "/oauth/token",
    "/admin/v1/",
    "/console/",
    "accept: text/xml",
    "x-acs-version: 2016-06-07",
    "\n",
    "\u{fffe}",
    "]]>",
    "<",
    "&",
    "\r",
    "\u{1}",
    "\u{202e}",
];

/// Returns requests to each door, each with a text that errors repeat.
pub(crate) fn door_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = signed(|_| true)
        .into_iter()
        .map(|signed| signed.text)
        .collect();
    seeds.extend(texts(&[
        "GET /token?service=r&scope=repository:a/b:pull\nhost: r\n\nno < & > \" '",
        "GET /\nhost: cr.example.com\naccept: text/xml\nx-acs-version: 2018-12-01\n\n<&>",
        "POST /?Format=XML&Action=A&AccessKeyId=x&Signature=y\nhost: h\n\n\u{1}]]>",
        "POST /oauth/token\nhost: h\ncontent-type: application/x-www-form-urlencoded\n\ngrant_type=x",
        "GET /admin/v1/accounts\nhost: h\nauthorization: Bearer trso_x\n\n\"\\\u{202e}",
        "GET /console/\nhost: h\ncookie: a=b\n\n<script>",
        "GET /v2/\nhost: h\n\nx",
        "POST /\nhost: h\nx-amz-target: A.B\n\n\"<&>",
        "POST /?Action=A&Version=2011-06-15\nhost: h\n\n<&>",
    ]));
    seeds
}

/// Chooses the door of a request, asks it all that needs no service, and has it answer with errors
/// that repeat the body.
pub(crate) fn check_door(input: &[u8]) -> Option<()> {
    let (mut parts, body) = parse(input)?;
    parts.version = if body.len().is_multiple_of(2) {
        Version::HTTP_11
    } else {
        Version::HTTP_2
    };
    let head = Head::new(&parts).with_form(body);
    if let Ok(host) = host::signed(&parts) {
        let is_named = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(host.as_bytes());
        let all = parts.headers.get_all(header::HOST);
        assert!(all.iter().all(is_named), "two hosts pass for {host}");
    }
    let choice = choose(&head);
    let is_once = choice.check_signed_once().is_ok();
    let authorizations = parts.headers.get_all(header::AUTHORIZATION).iter().count();
    let by_path = ["registry", "oauth", "admin", "console"].contains(&choice.door.name());
    assert!(
        !is_once || by_path || authorizations < 2,
        "two signatures pass"
    );
    choice.door.body_rule(&head, &Settings::default());
    let outcomes = [
        choice.door.check_host(&head),
        choice.door.preview(&head).map(drop),
    ];
    let text = String::from_utf8_lossy(body);
    let errors = [
        Error::unknown_parameter(&*text),
        Error::signature_mismatch(&*text),
        Error::invalid_parameter("Name", &*text),
        Error::new(
            ErrorKind::UnknownAction {
                action: text.to_string(),
                version: text.to_string(),
            },
            "The action is not served here.",
        ),
    ];
    for error in errors
        .into_iter()
        .chain(outcomes.into_iter().filter_map(Result::err))
    {
        let answer = choice
            .door
            .refuse(&error, "01234567-89ab-cdef-0123-456789abcdef");
        is_well_formed(answer, 32 * input.len() + 65_536);
    }
    Some(())
}

/// Checks that an answer is what its type says, and no longer than `most` bytes.
fn is_well_formed(answer: Response, most: usize) {
    let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
    let kind = kind
        .as_ref()
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let collected = pin!(answer.into_body().collect());
    let Poll::Ready(Ok(body)) = collected.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the body of an error waits for something");
    };
    let body = body.to_bytes();
    assert!(body.len() <= most, "{} bytes answer", body.len());
    if kind.starts_with("application/json") || kind.starts_with("application/x-amz-json") {
        let read = serde_json::from_slice::<serde_json::Value>(&body);
        assert!(read.is_ok(), "{} is no JSON", body.escape_ascii());
    } else if kind.starts_with("text/xml") {
        let text = std::str::from_utf8(&body).expect("XML is text");
        assert!(is_xml(text), "{text} is no XML");
    } else if kind.starts_with("text/html") {
        let text = String::from_utf8_lossy(&body);
        assert!(!text.contains("<script>"), "a client's text is a script");
    }
}

/// Tells whether elements close in their order, and everything else is escaped.
fn is_xml(text: &str) -> bool {
    const ESCAPES: [&str; 6] = ["amp;", "lt;", "gt;", "quot;", "apos;", "#13;"];
    let Some(mut rest) = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>") else {
        return false;
    };
    let mut open = Vec::new();
    while let Some(at) = rest.find(['<', '&', '>']) {
        let after = &rest[at + 1..];
        match &rest[at..=at] {
            "&" if ESCAPES.iter().any(|escape| after.starts_with(escape)) => rest = after,
            "<" => {
                let Some((name, after)) = after.split_once('>') else {
                    return false;
                };
                const NAMESPACE: &str = " xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"";
                let name = name.strip_suffix(NAMESPACE).unwrap_or(name);
                let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
                match name.strip_prefix('/') {
                    Some(name) if open.pop() == Some(name) => {}
                    None if is_name(name) => open.push(name),
                    _ => return false,
                }
                rest = after;
            }
            _ => return false,
        }
    }
    let is_char = |letter: char| letter >= ' ' || matches!(letter, '\t' | '\n');
    let is_char = |letter| is_char(letter) && !matches!(letter, '\u{fffe}' | '\u{ffff}');
    open.is_empty() && rest.is_empty() && text.chars().all(is_char)
}

pub(crate) const ADDRESSES: &[&str] = &[
    "10.0.0.1\n10.0.0.0/8\n198.51.100.7, 10.1.2.3\n10.9.9.9",
    "::ffff:10.0.0.1\n10.0.0.0/8,fd00::/8\n[2001:db8::1]:1234, fd00::7",
    "192.0.2.1\n\n198.51.100.7",
    "127.0.0.1\n127.0.0.1,::/0\nunknown, 198.51.100.7:80",
    "2001:db8::5\n0.0.0.0/0,2001:db8::/32\n1.2.3.4\n5.6.7.8,,",
];
pub(crate) const ADDRESS_WORDS: &[&str] = &[
    "10.0.0.1",
    "::1",
    "/0",
    "/8",
    "/32",
    "/128",
    ", ",
    "\n",
    "[",
    "]:80",
    "::ffff:1.2.3.4",
];

/// Reads a peer, the trusted networks and the lines of `X-Forwarded-For`, a line each.
pub(crate) fn check_address(input: &[u8]) -> Option<()> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let text = |line: Option<&[u8]>| String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
    let peer = text(lines.next()).parse::<IpAddr>().ok()?;
    let trusted: Vec<Network> = text(lines.next())
        .split(',')
        .filter_map(|network| network.parse().ok())
        .collect();
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
    let values: Vec<HeaderValue> = lines
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    let with = |first: &[&str], values: &[HeaderValue]| {
        let first = first
            .iter()
            .filter_map(|value| HeaderValue::from_str(value).ok());
        let all = first.chain(values.iter().cloned());
        let headers: HeaderMap = all
            .map(|value| (header::HeaderName::from_static("x-forwarded-for"), value))
            .collect();
        client(peer, &headers, &trusted)
    };
    let found = with(&[], &values);
    if !is_trusted(peer) {
        assert_eq!(found, peer.to_canonical(), "a stranger says who he is");
    } else if !is_trusted(found) {
        // The client itself wrote all that stands further left.
        for lie in ["203.0.113.99", "10.0.0.1, ::1", "rubbish"] {
            assert_eq!(with(&[lie], &values), found, "{lie} is believed");
        }
    }
    assert_eq!(found, found.to_canonical());
    let divided = |value: &HeaderValue| {
        let pieces: Vec<_> = value.as_bytes().split(|byte| *byte == b',').collect();
        pieces
            .into_iter()
            .filter_map(|piece| HeaderValue::from_bytes(piece).ok())
            .collect()
    };
    if values.iter().all(|value| value.to_str().is_ok()) {
        let divided: Vec<HeaderValue> = values
            .iter()
            .flat_map(|value| -> Vec<_> { divided(value) })
            .collect();
        assert_eq!(with(&[], &divided), found, "lines and commas differ");
    }
    Some(())
}

/// Returns headers of log-ins.
pub(crate) fn basic_seeds() -> Vec<Vec<u8>> {
    let token = format!("eyJhbGciOiJFUzI1NiJ9.{}.{}", "e".repeat(60), "s".repeat(40));
    let pairs = [
        "100000000001:trst_secret".to_owned(),
        "cr_temp_user:pass:word".to_owned(),
        format!("acs:ram::1:role/ci:{token}"),
        format!("qcs::cam::uin/1:roleName/ci:{token}"),
        ":".to_owned(),
    ];
    let written = |pair: String| format!("Basic {}", STANDARD.encode(pair)).into_bytes();
    let mut seeds: Vec<Vec<u8>> = pairs.iter().cloned().map(written).collect();
    seeds.extend(pairs.map(String::into_bytes));
    seeds
}

/// Reads an Authorization header, or the pair in one.
pub(crate) fn check_basic(input: &[u8]) -> Option<()> {
    let of_pair = format!("Basic {}", STANDARD.encode(input));
    let both = [
        HeaderValue::from_bytes(input),
        HeaderValue::try_from(of_pair),
    ];
    for value in both.into_iter().flatten() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.clone());
        let Ok(Some((username, secret))) = basic(&headers) else {
            continue;
        };
        let text = value.to_str().expect("it was read");
        let encoded = text.split_once(' ').expect("it has a scheme").1;
        let decoded = STANDARD.decode(encoded.trim()).expect("it was decoded");
        let pair = format!("{username}:{}", secret.expose());
        assert_eq!(pair.as_bytes(), decoded, "the pair is another one");
        let is_arn = username.starts_with("acs:") || username.starts_with("qcs:");
        assert!(is_arn || !username.contains(':'), "{username} has a colon");
        headers.append(header::AUTHORIZATION, value);
        assert!(basic(&headers).is_err(), "two log-ins pass");
    }
    Some(())
}
