//! The end of a log-in: the issuer's answer, the token that its code is redeemed for, and the
//! session that begins.

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::begin::FLOW_LIFE;
use super::{Configured, failed, refused, unavailable};
use crate::domain::claims::Claim;
use crate::domain::clock::Timestamp;
use crate::domain::identity::{OidcAlgorithm, OidcProvider};
use crate::domain::ids::AccountId;
use crate::domain::refusal::RefusalCause;
use crate::domain::secret::Secret;
use crate::domain::{Blame, Error, ErrorKind, Result};
use crate::remote::code::{Code, Redeemed, redeem, word};
use crate::service::access::Access;
use crate::service::access::caller::Caller;
use crate::service::access::console_sessions::NewConsole;
use crate::service::access::token_log_in::cause_of;
use crate::service::limits::attempt::Attempt;
use crate::service::limits::rates::address_throttled;
use crate::service::request::RequestContext;
use crate::token::{Flow, LEEWAY, UnverifiedToken, WebIdentity};

/// The name under which the issuer's keys are kept: no provider of an account can have it.
const PROVIDER: &str = "single sign-on";
/// The most characters of a code; the issuers in use have hundreds.
const MAX_CODE: usize = 8 << 10;
/// The most bytes of the file with the client's secret.
const MAX_SECRET_BYTES: usize = 4 << 10;

/// The issuer's answer, as the browser brought it. Nothing of it is proved.
#[derive(Clone, Copy, Default)]
pub struct SsoAnswer<'a> {
    /// The word of the log-in.
    pub state: Option<&'a str>,
    /// The code, if the issuer gave one.
    pub code: Option<&'a str>,
    /// The issuer, if it names itself (RFC 9207).
    pub issuer: Option<&'a str>,
    /// The issuer's word for its refusal.
    pub error: Option<&'a str>,
}

/// A log-in that was finished.
pub struct FinishedSso {
    /// The person, as an operator.
    pub caller: Caller,
    /// The new session; none where the person proved itself again for one that is there.
    pub new: Option<NewConsole>,
    /// The page to which the browser returns.
    pub back: String,
}

impl Access {
    /// Finishes a log-in by the issuer's answer and the browser's cookie.
    ///
    /// # Errors
    /// `BadCredentials`, whose source is a [`RefusalCause`], for an answer or a person that isn't
    /// taken; `AddressThrottled` after too many failures; `WebIdentity` of keys that are
    /// unavailable while the issuer doesn't answer as it should; `Unsupported` while single
    /// sign-on is off; those of the store.
    pub async fn finish_sso(
        &self,
        cookie: Option<&Secret>,
        answer: SsoAnswer<'_>,
        context: &RequestContext,
    ) -> Result<FinishedSso> {
        let on = self.sso_settings()?;
        let mut attempt = Attempt::new(context.address);
        if !self.limits.charge(&mut attempt) {
            return Err(address_throttled().caused_by(RefusalCause::SsoFlow));
        }
        let finished = self.finish(&on, cookie, answer, context).await;
        let is_fault = |error: &Error| error.kind().blame() == Blame::Client;
        if !finished.as_ref().is_err_and(is_fault) {
            self.limits.give_back(&attempt);
        }
        finished
    }

    async fn finish(
        &self,
        on: &Configured,
        cookie: Option<&Secret>,
        answer: SsoAnswer<'_>,
        context: &RequestContext,
    ) -> Result<FinishedSso> {
        let flow = cookie.and_then(|cookie| {
            let keyring = self.memory.keys.keyring.load();
            keyring.sealer().open_flow(cookie.expose())
        });
        let flow = flow.filter(|flow| self.is_current(flow, on));
        let flow = flow.ok_or_else(|| {
            refused(
                RefusalCause::SsoFlow,
                "The log-in began in another browser, or more than ten minutes ago, or was \
                 finished before: begin again.",
            )
        })?;
        // Strangers can't have the issuer asked: an answer is checked as far as it can be first.
        let code = code_of(&flow, answer)?;
        let token = self.redeem(on, &flow, answer.issuer, code).await?;
        let identity = self.sso_identity(on, &flow, &token).await?;
        let proved_at = self.proved_at(&flow, &identity)?;
        self.begin_session(on, &flow, &identity, proved_at, context)
            .await
    }

    fn is_current(&self, flow: &Flow, on: &Configured) -> bool {
        (flow.issuer.as_str(), flow.client_id.as_str()) == (&on.issuer, &on.client_id)
            && flow.started_at().distance(self.base.now_elsewhere()) < FLOW_LIFE
    }

    /// Redeems the code for a token about the person.
    async fn redeem(
        &self,
        on: &Configured,
        flow: &Flow,
        named: Option<&str>,
        code: &str,
    ) -> Result<Secret> {
        let _waiting = self.issuers.sso.wait()?;
        let endpoints = self.sso_endpoints(&on.issuer).await?;
        if named.is_none() && endpoints.names_issuer {
            return Err(other_issuer());
        }
        let secret = match &on.sso.client_secret_file {
            Some(path) => Some(read_secret(path).await?),
            None => None,
        };
        let code = Code {
            code,
            verifier: flow.verifier(),
            redirect: &flow.redirect,
            client_id: &on.client_id,
            client_secret: secret.as_deref().map(String::as_str),
        };
        match redeem(&self.remote, &endpoints, &code).await {
            Ok(Redeemed::Token(token)) => Ok(Secret::new(token)),
            Ok(Redeemed::Refused(word)) if word == "invalid_grant" => Err(refused(
                RefusalCause::SsoRefused,
                "The issuer doesn't take this log-in any more, or took it before: begin again.",
            )
            .decided_by("the issuer answered invalid_grant to the code")),
            Ok(Redeemed::Refused(word)) => {
                // The settings are wrong, and not the person.
                tracing::warn!(
                    issuer = on.issuer,
                    word,
                    "the issuer of single sign-on refuses this service: look at sso.client_id, \
                     sso.client_secret_file and the redirect address"
                );
                Err(unavailable(format!("it answered {word} to the code")))
            }
            Err(failure) => Err(failed(&on.issuer, failure)),
        }
    }

    /// Verifies the issuer's token, and that it is for this log-in.
    async fn sso_identity(
        &self,
        on: &Configured,
        flow: &Flow,
        token: &Secret,
    ) -> Result<WebIdentity> {
        let provider = Arc::new(OidcProvider {
            account: AccountId::new(1)?,
            name: PROVIDER.to_owned(),
            issuer: on.issuer.clone(),
            audiences: vec![on.client_id.clone()],
            jwks: None,
            algorithms: OidcAlgorithm::ALL.to_vec(),
            created_at: Timestamp::default(),
        });
        let unbelieved = |error: Error| {
            let ErrorKind::WebIdentity { fault } = error.kind() else {
                return error;
            };
            let Some(cause) = cause_of(*fault) else {
                return unavailable(error.cause().unwrap_or_default());
            };
            let message = format!("The issuer's token can't be taken. {}", error.message());
            refused(cause, message).decided_by(error.message())
        };
        let unverified = UnverifiedToken::parse(token.expose()).map_err(unbelieved)?;
        let verified = self.verify_token_of(&provider, unverified).await;
        let (identity, _) = verified.map_err(unbelieved)?;
        let one = |name| match identity.claims.find(name) {
            Some(Claim::One(value)) => Some(value.as_str()),
            Some(Claim::Many(_)) | None => None,
        };
        let is_for_us = match one("azp") {
            Some(party) => party == on.client_id,
            // Where there are several audiences, the token says who asked (Core, 3.1.3.7).
            None => identity.claims.find("azp").is_none() && identity.audiences.len() == 1,
        };
        if !is_for_us || !one("nonce").is_some_and(|nonce| flow.is_nonce(nonce)) {
            return Err(refused(
                RefusalCause::SsoNonce,
                "The issuer's token is for another log-in: begin again.",
            ));
        }
        Ok(identity)
    }

    /// Returns when the person proved itself, by the clock of this service.
    fn proved_at(&self, flow: &Flow, identity: &WebIdentity) -> Result<Option<Timestamp>> {
        let said = identity.claims.variable("auth_time");
        let said = said.and_then(|seconds| seconds.parse().ok());
        let said = said.map(Timestamp::from_unix_seconds);
        let just_now = flow.started_at().minus(LEEWAY);
        if flow.renews.is_some() && said.is_none_or(|said| said < just_now) {
            let message = match said {
                Some(_) => {
                    "The issuer took an earlier log-in for this one: log out there, then log in \
                     again."
                }
                None => {
                    "The issuer doesn't say when you logged in: have it put auth_time into its \
                     tokens, or use an operator's token for secrets."
                }
            };
            return Err(refused(RefusalCause::SsoNotFresh, message));
        }
        let now = self.base.now_elsewhere();
        let ago = |said: Timestamp| now.distance(said.min(now));
        Ok(said.map(|said| self.base.now().minus(ago(said))))
    }
}

/// Returns the code of an answer that is to a flow.
fn code_of<'a>(flow: &Flow, answer: SsoAnswer<'a>) -> Result<&'a str> {
    if !answer.state.is_some_and(|state| flow.is_state(state)) {
        return Err(refused(
            RefusalCause::SsoState,
            "The answer is to another log-in than this browser began last: begin again.",
        ));
    }
    if answer.issuer.is_some_and(|issuer| issuer != flow.issuer) {
        return Err(other_issuer());
    }
    if let Some(error) = answer.error {
        let word = word(error);
        let message = format!("The issuer refused the log-in ({word}): begin again.");
        return Err(refused(RefusalCause::SsoRefused, message)
            .decided_by(format!("the issuer answered {word}")));
    }
    let code = answer
        .code
        .filter(|code| (1..=MAX_CODE).contains(&code.len()));
    code.ok_or_else(|| {
        refused(
            RefusalCause::SsoRefused,
            "The issuer answered without a code: begin again.",
        )
    })
}

/// Refuses the answer of another issuer, which may hope to be sent a code of this one (RFC 9207).
fn other_issuer() -> Error {
    refused(
        RefusalCause::SsoOtherIssuer,
        "The answer is of another issuer: begin again.",
    )
}

/// Reads the client's secret, each time: it may be replaced while the service runs.
async fn read_secret(path: &Path) -> Result<Zeroizing<String>> {
    let unusable = |why: String| {
        Error::misconfigured(format!("sso.client_secret_file {}: {why}", path.display()))
    };
    let read = tokio::fs::read_to_string(path).await;
    let text = Zeroizing::new(read.map_err(|error| unusable(error.to_string()))?);
    let secret = text.trim();
    if (1..=MAX_SECRET_BYTES).contains(&secret.len()) {
        Ok(Zeroizing::new(secret.to_owned()))
    } else {
        Err(unusable("it holds no secret of one line".to_owned()))
    }
}
