//! The OpenID Connect token that a job already holds.
//!
//! It is found in this order: the file or the variable that the user names, the file of
//! `TRANSIRE_OIDC_TOKEN_FILE`, the variable `TRANSIRE_ID_TOKEN` (as in GitLab's `id_tokens`), the
//! projected file of a Kubernetes pod, and GitHub's and Forgejo's request URL. A pod's usual token
//! is never taken: its audience is the API server.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;

use crate::client::environment::{Environment, read, read_if_there};
use crate::client::headers;
use crate::client::profile::RegistryProfile;
use crate::domain::clock::Timestamp;
use crate::domain::secret::Secret;
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Result};
use crate::remote;

/// The path that a pod's projected token is mounted at, by this project's documents.
const PROJECTED: &str = "/var/run/secrets/transire/token";
/// The most bytes of the answer with a token.
const MAX_ANSWER: usize = 64 << 10;

/// A job's token, and where it was found.
#[derive(Debug)]
pub struct JobToken {
    /// The token.
    pub token: Secret,
    /// The place where it was found, for people.
    pub source: String,
}

/// Where to look for a job's token.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file that the user names.
    pub file: Option<PathBuf>,
    /// The variable that the user names.
    pub variable: Option<String>,
    /// The audience of a token that is asked for.
    pub audience: Option<String>,
}

impl Sources {
    /// Adds what the profile of the registry says, where the command says nothing.
    #[must_use]
    pub fn or_of(mut self, profile: Option<&RegistryProfile>) -> Self {
        let Some(profile) = profile else { return self };
        if self.file.is_none() && self.variable.is_none() {
            self.file.clone_from(&profile.oidc_token_file);
            self.variable.clone_from(&profile.oidc_token_env);
        }
        self.audience = self.audience.or_else(|| profile.audience.clone());
        self
    }

    /// Finds the job's token, or asks the job's own platform for one; none where the process is no
    /// job.
    ///
    /// # Errors
    /// `Misconfigured` for a named place without a token, for a platform that gives none, and for a
    /// missing audience.
    pub async fn find(
        &self,
        environment: &Environment,
        client: &remote::Client,
    ) -> Result<Option<JobToken>> {
        if let Some(file) = &self.file {
            return of_file(file, &read(file)?).map(Some);
        }
        if let Some(name) = &self.variable {
            let token = environment.variable(name).ok_or_else(|| {
                Error::misconfigured(format!("the variable {name} holds no OpenID Connect token"))
            })?;
            return Ok(Some(of_variable(name, token)));
        }
        if let Some(file) = environment.variable("TRANSIRE_OIDC_TOKEN_FILE") {
            let file = Path::new(file);
            return of_file(file, &read(file)?).map(Some);
        }
        if let Some(token) = environment.variable("TRANSIRE_ID_TOKEN") {
            return Ok(Some(of_variable("TRANSIRE_ID_TOKEN", token)));
        }
        if let Some(text) = read_if_there(Path::new(PROJECTED))? {
            return of_file(Path::new(PROJECTED), &text).map(Some);
        }
        match RequestUrl::of_job(environment) {
            Some(request) => self.ask(&request, client).await.map(Some),
            None => Ok(None),
        }
    }

    /// Asks GitHub, or who speaks as it does, for a token of the wanted audience.
    async fn ask(&self, request: &RequestUrl<'_>, client: &remote::Client) -> Result<JobToken> {
        let audience = self.audience.as_deref().ok_or_else(|| {
            Error::misconfigured(
                "the job can ask for an OpenID Connect token: say for which --audience, which the \
                 provider has among its audiences",
            )
        })?;
        let platform = |why: &str| {
            Error::misconfigured(format!(
                "the job's platform gives no OpenID Connect token: {why}"
            ))
        };
        let url = request.for_audience(audience)?;
        let mut sent = HeaderMap::new();
        let bearer = headers::secret(&format!("Bearer {}", request.token))
            .map_err(|_| platform("ACTIONS_ID_TOKEN_REQUEST_TOKEN can't be in a header"))?;
        sent.insert(AUTHORIZATION, bearer);
        sent.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = client
            .get(&url, sent, MAX_ANSWER)
            .await
            .map_err(|failure| platform("it does not answer").caused_by(failure))?;
        if answer.status() != StatusCode::OK {
            let why = format!("it answers {}", answer.status());
            return Err(platform(&why));
        }
        let Answer { value } = serde_json::from_slice(answer.body())
            .map_err(|_| platform("its answer has no token"))?;
        Ok(JobToken {
            token: Secret::new(value),
            source: "the job's platform (ACTIONS_ID_TOKEN_REQUEST_URL)".to_owned(),
        })
    }
}

/// The answer of GitHub's request URL.
#[derive(Deserialize)]
struct Answer {
    value: String,
}

/// The place where a job of GitHub Actions, or of Forgejo, asks for its token.
struct RequestUrl<'a> {
    url: &'a str,
    token: &'a str,
}

impl<'a> RequestUrl<'a> {
    fn of_job(environment: &'a Environment) -> Option<Self> {
        Some(Self {
            url: environment.variable("ACTIONS_ID_TOKEN_REQUEST_URL")?,
            token: environment.variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?,
        })
    }

    fn for_audience(&self, audience: &str) -> Result<url::Url> {
        let refuse = |why: &str| {
            Error::misconfigured(format!("ACTIONS_ID_TOKEN_REQUEST_URL is not taken: {why}"))
        };
        let mut url = url::Url::parse(self.url).map_err(|_| refuse("it is no URL"))?;
        let origin = url.origin().ascii_serialization();
        let is_loopback = HttpUrl::parse(&origin).is_ok_and(|url| url.is_loopback());
        if url.scheme() != "https" && !is_loopback {
            return Err(refuse("it is not https"));
        }
        url.query_pairs_mut().append_pair("audience", audience);
        Ok(url)
    }
}

fn of_variable(name: &str, token: &str) -> JobToken {
    JobToken {
        token: Secret::new(token.trim()),
        source: format!("the variable {name}"),
    }
}

fn of_file(path: &Path, text: &str) -> Result<JobToken> {
    let token = text.trim();
    if token.is_empty() {
        return Err(Error::misconfigured(format!("{} is empty", path.display())));
    }
    Ok(JobToken {
        token: Secret::new(token),
        source: format!("the file {}", path.display()),
    })
}

/// Returns when a token says that it ends; nothing is verified.
pub fn expiry(token: &Secret) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let claims = token.expose().split('.').nth(1)?;
    let text = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let Claims { exp } = serde_json::from_slice(&text).ok()?;
    Some(Timestamp::from_unix_seconds(exp as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::endpoint::outgoing;
    use crate::client::testing::Home;
    use crate::domain::ErrorKind;

    async fn find(sources: &Sources, environment: &Environment) -> Result<Option<JobToken>> {
        sources.find(environment, &outgoing(None)).await
    }

    #[tokio::test]
    async fn the_place_that_the_user_names_comes_first() {
        let home = Home::new();
        home.write("token", "eyJ.file.EXAMPLE\n");
        let environment = home.environment([
            ("TRANSIRE_ID_TOKEN", "eyJ.usual.EXAMPLE"),
            ("MY_TOKEN", "eyJ.named.EXAMPLE"),
        ]);
        let of = |file: Option<&str>, variable: Option<&str>| Sources {
            file: file.map(|name| home.0.join(name)),
            variable: variable.map(str::to_owned),
            audience: None,
        };
        for (sources, expected) in [
            (of(Some("token"), None), "eyJ.file.EXAMPLE"),
            (of(None, Some("MY_TOKEN")), "eyJ.named.EXAMPLE"),
            (of(None, None), "eyJ.usual.EXAMPLE"),
        ] {
            let found = find(&sources, &environment).await.unwrap().unwrap();
            assert_eq!(found.token.expose(), expected);
        }
    }

    #[tokio::test]
    async fn a_named_place_without_a_token_is_an_error() {
        let home = Home::new();
        home.write("empty", " \n");
        let environment = home.environment([("TRANSIRE_ID_TOKEN", "eyJ.usual.EXAMPLE")]);
        for sources in [
            Sources {
                file: Some(home.0.join("missing")),
                ..Sources::default()
            },
            Sources {
                file: Some(home.0.join("empty")),
                ..Sources::default()
            },
            Sources {
                variable: Some("MISSING".to_owned()),
                ..Sources::default()
            },
        ] {
            let error = find(&sources, &environment).await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Misconfigured);
        }
    }

    #[tokio::test]
    async fn the_platform_is_asked_over_https_alone_and_for_an_audience() {
        let job = |url| {
            Environment::from([
                ("ACTIONS_ID_TOKEN_REQUEST_URL", url),
                ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "requestEXAMPLE"),
            ])
        };
        let sources = Sources {
            audience: Some("transire.example.com".to_owned()),
            ..Sources::default()
        };
        let error = find(&sources, &job("http://ci.example.com/token"))
            .await
            .unwrap_err();
        assert!(error.message().contains("not https"), "{error}");
        let error = find(&Sources::default(), &job("https://ci.example.com/token"))
            .await
            .unwrap_err();
        assert!(error.message().contains("--audience"), "{error}");
    }

    #[tokio::test]
    async fn a_process_that_is_no_job_has_no_token() {
        let found = find(&Sources::default(), &Environment::default()).await;
        assert!(found.unwrap().is_none());
    }

    #[test]
    fn the_audience_is_added_to_the_platforms_url() {
        let request = RequestUrl {
            url: "https://ci.example.com/token?api-version=2.0",
            token: "requestEXAMPLE",
        };
        assert_eq!(
            request
                .for_audience("https://a.example.com")
                .unwrap()
                .as_str(),
            "https://ci.example.com/token?api-version=2.0&audience=https%3A%2F%2Fa.example.com"
        );
    }
}
