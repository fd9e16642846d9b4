//! The state of a single sign-on under way, sealed into the browser's cookie: no stranger can have
//! the service remember anything.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::domain::clock::{Random, Timestamp, random_text};
use crate::domain::credential::SecretKind;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

use super::Sealer;

/// How many random characters `state`, `nonce` and the verifier have: 43 of them hold 256 bits, and
/// a verifier has no fewer (RFC 7636, 4.1).
const RANDOM_LENGTH: usize = 43;
const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The most bytes of a sealed flow: a browser keeps no cookie of more than 4096.
const MAX_SEALED: usize = 3800;

/// A log-in at an issuer that a browser began.
#[derive(Clone, Serialize, Deserialize)]
pub struct Flow {
    /// When it began, in milliseconds since 1970.
    started_at: i64,
    /// The issuer.
    pub issuer: String,
    /// The name of this service at the issuer.
    pub client_id: String,
    /// The exact address to which the issuer leads back.
    pub redirect: String,
    /// The page that was wanted.
    pub back: String,
    /// The hash of the session whose person proves itself again, in hexadecimal.
    pub renews: Option<String>,
    state: String,
    nonce: String,
    verifier: String,
}

impl Flow {
    /// Begins a flow, with secrets of its own.
    pub fn new(
        (issuer, client_id): (&str, &str),
        redirect: &str,
        back: &str,
        renews: Option<&[u8; 32]>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Self {
        let text = || random_text(random, ALPHABET, RANDOM_LENGTH);
        Self {
            started_at: now.unix_millis(),
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            redirect: redirect.to_owned(),
            back: back.to_owned(),
            renews: renews.map(hex::encode),
            state: text(),
            nonce: text(),
            verifier: text(),
        }
    }

    /// Returns when it began.
    pub fn started_at(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.started_at)
    }

    /// Returns the word that comes back with the issuer's answer (RFC 6749, 4.1.1).
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Returns the word that comes back in the issuer's token (OpenID Connect Core, 3.1.2.1).
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Returns the secret that goes with the code (RFC 7636, 4.5).
    pub fn verifier(&self) -> &str {
        &self.verifier
    }

    /// Returns what the issuer is told of the verifier before (RFC 7636, 4.2).
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }

    /// Tells whether an answer is to this flow.
    pub fn is_state(&self, given: &str) -> bool {
        self.state.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// Tells whether a token is for this flow.
    pub fn is_nonce(&self, given: &str) -> bool {
        self.nonce.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl Sealer {
    /// Seals a flow for the browser's cookie.
    ///
    /// # Errors
    ///
    /// `Internal` for one that is too long for a cookie.
    pub fn seal_flow(&self, flow: &Flow, random: &dyn Random) -> Result<Secret> {
        let sealed = self.seal_payload(SecretKind::Console, None, random, |bytes| {
            serde_json::to_writer(bytes, flow).map_err(Error::internal)
        })?;
        let length = sealed.expose().len();
        if length > MAX_SEALED {
            return Err(Error::internal(format!(
                "a single sign-on of {length} bytes is too long for a cookie"
            )));
        }
        Ok(sealed)
    }

    /// Opens a flow; `None` for anything that a known key didn't seal as one. It doesn't look at
    /// its age: the caller must.
    pub fn open_flow(&self, cookie: &str) -> Option<Flow> {
        self.open_payload(SecretKind::Console, cookie, |bytes| {
            serde_json::from_slice(bytes).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;
    use crate::token::SealingKey;
    use crate::token::testing::Seeded;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    fn flow(back: &str) -> Flow {
        Flow::new(
            ("https://issuer.example.com", "transire"),
            "https://console.example.com/console/log-in/sso",
            back,
            Some(&[7; 32]),
            NOW,
            &Seeded::new(1),
        )
    }

    fn sealer(seed: u64) -> Sealer {
        Sealer::new(SealingKey::generate(&Seeded::new(seed)), Vec::new()).unwrap()
    }

    #[test]
    fn a_flow_is_opened_as_it_was_sealed_and_by_nobody_else() {
        let sealed = sealer(1)
            .seal_flow(&flow("/console/keys"), &Seeded::new(2))
            .unwrap();
        let opened = sealer(1).open_flow(sealed.expose()).unwrap();
        assert_eq!(opened.started_at(), NOW);
        assert_eq!(opened.back, "/console/keys");
        assert_eq!(opened.renews, Some("07".repeat(32)));
        assert!(opened.is_state(flow("").state()) && opened.is_nonce(flow("").nonce()));
        assert!(!opened.is_state("") && !opened.is_nonce(opened.state()));
        assert!(sealer(2).open_flow(sealed.expose()).is_none());
        for other in ["", "trsc_", &sealed.expose()[..sealed.expose().len() - 1]] {
            assert!(sealer(1).open_flow(other).is_none(), "{other}");
        }
        assert!(!sealed.expose().contains(opened.verifier()));
    }

    #[test]
    fn the_challenge_is_the_verifier_s_hash() {
        // RFC 7636, appendix B.
        let mut flow = flow("/console");
        flow.verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert_eq!(flow.challenge(), challenge);
    }

    #[test]
    fn a_flow_that_no_browser_would_keep_is_not_sealed() {
        let long = flow(&"x".repeat(4096));
        let error = sealer(1).seal_flow(&long, &Seeded::new(2)).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Internal);
    }
}
