//! Shared by the schemes' tests: the vectors, and a request that can be changed.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Request, SigningSecret, Unverified};
use crate::domain::Result;
use crate::domain::secret::Secret;

/// A request that owns its parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Captured {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) host: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Captured {
    pub(super) fn new(
        method: &str,
        target: &str,
        host: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut captured = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            host: host.to_owned(),
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        };
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("host") {
                captured.host = (*value).to_owned();
            } else {
                captured.append(name, value);
            }
        }
        captured
    }

    pub(super) fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            host: &self.host,
            headers: &self.headers,
            body: &self.body,
        }
    }

    pub(super) fn append(&mut self, name: &str, value: &str) {
        self.headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.headers.insert(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }

    /// Returns every request that differs from this one in one byte, with what was changed, except
    /// in the `uncovered` parts (`method`, `path`, `query`, `host`, `body`, or a header's name).
    ///
    /// Headers whose names are changed and bytes that no HTTP message can hold are left out.
    pub(super) fn mutations(&self, uncovered: &[&str]) -> Vec<(String, Self)> {
        let mut all = Vec::new();
        for mask in [1, 4] {
            let mut vary =
                |part: &str, bytes: &[u8], put: &dyn Fn(&mut Self, &[u8]) -> Option<()>| {
                    if uncovered.contains(&part) {
                        return;
                    }
                    for place in 0..bytes.len() {
                        let mut changed = bytes.to_vec();
                        changed[place] ^= mask;
                        let mut other = self.clone();
                        if put(&mut other, &changed).is_some() {
                            all.push((format!("{part}[{place}] ^ {mask}"), other));
                        }
                    }
                };
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
            vary("method", self.method.as_bytes(), &|other, bytes| {
                text(bytes).map(|text| other.method = text)
            });
            vary("path", self.path.as_bytes(), &|other, bytes| {
                text(bytes).map(|text| other.path = text)
            });
            vary("query", self.query.as_bytes(), &|other, bytes| {
                text(bytes).map(|text| other.query = text)
            });
            vary("host", self.host.as_bytes(), &|other, bytes| {
                text(bytes).map(|text| other.host = text)
            });
            vary("body", &self.body, &|other, bytes| {
                other.body = bytes.to_vec();
                Some(())
            });
            for (name, value) in &self.headers {
                vary(name.as_str(), value.as_bytes(), &|other, bytes| {
                    other
                        .headers
                        .insert(name, HeaderValue::from_bytes(bytes).ok()?);
                    Some(())
                });
            }
        }
        all
    }
}

/// A vector: what was sent, and everything that is known of it.
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) scheme: String,
    pub(super) json: serde_json::Value,
    pub(super) captured: Captured,
}

impl Vector {
    /// Returns a field by name, or by JSON pointer.
    pub(super) fn text(&self, field: &str) -> &str {
        let value = if field.starts_with('/') {
            self.json.pointer(field)
        } else {
            self.json.get(field)
        };
        value
            .and_then(serde_json::Value::as_str)
            .unwrap_or_else(|| panic!("{} has no {field}", self.name))
    }
}

/// The vectors of Tencent's SDKs.
pub(super) fn tencent_vectors() -> Vec<Vector> {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/vectors/tencent.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap().iter().map(|json| {
        let request = &json["request"];
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        // The older scheme's vectors have no Host header: it is the endpoint.
        let endpoint = text(&json["endpoint_option"]);
        let host = if endpoint == "(default)" {
            "tcr.tencentcloudapi.com".to_owned()
        } else {
            endpoint
        };
        let headers: Vec<(&str, &str)> = request["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let target = format!("{}?{}", text(&request["path"]), text(&request["query"]));
        Vector {
            name: text(&json["name"]),
            scheme: text(&json["signing"]),
            captured: Captured::new(
                &text(&request["method"]),
                &target,
                &host,
                &headers,
                &text(&request["body"]),
            ),
            json: json.clone(),
        }
    });
    let vectors: Vec<Vector> = vectors.collect();
    assert_eq!(vectors.len(), 29);
    vectors
}

/// The vectors of Alibaba's SDKs of one scheme.
pub(super) fn alibaba_vectors(scheme: &str) -> Vec<Vector> {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/vectors/alibaba.json")).unwrap();
    let vectors = file["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|json| json["scheme"] == scheme)
        .map(|json| {
            let request = &json["request"];
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let pair = |pair: &serde_json::Value| (text(&pair[0]), text(&pair[1]));
            let headers: Vec<(String, String)> = request["headers"]
                .as_array()
                .unwrap()
                .iter()
                .map(pair)
                .collect();
            let headers: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            Vector {
                name: text(&json["id"]),
                scheme: scheme.to_owned(),
                captured: Captured::new(
                    &text(&request["method"]),
                    &text(&request["target"]),
                    "",
                    &headers,
                    &text(&request["body"]),
                ),
                json: json.clone(),
            }
        });
    vectors.collect()
}

/// The signed requests of AWS's clients, in headers and in a query.
pub(super) fn aws_vectors() -> Vec<Vector> {
    let file: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../tests/vectors/ecr.json")).unwrap();
    let is_signed = |json: &&serde_json::Value| json["signature"].is_string();
    let vectors = file.iter().filter(is_signed).map(|json| {
        let text = |field: &str| json[field].as_str().unwrap_or_default().to_owned();
        let headers = json["headers"].as_array().into_iter().flatten();
        let headers: Vec<(&str, &str)> = headers
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let url = text("url");
        let (scheme, host, target) = match url.strip_prefix("http://") {
            Some(rest) => {
                let (host, _) = rest.split_once('/').unwrap();
                ("AWS4-QUERY", host, &rest[host.len()..])
            }
            None => ("AWS4-HMAC-SHA256", "", ""),
        };
        let path = text("path");
        let target = if target.is_empty() { &path } else { target };
        Vector {
            name: format!("{} {}", text("client"), text("signature")),
            scheme: scheme.to_owned(),
            captured: Captured::new(&text("method"), target, host, &headers, &text("body")),
            json: json.clone(),
        }
    });
    let vectors: Vec<Vector> = vectors.collect();
    assert_eq!(vectors.len(), 11);
    vectors
}

/// Returns one of Alibaba's published examples.
pub(super) fn alibaba_published(id: &str) -> serde_json::Value {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/vectors/alibaba.json")).unwrap();
    let published = file["published_vectors"].as_array().unwrap();
    published
        .iter()
        .find(|json| json["id"] == id)
        .unwrap_or_else(|| panic!("no {id}"))
        .clone()
}

pub(super) fn secret(text: &str) -> SigningSecret {
    SigningSecret::new(Secret::new(text))
}

/// Asserts that the signature holds, that it doesn't under another secret, and that no change of a
/// covered byte goes unseen.
pub(super) fn assert_holds_as_it_is_alone(
    name: &str,
    captured: &Captured,
    secret_text: &str,
    uncovered: &[&str],
    read: impl Fn(&Request<'_>) -> Result<Unverified>,
) {
    let key = secret(secret_text);
    let unverified = read(&captured.request()).unwrap_or_else(|error| panic!("{name}: {error}"));
    unverified
        .verify(&key)
        .unwrap_or_else(|error| panic!("{name}: {error} {:?}", error.kind()));
    let (at, window) = (unverified.signed_at(), unverified.window());
    for (shift, fits) in [(window, true), (window + Duration::from_millis(1), false)] {
        for now in [at.plus(shift), at.minus(shift)] {
            assert_eq!(
                unverified.check_time(now).is_ok(),
                fits,
                "{name} at {now:?}"
            );
        }
    }
    for wrong in [
        format!("{secret_text}x"),
        secret_text.to_lowercase(),
        String::new(),
    ]
    .iter()
    .filter(|wrong| *wrong != secret_text)
    {
        assert!(
            unverified.verify(&secret(wrong)).is_err(),
            "{name} verified under another secret"
        );
    }
    let mutations = captured.mutations(uncovered);
    assert!(
        mutations.len() > 100,
        "{name} has {} mutations only",
        mutations.len()
    );
    for (change, other) in mutations {
        // Another access key's id leads to another secret, so this one is not asked.
        let accepted = read(&other.request()).is_ok_and(|other| {
            other.access_key_id == unverified.access_key_id && other.verify(&key).is_ok()
        });
        assert!(!accepted, "{name} still verified after {change}: {other:?}");
    }
}
