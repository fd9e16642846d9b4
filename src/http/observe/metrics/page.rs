//! The two forms of the page: Prometheus' text form, 0.0.4, and OpenMetrics 1.0, which has
//! exemplars.

use std::fmt::{Arguments, Display, Write};

use http::HeaderValue;

/// The form of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    OpenMetrics,
}

impl Form {
    /// Chooses the form that an `Accept` prefers; the text form unless OpenMetrics is asked for by
    /// its name.
    pub(super) fn preferred(accept: Option<&HeaderValue>) -> Self {
        let accept = accept.and_then(|value| value.to_str().ok());
        let quality = |wanted: &str| {
            let ranges = accept.into_iter().flat_map(|accept| accept.split(','));
            let fitting = ranges.filter_map(|range| {
                let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
                let is_wanted = name.trim().eq_ignore_ascii_case(wanted);
                is_wanted.then(|| quality_of(parameters))
            });
            fitting.fold(0.0, f32::max)
        };
        let open_metrics = quality("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= quality("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// Returns the content type.
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        })
    }
}

/// Returns the weight among a media range's parameters (RFC 9110, 12.4.2).
fn quality_of(parameters: &str) -> f32 {
    let weight = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("q")
            .then(|| value.trim().parse().unwrap_or(0.0))
    });
    weight.unwrap_or(1.0)
}

/// The sort of a family's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// Labels alone: its value is always 1.
    Info,
}

/// Metrics of one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// The name without the ending of its samples (`_total`, `_info`).
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// One sentence.
    pub(super) help: &'static str,
}

impl Family {
    /// Returns the ending of a sample's name; a histogram's samples have several.
    fn ending(&self) -> &'static str {
        match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        }
    }
}

/// The page while it is written. Writing to a string never fails.
pub(super) struct Page {
    form: Form,
    text: String,
}

impl Page {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            text: String::with_capacity(16 * 1024),
        }
    }

    /// Begins a family; it may have no sample.
    pub(super) fn begin(&mut self, family: &Family) {
        let (name, help) = (family.name, family.help);
        // In the text form a family has the name of its samples, and there is no kind `info`.
        let (ending, kind) = match (self.form, family.kind) {
            (Form::Text, Kind::Info) => (family.ending(), "gauge"),
            (Form::OpenMetrics, Kind::Info) => ("", "info"),
            (Form::Text, Kind::Counter) => (family.ending(), "counter"),
            (Form::OpenMetrics, Kind::Counter) => ("", "counter"),
            (_, Kind::Gauge) => ("", "gauge"),
            (_, Kind::Histogram) => ("", "histogram"),
        };
        let head = format_args!("# HELP {name}{ending} {help}\n# TYPE {name}{ending} {kind}");
        writeln!(self.text, "{head}").unwrap_or_default();
    }

    /// Writes a sample of the family that was begun last; `labels` have their braces.
    pub(super) fn sample(&mut self, family: &Family, labels: Arguments<'_>, value: impl Display) {
        let (name, ending) = (family.name, family.ending());
        writeln!(self.text, "{name}{ending}{labels} {value}").unwrap_or_default();
    }

    /// Writes a family that has one sample.
    pub(super) fn one(&mut self, family: &Family, value: impl Display) {
        self.optional(family, Some(value));
    }

    /// Writes a family that has one sample, or none.
    pub(super) fn optional(&mut self, family: &Family, value: Option<impl Display>) {
        self.begin(family);
        if let Some(value) = value {
            self.sample(family, format_args!(""), value);
        }
    }

    /// Writes a histogram's samples: each bucket's upper end in microseconds, its count with all
    /// before it, and its exemplar.
    pub(super) fn histogram<'e>(
        &mut self,
        family: &Family,
        label: Arguments<'_>,
        buckets: impl Iterator<Item = (Option<u64>, u64, Option<Exemplar>)> + 'e,
        sum_micros: u64,
    ) {
        let (name, mut all) = (family.name, 0);
        for (end, count, exemplar) in buckets {
            all = count;
            let end = end.map_or_else(|| "+Inf".to_owned(), |end| self.bucket_end(end));
            let labels = format_args!("{{{label},le=\"{end}\"}}");
            write!(self.text, "{name}_bucket{labels} {count}").unwrap_or_default();
            if let (Form::OpenMetrics, Some(exemplar)) = (self.form, exemplar) {
                exemplar.write(&mut self.text);
            }
            self.text.push('\n');
        }
        let sum = seconds(sum_micros);
        writeln!(self.text, "{name}_sum{{{label}}} {sum}").unwrap_or_default();
        writeln!(self.text, "{name}_count{{{label}}} {all}").unwrap_or_default();
    }

    /// Writes a bucket's end; OpenMetrics wants a fraction in it.
    fn bucket_end(&self, micros: u64) -> String {
        let mut end = seconds(micros);
        if self.form == Form::OpenMetrics && !end.contains('.') {
            end += ".0";
        }
        end
    }

    /// Returns the whole page.
    pub(super) fn end(mut self) -> String {
        if self.form == Form::OpenMetrics {
            self.text += "# EOF\n";
        }
        self.text
    }
}

/// A request that a bucket counted.
#[derive(Clone, Debug)]
pub(super) struct Exemplar {
    pub(super) request_id: String,
    pub(super) micros: u64,
    /// Unix milliseconds.
    pub(super) at: i64,
}

impl Exemplar {
    fn write(&self, text: &mut String) {
        let (took, at) = (seconds(self.micros), self.at as f64 / 1000.0);
        let request_id = &self.request_id;
        write!(text, " # {{request_id=\"{request_id}\"}} {took} {at:.3}").unwrap_or_default();
    }
}

/// Writes microseconds as seconds, without a rounding.
pub(super) fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_written_for_those_that_prefer_it_by_name() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (prometheus, Form::OpenMetrics),
            ("application/openmetrics-text", Form::OpenMetrics),
            (
                "Application/OpenMetrics-Text ; version=1.0.0",
                Form::OpenMetrics,
            ),
            ("text/plain, application/openmetrics-text;q=0.9", Form::Text),
            ("application/openmetrics-text;q=0", Form::Text),
            ("application/openmetrics-text;q=much", Form::Text),
            ("text/plain;version=0.0.4", Form::Text),
            ("*/*", Form::Text),
            ("", Form::Text),
        ] {
            let value = HeaderValue::from_static(accept);
            assert_eq!(Form::preferred(Some(&value)), expected, "{accept}");
        }
        assert_eq!(Form::preferred(None), Form::Text);
    }

    #[test]
    fn a_counter_is_named_as_each_form_has_it() {
        const COUNTER: Family = Family {
            name: "x",
            kind: Kind::Counter,
            help: "H.",
        };
        let page = |form| {
            let mut page = Page::new(form);
            page.one(&COUNTER, 3);
            page.end()
        };
        assert_eq!(
            page(Form::Text),
            "# HELP x_total H.\n# TYPE x_total counter\nx_total 3\n"
        );
        assert_eq!(
            page(Form::OpenMetrics),
            "# HELP x H.\n# TYPE x counter\nx_total 3\n# EOF\n"
        );
    }
}
