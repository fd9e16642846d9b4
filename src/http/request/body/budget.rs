//! The memory that bodies take together, and which of them gives way when none is left.
//!
//! That memory is shared by address, and by access key at an address, because strangers can take
//! it: a body that is waited for gives way to others when none is left. It is the oldest of the key
//! that holds most, at the address that holds most. So a sender that lets bodies trickle makes its
//! own give way, and one that comes at once is never the oldest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::{Error, ErrorKind, Result};
use crate::service::subscriber;

/// The sender of a body, as far as that is known before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner<'a> {
    address: IpAddr,
    /// The access key that the headers name; empty where they name none.
    access_key_id: &'a str,
}

impl<'a> Owner<'a> {
    /// Names an owner.
    pub(crate) fn new(address: Option<IpAddr>, access_key_id: &'a str) -> Self {
        let address = address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), subscriber);
        Self {
            address,
            access_key_id,
        }
    }
}

/// How many bytes of bodies may still be taken into memory, over all requests.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicUsize,
    /// The bodies that are waited for. Most come with their heads, and are never among them.
    arriving: Mutex<Arriving>,
}

/// The bodies that may have to give way.
#[derive(Debug, Default)]
struct Arriving {
    /// The number of the next one: the least number came first.
    next: u64,
    by_address: HashMap<IpAddr, Share<Keys>>,
    /// The addresses by how much they hold.
    by_size: BTreeSet<(usize, IpAddr)>,
}

/// Bytes held at an address, by the access key that the headers name.
type Keys = HashMap<String, Share<BTreeMap<u64, Waiting>>>;

/// Bytes held, by parts.
#[derive(Debug, Default)]
struct Share<T> {
    bytes: usize,
    of: T,
}

#[derive(Debug)]
struct Waiting {
    bytes: usize,
    gives_way: Arc<Notify>,
}

/// A body's place among those that may have to give way.
#[derive(Debug)]
struct Ticket {
    number: u64,
    gives_way: Arc<Notify>,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            left: AtomicUsize::new(bytes),
            arriving: Mutex::default(),
        }
    }

    /// Returns how many bytes are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    fn arriving(&self) -> MutexGuard<'_, Arriving> {
        // The lock guards counters that are right after any panic.
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes bytes, if so many are left.
    fn take(&self, bytes: usize) -> bool {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            })
            .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes bytes for a body that isn't waited for; where too few are left, others give way.
    /// `false` when none can.
    fn take_for_one_at_once(&self, bytes: usize) -> bool {
        if self.take(bytes) {
            return true;
        }
        let mut arriving = self.arriving();
        while !self.take(bytes) {
            let Some((_, freed)) = arriving.evict() else {
                return false;
            };
            // Its memory is freed as soon as its task is woken.
            self.give_back(freed);
        }
        true
    }

    /// Takes bytes for a body that is waited for; where too few are left, others give way, or it
    /// does itself: then it holds nothing any more, and this is `false`.
    fn take_for_one_waited_for(&self, owner: Owner<'_>, ticket: &Ticket, more: usize) -> bool {
        let mut arriving = self.arriving();
        // Counted first, so that the body that would hold most gives way itself.
        if !arriving.grow(owner, ticket, more) {
            return false;
        }
        while !self.take(more) {
            match arriving.evict() {
                Some((number, freed)) if number == ticket.number => {
                    self.give_back(freed - more);
                    return false;
                }
                Some((_, freed)) => self.give_back(freed),
                // It is among them itself.
                None => return false,
            }
        }
        true
    }
}

impl Arriving {
    fn add(&mut self, owner: Owner<'_>, bytes: usize) -> Ticket {
        let ticket = Ticket {
            number: self.next,
            gives_way: Arc::default(),
        };
        self.next += 1;
        let address = self.by_address.entry(owner.address).or_default();
        self.by_size.remove(&(address.bytes, owner.address));
        address.bytes += bytes;
        self.by_size.insert((address.bytes, owner.address));
        let key = address
            .of
            .entry(owner.access_key_id.to_owned())
            .or_default();
        key.bytes += bytes;
        key.of.insert(
            ticket.number,
            Waiting {
                bytes,
                gives_way: Arc::clone(&ticket.gives_way),
            },
        );
        ticket
    }

    /// Adds bytes to a body; `false` when it gave way.
    fn grow(&mut self, owner: Owner<'_>, ticket: &Ticket, more: usize) -> bool {
        let Some(address) = self.by_address.get_mut(&owner.address) else {
            return false;
        };
        let Some(key) = address.of.get_mut(owner.access_key_id) else {
            return false;
        };
        let Some(body) = key.of.get_mut(&ticket.number) else {
            return false;
        };
        body.bytes += more;
        key.bytes += more;
        self.by_size.remove(&(address.bytes, owner.address));
        address.bytes += more;
        self.by_size.insert((address.bytes, owner.address));
        true
    }

    /// Takes a body out; nothing when it gave way.
    fn remove(&mut self, owner: Owner<'_>, number: u64) -> Option<Waiting> {
        let address = self.by_address.get_mut(&owner.address)?;
        let key = address.of.get_mut(owner.access_key_id)?;
        let body = key.of.remove(&number)?;
        key.bytes -= body.bytes;
        if key.of.is_empty() {
            address.of.remove(owner.access_key_id);
        }
        self.by_size.remove(&(address.bytes, owner.address));
        address.bytes -= body.bytes;
        if address.of.is_empty() {
            self.by_address.remove(&owner.address);
        } else {
            self.by_size.insert((address.bytes, owner.address));
        }
        Some(body)
    }

    /// Has a body give way, and returns its number and its bytes.
    fn evict(&mut self) -> Option<(u64, usize)> {
        let (_, address) = *self.by_size.last()?;
        let (access_key_id, key) = self
            .by_address
            .get(&address)?
            .of
            .iter()
            .max_by_key(|(_, key)| key.bytes)?;
        let (number, _) = key.of.first_key_value()?;
        let (access_key_id, number) = (access_key_id.clone(), *number);
        let body = self.remove(
            Owner {
                address,
                access_key_id: &access_key_id,
            },
            number,
        )?;
        body.gives_way.notify_one();
        Some((number, body.bytes))
    }
}

/// The bytes of the budget that one body takes; they go back when it is dropped.
#[derive(Debug)]
pub(super) struct Reservation<'a> {
    budget: &'a Budget,
    owner: Owner<'a>,
    bytes: usize,
    /// Only while it is waited for.
    ticket: Option<Ticket>,
}

impl<'a> Reservation<'a> {
    /// Begins with nothing.
    pub(super) fn new(budget: &'a Budget, owner: Owner<'a>) -> Self {
        Self {
            budget,
            owner,
            bytes: 0,
            ticket: None,
        }
    }

    /// Returns how many bytes it has.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more` bytes of the budget. Bytes are counted as they arrive, not as they are
    /// announced: a client that announces much and sends nothing holds nothing.
    ///
    /// # Errors
    ///
    /// `Overloaded` when too few are left, and no other body gives way.
    pub(super) fn grow(&mut self, more: usize) -> Result<()> {
        let is_taken = match &self.ticket {
            None => self.budget.take_for_one_at_once(more),
            Some(ticket) => self
                .budget
                .take_for_one_waited_for(self.owner, ticket, more),
        };
        if !is_taken {
            return Err(overloaded());
        }
        self.bytes += more;
        Ok(())
    }

    /// Notes that the rest is waited for, so that it may have to give way. The signal that it has
    /// to is returned.
    pub(super) fn wait(&mut self) -> Arc<Notify> {
        let ticket = self.budget.arriving().add(self.owner, self.bytes);
        let gives_way = Arc::clone(&ticket.gives_way);
        self.ticket = Some(ticket);
        gives_way
    }

    /// Notes that it is whole: in work, it gives way to nobody.
    ///
    /// # Errors
    ///
    /// `Overloaded` when it gave way before.
    pub(super) fn finish(&mut self) -> Result<()> {
        let Some(ticket) = self.ticket.take() else {
            return Ok(());
        };
        let removed = self.budget.arriving().remove(self.owner, ticket.number);
        if removed.is_some() {
            return Ok(());
        }
        // Its bytes were taken from it.
        self.bytes = 0;
        Err(overloaded())
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.finish().is_ok() {
            self.budget.give_back(self.bytes);
        }
    }
}

/// The refusal of a body for which there is no memory.
pub(super) fn overloaded() -> Error {
    Error::new(
        ErrorKind::Overloaded,
        "Too many requests are being received; try again in a moment.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(last: u8, key: &'static str) -> Owner<'static> {
        Owner::new(Some(IpAddr::from([192, 0, 2, last])), key)
    }

    /// A body of which so much has come, while the rest is waited for.
    fn arriving<'a>(budget: &'a Budget, owner: Owner<'a>, bytes: usize) -> Reservation<'a> {
        let mut body = Reservation::new(budget, owner);
        body.wait();
        body.grow(bytes).unwrap();
        body
    }

    fn gave_way(body: &mut Reservation<'_>) -> bool {
        match body.finish() {
            Ok(()) => false,
            Err(error) => {
                assert_eq!(error.kind(), &ErrorKind::Overloaded);
                true
            }
        }
    }

    #[test]
    fn the_oldest_body_of_who_holds_most_gives_way() {
        // The bytes that strangers held were gone for everybody: a few slow bodies shut all others
        // out.
        let budget = Budget::new(100);
        let mut small = arriving(&budget, owner(1, "victim"), 5);
        let mut crowd: Vec<_> = (0..9)
            .map(|_| arriving(&budget, owner(2, "stranger"), 10))
            .collect();
        let mut more = arriving(&budget, owner(1, "victim"), 20);
        assert_eq!(
            crowd.iter_mut().map(gave_way).collect::<Vec<_>>(),
            [true, true, false, false, false, false, false, false, false]
        );
        assert!(!gave_way(&mut small) && !gave_way(&mut more));
        drop((small, more, crowd));
        assert_eq!(budget.left(), 100, "what gave way is given back once");
    }

    #[test]
    fn at_one_address_keys_share_alike() {
        let budget = Budget::new(100);
        let mut slow = arriving(&budget, owner(1, "victim"), 30);
        let mut crowd: Vec<_> = (0..7)
            .map(|_| arriving(&budget, owner(1, "stranger"), 10))
            .collect();
        let mut last = arriving(&budget, owner(1, "victim"), 5);
        assert!(gave_way(&mut crowd[0]) && !gave_way(&mut slow) && !gave_way(&mut last));
    }

    #[test]
    fn under_one_name_the_newest_is_served() {
        // A client that names another's key from the same address shares with it; but its slow
        // bodies are the older ones.
        let budget = Budget::new(100);
        let mut crowd: Vec<_> = (0..10)
            .map(|_| arriving(&budget, owner(1, "victim"), 10))
            .collect();
        let mut new = arriving(&budget, owner(1, "victim"), 10);
        assert!(gave_way(&mut crowd[0]) && !gave_way(&mut new));
        // And one that comes with its head is never among those that give way.
        let mut at_once = Reservation::new(&budget, owner(1, "victim"));
        at_once.grow(5).unwrap();
        assert!(gave_way(&mut crowd[1]) && !gave_way(&mut at_once));
    }

    #[test]
    fn who_would_hold_most_gives_way_itself() {
        let budget = Budget::new(100);
        let mut small = arriving(&budget, owner(1, ""), 40);
        let mut large = arriving(&budget, owner(2, ""), 40);
        let refused = large.grow(30).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Overloaded);
        assert!(!gave_way(&mut small) && gave_way(&mut large));
        drop((small, large));
        assert_eq!(budget.left(), 100);
    }

    #[test]
    fn what_is_whole_gives_way_to_nobody() {
        let budget = Budget::new(10);
        let mut whole = arriving(&budget, owner(1, ""), 10);
        whole.finish().unwrap();
        let mut other = Reservation::new(&budget, owner(2, ""));
        other.wait();
        assert_eq!(other.grow(1).unwrap_err().kind(), &ErrorKind::Overloaded);
        drop((whole, other));
        assert_eq!(budget.left(), 10);
        let arriving = budget.arriving();
        assert!(
            arriving.by_address.is_empty() && arriving.by_size.is_empty(),
            "who left is forgotten"
        );
    }
}
