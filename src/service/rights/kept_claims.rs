//! The claims that a session keeps of the token that opened it.

use std::collections::BTreeSet;

use crate::domain::claims::Claims;
use crate::domain::principal::Principal;
use crate::domain::{Error, Result};
use crate::policy::{Document, Documents};
use crate::service::rights::{Holder, Rights};
use crate::token::MAX_CLAIMS;

impl Rights {
    /// Returns the claims of a token for which the policies of the session ask now: those of its
    /// role, and its own.
    ///
    /// # Errors
    /// `Unsupported` when they are longer than a secret may carry; those of the store.
    pub(in crate::service) async fn kept_claims(
        &self,
        token: &Claims,
        session: &Principal,
        policy: Option<&Document>,
    ) -> Result<Claims> {
        let holder = self.holder(session).await?;
        let attached = match &holder {
            Holder::Root => Documents::from(&[]),
            Holder::Policies(policies) => Documents::from(&**policies),
        };
        let documents = attached.iter().map(|named| named.document).chain(policy);
        let names: BTreeSet<&str> = documents.flat_map(Document::claims).collect();
        let kept = token.select(names);
        if kept.length() > MAX_CLAIMS {
            let names: Vec<&str> = kept.iter().map(|(name, _)| name).collect();
            return Err(Error::unsupported(format!(
                "A session keeps at most {MAX_CLAIMS} bytes of the token's claims; the policies of \
                 this one ask for more: {}. Log in at the registry with the token itself, or ask \
                 for fewer claims.",
                names.join(", ")
            )));
        }
        Ok(kept)
    }
}
