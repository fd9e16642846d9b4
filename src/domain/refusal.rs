//! Refusals as the operator sees them: causes that their clients never hear, and names that nobody
//! proved.

use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;

use super::credential::SecretKind;
use super::jwt;
use super::printable::escape;
use super::secret::Secret;
use super::service_account;

/// Defines the causes, each with its word.
macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// Why a log-in or a session is refused, where its client hears less than the operator.
        ///
        /// It is the source of an [`Error`](super::Error): the log and the audit have its word, and
        /// no answer has it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum RefusalCause {
            $($(#[$doc])* $name,)+
        }

        impl RefusalCause {
            /// All causes.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns the word in log and audit.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

causes! {
    /// No credential came.
    NoCredential = "no-credential",
    /// No instance has the service.
    UnknownService = "unknown-service",
    /// Nobody has the username.
    UnknownUsername = "unknown-username",
    /// No long-term credential has the id inside the secret, any more or ever.
    UnknownCredential = "unknown-credential",
    /// The secret is none of this service's: it was cut or mistyped, or another service made it.
    UnreadableSecret = "unreadable-secret",
    /// The secret is another than the stored one.
    WrongSecret = "wrong-secret",
    /// The principal has no fixed password at the instance.
    NoPassword = "no-password",
    /// The credential is of another instance.
    OtherInstance = "other-instance",
    /// The credential logs in with another username.
    OtherUsername = "other-username",
    /// The time of the credential is over.
    Expired = "expired",
    /// The long-term credential is disabled.
    CredentialDisabled = "credential-disabled",
    /// The credential or session itself was revoked, or what a refresh token came from was disabled
    /// since.
    CredentialRevoked = "credential-revoked",
    /// The instance ended the refresh tokens that it had given out.
    RefreshTokensEnded = "refresh-tokens-ended",
    /// The session that asked for the credential was revoked.
    SessionRevoked = "session-revoked",
    /// The policy that narrows the session was stored, and is no more: the data is older than the
    /// session.
    SessionPolicyGone = "session-policy-gone",
    /// Everything temporary of the principal was revoked since, or the principal was disabled
    /// meanwhile.
    PrincipalRevoked = "principal-revoked",
    /// The account is gone.
    AccountDeleted = "account-deleted",
    /// The user is disabled.
    UserDisabled = "user-disabled",
    /// The user is gone.
    UserDeleted = "user-deleted",
    /// The role is gone.
    RoleDeleted = "role-deleted",
    /// The service account is disabled.
    ServiceAccountDisabled = "service-account-disabled",
    /// No operator has the id inside the token, any more or ever.
    UnknownOperator = "unknown-operator",
    /// The operator is disabled.
    OperatorDisabled = "operator-disabled",
    /// The log-in at the issuer began in another browser, too long ago, or under other settings.
    SsoFlow = "sso-flow",
    /// The answer is to another log-in than the one that the browser began.
    SsoState = "sso-state",
    /// The answer is of another issuer.
    SsoOtherIssuer = "sso-other-issuer",
    /// The issuer refused the log-in, or the code that it had given.
    SsoRefused = "sso-refused",
    /// The issuer's token is for another log-in, or for another client.
    SsoNonce = "sso-nonce",
    /// The issuer doesn't say that the person proved itself just now.
    SsoNotFresh = "sso-not-fresh",
    /// No rule gives a role for the claims.
    SsoNoRole = "sso-no-role",
    /// The session is of a single sign-on that is off by now.
    SsoOff = "sso-off",
    /// The access key that asked for the credential is disabled.
    AccessKeyDisabled = "access-key-disabled",
    /// The access key that asked for the credential was disabled since, and enabled again.
    AccessKeyRevoked = "access-key-revoked",
    /// The access key that asked for the credential is gone.
    AccessKeyDeleted = "access-key-deleted",
    /// The instance takes no OpenID Connect tokens as passwords.
    TokenLogInOff = "token-log-in-off",
    /// The username names a role of another account than the instance's.
    RoleOfOtherAccount = "role-of-other-account",
    /// No provider of the account has the token's issuer.
    NoSuchProvider = "web-identity-no-such-provider",
    /// The provider whose token was exchanged for the credential is gone.
    ProviderDeleted = "oidc-provider-deleted",
    /// Several providers of the account have the token's issuer and one of its audiences.
    SeveralProviders = "web-identity-several-providers",
    /// The token can't be read, or is signed in a way that the provider doesn't allow.
    WebIdentityMalformed = "web-identity-malformed",
    /// The token's time is over.
    WebIdentityExpired = "web-identity-expired",
    /// The token's time begins later.
    WebIdentityNotYetValid = "web-identity-not-yet-valid",
    /// The token has none of the provider's audiences.
    WebIdentityAudience = "web-identity-audience-not-matched",
    /// No key of the issuer signed the token.
    WebIdentitySignature = "web-identity-bad-signature",
    /// The keys of the token's issuer can't be fetched.
    KeysUnavailable = "web-identity-keys-unavailable",
    /// The account refuses the token's subject.
    SubjectRefused = "subject-refused",
    /// The trust policy of the role doesn't accept the token, or no role's does.
    NoRoleTrusts = "no-role-trusts",
    /// The username names no role, and the trust policies of several roles accept the token.
    SeveralRolesTrust = "several-roles-trust",
    /// The username names no role, and more roles name the provider than are asked.
    TooManyRoles = "too-many-roles",
    /// The instance's allow list lacks the client's address.
    NotInAllowList = "not-in-allow-list",
    /// The instance's public endpoint is closed.
    EndpointClosed = "endpoint-closed",
}

impl fmt::Display for RefusalCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl StdError for RefusalCause {}

/// A name that a client claims and nobody proved: escaped, cut, and never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClaimedName(String);

impl ClaimedName {
    /// The most characters of a claim that are shown.
    const MAX_SHOWN: usize = 64;

    /// Makes what may be shown of `text`, which came together with `secret`.
    ///
    /// People paste secrets into the wrong field: what contains one is shown by its kind alone.
    pub fn of(text: &str, secret: Option<&Secret>) -> Self {
        if secret
            .is_some_and(|secret| !secret.expose().is_empty() && text.contains(secret.expose()))
        {
            return Self("(the secret)".to_owned());
        }
        if let Some(kind) = secret_in(text) {
            return Self(format!("({kind})"));
        }
        let end = text
            .char_indices()
            .nth(Self::MAX_SHOWN)
            .map_or(text.len(), |(place, _)| place);
        let mut shown = escape(&text[..end]).into_owned();
        if end < text.len() {
            shown.push('…');
        }
        Self(shown)
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClaimedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns a message that is to be kept: escaped, and with the kind of each secret in the secret's
/// place. A message may repeat what its client sent, and people paste secrets into wrong fields.
pub fn without_secrets(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    for word in message.split_inclusive(|letter: char| !is_of_secrets(letter)) {
        let bare = word.trim_end_matches(|letter| letter == '.' || !is_of_secrets(letter));
        match secret_in(bare) {
            Some(kind) => {
                shown.push('(');
                shown.push_str(kind);
                shown.push(')');
                shown.push_str(&escape(&word[bare.len()..]));
            }
            None => shown.push_str(&escape(word)),
        }
    }
    shown
}

/// Tells whether secrets have such a letter within.
fn is_of_secrets(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')
}

/// From this length on, a word of both cases is taken for an access key's secret: Alibaba's have 30
/// characters, Tencent's 32.
const SURE_LENGTH: usize = 30;

/// Says which secret a text holds, if it holds one.
fn secret_in(text: &str) -> Option<&'static str> {
    let kinds = SecretKind::ALL.into_iter().map(|kind| {
        let name = match kind {
            SecretKind::Temporary => "a temporary credential's secret",
            SecretKind::LongTerm => "a long-term credential's secret",
            SecretKind::Refresh => "a refresh token",
            SecretKind::Session => "a session token",
            SecretKind::Operator => "an operator's token",
            SecretKind::Console => "a session of the console",
        };
        (kind.prefix(), name)
    });
    if let Some((_, name)) = kinds.into_iter().find(|(prefix, _)| text.contains(prefix)) {
        return Some(name);
    }
    if jwt::has_form(text) {
        return Some("a signed token");
    }
    if is_id_of_an_access_key(text) {
        return None;
    }
    text.split(|letter: char| !letter.is_ascii_alphanumeric())
        .find_map(|word| {
            if word.len() < 20 {
                None
            } else if word.starts_with(service_account::PREFIX) {
                Some("a service account's password")
            } else {
                may_be_of_an_access_key(word).then_some("what may be an access key's secret")
            }
        })
}

/// Tells whether a text reads as the id of an access key of any cloud, a session's too.
fn is_id_of_an_access_key(text: &str) -> bool {
    let has_prefix = ["AKIA", "AKID", "ASIA", "LTAI", "STS."]
        .iter()
        .any(|prefix| text.starts_with(prefix));
    has_prefix
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// Tells whether a word reads as the secret of an access key, whose length differs from cloud to
/// cloud.
fn may_be_of_an_access_key(word: &str) -> bool {
    let has = |sort: fn(&u8) -> bool| word.as_bytes().iter().any(sort);
    // One of 280 secrets of 32 characters has no digit; hardly one has no capital.
    let has_digit = has(u8::is_ascii_digit) || word.len() >= SURE_LENGTH;
    has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has_digit
        && !is_id_of_an_access_key(word)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::access_key::NewAccessKey;
    use crate::domain::clock::SystemRandom;
    use crate::domain::credential::{Cloud, CredentialId, long_term_secret};
    use crate::domain::service_account::make_password;

    #[test]
    fn each_cause_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = RefusalCause::ALL.iter().map(|cause| cause.name()).collect();
        assert_eq!(words.len(), RefusalCause::ALL.len());
        assert!(words.iter().all(|word| {
            word.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        }));
    }

    #[test]
    fn a_claimed_name_is_escaped_and_cut() {
        for (text, shown) in [
            ("tcr$robot", "tcr$robot".to_owned()),
            ("ci@100000000001", "ci@100000000001".to_owned()),
            ("a\n\u{1b}[2J", "a\\n\\u001b[2J".to_owned()),
            (&"é".repeat(65), format!("{}…", "é".repeat(64))),
        ] {
            assert_eq!(ClaimedName::of(text, None).as_str(), shown);
        }
        let of_sessions = Cloud::ALL.map(|cloud| NewAccessKey::of_session(cloud, &SystemRandom).id);
        for id in of_sessions
            .into_iter()
            .chain([NewAccessKey::permanent(&SystemRandom).id])
        {
            assert_eq!(ClaimedName::of(&id, None).as_str(), id);
        }
    }

    #[test]
    fn a_message_is_kept_without_the_secrets_that_it_repeats() {
        let long_term = long_term_secret(&CredentialId::random(&SystemRandom), &SystemRandom);
        let key = NewAccessKey::permanent(&SystemRandom);
        for (text, shown) in [
            (
                "There is no namespace team. Ask CreateNamespace.".to_owned(),
                "There is no namespace team. Ask CreateNamespace.".to_owned(),
            ),
            (
                format!("There is no user {}.", long_term.expose()),
                "There is no user (a long-term credential's secret).".to_owned(),
            ),
            (
                format!("no \"{}\",\n", key.secret.expose()),
                "no \"(what may be an access key's secret)\",\\n".to_owned(),
            ),
            (
                format!("The key {} is", key.id),
                format!("The key {} is", key.id),
            ),
        ] {
            assert_eq!(without_secrets(&text), shown);
        }
    }

    #[test]
    fn a_secret_in_the_place_of_a_name_is_shown_by_its_kind_alone() {
        let long_term = long_term_secret(&CredentialId::random(&SystemRandom), &SystemRandom);
        let made = make_password(&SystemRandom);
        let key = NewAccessKey::permanent(&SystemRandom);
        for (text, kind) in [
            (
                format!("100000000001:{}", long_term.expose()),
                "(a long-term credential's secret)",
            ),
            ("trst_cut".to_owned(), "(a temporary credential's secret)"),
            ("trsr_cut".to_owned(), "(a refresh token)"),
            ("trss_cut".to_owned(), "(a session token)"),
            (made.expose().to_owned(), "(a service account's password)"),
            (
                key.secret.expose().to_owned(),
                "(what may be an access key's secret)",
            ),
            (
                format!("{}:{}", key.id, key.secret.expose()),
                "(what may be an access key's secret)",
            ),
            // One without a digit was shown as it is.
            (
                "GuEXAMPLEtxGARNpqcdjoQYCNabcdefg".to_owned(),
                "(what may be an access key's secret)",
            ),
        ] {
            assert_eq!(ClaimedName::of(&text, None).as_str(), kind);
        }
        assert_eq!(
            ClaimedName::of("Passw0rd", Some(&Secret::new("Passw0rd"))).as_str(),
            "(the secret)"
        );
        assert_eq!(ClaimedName::of("ci", Some(&Secret::new(""))).as_str(), "ci");
    }
}
