//! Requests as text, as HTTP/1.1 has them, and the signed ones of the clouds' SDKs.

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri};
use serde_json::Value;

/// A signed request of an SDK.
pub(crate) struct Signed {
    /// The request, as [`parse`] reads it.
    pub(crate) text: Vec<u8>,
    /// The scheme's name in the vectors.
    pub(crate) scheme: String,
    /// The access key's id.
    pub(crate) access_key_id: String,
    /// The access key's secret.
    pub(crate) secret: String,
}

/// Reads a request: a line of method and target, a line a header, an empty line and the body.
///
/// Nothing for one that HTTP can't carry.
pub(crate) fn parse(text: &[u8]) -> Option<(Parts, &[u8])> {
    let end = text.windows(2).position(|pair| pair == b"\n\n")?;
    let mut lines = text[..end].split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(&first[..space]).ok()?;
    *request.uri_mut() = Uri::try_from(&first[space + 1..]).ok()?;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    Some((request.into_parts().0, &text[end + 2..]))
}

/// Writes a request as [`parse`] reads it.
fn write(method: &str, target: &str, headers: &[(String, String)], body: &str) -> Vec<u8> {
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"));
    format!("{method} {target}\n{}\n{body}", headers.collect::<String>()).into_bytes()
}

/// Returns the requests that the clouds' SDKs signed in this scheme.
pub(crate) fn signed(is_wanted: impl Fn(&str) -> bool) -> Vec<Signed> {
    let vectors = |file: &str| match serde_json::from_str::<Value>(file) {
        Ok(mut file) => file["vectors"].take(),
        Err(_) => Value::Null,
    };
    let tencent = vectors(include_str!("../../tests/vectors/tencent.json"));
    let alibaba = vectors(include_str!("../../tests/vectors/alibaba.json"));
    let tencent = tencent.as_array().into_iter().flatten().map(of_tencent);
    let alibaba = alibaba.as_array().into_iter().flatten().map(of_alibaba);
    let aws: Value =
        serde_json::from_str(include_str!("../../tests/vectors/ecr.json")).unwrap_or_default();
    let aws = aws.as_array().into_iter().flatten().filter_map(of_aws);
    let all = tencent.chain(alibaba).chain(aws);
    all.filter(|signed| is_wanted(&signed.scheme)).collect()
}

fn of_tencent(vector: &Value) -> Signed {
    let request = &vector["request"];
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        headers.push((name.to_ascii_lowercase(), text(value)));
    }
    if !headers.iter().any(|(name, _)| name == "host") {
        // The older scheme's vectors have none: it is the endpoint.
        let endpoint = text(&vector["endpoint_option"]);
        let is_default = endpoint == "(default)";
        let host = if is_default {
            "tcr.tencentcloudapi.com"
        } else {
            &endpoint
        };
        headers.push(("host".to_owned(), host.to_owned()));
    }
    let query = text(&request["query"]);
    let mark = if query.is_empty() { "" } else { "?" };
    let target = format!("{}{mark}{query}", text(&request["path"]));
    Signed {
        text: write(
            &text(&request["method"]),
            &target,
            &headers,
            &text(&request["body"]),
        ),
        scheme: text(&vector["signing"]),
        access_key_id: text(&vector["secret_id"]),
        secret: text(&vector["secret_key"]),
    }
}

fn of_alibaba(vector: &Value) -> Signed {
    let request = &vector["request"];
    let headers = request["headers"].as_array().into_iter().flatten();
    let headers: Vec<_> = headers
        .map(|pair| (text(&pair[0]), text(&pair[1])))
        .collect();
    let (method, target) = (text(&request["method"]), text(&request["target"]));
    Signed {
        text: write(&method, &target, &headers, &text(&request["body"])),
        scheme: text(&vector["scheme"]),
        access_key_id: text(&vector["credentials"]["access_key_id"]),
        secret: text(&vector["credentials"]["access_key_secret"]),
    }
}

/// Reads a request of AWS's clients; nothing of one that isn't signed.
fn of_aws(vector: &Value) -> Option<Signed> {
    vector["signature"].as_str()?;
    let secret = text(&vector["secret"]);
    if let Some(rest) = text(&vector["url"]).strip_prefix("http://") {
        let (host, query) = rest.split_once('/')?;
        let (_, credential) = query.split_once("X-Amz-Credential=")?;
        let headers = [("host".to_owned(), host.to_owned())];
        return Some(Signed {
            text: write("GET", &format!("/{query}"), &headers, ""),
            scheme: "AWS4-QUERY".to_owned(),
            access_key_id: credential.split_once("%2F")?.0.to_owned(),
            secret,
        });
    }
    let headers = vector["headers"].as_array().into_iter().flatten();
    let headers: Vec<_> = headers
        .map(|pair| (text(&pair[0]), text(&pair[1])))
        .collect();
    let (method, path) = (text(&vector["method"]), text(&vector["path"]));
    Some(Signed {
        text: write(&method, &path, &headers, &text(&vector["body"])),
        scheme: "AWS4-HMAC-SHA256".to_owned(),
        access_key_id: text(&vector["access_key_id"]),
        secret,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
