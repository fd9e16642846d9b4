//! The parts that permission and trust documents share: their beginning, and of each statement its
//! label, effect and condition.

use super::condition::{Condition, DocumentKind};
use super::elements::{Elements, Refusal, Words, join};
use super::json::Json;
use super::language::Language;
use super::words::Effect;
use crate::domain::{Error, Result};

/// How long a document may be, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CAM's.
    pub cam: usize,
    /// RAM's.
    pub ram: usize,
}

impl Limits {
    /// Policies and trust policies: what Alibaba's API documents of 2025 allow (older ones say 2048
    /// and 4096). Tencent's limit isn't published where we looked; the same serves.
    pub const POLICY: Self = Self {
        cam: 6144,
        ram: 6144,
    };
    /// Session policies: Alibaba's limit. Tencent's isn't published where we looked; the same
    /// serves.
    pub const SESSION: Self = Self {
        cam: 2048,
        ram: 2048,
    };

    fn of(self, language: Language) -> usize {
        match language {
            Language::Cam => self.cam,
            Language::Ram => self.ram,
        }
    }
}

/// The error that says what is wrong with a document, and where.
pub(super) fn refused(place: &str, why: &str) -> Error {
    let message = if place.is_empty() {
        format!("the document is refused: {why}")
    } else {
        format!("{place}: {why}")
    };
    Error::invalid_parameter("document", message)
}

/// Reads the beginning of a document: its language and its statements.
pub(super) fn open(text: &str, limits: Limits) -> Result<(Language, Vec<Json>), Refusal> {
    // Before parsing, whatever the language: a text this long is neither.
    let longest = limits.cam.max(limits.ram);
    let length = text.chars().take(longest + 1).count();
    let too_long = |limit: usize| Refusal::new("", format!("it is longer than {limit} characters"));
    if length > longest {
        return Err(too_long(longest));
    }
    let json = Json::parse(text).map_err(|why| Refusal::new("", why))?;
    let language = language_of(&json)?;
    if length > limits.of(language) {
        return Err(too_long(limits.of(language)));
    }
    let statements = statements_of(&json, language)?;
    Ok((language, statements.to_vec()))
}

/// Tells the languages apart by the name of a document's version.
fn language_of(json: &Json) -> Result<Language, Refusal> {
    let Json::Object(fields) = json else {
        return Err(Refusal::new(
            "",
            format!("it must be an object, not {}", json.kind()),
        ));
    };
    let has = |name: &str| fields.iter().any(|(known, _)| known == name);
    match (has("version"), has("Version")) {
        (true, false) => Ok(Language::Cam),
        (false, true) => Ok(Language::Ram),
        _ => Err(Refusal::new(
            "",
            "it must have \"version\":\"2.0\" (CAM) or \"Version\":\"1\" (RAM)",
        )),
    }
}

/// Checks a document's version, and returns its statements.
fn statements_of(json: &Json, language: Language) -> Result<&[Json], Refusal> {
    let words = Words::of(language);
    let elements = Elements::new(json, "", &[words.version, words.statement])?;
    let version = match language {
        Language::Cam => "2.0",
        Language::Ram => "1",
    };
    if elements.text(words.version)? != version {
        return Err(Refusal::new(
            words.version,
            format!("the version is {version:?}"),
        ));
    }
    match elements.get(words.statement)? {
        Json::List(statements) if !statements.is_empty() => Ok(statements),
        Json::List(_) => Err(Refusal::new(words.statement, "there is no statement")),
        other => Err(Refusal::new(
            words.statement,
            format!("it must be a list of statements, not {}", other.kind()),
        )),
    }
}

/// Reads a statement's label. Divergence: the clouds document no Sid; a document may carry one, and
/// a decision names it.
pub(super) fn sid(elements: &Elements<'_>, words: &Words) -> Result<Option<String>, Refusal> {
    elements
        .find(words.sid)
        .map(|_| elements.text(words.sid).map(ToOwned::to_owned))
        .transpose()
}

/// Reads a statement's effect.
pub(super) fn effect(
    elements: &Elements<'_>,
    place: &str,
    words: &Words,
) -> Result<Effect, Refusal> {
    match elements.text(words.effect)? {
        text if text == words.allow => Ok(Effect::Allow),
        text if text == words.deny => Ok(Effect::Deny),
        _ => Err(Refusal::new(
            join(place, words.effect),
            format!("an effect is {:?} or {:?}", words.allow, words.deny),
        )),
    }
}

/// Reads a statement's condition, if it has one.
pub(super) fn condition(
    elements: &Elements<'_>,
    place: &str,
    language: Language,
    kind: DocumentKind,
) -> Result<Condition, Refusal> {
    let name = Words::of(language).condition;
    let Some(json) = elements.find(name) else {
        return Ok(Condition::default());
    };
    Condition::parse(json, language, kind)
        .map_err(|(within, why)| condition_refusal(place, name, &within, why))
}

/// The refusal of a condition, at a place within it.
pub(super) fn condition_refusal(place: &str, name: &str, within: &str, why: String) -> Refusal {
    let place = join(place, name);
    Refusal::new(
        if within.is_empty() {
            place
        } else {
            join(&place, within)
        },
        why,
    )
}
