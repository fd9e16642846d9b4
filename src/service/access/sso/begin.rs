//! The beginning of a log-in: where the browser is sent, and the cookie that it takes along.

use std::time::Duration;

use super::Configured;
use crate::domain::Result;
use crate::domain::secret::Secret;
use crate::remote::code::Question;
use crate::service::access::Access;
use crate::service::access::console_sessions::OpenConsole;
use crate::service::limits::attempt::Attempt;
use crate::service::limits::rates::address_throttled;
use crate::service::request::RequestContext;
use crate::token::Flow;

/// How long a person may take at the issuer.
pub(super) const FLOW_LIFE: Duration = Duration::from_mins(10);
/// The page after a log-in that was begun at no other.
const HOME: &str = "/console";
/// The most bytes of the address of a page to return to: it is in a cookie.
const MAX_BACK: usize = 1000;

/// A log-in that was begun.
pub struct BegunSso {
    /// The URL at the issuer.
    pub place: String,
    /// The secret for the browser's cookie.
    pub cookie: Secret,
    /// How long it lasts.
    pub life: Duration,
}

impl Access {
    /// Begins a log-in that leads back to `redirect`, and then to the page `back`. With a session,
    /// its person proves itself again. Anybody may begin one: each is charged to its address.
    ///
    /// # Errors
    /// `Unsupported` while single sign-on is off; `AddressThrottled` after too many; `WebIdentity`
    /// of keys that are unavailable while the issuer doesn't answer as it should.
    pub async fn begin_sso(
        &self,
        redirect: &str,
        back: &str,
        renews: Option<&OpenConsole>,
        context: &RequestContext,
    ) -> Result<BegunSso> {
        let on = self.sso_settings()?;
        let mut attempt = Attempt::new(context.address);
        if renews.is_none() && !self.limits.charge(&mut attempt) {
            return Err(address_throttled());
        }
        let begun = self.begin(&on, redirect, back, renews).await;
        if begun.is_err() {
            // All that fails here is the issuer's fault, or ours.
            self.limits.give_back(&attempt);
        }
        begun
    }

    async fn begin(
        &self,
        on: &Configured,
        redirect: &str,
        back: &str,
        renews: Option<&OpenConsole>,
    ) -> Result<BegunSso> {
        let endpoints = {
            let _waiting = self.issuers.sso.wait()?;
            self.sso_endpoints(&on.issuer).await?
        };
        let random = &*self.base.random;
        let flow = Flow::new(
            (&on.issuer, &on.client_id),
            redirect,
            if is_page(back) { back } else { HOME },
            renews.map(OpenConsole::hash),
            self.base.now_elsewhere(),
            random,
        );
        let place = endpoints.place(&Question {
            client_id: &on.client_id,
            redirect,
            scope: &on.sso.scope(),
            state: flow.state(),
            nonce: flow.nonce(),
            challenge: &flow.challenge(),
            asks_proof: renews.is_some(),
        });
        let keyring = self.memory.keys.keyring.load();
        Ok(BegunSso {
            place: place.to_string(),
            cookie: keyring.sealer().seal_flow(&flow, random)?,
            life: FLOW_LIFE,
        })
    }
}

/// Tells whether a text is the address of a page of the console, and of nothing else.
fn is_page(back: &str) -> bool {
    let rest = back.strip_prefix(HOME);
    let is_below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    is_below && back.len() <= MAX_BACK && back.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_leads_to_pages_of_the_console_alone() {
        for page in ["/console", "/console/do/CreateUser?account=1", "/console?a"] {
            assert!(is_page(page), "{page}");
        }
        for other in [
            "",
            "/",
            "//example.com",
            "/consoles",
            "/console@example.com",
            "https://example.com/console",
            "/console/a b",
            "/console/\u{e9}",
            &format!("/console/{}", "x".repeat(1000)),
        ] {
            assert!(!is_page(other), "{other}");
        }
    }
}
