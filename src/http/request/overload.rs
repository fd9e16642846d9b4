//! Load shedding: of more requests than the service can answer, some are refused at once, so that
//! the others are answered in time.
//!
//! Two things are watched. How many requests are in work, for these hold memory while they wait for
//! a database or a password's hash. And how long a task waits for a processor, measured by one that
//! does nothing else: answering takes so little that requests hardly meet in work, and wait before,
//! where nobody counts them. Where many wait, that task does too, and a measure takes a second. So
//! requests themselves notice that it is late.
//!
//! A client that repeats at once would spend the processor on refusals, and all others would wait
//! for it. Its refusals are held for a moment, which costs nothing but its connection.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::turns::Turns;
use crate::domain::{Error, ErrorKind, Result};

/// How often the wait is measured.
const INTERVAL: Duration = Duration::from_millis(10);
/// For how long all measures must be too long: a burst that is soon worked off is no overload.
const PATIENCE: Duration = Duration::from_millis(100);
/// The same while requests are being refused already.
const PATIENCE_WHILE_REFUSING: Duration = Duration::from_millis(30);
/// How many measures each takes at least: a machine that has other work, too, wakes a thread late
/// now and then.
const MEASURES: u32 = 5;
const MEASURES_WHILE_REFUSING: u32 = 2;
/// How many are enough where each alone was as long as the patience: under a heavy load one takes
/// hundreds of milliseconds.
const LONG_MEASURES: u32 = 2;
/// How many requests begin while the measuring task waits for its turn, until they look how long it
/// does: without them the machine gave nobody a turn.
const BEGUN_WHILE_LATE: usize = 16;
/// How long a refusal is held, and how many are at once.
const HELD: Duration = Duration::from_millis(500);
const MAX_HELD: usize = 4096;
/// Of this many requests, a share is refused.
const WHOLE: u64 = 256;
/// The most of them: some always pass, or nothing would show that it is over.
const MAX_REFUSED: u64 = 248;
/// How long the requests of an address are counted until they are compared: about as long as a
/// client waits that is told to.
const PERIOD: Duration = Duration::from_millis(500);
/// How often refusals are told of.
pub(crate) const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// The requests that the service has taken on, and how long tasks wait.
#[derive(Debug)]
pub(crate) struct Load {
    max_in_work: usize,
    max_wait: Duration,
    in_work: AtomicUsize,
    /// Of [`WHOLE`], the requests that are refused; 0 but for an overload.
    refused_share: AtomicU64,
    /// Counts requests while some are refused, to spread the refusals evenly.
    turn: AtomicU64,
    turns: Turns,
    refused: AtomicU64,
    began_at: Instant,
    /// When the measuring task should have had a turn, in microseconds after `began_at`; 0 while
    /// there is none.
    due_at: AtomicU64,
    /// The requests that began since it had one.
    begun: AtomicUsize,
    /// Refusals that are held.
    held: AtomicUsize,
}

/// A request in work.
#[derive(Debug)]
pub(crate) struct InWork<'a>(&'a Load);

impl Drop for InWork<'_> {
    fn drop(&mut self) {
        self.0.in_work.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A refusal that is held.
struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Load {
    /// Takes on `max_in_work` requests at once, and refuses some while they wait longer than
    /// `max_wait`.
    pub(crate) fn new(max_in_work: usize, max_wait: Duration) -> Self {
        Self {
            max_in_work,
            max_wait,
            in_work: AtomicUsize::new(0),
            refused_share: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            turns: Turns::new(),
            refused: AtomicU64::new(0),
            began_at: Instant::now(),
            due_at: AtomicU64::new(0),
            begun: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        }
    }

    /// Refuses a share of requests while there are too many, before anything is done for them:
    /// first those of addresses that were let in more often than others, and holds these refusals.
    ///
    /// # Errors
    ///
    /// `Overloaded`.
    pub(crate) async fn let_in(&self, address: Option<IpAddr>) -> Result<()> {
        let decided = self.decide(address);
        if decided.is_err() {
            // Apart: a future that sleeps is large, and most requests are let in.
            Box::pin(self.hold(address)).await;
        }
        decided
    }

    fn decide(&self, address: Option<IpAddr>) -> Result<()> {
        self.notice_lateness();
        let share = self.refused_share.load(Ordering::Relaxed);
        if share == 0 {
            return Ok(());
        }
        let share = match self.turns.is_modest(address) {
            Some(true) => (2 * share).saturating_sub(WHOLE),
            Some(false) => (2 * share).min(MAX_REFUSED),
            None => share,
        };
        // Multiplied by an odd number, turns of 256 come in another order: the refused don't come
        // in rows.
        if self.turn.fetch_add(1, Ordering::Relaxed).wrapping_mul(167) % WHOLE < share {
            return Err(overloaded());
        }
        self.turns.count(address);
        Ok(())
    }

    /// Holds the refusal of an address that was let in as often as others, or more often.
    async fn hold(&self, address: Option<IpAddr>) {
        if self.turns.is_modest(address) == Some(true) {
            return;
        }
        let held = Held(&self.held);
        if self.held.fetch_add(1, Ordering::Relaxed) < MAX_HELD {
            tokio::time::sleep(HELD).await;
        }
        drop(held);
    }

    /// Refuses more where the measuring task has had no turn for long, and requests had.
    fn notice_lateness(&self) {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        let due_at = self.due_at.load(Ordering::Relaxed);
        if begun < BEGUN_WHILE_LATE || due_at == 0 {
            return;
        }
        let now = self.microseconds();
        let late = Duration::from_micros(now.saturating_sub(due_at));
        let share = self.refused_share.load(Ordering::Relaxed);
        if late < patience(share) {
            return;
        }
        // One of those that notice it at once, and no other before it is as late again.
        let is_first = self
            .due_at
            .compare_exchange(due_at, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if is_first {
            self.begun.store(0, Ordering::Relaxed);
            let more = next_share(share, late, self.max_wait);
            self.refused_share.store(more, Ordering::Relaxed);
        }
    }

    fn microseconds(&self) -> u64 {
        u64::try_from(self.began_at.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Says when the measuring task has its next turn, unless it has to wait for it.
    fn expect_turn(&self, after: Duration) {
        let after = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let due_at = self.microseconds().saturating_add(after).max(1);
        self.due_at.store(due_at, Ordering::Relaxed);
        self.begun.store(0, Ordering::Relaxed);
    }

    /// Takes on a request whose body is there.
    ///
    /// # Errors
    ///
    /// `Overloaded` when too many are in work.
    pub(crate) fn begin(&self) -> Result<InWork<'_>> {
        let in_work = InWork(self);
        if self.in_work.fetch_add(1, Ordering::Relaxed) < self.max_in_work {
            Ok(in_work)
        } else {
            Err(overloaded())
        }
    }

    /// Counts a refusal. A line for each would cost more than the refusal.
    pub(crate) fn count(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Measures how long tasks wait, until it is dropped.
    pub(crate) async fn keep_pace(&self) {
        let (mut shortest, mut measures, mut began_at) = (Duration::MAX, 0, Instant::now());
        let (mut told_at, mut counted_since) = (None, Instant::now());
        loop {
            self.expect_turn(INTERVAL);
            tokio::time::sleep(INTERVAL).await;
            self.expect_turn(Duration::ZERO);
            shortest = shortest.min(wait().await);
            measures += 1;
            let share = self.refused_share.load(Ordering::Relaxed);
            if is_enough(measures, shortest, began_at.elapsed(), share) {
                self.refused_share.store(
                    next_share(share, shortest, self.max_wait),
                    Ordering::Relaxed,
                );
                (shortest, measures, began_at) = (Duration::MAX, 0, Instant::now());
            }
            if counted_since.elapsed() >= PERIOD {
                self.turns.begin_period();
                counted_since = Instant::now();
            }
            if told_at.is_none_or(|told_at: Instant| told_at.elapsed() >= BETWEEN_LINES)
                && self.tell()
            {
                told_at = Some(Instant::now());
            }
        }
    }

    fn tell(&self) -> bool {
        let refused = self.refused.swap(0, Ordering::Relaxed);
        if refused == 0 {
            return false;
        }
        tracing::error!(
            refused,
            in_work = self.in_work.load(Ordering::Relaxed),
            "more requests come than can be answered"
        );
        true
    }
}

/// Returns for how long the wait must be too long until more is refused than this share.
fn patience(share: u64) -> Duration {
    if share == 0 {
        PATIENCE
    } else {
        PATIENCE_WHILE_REFUSING
    }
}

/// Tells whether so many measures, of which this is the shortest, are enough to decide by.
fn is_enough(measures: u32, shortest: Duration, passed: Duration, share: u64) -> bool {
    let least = if share == 0 {
        MEASURES
    } else {
        MEASURES_WHILE_REFUSING
    };
    let patience = patience(share);
    let are_long = measures >= LONG_MEASURES && shortest >= patience;
    passed >= patience && (measures >= least || are_long)
}

/// Measures how long a task that could run waits until it does.
///
/// A worker has a queue of its own. Tasks that don't fit, or are woken from outside, go into one
/// that all share, where they may wait far longer.
async fn wait() -> Duration {
    let within = async {
        let asked_at = Instant::now();
        tokio::task::yield_now().await;
        asked_at.elapsed()
    };
    let from_outside = async {
        let woken_at = tokio::task::spawn_blocking(Instant::now).await;
        // It fails when the runtime ends.
        woken_at.map_or(Duration::ZERO, |woken_at| woken_at.elapsed())
    };
    let (within, from_outside) = tokio::join!(within, from_outside);
    within.max(from_outside)
}

/// Returns which share is refused next: more of what is left the longer the wait, and less once it
/// is short.
fn next_share(share: u64, wait: Duration, longest: Duration) -> u64 {
    if wait > longest {
        let excess = 1.0 - longest.as_secs_f64() / wait.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "0 to 256"
        )]
        let more = ((WHOLE - share) as f64 * excess / 2.0) as u64;
        (share + more.max(1)).min(MAX_REFUSED)
    } else if wait < longest / 2 {
        share - share.div_ceil(8)
    } else {
        share
    }
}

fn overloaded() -> Error {
    Error::new(
        ErrorKind::Overloaded,
        "Too many requests are in work; try again in a moment.",
    )
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn what_is_beyond_the_limit_is_refused_until_something_is_done() {
        let load = Load::new(2, Duration::from_secs(1));
        let (first, second) = (load.begin().unwrap(), load.begin().unwrap());
        assert_eq!(load.begin().unwrap_err().kind(), &ErrorKind::Overloaded);
        drop(first);
        let third = load.begin().unwrap();
        assert_eq!(load.begin().unwrap_err().kind(), &ErrorKind::Overloaded);
        drop((second, third));
        assert_eq!(
            load.in_work.load(Ordering::Relaxed),
            0,
            "refusals hold nothing"
        );
    }

    #[test]
    fn a_share_is_refused_evenly() {
        let load = Load::new(1, Duration::from_secs(1));
        assert!((0..1000).all(|_| load.decide(None).is_ok()));
        load.refused_share.store(64, Ordering::Relaxed);
        for _ in 0..10 {
            let refused = (0..256).filter(|_| load.decide(None).is_err()).count();
            assert_eq!(refused, 64);
            let in_a_row = (0..32).filter(|_| load.decide(None).is_err()).count();
            assert!((4..=12).contains(&in_a_row), "{in_a_row} of 32");
        }
    }

    #[test]
    fn an_address_gains_nothing_by_asking_more() {
        let load = Load::new(1, Duration::from_secs(1));
        load.refused_share.store(160, Ordering::Relaxed);
        let all = (0..99_u32).map(|last| IpAddr::from(Ipv4Addr::from_bits(0xc000_0200 + last)));
        let apart: Vec<IpAddr> = load.turns.apart(all).take(10).collect();
        let (mut modest, mut greedy) = (0, 0);
        for period in 0..40 {
            for request in 0..1000 {
                // Eight ask 25 times each, and two 400 times.
                let place = request % 25;
                let (count, last) = if place < 5 {
                    (&mut modest, 2 + (place + request / 25 * 5) % 8)
                } else {
                    (&mut greedy, place % 2)
                };
                if load.decide(Some(apart[last])).is_ok() && period >= 20 {
                    *count += 1;
                }
            }
            load.turns.begin_period();
        }
        let (modest, greedy) = (modest / 20 / 8, greedy / 20 / 2);
        assert!(modest >= 17, "{modest} of 25");
        assert!(greedy <= 50, "{greedy} of 400");
    }

    #[test]
    fn requests_notice_that_the_measuring_task_has_no_turn() {
        let load = Load::new(1, Duration::from_millis(5));
        let refuses = |load: &Load| {
            for _ in 0..2 * BEGUN_WHILE_LATE {
                let _ = load.decide(None);
            }
            load.refused_share.load(Ordering::Relaxed) > 0
        };
        assert!(!refuses(&load), "nothing is measured");
        load.expect_turn(PATIENCE * 9);
        assert!(!refuses(&load), "it is not late");
        let late = |requests: usize| {
            let load = Load::new(1, Duration::from_millis(5));
            load.expect_turn(Duration::ZERO);
            // As if it had begun so long ago.
            let load = Load {
                began_at: load.began_at.checked_sub(PATIENCE * 2).unwrap(),
                ..load
            };
            (0..requests).for_each(|_| drop(load.decide(None)));
            load.refused_share.load(Ordering::Relaxed)
        };
        assert_eq!(late(BEGUN_WHILE_LATE), 0, "the machine gave nobody a turn");
        let share = late(BEGUN_WHILE_LATE + 1);
        assert!(share > WHOLE / 4, "{share}");
        let again = late(BEGUN_WHILE_LATE * 9);
        assert_eq!(again, share, "once, until it is as late again");
    }

    #[tokio::test]
    async fn refusals_are_held_but_for_those_who_ask_for_little() {
        let load = Load::new(1, Duration::from_millis(5));
        let all = (0..9).map(|last| IpAddr::from([192, 0, 2, last]));
        let [modest, greedy] = [0, 1].map(|place| load.turns.apart(all.clone()).nth(place));
        let held = async |address| {
            let began = tokio::time::Instant::now();
            load.hold(address).await;
            began.elapsed() >= HELD
        };
        assert!(held(modest).await, "nothing is known yet");
        for _ in 0..9 {
            load.turns.count(greedy);
        }
        load.turns.count(modest);
        load.turns.begin_period();
        (0..9).for_each(|_| load.turns.count(greedy));
        assert!(!held(modest).await);
        assert!(held(greedy).await);
        assert_eq!(load.held.load(Ordering::Relaxed), 0);
        load.held.store(MAX_HELD, Ordering::Relaxed);
        assert!(!held(greedy).await, "there are too many");
    }

    #[test]
    fn few_measures_are_enough_where_each_is_long() {
        let millis = Duration::from_millis;
        assert!(is_enough(5, millis(8), millis(100), 0));
        assert!(!is_enough(4, millis(8), millis(300), 0), "a burst");
        assert!(is_enough(2, millis(150), millis(320), 0));
        assert!(!is_enough(1, millis(400), millis(410), 0), "one late wake");
        assert!(!is_enough(2, millis(8), millis(20), 1), "too soon");
        assert!(is_enough(2, millis(8), millis(30), 1));
    }

    #[test]
    fn the_share_grows_while_the_wait_is_long_and_ends_with_it() {
        let longest = Duration::from_millis(10);
        let mut share = 0;
        for _ in 0..100 {
            let before = share;
            share = next_share(share, Duration::from_millis(100), longest);
            assert!(share > before || share == MAX_REFUSED, "{share}");
        }
        assert_eq!(share, MAX_REFUSED);
        assert_eq!(
            next_share(share, Duration::from_millis(7), longest),
            share,
            "neither too long nor short"
        );
        for _ in 0..100 {
            share = next_share(share, Duration::from_millis(1), longest);
        }
        assert_eq!(share, 0);
    }

    #[tokio::test]
    async fn a_service_that_has_time_refuses_nothing() {
        let load = Load::new(1, Duration::from_millis(5));
        tokio::time::timeout(Duration::from_millis(300), load.keep_pace())
            .await
            .unwrap_err();
        assert_eq!(load.refused_share.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_service_that_is_never_idle_refuses_some() {
        let load = Load::new(1, Duration::from_millis(1));
        let work = async {
            loop {
                // Something that can always run, and takes its time.
                let until = Instant::now() + Duration::from_millis(4);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                tokio::task::yield_now().await;
            }
        };
        let refuses = async {
            while load.refused_share.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
        };
        let both = async {
            tokio::select! {
                () = load.keep_pace() => {}
                () = work => {}
                () = refuses => {}
            }
        };
        tokio::time::timeout(Duration::from_secs(30), both)
            .await
            .expect("nothing is refused");
    }
}
