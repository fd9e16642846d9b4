//! The keys of a session, as every operation that opens one answers with them.

use serde::Serialize;

use crate::domain::{Error, Result};
use crate::http::aws::parameters::ranged;
use crate::service::NewSession;
use crate::sign::Parameters;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Credentials<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: String,
}

impl<'a> Credentials<'a> {
    pub(super) fn of(session: &'a NewSession) -> Self {
        Self {
            access_key_id: &session.access_key.id,
            secret_access_key: session.access_key.secret.expose(),
            session_token: session.token.expose(),
            expiration: session.expires_at.rfc3339(),
        }
    }
}

/// Refuses parameters that would narrow or prove something here, and don't.
///
/// Divergence: `MinimumSessionTokenSize` is checked and changes nothing, because it is about the
/// buffers of clients.
///
/// # Errors
///
/// `Unsupported`; `InvalidParameter`.
pub(super) fn refuse_unserved(parameters: &Parameters) -> Result<()> {
    ranged(parameters, "MinimumSessionTokenSize", 0..=4096)?;
    for (name, _) in parameters.iter() {
        let why = match name.split('.').next() {
            Some("PolicyArns") => "Policies can't be named here; give one document as Policy.",
            Some("SerialNumber" | "TokenCode") => {
                "There are no MFA devices here; leave SerialNumber and TokenCode out."
            }
            Some("ProvidedContexts") => "There are no provided contexts here; leave them out.",
            Some("ProviderId") => {
                "ProviderId is for other tokens than those of OpenID Connect; leave it out."
            }
            _ => continue,
        };
        return Err(Error::unsupported(why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn what_would_narrow_and_is_not_served_is_refused() {
        let refused = |text: &str| refuse_unserved(&Parameters::parse(text.as_bytes()).unwrap());
        for bad in [
            "PolicyArns.member.1.arn=x",
            "SerialNumber=x",
            "TokenCode=1",
            "ProviderId=x",
        ] {
            let error = refused(bad).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Unsupported, "{bad}");
        }
        refused("Policy=x&TransitiveTagKeys.member.1=a").unwrap();
    }
}
