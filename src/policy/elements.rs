//! The elements of a document's JSON, found by name; whatever is wrong is refused with its place.

use super::json::Json;
use super::language::Language;
use crate::domain::printable::escape;

/// A fault of a document, and its place.
pub(super) struct Refusal {
    pub(super) place: String,
    pub(super) why: String,
}

impl Refusal {
    pub(super) fn new(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            why: why.into(),
        }
    }
}

/// How a language spells its elements.
pub(super) struct Words {
    pub(super) version: &'static str,
    pub(super) statement: &'static str,
    pub(super) sid: &'static str,
    pub(super) effect: &'static str,
    pub(super) allow: &'static str,
    pub(super) deny: &'static str,
    pub(super) action: &'static str,
    /// CAM has no such element.
    pub(super) not_action: Option<&'static str>,
    pub(super) resource: &'static str,
    /// IAM alone has such an element.
    pub(super) not_resource: Option<&'static str>,
    pub(super) condition: &'static str,
    pub(super) principal: &'static str,
}

const RAM: Words = Words {
    not_resource: None,
    ..IAM
};

const IAM: Words = Words {
    version: "Version",
    statement: "Statement",
    sid: "Sid",
    effect: "Effect",
    allow: "Allow",
    deny: "Deny",
    action: "Action",
    not_action: Some("NotAction"),
    resource: "Resource",
    not_resource: Some("NotResource"),
    condition: "Condition",
    principal: "Principal",
};

impl Words {
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::Cam => &Self {
                version: "version",
                statement: "statement",
                sid: "sid",
                effect: "effect",
                allow: "allow",
                deny: "deny",
                action: "action",
                not_action: None,
                resource: "resource",
                not_resource: None,
                condition: "condition",
                principal: "principal",
            },
            Language::Ram => &RAM,
            Language::Iam => &IAM,
        }
    }
}

/// The elements of a statement, found by name.
pub(super) struct Elements<'j> {
    place: String,
    fields: &'j [(String, Json)],
}

impl<'j> Elements<'j> {
    /// Takes an object that has no other elements than these.
    pub(super) fn new(json: &'j Json, place: &str, known: &[&str]) -> Result<Self, Refusal> {
        let Json::Object(fields) = json else {
            return Err(Refusal::new(
                place,
                format!("it must be an object, not {}", json.kind()),
            ));
        };
        match fields
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            None => Ok(Self {
                place: place.to_owned(),
                fields,
            }),
            Some((name, _)) => Err(Refusal::new(
                join(place, name),
                format!(
                    "there is no such element here; there are {}",
                    known.join(", ")
                ),
            )),
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&'j Json> {
        self.fields
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    pub(super) fn get(&self, name: &str) -> Result<&'j Json, Refusal> {
        self.find(name)
            .ok_or_else(|| Refusal::new(join(&self.place, name), "this element is missing"))
    }

    pub(super) fn text(&self, name: &str) -> Result<&'j str, Refusal> {
        match self.get(name)? {
            Json::Text(text) => Ok(text),
            other => Err(Refusal::new(
                join(&self.place, name),
                format!("it must be a string, not {}", other.kind()),
            )),
        }
    }
}

/// Puts a place together; a name is written so that it can't be mistaken for something else.
pub(super) fn join(place: &str, name: &str) -> String {
    let shown: String = name.chars().take(80).collect();
    let shown = escape(&shown);
    if place.is_empty() {
        shown.into_owned()
    } else {
        format!("{place}.{shown}")
    }
}

/// Reads a string or a list of strings, each with its place.
pub(super) fn strings<'j>(json: &'j Json, place: &str) -> Result<Vec<(String, &'j str)>, Refusal> {
    let one = |json: &'j Json, place: String| match json {
        Json::Text(text) => Ok((place, text.as_str())),
        other => Err(Refusal::new(
            place,
            format!("it must be a string, not {}", other.kind()),
        )),
    };
    match json {
        Json::List(list) if list.is_empty() => Err(Refusal::new(place, "the list is empty")),
        Json::List(list) => list
            .iter()
            .enumerate()
            .map(|(index, json)| one(json, format!("{place}[{index}]")))
            .collect(),
        json => Ok(vec![one(json, place.to_owned())?]),
    }
}
