//! Requests to the clouds' APIs, signed as their own SDKs sign them.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::client::headers;
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::sign::{self, Parameters, Signer, acs3, tc3};

/// The region that Tencent's API is asked for: a service has one of each name.
const REGION: &str = "ap-guangzhou";

/// An operation of a cloud's API.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The product, by which Tencent's signature is scoped.
    pub product: &'static str,
    /// The version of the product's API.
    pub version: &'static str,
    /// The operation's name.
    pub action: &'static str,
}

impl Operation {
    /// Issues a credential, at Tencent's TCR.
    pub const CREATE_INSTANCE_TOKEN: Self = Self {
        product: "tcr",
        version: "2019-09-24",
        action: "CreateInstanceToken",
    };
    /// Lists instances, at Tencent's TCR.
    pub const DESCRIBE_INSTANCES: Self = Self {
        action: "DescribeInstances",
        ..Self::CREATE_INSTANCE_TOKEN
    };
    /// Says who calls, at Tencent's STS.
    pub const TENCENT_CALLER_IDENTITY: Self = Self {
        product: "sts",
        version: "2018-08-13",
        action: "GetCallerIdentity",
    };
    /// Issues a credential, at Alibaba's ACR.
    pub const GET_AUTHORIZATION_TOKEN: Self = Self {
        product: "cr",
        version: "2018-12-01",
        action: "GetAuthorizationToken",
    };
    /// Says who calls, at Alibaba's STS.
    pub const ALIBABA_CALLER_IDENTITY: Self = Self {
        product: "Sts",
        version: "2015-04-01",
        action: "GetCallerIdentity",
    };
}

/// A signed `POST`.
#[derive(Debug)]
pub struct SignedRequest {
    /// The path, and the query behind it.
    pub target: String,
    /// All headers but `Host`, which is the signed one.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// Signs a call of Tencent's API with TC3-HMAC-SHA256; `body` is the parameters' JSON.
///
/// # Errors
/// `Internal` for what can't be in a header.
pub fn tencent(
    operation: Operation,
    host: &str,
    body: Vec<u8>,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<SignedRequest> {
    let mut sent = HeaderMap::new();
    sent.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    sent.insert("x-tc-action", HeaderValue::from_static(operation.action));
    sent.insert("x-tc-version", HeaderValue::from_static(operation.version));
    sent.insert("x-tc-region", HeaderValue::from_static(REGION));
    sent.insert("x-tc-timestamp", HeaderValue::from(now.unix_seconds()));
    if let Some(token) = signer.session_token {
        sent.insert("x-tc-token", headers::secret(token)?);
    }
    let request = sign::Request {
        method: "POST",
        path: "/",
        query: "",
        host,
        headers: &sent,
        body: &body,
    };
    let signed = "content-type;host";
    let authorization = tc3::authorization(&request, signed, operation.product, signer, now)?;
    sent.insert(AUTHORIZATION, headers::secret(&authorization)?);
    Ok(SignedRequest {
        target: "/".to_owned(),
        headers: sent,
        body,
    })
}

/// Signs a call of Alibaba's API with ACS3-HMAC-SHA256, its parameters in the query.
///
/// # Errors
/// `Internal` for what can't be in a header.
pub fn alibaba(
    operation: Operation,
    host: &str,
    parameters: &Parameters,
    signer: &Signer<'_>,
    (now, nonce): (Timestamp, &str),
) -> Result<SignedRequest> {
    let query = parameters.encode();
    let request = sign::Request {
        method: "POST",
        path: "/",
        query: &query,
        host,
        headers: &HeaderMap::new(),
        body: b"",
    };
    let (action, version) = (operation.action, operation.version);
    let headers = acs3::sign(&request, action, version, signer, now, nonce)?;
    let target = if query.is_empty() {
        "/".to_owned()
    } else {
        format!("/?{query}")
    };
    Ok(SignedRequest {
        target,
        headers,
        body: Vec::new(),
    })
}
