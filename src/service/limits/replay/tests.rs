//! The replay memory beside a simple model, at its bound, and as clocks go.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const MEBIBYTE: usize = 1 << 20;

fn account(number: i64) -> AccountId {
    AccountId::new(100_000_000_000 + number).unwrap()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a number, or arguments that are borrowed for no longer"
)]
fn nonce(text: impl ToString) -> Replay {
    Replay::Nonce(text.to_string())
}

fn bound(signature: u8, bound: u8, covers_body: bool) -> Replay {
    Replay::Bound {
        signature: [signature; 32],
        bound: [bound; 32],
        covers_body,
    }
}

impl Replays {
    /// Checks a call of Alibaba's, or one of Tencent's, that was signed then.
    fn check_signed(
        &self,
        (access_key_id, account): (&str, AccountId),
        signed_at: Timestamp,
        replay: &Replay,
        now: Timestamp,
    ) -> Result<()> {
        let method = match replay {
            Replay::Bound { .. } => Method::Tc3HmacSha256,
            Replay::Nonce(_) | Replay::None => Method::Acs3HmacSha256,
        };
        let valid_until = signed_at.plus(method.window());
        let purpose = Purpose::Change;
        self.check(access_key_id, account, valid_until, replay, purpose, now)
    }

    /// As [`Self::check_signed`], of one account, signed in the present.
    fn check_at(&self, access_key_id: &str, replay: &Replay, now: Timestamp) -> Result<()> {
        self.check_signed((access_key_id, account(1)), now, replay, now)
    }

    /// Sends nonces that never came until one is refused; returns how many passed.
    fn fill(&self, by: (&str, AccountId), now: Timestamp) -> usize {
        let passes = |number: &usize| {
            let nonce = nonce(format_args!("{} {number}", now.unix_millis()));
            match self.check_signed(by, now, &nonce, now) {
                Ok(()) => true,
                Err(error) => {
                    assert_eq!(error.kind(), &ErrorKind::NonceMemoryFull);
                    false
                }
            }
        };
        (0..).take_while(passes).count()
    }
}

#[track_caller]
fn is_replayed(outcome: Result<()>) {
    assert_eq!(outcome.unwrap_err().kind(), &ErrorKind::Replayed);
}

#[test]
fn a_nonce_is_used_once_per_access_key() {
    let replays = Replays::new(MEBIBYTE);
    replays.check_at("a", &nonce(1), NOW).unwrap();
    is_replayed(replays.check_at("a", &nonce(1), NOW));
    replays
        .check_at("b", &nonce(1), NOW)
        .expect("another key has its own nonces");
    replays.check_at("a", &nonce(2), NOW).unwrap();
}

#[test]
fn a_nonce_can_not_come_again_under_another_time() {
    let replays = Replays::new(MEBIBYTE);
    let check = |signed_at, now| replays.check_signed(("a", account(1)), signed_at, &nonce(1), now);
    let ahead = NOW.plus(14 * MINUTE);
    check(ahead, NOW).unwrap();
    is_replayed(check(NOW.minus(14 * MINUTE), NOW));
    // Signed a quarter of an hour ahead, it could be sent for half an hour.
    is_replayed(check(ahead, NOW.plus(28 * MINUTE)));
}

#[test]
fn a_replay_is_refused_to_the_last_moment_of_its_window_and_its_memory_given_back_then() {
    for (replay, minutes) in [(nonce(1), 15), (bound(1, 1, true), 5)] {
        let replays = Replays::new(MEBIBYTE);
        let idle = replays.figures().bytes;
        replays.check_at("a", &replay, NOW).unwrap();
        let again = match &replay {
            Replay::Bound { .. } => bound(1, 2, true),
            other => other.clone(),
        };
        let last = NOW.plus(minutes * MINUTE);
        let every_second = (0..=minutes * 60).map(|s| NOW.plus(s * SECOND));
        for now in every_second {
            replays.forget(now);
            is_replayed(replays.check_signed(("a", account(1)), NOW, &again, now));
        }
        assert!(replays.has_seen("a"));
        let later = last.plus(MINUTE);
        replays
            .check_signed(("a", account(1)), later, &again, later)
            .expect("its time is over");
        replays.forget(later.plus(60 * MINUTE));
        assert_eq!(replays.figures().bytes, idle);
        assert!(!replays.has_seen("a"));
    }
}

#[test]
fn an_access_key_is_known_whose_calls_carry_no_nonce() {
    // AWS's signatures are bound to nothing that is remembered, and their keys were never known.
    let replays = Replays::new(MEBIBYTE);
    let idle = replays.figures().bytes;
    assert!(!replays.has_seen("a"));
    replays.check_at("a", &Replay::None, NOW).unwrap();
    assert!(replays.has_seen("a") && !replays.has_seen("b"));
    replays.forget(NOW.plus(60 * MINUTE));
    assert!(!replays.has_seen("a"));
    assert_eq!(replays.figures().bytes, idle);
    // Without memory it is served all the same.
    let full = Replays::new(0);
    full.check_at("a", &Replay::None, NOW).unwrap();
    assert!(!full.has_seen("a"));
}

#[test]
fn a_clock_that_goes_back_forgets_nothing() {
    for back in [SECOND, MINUTE, 10 * MINUTE, 90 * MINUTE] {
        let replays = Replays::new(MEBIBYTE);
        replays.check_at("a", &nonce(1), NOW).unwrap();
        let then = NOW.minus(back);
        replays.forget(then);
        is_replayed(replays.check_signed(("a", account(1)), NOW, &nonce(1), then));
        replays.check_at("a", &nonce(2), then).unwrap();
        is_replayed(replays.check_at("a", &nonce(2), then));
    }
}

#[test]
fn a_time_that_is_years_away_is_remembered_all_the_same() {
    // Of a client whose clock was moved along with a mock's.
    for signed_at in [NOW.plus(500_000 * MINUTE), NOW.minus(500_000 * MINUTE)] {
        let replays = Replays::new(MEBIBYTE);
        let check = || replays.check_signed(("a", account(1)), signed_at, &nonce(1), NOW);
        check().unwrap();
        is_replayed(check());
    }
}

#[test]
fn the_same_signature_may_come_again_only_with_the_same_binding() {
    let replays = Replays::new(MEBIBYTE);
    replays.check_at("a", &bound(7, 1, true), NOW).unwrap();
    replays
        .check_at("a", &bound(7, 1, true), NOW)
        .expect("a client's repetition is allowed");
    is_replayed(replays.check_at("a", &bound(7, 2, true), NOW));
    replays.unbind("a", &bound(7, 2, true), NOW);
    replays
        .check_at("a", &bound(7, 2, true), NOW)
        .expect("nothing is bound to it any more");
    is_replayed(replays.check_at("a", &bound(7, 1, true), NOW));
}

#[test]
fn what_only_reads_may_share_a_signature_and_what_changes_may_not() {
    let replays = Replays::new(MEBIBYTE);
    let check = |replay, purpose| {
        let valid_until = NOW.plus(5 * MINUTE);
        replays.check("a", account(1), valid_until, &replay, purpose, NOW)
    };
    check(bound(7, 1, true), Purpose::Read).unwrap();
    check(bound(7, 2, true), Purpose::Read).expect("two questions of one body in one second");
    // A question's signature changes nothing.
    is_replayed(check(bound(7, 3, true), Purpose::Change));
    // Nothing covers this question.
    is_replayed(check(bound(7, 2, false), Purpose::Read));
}

#[test]
fn a_request_takes_16_bytes_at_most() {
    let (requests, replays) = (400_000_u32, Replays::new(64 * MEBIBYTE));
    let mut before = replays.figures().bytes;
    let mut bytes_each = |replay: &dyn Fn(u32) -> Replay| {
        for number in 0..requests {
            replays.check_at("a", &replay(number), NOW).unwrap();
        }
        let bytes = replays.figures().bytes - before;
        before += bytes;
        bytes as f64 / f64::from(requests)
    };
    let of_nonce = bytes_each(&|number| nonce(number));
    let of_signature = bytes_each(&|number| {
        let mut signature = [0; 32];
        signature[..4].copy_from_slice(&number.to_le_bytes());
        Replay::Bound {
            signature,
            bound: [1; 32],
            covers_body: true,
        }
    });
    assert!((8.0..=10.7).contains(&of_nonce), "{of_nonce}");
    assert!((12.0..=16.0).contains(&of_signature), "{of_signature}");
}

#[test]
fn an_access_key_that_fills_the_memory_is_refused_and_nobody_else_is() {
    let replays = Replays::new(4 * MEBIBYTE);
    let filled = replays.fill(("filler", account(1)), NOW);
    assert!(filled > 100_000, "{filled}");
    let bytes = replays.figures().bytes;
    assert!(bytes < 4 * MEBIBYTE / 100 * 90, "{bytes}");
    for other in [("other key", account(1)), ("other account", account(2))] {
        for number in 0..10_000 {
            replays
                .check_signed(other, NOW, &nonce(number), NOW)
                .unwrap_or_else(|error| panic!("{other:?} {number}: {error}"));
        }
    }
    is_replayed(replays.check_signed(("filler", account(1)), NOW, &nonce(first()), NOW));
    assert!(replays.figures().refused > 0);
    // Once its requests are invalid, it may fill the memory again.
    let later = NOW.plus(31 * MINUTE);
    replays.forget(later);
    let again = replays.fill(("filler", account(1)), later);
    assert!(again.abs_diff(filled) < filled / 50, "{again}");
}

/// Returns the first nonce that [`Replays::fill`] sends.
fn first() -> String {
    format!("{} 0", NOW.unix_millis())
}

#[test]
fn an_account_gets_no_more_by_many_sessions() {
    let replays = Replays::new(4 * MEBIBYTE);
    let by_session = |number: u32| {
        let session = format!("session-{number}");
        replays.check_signed((&session, account(1)), NOW, &nonce(number), NOW)
    };
    let refused = (0..1_000_000).find(|number| by_session(*number).is_err());
    assert!(refused.is_some_and(|number| number > 10_000), "{refused:?}");
    assert!(replays.figures().bytes <= 4 * MEBIBYTE);
    for number in 0..10_000 {
        replays
            .check_signed(("other", account(2)), NOW, &nonce(number), NOW)
            .unwrap();
    }
}

#[test]
fn the_bound_holds_however_many_fill_the_memory() {
    let replays = Replays::new(4 * MEBIBYTE);
    let fill = |numbers: std::ops::Range<i64>| {
        for number in numbers {
            replays.fill((&format!("filler-{number}"), account(number)), NOW);
        }
    };
    fill(0..100);
    for number in 0..100 {
        replays
            .check_signed(("other", account(1000)), NOW, &nonce(number), NOW)
            .expect("a part is kept for those who hold little");
    }
    fill(100..1000);
    let ReplayFigures {
        bytes, max_bytes, ..
    } = replays.figures();
    let part = bytes as f64 / max_bytes as f64;
    assert!((0.95..=1.0).contains(&part), "{part}");
}

#[test]
fn less_memory_than_is_used_refuses_and_forgets_nothing() {
    let replays = Replays::new(MEBIBYTE);
    replays.check_at("a", &nonce(1), NOW).unwrap();
    replays.adjust(0);
    assert_eq!(
        replays.check_at("a", &nonce(2), NOW).unwrap_err().kind(),
        &ErrorKind::NonceMemoryFull
    );
    is_replayed(replays.check_at("a", &nonce(1), NOW));
    replays.adjust(MEBIBYTE);
    replays.check_at("a", &nonce(2), NOW).unwrap();
}

/// A step of the service's life.
#[derive(Clone, Debug)]
enum Step {
    /// A request of a key, signed so many seconds from the present.
    Send {
        key: u8,
        nonce: u16,
        ahead: i64,
    },
    /// The clock goes on so many seconds, or back.
    Pass(i64),
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        40 => (0_u8..3, 0_u16..200, -900_i64..=900)
            .prop_map(|(key, nonce, ahead)| Step::Send { key, nonce, ahead }),
        4 => (-30_i64..200).prop_map(Step::Pass),
        1 => Just(Step::Forget),
    ];
    prop::collection::vec(step, 1..2000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_memory_answers_as_a_map_of_ends_does(steps in steps()) {
        let replays = Replays::new(4 * MEBIBYTE);
        let mut ends: HashMap<(u8, u16), i64> = HashMap::new();
        let (mut now, mut latest) = (NOW.unix_seconds(), NOW.unix_seconds());
        for step in steps {
            match step {
                Step::Pass(seconds) => {
                    now += seconds;
                    latest = latest.max(now);
                }
                Step::Forget => replays.forget(Timestamp::from_unix_seconds(now)),
                Step::Send { key, nonce: text, ahead } => {
                    let outcome = replays.check_signed(
                        (&key.to_string(), account(1)),
                        Timestamp::from_unix_seconds(now + ahead),
                        &nonce(text),
                        Timestamp::from_unix_seconds(now),
                    );
                    let end = ends.get(&(key, text)).copied();
                    match outcome {
                        Ok(()) => {
                            // By the latest time that the memory saw, the one before is invalid.
                            prop_assert!(end.is_none_or(|end| end < latest));
                            ends.insert((key, text), now + ahead + 900);
                        }
                        Err(error) => {
                            prop_assert_eq!(error.kind(), &ErrorKind::Replayed);
                            prop_assert!(end.is_some_and(|end| end + 30 > now));
                        }
                    }
                }
            }
        }
    }
}
