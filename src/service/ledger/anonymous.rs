//! Exchanges without a log-in that were granted nothing: anybody may ask, so they have no lines of their own.
//!
//! They are counted by address and instance, and told of every minute: `audit = "required"` doesn't wait for that.

use std::net::IpAddr;

use serde::Serialize;

use crate::domain::ids::AccountId;
use crate::domain::instance::Instance;
use crate::service::ledger::Ledger;
use crate::service::ledger::counted::Counted;
use crate::service::ledger::event::Line;
use crate::service::limits::rates::subscriber;
use crate::service::request::RequestContext;

/// The most pairs of address and instance that are told of in a minute; all others are told of in one line.
const MAX_PAIRS: usize = 10_000;

/// The client, as far as it is known, and where it asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::service) struct Place {
    /// Of IPv6, its network of 64 bits.
    address: Option<IpAddr>,
    /// The instance's account and service; nothing for all that had no place of their own.
    instance: Option<(AccountId, String)>,
}

/// What the audit says of exchanges that were counted.
#[derive(Serialize)]
struct Many {
    cause: &'static str,
    exchanges: u64,
}

/// Returns an empty count of exchanges.
pub(in crate::service) fn counted() -> Counted<Place> {
    Counted::new(MAX_PAIRS, |_| Place { address: None, instance: None })
}

impl Ledger {
    /// Counts an exchange without a log-in that was granted nothing.
    pub(in crate::service) fn count_ungranted(&self, instance: &Instance, context: &RequestContext) {
        let instance = (instance.account, instance.service.clone());
        self.anonymous.add(Place { address: context.address.map(subscriber), instance: Some(instance) }, 1);
    }

    /// Tells the audit of the exchanges that were counted; waits for its writer.
    pub(in crate::service) async fn tell_anonymous(&self) {
        let mut lines = self.queue.record_counted();
        for (place, exchanges) in self.anonymous.take() {
            let context = RequestContext::operator(self.base.request_id());
            let mut line = Line::new("token.exchange", self.base.now(), &context).outcome("reduced").address(place.address);
            if let Some((account, service)) = &place.instance {
                line = line.proved(None, Some(*account)).service(service);
            }
            lines.add(&line.detail(Many { cause: "nothing-granted", exchanges })).await;
        }
        lines.end().await;
    }
}
