//! The charts of what the service did: their data for the script that draws them, and as tables.

use std::cmp::Reverse;

use serde::Serialize;
use serde_json::Value;

use super::Visit;
use crate::admin::{Operation, ShowActivity};
use crate::domain::activity::Span;
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::http::console::tree::{self, Link};
use crate::http::console::words::Language;
use crate::http::operators::operations::named;

/// The name of the span in the page's query.
const SPAN: &str = "span";
/// The most lines of a chart, which are as many as there are colours.
const MAX_LINES: usize = 7;

type Activity = <ShowActivity as Operation>::Answer;

/// A chart.
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// How often it happened in the whole span, of what is counted.
    pub(super) total: Option<u64>,
    /// The headings of the numbers.
    pub(super) labels: Vec<String>,
    /// The time and the numbers of each step.
    pub(super) rows: Vec<Vec<String>>,
    /// The data for the script, as JSON.
    pub(super) data: String,
}

/// The charts, and the ways to those of other spans.
#[derive(Default)]
pub(super) struct Charts {
    pub(super) charts: Vec<Chart>,
    pub(super) spans: Vec<Link>,
}

/// A line of a chart.
#[derive(Serialize)]
struct Line {
    label: String,
    /// The number of its colour in the style sheet.
    colour: usize,
    dashed: bool,
    values: Vec<Option<f64>>,
}

/// The data of a chart, as the script reads it.
#[derive(Serialize)]
struct Data<'a> {
    /// The label of the times.
    time: &'static str,
    /// In unix seconds.
    times: &'a [i64],
    series: &'a [Line],
}

/// Reads what was done in the span that the page's query names.
///
/// # Errors
/// Those of the operation.
pub(super) async fn read(visit: &Visit<'_>) -> Result<Charts> {
    let Some((route, _)) = named("ShowActivity") else {
        return Ok(Charts::default());
    };
    let asked = visit.query.iter().filter(|(name, _)| name == SPAN);
    let answer = visit.read(route, asked.cloned().collect()).await?;
    of_answer(visit.language, answer)
}

fn of_answer(language: Language, answer: Value) -> Result<Charts> {
    let activity: Activity = serde_json::from_value(answer).map_err(Error::internal)?;
    let words = language.words();
    let counted = |title, mut lines: Vec<(String, Vec<u64>)>| {
        lines.sort_by_key(|(_, counts)| Reverse(counts.iter().sum::<u64>()));
        let total = lines.iter().flat_map(|(_, counts)| counts).sum();
        let lines = bounded(lines, words.others);
        chart(language, &activity.times, title, Some(total), &lines)
    };
    let issued = activity.issued.iter().map(|one| {
        let label = format!(
            "{}, {}",
            language.label(&one.api),
            language.label(&one.kind)
        );
        (label, one.counts.clone())
    });
    let refused = activity.refused.iter();
    let refused = refused.map(|one| (language.label(&one.reason), one.counts.clone()));
    let exchanged = (language.label("exchanged"), activity.exchanged.clone());
    let latency = activity
        .latency
        .iter()
        .enumerate()
        .flat_map(|(place, one)| {
            let line = |name: &str, values: &[Option<f64>], dashed| Line {
                label: format!("{}, {name}", language.label(&one.api)),
                colour: place % MAX_LINES + 1,
                dashed,
                values: values.to_vec(),
            };
            [
                line("p50", &one.p50_ms, true),
                line("p95", &one.p95_ms, false),
            ]
        });
    let latency: Vec<Line> = latency.collect();
    let latency = chart(language, &activity.times, words.latency, None, &latency);
    let charts = vec![
        counted(words.issued, issued.collect())?,
        counted(words.exchanged, vec![exchanged])?,
        counted(words.refused, refused.collect())?,
        latency?,
    ];
    let spans = spans(language, &activity.span);
    Ok(Charts { charts, spans })
}

/// Adds the smallest lines up, so that each has a colour of its own.
fn bounded(mut lines: Vec<(String, Vec<u64>)>, others: &str) -> Vec<Line> {
    if lines.len() > MAX_LINES {
        let rest = lines.split_off(MAX_LINES - 1);
        let mut sums = vec![0; rest[0].1.len()];
        for (_, counts) in &rest {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        lines.push((others.to_owned(), sums));
    }
    let lines = lines.into_iter().enumerate();
    lines
        .map(|(place, (label, counts))| Line {
            label,
            colour: place + 1,
            dashed: false,
            values: counts.into_iter().map(|count| Some(count as f64)).collect(),
        })
        .collect()
}

fn chart(
    language: Language,
    times: &[String],
    title: &'static str,
    total: Option<u64>,
    lines: &[Line],
) -> Result<Chart> {
    let seconds: Vec<i64> = times
        .iter()
        .filter_map(|time| Some(Timestamp::parse_rfc3339(time)?.unix_seconds()))
        .collect();
    let data = Data {
        time: language.words().time,
        times: &seconds,
        series: lines,
    };
    let rows = times.iter().enumerate().map(|(place, time)| {
        let numbers = lines.iter().map(|line| {
            let value = line.values.get(place).copied().flatten();
            value.map(|value| value.to_string()).unwrap_or_default()
        });
        // The heading says that it is UTC, and no step has seconds.
        let time = time.get(..16).unwrap_or(time).replace('T', " ");
        std::iter::once(time).chain(numbers).collect()
    });
    Ok(Chart {
        title,
        total,
        rows: rows.collect(),
        data: serde_json::to_string(&data).map_err(Error::internal)?,
        labels: lines.iter().map(|line| line.label.clone()).collect(),
    })
}

fn spans(language: Language, shown: &str) -> Vec<Link> {
    let words = language.words();
    let spans = Span::ALL.into_iter();
    spans
        .map(|span| Link {
            text: match span {
                Span::Hour => words.span_hour,
                Span::Day => words.span_day,
                Span::Week => words.span_week,
                Span::Month => words.span_month,
            }
            .to_owned(),
            path: format!("{}?{SPAN}={}", tree::BASE, span.name()),
            is_here: span.name() == shown,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer() -> Value {
        json!({
            "span": "1h", "step_seconds": 60,
            "times": ["2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"],
            "issued": [{"api": "tencent", "kind": "long-term", "counts": [0, 1]}],
            "exchanged": [3, 0],
            "refused": (0..9).map(|number| json!({
                "reason": format!("</script>-{number}"), "counts": [number, 1],
            })).collect::<Vec<_>>(),
            "latency": [{"api": "registry", "p50_ms": [1.5, null], "p95_ms": [2.25, null]}],
        })
    }

    #[test]
    fn the_table_of_a_chart_has_the_numbers_that_are_drawn() {
        let read = of_answer(Language::English, answer()).unwrap();
        let [issued, exchanged, _, latency] = &read.charts[..] else {
            panic!("four charts");
        };
        assert_eq!(issued.labels, ["Tencent, Long term"]);
        assert_eq!((exchanged.total, latency.total), (Some(3), None));
        assert_eq!(latency.rows[0], ["2026-01-01 00:00", "1.5", "2.25"]);
        assert_eq!(latency.rows[1], ["2026-01-01 00:01", "", ""]);
        let data: Value = serde_json::from_str(&latency.data).unwrap();
        assert_eq!(data["times"], json!([1_767_225_600, 1_767_225_660]));
        assert_eq!(data["series"][1]["values"], json!([2.25, null]));
    }

    #[test]
    fn the_rarest_reasons_share_a_line() {
        let read = of_answer(Language::English, answer()).unwrap();
        let refused = &read.charts[2];
        assert_eq!(refused.total, Some(36 + 9));
        assert_eq!(refused.labels.len(), MAX_LINES);
        assert_eq!(refused.labels[MAX_LINES - 1], "Others");
        assert_eq!(refused.rows[0][MAX_LINES], "3", "0, 1 and 2");
    }
}
