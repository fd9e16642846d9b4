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
    /// IAM's.
    pub iam: usize,
    /// Whether IAM's counts no white space, as AWS's of managed policies doesn't.
    pub may_be_indented: bool,
}

/// How many times its limit an IAM document may be long, white space and all.
const MAX_INDENTED: usize = 4;

impl Limits {
    /// Policies and trust policies: what Alibaba's API documents of 2025 allow (older ones say 2048
    /// and 4096), and AWS of managed policies. Tencent's limit isn't published where we looked; the
    /// same serves.
    pub const POLICY: Self = Self {
        cam: 6144,
        ram: 6144,
        iam: 6144,
        may_be_indented: true,
    };
    /// Session policies: Alibaba's and AWS's limit. Tencent's isn't published where we looked; the
    /// same serves.
    pub const SESSION: Self = Self {
        cam: 2048,
        ram: 2048,
        iam: 2048,
        may_be_indented: false,
    };
    /// Policies of repositories, which only IAM has.
    pub const REPOSITORY: Self = Self {
        cam: 0,
        ram: 0,
        iam: 10_240,
        may_be_indented: false,
    };

    /// Returns how long any document may be, white space and all.
    fn longest(self) -> usize {
        let of_iam = if self.may_be_indented {
            self.iam * MAX_INDENTED
        } else {
            self.iam
        };
        self.cam.max(self.ram).max(of_iam)
    }

    /// Returns the limit that a text in a language is longer than.
    fn exceeded_by(self, text: &str, language: Language) -> Option<usize> {
        let (limit, length) = match language {
            Language::Cam => (self.cam, text.chars().count()),
            Language::Ram => (self.ram, text.chars().count()),
            Language::Iam => {
                let counts = |letter: &char| !self.may_be_indented || !letter.is_whitespace();
                (self.iam, text.chars().filter(counts).count())
            }
        };
        (length > limit).then_some(limit)
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
    let too_long = |limit: usize| Refusal::new("", format!("it is longer than {limit} characters"));
    // Before parsing, whatever the language: a text this long is in none.
    if text.chars().nth(limits.longest()).is_some() {
        return Err(too_long(limits.longest()));
    }
    let json = Json::parse(text).map_err(|why| Refusal::new("", why))?;
    let language = language_of(&json)?;
    match limits.exceeded_by(text, language) {
        None => {}
        Some(0) => {
            let name = language.name();
            let why = format!("it is written in {name}, and IAM alone has such policies");
            return Err(Refusal::new("", why));
        }
        Some(limit) => return Err(too_long(limit)),
    }
    let statements = statements_of(&json, language)?;
    let has_variables = elements_of(&json, language)?.find("Version") == Some(&text_of(CURRENT));
    if language == Language::Iam && !has_variables && text.contains("${") {
        return Err(Refusal::new(
            "Version",
            format!(
                "policy variables need the version {CURRENT:?}: with an older one, AWS takes \
                     ${{...}} for letters"
            ),
        ));
    }
    Ok((language, statements.to_vec()))
}

/// IAM's version that has policy variables.
const CURRENT: &str = "2012-10-17";
/// IAM's version before, and that of a document without one.
const OLD: &str = "2008-10-17";

fn text_of(text: &str) -> Json {
    Json::Text(text.to_owned())
}

/// Tells the languages apart by the name of a document's version, and that.
fn language_of(json: &Json) -> Result<Language, Refusal> {
    let Json::Object(fields) = json else {
        return Err(Refusal::new(
            "",
            format!("it must be an object, not {}", json.kind()),
        ));
    };
    let find = |name: &str| fields.iter().find(|(known, _)| known == name);
    match (find("version"), find("Version")) {
        (Some(_), None) => Ok(Language::Cam),
        (None, Some((_, version))) if *version == text_of(CURRENT) || *version == text_of(OLD) => {
            Ok(Language::Iam)
        }
        (None, Some(_)) => Ok(Language::Ram),
        (None, None) if find("Statement").is_some() => Ok(Language::Iam),
        _ => Err(Refusal::new(
            "",
            format!(
                "it must have \"version\":\"2.0\" (CAM), \"Version\":\"1\" (RAM) or \
                 \"Version\":{CURRENT:?} (IAM)"
            ),
        )),
    }
}

/// Takes the elements of a document.
fn elements_of(json: &Json, language: Language) -> Result<Elements<'_>, Refusal> {
    let words = Words::of(language);
    let id = (language == Language::Iam).then_some("Id");
    let known: Vec<&str> = [words.version, words.statement]
        .into_iter()
        .chain(id)
        .collect();
    Elements::new(json, "", &known)
}

/// Checks a document's version, and returns its statements.
fn statements_of(json: &Json, language: Language) -> Result<&[Json], Refusal> {
    let words = Words::of(language);
    let elements = elements_of(json, language)?;
    let versions: &[&str] = match language {
        Language::Cam => &["2.0"],
        Language::Ram => &["1"],
        Language::Iam => &[CURRENT, OLD],
    };
    let has_none = language == Language::Iam && elements.find(words.version).is_none();
    if !has_none && !versions.contains(&elements.text(words.version)?) {
        return Err(Refusal::new(
            words.version,
            format!("the version is {:?}", versions[0]),
        ));
    }
    match elements.get(words.statement)? {
        Json::List(statements) if !statements.is_empty() => Ok(statements),
        Json::List(_) => Err(Refusal::new(words.statement, "there is no statement")),
        one @ Json::Object(_) if language == Language::Iam => Ok(std::slice::from_ref(one)),
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
