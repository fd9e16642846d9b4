//! Refused requests: each has a line in the log and one in the audit, within bounds.
//!
//! Strangers are refused as often as they like. So refusals of one address, of one account and of all strangers together
//! have lines of their own only so often; the others are counted, and told of together every ten seconds. What is told
//! so says of how many, of whom and why, and nothing is told of in one place alone.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::domain::clock::Timestamp;
use crate::domain::credential::CredentialId;
use crate::domain::ids::AccountId;
use crate::domain::refusal::ClaimedName;
use crate::domain::scope::Scope;
use crate::domain::{Blame, Error, ErrorKind};
use crate::service::ledger::Ledger;
use crate::service::ledger::counted::Counted;
use crate::service::ledger::event::Line;
use crate::service::ledger::queue::Share;
use crate::service::limits::rates::{AddressLimits, Bucket, Rates, subscriber};
use crate::service::request::RequestContext;

/// How many refusals of one address have lines of their own, a second and at once.
const LINES_OF_ADDRESS: (u32, u32) = (1, 20);
/// How many refusals of all strangers do, a second and at once: some four kilobytes of log a second.
const LINES_OF_STRANGERS: (u32, u32) = (10, 100);
/// How many refusals of one account do, a second and at once: some five kilobytes of log a second.
const LINES_OF_ACCOUNT: (u32, u32) = (10, 20);
/// How many requests of one account have what their tokens lack explained in the log, a second and at once. Such a line has
/// four kilobytes at most, so that all lines of an account stay below ten kilobytes a second.
const EXPLANATIONS_OF_ACCOUNT: (u32, u32) = (1, 20);
/// The most that are told of by whom they were; all others are by their cause alone.
const MAX_COUNTED: usize = 64;
/// What the audit calls refusals of several actions.
const SEVERAL: &str = "several";

/// A request that was refused, as its door knows it.
pub struct Refusal<'a> {
    /// What was asked for, as the audit calls it; nothing where the audit has no word for it.
    pub action: Option<&'static str>,
    /// Who was proved, as the audit names it.
    pub principal: Option<String>,
    /// The account of who was proved.
    pub account: Option<AccountId>,
    /// What was claimed by whom nobody knows.
    pub claim: Option<&'a Claim>,
}

/// What a refused request claims; nothing of it is proved.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// The username, or the access key's id.
    pub name: Option<ClaimedName>,
    credential: Option<CredentialId>,
    service: Option<String>,
    asked: Vec<String>,
}

impl Claim {
    /// What a signed call claims.
    pub fn of_access_key(id: &str) -> Self {
        Self { name: Some(ClaimedName::of(id, None)), ..Self::default() }
    }

    /// What a log-in claims.
    pub(in crate::service) fn of_log_in(
        name: Option<ClaimedName>,
        credential: Option<CredentialId>,
        service: &str,
        scopes: &[Scope],
    ) -> Self {
        let asked = scopes.iter().map(ToString::to_string).collect();
        Self { name, credential, service: Some(service.to_owned()), asked }
    }
}

/// What the audit says of a refusal besides.
#[derive(Serialize)]
struct Detail<'a> {
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<&'a ClaimedName>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    asked: &'a [String],
}

/// What the audit says of many refusals.
#[derive(Serialize)]
struct Many {
    cause: &'static str,
    /// How many were refused so, without lines of their own.
    more: u64,
}

/// Who is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::service) enum Party {
    /// Somebody at this address.
    Address(Option<IpAddr>),
    /// Somebody of this account, who was proved.
    Account(AccountId),
}

impl Party {
    /// Returns whom nobody knows at an address.
    pub(in crate::service) fn of_address(address: Option<IpAddr>) -> Self {
        Self::Address(address.map(subscriber))
    }
}

/// Refusals that are told of together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Alike {
    /// All others, where nothing is said.
    party: Option<Party>,
    /// Nothing where the audit has no word for it.
    action: Option<&'static str>,
    outcome: &'static str,
    cause: &'static str,
}

/// How often refusals had lines, and those that had none.
pub(in crate::service) struct Refusals {
    of_addresses: AddressLimits,
    of_accounts: Rates<AccountId>,
    explanations: Rates<AccountId>,
    of_strangers: Mutex<Option<Bucket>>,
    strangers: Counted<Alike>,
    accounts: Counted<Alike>,
}

impl Alike {
    /// Returns what these count as without room for another party: their cause, of which there are few.
    fn beyond(self) -> Self {
        Self { party: None, action: self.action.map(|_| SEVERAL), ..self }
    }
}

impl Refusals {
    pub(in crate::service) fn new() -> Self {
        let (of_address, of_account, explained) = (LINES_OF_ADDRESS, LINES_OF_ACCOUNT, EXPLANATIONS_OF_ACCOUNT);
        Self {
            of_addresses: AddressLimits::new(of_address.0, of_address.1),
            of_accounts: Rates::new(of_account.0, of_account.1),
            explanations: Rates::new(explained.0, explained.1),
            of_strangers: Mutex::default(),
            strangers: Counted::new(MAX_COUNTED, Alike::beyond),
            accounts: Counted::new(MAX_COUNTED, Alike::beyond),
        }
    }

    /// Takes a line of its own for a refusal, if there is one left.
    fn take_line(&self, party: Party, now: Timestamp) -> bool {
        match party {
            Party::Account(account) => self.of_accounts.take(account, now),
            Party::Address(address) => {
                if address.is_some_and(|address| !self.of_addresses.take(address, now)) {
                    return false;
                }
                let (per_second, at_once) = LINES_OF_STRANGERS;
                let mut bucket = self.of_strangers.lock().unwrap_or_else(PoisonError::into_inner);
                let bucket = bucket.get_or_insert_with(|| Bucket::full(at_once, now));
                bucket.refill(per_second, at_once, now);
                let has_line = bucket.take();
                if let (false, Some(address)) = (has_line, address) {
                    self.of_addresses.give_back(address);
                }
                has_line
            }
        }
    }

    /// Takes a line of the log that explains what a token lacks, if there is one left; otherwise it is told of with others.
    pub(in crate::service) fn take_explanation(&self, party: Party, now: Timestamp) -> bool {
        let (has_line, share) = match party {
            Party::Account(account) => (self.explanations.take(account, now), Share::Refused),
            Party::Address(_) => (self.take_line(party, now), Share::Strangers),
        };
        if !has_line {
            let alike = Alike { party: Some(party), action: None, outcome: "reduced", cause: "rights" };
            self.counted(share).add(alike, 1);
        }
        has_line
    }

    fn counted(&self, share: Share) -> &Counted<Alike> {
        match share {
            Share::Strangers => &self.strangers,
            Share::Done | Share::Refused => &self.accounts,
        }
    }

    /// Forgets who was refused nothing for long enough.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.of_addresses.forget(now);
        self.of_accounts.forget(now);
        self.explanations.forget(now);
    }
}

impl Ledger {
    /// Writes a refusal into the audit. Returns whether it has a line of its own, and so is to have one in the log, too;
    /// where it hasn't, it is told of with others.
    pub fn record_refusal(&self, refusal: &Refusal<'_>, error: &Error, context: &RequestContext) -> bool {
        let now = self.base.now();
        let (party, share) = match refusal.account {
            Some(account) => (Party::Account(account), Share::Refused),
            None => (Party::of_address(context.address), Share::Strangers),
        };
        let (outcome, cause) = (outcome(error.kind()), error.refusal_word());
        let has_line = self.refusals.take_line(party, now);
        let has_line = match refusal.action.filter(|_| has_line) {
            None => has_line,
            Some(action) => {
                let line = self.line_of_refusal(action, refusal, cause, now, context).outcome(outcome);
                self.queue.offer(share).map(|room| room.record(&line)).is_some()
            }
        };
        if !has_line {
            self.refusals.counted(share).add(Alike { party: Some(party), action: refusal.action, outcome, cause }, 1);
        }
        has_line
    }

    fn line_of_refusal<'a>(
        &self,
        action: &'static str,
        refusal: &Refusal<'a>,
        cause: &'static str,
        now: Timestamp,
        context: &'a RequestContext,
    ) -> Line<'a> {
        let mut line = Line::new(action, now, context).proved(refusal.principal.clone(), refusal.account);
        let mut detail = Detail { cause, claimed: None, asked: &[] };
        if let Some(claim) = refusal.claim {
            (detail.claimed, detail.asked) = (claim.name.as_ref(), &claim.asked);
            if let Some(service) = &claim.service {
                line = line.service(service);
            }
            if let Some(id) = &claim.credential {
                line = line.credential(id);
            }
        }
        line.detail(detail)
    }

    /// Tells of the refusals that had no lines of their own: in the log at once, in the audit as soon as the writer takes it.
    pub(in crate::service) async fn tell_refusals(&self) {
        let mut lines = self.queue.record_counted();
        for counted in [&self.refusals.accounts, &self.refusals.strangers] {
            for (Alike { party, action, outcome, cause }, more) in counted.take() {
                let (address, account) = match party {
                    Some(Party::Address(address)) => (address, None),
                    Some(Party::Account(account)) => (None, Some(account)),
                    None => (None, None),
                };
                if let Some(action) = action {
                    let context = RequestContext::operator(self.base.request_id());
                    let line = Line::new(action, self.base.now(), &context).proved(None, account).address(address).outcome(outcome);
                    lines.add(&line.detail(Many { cause, more })).await;
                }
                let (address, account) = (address.map(tracing::field::display), account.map(tracing::field::display));
                tracing::info!(kind = cause, action, address, account, more, "more requests were {outcome} alike");
            }
        }
        lines.end().await;
    }
}

/// Returns the audit's word for how a request ended that wasn't served.
fn outcome(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AccessDenied(_) => "denied",
        kind if kind.blame() == Blame::Client => "refused",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    fn address(number: u32) -> Party {
        Party::Address(Some(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into()))
    }

    fn alike(party: Party) -> Alike {
        Alike { party: Some(party), action: Some("registry.log-in"), outcome: "refused", cause: "wrong-secret" }
    }

    #[test]
    fn an_address_and_an_account_have_lines_of_their_own_only_so_often() {
        let refusals = Refusals::new();
        let account = Party::Account("100000000001".parse().unwrap());
        let lines = |party, now| (0..100).filter(|_| refusals.take_line(party, now)).count();
        assert_eq!([lines(address(1), START), lines(address(2), START), lines(account, START)], [20, 20, 20]);
        let later = START.plus(Duration::from_secs(1));
        assert_eq!([lines(address(1), later), lines(account, later)], [1, 10]);
    }

    #[test]
    fn what_tokens_of_an_account_lack_is_explained_only_so_often_and_counted_whole() {
        // One service account had 39 MB a second of it written.
        let (refusals, account) = (Refusals::new(), Party::Account("100000000001".parse().unwrap()));
        let explained = |now| (0..1000).filter(|_| refusals.take_explanation(account, now)).count();
        assert_eq!([explained(START), explained(START.plus(Duration::from_secs(1)))], [20, 1]);
        assert_eq!(refusals.accounts.take().values().sum::<u64>(), 2000 - 21);
        assert!(refusals.take_line(account, START), "a refusal has a line all the same");
    }

    #[test]
    fn all_strangers_together_have_lines_only_so_often_and_take_none_of_an_account() {
        let refusals = Refusals::new();
        let lines = |now| (0..10_000).filter(|number| refusals.take_line(address(*number), now)).count();
        assert_eq!([lines(START), lines(START.plus(Duration::from_secs(1)))], [100, 10]);
        assert!(refusals.take_line(Party::Account("100000000001".parse().unwrap()), START));
    }

    #[test]
    fn without_room_for_another_party_refusals_are_counted_by_their_cause() {
        let counted = Counted::new(MAX_COUNTED, Alike::beyond);
        for number in 0..10_000 {
            counted.add(alike(address(number)), 1);
        }
        let counted = counted.take();
        assert_eq!((counted.len(), counted.values().sum::<u64>()), (MAX_COUNTED + 1, 10_000));
        assert_eq!(counted.keys().find(|alike| alike.party.is_none()).map(|alike| alike.action), Some(Some(SEVERAL)));
    }
}
