//! YAML as a tree that knows its lines.
//!
//! The parser gives events with their places, and no more is wanted: what docker_auth reads of its
//! file are maps, lists and texts. Whatever two readers could take differently is refused: tags,
//! merge keys, a key that stands twice, a second document.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// The most nodes of a tree, those of aliases counted each time: a file of aliases of aliases would
/// grow without bound.
const MAX_NODES: usize = 200_000;
/// The deepest nesting.
const MAX_DEPTH: usize = 32;

/// A node, with the line of its beginning, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
    /// How many nodes it is, itself and all below it.
    size: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing, or `null`.
    Null,
    /// A text, or a number or boolean as it is written.
    Text(String),
    List(Vec<Node>),
    /// Keys in their order.
    Map(Vec<(String, Node)>),
}

/// A line, and what is wrong there.
pub(super) type Fault = (usize, String);

impl Node {
    fn new(line: usize, value: Value) -> Self {
        let size = 1 + match &value {
            Value::Null | Value::Text(_) => 0,
            Value::List(items) => items.iter().map(|node| node.size).sum(),
            Value::Map(entries) => entries.iter().map(|(_, node)| node.size).sum(),
        };
        Self { line, value, size }
    }

    /// Returns the entries of a map; none of `null`.
    pub(super) fn map(&self) -> Result<&[(String, Self)], Fault> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            Value::Null => Ok(&[]),
            Value::Text(_) | Value::List(_) => Err((self.line, "a map is wanted here".to_owned())),
        }
    }

    /// Returns the items of a list; none of `null`.
    pub(super) fn list(&self) -> Result<&[Self], Fault> {
        match &self.value {
            Value::List(items) => Ok(items),
            Value::Null => Ok(&[]),
            Value::Text(_) | Value::Map(_) => Err((self.line, "a list is wanted here".to_owned())),
        }
    }

    /// Returns a text; `None` of `null`.
    pub(super) fn text(&self) -> Result<Option<&str>, Fault> {
        match &self.value {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            Value::List(_) | Value::Map(_) => Err((self.line, "a text is wanted here".to_owned())),
        }
    }
}

/// Reads the one document of a text.
pub(super) fn read(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
    };
    let mut document = None;
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => break,
            (Event::DocumentStart(_), span) if document.is_some() => {
                return Err((span.start.line(), "there is a second document".to_owned()));
            }
            (Event::DocumentStart(_), _) => {
                let next = reader.next()?;
                document = Some(reader.node(next, 0)?);
            }
            _ => {}
        }
    }
    Ok(document.unwrap_or_else(|| Node::new(1, Value::Null)))
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err((error.marker().line(), error.info().to_owned())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, (event, span): (Event<'a>, Span), depth: usize) -> Result<Node, Fault> {
        let line = span.start.line();
        let fault = |why: &str| Err((line, why.to_owned()));
        if depth > MAX_DEPTH {
            return fault("it is nested too deeply");
        }
        let (anchor, value) = match event {
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => return fault("tags are not read"),
            Event::Scalar(text, style, anchor, None) => (anchor, scalar(&text, style)),
            Event::SequenceStart(anchor, None) => (anchor, self.list(depth)?),
            Event::MappingStart(anchor, None) => (anchor, self.map(depth)?),
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    let node = node.clone();
                    return self.counted(node.size, node);
                }
                None => return fault("an alias stands inside of what it means"),
            },
            _ => return fault("it is no YAML that is read here"),
        };
        let node = Node::new(line, value);
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.counted(1, node)
    }

    fn counted(&mut self, nodes: usize, node: Node) -> Result<Node, Fault> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err((node.line, format!("it has more than {MAX_NODES} nodes")));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                next => items.push(self.node(next, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let next = self.next()?;
            if next.0 == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let key = self.node(next, depth + 1)?;
            let Value::Text(name) = key.value else {
                return Err((key.line, "a key is a text".to_owned()));
            };
            if name == "<<" || entries.iter().any(|(known, _)| *known == name) {
                let why = format!("the key {name:?} stands twice, or merges another map");
                return Err((key.line, why));
            }
            let next = self.next()?;
            let mut node = self.node(next, depth + 1)?;
            // An entry is where its key is.
            node.line = key.line;
            entries.push((name, node));
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        Value::Null
    } else {
        Value::Text(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(node: &'a Node, path: &[&str]) -> Option<&'a str> {
        let found = path.iter().fold(node, |node, key| {
            &node
                .map()
                .unwrap()
                .iter()
                .find(|(name, _)| name == key)
                .unwrap()
                .1
        });
        found.text().unwrap()
    }

    #[test]
    fn a_file_is_maps_lists_and_texts_with_their_lines() {
        let node = read("# a\nusers:\n  \"a\": {password: \"x\"}\n  b: ~\nacl:\n  - 1\n  - [*]\n");
        assert!(node.is_err(), "* alone is an alias");
        let node =
            read("# a\nusers:\n  \"a\": {password: \"x\"}\n  b: ~\n  c: \"\"\nacl: [1, yes]\n");
        let node = node.unwrap();
        assert_eq!(text(&node, &["users", "a", "password"]), Some("x"));
        assert_eq!(text(&node, &["users", "b"]), None);
        assert_eq!(text(&node, &["users", "c"]), Some(""));
        let users = &node.map().unwrap()[0].1;
        assert_eq!(users.map().unwrap()[1].1.line, 4);
        let acl = node.map().unwrap()[1].1.list().unwrap();
        let acl: Vec<_> = acl
            .iter()
            .map(|node| node.text().unwrap().unwrap())
            .collect();
        assert_eq!(acl, ["1", "yes"]);
        assert_eq!(read("").unwrap().map().unwrap(), []);
    }

    #[test]
    fn an_alias_is_what_its_anchor_is() {
        let node = read("a: &x {b: c}\nd: *x\n").unwrap();
        assert_eq!(text(&node, &["d", "b"]), Some("c"));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused_with_its_line() {
        let deep = "[".repeat(50);
        let bomb: String = (1..12)
            .map(|level| {
                let below = format!("*a{}", level - 1);
                format!("a{level}: &a{level} [{}]\n", vec![below; 9].join(","))
            })
            .collect();
        for (bad, line) in [
            ("a: 1\na: 2", 2),
            ("a: !x 1", 1),
            ("a: &x {b: c}\nd:\n  <<: *x\n", 3),
            ("a: 1\n---\nb: 2", 2),
            ("a: b: c", 1),
            ("\n? [a]\n: b", 2),
            (&deep, 1),
            (&format!("a0: &a0 x\n{bomb}"), 6),
        ] {
            let fault = read(bad).unwrap_err();
            assert_eq!(fault.0, line, "{bad}: {}", fault.1);
        }
    }
}
