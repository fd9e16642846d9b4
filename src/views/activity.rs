//! The views of the service's activity.

use crate::service;

view! {
    /// The activity of the service in the last time, by steps.
    pub struct Activity {
        /// How far back it goes.
        span: String,
        /// The seconds of a step.
        step_seconds: i64,
        /// When each step begins, as in RFC 3339. The other lists have a value for each step.
        times: Vec<String>,
        /// Credentials that were issued, by API and kind.
        issued: Vec<IssuedSeries>,
        /// Credentials that were exchanged for a registry's token.
        exchanged: Vec<u64>,
        /// Requests that were refused or failed, by reason.
        refused: Vec<RefusedSeries>,
        /// How long requests took, by API.
        latency: Vec<LatencySeries>,
    }
}

view! {
    /// Credentials of one kind that an API issued.
    pub struct IssuedSeries {
        /// The API: tencent, alibaba or oauth.
        api: String,
        /// The kind: temporary or long-term.
        kind: String,
        /// How many in each step.
        counts: Vec<u64>,
    }
}

view! {
    /// Requests that were refused or failed for one reason.
    pub struct RefusedSeries {
        /// The kind of the error.
        reason: String,
        /// How many in each step.
        counts: Vec<u64>,
    }
}

view! {
    /// How long an API's requests took, in milliseconds; null where none came.
    pub struct LatencySeries {
        /// The API: registry for exchanges, or tencent, alibaba or oauth.
        api: String,
        /// Half of the requests took no longer.
        p50_ms: Vec<Option<f64>>,
        /// Of twenty requests, nineteen took no longer.
        p95_ms: Vec<Option<f64>>,
    }
}

view! {
    /// The activity of one step.
    pub struct ActivityStep {
        /// When it begins, as in RFC 3339.
        time: String,
        /// Credentials that were issued.
        issued: u64,
        /// Credentials that were exchanged.
        exchanged: u64,
        /// Requests that were refused or failed.
        refused: u64,
        /// The milliseconds in which nineteen of twenty exchanges were answered.
        exchange_p95_ms: Option<f64>,
    }
}

/// The door of exchanges.
const EXCHANGES: &str = "registry";

impl From<service::Activity> for Activity {
    fn from(activity: service::Activity) -> Self {
        let issued = activity.issued.into_iter();
        let refused = activity.refused.into_iter();
        let latency = activity.latency.into_iter();
        Self {
            span: activity.span.name().to_owned(),
            step_seconds: activity.span.step_seconds(),
            times: activity.times.iter().map(|at| at.rfc3339()).collect(),
            issued: issued
                .map(|((api, kind), counts)| IssuedSeries {
                    api,
                    kind: kind.name().to_owned(),
                    counts,
                })
                .collect(),
            exchanged: activity.exchanged,
            refused: refused
                .map(|(reason, counts)| RefusedSeries { reason, counts })
                .collect(),
            latency: latency
                .map(|(api, latency)| LatencySeries {
                    api,
                    p50_ms: millis(&latency.median),
                    p95_ms: millis(&latency.p95),
                })
                .collect(),
        }
    }
}

fn millis(micros: &[Option<u64>]) -> Vec<Option<f64>> {
    let millis = |micros: u64| micros as f64 / 1000.0;
    micros.iter().map(|micros| micros.map(millis)).collect()
}

impl Activity {
    /// Returns what was done in each step.
    pub fn steps(&self) -> Vec<ActivityStep> {
        let at = |counts: &[u64], place: usize| counts.get(place).copied().unwrap_or_default();
        let exchanges = self.latency.iter().find(|one| one.api == EXCHANGES);
        let times = self.times.iter().enumerate();
        times
            .map(|(place, time)| ActivityStep {
                time: time.clone(),
                issued: self.issued.iter().map(|one| at(&one.counts, place)).sum(),
                exchanged: at(&self.exchanged, place),
                refused: self.refused.iter().map(|one| at(&one.counts, place)).sum(),
                exchange_p95_ms: exchanges.and_then(|one| one.p95_ms.get(place).copied().flatten()),
            })
            .collect()
    }
}
