//! The actions of a statement: read, matched with the permissions that they name, and warned of
//! where they won't do what they seem to.

use std::sync::LazyLock;

use super::Warnings;
use crate::policy::elements::{Elements, Refusal, Words, join, strings};
use crate::policy::json::Json;
use crate::policy::language::Language;
use crate::policy::pattern::{Pattern, Wildcards};
use crate::policy::resource::{ResourcePattern, check_characters};
use crate::policy::vocabulary::{self, Form, Permission, Permissions};

/// An action of a statement.
struct Action {
    place: String,
    /// Whether it has no wildcards.
    exact: bool,
    /// Whether it can match an action of the services that matter here.
    ours: bool,
    /// The permissions that it names.
    permissions: Permissions,
}

/// The actions of a statement.
pub(in crate::policy) struct Actions {
    /// Those that it lists; empty for `NotAction`.
    listed: Vec<Action>,
    /// The permissions that it is about.
    pub(in crate::policy) permissions: Permissions,
    /// Whether any of it can match an action of the services that matter here.
    pub(super) ours: bool,
}

impl Actions {
    /// Reads `Action`, or `NotAction` where the language has it.
    pub(in crate::policy) fn read(
        elements: &Elements<'_>,
        place: &str,
        language: Language,
        warnings: &mut Warnings,
    ) -> Result<Self, Refusal> {
        let words = Words::of(language);
        let not_action = words
            .not_action
            .and_then(|name| elements.find(name).map(|json| (name, json)));
        match (elements.find(words.action), not_action) {
            (Some(_), Some((name, _))) => Err(Refusal::new(
                join(place, name),
                "a statement has Action or NotAction, not both",
            )),
            (_, Some((name, json))) => {
                let excluded = named(&list(json, &join(place, name), language, warnings)?);
                let mut permissions = Permissions::default();
                Permission::all()
                    .filter(|permission| !excluded.has(*permission))
                    .for_each(|permission| permissions.add(permission));
                Ok(Self {
                    listed: Vec::new(),
                    permissions,
                    ours: true,
                })
            }
            (_, None) => {
                let json = elements.get(words.action)?;
                let listed = list(json, &join(place, words.action), language, warnings)?;
                Ok(Self {
                    permissions: named(&listed),
                    ours: listed.iter().any(|action| action.ours),
                    listed,
                })
            }
        }
    }

    /// Warns of actions that are never asked on any of the statement's resources.
    pub(super) fn warn_of_unasked(
        &self,
        language: Language,
        resources: &[(String, ResourcePattern)],
        warnings: &mut Warnings,
    ) {
        for action in self
            .listed
            .iter()
            .filter(|action| action.exact && action.ours)
        {
            let mut permissions = action.permissions.iter().peekable();
            let Some(first) = permissions.peek().copied() else {
                continue;
            };
            if permissions.any(|permission| {
                resources
                    .iter()
                    .any(|(_, resource)| resource.can_match(permission, language))
            }) {
                continue;
            }
            warnings.add(
                &action.place,
                match first.form(language) {
                    Form::Operation => {
                        "it has no resource of its own, so that only the resource * \
                         allows or denies it"
                    }
                    _ => "it is never asked on any of these resources",
                },
            );
        }
    }
}

/// Returns the permissions that actions name together.
fn named(actions: &[Action]) -> Permissions {
    let mut named = Permissions::default();
    actions
        .iter()
        .for_each(|action| named.include(action.permissions));
    named
}

fn list(
    json: &Json,
    place: &str,
    language: Language,
    warnings: &mut Warnings,
) -> Result<Vec<Action>, Refusal> {
    strings(json, place)?
        .into_iter()
        .map(|(place, text)| Action::read(place, text, language, warnings))
        .collect()
}

impl Action {
    fn read(
        place: String,
        text: &str,
        language: Language,
        warnings: &mut Warnings,
    ) -> Result<Self, Refusal> {
        check_characters(text).map_err(|why| Refusal::new(&place, why))?;
        // `name/` is CAM's older way to say that what follows is an action's name.
        let bare = match language {
            Language::Cam => text.strip_prefix("name/").unwrap_or(text),
            Language::Ram | Language::Iam => text,
        };
        let (service, name) = match bare.split_once(':') {
            _ if bare == "*" => ("*", "*"),
            Some((service, name)) if !service.is_empty() && !name.is_empty() => (service, name),
            _ => return Err(Refusal::new(&place, "an action is * or SERVICE:NAME")),
        };
        let wildcards = Wildcards::of(language);
        let service_pattern = Pattern::new(&fold(service, language), wildcards);
        let ours = language
            .services()
            .iter()
            .any(|ours| service_pattern.matches(ours));
        let name_pattern = Pattern::new(&fold(name, language), wildcards);
        let found = permissions_matched(&service_pattern, &name_pattern, language);
        if ours && found.is_none() {
            return Err(Refusal::new(
                &place,
                format!("{service} has no action {name}; check its spelling and case"),
            ));
        }
        let action = Self {
            place,
            exact: !wildcards.stand_in(bare),
            ours,
            permissions: found.unwrap_or_default(),
        };
        action.warn(text, service, language, warnings);
        Ok(action)
    }

    /// Warns of an action that nothing asks for here.
    fn warn(&self, text: &str, service: &str, language: Language, warnings: &mut Warnings) {
        if self.exact && self.ours && self.permissions == Permissions::default() {
            warnings.add(
                &self.place,
                format!("{text} is known at the cloud; nothing asks for it here"),
            );
        }
        let is_foreign = |other: Language| other != language && other.registry_service() == service;
        if Language::ALL.into_iter().any(is_foreign) {
            let own = language.registry_service();
            warnings.add(
                &self.place,
                format!(
                    "documents in {} call this service {own}, so that {text} matches nothing",
                    language.name()
                ),
            );
        }
    }
}

/// Writes a name as it is compared.
fn fold(text: &str, language: Language) -> String {
    if language.folds_actions() {
        text.to_lowercase()
    } else {
        text.to_owned()
    }
}

/// A known action as patterns are compared with it, and the permissions that it names.
struct Known {
    service: &'static str,
    name: String,
    permissions: Permissions,
}

/// Returns the known actions of a language; made once, since each action that is read is compared
/// with all of them.
fn known(language: Language) -> &'static [Known] {
    static KNOWN: LazyLock<[Vec<Known>; 3]> = LazyLock::new(|| {
        Language::ALL.map(|language| {
            let known = |(service, name)| {
                let permissions: Vec<_> =
                    vocabulary::permissions_named(language, service, name).collect();
                Known {
                    service,
                    name: fold(name, language),
                    permissions: Permissions::of(&permissions),
                }
            };
            vocabulary::known_actions(language).map(known).collect()
        })
    });
    let place = Language::ALL.iter().position(|one| *one == language);
    place.map_or(&[], |place| &KNOWN[place])
}

/// Returns the permissions of all known actions that match; nothing when none is known.
fn permissions_matched(
    service_pattern: &Pattern,
    name_pattern: &Pattern,
    language: Language,
) -> Option<Permissions> {
    let mut found = None::<Permissions>;
    for known in known(language) {
        if service_pattern.matches(known.service) && name_pattern.matches(&known.name) {
            found.get_or_insert_default().include(known.permissions);
        }
    }
    found
}
