//! Policy documents: read strictly, told apart by their version, compiled once.

use super::condition::{Condition, DocumentKind};
use super::elements::{Elements, Refusal, Words, join, strings};
use super::json::Json;
use super::language::Language;
use super::pattern::{Pattern, Wildcards};
use super::resource::{ResourcePattern, check_characters};
use super::target::Target;
use super::vocabulary::{self, Form, Permission, Permissions};
use super::words::Effect;
use crate::domain::ids::AccountId;
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

/// A compiled policy document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    language: Language,
    statements: Vec<Statement>,
}

/// A document that was read, and what its writer should know.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The document.
    pub document: Document,
    /// Parts that won't do what they seem to, each with its place.
    pub warnings: Vec<String>,
}

/// A compiled statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) permissions: Permissions,
    pub(super) resources: Vec<ResourcePattern>,
    pub(super) condition: Condition,
}

impl Statement {
    pub(super) fn has_resource(&self, target: &Target<'_>, owner: AccountId) -> bool {
        self.resources
            .iter()
            .any(|resource| resource.matches(target, self.effect, owner))
    }

    /// Tells whether it speaks of that permission on that target, whatever its condition says.
    pub(super) fn is_about(
        &self,
        permission: Permission,
        target: &Target<'_>,
        owner: AccountId,
    ) -> bool {
        self.permissions.has(permission) && self.has_resource(target, owner)
    }
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` of `document`: the message names the place, such as
    /// `statement[1].condition.ip_equal`, and the reason.
    pub fn parse(text: &str, limits: Limits) -> Result<Checked> {
        let mut reader = Reader::default();
        let read = reader.document(text, limits);
        match read {
            Ok(document) => Ok(Checked {
                document,
                warnings: reader.warnings,
            }),
            Err(Refusal { place, why }) => Err(refused(&place, &why)),
        }
    }

    /// Returns the language that it is written in.
    pub fn language(&self) -> Language {
        self.language
    }

    pub(super) fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

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
    let Json::Object(fields) = &json else {
        return Err(Refusal::new(
            "",
            format!("it must be an object, not {}", json.kind()),
        ));
    };
    let has = |name: &str| fields.iter().any(|(known, _)| known == name);
    let language = match (has("version"), has("Version")) {
        (true, false) => Language::Cam,
        (false, true) => Language::Ram,
        _ => {
            return Err(Refusal::new(
                "",
                "it must have \"version\":\"2.0\" (CAM) or \"Version\":\"1\" (RAM)",
            ));
        }
    };
    if length > limits.of(language) {
        return Err(too_long(limits.of(language)));
    }
    let words = Words::of(language);
    let elements = Elements::new(&json, "", &[words.version, words.statement])?;
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
        Json::List(statements) if !statements.is_empty() => Ok((language, statements.clone())),
        Json::List(_) => Err(Refusal::new(words.statement, "there is no statement")),
        other => Err(Refusal::new(
            words.statement,
            format!("it must be a list of statements, not {}", other.kind()),
        )),
    }
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

fn condition_refusal(place: &str, name: &str, within: &str, why: String) -> Refusal {
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
struct Actions {
    /// Those that it lists; empty for `NotAction`.
    listed: Vec<Action>,
    /// The permissions that it is about.
    permissions: Permissions,
    /// Whether any of it can match an action of the services that matter here.
    ours: bool,
}

#[derive(Default)]
struct Reader {
    warnings: Vec<String>,
}

impl Reader {
    fn warn(&mut self, place: &str, what: impl AsRef<str>) {
        self.warnings.push(format!("{place}: {}", what.as_ref()));
    }

    fn document(&mut self, text: &str, limits: Limits) -> Result<Document, Refusal> {
        let (language, statements) = open(text, limits)?;
        let name = Words::of(language).statement;
        let read = |(index, json)| self.statement(json, &format!("{name}[{index}]"), language);
        let statements = statements
            .iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()?;
        Ok(Document {
            language,
            statements,
        })
    }

    fn statement(
        &mut self,
        json: &Json,
        place: &str,
        language: Language,
    ) -> Result<Statement, Refusal> {
        let words = Words::of(language);
        let mut known = vec![words.sid, words.effect, words.action];
        known.extend(words.not_action);
        known.extend([words.resource, words.condition]);
        if let Json::Object(fields) = json
            && fields.iter().any(|(name, _)| name == words.principal)
        {
            return Err(Refusal::new(
                join(place, words.principal),
                "a principal stands in a role's trust policy alone",
            ));
        }
        let elements = Elements::new(json, place, &known)?;
        // Divergence: the clouds document no Sid; a document may carry one, and a decision names
        // it.
        let sid = elements
            .find(words.sid)
            .map(|_| elements.text(words.sid))
            .transpose()?
            .map(ToOwned::to_owned);
        let effect = effect(&elements, place, words)?;

        let Actions {
            listed: actions,
            permissions,
            ours,
        } = self.actions_of(&elements, place, language)?;

        let resource_place = join(place, words.resource);
        let mut resources = Vec::new();
        for (place, text) in strings(elements.get(words.resource)?, &resource_place)? {
            let resource = ResourcePattern::parse(text, language).or_else(|why| {
                if ours {
                    Err(Refusal::new(&place, why))
                } else {
                    Ok(ResourcePattern::Elsewhere)
                }
            })?;
            resources.push((place, resource));
        }

        if !ours {
            if let Some(json) = elements.find(words.condition) {
                Condition::check_shape(json, language).map_err(|(within, why)| {
                    condition_refusal(place, words.condition, &within, why)
                })?;
            }
            let other = match language {
                Language::Cam => "tcr or sts",
                Language::Ram => "cr or sts",
            };
            self.warn(
                place,
                format!(
                    "it is kept, and decides nothing here: a {} document governs {other}",
                    language.name()
                ),
            );
            let resources = resources
                .into_iter()
                .map(|(_, resource)| resource)
                .collect();
            return Ok(Statement {
                sid,
                effect,
                permissions,
                resources,
                condition: Condition::default(),
            });
        }
        let condition = condition(&elements, place, language, DocumentKind::Permission)?;
        if condition.asks_owner() && !permissions.iter().any(Permission::has_owner) {
            let place = join(place, words.condition);
            self.warn(
                &place,
                "of none of these actions an owner is known: long-term credentials \
                 and service accounts have one",
            );
        }
        self.warn_of_resources(language, permissions, &resources);
        self.warn_of_actions(language, &actions, &resources);
        Ok(Statement {
            sid,
            effect,
            permissions,
            resources: resources
                .into_iter()
                .map(|(_, resource)| resource)
                .collect(),
            condition,
        })
    }

    /// Reads `Action`, or `NotAction` where the language has it.
    fn actions_of(
        &mut self,
        elements: &Elements<'_>,
        place: &str,
        language: Language,
    ) -> Result<Actions, Refusal> {
        let words = Words::of(language);
        let named = |actions: &[Action]| {
            let mut named = Permissions::default();
            actions
                .iter()
                .flat_map(|action| action.permissions.iter())
                .for_each(|permission| named.add(permission));
            named
        };
        let not_action = words
            .not_action
            .and_then(|name| elements.find(name).map(|json| (name, json)));
        match (elements.find(words.action), not_action) {
            (Some(_), Some((name, _))) => Err(Refusal::new(
                join(place, name),
                "a statement has Action or NotAction, not both",
            )),
            (_, Some((name, json))) => {
                let excluded = named(&self.actions(json, &join(place, name), language)?);
                let mut permissions = Permissions::default();
                Permission::all()
                    .filter(|permission| !excluded.has(*permission))
                    .for_each(|permission| permissions.add(permission));
                Ok(Actions {
                    listed: Vec::new(),
                    permissions,
                    ours: true,
                })
            }
            (_, None) => {
                let listed = self.actions(
                    elements.get(words.action)?,
                    &join(place, words.action),
                    language,
                )?;
                Ok(Actions {
                    permissions: named(&listed),
                    ours: listed.iter().any(|action| action.ours),
                    listed,
                })
            }
        }
    }

    fn actions(
        &mut self,
        json: &Json,
        place: &str,
        language: Language,
    ) -> Result<Vec<Action>, Refusal> {
        strings(json, place)?
            .into_iter()
            .map(|(place, text)| self.action(place, text, language))
            .collect()
    }

    fn action(&mut self, place: String, text: &str, language: Language) -> Result<Action, Refusal> {
        check_characters(text).map_err(|why| Refusal::new(&place, why))?;
        // `name/` is CAM's older way to say that what follows is an action's name.
        let bare = match language {
            Language::Cam => text.strip_prefix("name/").unwrap_or(text),
            Language::Ram => text,
        };
        let (service, name) = match bare.split_once(':') {
            _ if bare == "*" => ("*", "*"),
            Some((service, name)) if !service.is_empty() && !name.is_empty() => (service, name),
            _ => return Err(Refusal::new(&place, "an action is * or SERVICE:NAME")),
        };
        // Actions of RAM are compared without regard to case; for CAM that isn't published.
        let fold = |text: &str| {
            if language == Language::Ram {
                text.to_lowercase()
            } else {
                text.to_owned()
            }
        };
        let wildcards = Wildcards::of(language);
        let (service_pattern, name_pattern) = (
            Pattern::new(&fold(service), wildcards),
            Pattern::new(&fold(name), wildcards),
        );
        let ours = [language.registry_service(), "sts"]
            .iter()
            .any(|ours| service_pattern.matches(ours));
        let mut permissions = Permissions::default();
        let mut found = false;
        for (service, name) in vocabulary::known_actions(language) {
            if service_pattern.matches(service) && name_pattern.matches(&fold(name)) {
                found = true;
                vocabulary::permissions_named(language, service, name)
                    .for_each(|permission| permissions.add(permission));
            }
        }
        let exact = !wildcards.stand_in(bare);
        if ours && !found {
            return Err(Refusal::new(
                &place,
                format!("{service} has no action {name}; check its spelling and case"),
            ));
        }
        if exact && ours && permissions == Permissions::default() {
            self.warn(
                &place,
                format!("{text} is known at the cloud; nothing asks for it here"),
            );
        }
        let foreign = match language {
            Language::Cam => "cr",
            Language::Ram => "tcr",
        };
        if service == foreign {
            let own = language.registry_service();
            self.warn(
                &place,
                format!(
                    "a {} document calls this service {own}, so that {text} matches nothing",
                    language.name()
                ),
            );
        }
        Ok(Action {
            place,
            exact,
            ours,
            permissions,
        })
    }

    /// Warns of resources on which none of the statement's permissions is ever asked.
    fn warn_of_resources(
        &mut self,
        language: Language,
        permissions: Permissions,
        resources: &[(String, ResourcePattern)],
    ) {
        for (place, resource) in resources {
            if !permissions
                .iter()
                .any(|permission| resource.can_match(permission.form(language), language))
            {
                self.warn(
                    place,
                    format!("it matches nothing: {}", resource.why_nothing(language)),
                );
            } else if resource.has_odd_region() {
                self.warn(
                    place,
                    "its region is not one that an instance here can have; regions are written \
                     like ap-guangzhou, and * is any",
                );
            }
        }
    }

    /// Warns of actions that are never asked on any of the statement's resources.
    fn warn_of_actions(
        &mut self,
        language: Language,
        actions: &[Action],
        resources: &[(String, ResourcePattern)],
    ) {
        for action in actions.iter().filter(|action| action.exact && action.ours) {
            let mut forms = action
                .permissions
                .iter()
                .map(|permission| permission.form(language))
                .peekable();
            let Some(first) = forms.peek().copied() else {
                continue;
            };
            if forms.any(|form| {
                resources
                    .iter()
                    .any(|(_, resource)| resource.can_match(form, language))
            }) {
                continue;
            }
            self.warn(
                &action.place,
                match first {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ErrorKind;
    use crate::policy::TrustPolicy;

    fn refusal(text: &str) -> String {
        let error = Document::parse(text, Limits::POLICY).unwrap_err();
        assert_eq!(
            error.kind(),
            &ErrorKind::InvalidParameter {
                name: "document".to_owned()
            }
        );
        error.message().to_owned()
    }

    #[test]
    fn what_stands_twice_is_refused_wherever_it_stands() {
        for text in [
            r#"{"version":"2.0","version":"2.0","statement":[]}"#,
            r#"{"version":"2.0","statement":[{"effect":"deny","effect":"allow","action":"*","resource":"*"}]}"#,
            r#"{"version":"2.0","statement":[{"effect":"allow","action":"*","resource":"*","condition":{"ip_equal":{"qcs:ip":"10.0.0.1","qcs:ip":"0.0.0.0/0"}}}]}"#,
        ] {
            assert!(
                refusal(text).contains("stands twice in one object at line 1"),
                "{}",
                refusal(text)
            );
        }
    }

    #[test]
    fn a_document_is_as_long_as_its_limit_in_characters() {
        let document = |length: usize| {
            let start = r#"{"Version":"1","Statement":[{"Sid":""#;
            let end = r#"","Effect":"Allow","Action":"*","Resource":"*"}]}"#;
            format!(
                "{start}{}{end}",
                "中".repeat(length - start.len() - end.len())
            )
        };
        assert!(Document::parse(&document(6144), Limits::POLICY).is_ok());
        assert_eq!(
            refusal(&document(6145)),
            "the document is refused: it is longer than 6144 characters"
        );
        assert!(Document::parse(&document(2048), Limits::SESSION).is_ok());
        assert!(Document::parse(&document(2049), Limits::SESSION).is_err());
        assert!(
            Document::parse(
                &document(2000),
                Limits {
                    cam: 6144,
                    ram: 1999
                }
            )
            .is_err()
        );
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_line() {
        assert!(refusal("{").contains("line 1"));
        assert!(refusal(r#"{"version":"2.0","statement":[]} x"#).contains("trailing"));
        assert!(
            Document::parse(
                &"[".repeat(100_000),
                Limits {
                    cam: 200_000,
                    ram: 200_000
                }
            )
            .is_err()
        );
    }

    #[test]
    fn a_name_in_a_refusal_is_short_and_printable() {
        let long = format!(
            r#"{{"version":"2.0","statement":[],"\u001b{}":1}}"#,
            "x".repeat(4000)
        );
        let message = refusal(&long);
        assert!(
            message.starts_with("\\u001bxxx") && message.len() < 400,
            "{message}"
        );
    }

    /// Pieces of documents, put together anyhow.
    fn scraps() -> impl Strategy<Value = String> {
        let scrap = prop_oneof![
            Just(r#"{"version":"2.0","statement":[{"effect":"allow","action":"tcr:*","resource":"#),
            Just(r#"{"Version":"1","Statement":[{"Effect":"Deny","Action":["cr:*"],"Resource":"#),
            Just(r#""qcs::tcr:::repository/*","condition":{"#),
            Just(r#""acs:cr:*:*:repository/*","Condition":{"#),
            Just(r#""ip_equal":{"qcs:ip":"#),
            Just(r#""for_any_value:string_like_if_exist":{"qcs:tag":"#),
            Just(r#""NumericEquals":{"acs:ResourceTag/a":"#),
            Just(r#""10.0.0.0/8""#),
            Just(r#""::/0""#),
            Just(r#""::ffff:1.2.3.4/95""#),
            Just(r#""9999-12-31T23:59:59Z""#),
            Just("1e400"),
            Just("[]"),
            Just("}"),
            Just("]}"),
            Just("}}}]}"),
            Just("*"),
            Just("\""),
            Just(","),
            Just("中"),
        ];
        proptest::collection::vec(scrap, 0..7).prop_map(|scraps| scraps.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}", scraps in scraps()) {
            for text in [text, scraps] {
                let _ = Document::parse(&text, Limits::POLICY);
                let _ = TrustPolicy::parse(&text, Limits::POLICY);
            }
        }

        #[test]
        fn strange_resources_and_values_never_panic(resource in "(qcs:|acs:|)[a-z:*?/中]{0,30}", value in "[0-9a-fxT:Z./=+ -]{0,30}") {
            for (operator, key) in [("ip_equal", "qcs:ip"), ("date_equal", "qcs:current_time"), ("numeric_equal", "qcs:tag"), ("binary_equal", "qcs:tag")] {
                let text = format!(
                    r#"{{"version":"2.0","statement":[{{"effect":"allow","action":"tcr:*","resource":"{resource}","condition":{{"{operator}":{{"{key}":"{value}"}}}}}}]}}"#
                );
                let _ = Document::parse(&text, Limits::POLICY);
            }
            let text = format!(r#"{{"Version":"1","Statement":[{{"Effect":"Allow","Action":"cr:*","Resource":"{resource}"}}]}}"#);
            let _ = Document::parse(&text, Limits::POLICY);
        }
    }
}
