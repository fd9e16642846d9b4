//! The view of OpenID Connect providers.

use crate::domain::identity::OidcProvider as Stored;
use crate::service::WebIdentity;

view! {
    /// An OpenID Connect provider.
    pub struct OidcProvider {
        /// Its name.
        name: String,
        /// The issuer, as its tokens name it.
        issuer: String,
        /// The audiences of which a token must have one.
        audiences: Vec<String>,
        /// The algorithms of which one must have signed a token.
        algorithms: Vec<String>,
        /// The source of its keys: given or fetched.
        keys: String,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
    }
}

impl From<Stored> for OidcProvider {
    fn from(provider: Stored) -> Self {
        Self {
            algorithms: algorithms(&provider),
            keys: keys(&provider).to_owned(),
            created_at: provider.created_at.rfc3339(),
            name: provider.name,
            issuer: provider.issuer,
            audiences: provider.audiences,
        }
    }
}

fn algorithms(provider: &Stored) -> Vec<String> {
    let names = provider.algorithms.iter();
    names.map(|algorithm| algorithm.name().to_owned()).collect()
}

fn keys(provider: &Stored) -> &'static str {
    if provider.jwks.is_some() {
        "given"
    } else {
        "fetched"
    }
}

view! {
    /// An OpenID Connect provider, with the keys that were given.
    pub struct OidcProviderDetails {
        /// Its name.
        name: String,
        /// The issuer, as its tokens name it.
        issuer: String,
        /// The audiences of which a token must have one.
        audiences: Vec<String>,
        /// The algorithms of which one must have signed a token.
        algorithms: Vec<String>,
        /// The source of its keys: given or fetched.
        keys: String,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
        /// The JWK set that was given.
        jwks: Option<String>,
    }
}

impl From<Stored> for OidcProviderDetails {
    fn from(provider: Stored) -> Self {
        Self {
            algorithms: algorithms(&provider),
            keys: keys(&provider).to_owned(),
            created_at: provider.created_at.rfc3339(),
            name: provider.name,
            issuer: provider.issuer,
            audiences: provider.audiences,
            jwks: provider.jwks,
        }
    }
}

view! {
    /// An OpenID Connect provider that was just changed.
    pub struct ChangedOidcProvider {
        /// Its name.
        name: String,
        /// The issuer, as its tokens name it.
        issuer: String,
        /// The audiences of which a token must have one.
        audiences: Vec<String>,
        /// The algorithms of which one must have signed a token.
        algorithms: Vec<String>,
        /// The source of its keys: given or fetched.
        keys: String,
    }
}

impl From<Stored> for ChangedOidcProvider {
    fn from(provider: Stored) -> Self {
        Self {
            algorithms: algorithms(&provider),
            keys: keys(&provider).to_owned(),
            name: provider.name,
            issuer: provider.issuer,
            audiences: provider.audiences,
        }
    }
}

view! {
    /// An OpenID Connect provider that was just made.
    pub struct NewOidcProvider {
        /// Its name.
        name: String,
        /// The issuer, as its tokens name it.
        issuer: String,
        /// The audiences of which a token must have one.
        audiences: Vec<String>,
        /// The algorithms of which one must have signed a token.
        algorithms: Vec<String>,
        /// The source of its keys: given or fetched.
        keys: String,
        /// An example of a trust policy for a platform's tokens; null without a preset.
        trust_policy: Option<String>,
    }
}

impl From<(Stored, Option<String>)> for NewOidcProvider {
    fn from((provider, trust_policy): (Stored, Option<String>)) -> Self {
        Self {
            algorithms: algorithms(&provider),
            keys: keys(&provider).to_owned(),
            name: provider.name,
            issuer: provider.issuer,
            audiences: provider.audiences,
            trust_policy,
        }
    }
}

view! {
    /// The content of a token that was verified.
    pub struct CheckedToken {
        /// Its subject.
        subject: String,
        /// Its issuer.
        issuer: String,
        /// Its audiences.
        audiences: Vec<String>,
        /// The time at which it was issued, as in RFC 3339.
        issued_at: String,
        /// The time at which it expires, as in RFC 3339.
        expires_at: String,
        /// Each claim as NAME=VALUE, as policies ask for it.
        claims: Vec<String>,
    }
}

impl From<WebIdentity> for CheckedToken {
    fn from(identity: WebIdentity) -> Self {
        let claims = identity.claims.iter();
        Self {
            claims: claims
                .map(|(name, claim)| format!("{name}={}", claim.values().join(",")))
                .collect(),
            subject: identity.subject,
            issuer: identity.issuer,
            audiences: identity.audiences,
            issued_at: identity.issued_at.rfc3339(),
            expires_at: identity.expires_at.rfc3339(),
        }
    }
}
