//! Policy documents: read strictly, told apart by their version, compiled once.

pub(super) mod actions;
mod rights;

use self::actions::Actions;
pub use self::rights::StatementRights;
use super::condition::{Condition, DocumentKind};
use super::elements::{Elements, Refusal, Words, join, strings};
use super::json::Json;
use super::language::Language;
use super::parts::{Limits, condition, condition_refusal, effect, open, refused, sid};
use super::resource::{Asked, Facts, ResourcePattern};
use super::vocabulary::{Permission, Permissions};
use super::words::Effect;
use crate::domain::Result;

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
    /// Tells whether one of its resources is what is asked for.
    ///
    /// # Errors
    /// The variable, as the document writes it, for want of whose value none is; or nothing.
    pub(super) fn match_resource<'a>(&'a self, asked: &Asked<'_>) -> Result<(), Option<&'a str>> {
        let mut unfilled = None;
        for resource in &self.resources {
            match resource.matches(asked, self.effect) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(variable) => unfilled = unfilled.or(Some(variable)),
            }
        }
        Err(unfilled)
    }

    /// Tells whether it speaks of one of these permissions.
    pub(super) fn speaks_of(&self, permissions: &[Permission]) -> bool {
        permissions
            .iter()
            .any(|permission| self.permissions.has(*permission))
    }

    /// Tells whether its condition counts as met.
    pub(super) fn may_hold(&self, facts: Facts<'_>) -> bool {
        self.condition.may_hold(self.effect, facts)
    }

    /// Returns the names of the claims that it asks for.
    fn claims(&self) -> impl Iterator<Item = &str> {
        let of_resources = self.resources.iter().flat_map(ResourcePattern::claims);
        of_resources.chain(self.condition.claims())
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
        let mut warnings = Warnings::default();
        match read(text, limits, &mut warnings) {
            Ok(document) => Ok(Checked {
                document,
                warnings: warnings.0,
            }),
            Err(Refusal { place, why }) => Err(refused(&place, &why)),
        }
    }

    /// Returns the language that it is written in.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Returns the names of the OpenID Connect claims that it asks for, some perhaps twice.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(Statement::claims)
    }

    pub(super) fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

/// Parts of a document that won't do what they seem to, each with its place.
#[derive(Default)]
pub(super) struct Warnings(Vec<String>);

impl Warnings {
    fn add(&mut self, place: &str, what: impl AsRef<str>) {
        self.0.push(format!("{place}: {}", what.as_ref()));
    }
}

fn read(text: &str, limits: Limits, warnings: &mut Warnings) -> Result<Document, Refusal> {
    let (language, statements) = open(text, limits)?;
    let name = Words::of(language).statement;
    let read =
        |(index, json)| read_statement(json, &format!("{name}[{index}]"), language, warnings);
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

fn read_statement(
    json: &Json,
    place: &str,
    language: Language,
    warnings: &mut Warnings,
) -> Result<Statement, Refusal> {
    let words = Words::of(language);
    let elements = elements_of(json, place, words)?;
    let sid = sid(&elements, words)?;
    let effect = effect(&elements, place, words)?;
    let actions = Actions::read(&elements, place, language, warnings)?;
    let resources = read_resources(&elements, place, language, actions.ours)?;
    let condition = if actions.ours {
        let condition = condition(&elements, place, language, DocumentKind::Permission)?;
        warn_of_owner(
            &condition,
            actions.permissions,
            &join(place, words.condition),
            warnings,
        );
        for within in condition.about_nothing() {
            let place = join(&join(place, words.condition), within);
            warnings.add(&place, "no request here has this key");
        }
        warn_of_resources(language, actions.permissions, &resources, warnings);
        actions.warn_of_unasked(language, &resources, warnings);
        condition
    } else {
        pass_over(&elements, place, language, warnings)?
    };
    Ok(Statement {
        sid,
        effect,
        permissions: actions.permissions,
        resources: resources
            .into_iter()
            .map(|(_, resource)| resource)
            .collect(),
        condition,
    })
}

/// Takes the elements of a statement, all of which must be known.
fn elements_of<'j>(json: &'j Json, place: &str, words: &Words) -> Result<Elements<'j>, Refusal> {
    if let Json::Object(fields) = json
        && fields.iter().any(|(name, _)| name == words.principal)
    {
        return Err(Refusal::new(
            join(place, words.principal),
            "a principal stands in the policy of a role or a repository alone",
        ));
    }
    let mut known = vec![words.sid, words.effect, words.action];
    known.extend(words.not_action);
    known.extend(words.not_resource);
    known.extend([words.resource, words.condition]);
    Elements::new(json, place, &known)
}

/// Reads a statement's resources, each with its place. Those of services that don't matter here
/// (unless the statement is `ours`) may be written anyhow.
fn read_resources(
    elements: &Elements<'_>,
    place: &str,
    language: Language,
    ours: bool,
) -> Result<Vec<(String, ResourcePattern)>, Refusal> {
    let words = Words::of(language);
    let read = |name: &str, json: &Json| {
        let each = strings(json, &join(place, name))?.into_iter();
        each.map(
            |(place, text)| match ResourcePattern::parse(text, language) {
                Ok(resource) => Ok((place, resource)),
                Err(why) if ours => Err(Refusal::new(place, why)),
                Err(_) => Ok((place, ResourcePattern::Elsewhere)),
            },
        )
        .collect::<Result<Vec<_>, _>>()
    };
    let excluded = words
        .not_resource
        .and_then(|name| Some((name, elements.find(name)?)));
    match (elements.find(words.resource), excluded) {
        (Some(_), Some((name, _))) => Err(Refusal::new(
            join(place, name),
            "a statement has Resource or NotResource, not both",
        )),
        (None, Some((name, json))) => {
            let patterns = read(name, json)?.into_iter().map(|(_, pattern)| pattern);
            let all_but = ResourcePattern::Except(patterns.collect());
            Ok(vec![(join(place, name), all_but)])
        }
        (_, None) => read(words.resource, elements.get(words.resource)?),
    }
}

/// Checks the condition of a statement about services that don't matter here, as far as its shape
/// goes, and leaves it out.
fn pass_over(
    elements: &Elements<'_>,
    place: &str,
    language: Language,
    warnings: &mut Warnings,
) -> Result<Condition, Refusal> {
    let name = Words::of(language).condition;
    if let Some(json) = elements.find(name) {
        Condition::check_shape(json, language)
            .map_err(|(within, why)| condition_refusal(place, name, &within, why))?;
    }
    let other = match language {
        Language::Cam => "tcr or sts",
        Language::Ram => "cr or sts",
        Language::Iam => "ecr, sts or transire",
    };
    let name = language.name();
    warnings.add(
        place,
        format!("it is kept, and decides nothing here: documents in {name} govern {other}"),
    );
    Ok(Condition::default())
}

/// Warns of a condition about the owner, where none of the permissions is asked on what has one.
fn warn_of_owner(
    condition: &Condition,
    permissions: Permissions,
    place: &str,
    warnings: &mut Warnings,
) {
    if condition.asks_owner() && !permissions.iter().any(Permission::has_owner) {
        warnings.add(
            place,
            "of none of these actions an owner is known: long-term credentials and service \
             accounts have one",
        );
    }
}

/// Warns of resources on which none of the statement's permissions is ever asked.
fn warn_of_resources(
    language: Language,
    permissions: Permissions,
    resources: &[(String, ResourcePattern)],
    warnings: &mut Warnings,
) {
    // Of actions that nothing asks for, that is said already.
    if permissions == Permissions::default() {
        return;
    }
    for (place, resource) in resources {
        if !permissions
            .iter()
            .any(|permission| resource.can_match(permission, language))
        {
            warnings.add(
                place,
                format!("it matches nothing: {}", resource.why_nothing(language)),
            );
        } else if resource.has_odd_region() {
            warnings.add(
                place,
                "its region is not one that an instance here can have; regions are written \
                 like ap-guangzhou, and * is any",
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
        refusal_within(text, Limits::POLICY)
    }

    fn refusal_within(text: &str, limits: Limits) -> String {
        let error = Document::parse(text, limits).unwrap_err();
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
            concat!(
                r#"{"version":"2.0","statement":["#,
                r#"{"effect":"deny","effect":"allow","action":"*","resource":"*"}]}"#
            ),
            concat!(
                r#"{"version":"2.0","statement":["#,
                r#"{"effect":"allow","action":"*","resource":"*","condition":"#,
                r#"{"ip_equal":{"qcs:ip":"10.0.0.1","qcs:ip":"0.0.0.0/0"}}}]}"#
            ),
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
        assert_eq!(
            refusal_within(&document(2049), Limits::SESSION),
            "the document is refused: it is longer than 2048 characters"
        );
        let narrow = Limits {
            cam: 6144,
            ram: 1999,
            iam: 6144,
            may_be_indented: false,
        };
        assert_eq!(
            refusal_within(&document(2000), narrow),
            "the document is refused: it is longer than 1999 characters"
        );
    }

    #[test]
    fn white_space_counts_but_in_iams_policies_and_has_a_bound_there() {
        let document = |length: usize, spaces: usize| {
            let start = r#"{"Version":"2012-10-17","Statement":[{"Sid":""#;
            let end = r#"","Effect":"Allow","Action":"*","Resource":"*"}]}"#;
            let sid = "x".repeat(length - start.len() - end.len());
            format!("{start}{sid}{end}{}", " ".repeat(spaces))
        };
        assert!(Document::parse(&document(6144, 10_000), Limits::POLICY).is_ok());
        assert!(Document::parse(&document(2000, 48), Limits::SESSION).is_ok());
        for (length, spaces, limits, longest) in [
            (6145, 0, Limits::POLICY, 6144),
            (6144, 4 * 6144, Limits::POLICY, 4 * 6144),
            (2000, 49, Limits::SESSION, 2048),
        ] {
            assert_eq!(
                refusal_within(&document(length, spaces), limits),
                format!("the document is refused: it is longer than {longest} characters")
            );
        }
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_line() {
        assert!(refusal("{").contains("line 1"));
        assert!(refusal(r#"{"version":"2.0","statement":[]} x"#).contains("trailing"));
        let wide = Limits {
            cam: 200_000,
            ram: 200_000,
            iam: 0,
            may_be_indented: false,
        };
        let deep = refusal_within(&"[".repeat(100_000), wide);
        assert!(deep.contains("recursion limit"), "{deep}");
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
        fn strange_resources_and_values_never_panic(
            resource in "(qcs:|acs:|)[a-z:*?/中]{0,30}",
            value in "[0-9a-fxT:Z./=+ -]{0,30}",
        ) {
            for (operator, key) in [
                ("ip_equal", "qcs:ip"),
                ("date_equal", "qcs:current_time"),
                ("numeric_equal", "qcs:tag"),
                ("binary_equal", "qcs:tag"),
            ] {
                let condition = format!(r#"{{"{operator}":{{"{key}":"{value}"}}}}"#);
                let about = format!(r#""action":"tcr:*","resource":"{resource}""#);
                let statement =
                    format!(r#"{{"effect":"allow",{about},"condition":{condition}}}"#);
                let text = format!(r#"{{"version":"2.0","statement":[{statement}]}}"#);
                let _ = Document::parse(&text, Limits::POLICY);
            }
            let statement =
                format!(r#"{{"Effect":"Allow","Action":"cr:*","Resource":"{resource}"}}"#);
            let text = format!(r#"{{"Version":"1","Statement":[{statement}]}}"#);
            let _ = Document::parse(&text, Limits::POLICY);
        }
    }
}
