//! Values of the API as text for people.

use serde_json::Value;

use crate::http::console::words::Language;
use crate::views::is_secret;

/// A field of an answer.
pub(super) struct Field {
    /// Its label.
    pub(super) label: String,
    /// Its value, as lines.
    pub(super) lines: Vec<String>,
    /// Whether it is a secret, which is shown once.
    pub(super) is_secret: bool,
    /// Whether it is a document, whose spaces count.
    pub(super) is_document: bool,
}

/// Returns the fields of an answer.
pub(super) fn fields(language: Language, answer: &Value) -> Vec<Field> {
    let Some(answer) = answer.as_object() else {
        return Vec::new();
    };
    let mut all: Vec<_> = answer.iter().collect();
    all.retain(|(name, _)| *name != "replayed");
    all.sort_by_key(|(name, _)| rank(name));
    let all = all.into_iter();
    all.map(|(name, value)| Field {
        label: language.label(name),
        lines: lines(language, value),
        is_secret: is_secret(name) && !value.is_null(),
        is_document: value.as_str().is_some_and(|text| text.contains('\n')),
    })
    .collect()
}

/// Returns the place of a field: names and ids come first, times and documents last.
fn rank(name: &str) -> usize {
    match name {
        "name" => 0,
        "id" => 1,
        _ if name.ends_with("_id") => 1,
        _ if name.ends_with("_at") => 3,
        _ if name.ends_with("policy") || name == "document" => 4,
        _ => 2,
    }
}

fn lines(language: Language, value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().map(|one| text(language, one)).collect(),
        Value::String(text) => text.lines().map(str::to_owned).collect(),
        other => vec![text(language, other)],
    }
}

/// Returns a value as one line.
pub(super) fn text(language: Language, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => language.words().yes.to_owned(),
        Value::Bool(false) => language.words().no.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Array(values) => {
            let all: Vec<_> = values.iter().map(|one| text(language, one)).collect();
            all.join(", ")
        }
        Value::Object(fields) => {
            let named = |(name, value): (&String, &Value)| {
                format!("{}: {}", language.label(name), text(language, value))
            };
            fields.iter().map(named).collect::<Vec<_>>().join("; ")
        }
    }
}
