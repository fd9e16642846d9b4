//! The last segment of a resource, perhaps with variables.

use super::context::Context;
use super::language::Language;
use super::pattern::{Pattern, Wildcards};
use super::target::{Extent, Target};
use super::variables::Template;
use super::words::Effect;
use crate::domain::name::{is_name_in_arn, is_repository_path};

/// The last segment. A CAM path is a directory: it names itself and all below it, and `/*` at its
/// end says the same again. Sources: Tencent's documents 215/8965 and 598/10606; its samples grant
/// a repository by `.../repo-demo` and by `.../repo-demo/*`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Path {
    /// RAM's and IAM's, compared as it stands, and `*`.
    Whole(Pattern),
    /// CAM's.
    Directory(Pattern),
}

impl Path {
    pub(super) fn new(text: &str, language: Language) -> Self {
        let wildcards = Wildcards::of(language);
        if is_directory(text, language) {
            Self::Directory(Pattern::new(directory(text), wildcards))
        } else {
            Self::Whole(Pattern::new(text, wildcards))
        }
    }

    /// Tells whether it is the path that is asked for.
    pub(super) fn is_asked(&self, target: &Target<'_>, effect: Effect) -> bool {
        match (target.extent, effect) {
            (Extent::One, _) => {
                self.matches(&target.path)
                    || target
                        .alias
                        .as_ref()
                        .is_some_and(|alias| self.matches(alias))
            }
            (Extent::Below, Effect::Allow) => self.covers(&target.path),
            (Extent::Below, Effect::Deny) => self.touches(&target.path),
            // Naming a resource here means no permission (Tencent's document 598/70035).
            (Extent::Operation, _) => self.is_any(),
        }
    }

    pub(super) fn is_any(&self) -> bool {
        matches!(self, Self::Whole(pattern) if pattern.is_any())
    }

    /// Returns the letters before its first wildcard, and those after its last: see
    /// [`Pattern::ends`]. A directory's are those of the texts that name it, or something above.
    pub(super) fn ends(&self) -> (String, String) {
        let (Self::Whole(pattern) | Self::Directory(pattern)) = self;
        pattern.ends()
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Whole(pattern) => pattern.matches(text),
            Self::Directory(pattern) => pattern.matches_directory(text),
        }
    }

    fn covers(&self, beginning: &str) -> bool {
        match self {
            Self::Whole(pattern) => pattern.covers(beginning),
            Self::Directory(pattern) => pattern.covers_directory(beginning),
        }
    }

    pub(super) fn touches(&self, beginning: &str) -> bool {
        match self {
            Self::Whole(pattern) => pattern.touches(beginning),
            Self::Directory(pattern) => pattern.touches_directory(beginning),
        }
    }
}

/// Tells whether a path names all below it, too.
fn is_directory(path: &str, language: Language) -> bool {
    language == Language::Cam && path != "*"
}

/// Returns the path of a directory, however its end is written.
fn directory(path: &str) -> &str {
    path.strip_suffix("/*")
        .unwrap_or(path)
        .trim_end_matches('/')
}

/// A path with variables.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PathTemplate {
    template: Template,
    is_directory: bool,
    wildcards: Wildcards,
    place: Place,
}

/// The part of a path that variables stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// After `repository/INSTANCE/`, or in IAM after `repository/`.
    Repository,
    /// After `role/` or `roleName/`.
    RoleName,
}

impl Place {
    /// Finds the place of a path's variables, or says that they stand nowhere where they may.
    fn of(path: &str, language: Language) -> Result<Self, String> {
        let (before, _) = path.split_once("${").unwrap_or((path, ""));
        let levels: Vec<&str> = before.split('/').collect();
        match (&levels[..], language) {
            (["repository", _, ..], Language::Iam) => Ok(Self::Repository),
            (["role", _], Language::Iam) => Ok(Self::RoleName),
            (_, Language::Iam) => Err(
                "in a path, policy variables stand after repository/ and role/ alone".to_owned(),
            ),
            (["repository", _, _, ..], _) => Ok(Self::Repository),
            (["role" | "roleName", _], _) => Ok(Self::RoleName),
            _ => Err(
                "in a path, policy variables stand after repository/INSTANCE/, role/ and \
                 roleName/ alone"
                    .to_owned(),
            ),
        }
    }

    /// Tells whether a value is of the place's grammar: no wildcard is, so none widens anything.
    fn fits(self, value: &str) -> bool {
        match self {
            Self::Repository => is_repository_path(value),
            Self::RoleName => is_name_in_arn(value),
        }
    }
}

impl PathTemplate {
    /// Reads a path that has variables, or says what is wrong with them.
    pub(super) fn parse(path: &str, language: Language) -> Result<Self, String> {
        let is_directory = is_directory(path, language);
        let text = if is_directory { directory(path) } else { path };
        Ok(Self {
            template: Template::parse(text, language)?,
            is_directory,
            wildcards: Wildcards::of(language),
            place: Place::of(path, language)?,
        })
    }

    fn path(&self, pattern: Pattern) -> Path {
        if self.is_directory {
            Path::Directory(pattern)
        } else {
            Path::Whole(pattern)
        }
    }

    /// Returns the path that matches all that it could ever match.
    pub(super) fn widest(&self) -> Path {
        self.path(self.template.widest(self.wildcards))
    }

    /// Returns the path with its variables filled in; fails with the one that has no value of the
    /// place's grammar.
    pub(super) fn fill(&self, context: &Context<'_>) -> Result<Path, &str> {
        let spans = self
            .template
            .fill(context, |value| self.place.fits(value))?;
        Ok(self.path(Pattern::of_spans(&spans, self.wildcards)))
    }

    /// Returns the names of the claims that it asks for.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        self.template.claims()
    }
}
