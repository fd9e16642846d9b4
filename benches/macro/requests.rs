//! The requests, signed beforehand and laid out as the bytes that go to the socket.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, header};
use transire::client::signed;
use transire::domain::clock::{Clock, SystemClock, SystemRandom, random_bytes};
use transire::sign::{self, Parameters, Signer, sigv4};

use crate::Result;
use crate::connection::Expected;
use crate::limit::Role;
use crate::store::{Credential, Data, Tenant};

/// A registry user, for the comparison with a password file.
pub(crate) const REGISTRY_USER: &str = "bench";
const REGISTRY_PASSWORD: &str = "bench-EXAMPLE-password";
/// That password under bcrypt at cost 5, which is what `htpasswd -B` takes unless told otherwise.
pub(crate) const REGISTRY_HASH: &str =
    "$2b$05$abcdefghijklmnopqrstuuWz6j1xCnwRKfYWjpgqHNQAGrWQv0ptu";

/// The host that clients sign: without a port, as of a deployment behind a name.
const HOST: &str = "transire.example.com";
/// More requests than any server here answers in a second.
const MAX_PER_SECOND: f64 = 80_000.0;

/// The rate of requests.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Each as soon as its connection is free.
    FlatOut,
    /// This many a second over all connections.
    PerSecond(f64),
}

/// The temporary credentials that are exchanged.
pub(crate) struct Credentials {
    /// Of each account's root.
    pub(crate) of_roots: Vec<Credential>,
    /// Of the roles that jobs have.
    pub(crate) of_roles: Vec<Credential>,
}

/// An operation that is measured.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Operation {
    /// `CreateInstanceToken`, signed with TC3 in a POST.
    IssueTencent,
    /// `GetAuthorizationToken`, signed with ACS3 in a POST.
    IssueAlibaba,
    /// ECR's `GetAuthorizationToken`, signed with Signature Version 4 in a POST.
    IssueAmazon,
    /// `GET /token` with a temporary credential and one scope, another for each request.
    Exchange,
    /// The same with the same scope again and again.
    ExchangeAgain,
    /// The same with a temporary credential of a role.
    ExchangeOfRole,
    /// The same with the OpenID Connect token of a job, which has that role and whose key is known.
    ExchangeJobToken,
}

impl Operation {
    pub(crate) const ALL: [Self; 7] = [
        Self::IssueTencent,
        Self::IssueAlibaba,
        Self::IssueAmazon,
        Self::Exchange,
        Self::ExchangeAgain,
        Self::ExchangeOfRole,
        Self::ExchangeJobToken,
    ];

    /// Returns its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::IssueTencent => "issue (Tencent, TC3)",
            Self::IssueAlibaba => "issue (Alibaba, ACS3)",
            Self::IssueAmazon => "issue (Amazon, SigV4)",
            Self::Exchange => "exchange for a token",
            Self::ExchangeAgain => "the same exchange again",
            Self::ExchangeOfRole => "exchange as a role",
            Self::ExchangeJobToken => "exchange of a job's token",
        }
    }

    /// Returns the server that does its cryptography and nothing else.
    pub(crate) fn limit(self) -> Role {
        match self {
            Self::IssueTencent => Role::IssueTencent,
            Self::IssueAlibaba => Role::IssueAlibaba,
            Self::IssueAmazon => Role::IssueAmazon,
            Self::Exchange | Self::ExchangeAgain | Self::ExchangeOfRole => Role::Exchange,
            Self::ExchangeJobToken => Role::ExchangeJobToken,
        }
    }

    /// Returns the mark of a good answer.
    pub(crate) fn expected(self) -> Expected {
        Expected::Body(match self {
            Self::IssueTencent => r#""Token":"trst_"#,
            Self::IssueAlibaba => r#""AuthorizationToken":"trst_"#,
            // `AWS:trst_` in Base64.
            Self::IssueAmazon => r#""authorizationToken":"QVdTOnRyc3Rf"#,
            Self::Exchange
            | Self::ExchangeAgain
            | Self::ExchangeOfRole
            | Self::ExchangeJobToken => r#""token":"ey"#,
        })
    }

    /// Makes as many requests as a server can be sent in that time at that pace, over all accounts
    /// in turn.
    pub(crate) fn requests(
        self,
        data: &Data,
        credentials: &Credentials,
        time: Duration,
        pace: Pace,
    ) -> Result<Vec<Vec<u8>>> {
        let per_second = match pace {
            Pace::FlatOut => MAX_PER_SECOND,
            Pace::PerSecond(rate) => rate,
        };
        let count = (time.as_secs_f64() * per_second).ceil() as usize;
        (0..count)
            .map(|number| self.request(data, credentials, number))
            .collect()
    }

    /// Returns the number in the repository's name: only the same request is remembered.
    fn repository(self, number: usize) -> usize {
        if self == Self::ExchangeAgain {
            0
        } else {
            number
        }
    }

    /// Makes a request for the account of that number; no two signed ones are alike.
    pub(crate) fn request(
        self,
        data: &Data,
        credentials: &Credentials,
        number: usize,
    ) -> Result<Vec<u8>> {
        let place = number % data.tenants.len();
        match self {
            Self::IssueTencent => create_instance_token(&data.tenants[place]),
            Self::IssueAlibaba => get_authorization_token(&data.tenants[place]),
            Self::IssueAmazon => get_ecr_authorization_token(&data.tenants[place]),
            Self::Exchange | Self::ExchangeAgain => {
                let credential = &credentials.of_roots[place];
                Ok(token(
                    &data.tenants[place],
                    credential,
                    self.repository(number),
                ))
            }
            Self::ExchangeOfRole => {
                let place = place % credentials.of_roles.len();
                let credential = &credentials.of_roles[place];
                Ok(token(
                    &data.tenants[place],
                    credential,
                    self.repository(number),
                ))
            }
            Self::ExchangeJobToken => {
                let place = place % data.job_log_ins.len();
                let log_in = &data.job_log_ins[place];
                Ok(token(&data.tenants[place], log_in, self.repository(number)))
            }
        }
    }
}

/// Signs a `CreateInstanceToken` as the Python SDK does.
pub(crate) fn create_instance_token(tenant: &Tenant) -> Result<Vec<u8>> {
    let description = hex::encode(random_bytes::<8>(&SystemRandom));
    let registry_id = tenant.instance.id.as_str();
    let body = format!(
        r#"{{"RegistryId": "{registry_id}", "TokenType": "temp", "Desc": "{description}"}}"#
    );
    let mut request = signed::tencent(
        signed::Operation::CREATE_INSTANCE_TOKEN,
        HOST,
        body.into_bytes(),
        &signer(tenant),
        SystemClock.now(),
    )?;
    request.headers.insert(
        "x-tc-requestclient",
        HeaderValue::from_static("SDK_PYTHON_3.0.1200"),
    );
    Ok(written(
        "POST",
        &request.target,
        &request.headers,
        &request.body,
    ))
}

/// Signs a `GetAuthorizationToken` as the present SDKs do.
fn get_authorization_token(tenant: &Tenant) -> Result<Vec<u8>> {
    let mut parameters = Parameters::default();
    parameters.set("InstanceId", tenant.instance.cri_id.as_str());
    let nonce = hex::encode(random_bytes::<16>(&SystemRandom));
    let mut request = signed::alibaba(
        signed::Operation::GET_AUTHORIZATION_TOKEN,
        HOST,
        &parameters,
        &signer(tenant),
        (SystemClock.now(), &nonce),
    )?;
    let json = HeaderValue::from_static("application/json");
    request.headers.insert(header::ACCEPT, json);
    Ok(written(
        "POST",
        &request.target,
        &request.headers,
        &request.body,
    ))
}

/// Signs ECR's `GetAuthorizationToken` as botocore does. Calls of one second are alike but for the
/// id that botocore gives each and doesn't sign, as they are at its users.
fn get_ecr_authorization_token(tenant: &Tenant) -> Result<Vec<u8>> {
    const BODY: &[u8] = b"{}";
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/x-amz-json-1.1");
    headers.insert(header::CONTENT_TYPE, json);
    let target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
    headers.insert("x-amz-target", HeaderValue::from_static(target));
    let request = sign::Request {
        method: "POST",
        path: "/",
        query: "",
        host: HOST,
        headers: &headers,
        body: BODY,
    };
    let scope = ("us-east-1", "ecr");
    let added = sigv4::sign(&request, scope, &signer(tenant), SystemClock.now())?;
    headers.extend(added);
    let call = hex::encode(random_bytes::<16>(&SystemRandom));
    headers.insert("amz-sdk-invocation-id", HeaderValue::from_str(&call)?);
    Ok(written("POST", "/", &headers, BODY))
}

/// Asks for a token as docker does before a push.
fn token(tenant: &Tenant, credential: &Credential, repository: usize) -> Vec<u8> {
    let Credential { username, secret } = credential;
    let service = &tenant.instance.service;
    let target = format!(
        "/token?account={username}&scope=repository%3Ateam%2Fapp-{repository:08}%3Apull%2Cpush\
         &service={service}"
    );
    let mut headers = HeaderMap::new();
    let basic = STANDARD.encode(format!("{username}:{secret}"));
    // Base64 is always fit for a header.
    headers.extend(
        HeaderValue::from_str(&format!("Basic {basic}"))
            .map(|value| (header::AUTHORIZATION, value)),
    );
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static("docker/28.0.0 go/go1.24.0"),
    );
    written("GET", &target, &headers, b"")
}

/// Exchanges a job's token for a temporary credential of its role.
pub(crate) fn role_credential(tenant: &Tenant, log_in: &Credential) -> Vec<u8> {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("subject_token", &*log_in.secret),
            ("role", &*log_in.username),
            ("audience", &*tenant.instance.service),
        ])
        .finish();
    let mut headers = HeaderMap::new();
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, form_type);
    written("POST", "/oauth/token", &headers, form.as_bytes())
}

/// Logs in to a registry that checks a password file.
pub(crate) fn registry_log_in(address: SocketAddr) -> Vec<u8> {
    let basic = STANDARD.encode(format!("{REGISTRY_USER}:{REGISTRY_PASSWORD}"));
    format!("GET /v2/ HTTP/1.1\r\nhost: {address}\r\nauthorization: Basic {basic}\r\n\r\n")
        .into_bytes()
}

fn signer(tenant: &Tenant) -> Signer<'_> {
    Signer {
        access_key_id: &tenant.access_key_id,
        secret: &tenant.secret,
        session_token: None,
    }
}

fn written(method: &str, target: &str, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nhost: {HOST}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    if method == "POST" {
        // Writing to a String can't fail.
        write!(text, "content-length: {}\r\n", body.len()).unwrap_or_default();
    }
    text += "\r\n";
    [text.as_bytes(), body].concat()
}
