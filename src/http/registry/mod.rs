//! The token server's protocol: `GET` and `POST /token`.
//!
//! A registry sends its clients here with a challenge; they bring a credential and scopes and take
//! a token back. Bad credentials are refused; missing rights are not, they only leave the token
//! with less. Sources: CNCF Distribution, `docs/content/spec/auth/token.md` and `oauth.md`; what
//! clients really send is in the facts, sections 1.3 to 1.7.

mod cors;
mod door;
mod envelope;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod parameters;
mod tokens;

pub use self::cors::{Cors, Origin};
pub(super) use self::door::Registry;
