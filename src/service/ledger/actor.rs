//! The actor of an audit event.

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::{Error, ErrorKind, Result};
use crate::store::Unchanged;
use crate::store::signed_change::SignedChange;

/// The authenticated caller, as the audit names it.
pub(in crate::service) struct Actor<'a> {
    /// Its name; none for an anonymous caller.
    pub(in crate::service) name: Option<String>,
    /// The account that the call is of, or is made to.
    pub(in crate::service) account: Option<AccountId>,
    /// The access key that signed the call, or that the log-in's credential was issued to.
    pub(in crate::service) access_key: Option<&'a str>,
    /// The signature of the call.
    pub(in crate::service) signature: Option<Signature>,
    /// The condition under which the call makes its change.
    pub(in crate::service) unchanged: Option<&'a Unchanged>,
}

/// The verified signature of a call. It makes one durable change, whatever else the call holds.
#[derive(Clone, Copy)]
pub(in crate::service) struct Signature {
    pub(in crate::service) bytes: [u8; 32],
    /// From this time on it is valid at no replica.
    pub(in crate::service) ends_at: Timestamp,
    /// The digest of the request that an operator's idempotency key came with; none of a cloud
    /// call's signature, which covers the request itself.
    pub(in crate::service) request: Option<[u8; 32]>,
}

impl Signature {
    /// Returns the change that the call of this request id makes by it.
    pub(in crate::service) fn of_change(
        &self,
        request_id: &str,
        made: Option<&str>,
    ) -> SignedChange {
        let made = match &self.request {
            Some(request) => Some(format!(
                "{}.{}",
                hex::encode(request),
                made.unwrap_or_default()
            )),
            None => made.map(str::to_owned),
        };
        SignedChange {
            digest: self.digest(),
            request_id: request_id.to_owned(),
            made,
            ends_at: self.ends_at,
        }
    }

    /// Returns the digest under which its change is stored.
    pub(in crate::service) fn digest(&self) -> String {
        hex::encode(digest(&SHA256, &self.bytes))
    }

    /// Returns the id of what the key made before, out of the stored text.
    ///
    /// # Errors
    /// `Replayed` where the key came with another request then.
    pub(in crate::service) fn made_before(&self, stored: Option<&str>) -> Result<Option<String>> {
        let request = self.request.map(hex::encode);
        match stored.and_then(|stored| stored.split_once('.')) {
            Some((before, made)) if Some(before) == request.as_deref() => {
                Ok((!made.is_empty()).then(|| made.to_owned()))
            }
            _ => Err(Error::new(
                ErrorKind::Replayed,
                "This Idempotency-Key came with another request within the last 24 hours: take \
                 another key.",
            )),
        }
    }
}
