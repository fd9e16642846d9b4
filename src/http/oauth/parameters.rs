//! The parameters of an exchange (RFC 8693, 2.1).

use std::time::Duration;

use form_urlencoded::parse;

use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::Accepted;

/// The grant that is served.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A JSON Web Token.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// An OpenID Connect token.
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
/// A registry's bearer token.
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// A registry log-in: a secret with its username.
pub(super) const REGISTRY_CREDENTIAL: &str =
    "urn:transire:params:oauth:token-type:registry-credential";

/// The kind of token that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Requested {
    /// A registry log-in.
    LogIn,
    /// A registry's bearer token.
    Token,
}

/// The parameters of an exchange, read and checked as far as that needs no proof.
#[derive(Debug)]
pub(super) struct ExchangeRequest {
    /// The service of the instance.
    pub(super) audience: String,
    pub(super) subject_token: Secret,
    pub(super) accepted: Accepted,
    /// The username that goes with the subject: a role, or a credential's username.
    pub(super) username: String,
    /// Divided by spaces.
    pub(super) scope: String,
    pub(super) requested: Requested,
    pub(super) expires_in: Option<Duration>,
}

impl ExchangeRequest {
    /// Reads a form.
    ///
    /// # Errors
    ///
    /// `MissingParameter` and `InvalidParameter` of the parameter that can't be taken;
    /// `MalformedAuthorization` for a client that authenticates.
    pub(super) fn read(form: &[u8]) -> Result<Self> {
        let mut fields = Fields::read(form)?;
        fields.check_grant_type()?;
        if fields.actor_token {
            return Err(Error::invalid_parameter(
                "actor_token",
                "nobody acts for another one here; leave actor_token and its type out",
            ));
        }
        if fields.authenticates {
            return Err(client_authentication());
        }
        let (accepted, username) = fields.subject()?;
        Ok(Self {
            audience: fields.target()?,
            subject_token: fields
                .subject_token
                .take()
                .ok_or_else(|| Error::missing_parameter("subject_token"))?,
            accepted,
            username,
            requested: requested(fields.requested_token_type.as_deref())?,
            expires_in: fields.expires_in.as_deref().map(seconds).transpose()?,
            scope: fields.scope.unwrap_or_default(),
        })
    }
}

/// Returns the refusal of a client that authenticates: the subject is the only proof.
pub(super) fn client_authentication() -> Error {
    Error::malformed_authorization(
        "Clients have no secret here: send no Authorization header, client_secret or \
         client_assertion. The subject_token is the proof.",
    )
}

/// The parameters as they came; those without a value count as left out (RFC 6749, 3.2).
#[derive(Default)]
struct Fields {
    grant_type: Option<String>,
    audience: Option<String>,
    resource: Option<String>,
    subject_token: Option<Secret>,
    subject_token_type: Option<String>,
    username: Option<String>,
    role: Option<String>,
    scope: Option<String>,
    requested_token_type: Option<String>,
    expires_in: Option<String>,
    actor_token: bool,
    authenticates: bool,
}

impl Fields {
    fn read(form: &[u8]) -> Result<Self> {
        let mut fields = Self::default();
        for (name, value) in parse(form).filter(|(_, value)| !value.is_empty()) {
            let place = match name.as_ref() {
                "grant_type" => &mut fields.grant_type,
                "audience" => &mut fields.audience,
                "resource" => &mut fields.resource,
                "subject_token_type" => &mut fields.subject_token_type,
                "username" => &mut fields.username,
                "role" => &mut fields.role,
                "scope" => &mut fields.scope,
                "requested_token_type" => &mut fields.requested_token_type,
                "expires_in" => &mut fields.expires_in,
                "subject_token" => {
                    let secret = Secret::new(value.into_owned());
                    match fields.subject_token.replace(secret) {
                        None => continue,
                        Some(_) => return Err(repeated("subject_token")),
                    }
                }
                "actor_token" | "actor_token_type" => {
                    fields.actor_token = true;
                    continue;
                }
                "client_secret" | "client_assertion" => {
                    fields.authenticates = true;
                    continue;
                }
                // `client_id`, and others that clients will think of.
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(repeated(&name));
            }
        }
        Ok(fields)
    }

    fn check_grant_type(&self) -> Result<()> {
        match self.grant_type.as_deref() {
            Some(TOKEN_EXCHANGE) => Ok(()),
            Some(_) => Err(Error::invalid_parameter(
                "grant_type",
                format!("the one that is served here is {TOKEN_EXCHANGE}"),
            )),
            None => Err(Error::missing_parameter("grant_type")),
        }
    }

    /// Returns which secrets the subject may be, and the username that goes with it.
    fn subject(&mut self) -> Result<(Accepted, String)> {
        let Some(subject_type) = self.subject_token_type.as_deref() else {
            return Err(Error::missing_parameter("subject_token_type"));
        };
        match (subject_type, self.role.take(), self.username.take()) {
            (JWT | ID_TOKEN, role, None) => Ok((Accepted::Tokens, role.unwrap_or_default())),
            (JWT | ID_TOKEN, _, Some(_)) => Err(Error::invalid_parameter(
                "username",
                "a token has none; name its role in role",
            )),
            (REGISTRY_CREDENTIAL, None, Some(username)) => Ok((Accepted::Made, username)),
            (REGISTRY_CREDENTIAL, None, None) => Err(Error::missing_parameter("username")),
            (REGISTRY_CREDENTIAL, Some(_), _) => Err(Error::invalid_parameter(
                "role",
                "a credential has its own; name it only for a token",
            )),
            (ACCESS_TOKEN, ..) => Err(Error::invalid_parameter(
                "subject_token_type",
                "a registry's token is exchanged for nothing; take what got it",
            )),
            _ => Err(Error::invalid_parameter(
                "subject_token_type",
                format!("take {JWT}, {ID_TOKEN} or {REGISTRY_CREDENTIAL}"),
            )),
        }
    }

    /// Returns the service of the instance that the log-in or the token is for.
    fn target(&mut self) -> Result<String> {
        let resource = self.resource.take().map(|resource| {
            let host = resource
                .split_once("://")
                .map_or(&*resource, |(_, host)| host);
            host.strip_suffix('/').unwrap_or(host).to_owned()
        });
        match (self.audience.take(), resource) {
            (Some(audience), Some(resource)) if audience != resource => {
                Err(Error::invalid_parameter(
                    "audience",
                    "a log-in or a token is for one instance; audience and resource name two",
                ))
            }
            (Some(audience), _) => Ok(audience),
            (None, Some(resource)) => Ok(resource),
            (None, None) => Err(Error::invalid_parameter(
                "audience",
                "name the instance's service, such as registry.example.com",
            )),
        }
    }
}

fn requested(token_type: Option<&str>) -> Result<Requested> {
    match token_type {
        None | Some(REGISTRY_CREDENTIAL) => Ok(Requested::LogIn),
        Some(ACCESS_TOKEN) => Ok(Requested::Token),
        Some(_) => Err(Error::invalid_parameter(
            "requested_token_type",
            format!("take {REGISTRY_CREDENTIAL} or {ACCESS_TOKEN}"),
        )),
    }
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds: Option<u32> = text.parse().ok().filter(|seconds| *seconds > 0);
    let seconds = seconds.ok_or_else(|| {
        Error::invalid_parameter("expires_in", "it is a whole number of seconds above 0")
    })?;
    Ok(Duration::from_secs(seconds.into()))
}

fn repeated(name: &str) -> Error {
    Error::invalid_parameter(name, "it is given twice; give it once")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    const FORM: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
                        &subject_token=t&audience=registry.example.com\
                        &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt";

    fn read(more: &str) -> Result<ExchangeRequest> {
        ExchangeRequest::read(format!("{FORM}{more}").as_bytes())
    }

    #[test]
    fn the_shortest_form_asks_for_a_log_in_of_the_role_that_trusts_the_token() {
        let request = read("").unwrap();
        assert_eq!(request.audience, "registry.example.com");
        assert_eq!(request.accepted, Accepted::Tokens);
        assert_eq!(request.username, "");
        assert_eq!(request.requested, Requested::LogIn);
        assert_eq!(request.expires_in, None);
        assert!(request.subject_token.matches("t"));
    }

    #[test]
    fn a_resource_names_the_service_as_a_url_or_as_it_is() {
        for resource in [
            "registry.example.com",
            "https://registry.example.com",
            "https://registry.example.com/",
        ] {
            let form = FORM.replace(
                "&audience=registry.example.com",
                &format!("&resource={resource}"),
            );
            let request = ExchangeRequest::read(form.as_bytes()).unwrap();
            assert_eq!(request.audience, "registry.example.com", "{resource}");
        }
        let both = read("&resource=https://registry.example.com/").unwrap();
        assert_eq!(both.audience, "registry.example.com");
    }

    #[test]
    fn each_parameter_that_can_not_be_taken_is_named() {
        for (more, name) in [
            ("&subject_token=u", "subject_token"),
            ("&audience=registry.example.com", "audience"),
            ("&resource=other.example.com", "audience"),
            ("&username=ci", "username"),
            ("&actor_token=a", "actor_token"),
            ("&requested_token_type=urn:example", "requested_token_type"),
            ("&expires_in=0", "expires_in"),
            ("&expires_in=1h", "expires_in"),
            ("&expires_in=-5", "expires_in"),
        ] {
            let expected = ErrorKind::InvalidParameter {
                name: name.to_owned(),
            };
            assert_eq!(read(more).unwrap_err().kind(), &expected, "{more}");
        }
    }

    #[test]
    fn a_client_that_authenticates_is_told_that_there_is_nothing_to_authenticate_by() {
        for more in ["&client_secret=x", "&client_assertion=x"] {
            let refused = read(more).unwrap_err();
            assert_eq!(refused.kind(), &ErrorKind::MalformedAuthorization, "{more}");
        }
        assert!(read("&client_id=ci&client_secret=").is_ok());
    }
}
