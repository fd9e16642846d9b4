//! An action's parameters, read with their types.
//!
//! TC3 calls send JSON with real types. The older signatures, and TC3 with GET, flatten everything
//! into text: `Filters.0.Values.1=a`, lists counted from zero, booleans as `true` or Python's
//! `True`. Both become one tree here, and one reader for each type knows the forms of either
//! source.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::domain::{Error, Result};

/// The deepest nesting that flattened names may have; the deepest real one is five.
const MAX_DEPTH: usize = 16;

/// The parameters of one call, taken one by one; the rest at the end is unknown to the action.
#[derive(Debug)]
pub struct Parameters {
    fields: BTreeMap<String, Value>,
    source: Source,
    /// Where these stand in the whole call, such as `Filters.0.`; empty at the top.
    place: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Types are real, and wrong ones are refused.
    Json,
    /// Everything is text.
    Flat,
}

#[derive(Debug)]
enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Fraction,
    Text(String),
    List(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

impl Parameters {
    /// Reads a JSON object. A name that comes twice is refused: two readers could see two requests.
    ///
    /// # Errors
    ///
    /// `MalformedRequest` when it is none.
    pub fn from_json(body: &[u8]) -> Result<Self> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self {
                fields,
                source: Source::Json,
                place: String::new(),
            }),
            Ok(_) => Err(Error::malformed_request(
                "The request's body is not a JSON object.",
            )),
            Err(error) => Err(Error::malformed_request(
                "The request's body is not a JSON object, or has a name twice.",
            )
            .caused_by(error.to_string())),
        }
    }

    /// Reads decoded pairs of a query or a form.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` for a name that comes twice, and `UnknownParameter` for one that is
    /// nested too deep.
    pub fn from_pairs<N: AsRef<str>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self> {
        let mut fields = BTreeMap::new();
        for (name, value) in pairs {
            let name = name.as_ref();
            if name.matches('.').count() >= MAX_DEPTH {
                return Err(Error::unknown_parameter(shown(name)));
            }
            insert(&mut fields, name, value.into()).ok_or_else(|| {
                let name = shown(name);
                Error::invalid_parameter(
                    name,
                    format!(
                        "The parameter `{name}` is given twice, or contradicts another one's place."
                    ),
                )
            })?;
        }
        Ok(Self {
            fields,
            source: Source::Flat,
            place: String::new(),
        })
    }

    /// Takes a text.
    ///
    /// # Errors
    ///
    /// `WrongType`.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong_type(name)),
        }
    }

    /// Takes a text that must be there.
    ///
    /// # Errors
    ///
    /// `MissingParameter` and `WrongType`.
    pub fn required_text(&mut self, name: &'static str) -> Result<String> {
        self.text(name)?
            .ok_or_else(|| Error::missing_parameter(format!("{}{name}", self.place)))
    }

    /// Takes a whole number.
    ///
    /// # Errors
    ///
    /// `WrongType`.
    pub fn integer(&mut self, name: &'static str) -> Result<Option<i64>> {
        match (self.take(name), self.source) {
            (None, _) => Ok(None),
            (Some(Value::Integer(number)), _) => Ok(Some(number)),
            (Some(Value::Text(text)), Source::Flat) => {
                text.parse().map(Some).map_err(|_| self.wrong_type(name))
            }
            (Some(_), _) => Err(self.wrong_type(name)),
        }
    }

    /// Takes a boolean.
    ///
    /// # Errors
    ///
    /// `WrongType`.
    pub fn boolean(&mut self, name: &'static str) -> Result<Option<bool>> {
        match (self.take(name), self.source) {
            (None, _) => Ok(None),
            (Some(Value::Boolean(value)), _) => Ok(Some(value)),
            (Some(Value::Text(text)), Source::Flat) => match text.as_str() {
                "true" | "True" => Ok(Some(true)),
                "false" | "False" => Ok(Some(false)),
                _ => Err(self.wrong_type(name)),
            },
            (Some(_), _) => Err(self.wrong_type(name)),
        }
    }

    /// Returns whether a parameter is there and not yet taken: an empty list is, and reads like
    /// none.
    pub fn has(&self, name: &str) -> bool {
        self.fields
            .get(name)
            .is_some_and(|value| !matches!(value, Value::Null))
    }

    /// Takes a list of texts; empty when it is absent.
    ///
    /// # Errors
    ///
    /// `WrongType`.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<String>> {
        let items = self.list(name)?.into_iter().enumerate();
        let place = &self.place;
        items
            .map(|(index, item)| match item {
                Value::Text(text) => Ok(text),
                _ => Err(Error::wrong_type(format!("{place}{name}.{index}"))),
            })
            .collect()
    }

    /// Takes a structure.
    ///
    /// # Errors
    ///
    /// `WrongType`.
    pub fn structure(&mut self, name: &'static str) -> Result<Option<Self>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Self {
                fields,
                source: self.source,
                place: format!("{}{name}.", self.place),
            })),
            Some(_) => Err(self.wrong_type(name)),
        }
    }

    /// Takes a list of structures that may be absent, which isn't the same as empty.
    ///
    /// # Errors
    ///
    /// `WrongType`.
    pub fn given_structures(&mut self, name: &'static str) -> Result<Option<Vec<Self>>> {
        let is_given = match self.fields.get(name) {
            None | Some(Value::Null) => false,
            Some(Value::Text(text)) => !text.is_empty() || self.source == Source::Json,
            Some(_) => true,
        };
        let items = self.structures(name)?;
        Ok(is_given.then_some(items))
    }

    /// Takes a list of structures; empty when it is absent.
    ///
    /// # Errors
    ///
    /// `WrongType`.
    pub fn structures(&mut self, name: &'static str) -> Result<Vec<Self>> {
        let (items, source) = (self.list(name)?.into_iter().enumerate(), self.source);
        let place = &self.place;
        items
            .map(|(index, item)| match item {
                Value::Object(fields) => Ok(Self {
                    fields,
                    source,
                    place: format!("{place}{name}.{index}."),
                }),
                _ => Err(Error::wrong_type(format!("{place}{name}.{index}"))),
            })
            .collect()
    }

    /// Ends the reading: a parameter that wasn't taken is none of the action's.
    ///
    /// # Errors
    ///
    /// `UnknownParameter`.
    pub fn finish(self) -> Result<()> {
        match self.fields.into_keys().next() {
            Some(name) => Err(Error::unknown_parameter(self.place + shown(&name))),
            None => Ok(()),
        }
    }

    /// Takes a value; JSON's null counts as absent, as does an empty flattened text: Node writes
    /// `X=` for what is undefined.
    fn take(&mut self, name: &str) -> Option<Value> {
        match self.fields.remove(name)? {
            Value::Null => None,
            Value::Text(text) if text.is_empty() && self.source == Source::Flat => None,
            value => Some(value),
        }
    }

    fn list(&mut self, name: &'static str) -> Result<Vec<Value>> {
        match (self.take(name), self.source) {
            (None, _) => Ok(Vec::new()),
            (Some(Value::List(items)), _) => Ok(items),
            (Some(Value::Object(fields)), Source::Flat) => {
                let mut items: Vec<(usize, Value)> = Vec::with_capacity(fields.len());
                for (index, item) in fields {
                    items.push((index.parse().map_err(|_| self.wrong_type(name))?, item));
                }
                items.sort_by_key(|(index, _)| *index);
                Ok(items.into_iter().map(|(_, item)| item).collect())
            }
            (Some(_), _) => Err(self.wrong_type(name)),
        }
    }

    fn wrong_type(&self, name: &str) -> Error {
        Error::wrong_type(format!("{}{name}", self.place))
    }
}

/// Returns as much of a client's text as an error may repeat.
fn shown(name: &str) -> &str {
    name.get(..name.floor_char_boundary(128)).unwrap_or(name)
}

/// Puts a flattened value in its place; `None` when the place is taken.
fn insert(fields: &mut BTreeMap<String, Value>, name: &str, text: String) -> Option<()> {
    match name.split_once('.') {
        None => match fields.insert(name.to_owned(), Value::Text(text)) {
            None => Some(()),
            Some(_) => None,
        },
        Some((first, rest)) => match fields
            .entry(first.to_owned())
            .or_insert_with(|| Value::Object(BTreeMap::new()))
        {
            Value::Object(inner) => insert(inner, rest, text),
            _ => None,
        },
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Fraction, Value::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Fraction)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry::<String, Value>()? {
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom("a name comes twice"));
            }
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ErrorKind;

    fn json(text: &str) -> Parameters {
        Parameters::from_json(text.as_bytes()).unwrap()
    }

    fn flat(pairs: &[(&str, &str)]) -> Parameters {
        Parameters::from_pairs(pairs.iter().copied()).unwrap()
    }

    fn wrong_type(name: &str) -> ErrorKind {
        ErrorKind::WrongType {
            name: name.to_owned(),
        }
    }

    #[test]
    fn json_has_real_types_and_text_does_not_pass_for_them() {
        let mut call =
            json(r#"{"Limit": 20, "All": true, "Name": "a", "Text": "20", "Gone": null}"#);
        assert_eq!(call.integer("Limit").unwrap(), Some(20));
        assert_eq!(call.boolean("All").unwrap(), Some(true));
        assert_eq!(call.text("Name").unwrap().as_deref(), Some("a"));
        assert_eq!(call.text("Gone").unwrap(), None);
        assert_eq!(
            call.integer("Text").unwrap_err().kind(),
            &wrong_type("Text")
        );
        for (text, name) in [
            (r#"{"X": 1}"#, "X"),
            (r#"{"X": ["a"]}"#, "X"),
            (r#"{"X": {}}"#, "X"),
            (r#"{"X": 1.5}"#, "X"),
        ] {
            assert_eq!(json(text).text("X").unwrap_err().kind(), &wrong_type(name));
        }
        for text in [r#"{"X": 1.0}"#, r#"{"X": 18446744073709551615}"#] {
            let refused = json(text).integer("X").unwrap_err();
            assert_eq!(refused.kind(), &wrong_type("X"));
        }
    }

    #[test]
    fn flattened_text_is_read_as_python_node_and_go_write_it() {
        let mut call = flat(&[
            ("A", "True"),
            ("B", "false"),
            ("N", "-5"),
            ("Empty", ""),
            ("Bad", "yes"),
        ]);
        assert_eq!(call.boolean("A").unwrap(), Some(true));
        assert_eq!(call.boolean("B").unwrap(), Some(false));
        assert_eq!(call.integer("N").unwrap(), Some(-5));
        assert_eq!(call.text("Empty").unwrap(), None);
        assert_eq!(call.boolean("Bad").unwrap_err().kind(), &wrong_type("Bad"));
    }

    #[test]
    fn lists_are_the_same_from_json_and_from_flattened_names() {
        let from_json = json(
            r#"{"Filters": [{"Name": "a", "Values": ["x", "y"]}, {"Name": "b", "Values": []}]}"#,
        );
        let from_pairs = flat(&[
            ("Filters.1.Name", "b"),
            ("Filters.0.Values.1", "y"),
            ("Filters.0.Name", "a"),
            ("Filters.0.Values.0", "x"),
        ]);
        for mut call in [from_json, from_pairs] {
            let mut filters = call.structures("Filters").unwrap();
            assert_eq!(filters.len(), 2);
            assert_eq!(filters[0].required_text("Name").unwrap(), "a");
            assert_eq!(filters[0].texts("Values").unwrap(), ["x", "y"]);
            assert_eq!(filters[1].required_text("Name").unwrap(), "b");
            assert!(filters[1].texts("Values").unwrap().is_empty());
            call.finish().unwrap();
        }
    }

    #[test]
    fn a_structure_is_taken_with_its_place_and_an_absent_list_is_not_an_empty_one() {
        for mut call in [
            json(r#"{"Tag": {"Key": "a"}, "None": null}"#),
            flat(&[("Tag.Key", "a"), ("None", "")]),
        ] {
            let mut tag = call.structure("Tag").unwrap().unwrap();
            assert_eq!(tag.required_text("Key").unwrap(), "a");
            assert_eq!(
                tag.required_text("Value").unwrap_err().kind(),
                &ErrorKind::MissingParameter {
                    name: "Tag.Value".to_owned()
                }
            );
            assert!(
                call.structure("Tag").unwrap().is_none()
                    && call.given_structures("None").unwrap().is_none()
            );
            call.finish().unwrap();
        }
        assert_eq!(
            json(r#"{"Tag": []}"#).structure("Tag").unwrap_err().kind(),
            &wrong_type("Tag")
        );
        assert!(
            json(r#"{"List": []}"#)
                .given_structures("List")
                .unwrap()
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            json(r#"{"List": 1}"#)
                .given_structures("List")
                .unwrap_err()
                .kind(),
            &wrong_type("List")
        );
    }

    #[test]
    fn errors_name_the_place() {
        let mut call = json(r#"{"Filters": [{"Name": 1}], "Ids": ["a", 2], "Extra": 1}"#);
        let mut filters = call.structures("Filters").unwrap();
        assert_eq!(
            filters[0].text("Name").unwrap_err().kind(),
            &wrong_type("Filters.0.Name")
        );
        assert_eq!(
            filters[0].required_text("Value").unwrap_err().kind(),
            &ErrorKind::MissingParameter {
                name: "Filters.0.Value".to_owned()
            }
        );
        assert_eq!(call.texts("Ids").unwrap_err().kind(), &wrong_type("Ids.1"));
        assert_eq!(
            call.finish().unwrap_err().kind(),
            &ErrorKind::UnknownParameter {
                name: "Extra".to_owned()
            }
        );
    }

    #[test]
    fn what_comes_twice_or_contradicts_itself_is_refused() {
        for bad in [
            r#"{"A": 1, "A": 1}"#,
            r#"{"A": {"B": 1, "B": 2}}"#,
            "[]",
            "1",
            "",
            "{",
            "{} {}",
            "\u{feff}{}",
        ] {
            let refused = Parameters::from_json(bad.as_bytes()).unwrap_err();
            assert_eq!(refused.kind(), &ErrorKind::MalformedRequest, "{bad:?}");
        }
        for bad in [
            &[("A", "1"), ("A", "1")][..],
            &[("A", "1"), ("A.0", "1")],
            &[("A.0", "1"), ("A", "1")],
            &[("A.0", "1"), ("A.0", "2")],
        ] {
            let refused = Parameters::from_pairs(bad.iter().copied()).unwrap_err();
            assert!(
                matches!(refused.kind(), ErrorKind::InvalidParameter { name } if bad[1].0 == name),
                "{bad:?}: {refused}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_refused_before_it_is_built() {
        let refused = Parameters::from_pairs([("a.".repeat(100_000), "x")]).unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::UnknownParameter { .. }));
        let refused = Parameters::from_json("[".repeat(100_000).as_bytes()).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::MalformedRequest);
    }

    proptest! {
        #[test]
        fn reading_never_panics(
            text in "\\PC{0,60}",
            pairs in proptest::collection::vec(("[A-C.0-2]{0,8}", "\\PC{0,4}"), 0..6),
        ) {
            let _ = Parameters::from_json(text.as_bytes());
            if let Ok(mut call) = Parameters::from_pairs(pairs) {
                let _ = call.texts("A");
                let _ = call.structures("B");
                let _ = call.finish();
            }
        }
    }
}
