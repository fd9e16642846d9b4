//! The actor of an audit event.

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
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
}

/// The verified signature of a call. It makes one durable change, whatever else the call holds.
#[derive(Clone, Copy)]
pub(in crate::service) struct Signature {
    pub(in crate::service) bytes: [u8; 32],
    /// From this time on it is valid at no replica.
    pub(in crate::service) ends_at: Timestamp,
}

impl Signature {
    /// Returns the change that the call of this request id makes by it.
    pub(in crate::service) fn of_change(
        &self,
        request_id: &str,
        made: Option<&str>,
    ) -> SignedChange {
        SignedChange {
            digest: hex::encode(digest(&SHA256, &self.bytes)),
            request_id: request_id.to_owned(),
            made: made.map(str::to_owned),
            ends_at: self.ends_at,
        }
    }
}
