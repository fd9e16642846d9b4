//! The rights that docker_auth's ordered list gives a user, as statements that are weighed.
//!
//! The list is read for one user at one service, so the conditions on account, type and service are
//! decided here, and what is left of an entry is a pattern of names, perhaps an address, and the
//! actions that it grants. Each action is then translated by itself:
//!
//! - An entry that grants it becomes an allow on its pattern.
//! - An earlier entry that doesn't grant it, and matches some of the same names, becomes a deny.
//!   Where an entry can't be read whole, the deny covers all that it could match.
//! - docker_auth's `*` stops at a slash, and `*` in a policy doesn't. So names with more slashes
//!   are denied.
//! - Where an entry grants all names to a network, no later entry is ever asked for it. So later
//!   denies don't count there.
//! - A deny wins over every allow. So where a new deny would touch what an earlier entry allowed,
//!   or a new allow what is denied already, the entry is left out.
//!
//! Nothing more is allowed than by the list. Suppose that the statements allow an action on a name:
//! the allow of some entry `j` matches it and no deny does. Then the name is one that `j` itself
//! matches, because all others that its allow matches are denied. The first entry that matches the
//! name is `j`, which grants the action, or an earlier one. If that one didn't grant the action, it
//! would be one of the denies. So the list grants it, too. A deny that doesn't count for a network
//! changes nothing: the first match there is the entry that grants all names, or one before it,
//! which that entry's own denies are about.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::glob::{Glob, Matcher};
use super::{Entry, LeftOut};
use crate::domain::allow_list::Cidr;
use crate::domain::ids::CriId;
use crate::import::rights::{document, repositories, statement};
use crate::policy::pattern::{Pattern, Wildcards};

/// The actions on a repository, as docker_auth and as policies name them.
const ACTIONS: [(&str, &str); 3] = [
    ("pull", "cr:PullRepository"),
    ("push", "cr:PushRepository"),
    ("delete", "cr:DeleteRepoTag"),
];
/// The action that sees the list of all repositories.
const LIST: &str = "cr:ListRepository";
/// How long the text of statements of one policy may be; the rest is the frame around them.
const MAX_STATEMENTS: usize = 6000;

/// The rights of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Documents, all of which belong together: what one allows another may deny.
    pub documents: Vec<String>,
    /// The entries that aren't carried for this user, by line and reason.
    pub left_out: BTreeSet<(usize, String)>,
}

/// The names that an entry is about.
#[derive(Clone, Debug)]
enum Names {
    All,
    Glob(Glob),
    /// Some of all, which can't be known.
    Some,
}

/// An entry, as it is for one user, service and type.
#[derive(Clone, Debug)]
struct Rule<'a> {
    line: usize,
    names: Names,
    /// The addresses that it is for; `None` for all.
    from: Option<String>,
    actions: &'a [String],
    /// Why it can't be known whether it matches.
    doubt: Option<String>,
}

/// A pattern that is allowed or denied, perhaps from some addresses alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reach {
    pattern: String,
    from: Option<String>,
    /// Networks for which a deny doesn't count: an earlier entry gave them everything.
    except: Vec<String>,
}

impl Names {
    /// Tells whether they surely are all of the others.
    fn cover(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Glob(own), Self::Glob(other)) => own.covers(other),
            (Self::Glob(_) | Self::Some, _) => false,
        }
    }

    /// Returns a pattern that matches them all.
    fn pattern(&self) -> String {
        match self {
            Self::All | Self::Some => "*".to_owned(),
            Self::Glob(glob) => glob.pattern(),
        }
    }

    /// Returns patterns of all that [`Self::pattern`] matches besides.
    fn beyond(&self) -> Vec<String> {
        match self {
            Self::All | Self::Some => Vec::new(),
            Self::Glob(glob) => glob.beyond(),
        }
    }
}

impl Reach {
    /// Tells whether another deny denies all that this one does.
    fn is_within(&self, other: &Self) -> bool {
        (&self.pattern, &self.from) == (&other.pattern, &other.from)
            && other.except.iter().all(|free| self.except.contains(free))
    }

    /// Tells whether a deny matches some name of an allow, from whichever address.
    fn denies_of(&self, allow: &Self) -> bool {
        let is_free = |from| self.except.contains(from);
        if allow.from.as_ref().is_some_and(is_free) {
            return false;
        }
        let [own, other] =
            [self, allow].map(|one| Pattern::new(&one.pattern, Wildcards::StarAndQuestionMark));
        own.overlaps(&other)
    }
}

impl Rule<'_> {
    /// Tells whether it grants an action where it is the first that matches.
    fn grants(&self, action: &str) -> bool {
        // As docker_auth has it: a star among others is an action of that name.
        matches!(self.actions, [only] if only == "*")
            || self.actions.iter().any(|one| one == action)
    }

    /// Tells whether it surely matches these names, from everywhere.
    fn takes(&self, names: &Names) -> bool {
        self.doubt.is_none() && self.from.is_none() && self.names.cover(names)
    }

    fn reach(&self) -> Reach {
        Reach {
            pattern: self.names.pattern(),
            from: self.from.clone(),
            except: Vec::new(),
        }
    }
}

/// Returns the rights of a user at a service, on the repositories of an instance.
pub fn rights(acl: &[Entry], user: &str, service: &str, instance: &CriId) -> Rights {
    let mut left_out = BTreeSet::new();
    let rules = rules(acl, user, service, "repository");
    let mut statements: BTreeMap<(&str, Reach), Vec<&str>> = BTreeMap::new();
    for (action, permission) in ACTIONS {
        let mut weighed = Weighed::default();
        weighed.weigh(&rules, action, &mut left_out);
        for (effect, all) in [("Allow", weighed.allows), ("Deny", weighed.denies)] {
            for reach in all {
                statements
                    .entry((effect, reach))
                    .or_default()
                    .push(permission);
            }
        }
    }
    let mut texts: Vec<Value> = statements
        .into_iter()
        .map(|((effect, reach), actions)| {
            let mut text = statement(effect, &actions, &[repositories(instance, &reach.pattern)]);
            if let Some(from) = reach.from {
                text["Condition"]["IpAddress"]["acs:SourceIp"] = json!([from]);
            }
            if !reach.except.is_empty() {
                text["Condition"]["NotIpAddress"]["acs:SourceIp"] = json!(reach.except);
            }
            text
        })
        .collect();
    if lists(acl, user, service, &mut left_out) {
        texts.push(statement("Allow", &[LIST], &[repositories(instance, "*")]));
    }
    Rights {
        documents: documents(&texts),
        left_out,
    }
}

/// Divides statements among documents that are short enough.
fn documents(statements: &[Value]) -> Vec<String> {
    let mut documents: Vec<Vec<Value>> = Vec::new();
    let mut length = MAX_STATEMENTS;
    for statement in statements {
        let own = statement.to_string().len() + 1;
        length += own;
        match documents.last_mut() {
            Some(last) if length <= MAX_STATEMENTS => last.push(statement.clone()),
            _ => {
                documents.push(vec![statement.clone()]);
                length = own;
            }
        }
    }
    documents
        .iter()
        .map(|statements| document(statements))
        .collect()
}

/// Returns the entries that may match a request of a user, at a service, for a type.
fn rules<'a>(acl: &'a [Entry], user: &str, service: &str, resource_type: &str) -> Vec<Rule<'a>> {
    let variables = [("${account}", user), ("${service}", service)];
    let rule = |entry: &'a Entry| {
        let mut doubts = entry.others.clone();
        for (text, value) in [
            (&entry.account, user),
            (&entry.resource_type, resource_type),
            (&entry.service, service),
        ] {
            match Matcher::read(text.as_deref(), &variables).matches(value) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(why) => doubts.push(why.to_owned()),
            }
        }
        let names = match Matcher::read(entry.name.as_deref(), &variables) {
            // A repository has a name.
            Matcher::Anything | Matcher::Something => Names::All,
            Matcher::Glob(glob) => Names::Glob(glob),
            Matcher::Unknown(why) => {
                doubts.push(why);
                Names::Some
            }
        };
        let from = entry.ip.as_deref().map(network);
        if let Some(Err(why)) = &from {
            doubts.push(why.clone());
        }
        Some(Rule {
            line: entry.line,
            names,
            from: from.and_then(Result::ok),
            actions: &entry.actions,
            doubt: (!doubts.is_empty()).then(|| doubts.join(", ")),
        })
    };
    acl.iter().filter_map(rule).collect()
}

/// Returns a network as policies write it.
fn network(text: &str) -> Result<String, String> {
    let is_plain = !text.to_ascii_lowercase().contains("::ffff:");
    match text.parse::<Cidr>() {
        Ok(network) if is_plain => Ok(network.to_string()),
        _ => Err(format!("the address {text}")),
    }
}

/// The names on which an action is allowed and denied.
#[derive(Default)]
struct Weighed {
    allows: Vec<Reach>,
    denies: Vec<Reach>,
    /// Networks from which an entry that was carried grants all that no earlier deny denies: there
    /// no later entry is ever asked.
    free: Vec<String>,
}

impl Weighed {
    /// Translates the entries for one action, and collects those that aren't carried.
    fn weigh(
        &mut self,
        rules: &[Rule<'_>],
        action: &str,
        left_out: &mut BTreeSet<(usize, String)>,
    ) {
        let rules: Vec<&Rule<'_>> = rules
            .iter()
            .filter(|rule| !matches!(&rule.names, Names::Glob(glob) if glob.is_of_no_path()))
            .collect();
        let first_refusal = rules.iter().position(|rule| !rule.grants(action));
        let granting = &rules[..first_refusal.unwrap_or(rules.len())];
        if let Some(all) = granting.iter().find(|rule| rule.takes(&Names::All)) {
            self.allows.push(all.reach());
            return;
        }
        for (place, rule) in rules.iter().enumerate() {
            let before = &rules[..place];
            let is_taken = before.iter().any(|earlier| earlier.takes(&rule.names));
            if is_taken || !rule.grants(action) {
                continue;
            }
            let outcome = match &rule.doubt {
                Some(doubt) => Err(format!("{action}: it depends on {doubt}")),
                None => self.carry(rule, before, action),
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(less)) => drop(left_out.insert((rule.line, less))),
                Err(why) => drop(left_out.insert((rule.line, why))),
            }
        }
    }

    /// Adds an entry that grants an action, with the denies that it needs. Returns what it loses by
    /// these.
    ///
    /// # Errors
    /// The reason why it can't be carried.
    fn carry(
        &mut self,
        rule: &Rule<'_>,
        before: &[&Rule<'_>],
        action: &str,
    ) -> Result<Option<String>, String> {
        let allow = rule.reach();
        let (needed, wider) = self.needed(rule, &allow, before, action);
        let is_needed = |deny: &Reach| needed.iter().any(|(_, needed)| needed.is_within(deny));
        let mut others = self.denies.iter().filter(|deny| !is_needed(deny));
        if others.any(|deny| deny.denies_of(&allow)) {
            return Err(format!(
                "{action}: it depends on its order: an earlier entry needs a deny here"
            ));
        }
        let is_new = |deny: &Reach| !self.denies.iter().any(|known| deny.is_within(known));
        let new: Vec<(usize, Reach)> = needed
            .into_iter()
            .filter(|(_, deny)| is_new(deny))
            .collect();
        for (line, deny) in &new {
            if self.allows.iter().any(|allow| deny.denies_of(allow)) {
                return Err(format!(
                    "{action}: it depends on its order: it needs a deny for the entry on line \
                     {line}, which an earlier allow touches"
                ));
            }
        }
        self.denies.extend(new.into_iter().map(|(_, deny)| deny));
        if let (Names::All, Some(from)) = (&rule.names, &rule.from) {
            self.free.push(from.clone());
        }
        self.allows.push(allow);
        Ok(wider.map(|line| {
            format!(
                "{action}: it gives less than before, because the entry on line {line} is taken \
                 to match more names"
            )
        }))
    }

    /// Returns the denies that an allow needs, each with the line of its entry, and the line of an
    /// earlier entry that denies more here than it did.
    fn needed(
        &self,
        rule: &Rule<'_>,
        allow: &Reach,
        before: &[&Rule<'_>],
        action: &str,
    ) -> (Vec<(usize, Reach)>, Option<usize>) {
        let (mut needed, mut wider) = (Vec::new(), None);
        for earlier in before.iter().filter(|earlier| !earlier.grants(action)) {
            let deny = Reach {
                except: self.free.clone(),
                ..earlier.reach()
            };
            if deny.denies_of(allow) {
                if earlier.doubt.is_some() || !earlier.names.beyond().is_empty() {
                    wider = Some(earlier.line);
                }
                needed.push((earlier.line, deny));
            }
        }
        needed.extend(rule.names.beyond().into_iter().map(|pattern| {
            let (from, except) = (rule.from.clone(), self.free.clone());
            let deny = Reach {
                pattern,
                from,
                except,
            };
            (rule.line, deny)
        }));
        (needed, wider)
    }
}

/// Tells whether a user may see the list of all repositories, wherever it is.
fn lists(
    acl: &[Entry],
    user: &str,
    service: &str,
    left_out: &mut BTreeSet<(usize, String)>,
) -> bool {
    let rules = rules(acl, user, service, "registry");
    let rules: Vec<&Rule<'_>> = rules
        .iter()
        .filter(|rule| match &rule.names {
            Names::All | Names::Some => true,
            Names::Glob(glob) => glob.matches("catalog"),
        })
        .collect();
    let Some(first) = rules.first() else {
        return false;
    };
    let doubt = match (&first.doubt, &first.from) {
        (None, None) => return first.grants("*"),
        (Some(doubt), _) => doubt.as_str(),
        (None, Some(_)) => "an address",
    };
    if let Some(granting) = rules.iter().find(|rule| rule.grants("*")) {
        let why = format!("the list of repositories: it depends on {doubt}");
        left_out.insert((granting.line, why));
    }
    false
}

/// Collects what isn't carried for the users, one part for each entry and reason.
pub fn left_out<'a>(all: impl IntoIterator<Item = (&'a str, &'a Rights)>) -> Vec<LeftOut> {
    let mut users: BTreeMap<&(usize, String), Vec<&str>> = BTreeMap::new();
    for (user, rights) in all {
        for reason in &rights.left_out {
            users.entry(reason).or_default().push(user);
        }
    }
    let part = |((line, why), users): (&(usize, String), Vec<&str>)| LeftOut {
        line: *line,
        kind: "acl",
        name: users.join(", "),
        why: why.clone(),
    };
    users.into_iter().map(part).collect()
}
