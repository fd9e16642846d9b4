//! The scopes that a credential is narrowed to, whatever its principal may do.

use std::collections::BTreeSet;
use std::fmt;

use super::scope::{Action, ResourceType, Scope, Scopes};
use super::{Error, Result};

/// The scopes that a credential is narrowed to: 1 to 20, each of a repository or the catalog, and
/// at most 1,000 bytes as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowing(Vec<Scope>);

impl Narrowing {
    /// The most scopes.
    pub const MAX_SCOPES: usize = 20;
    /// The most bytes of all scopes as text, divided by spaces.
    pub const MAX_BYTES: usize = 1000;
    /// The most bytes of a resource's name.
    pub const MAX_NAME: usize = 255;

    /// Takes scopes of which each can be granted: one that can't would narrow to less than it says.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` of `scope` for a scope that can't be read or never be granted, for none,
    /// and for too many.
    pub fn new(scopes: Scopes) -> Result<Self> {
        if !scopes.left_out.is_empty() || !scopes.asked.iter().all(may_be_granted) {
            return Err(invalid(
                "write each as repository:NAME:ACTION[,ACTION] with pull, push, delete or *, or as \
                 registry:catalog:*",
            ));
        }
        Self::of(scopes.asked).ok_or_else(|| {
            invalid(&format!(
                "name 1 to {} scopes of at most {} bytes together",
                Self::MAX_SCOPES,
                Self::MAX_BYTES
            ))
        })
    }

    /// Takes scopes that are within the bounds; `None` for others.
    pub fn of(scopes: Vec<Scope>) -> Option<Self> {
        let narrowing = Self(scopes);
        let fits = (1..=Self::MAX_SCOPES).contains(&narrowing.0.len())
            && narrowing.0.iter().all(may_be_granted)
            && narrowing.to_string().len() <= Self::MAX_BYTES;
        fits.then_some(narrowing)
    }

    /// Returns the scopes.
    pub fn scopes(&self) -> &[Scope] {
        &self.0
    }

    /// Returns the actions that are left on the resource of a scope.
    pub fn actions_on(&self, resource: &Scope) -> BTreeSet<Action> {
        let actions = self.0.iter().filter(|scope| scope.is_of_resource(resource));
        Action::implied_by(&actions.flat_map(|scope| &scope.actions).copied().collect())
    }

    /// Tells whether it allows all that another one asks for.
    pub fn covers(&self, asked: &Self) -> bool {
        asked
            .0
            .iter()
            .all(|scope| Action::implied_by(&scope.actions).is_subset(&self.actions_on(scope)))
    }

    /// Returns what is left of it within another one; `None` when that is nothing.
    pub fn within(&self, outer: &Self) -> Option<Self> {
        let left = |scope: &Scope| {
            let allowed = outer.actions_on(scope);
            let asked = if allowed.contains(&Action::All) {
                scope.actions.clone()
            } else {
                Action::implied_by(&scope.actions)
            };
            Scope {
                actions: &asked & &allowed,
                ..scope.clone()
            }
        };
        let scopes = self.0.iter().map(left);
        Self::of(scopes.filter(|scope| !scope.actions.is_empty()).collect())
    }
}

impl fmt::Display for Narrowing {
    /// Writes the scopes as clients ask for them, divided by spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, scope) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { " " })?;
            scope.fmt(f)?;
        }
        Ok(())
    }
}

/// Tells whether a scope asks for something that anybody could have.
fn may_be_granted(scope: &Scope) -> bool {
    let has_resource = match scope.resource_type {
        ResourceType::Repository => (1..=Narrowing::MAX_NAME).contains(&scope.name.len()),
        ResourceType::Registry => scope.name == "catalog",
        ResourceType::Other(_) => false,
    };
    has_resource && !scope.actions.is_empty()
}

fn invalid(how: &str) -> Error {
    Error::invalid_parameter("scope", how)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    fn parsed(text: &str) -> Result<Narrowing> {
        Narrowing::new(Scopes::parse([text]).unwrap())
    }

    fn narrowing(text: &str) -> Narrowing {
        parsed(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn scopes_that_can_be_granted_are_taken_and_print_back() {
        for text in [
            "repository:team/app:pull",
            "repository:team/app:pull,push repository:b:delete registry:catalog:*",
            "repository:team/app:*",
        ] {
            assert_eq!(narrowing(text).to_string(), text);
        }
    }

    #[test]
    fn a_scope_that_says_nothing_or_more_than_can_be_granted_is_refused() {
        let many = (0..21).map(|number| format!("repository:a{number}:pull "));
        let long = format!("repository:{}:pull", "a".repeat(256));
        let together = (0..5).map(|number| format!("repository:{number}{}:pull ", "a".repeat(200)));
        for bad in [
            "",
            "repository:a:",
            "repository:a:fly",
            "repository:a:pull,fly",
            "repository:a:pull nonsense",
            "repository::pull",
            "registry:other:*",
            "plugin:a:pull",
            &many.collect::<String>(),
            &long,
            &together.collect::<String>(),
        ] {
            let expected = ErrorKind::InvalidParameter {
                name: "scope".to_owned(),
            };
            assert_eq!(parsed(bad).unwrap_err().kind(), &expected, "{bad:?}");
        }
    }

    #[test]
    fn what_is_left_within_another_is_never_more_than_either() {
        for (inner, outer, left) in [
            (
                "repository:a:pull",
                "repository:a:pull,push",
                "repository:a:pull",
            ),
            (
                "repository:a:*",
                "repository:a:pull,push",
                "repository:a:pull,push",
            ),
            ("repository:a:*", "repository:a:*", "repository:a:*"),
            (
                "repository:a:push",
                "repository:a:push",
                "repository:a:pull,push",
            ),
            (
                "repository:a:push",
                "repository:a:pull",
                "repository:a:pull",
            ),
            (
                "repository:a:pull repository:b:pull",
                "repository:b:*",
                "repository:b:pull",
            ),
        ] {
            let within = narrowing(inner).within(&narrowing(outer)).unwrap();
            assert_eq!(within.to_string(), left, "{inner} within {outer}");
        }
        let apart = narrowing("repository:a:pull").within(&narrowing("repository:b:pull"));
        assert_eq!(apart, None);
        let apart = narrowing("repository:a:delete").within(&narrowing("repository:a:push"));
        assert_eq!(apart, None);
    }
}
