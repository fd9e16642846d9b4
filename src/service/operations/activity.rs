//! The service's activity over time: counts that each process writes down once a minute.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::Result;
use crate::domain::activity::{DURATIONS, IssuedKind, Measure, Span};
use crate::domain::clock::Timestamp;
use crate::domain::operator::OperatorPermission;
use crate::service::call::Call;
use crate::service::operations::Operations;
use crate::store::{Part, activity};

/// The most counts that are written at once; doors and kinds of errors have fewer.
const MAX_COUNTS: usize = 200;
/// How long minutes are kept; then they become hours.
const MINUTES_KEPT: Duration = Duration::from_hours(2 * 24);
/// How long hours are kept.
const HOURS_KEPT: Duration = Duration::from_hours(35 * 24);

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// The service's activity in a span, by steps.
#[derive(Clone, Debug)]
pub struct Activity {
    /// The span.
    pub span: Span,
    /// When each step begins; the other lists have a number for each of them.
    pub times: Vec<Timestamp>,
    /// The issued credentials, by door and kind.
    pub issued: BTreeMap<(String, IssuedKind), Vec<u64>>,
    /// The exchanges.
    pub exchanged: Vec<u64>,
    /// The refusals and failures, by the kind of the error.
    pub refused: BTreeMap<String, Vec<u64>>,
    /// How long requests took, by door.
    pub latency: BTreeMap<String, Latency>,
}

/// How long requests took, in microseconds, as far as buckets tell; nothing where none came.
#[derive(Clone, Debug)]
pub struct Latency {
    /// Half of them took no longer.
    pub median: Vec<Option<u64>>,
    /// Of twenty, nineteen took no longer.
    pub p95: Vec<Option<u64>>,
}

impl Operations {
    /// Writes down what this process did in a minute. All replicas add to the same counts.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`.
    pub async fn add_activity(&self, at: Timestamp, counts: &[(Measure, u64)]) -> Result<()> {
        let named = counts.iter().take(MAX_COUNTS);
        let named: Vec<_> = named
            .map(|(measure, count)| (measure.to_string(), *count))
            .collect();
        let part = activity::add(begin_of(at, MINUTE), &named);
        self.base.store.apply(self.base.write().then(part)).await
    }

    /// Puts old minutes together to hours, and forgets old hours.
    pub(in crate::service) fn trim_activity(&self) -> Part {
        let now = self.base.now();
        let minutes = begin_of(now.minus(MINUTES_KEPT), HOUR);
        activity::trim(minutes, now.minus(HOURS_KEPT))
    }

    /// Returns what the service did in the last `span`, up to the last minute that is over.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` for callers without the right to read the status; `StoreUnavailable`.
    pub async fn activity(&self, call: &Call<'_>, span: Span) -> Result<Activity> {
        call.caller.require(OperatorPermission::StatusRead, None)?;
        let step = span.step_seconds();
        let until = begin_of(self.base.now(), MINUTE);
        let last = begin_of(until.minus(Duration::from_secs(1)), step).unix_seconds();
        let first = last - (span.steps() - 1) * step;
        let steps = (0..span.steps()).map(|place| first + place * step);
        let mut read = Reading::new(span, steps.map(Timestamp::from_unix_seconds).collect());
        let since = Timestamp::from_unix_seconds(first);
        for sum in activity::sums(&self.base.store, since, until, step).await? {
            let place = (sum.at.unix_seconds() - first) / step;
            // A name that can't be read is another release's.
            if let (Ok(place), Ok(measure)) = (usize::try_from(place), sum.name.parse()) {
                read.add(place, measure, sum.amount);
            }
        }
        Ok(read.end())
    }
}

/// Returns the beginning of the stretch of so many seconds that a moment is in.
fn begin_of(at: Timestamp, seconds: i64) -> Timestamp {
    let at = at.unix_seconds();
    Timestamp::from_unix_seconds(at - at.rem_euclid(seconds))
}

/// How many requests fell into each bucket of [`DURATIONS`], or took longer.
type Buckets = [u64; DURATIONS.len() + 1];

/// The activity while it is read.
struct Reading {
    activity: Activity,
    durations: BTreeMap<String, Vec<Buckets>>,
}

impl Reading {
    fn new(span: Span, times: Vec<Timestamp>) -> Self {
        Self {
            activity: Activity {
                span,
                issued: BTreeMap::new(),
                exchanged: vec![0; times.len()],
                refused: BTreeMap::new(),
                latency: BTreeMap::new(),
                times,
            },
            durations: BTreeMap::new(),
        }
    }

    fn add(&mut self, place: usize, measure: Measure, amount: u64) {
        let activity = &mut self.activity;
        let none = || vec![0; activity.times.len()];
        let count = match measure {
            Measure::Issued { door, kind } => activity
                .issued
                .entry((door, kind))
                .or_insert_with(none)
                .get_mut(place),
            Measure::Exchanged => activity.exchanged.get_mut(place),
            Measure::Refused(reason) => activity
                .refused
                .entry(reason)
                .or_insert_with(none)
                .get_mut(place),
            Measure::Took { door, bucket } => self
                .durations
                .entry(door)
                .or_insert_with(|| vec![Buckets::default(); activity.times.len()])
                .get_mut(place)
                .and_then(|buckets| buckets.get_mut(bucket)),
        };
        if let Some(count) = count {
            *count = count.saturating_add(amount);
        }
    }

    fn end(mut self) -> Activity {
        let latency = self.durations.into_iter().map(|(door, steps)| {
            let of = |percent| steps.iter().map(|step| quantile(step, percent)).collect();
            let (median, p95) = (of(50), of(95));
            (door, Latency { median, p95 })
        });
        self.activity.latency = latency.collect();
        self.activity
    }
}

/// Estimates the time within which so many of a hundred requests were answered: in the bucket where
/// that is, requests are taken to lie evenly. Of the last one no end is known.
fn quantile(buckets: &Buckets, percent: u64) -> Option<u64> {
    let all: u64 = buckets.iter().sum();
    let wanted = all.checked_mul(percent)?.div_ceil(100);
    let (mut begin, mut before) = (0, 0);
    for (count, end) in buckets.iter().zip(DURATIONS) {
        if *count > 0 && before + count >= wanted {
            return Some(begin + (end - begin) * (wanted - before) / count);
        }
        (begin, before) = (end, before + count);
    }
    (all > 0).then_some(begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(counts: &[(usize, u64)]) -> Buckets {
        let mut buckets = Buckets::default();
        for (place, count) in counts {
            buckets[*place] = *count;
        }
        buckets
    }

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        for (counts, median, p95) in [
            (&[][..], None, None),
            (&[(2, 100)], Some(1750), Some(2425)),
            (&[(0, 90), (4, 10)], Some(277), Some(7500)),
            (&[(0, 1), (14, 1)], Some(500), Some(10_000_000)),
        ] {
            let buckets = buckets(counts);
            assert_eq!(
                (quantile(&buckets, 50), quantile(&buckets, 95)),
                (median, p95),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn what_no_step_and_no_bucket_has_is_left_out() {
        let mut read = Reading::new(Span::Hour, vec![Timestamp::from_unix_seconds(0)]);
        read.add(7, Measure::Exchanged, 1);
        read.add(0, Measure::Exchanged, 2);
        assert_eq!(read.end().exchanged, [2]);
    }
}
