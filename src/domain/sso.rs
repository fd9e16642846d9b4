//! Single sign-on of operators: the rules by which claims give a role, and sessions that began so.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::claims::Claims;
use super::clock::Timestamp;
use super::operator::{OperatorRole, SsoIdentity};
use super::{Error, Result};

/// The claim that counts only while `email_verified` is true: at some issuers anybody may type any
/// address.
const EMAIL: &str = "email";
/// The claims that name a person, the best first.
const NAMES: [&str; 3] = ["name", "preferred_username", EMAIL];
/// The most characters of a name that pages show.
const MAX_NAME: usize = 100;

/// A rule: a claim that has a value gives a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRule {
    claim: String,
    value: String,
    role: OperatorRole,
}

impl FromStr for RoleRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| Error::invalid_parameter("roles", format!("{text:?}: {why}"));
        let form = "a rule is written CLAIM=VALUE -> ROLE, such as groups=platform -> admin";
        let (condition, role) = text.rsplit_once("->").ok_or_else(|| refuse(form))?;
        let (claim, value) = condition.split_once('=').ok_or_else(|| refuse(form))?;
        let (claim, value) = (claim.trim(), value.trim());
        if claim.is_empty() || value.is_empty() {
            return Err(refuse(form));
        }
        let (name, account) = match role.trim().split_once(':') {
            Some((name, account)) => (name, Some(account)),
            None => (role.trim(), None),
        };
        let account = account.map(str::parse).transpose();
        let account = account
            .map_err(|_| refuse("an account is a number, such as account-admin:100000000001"))?;
        let role = OperatorRole::new(name, account).map_err(|error| refuse(error.message()))?;
        Ok(Self {
            claim: claim.to_owned(),
            value: value.to_owned(),
            role,
        })
    }
}

/// The rules in their order: the first that matches gives the role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleRules(Vec<RoleRule>);

impl RoleRules {
    /// Reads rules, each written `CLAIM=VALUE -> ROLE`.
    ///
    /// # Errors
    /// `InvalidParameter` of `roles`, with the rule that can't be read.
    pub fn parse(texts: &[String]) -> Result<Self> {
        let rules: Result<Vec<_>> = texts.iter().map(|text| text.parse()).collect();
        rules.map(Self)
    }

    /// Returns the names of the claims that the rules look at, each once, in their order.
    pub fn claims(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for rule in &self.0 {
            if !names.contains(&rule.claim.as_str()) {
                names.push(&rule.claim);
            }
        }
        names
    }

    /// Takes of a token the claims that the rules look at.
    pub fn look_at(&self, claims: &Claims) -> SeenClaims {
        let values = |name: &str| {
            let counts = name != EMAIL || claims.variable("email_verified") == Some("true");
            let found = claims.find(name).filter(|_| counts);
            found.map_or_else(Vec::new, |claim| claim.values().to_vec())
        };
        let names = self.claims().into_iter();
        SeenClaims(names.map(|name| (name.to_owned(), values(name))).collect())
    }

    /// Returns the role that claims give. A rule about a claim that wasn't looked at decides
    /// nothing, and neither do those behind it: nobody knows whether it matches.
    pub fn role(&self, seen: &SeenClaims) -> Option<OperatorRole> {
        for rule in &self.0 {
            if seen.0.get(&rule.claim)?.contains(&rule.value) {
                return Some(rule.role);
            }
        }
        None
    }
}

/// The values of the claims that rules looked at; a claim that the token lacked has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeenClaims(BTreeMap<String, Vec<String>>);

/// Returns the name of a token's person, as pages show it.
pub fn display_name(claims: &Claims, subject: &str) -> String {
    let named = NAMES.iter().find_map(|name| claims.variable(name));
    named.unwrap_or(subject).chars().take(MAX_NAME).collect()
}

/// A session of single sign-on as it is stored: without the secret that its cookie holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsoSession {
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// The person.
    pub identity: SsoIdentity,
    /// The person's name, as pages show it.
    pub name: String,
    /// The [`SeenClaims`] as JSON.
    pub claims: String,
    /// The time of the log-in.
    pub created_at: Timestamp,
    /// The last time at which the person proved itself to the issuer, where the issuer says it.
    pub authenticated_at: Option<Timestamp>,
    /// From this time on it is refused.
    pub ends_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;
    use crate::domain::claims::Claim;

    fn rules(texts: &[&str]) -> RoleRules {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        RoleRules::parse(&texts).unwrap()
    }

    fn claims(pairs: &[(&str, &[&str])]) -> Claims {
        let claim = |values: &[&str]| match values {
            [one] => Claim::One((*one).to_owned()),
            many => Claim::Many(many.iter().map(|one| (*one).to_owned()).collect()),
        };
        let pairs = pairs.iter();
        Claims::new(
            pairs
                .map(|(name, values)| ((*name).to_owned(), claim(values)))
                .collect(),
        )
    }

    fn role(rules: &RoleRules, pairs: &[(&str, &[&str])]) -> Option<OperatorRole> {
        rules.role(&rules.look_at(&claims(pairs)))
    }

    #[test]
    fn the_first_rule_that_matches_gives_the_role() {
        let rules = rules(&[
            "groups=platform -> admin",
            "realm_access.roles = audit team->auditor",
            "groups=team-a -> account-admin:100000000001",
        ]);
        let of_account = OperatorRole::AccountAdmin("100000000001".parse().unwrap());
        for (pairs, expected) in [
            (
                &[("groups", &["team-a", "platform"][..])][..],
                Some(OperatorRole::Admin),
            ),
            (
                &[
                    ("groups", &["team-a"]),
                    ("realm_access.roles", &["audit team"]),
                ],
                Some(OperatorRole::Auditor),
            ),
            (&[("groups", &["team-a"])], Some(of_account)),
            (&[("groups", &["Platform", "platform "])], None),
            (&[("group", &["platform"])], None),
            (&[], None),
        ] {
            assert_eq!(role(&rules, pairs), expected, "{pairs:?}");
        }
        assert_eq!(rules.claims(), ["groups", "realm_access.roles"]);
    }

    #[test]
    fn nobody_gets_a_role_by_no_rules() {
        assert_eq!(role(&RoleRules::default(), &[("sub", &["alice"])]), None);
    }

    #[test]
    fn an_address_counts_only_once_the_issuer_verified_it() {
        let rules = rules(&["email=alice@example.com -> admin"]);
        let email = ("email", &["alice@example.com"][..]);
        let verified = |value| role(&rules, &[email, ("email_verified", value)]);
        assert_eq!(verified(&["true"]), Some(OperatorRole::Admin));
        assert_eq!(verified(&["false"]), None);
        assert_eq!(role(&rules, &[email]), None);
    }

    #[test]
    fn a_rule_about_a_claim_that_was_not_looked_at_ends_the_search() {
        let before = rules(&["groups=platform -> admin"]);
        let seen = before.look_at(&claims(&[("groups", &["platform"])]));
        assert_eq!(before.role(&seen), Some(OperatorRole::Admin));
        let behind = rules(&["groups=platform -> auditor", "amr=otp -> admin"]);
        assert_eq!(behind.role(&seen), Some(OperatorRole::Auditor));
        let ahead = rules(&["amr=pwd -> auditor", "groups=platform -> admin"]);
        assert_eq!(ahead.role(&seen), None);
    }

    #[test]
    fn a_rule_that_can_not_be_read_is_named() {
        for text in [
            "",
            "groups",
            "groups=platform",
            "groups -> admin",
            "=platform -> admin",
            "groups= -> admin",
            "groups=platform -> root",
            "groups=platform -> account-admin",
            "groups=platform -> account-admin:acme",
            "groups=platform -> admin:100000000001",
        ] {
            let error = RoleRules::parse(&[text.to_owned()]).unwrap_err();
            let name = "roles".to_owned();
            assert_eq!(error.kind(), &ErrorKind::InvalidParameter { name });
            assert!(error.message().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn a_person_is_shown_by_the_best_name_that_the_token_has() {
        let all = &[("email", &["a@example.com"][..]), ("name", &["Alice"])];
        assert_eq!(display_name(&claims(all), "248"), "Alice");
        assert_eq!(display_name(&claims(&all[..1]), "248"), "a@example.com");
        assert_eq!(display_name(&claims(&[("name", &["a\nb"])]), "248"), "248");
    }
}
