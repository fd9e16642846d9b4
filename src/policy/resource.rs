//! The resources of a document: CAM's six segments, RAM's five, IAM's ARNs, or `*`.

use std::str::FromStr;

use super::context::Context;
use super::language::{Language, Service};
use super::path::{Path, PathTemplate};
use super::pattern::{Pattern, Wildcards};
use super::target::Target;
use super::variables::has_variable;
use super::vocabulary::{Form, Permission};
use super::words::{Circumstances, Effect};
use crate::domain::aws;
use crate::domain::ids::{AccountId, CriId, InstanceId};

/// The thing that a statement's resources are compared with.
pub(super) struct Asked<'a> {
    /// The thing itself, as the statement's language writes it.
    pub(super) target: &'a Target<'a>,
    /// The account that the statement's document belongs to.
    pub(super) owner: AccountId,
    /// The facts that fill variables, and that conditions are about.
    pub(super) facts: Facts<'a>,
}

/// The facts that a statement is compared with.
#[derive(Clone, Copy)]
pub(super) enum Facts<'a> {
    /// These.
    Present(&'a Context<'a>),
    /// Any, so that it has to be right whatever they are.
    Any,
    /// These, and of all that depends on others the best.
    Best(&'a Context<'a>),
}

impl<'a> Facts<'a> {
    pub(super) fn of(circumstances: Circumstances, context: &'a Context<'a>) -> Self {
        match circumstances {
            Circumstances::Present => Self::Present(context),
            Circumstances::Every => Self::Any,
            Circumstances::Best => Self::Best(context),
        }
    }
}

/// A resource of a document, compiled.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ResourcePattern {
    /// `*`
    Everything,
    Named(Named),
    /// Everything but these.
    Except(Vec<ResourcePattern>),
    /// A resource of services that this one has nothing to do with.
    Elsewhere,
}

/// A resource in segments; project and partition are checked and not kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    /// Whether it may belong to each of the services.
    services: [bool; Service::ALL.len()],
    region: Pattern,
    account: Account,
    /// With `*` for each variable.
    path: Path,
    /// The path with its variables.
    template: Option<PathTemplate>,
    /// The last segment as it was written.
    written_path: String,
    /// Whether an instance's region can't be written so.
    odd_region: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Account {
    Any,
    /// CAM's empty account: the one that the document belongs to.
    Owner,
    Only(AccountId),
    /// IAM's wildcards, for the digits as AWS writes them.
    Like(Pattern),
}

impl Account {
    fn matches(&self, account: AccountId, owner: AccountId) -> bool {
        match self {
            Self::Any => true,
            Self::Owner => account == owner,
            Self::Only(only) => account == *only,
            Self::Like(pattern) => pattern.matches(&aws::account(account)),
        }
    }
}

impl Account {
    fn parse(text: &str, language: Language) -> Result<Self, String> {
        Ok(match (language, text) {
            (Language::Cam, "*" | "uin/*") | (Language::Ram | Language::Iam, "*") => Self::Any,
            (Language::Cam, "" | "uin/") | (Language::Ram, "${account}") => Self::Owner,
            (Language::Cam, "${account}" | "uin/${account}") => Self::Owner,
            (Language::Iam, "${aws:PrincipalAccount}") => Self::Owner,
            (Language::Cam, account) => Self::Only(
                account
                    .strip_prefix("uin/")
                    .and_then(|id| AccountId::from_str(id).ok())
                    .ok_or(
                        "the fifth segment, the account, is empty, * or uin/ and the account's \
                         number",
                    )?,
            ),
            (Language::Ram, account) => Self::Only(
                AccountId::from_str(account)
                    .map_err(|_| "the fourth segment, the account, is * or the account's number")?,
            ),
            (Language::Iam, account) if Wildcards::of(language).stand_in(account) => {
                Self::Like(Pattern::new(account, Wildcards::of(language)))
            }
            (Language::Iam, account) => Self::Only(aws::read_account(account).ok_or(
                "the fifth part, the account, is *, the twelve digits of the account, or \
                 ${aws:PrincipalAccount}",
            )?),
        })
    }
}

/// Divides a resource into service, region, account and path.
fn segments(text: &str, language: Language) -> Result<[&str; 4], String> {
    match language {
        Language::Cam => {
            let segments: Vec<&str> = text.splitn(6, ':').collect();
            let [partition, project, service, region, account, path] = segments[..] else {
                return Err(
                    "a resource is * or has six segments, qcs::SERVICE:REGION:ACCOUNT:PATH"
                        .to_owned(),
                );
            };
            if partition != "qcs" {
                return Err("a resource of six segments begins with qcs".to_owned());
            }
            if !project.is_empty() {
                return Err("the second segment, the project, stays empty".to_owned());
            }
            Ok([
                if service.is_empty() { "*" } else { service },
                if region.is_empty() { "*" } else { region },
                account,
                path,
            ])
        }
        Language::Ram => {
            let segments: Vec<&str> = text.splitn(5, ':').collect();
            let [partition, service, region, account, path] = segments[..] else {
                return Err(
                    "a resource is * or has five segments, acs:SERVICE:REGION:ACCOUNT:PATH"
                        .to_owned(),
                );
            };
            if partition != "acs" {
                return Err("a resource of five segments begins with acs".to_owned());
            }
            if service.is_empty() {
                return Err("the service is empty; write its name, or *".to_owned());
            }
            Ok([service, region, account, path])
        }
        Language::Iam => {
            let ["arn", partition, service, region, account, path] = arn_parts(text)[..] else {
                return Err(
                    "a resource is * or an ARN, arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE".to_owned(),
                );
            };
            let pattern = Pattern::new(partition, Wildcards::of(language));
            if !aws::PARTITIONS.iter().any(|known| pattern.matches(known)) {
                return Err("the partition of an ARN is aws, aws-cn or aws-us-gov".to_owned());
            }
            if service.is_empty() {
                return Err("the service is empty; write its name, or *".to_owned());
            }
            Ok([service, region, account, path])
        }
    }
}

/// Divides an ARN at its first five colons but those of variables.
fn arn_parts(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut is_in_variable) = (Vec::new(), 0, false);
    for (place, letter) in text.char_indices() {
        match letter {
            '{' if text[..place].ends_with('$') => is_in_variable = true,
            '}' => is_in_variable = false,
            ':' if !is_in_variable && parts.len() < 5 => {
                parts.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

impl ResourcePattern {
    /// Reads a resource, or says what is wrong with it.
    pub(super) fn parse(text: &str, language: Language) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        // A variable's default stands after a space.
        check_characters(&text.replace(", '", ",'"))?;
        let wildcards = Wildcards::of(language);
        let [service, region, account, path] = segments(text, language)?;
        if path.is_empty() {
            return Err("the last segment is empty; write a path, or *".to_owned());
        }
        if has_variable(service) || has_variable(region) {
            let account = match language {
                Language::Cam | Language::Ram => "${account}",
                Language::Iam => "${aws:PrincipalAccount}",
            };
            return Err(format!(
                "policy variables stand in the path, and {account} as the account, alone"
            ));
        }
        let service = Pattern::new(service, wildcards);
        let services = Service::ALL.map(|known| service.matches(known.name(language)));
        if !services.contains(&true) {
            return Ok(Self::Elsewhere);
        }
        let template = if has_variable(path) {
            Some(PathTemplate::parse(path, language)?)
        } else {
            None
        };
        // Tencent's short codes, such as gz, and what was left empty; roles have no region.
        let odd_region = !region.contains(['*', '?', '-']) && services[Service::Registry as usize];
        Ok(Self::Named(Named {
            services,
            region: Pattern::new(region, wildcards),
            account: Account::parse(account, language)?,
            path: match &template {
                Some(template) => template.widest(),
                None => Path::new(path, language),
            },
            template,
            written_path: path.to_owned(),
            odd_region,
        }))
    }

    /// Tells whether the resource that is asked for is one of these. A wide question is allowed
    /// only by what covers it whole, and denied by what touches any of it. A variable without a
    /// value denies whatever it could match.
    ///
    /// # Errors
    /// The variable, as the document writes it, for want of whose value this doesn't allow it.
    pub(super) fn matches<'a>(
        &'a self,
        asked: &Asked<'_>,
        effect: Effect,
    ) -> Result<bool, &'a str> {
        let named = match self {
            Self::Everything => return Ok(true),
            Self::Elsewhere => return Ok(false),
            Self::Except(patterns) => return Ok(!Self::may_exclude(patterns, asked, effect)),
            Self::Named(named) => named,
        };
        if !named.may_match(asked, effect) {
            return Ok(false);
        }
        let Some(template) = &named.template else {
            return Ok(true);
        };
        let filled = match asked.facts {
            Facts::Present(context) | Facts::Best(context) => template.fill(context),
            Facts::Any => Err("a policy variable"),
        };
        match (filled, asked.facts) {
            (Ok(path), _) => Ok(path.is_asked(asked.target, effect)),
            (Err(_), Facts::Best(_)) => Ok(effect == Effect::Allow),
            (Err(_), _) if effect == Effect::Deny => Ok(true),
            (Err(variable), _) => Err(variable),
        }
    }

    /// Tells whether patterns keep a statement of an effect from what is asked for.
    ///
    /// They do as a statement of the other effect would apply: what an allowing one excludes may be
    /// any of it, and what a denying one excludes must be all.
    fn may_exclude(patterns: &[Self], asked: &Asked<'_>, effect: Effect) -> bool {
        let other = match effect {
            Effect::Allow => Effect::Deny,
            Effect::Deny => Effect::Allow,
        };
        let excludes = |pattern: &Self| pattern.matches(asked, other) == Ok(true);
        patterns.iter().any(excludes)
    }

    /// Returns the ends of its paths, whatever values its variables have; nothing when it matches
    /// nothing here.
    pub(super) fn ends(&self) -> Option<(String, String)> {
        match self {
            Self::Everything | Self::Except(_) => Some(Default::default()),
            Self::Elsewhere => None,
            Self::Named(named) => Some(named.path.ends()),
        }
    }

    /// Returns the names of the claims that it asks for.
    pub(super) fn claims(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Named(named) => Box::new(named.template.iter().flat_map(PathTemplate::claims)),
            Self::Except(patterns) => Box::new(patterns.iter().flat_map(Self::claims)),
            Self::Everything | Self::Elsewhere => Box::new(std::iter::empty()),
        }
    }

    /// Tells whether a permission could ever be asked on one of these.
    pub(super) fn can_match(&self, permission: Permission, language: Language) -> bool {
        let named = match self {
            Self::Everything | Self::Except(_) => return true,
            Self::Elsewhere => return false,
            Self::Named(named) => named,
        };
        let (form, service) = (permission.form(language), permission.service(language));
        if form == Form::Operation {
            return named.path.is_any();
        }
        let head = |kind: &str| format!("{kind}/{}", language.instance_prefix());
        let path = match (form, language) {
            (Form::Role, Language::Cam) => {
                named.path.touches("role/") || named.path.touches("roleName/")
            }
            (Form::Role, Language::Ram | Language::Iam) => named.path.touches("role/"),
            (Form::Namespace, Language::Iam) => named.path.touches("namespace/"),
            (form, Language::Iam) if form != Form::Instance => named.path.touches("repository/"),
            (Form::Instance, _) => named.path.touches(&head("instance")),
            _ => named.path.touches(&head("repository")),
        };
        path && named.services[service as usize] && !named.has_wrong_id(language)
    }

    /// Says why nothing here is ever asked on such a resource, as well as it can be known.
    pub(super) fn why_nothing(&self, language: Language) -> String {
        let Self::Named(named) = self else {
            return "it is a resource of another service".to_owned();
        };
        let id = match language {
            Language::Cam => "tcr-INSTANCE",
            Language::Ram => "cri-INSTANCE",
            Language::Iam => {
                return "none of the statement's actions is ever asked on such a resource: a \
                        repository is arn:aws:ecr:REGION:ACCOUNT:repository/NAME, a role \
                        arn:aws:iam::ACCOUNT:role/NAME"
                    .to_owned();
            }
        };
        let kind = named.written_path.split('/').next().unwrap_or_default();
        match kind {
            "namespace" => format!(
                "there is no resource type namespace: write \
                 repository/{id}/NAMESPACE/*"
            ),
            "repo" | "chart" => format!(
                "nothing here is of the type {kind}; images are written \
                 repository/{id}/NAMESPACE/NAME"
            ),
            "repository" | "instance"
                if named.has_wrong_id(language)
                    || !named
                        .path
                        .touches(&format!("{kind}/{}", language.instance_prefix())) =>
            {
                format!(
                    "in a {} document {kind}/ is followed by the instance's id, as in \
                     {kind}/{id}",
                    language.name()
                )
            }
            _ => "none of the statement's actions is ever asked on such a resource; \
                  docs/policies.md says on what each is"
                .to_owned(),
        }
    }

    /// Tells whether the region is written in a way that no instance here can have.
    pub(super) fn has_odd_region(&self) -> bool {
        match self {
            Self::Named(named) => named.odd_region,
            Self::Everything | Self::Except(_) | Self::Elsewhere => false,
        }
    }
}

impl Named {
    /// Tells whether it matches, whatever values its variables have.
    fn may_match(&self, asked: &Asked<'_>, effect: Effect) -> bool {
        let target = asked.target;
        self.path.is_asked(target, effect)
            && self.account.matches(target.account, asked.owner)
            && self.region.matches(target.region)
            && self.services[target.service as usize]
    }

    /// Tells whether the instance's id is written out and isn't one.
    fn has_wrong_id(&self, language: Language) -> bool {
        let mut parts = self.written_path.split('/');
        let id = match (parts.next(), language) {
            (Some("repository"), Language::Cam | Language::Ram) | (Some("instance"), _) => {
                parts.next()
            }
            _ => None,
        };
        let Some(id) = id else { return false };
        let well_formed = match language {
            Language::Cam | Language::Iam => InstanceId::from_str(id).is_ok(),
            Language::Ram => CriId::from_str(id).is_ok(),
        };
        !well_formed && !Wildcards::of(language).stand_in(id)
    }
}

/// Refuses what no name can hold.
pub(super) fn check_characters(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text
        .chars()
        .any(|letter| letter.is_whitespace() || letter.is_control())
    {
        return Err("it holds white space".to_owned());
    }
    Ok(())
}
