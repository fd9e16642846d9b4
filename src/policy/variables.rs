//! Policy variables in resources and in the values of conditions: `${user}`, `${account}` and
//! `${oidc:CLAIM}`; in IAM documents AWS's own, such as `${aws:username}`, and `${oidc:CLAIM}`.
//!
//! The request fills them in as plain text: a wildcard in the value of a claim is a letter like any
//! other. A variable that has no value makes nothing match that allows, and everything match that
//! denies, so a token never gains by leaving a claim out.

use super::context::Context;
use super::language::Language;
use super::pattern::{Pattern, Span, Wildcards};
use crate::domain::claims::MAX_NAME;

/// A text with variables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Text(String),
    /// Each letter stands for itself, as in `${*}`.
    Plain(String),
    Variable {
        /// As the document writes it.
        written: String,
        source: Source,
        /// The text that stands there when the request has no value.
        default: Option<String>,
    },
}

/// The fact of a request that fills a variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    /// The name of the user who calls.
    User,
    /// The number of the caller's account.
    Account,
    /// A claim of the OpenID Connect token by which the caller came.
    Claim(String),
    /// A name of the caller's at AWS.
    Aws(AwsName),
    /// A fact that no request here has.
    Nothing,
}

/// A name of a caller's at AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum AwsName {
    Account,
    Arn,
    UserId,
    Kind,
}

impl Source {
    fn parse(name: &str, language: Language) -> Result<Self, String> {
        if let Some(claim) = name.strip_prefix("oidc:") {
            return check_claim_name(claim).map(|()| Self::Claim(claim.to_owned()));
        }
        match (language, name) {
            (Language::Iam, name) => Self::parse_iam(name),
            (_, "user") => Ok(Self::User),
            (_, "account") => Ok(Self::Account),
            _ => Err(format!(
                "there is no policy variable ${{{name}}}; there are ${{user}}, ${{account}} and \
                 ${{oidc:CLAIM}}"
            )),
        }
    }

    /// Reads a name of AWS's, which has no case.
    fn parse_iam(name: &str) -> Result<Self, String> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "aws:username" => Self::User,
            "aws:userid" => Self::Aws(AwsName::UserId),
            "aws:principalaccount" => Self::Aws(AwsName::Account),
            "aws:principalarn" => Self::Aws(AwsName::Arn),
            "aws:principaltype" => Self::Aws(AwsName::Kind),
            folded if folded.starts_with("aws:principaltag/") => Self::Nothing,
            _ => {
                return Err(format!(
                    "there is no policy variable ${{{name}}} here; there are ${{aws:username}}, \
                     ${{aws:userid}}, ${{aws:PrincipalAccount}}, ${{aws:PrincipalArn}}, \
                     ${{aws:PrincipalType}}, ${{aws:PrincipalTag/KEY}} and ${{oidc:CLAIM}}"
                ));
            }
        })
    }

    fn value<'c>(&self, context: &Context<'c>) -> Option<&'c str> {
        match self {
            Self::User => context.user,
            Self::Account => context.account,
            Self::Claim(name) => context.claims?.variable(name),
            Self::Aws(name) => {
                let caller = context.aws?;
                Some(match name {
                    AwsName::Account => &caller.account,
                    AwsName::Arn => &caller.arn,
                    AwsName::UserId => &caller.user_id,
                    AwsName::Kind => caller.kind,
                })
            }
            Self::Nothing => None,
        }
    }
}

/// Divides `NAME, 'DEFAULT'`, as IAM writes a variable that may have no value.
fn divide(text: &str, language: Language) -> Result<(&str, Option<String>), String> {
    match text.split_once(',').filter(|_| language == Language::Iam) {
        None => Ok((text, None)),
        Some((name, default)) => {
            let default = default
                .trim()
                .strip_prefix('\'')
                .and_then(|default| default.strip_suffix('\''))
                .ok_or("the default of a policy variable stands in single quotes")?;
            Ok((name.trim(), Some(default.to_owned())))
        }
    }
}

/// Checks the name of a claim in a document.
pub(super) fn check_claim_name(name: &str) -> Result<(), String> {
    let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
    let is_name = (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(is_plain)
        && !name.contains(['$', '{', '}', '*'])
        && name.split('.').all(|level| !level.is_empty());
    if is_name {
        Ok(())
    } else {
        Err(format!(
            "a claim is written oidc:NAME, nested ones oidc:NAME.NAME, in at most {MAX_NAME} bytes"
        ))
    }
}

/// Tells whether a text holds a variable, or what would be taken for one.
pub(super) fn has_variable(text: &str) -> bool {
    text.contains("${")
}

impl Template {
    /// Reads a text with variables, or says what is wrong with them.
    pub(super) fn parse(text: &str, language: Language) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| "a policy variable that begins with ${ ends with }".to_owned())?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match name {
                "*" | "?" | "$" if language == Language::Iam => Part::Plain(name.to_owned()),
                text => {
                    let (name, default) = divide(text, language)?;
                    Part::Variable {
                        written: format!("${{{name}}}"),
                        source: Source::parse(name, language)?,
                        default,
                    }
                }
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Returns the names of the claims that it asks for.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable {
                source: Source::Claim(name),
                ..
            } => Some(name.as_str()),
            _ => None,
        })
    }

    /// Returns the text with the variables filled in.
    ///
    /// # Errors
    /// The first variable, as the document writes it, without a value that `fits`.
    pub(super) fn fill<'a, 't: 'a>(
        &'t self,
        context: &Context<'a>,
        fits: impl Fn(&str) -> bool,
    ) -> Result<Vec<Span<'a>>, &'t str> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => Ok(Span::Pattern(text)),
                Part::Plain(text) => Ok(Span::Plain(text)),
                Part::Variable {
                    written,
                    source,
                    default,
                } => source
                    .value(context)
                    .or(default.as_deref())
                    .filter(|value| fits(value))
                    .map(Span::Plain)
                    .ok_or(written.as_str()),
            })
            .collect()
    }

    /// Compiles it with `*` for each variable: the pattern matches all that it could ever match.
    pub(super) fn widest(&self, wildcards: Wildcards) -> Pattern {
        Pattern::of_spans(&self.widest_spans(), wildcards)
    }

    /// Tells whether it is a variable and nothing else.
    pub(super) fn is_variable(&self) -> bool {
        matches!(self.parts[..], [Part::Variable { .. }])
    }

    /// Returns its spans with `*` for each variable.
    pub(super) fn widest_spans(&self) -> Vec<Span<'_>> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => Span::Pattern(text),
                Part::Plain(text) => Span::Plain(text),
                Part::Variable { .. } => Span::Pattern("*"),
            })
            .collect()
    }
}

/// Puts filled spans together as they stand, wildcards too.
pub(super) fn plain_text(spans: &[Span<'_>]) -> String {
    spans
        .iter()
        .map(|span| match span {
            Span::Pattern(text) | Span::Plain(text) => *text,
        })
        .collect()
}
