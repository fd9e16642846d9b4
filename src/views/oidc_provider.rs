//! The view of OpenID Connect providers.

use crate::domain::identity::OidcProvider as Stored;

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
            name: provider.name,
            issuer: provider.issuer,
            audiences: provider.audiences,
            algorithms: provider
                .algorithms
                .iter()
                .map(|algorithm| algorithm.name().to_owned())
                .collect(),
            keys: if provider.jwks.is_some() {
                "given"
            } else {
                "fetched"
            }
            .to_owned(),
            created_at: provider.created_at.rfc3339(),
        }
    }
}
