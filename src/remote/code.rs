//! The authorization code flow with PKCE (OpenID Connect Core 3.1, RFC 6749 4.1, RFC 7636): where a
//! browser is sent, and the token that its code is redeemed for.
//!
//! Nothing that an issuer answers is believed here: the token is for somebody else to verify.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::oidc::described;
use super::{Client, Failure};

/// The most bytes of the answer with the token.
const ANSWER_BYTES: usize = 128 << 10;
/// The most characters of an issuer's word for a refusal.
const MAX_WORD: usize = 64;

/// The places of an issuer for browsers and codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Where browsers are sent.
    authorization: Url,
    /// Where codes are redeemed.
    token: Url,
    /// Whether the client's secret stands in the form, and not in a header.
    posts_secret: bool,
    /// Whether each of its answers names the issuer (RFC 9207).
    pub names_issuer: bool,
}

/// An issuer's description, as far as it is read for log-ins.
#[derive(Deserialize)]
struct Description {
    authorization_endpoint: String,
    token_endpoint: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
}

/// Reads where an issuer has browsers log in.
///
/// # Errors
///
/// Every [`Failure`] of the request; [`Failure::Unexpected`] for a description that isn't the
/// issuer's own, names no such places, or leaves S256 out of its list.
pub async fn find_endpoints(client: &Client, issuer: &str) -> Result<Endpoints, Failure> {
    let (answer, _) = described(client, issuer).await?;
    let unexpected = |what: String| Failure::Unexpected {
        url: answer.place.to_string(),
        what,
    };
    let description: Description = serde_json::from_slice(&answer.body)
        .map_err(|error| unexpected(format!("with no description of log-ins: {error}")))?;
    let methods = description.code_challenge_methods_supported;
    if methods.is_some_and(|methods| !methods.iter().any(|one| one == "S256")) {
        return Err(unexpected(
            "that it takes no code challenge of S256".to_owned(),
        ));
    }
    let methods = description.token_endpoint_auth_methods_supported;
    // Without a list it is the header (Discovery, 3).
    let has = |methods: &[String], wanted: &str| methods.iter().any(|one| one == wanted);
    let posts_secret = methods.is_some_and(|methods| {
        has(&methods, "client_secret_post") && !has(&methods, "client_secret_basic")
    });
    Ok(Endpoints {
        authorization: client.read_url(&description.authorization_endpoint)?,
        token: client.check_url(&description.token_endpoint)?,
        posts_secret,
        names_issuer: description.authorization_response_iss_parameter_supported == Some(true),
    })
}

/// The question with which a browser is sent to the issuer.
pub struct Question<'a> {
    /// The name of this service at the issuer.
    pub client_id: &'a str,
    /// The exact address to which the issuer leads back.
    pub redirect: &'a str,
    /// The scopes, divided by spaces.
    pub scope: &'a str,
    /// The word that comes back with the answer.
    pub state: &'a str,
    /// The word that comes back in the token.
    pub nonce: &'a str,
    /// The hash of the verifier.
    pub challenge: &'a str,
    /// Whether the person proves itself, even where the issuer knows it already.
    pub asks_proof: bool,
}

impl Endpoints {
    /// Returns where a browser is sent.
    pub fn place(&self, question: &Question<'_>) -> Url {
        let mut place = self.authorization.clone();
        let mut pairs = place.query_pairs_mut();
        pairs
            .append_pair("response_type", "code")
            .append_pair("client_id", question.client_id)
            .append_pair("redirect_uri", question.redirect)
            .append_pair("scope", question.scope)
            .append_pair("state", question.state)
            .append_pair("nonce", question.nonce)
            .append_pair("code_challenge", question.challenge)
            .append_pair("code_challenge_method", "S256");
        if question.asks_proof {
            // By max_age the issuer has to say when (OpenID Connect Core, 3.1.2.1).
            pairs
                .append_pair("prompt", "login")
                .append_pair("max_age", "0");
        }
        drop(pairs);
        place
    }
}

/// A code, and what proves who redeems it.
pub struct Code<'a> {
    /// The code as the browser brought it.
    pub code: &'a str,
    /// The secret of this log-in.
    pub verifier: &'a str,
    /// The address to which the issuer led back.
    pub redirect: &'a str,
    /// The name of this service at the issuer.
    pub client_id: &'a str,
    /// The secret of this service, unless it has none there.
    pub client_secret: Option<&'a str>,
}

/// An issuer's answer to a code.
#[derive(Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// The token about the person.
    Token(String),
    /// The issuer's word for its refusal, such as `invalid_grant`.
    Refused(String),
}

#[derive(Deserialize)]
struct Answer {
    id_token: Option<String>,
    error: Option<String>,
}

/// Redeems a code for the token about the person.
///
/// # Errors
///
/// Every [`Failure`] of the request; [`Failure::Unexpected`] for an answer without a token.
pub async fn redeem(
    client: &Client,
    endpoints: &Endpoints,
    code: &Code<'_>,
) -> Result<Redeemed, Failure> {
    let place = &endpoints.token;
    let unexpected = |what: String| Failure::Unexpected {
        url: place.to_string(),
        what,
    };
    let (headers, body) = form(endpoints, code).map_err(unexpected)?;
    let answer = client.post(place, headers, body, ANSWER_BYTES).await?;
    let status = answer.status();
    let Ok(read) = serde_json::from_slice::<Answer>(answer.body()) else {
        return Err(unexpected(format!("{status} with no answer to a code")));
    };
    match (status, read.id_token, read.error) {
        (StatusCode::OK, Some(token), _) => Ok(Redeemed::Token(token)),
        (StatusCode::OK, None, _) => Err(unexpected("without an id_token".to_owned())),
        (status, _, Some(error)) if status.is_client_error() => {
            Ok(Redeemed::Refused(word(&error).to_owned()))
        }
        (status, ..) => Err(unexpected(status.to_string())),
    }
}

/// Returns an issuer's word for a refusal, if it is one; anybody may have written it.
pub fn word(error: &str) -> &str {
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    if (1..=MAX_WORD).contains(&error.len()) && error.chars().all(is_word) {
        error
    } else {
        "something that is no word"
    }
}

/// Writes the request for a token.
fn form(endpoints: &Endpoints, code: &Code<'_>) -> Result<(HeaderMap, Bytes), String> {
    let mut headers = HeaderMap::from_iter([
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        ),
        (header::ACCEPT, HeaderValue::from_static("application/json")),
    ]);
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code.code)
        .append_pair("redirect_uri", code.redirect)
        .append_pair("code_verifier", code.verifier);
    match code.client_secret {
        Some(secret) if !endpoints.posts_secret => {
            // Each encoded as in a form (RFC 6749, 2.3.1).
            let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encode(code.client_id), encode(secret));
            let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
                .map_err(|_| "nothing, for the client's secret can't be sent".to_owned())?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Some(secret) => {
            form.append_pair("client_id", code.client_id)
                .append_pair("client_secret", secret);
        }
        None => {
            form.append_pair("client_id", code.client_id);
        }
    }
    Ok((headers, form.finish().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(posts_secret: bool) -> Endpoints {
        let url = |text: &str| Url::parse(text).unwrap();
        Endpoints {
            authorization: url("https://issuer.example.com/authorize?tenant=a"),
            token: url("https://issuer.example.com/token"),
            posts_secret,
            names_issuer: false,
        }
    }

    fn code(client_secret: Option<&'static str>) -> Code<'static> {
        Code {
            code: "EXAMPLE-code",
            verifier: "EXAMPLE-verifier",
            redirect: "https://console.example.com/console/log-in/sso",
            client_id: "transire:console",
            client_secret,
        }
    }

    #[test]
    fn a_browser_is_sent_with_all_that_the_issuer_needs_and_nothing_of_the_verifier() {
        let place = |asks_proof| {
            endpoints(false).place(&Question {
                client_id: "transire:console",
                redirect: "https://console.example.com/console/log-in/sso",
                scope: "openid profile",
                state: "s",
                nonce: "n",
                challenge: "c",
                asks_proof,
            })
        };
        assert_eq!(
            place(false).as_str(),
            "https://issuer.example.com/authorize?tenant=a&response_type=code&client_id=\
             transire%3Aconsole&redirect_uri=https%3A%2F%2Fconsole.example.com%2Fconsole%2Flog-in%2F\
             sso&scope=openid+profile&state=s&nonce=n&code_challenge=c&code_challenge_method=S256"
        );
        assert!(place(true).as_str().ends_with("&prompt=login&max_age=0"));
    }

    #[test]
    fn a_secret_stands_in_one_place_and_a_public_client_names_itself() {
        let (headers, body) = form(&endpoints(false), &code(Some("EXAMPLE:secret"))).unwrap();
        let basic = STANDARD.encode("transire%3Aconsole:EXAMPLE%3Asecret");
        assert_eq!(headers[header::AUTHORIZATION], format!("Basic {basic}"));
        assert!(headers[header::AUTHORIZATION].is_sensitive());
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(
            text,
            "grant_type=authorization_code&code=EXAMPLE-code&redirect_uri=https%3A%2F%2Fconsole.\
             example.com%2Fconsole%2Flog-in%2Fsso&code_verifier=EXAMPLE-verifier"
        );
        let (headers, body) = form(&endpoints(true), &code(Some("EXAMPLE:secret"))).unwrap();
        assert!(!headers.contains_key(header::AUTHORIZATION));
        let ending = b"&client_id=transire%3Aconsole&client_secret=EXAMPLE%3Asecret";
        assert!(body.ends_with(ending));
        let (headers, body) = form(&endpoints(false), &code(None)).unwrap();
        assert!(!headers.contains_key(header::AUTHORIZATION));
        assert!(body.ends_with(b"&client_id=transire%3Aconsole"));
    }

    #[test]
    fn a_refusal_is_a_word_or_nothing_of_it_is_repeated() {
        assert_eq!(word("access_denied"), "access_denied");
        for other in ["", "<b>", "Access denied", &"x".repeat(65)] {
            assert_eq!(word(other), "something that is no word");
        }
    }
}
