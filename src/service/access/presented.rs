//! The proofs that a registry client presents.

use crate::domain::jwt;
use crate::domain::password::{has_own_prefix, may_be_chosen};
use crate::domain::refusal::RefusalCause;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

/// The proof of a registry client.
pub enum LogIn {
    /// Nothing.
    Anonymous,
    /// A username and a credential's secret.
    Password {
        /// The username as sent.
        username: String,
        /// The secret as sent.
        secret: Secret,
        /// The secrets that may be one.
        accepted: Accepted,
    },
    /// A refresh token.
    Refresh {
        /// The token as sent.
        token: Secret,
    },
}

/// The secrets that a log-in takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// All: chosen passwords, secrets of this service, and OpenID Connect tokens.
    Any,
    /// OpenID Connect tokens.
    Tokens,
    /// Secrets that this service made; none of them is hashed slowly.
    Made,
    /// A secret that this service made, and that came in the form of a JWT: its username names the
    /// role.
    Carried,
}

impl Accepted {
    /// Refuses a secret of a form that isn't taken.
    pub(super) fn check(self, secret: &Secret) -> Result<()> {
        let is_taken = match self {
            Self::Any | Self::Carried => true,
            Self::Tokens => jwt::has_form(secret.expose()),
            Self::Made => has_own_prefix(secret.expose()),
        };
        if is_taken {
            Ok(())
        } else {
            Err(Error::bad_credentials(RefusalCause::UnreadableSecret))
        }
    }
}

impl LogIn {
    /// Returns the log-in of a username and whatever secret came with it.
    pub fn password(username: String, secret: Secret) -> Self {
        let carried = jwt::carried_secret(secret.expose()).map(Secret::new);
        let accepted = match carried {
            Some(_) => Accepted::Carried,
            None => Accepted::Any,
        };
        Self::Password {
            username,
            secret: carried.unwrap_or(secret),
            accepted,
        }
    }

    /// Tells whether the instance may be named by an id, too: registries name it by its service
    /// alone, and exchanges come from clients who know its id.
    pub(super) fn may_name_by_id(&self) -> bool {
        matches!(
            self,
            Self::Password {
                accepted: Accepted::Tokens | Accepted::Made,
                ..
            }
        )
    }

    /// Tells whether there is a password to guess.
    pub(super) fn can_be_guessed(&self) -> bool {
        matches!(
            self,
            Self::Password { secret, accepted: Accepted::Any, .. } if may_be_chosen(secret.expose())
        )
    }
}
