//! Refused requests: each has a line in the log and an event in the audit, within bounds.
//!
//! Anybody can be refused at any rate. So refusals of one address, of one account and of all
//! unauthenticated callers together are recorded one by one only so often. The others are counted,
//! and recorded together every ten seconds, with their number, caller and cause. Log and audit
//! always have the same refusals.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::domain::clock::Timestamp;
use crate::domain::credential::CredentialId;
use crate::domain::ids::AccountId;
use crate::domain::printable::escape;
use crate::domain::refusal::{ClaimedName, without_secrets};
use crate::domain::scope::Scope;
use crate::domain::{Blame, Error, ErrorKind};
use crate::service::ledger::Ledger;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::counted::Counted;
use crate::service::ledger::event::Event;
use crate::service::ledger::queue::Share;
use crate::service::limits::rates::{AddressLimits, Bucket, Rates, subscriber};
use crate::service::request::RequestContext;

/// The refusals of one address that are recorded one by one: per second, and at once.
const RECORDS_PER_ADDRESS: (u32, u32) = (1, 20);
/// The same of all unauthenticated callers: some five kilobytes of log a second.
const RECORDS_OF_UNAUTHENTICATED: (u32, u32) = (10, 100);
/// The same of one account: some six kilobytes of log a second.
const RECORDS_PER_ACCOUNT: (u32, u32) = (10, 20);
/// The reduced tokens of one account that the log explains: per second, and at once. Such a line
/// has four kilobytes at most, so all lines of an account stay below eleven kilobytes a second.
const EXPLANATIONS_PER_ACCOUNT: (u32, u32) = (1, 20);
/// The most bytes of what decided a refusal.
const MAX_DECIDED_BYTES: usize = 320;
/// The most counts by caller; all other refusals are counted by their cause alone.
const MAX_COUNTED: usize = 64;

/// A refused request, as its API knows it.
pub struct Refusal<'a> {
    /// The action; none where the request isn't audited.
    pub action: Option<AuditAction>,
    /// The authenticated caller, as the audit names it.
    pub principal: Option<String>,
    /// The account of the authenticated caller.
    pub account: Option<AccountId>,
    /// The access key of the authenticated caller.
    pub access_key: Option<&'a str>,
    /// The claims of a caller that isn't authenticated.
    pub claim: Option<&'a Claim>,
}

impl Refusal<'_> {
    /// Returns what decided the refusal, cut and without secrets.
    ///
    /// Where nothing else says it, an authenticated caller's is the message that it got. Strangers
    /// choose the text of theirs.
    pub fn decided(&self, error: &Error) -> Option<String> {
        if let Some(decided) = error.decided() {
            return Some(cut(&escape(decided)).to_owned());
        }
        self.account?;
        let text = match error.kind() {
            ErrorKind::UnknownAction { action, version } => {
                format!("there is no action {action} of version {version}")
            }
            ErrorKind::UnknownVersion { version } => format!("there is no version {version}"),
            _ => error.message().to_owned(),
        };
        Some(cut(&without_secrets(&text)).to_owned())
    }
}

/// Cuts what decided a refusal.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_DECIDED_BYTES)]
}

/// The claims of a refused request, none of them proved.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// The username, or the access key's id.
    pub name: Option<ClaimedName>,
    credential: Option<CredentialId>,
    service: Option<String>,
    asked: Vec<String>,
}

impl Claim {
    /// Returns the claim of a signed call.
    pub fn of_access_key(id: &str) -> Self {
        Self {
            name: Some(ClaimedName::of(id, None)),
            ..Self::default()
        }
    }

    /// Returns the claim of an operator's token.
    pub(in crate::service) fn of_operator(name: Option<ClaimedName>) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Returns the claims of a log-in.
    pub(in crate::service) fn of_log_in(
        name: Option<ClaimedName>,
        credential: Option<CredentialId>,
        service: &str,
        scopes: &[Scope],
    ) -> Self {
        let asked = scopes.iter().map(ToString::to_string).collect();
        Self {
            name,
            credential,
            service: Some(service.to_owned()),
            asked,
        }
    }
}

/// The detail of the event about one refusal.
#[derive(Serialize)]
struct Detail<'a> {
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<&'a ClaimedName>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    asked: &'a [String],
    /// The permission that was denied, as CAM names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'a str>,
    /// The resource on which it was denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<String>,
}

/// The detail of the event about many refusals.
#[derive(Serialize)]
struct Many {
    cause: &'static str,
    /// How many were refused so, without lines of their own.
    more: u64,
}

/// The caller whose refusals are recorded within limits of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::service) enum RefusedCaller {
    /// An unauthenticated caller at this address.
    Address(Option<IpAddr>),
    /// An authenticated caller of this account.
    Account(AccountId),
}

impl RefusedCaller {
    /// Returns the unauthenticated caller at an address; of IPv6 its network counts.
    pub(in crate::service) fn of_address(address: Option<IpAddr>) -> Self {
        Self::Address(address.map(subscriber))
    }
}

/// The key under which refusals are counted: those of one key become one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct RefusalKey {
    /// The caller; none for the refusals beyond [`MAX_COUNTED`].
    caller: Option<RefusedCaller>,
    /// The action; none where the refusal isn't audited.
    action: Option<AuditAction>,
    outcome: &'static str,
    cause: &'static str,
}

/// How often refusals are recorded one by one, and the counts of the others.
pub(in crate::service) struct Refusals {
    of_addresses: AddressLimits,
    of_accounts: Rates<AccountId>,
    /// The denials that are explained: as many as have records.
    denials: Rates<AccountId>,
    explanations: Rates<AccountId>,
    of_unauthenticated: Mutex<Option<Bucket>>,
    unauthenticated: Counted<RefusalKey>,
    accounts: Counted<RefusalKey>,
}

impl RefusalKey {
    /// Returns the key without a caller, for when there is no room for another one. There are few
    /// causes.
    fn beyond(self) -> Self {
        Self {
            caller: None,
            action: self.action.map(|_| AuditAction::Several),
            ..self
        }
    }
}

impl Refusals {
    pub(in crate::service) fn new() -> Self {
        let (of_address, of_account, explained) = (
            RECORDS_PER_ADDRESS,
            RECORDS_PER_ACCOUNT,
            EXPLANATIONS_PER_ACCOUNT,
        );
        Self {
            of_addresses: AddressLimits::new(of_address.0, of_address.1),
            of_accounts: Rates::new(of_account.0, of_account.1),
            denials: Rates::new(of_account.0, of_account.1),
            explanations: Rates::new(explained.0, explained.1),
            of_unauthenticated: Mutex::default(),
            unauthenticated: Counted::new(MAX_COUNTED, RefusalKey::beyond),
            accounts: Counted::new(MAX_COUNTED, RefusalKey::beyond),
        }
    }

    /// Takes one of the caller's records, if there is one left.
    fn take_record(&self, caller: RefusedCaller, now: Timestamp) -> bool {
        match caller {
            RefusedCaller::Account(account) => self.of_accounts.take(account, now),
            RefusedCaller::Address(address) => {
                if address.is_some_and(|address| !self.of_addresses.take(address, now)) {
                    return false;
                }
                let (per_second, at_once) = RECORDS_OF_UNAUTHENTICATED;
                let mut bucket = self
                    .of_unauthenticated
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                let bucket = bucket.get_or_insert_with(|| Bucket::full(at_once, now));
                bucket.refill(per_second, at_once, now);
                let is_recorded = bucket.take();
                if let (false, Some(address)) = (is_recorded, address) {
                    self.of_addresses.give_back(address);
                }
                is_recorded
            }
        }
    }

    /// Takes a log line that explains a reduced token, if there is one left; otherwise counts the
    /// token.
    pub(in crate::service) fn take_explanation(
        &self,
        caller: RefusedCaller,
        now: Timestamp,
    ) -> bool {
        let (is_recorded, share) = match caller {
            RefusedCaller::Account(account) => {
                (self.explanations.take(account, now), Share::Refused)
            }
            RefusedCaller::Address(_) => (self.take_record(caller, now), Share::Unauthenticated),
        };
        if !is_recorded {
            let key = RefusalKey {
                caller: Some(caller),
                action: None,
                outcome: "reduced",
                cause: "rights",
            };
            self.counted(share).add(key, 1);
        }
        is_recorded
    }

    fn counted(&self, share: Share) -> &Counted<RefusalKey> {
        match share {
            Share::Unauthenticated => &self.unauthenticated,
            Share::Served | Share::Refused => &self.accounts,
        }
    }

    /// Forgets the callers that were refused nothing for long enough.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.of_addresses.forget(now);
        self.of_accounts.forget(now);
        self.denials.forget(now);
        self.explanations.forget(now);
    }
}

impl Ledger {
    /// Takes one of the explanations of denials that the caller's account has, if there is one
    /// left.
    pub(in crate::service) fn may_explain_denial(
        &self,
        account: Option<AccountId>,
        now: Timestamp,
    ) -> bool {
        account.is_some_and(|account| self.refusals.denials.take(account, now))
    }

    /// Counts a request that was refused for the load, before anything was known of it.
    pub fn count_overloaded(&self) {
        let key = RefusalKey {
            caller: None,
            action: Some(AuditAction::Several),
            outcome: outcome(&ErrorKind::Overloaded),
            cause: ErrorKind::Overloaded.name(),
        };
        self.refusals.unauthenticated.add(key, 1);
    }

    /// Records a refusal, or counts it. Returns whether it has an event of its own, and so is to
    /// have a line in the log, too.
    pub fn record_refusal(
        &self,
        refusal: &Refusal<'_>,
        error: &Error,
        context: &RequestContext,
    ) -> bool {
        let now = self.base.now();
        let (caller, share) = match refusal.account {
            Some(account) => (RefusedCaller::Account(account), Share::Refused),
            None => (
                RefusedCaller::of_address(context.address),
                Share::Unauthenticated,
            ),
        };
        let (outcome, cause) = (outcome(error.kind()), error.refusal_word());
        let is_recorded = self.refusals.take_record(caller, now);
        let is_recorded = match refusal.action.filter(|_| is_recorded) {
            None => is_recorded,
            Some(action) => {
                let event = Self::event_of_refusal(action, refusal, error, now, context);
                self.queue
                    .offer(share)
                    .map(|permit| permit.record(&event))
                    .is_some()
            }
        };
        if !is_recorded {
            self.refusals.counted(share).add(
                RefusalKey {
                    caller: Some(caller),
                    action: refusal.action,
                    outcome,
                    cause,
                },
                1,
            );
        }
        is_recorded
    }

    fn event_of_refusal<'a>(
        action: AuditAction,
        refusal: &Refusal<'a>,
        error: &'a Error,
        now: Timestamp,
        context: &'a RequestContext,
    ) -> Event<'a> {
        let mut event = Event::new(action, now, context)
            .proved(refusal.principal.clone(), refusal.account)
            .access_key(refusal.access_key)
            .outcome(outcome(error.kind()));
        let denied = error.denied_request();
        let mut detail = Detail {
            cause: error.refusal_word(),
            claimed: None,
            asked: &[],
            permission: denied.map(|(permission, _)| permission),
            resource: denied.map(|(_, resource)| resource),
            decided: refusal.decided(error),
        };
        if let Some(claim) = refusal.claim {
            (detail.claimed, detail.asked) = (claim.name.as_ref(), &claim.asked);
            if let Some(service) = &claim.service {
                event = event.service(service);
            }
            if let Some(id) = &claim.credential {
                event = event.credential(id);
            }
        }
        event.detail(detail)
    }

    /// Records the counted refusals: in the log at once, in the audit as soon as the writer takes
    /// the events.
    pub(in crate::service) async fn record_counted_refusals(&self) {
        let mut events = self.queue.record_counted();
        for counted in [&self.refusals.accounts, &self.refusals.unauthenticated] {
            for (
                RefusalKey {
                    caller,
                    action,
                    outcome,
                    cause,
                },
                more,
            ) in counted.take()
            {
                let (address, account) = match caller {
                    Some(RefusedCaller::Address(address)) => (address, None),
                    Some(RefusedCaller::Account(account)) => (None, Some(account)),
                    None => (None, None),
                };
                if let Some(action) = action {
                    let context = RequestContext::operator(self.base.request_id());
                    let event = Event::new(action, self.base.now(), &context)
                        .proved(None, account)
                        .address(address)
                        .outcome(outcome);
                    events.add(&event.detail(Many { cause, more })).await;
                }
                let (address, account) = (
                    address.map(tracing::field::display),
                    account.map(tracing::field::display),
                );
                let action = action.map(AuditAction::name);
                tracing::info!(
                    kind = cause,
                    action,
                    address,
                    account,
                    more,
                    "more requests were {outcome} alike"
                );
            }
        }
        events.end().await;
    }
}

/// Returns the audit's outcome of a request that wasn't served.
fn outcome(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AccessDenied(_) | ErrorKind::OperatorDenied { .. } => "denied",
        kind if kind.blame() == Blame::Client => "refused",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    fn address(number: u32) -> RefusedCaller {
        RefusedCaller::Address(Some(
            std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into(),
        ))
    }

    fn key(caller: RefusedCaller) -> RefusalKey {
        RefusalKey {
            caller: Some(caller),
            action: Some(AuditAction::RegistryLogIn),
            outcome: "refused",
            cause: "wrong-secret",
        }
    }

    #[test]
    fn an_address_and_an_account_have_lines_of_their_own_only_so_often() {
        let refusals = Refusals::new();
        let account = RefusedCaller::Account("100000000001".parse().unwrap());
        let lines = |caller, now| {
            (0..100)
                .filter(|_| refusals.take_record(caller, now))
                .count()
        };
        assert_eq!(
            [
                lines(address(1), START),
                lines(address(2), START),
                lines(account, START)
            ],
            [20, 20, 20]
        );
        let later = START.plus(Duration::from_secs(1));
        assert_eq!([lines(address(1), later), lines(account, later)], [1, 10]);
    }

    #[test]
    fn what_tokens_of_an_account_lack_is_explained_only_so_often_and_counted_whole() {
        // One service account had 39 MB a second of it written.
        let (refusals, account) = (
            Refusals::new(),
            RefusedCaller::Account("100000000001".parse().unwrap()),
        );
        let explained = |now| {
            (0..1000)
                .filter(|_| refusals.take_explanation(account, now))
                .count()
        };
        assert_eq!(
            [
                explained(START),
                explained(START.plus(Duration::from_secs(1)))
            ],
            [20, 1]
        );
        assert_eq!(refusals.accounts.take().values().sum::<u64>(), 2000 - 21);
        assert!(
            refusals.take_record(account, START),
            "a refusal has a line all the same"
        );
    }

    #[test]
    fn all_unauthenticated_callers_together_have_lines_only_so_often_and_take_none_of_an_account() {
        let refusals = Refusals::new();
        let lines = |now| {
            (0..10_000)
                .filter(|number| refusals.take_record(address(*number), now))
                .count()
        };
        assert_eq!(
            [lines(START), lines(START.plus(Duration::from_secs(1)))],
            [100, 10]
        );
        assert!(refusals.take_record(
            RefusedCaller::Account("100000000001".parse().unwrap()),
            START
        ));
    }

    #[test]
    fn without_room_for_another_caller_refusals_are_counted_by_their_cause() {
        let counted = Counted::new(MAX_COUNTED, RefusalKey::beyond);
        for number in 0..10_000 {
            counted.add(key(address(number)), 1);
        }
        let counted = counted.take();
        assert_eq!(
            (counted.len(), counted.values().sum::<u64>()),
            (MAX_COUNTED + 1, 10_000)
        );
        assert_eq!(
            counted
                .keys()
                .find(|key| key.caller.is_none())
                .map(|key| key.action),
            Some(Some(AuditAction::Several))
        );
    }
}
