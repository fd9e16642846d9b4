//! Docker's resource scopes: `repository:ns/app:pull,push`, what a token is asked for.
//!
//! Source: CNCF Distribution, `docs/content/spec/auth/scope.md`.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::{Error, Result};

/// An action of a token on a resource. Printed in this order.
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
    /// All of them, in the order in which they are printed.
    pub const NAMED: [Self; 4] = [Self::Pull, Self::Push, Self::Delete, Self::All];

    /// Returns the word in scopes and tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::All => "*",
        }
    }

    /// Returns all that a token with these actions may do.
    ///
    /// Divergence: docker asks whether a layer exists (HEAD, a pull) before it uploads it, so a
    /// token that only allows push can't push.
    pub fn implied_by(actions: &BTreeSet<Self>) -> BTreeSet<Self> {
        let mut implied = actions.clone();
        if implied.contains(&Self::All) {
            implied.extend([Self::Pull, Self::Push, Self::Delete]);
        }
        if implied.contains(&Self::Push) {
            implied.insert(Self::Pull);
        }
        implied
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|known| known.name() == name)
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

/// One resource and what is asked on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The kind of the resource.
    pub resource_type: ResourceType,
    /// Its name; a repository's may begin with `host:port/`, and nothing is granted on one that
    /// does.
    pub name: String,
    /// The known actions that are asked; their order doesn't matter.
    pub actions: BTreeSet<Action>,
}

impl Scope {
    /// The most characters of one scope.
    pub const MAX_CHARACTERS: usize = 1024;
    /// The most scopes of a request without a proved caller: an upload that mounts from a few
    /// repositories needs four.
    pub const MAX_OF_STRANGERS: usize = 64;
}

impl Scope {
    /// Tells whether two scopes are of the same resource.
    pub fn is_of_resource(&self, other: &Self) -> bool {
        self.resource_type == other.resource_type && self.name == other.name
    }
}

/// The scopes of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// Each resource once, where the request names it first, with all that is asked on it.
    pub asked: Vec<Scope>,
    /// Texts that can't be granted and fail nothing, for the log: scopes that can't be read, as
    /// they came, and unknown actions, as `TYPE:NAME:ACTION,ACTION`.
    pub left_out: Vec<String>,
}

impl Scopes {
    /// Parses the scopes of a request, of which each value may hold several, divided by spaces.
    ///
    /// A scope that can't be read is left out, as clients of other registries ask in words of
    /// those.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` when there are scopes and none of them can be read: a token for nothing
    /// would hide the mistake.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut scopes = Self::default();
        let mut places: HashMap<(&str, &str), usize> = HashMap::new();
        for text in values
            .into_iter()
            .flat_map(|value| value.split(' '))
            .filter(|text| !text.is_empty())
        {
            let Some(parts) = Parts::of(text) else {
                scopes.left_out.push(text.to_owned());
                continue;
            };
            let place = *places
                .entry((parts.resource_type, parts.name))
                .or_insert(scopes.asked.len());
            if place == scopes.asked.len() {
                scopes.asked.push(parts.resource());
            }
            scopes.asked[place]
                .actions
                .extend(parts.words().filter_map(Action::of_name));
            let unknown: Vec<&str> = parts
                .words()
                .filter(|word| Action::of_name(word).is_none())
                .collect();
            if !unknown.is_empty() {
                scopes.left_out.push(format!(
                    "{}:{}:{}",
                    parts.resource_type,
                    parts.name,
                    unknown.join(",")
                ));
            }
        }
        if scopes.asked.is_empty() && !scopes.left_out.is_empty() {
            return Err(Error::invalid_parameter(
                "scope",
                "a scope is written TYPE:NAME:ACTION[,ACTION], such as \
                 repository:team/app:pull,push",
            ));
        }
        Ok(scopes)
    }
}

/// A scope in its parts: the type ends at the first colon, the actions begin after the last.
struct Parts<'a> {
    /// Without its class: `repository(plugin)` is deprecated, and never given back.
    resource_type: &'a str,
    name: &'a str,
    actions: &'a str,
}

impl<'a> Parts<'a> {
    /// Divides a scope; nothing when it can't be read.
    fn of(text: &'a str) -> Option<Self> {
        let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if text.len() > Scope::MAX_CHARACTERS || !text.bytes().all(visible) {
            return None;
        }
        let (resource_type, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let resource_type = match resource_type.split_once('(') {
            Some((bare, class)) => {
                class.strip_suffix(')').filter(|class| is_word(class))?;
                bare
            }
            None => resource_type,
        };
        is_word(resource_type).then_some(Self {
            resource_type,
            name,
            actions,
        })
    }

    fn words(&self) -> impl Iterator<Item = &'a str> {
        self.actions.split(',').filter(|word| !word.is_empty())
    }

    /// Returns the resource, with nothing asked on it yet.
    fn resource(&self) -> Scope {
        let resource_type = match self.resource_type {
            "repository" => ResourceType::Repository,
            "registry" => ResourceType::Registry,
            other => ResourceType::Other(other.to_owned()),
        };
        Scope {
            resource_type,
            name: self.name.to_owned(),
            actions: BTreeSet::new(),
        }
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
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ErrorKind;

    fn scope(text: &str) -> Scope {
        let [scope] = parsed(&[text])
            .asked
            .try_into()
            .unwrap_or_else(|scopes| panic!("{text}: {scopes:?}"));
        scope
    }

    fn parsed(values: &[&str]) -> Scopes {
        Scopes::parse(values.iter().copied()).unwrap_or_else(|error| panic!("{values:?}: {error}"))
    }

    #[test]
    fn a_name_may_hold_a_colon() {
        let parsed = scope("repository:registry.example.com:5000/team/app:pull,push");
        assert_eq!(parsed.name, "registry.example.com:5000/team/app");
        assert_eq!(parsed.actions, BTreeSet::from([Action::Pull, Action::Push]));
    }

    #[test]
    fn the_order_of_actions_does_not_matter() {
        assert_eq!(
            scope("repository:a:push,pull"),
            scope("repository:a:pull,push")
        );
    }

    #[test]
    fn a_class_is_read_and_not_given_back() {
        assert_eq!(
            scope("repository(plugin):a:pull").to_string(),
            "repository:a:pull"
        );
    }

    #[test]
    fn catalog_and_an_empty_name_are_taken() {
        assert_eq!(
            scope("registry:catalog:*").to_string(),
            "registry:catalog:*"
        );
        assert_eq!(scope("repository::pull").name, "");
    }

    #[test]
    fn an_unknown_word_grants_nothing_and_fails_nothing() {
        // Only lower-case letters could be an action: `metadata_read`, which tools of another
        // registry ask, failed the whole request.
        for (text, asked, left_out) in [
            (
                "repository:a:pull,fly",
                "repository:a:pull",
                &["repository:a:fly"][..],
            ),
            (
                "repository:a:metadata_read,pull,PULL",
                "repository:a:pull",
                &["repository:a:metadata_read,PULL"],
            ),
            ("repository:a:fly", "repository:a:", &["repository:a:fly"]),
            ("repository:a:", "repository:a:", &[]),
            ("repository(Plug-in2):a:pull", "repository:a:pull", &[]),
            ("Repository:a:pull", "Repository:a:pull", &[]),
            (
                "artifact-repository:a:pull",
                "artifact-repository:a:pull",
                &[],
            ),
        ] {
            let parsed = parsed(&[text]);
            assert_eq!(
                parsed
                    .asked
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>(),
                [asked],
                "{text}"
            );
            assert_eq!(parsed.left_out, left_out, "{text}");
        }
    }

    #[test]
    fn a_scope_that_can_not_be_read_is_left_out_where_another_can() {
        // One of them failed the whole request.
        let long = format!("repository:{}:pull", "a".repeat(Scope::MAX_CHARACTERS));
        for bad in [
            "a",
            "a:b",
            ":a:pull",
            "repository(:a:pull",
            "repository(x:a:pull",
            "repository(\t):a:pull",
            "repository:\"a:pull",
            &long,
        ] {
            let error = Scopes::parse([bad]).unwrap_err();
            assert_eq!(
                error.kind(),
                &ErrorKind::InvalidParameter {
                    name: "scope".to_owned()
                },
                "{bad:?}"
            );
            let parsed = parsed(&[bad, "repository:b:pull"]);
            assert_eq!(parsed.asked, [scope("repository:b:pull")], "{bad:?}");
            assert_eq!(parsed.left_out, [bad]);
        }
        assert_eq!(parsed(&["", " "]), Scopes::default());
    }

    #[test]
    fn repeated_and_spaced_scopes_are_united() {
        let scopes = parsed(&[
            "repository:a:pull repository:b:pull",
            "repository(x):a:push",
            "",
        ])
        .asked;
        assert_eq!(
            scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["repository:a:pull,push", "repository:b:pull"]
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}") {
            let _ = Scopes::parse([text.as_str()]);
        }

        #[test]
        fn what_parses_prints_and_parses_back(
            text in "(repository|registry|a1)(\\(x\\))?:[a-z0-9/:._-]{0,20}:\
                     ((pull|push|delete|\\*|zz),){0,3}(pull|push)",
        ) {
            let parsed = scope(&text);
            prop_assert_eq!(scope(&parsed.to_string()), parsed);
        }
    }
}
