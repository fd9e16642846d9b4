//! Docker's resource scopes: `repository:ns/app:pull,push`, what a token is asked for.
//!
//! Source: CNCF Distribution, `docs/content/spec/auth/scope.md`.

use std::collections::BTreeSet;
use std::fmt;

use super::{Error, Result};

/// What a token may do to a resource. Printed in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Read.
    Pull,
    /// Write.
    Push,
    /// Delete.
    Delete,
    /// `*`: everything that the resource has.
    All,
}

impl Action {
    const NAMED: [Self; 4] = [Self::Pull, Self::Push, Self::Delete, Self::All];

    /// Returns the word in scopes and tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::All => "*",
        }
    }
}

/// The kind of thing that a scope names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// A repository, the name is its path.
    Repository,
    /// The registry itself; the only name is `catalog`.
    Registry,
    /// A type that no registry is known to check; nothing is ever granted on it.
    Other(String),
}

impl ResourceType {
    /// Returns the word in scopes and tokens.
    pub fn name(&self) -> &str {
        match self {
            Self::Repository => "repository",
            Self::Registry => "registry",
            Self::Other(name) => name,
        }
    }
}

/// One resource and what is asked on it. Unknown actions are dropped: nothing could grant them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The kind of the resource.
    pub resource_type: ResourceType,
    /// Its name; a repository's may begin with `host:port/`.
    pub name: String,
    /// What is asked; order doesn't matter.
    pub actions: BTreeSet<Action>,
}

impl Scope {
    /// The most characters of one scope.
    pub const LONGEST: usize = 1024;
    /// The most scopes of one request: an upload that mounts from a few repositories needs three or four.
    pub const MOST: usize = 64;

    /// Parses one scope: the type ends at the first colon, the actions begin after the last.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed =
            || Error::invalid_parameter("scope", "a scope is written TYPE:NAME:ACTION[,ACTION], such as repository:team/app:pull,push");
        if text.len() > Self::LONGEST {
            return Err(malformed());
        }
        let (resource_type, rest) = text.split_once(':').ok_or_else(malformed)?;
        let (name, actions) = rest.rsplit_once(':').ok_or_else(malformed)?;
        // A class, `repository(plugin)`, is deprecated: read, and never given back.
        let resource_type = match resource_type.split_once('(') {
            Some((bare, class)) if class.strip_suffix(')').is_some_and(is_word) => bare,
            Some(_) => return Err(malformed()),
            None => resource_type,
        };
        let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let words = actions.split(',').all(|action| action == "*" || action.bytes().all(|byte| byte.is_ascii_lowercase()));
        if !is_word(resource_type) || !name.bytes().all(visible) || !words {
            return Err(malformed());
        }
        Ok(Self {
            resource_type: match resource_type {
                "repository" => ResourceType::Repository,
                "registry" => ResourceType::Registry,
                other => ResourceType::Other(other.to_owned()),
            },
            name: name.to_owned(),
            actions: Action::NAMED.into_iter().filter(|known| actions.split(',').any(|action| action == known.name())).collect(),
        })
    }

    /// Parses every scope of a request: each value may hold several, divided by spaces. Scopes of the
    /// same resource become one, at the first one's place.
    pub fn parse_all<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>> {
        let mut scopes: Vec<Self> = Vec::new();
        for text in values.into_iter().flat_map(|value| value.split(' ')).filter(|text| !text.is_empty()) {
            let scope = Self::parse(text)?;
            let known = scopes.iter().position(|known| known.resource_type == scope.resource_type && known.name == scope.name);
            match known {
                Some(place) => scopes[place].actions.extend(scope.actions),
                None if scopes.len() < Self::MOST => scopes.push(scope),
                None => return Err(Error::invalid_parameter("scope", format!("a request has at most {} scopes", Self::MOST))),
            }
        }
        Ok(scopes)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.resource_type.name(), self.name)?;
        for (place, action) in self.actions.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { "," })?;
            f.write_str(action.name())?;
        }
        Ok(())
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_name_may_hold_a_colon() {
        let parsed = scope("repository:registry.example.com:5000/team/app:pull,push");
        assert_eq!(parsed.name, "registry.example.com:5000/team/app");
        assert_eq!(parsed.actions, BTreeSet::from([Action::Pull, Action::Push]));
    }

    #[test]
    fn the_order_of_actions_does_not_matter() {
        assert_eq!(scope("repository:a:push,pull"), scope("repository:a:pull,push"));
    }

    #[test]
    fn a_class_is_read_and_not_given_back() {
        assert_eq!(scope("repository(plugin):a:pull").to_string(), "repository:a:pull");
    }

    #[test]
    fn catalog_and_an_empty_name_are_taken() {
        assert_eq!(scope("registry:catalog:*").to_string(), "registry:catalog:*");
        assert_eq!(scope("repository::pull").name, "");
    }

    #[test]
    fn unknown_actions_are_dropped_and_nonsense_is_refused() {
        assert_eq!(scope("repository:a:pull,fly").to_string(), "repository:a:pull");
        for bad in [
            "",
            "a",
            "a:b",
            ":a:pull",
            "Repository:a:pull",
            "repository:a b:pull",
            "repository:a:PULL",
            "repository(:a:pull",
            "repository(x:a:pull",
            "repository:\"a:pull",
        ] {
            assert!(Scope::parse(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn repeated_and_spaced_scopes_are_united() {
        let scopes = Scope::parse_all(["repository:a:pull repository:b:pull", "repository:a:push", ""]).unwrap();
        assert_eq!(scopes.iter().map(ToString::to_string).collect::<Vec<_>>(), ["repository:a:pull,push", "repository:b:pull"]);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}") {
            let _ = Scope::parse(&text);
        }

        #[test]
        fn what_parses_prints_and_parses_back(text in "(repository|registry|a1)(\\(x\\))?:[a-z0-9/:._-]{0,20}:((pull|push|delete|\\*|zz),){0,3}(pull|push)") {
            let parsed = scope(&text);
            prop_assert_eq!(scope(&parsed.to_string()), parsed);
        }
    }
}
