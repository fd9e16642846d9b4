//! Exchanges without a log-in that were granted nothing: anybody may make them, so they have no
//! events of their own.
//!
//! They are counted by address and instance, and recorded every minute: `audit = "required"`
//! doesn't wait for that.

use std::net::IpAddr;

use serde::Serialize;

use crate::domain::ids::AccountId;
use crate::domain::instance::Instance;
use crate::service::ledger::Ledger;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::counted::Counted;
use crate::service::ledger::event::Event;
use crate::service::limits::rates::subscriber;
use crate::service::request::RequestContext;

/// The most pairs of address and instance that have an event in a minute; all others share one.
const MAX_PAIRS: usize = 10_000;

/// The client's address and the instance that it asked for a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::service) struct Source {
    /// The client's address; for IPv6 its network of 64 bits.
    address: Option<IpAddr>,
    /// The instance's account and service; none for the exchanges beyond [`MAX_PAIRS`].
    instance: Option<(AccountId, String)>,
}

/// The detail of an event about counted exchanges.
#[derive(Serialize)]
struct Exchanges {
    cause: &'static str,
    exchanges: u64,
}

/// Returns an empty count of exchanges.
pub(in crate::service) fn counted() -> Counted<Source> {
    Counted::new(MAX_PAIRS, |_| Source {
        address: None,
        instance: None,
    })
}

impl Ledger {
    /// Counts an exchange without a log-in that was granted nothing.
    pub(in crate::service) fn count_ungranted(
        &self,
        instance: &Instance,
        context: &RequestContext,
    ) {
        let instance = (instance.account, instance.service.clone());
        self.anonymous.add(
            Source {
                address: context.address.map(subscriber),
                instance: Some(instance),
            },
            1,
        );
    }

    /// Records the exchanges that were counted; waits for the audit's writer.
    pub(in crate::service) async fn record_anonymous(&self) {
        let mut events = self.queue.record_counted();
        for (source, exchanges) in self.anonymous.take() {
            let context = RequestContext::operator(self.base.request_id());
            let mut event = Event::new(AuditAction::TokenExchange, self.base.now(), &context)
                .outcome("reduced")
                .address(source.address);
            if let Some((account, service)) = &source.instance {
                event = event.proved(None, Some(*account)).service(service);
            }
            events
                .add(&event.detail(Exchanges {
                    cause: "nothing-granted",
                    exchanges,
                }))
                .await;
        }
        events.end().await;
    }
}
