//! Bodies: read whole, within limits of size and time, and of what all of them take in memory
//! together.
//!
//! That memory is shared by address, and by access key at an address, because strangers can take
//! it: a body that is waited for gives way to others when none is left. It is the oldest of the key
//! that holds most, at the address that holds most. So a sender that lets bodies trickle makes its
//! own give way, and one that comes at once is never the oldest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
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

/// A body in memory; its share of the budget goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Buffered<'a> {
    /// The first frame, as it is; nearly every body has only one.
    first: Bytes,
    /// All frames, when there are more.
    gathered: BytesMut,
    reservation: Reservation<'a>,
}

impl<'a> Buffered<'a> {
    /// Begins with nothing.
    pub(crate) fn new(budget: &'a Budget, owner: Owner<'a>) -> Self {
        Self {
            first: Bytes::new(),
            gathered: BytesMut::new(),
            reservation: Reservation {
                budget,
                owner,
                bytes: 0,
                ticket: None,
            },
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        if self.gathered.is_empty() {
            &self.first
        } else {
            &self.gathered
        }
    }

    /// Takes in the next frame of a body of at most `limit` bytes; one of trailers has no data.
    fn take_in(
        &mut self,
        next: Option<Result<Option<Bytes>, axum::Error>>,
        limit: usize,
    ) -> Result<Rest> {
        let Some(next) = next else {
            return Ok(Rest::None);
        };
        let next = next.map_err(|source| {
            Error::malformed_request("The request's body could not be received whole.")
                .caused_by(source)
        })?;
        let Some(data) = next else {
            return Ok(Rest::ToCome);
        };
        let room = limit - self.reservation.bytes;
        if data.len() > room {
            self.add(data.slice(..room))?;
            return Err(too_large(limit));
        }
        self.add(data)?;
        Ok(Rest::ToCome)
    }

    fn add(&mut self, data: Bytes) -> Result<()> {
        self.reservation.grow(data.len())?;
        if self.bytes().is_empty() {
            self.first = data;
            return Ok(());
        }
        if self.gathered.is_empty() {
            self.gathered
                .extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.gathered.extend_from_slice(&data);
        Ok(())
    }
}

/// Whether more of a body may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It may.
    ToCome,
    /// It is whole.
    None,
}

/// The treatment of a body whose announced length is beyond the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Refuse it unread.
    Refuse,
    /// Read up to the limit anyway: the prefix tells which API to answer for.
    Begin,
}

#[derive(Debug)]
struct Reservation<'a> {
    budget: &'a Budget,
    owner: Owner<'a>,
    bytes: usize,
    /// Only while it is waited for.
    ticket: Option<Ticket>,
}

impl Reservation<'_> {
    /// Takes `more` bytes of the budget. Bytes are counted as they arrive, not as they are
    /// announced: a client that announces much and sends nothing holds nothing.
    fn grow(&mut self, more: usize) -> Result<()> {
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
    fn wait(&mut self) -> Arc<Notify> {
        let ticket = self.budget.arriving().add(self.owner, self.bytes);
        let gives_way = Arc::clone(&ticket.gives_way);
        self.ticket = Some(ticket);
        gives_way
    }

    /// Notes that it is whole: in work, it gives way to nobody.
    fn finish(&mut self) -> Result<()> {
        let Some(ticket) = self.ticket.take() else {
            return Ok(());
        };
        if self
            .budget
            .arriving()
            .remove(self.owner, ticket.number)
            .is_some()
        {
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

fn overloaded() -> Error {
    Error::new(
        ErrorKind::Overloaded,
        "Too many requests are being received; try again in a moment.",
    )
}

/// Reads what has come of a body of at most `limit` bytes into `buffered`, which holds it even
/// after an error; tells whether the rest has to be waited for.
///
/// Nearly every body comes with its head: those need no timer, and give way to nobody.
///
/// # Errors
///
/// `RequestTooLarge`, `MalformedRequest` when it breaks off, and `Overloaded` when the budget is
/// used up.
pub(crate) async fn read_at_once(
    body: &mut Body,
    limit: usize,
    announced: Announced,
    buffered: &mut Buffered<'_>,
) -> Result<Rest> {
    if axum::body::HttpBody::is_end_stream(body) {
        return Ok(Rest::None);
    }
    if announced == Announced::Refuse
        && axum::body::HttpBody::size_hint(body).lower() > limit as u64
    {
        return Err(too_large(limit));
    }
    while let Poll::Ready(frame) =
        poll_fn(|context| Poll::Ready(pin!(body.frame()).poll(context))).await
    {
        if buffered.take_in(
            frame.map(|frame| frame.map(|frame| frame.into_data().ok())),
            limit,
        )? == Rest::None
        {
            return Ok(Rest::None);
        }
    }
    Ok(Rest::ToCome)
}

/// Reads the rest of a body of at most `limit` bytes within `timeout`, as [`read_at_once`].
///
/// # Errors
///
/// Those of [`read_at_once`], and `RequestTimeout`; `Overloaded` also when the body gives way to
/// others.
pub(crate) async fn read_rest(
    mut body: Body,
    limit: usize,
    timeout: Duration,
    buffered: &mut Buffered<'_>,
) -> Result<()> {
    let gives_way = buffered.reservation.wait();
    let rest = async {
        while buffered.take_in(
            body.frame()
                .await
                .map(|frame| frame.map(|frame| frame.into_data().ok())),
            limit,
        )? == Rest::ToCome
        {}
        buffered.reservation.finish()
    };
    tokio::select! {
        biased;
        () = gives_way.notified() => Err(overloaded()),
        read = tokio::time::timeout(timeout, rest) => {
            read.unwrap_or_else(|_| {
                let seconds = timeout.as_secs();
                Err(Error::new(ErrorKind::RequestTimeout, format!("The request's body did not arrive within {seconds} seconds.")))
            })
        }
    }
}

/// Returns whether an error says that a body was waited for in vain.
pub(crate) fn never_came(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::RequestTimeout | ErrorKind::MalformedRequest
    )
}

fn too_large(limit: usize) -> Error {
    Error::new(
        ErrorKind::RequestTooLarge { limit },
        format!("The request's body is larger than {limit} bytes."),
    )
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn stream(chunks: &'static [&'static str]) -> Body {
        let frames = chunks.iter().map(|chunk| {
            Ok::<_, Infallible>(hyper::body::Frame::data(Bytes::from_static(
                chunk.as_bytes(),
            )))
        });
        Body::new(Frames(frames.collect()))
    }

    struct Frames(std::collections::VecDeque<Result<hyper::body::Frame<Bytes>, Infallible>>);

    impl axum::body::HttpBody for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            std::task::Poll::Ready(self.0.pop_front())
        }
    }

    /// A body of which no more comes.
    struct StreamThenEndless(Option<Bytes>);

    impl axum::body::HttpBody for StreamThenEndless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            self.0.take().map_or(Poll::Pending, |data| {
                Poll::Ready(Some(Ok(hyper::body::Frame::data(data))))
            })
        }
    }

    async fn read<'a>(
        body: Body,
        limit: usize,
        timeout: Duration,
        budget: &'a Budget,
    ) -> Result<Buffered<'a>> {
        let mut buffered = Buffered::new(budget, owner(1, ""));
        read_whole(body, limit, timeout, Announced::Refuse, &mut buffered)
            .await
            .map(|()| buffered)
    }

    async fn read_whole(
        mut body: Body,
        limit: usize,
        timeout: Duration,
        announced: Announced,
        buffered: &mut Buffered<'_>,
    ) -> Result<()> {
        match read_at_once(&mut body, limit, announced, buffered).await? {
            Rest::None => Ok(()),
            Rest::ToCome => read_rest(body, limit, timeout, buffered).await,
        }
    }

    fn owner(last: u8, key: &'static str) -> Owner<'static> {
        Owner::new(Some(IpAddr::from([192, 0, 2, last])), key)
    }

    fn left(budget: &Budget) -> usize {
        budget.left.load(Ordering::Relaxed)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_body_is_gathered_and_its_share_given_back() {
        let budget = Budget::new(100);
        let body = read(stream(&["ab", "", "cd", "e"]), 10, SECOND, &budget)
            .await
            .unwrap();
        assert_eq!(body.bytes(), b"abcde");
        assert_eq!(left(&budget), 95);
        drop(body);
        assert_eq!(left(&budget), 100);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_announced_or_not() {
        let budget = Budget::new(100);
        for body in [Body::from("abcdef"), stream(&["abc", "def"])] {
            let error = read(body, 5, SECOND, &budget).await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::RequestTooLarge { limit: 5 });
        }
        assert_eq!(left(&budget), 100);
    }

    #[tokio::test]
    async fn what_had_come_of_a_body_over_the_limit_can_be_looked_at() {
        let budget = Budget::new(100);
        for body in [Body::from("abcdef"), stream(&["abc", "def"])] {
            let mut buffered = Buffered::new(&budget, owner(1, ""));
            let error = read_whole(body, 5, SECOND, Announced::Begin, &mut buffered)
                .await
                .unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::RequestTooLarge { limit: 5 });
            assert_eq!(buffered.bytes(), b"abcde");
        }
    }

    #[tokio::test]
    async fn bodies_together_stay_within_the_budget() {
        let budget = Budget::new(8);
        let first = read(Body::from("abcde"), 10, SECOND, &budget)
            .await
            .unwrap();
        let error = read(Body::from("abcde"), 10, SECOND, &budget)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Overloaded);
        drop(first);
        assert!(read(Body::from("abcde"), 10, SECOND, &budget).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_that_never_comes_is_cut_off() {
        let error = read(
            Body::new(StreamThenEndless(None)),
            10,
            Duration::from_millis(1),
            &Budget::new(8),
        )
        .await
        .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::RequestTimeout);
    }

    /// A body of which so much has come, while the rest is waited for.
    fn arriving<'a>(budget: &'a Budget, owner: Owner<'a>, bytes: usize) -> Buffered<'a> {
        let mut buffered = Buffered::new(budget, owner);
        buffered.reservation.wait();
        buffered.add(Bytes::from(vec![0; bytes])).unwrap();
        buffered
    }

    fn gave_way(body: &mut Buffered<'_>) -> bool {
        body.reservation.finish().is_err()
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
        assert_eq!(left(&budget), 100, "what gave way is given back once");
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
        let mut at_once = Buffered::new(&budget, owner(1, "victim"));
        at_once.add(Bytes::from_static(b"whole")).unwrap();
        assert!(gave_way(&mut crowd[1]) && !gave_way(&mut at_once));
    }

    #[test]
    fn who_would_hold_most_gives_way_itself() {
        let budget = Budget::new(100);
        let mut small = arriving(&budget, owner(1, ""), 40);
        let mut large = arriving(&budget, owner(2, ""), 40);
        let refused = large.add(Bytes::from(vec![0; 30])).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Overloaded);
        assert!(!gave_way(&mut small) && gave_way(&mut large));
        drop((small, large));
        assert_eq!(left(&budget), 100);
    }

    #[test]
    fn what_is_whole_gives_way_to_nobody() {
        let budget = Budget::new(10);
        let mut whole = arriving(&budget, owner(1, ""), 10);
        whole.reservation.finish().unwrap();
        let mut other = Buffered::new(&budget, owner(2, ""));
        other.reservation.wait();
        assert_eq!(
            other.add(Bytes::from_static(b"x")).unwrap_err().kind(),
            &ErrorKind::Overloaded
        );
        drop((whole, other));
        assert_eq!(left(&budget), 10);
        let arriving = budget.arriving();
        assert!(
            arriving.by_address.is_empty() && arriving.by_size.is_empty(),
            "who left is forgotten"
        );
    }

    #[tokio::test]
    async fn a_body_that_gives_way_is_not_waited_for() {
        let budget = Budget::new(10);
        let mut slow = Buffered::new(&budget, owner(1, ""));
        let body = Body::new(StreamThenEndless(Some(Bytes::from_static(b"12345678"))));
        let mut read = pin!(read_whole(
            body,
            10,
            Duration::from_secs(60),
            Announced::Refuse,
            &mut slow
        ));
        assert!(poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_pending())).await);
        let _other = arriving(&budget, owner(2, ""), 5);
        assert_eq!(read.await.unwrap_err().kind(), &ErrorKind::Overloaded);
    }
}
