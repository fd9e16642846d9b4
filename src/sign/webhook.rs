//! Signatures of the webhook, symmetric as the specification Standard Webhooks 1.0.0 has them.
//! Receivers have libraries that verify them.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::secret::Secret;

/// The beginning of a secret as text.
const PREFIX: &str = "whsec_";
/// The fewest and the most bytes of a secret, by the specification.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The form of a webhook's secret, for messages.
pub const FORM: &str = "`whsec_` and the Base64 of 24 to 64 random bytes";

/// A secret that signs what the webhook sends.
#[derive(Clone)]
pub struct WebhookKey(hmac::Key);

impl WebhookKey {
    /// Reads a secret; `None` where it doesn't have the form [`FORM`].
    pub fn parse(secret: &Secret) -> Option<Self> {
        let bytes = STANDARD
            .decode(secret.expose().strip_prefix(PREFIX)?)
            .ok()?;
        BYTES
            .contains(&bytes.len())
            .then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// Signs a message: its id, the time in unix seconds at which it is sent, and its body.
    pub fn sign(&self, id: &str, at: i64, body: &str) -> String {
        let signature = hmac::sign(&self.0, format!("{id}.{at}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_the_specification_says() {
        // The example of the libraries of Standard Webhooks.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let key = WebhookKey::parse(&secret).unwrap();
        assert_eq!(
            key.sign(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_has_a_prefix_and_enough_bytes() {
        for (text, is_one) in [
            (format!("whsec_{}", STANDARD.encode([1; 24])), true),
            (format!("whsec_{}", STANDARD.encode([1; 64])), true),
            (format!("whsec_{}", STANDARD.encode([1; 23])), false),
            (format!("whsec_{}", STANDARD.encode([1; 65])), false),
            (STANDARD.encode([1; 32]), false),
            ("whsec_EXAMPLE!".to_owned(), false),
            (String::new(), false),
        ] {
            let read = WebhookKey::parse(&Secret::new(text.as_str()));
            assert_eq!(read.is_some(), is_one, "{text}");
        }
    }
}
