//! Conditions: an operator, a key, and the values that it may have.
//!
//! Values of one key are alternatives; keys of one operator, and operators, must all hold. A
//! negated operator holds exactly when the operator without its `not` doesn't: so it holds when the
//! request lacks the key (for CAM and RAM that is not published; the other way, a denial by
//! `not_equal` could be escaped by leaving the key out). Sources: Tencent's document 598/58420,
//! Alibaba's "Policy elements".

use super::context::Context;
use super::json::Json;
use super::key::Key;
use super::language::Language;
use super::operator::{Operator, Qualifier};
use super::resource::Facts;
use super::values::Values;
use super::words::Effect;

/// The sort of document that a condition is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentKind {
    Permission,
    Trust,
}

/// The condition of a statement: all clauses must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Condition {
    clauses: Vec<Clause>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Clause {
    operator: Operator,
    key: Key,
    values: Values,
    /// `OPERATOR.KEY`, as the document writes it.
    place: String,
}

impl Condition {
    /// Tells whether a clause asks for the present time.
    pub(super) fn asks_for_time(&self) -> bool {
        self.clauses
            .iter()
            .any(|clause| matches!(clause.key, Key::CurrentTime | Key::EpochTime))
    }

    /// Reads a condition that decides something here. A refusal names the place, relative to the
    /// condition.
    pub(super) fn parse(
        json: &Json,
        language: Language,
        kind: DocumentKind,
    ) -> Result<Self, (String, String)> {
        let mut clauses = Vec::new();
        each_clause(
            json,
            language,
            |operator, operator_name, key_name, values| {
                let at = format!("{operator_name}.{key_name}");
                let key = Key::named(key_name, language).map_err(|why| (at.clone(), why))?;
                operator
                    .test
                    .check_type(key.value_type(), language)
                    .map_err(|why| (at.clone(), why))?;
                let values = Values::parse(operator.test, values, language)
                    .map_err(|why| (at.clone(), why))?;
                if kind == DocumentKind::Trust && matches!(values, Values::Templates(_)) {
                    return Err((at, "a trust policy has no policy variables".to_owned()));
                }
                clauses.push(Clause {
                    operator,
                    key,
                    values,
                    place: at,
                });
                Ok(())
            },
        )?;
        Ok(Self { clauses })
    }

    /// Checks the shape and the operators of a condition that decides nothing here.
    pub(super) fn check_shape(json: &Json, language: Language) -> Result<(), (String, String)> {
        each_clause(json, language, |_, _, _, _| Ok(()))
    }

    /// Tells whether it asks nothing, and so always holds.
    pub(super) fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// Tells whether some clause asks for the owner.
    pub(super) fn asks_owner(&self) -> bool {
        self.clauses.iter().any(|clause| clause.key == Key::Owner)
    }

    /// Returns the names of the claims that it asks for.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        self.clauses
            .iter()
            .flat_map(|clause| clause.key.claims().chain(clause.values.claims()))
    }

    /// Returns the clauses about what no request here has, each as `OPERATOR.KEY`.
    pub(super) fn about_nothing(&self) -> impl Iterator<Item = &str> {
        let nothing = |clause: &&Clause| clause.key == Key::Nothing;
        self.clauses
            .iter()
            .filter(nothing)
            .map(|clause| clause.place.as_str())
    }

    /// Tells whether it counts as met in a statement of that effect.
    pub(super) fn may_hold(&self, effect: Effect, facts: Facts<'_>) -> bool {
        match facts {
            Facts::Present(context) => self.first_unmet(context, effect).is_none(),
            Facts::Any => effect == Effect::Deny || self.is_empty(),
            Facts::Best(_) => effect == Effect::Allow || self.is_empty(),
        }
    }

    /// Returns the first clause that doesn't hold in a statement of that effect, as `OPERATOR.KEY`.
    pub(super) fn first_unmet(&self, context: &Context<'_>, effect: Effect) -> Option<&str> {
        self.clauses
            .iter()
            .find(|clause| !clause.holds(context, effect))
            .map(|clause| clause.place.as_str())
    }

    /// Tells whether some clause lets only certain values of that claim pass: by a positive
    /// operator, which no missing key satisfies, and by values that say more than wildcards do.
    pub(super) fn narrows_claim(&self, claim: &str) -> bool {
        self.clauses.iter().any(|clause| {
            let Operator {
                negated,
                qualifier,
                if_exists,
                ..
            } = clause.operator;
            clause.key.claim() == Some(claim)
                && !negated
                && qualifier != Some(Qualifier::Every)
                && !if_exists
                && clause.values.say_more_than_wildcards()
        })
    }

    /// Tells whether one request may meet both conditions: unless they ask the same key for values
    /// that no text is among. A key with several values, such as a token's audiences, might meet
    /// both all the same.
    pub(super) fn may_hold_with(&self, other: &Self) -> bool {
        let asks = |clause: &&Clause| {
            let operator = clause.operator;
            !operator.negated && !operator.if_exists && operator.qualifier.is_none()
        };
        let excludes = |own: &Clause| {
            other.clauses.iter().filter(asks).any(|other| {
                own.key.asks_the_same(&other.key) && !own.values.may_overlap(&other.values)
            })
        };
        !self.clauses.iter().filter(asks).any(excludes)
    }
}

/// Walks over a condition's clauses; `see` gets the operator, its name, the key's name and the
/// values.
fn each_clause(
    json: &Json,
    language: Language,
    mut see: impl FnMut(Operator, &str, &str, &[&Json]) -> Result<(), (String, String)>,
) -> Result<(), (String, String)> {
    let Json::Object(operators) = json else {
        return Err((
            String::new(),
            format!("it must be an object, not {}", json.kind()),
        ));
    };
    for (operator_name, keys) in operators {
        let operator =
            Operator::parse(operator_name, language).map_err(|why| (operator_name.clone(), why))?;
        let Json::Object(keys) = keys else {
            return Err((
                operator_name.clone(),
                format!(
                    "it must be an object of keys and values, not {}",
                    keys.kind()
                ),
            ));
        };
        if keys.is_empty() {
            return Err((operator_name.clone(), "it names no key".to_owned()));
        }
        for (key_name, values) in keys {
            let values: Vec<&Json> = match values {
                Json::List(values) => values.iter().collect(),
                value => vec![value],
            };
            if values.is_empty() {
                return Err((
                    format!("{operator_name}.{key_name}"),
                    "it has no value, so that nothing could meet it".to_owned(),
                ));
            }
            see(operator, operator_name, key_name, &values)?;
        }
    }
    Ok(())
}

impl Clause {
    /// Tells whether it holds. A claim or a variable that is missing holds in what denies, and in
    /// nothing that allows, whatever the operator; but for those that ask whether it is missing.
    fn holds(&self, context: &Context<'_>, effect: Effect) -> bool {
        let Operator {
            negated,
            qualifier,
            if_exists,
            ..
        } = self.operator;
        if let Values::Missing(missing) = self.values {
            return self.key.is_missing(context) == missing;
        }
        if if_exists && self.key.is_missing(context) {
            return true;
        }
        let lacks_claim = self.key.claim().is_some() && self.key.is_missing(context);
        let Some(values) = self.values.fill(context).filter(|_| !lacks_claim) else {
            return effect == Effect::Deny;
        };
        match qualifier {
            // Not: none of the request's values is among the document's.
            None => self.key.any(context, |actual| values.admit(actual)) != negated,
            Some(Qualifier::Any) => self
                .key
                .any(context, |actual| values.admit(actual) != negated),
            // Of nothing, everything can be said.
            Some(Qualifier::Every) => !self
                .key
                .any(context, |actual| values.admit(actual) == negated),
        }
    }
}
