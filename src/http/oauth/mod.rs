//! Token exchange by RFC 8693: `POST /oauth/token`; and Quay's one call for the same.
//!
//! An OpenID Connect token or a credential becomes a registry log-in, or a registry's token, which
//! may be narrower and shorter than what was given for it. Errors are those of RFC 6749, 5.2. A
//! `subject_token` that isn't accepted is `invalid_request`, as RFC 8693, 2.2.2, has it.

mod door;
mod envelope;
mod error;
mod federation;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod parameters;
mod tokens;

pub(super) use self::door::OAuth;
