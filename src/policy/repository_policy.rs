//! Policies of repositories, as Amazon ECR has them: who else may use a repository, and who may
//! not.
//!
//! They are written in IAM's language alone, with a principal and without a resource. Within the
//! account, one allows beside the policies of a caller's own ([`Decision::beside`]). Sources: AWS's
//! guide to repository policies, its policy evaluation logic, and its page on `NotPrincipal`.

use super::condition::{Condition, DocumentKind};
use super::document::Warnings;
use super::document::actions::Actions;
use super::elements::{Elements, Refusal, Words, join, strings};
use super::json::Json;
use super::language::{Language, Service};
use super::parts::{Limits, condition, effect, open, refused, sid};
use super::resource::Facts;
use super::trust::Trusted;
use super::trust::read::read_principals;
use super::vocabulary::{Permission, Permissions};
use super::words::{Circumstances, Effect};
use super::{Assumer, Decision, Missing, Request, StatementRef};
use crate::domain::Result;
use crate::domain::ids::AccountId;

/// How decisions speak of it.
const NAME: &str = "the repository's policy";
const NOT_PRINCIPAL: &str = "NotPrincipal";
const LANGUAGE: Language = Language::Iam;

/// The one that a repository's policy is asked about.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// A principal of some account.
    Principal(Assumer<'a>),
    /// A service account of an account, which no policy names: it is denied what everyone is, or
    /// its account.
    ServiceAccount(AccountId),
    /// Nobody that a policy could name: denied what everyone is.
    Nobody,
}

impl Asker<'_> {
    fn is_one_of(&self, named: &[Trusted]) -> bool {
        let is = |trusted: &Trusted| match (self, trusted) {
            (Self::Principal(principal), trusted) => trusted.is(principal),
            (Self::ServiceAccount(account), Trusted::Account(own)) => own == account,
            (_, trusted) => *trusted == Trusted::Anyone,
        };
        named.iter().any(is)
    }

    /// Tells whether a `NotPrincipal` leaves it out. As at AWS, an account that isn't named is
    /// denied with all that is in it; one that is named stands for its root.
    fn is_excepted(&self, named: &[Trusted]) -> bool {
        let Self::Principal(principal) = self else {
            return false;
        };
        let (account, is_root) = match principal {
            Assumer::Root(account) => (*account, true),
            Assumer::User { account, .. }
            | Assumer::Role { account, .. }
            | Assumer::Federated { account, .. } => (*account, false),
        };
        let is_itself = |trusted: &Trusted| trusted.is_direct() && trusted.is(principal);
        named.contains(&Trusted::Account(account)) && (is_root || named.iter().any(is_itself))
    }
}

/// Whom a statement is about.
#[derive(Clone, Debug, PartialEq)]
enum Whom {
    These(Vec<Trusted>),
    AllBut(Vec<Trusted>),
}

impl Whom {
    fn is(&self, asker: &Asker<'_>) -> bool {
        match self {
            Self::These(named) => asker.is_one_of(named),
            Self::AllBut(named) => !asker.is_excepted(named),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Grant {
    sid: Option<String>,
    effect: Effect,
    whom: Whom,
    permissions: Permissions,
    condition: Condition,
}

/// A compiled policy of a repository.
#[derive(Clone, Debug, PartialEq)]
pub struct RepositoryPolicy {
    statements: Vec<Grant>,
}

impl RepositoryPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` of `document`: the message names the place, such as
    /// `Statement[1].Condition.IpAddress`, and the reason.
    pub fn parse(text: &str, limits: Limits) -> Result<Self> {
        read(text, limits).map_err(|Refusal { place, why }| refused(&place, &why))
    }

    /// Tells whether a decision by it may be another one at another time.
    pub fn asks_for_time(&self) -> bool {
        self.statements
            .iter()
            .any(|grant| grant.condition.asks_for_time())
    }

    /// Tells whether some statement allows principals of other accounts than this one anything.
    pub fn reaches_beyond(&self, own: AccountId) -> bool {
        let is_other = |trusted: &Trusted| trusted.account() != Some(own);
        self.statements.iter().any(|grant| {
            grant.effect == Effect::Allow
                && match &grant.whom {
                    Whom::These(named) => named.iter().any(is_other),
                    Whom::AllBut(_) => true,
                }
        })
    }

    /// Returns how many statements it has.
    pub fn statements(&self) -> usize {
        self.statements.len()
    }
}

/// Decides by a repository's policy alone, in these circumstances. All parts of the permission, as
/// IAM divides it, must be allowed, and none denied. Nobody but principals is ever allowed.
pub fn decide_repository_policy<'a>(
    circumstances: Circumstances,
    policy: &'a RepositoryPolicy,
    asker: &Asker<'_>,
    request: &Request<'_>,
) -> Decision<'a> {
    let facts = Facts::of(circumstances, &request.context);
    let parts = request.permission.parts(LANGUAGE);
    let mut missing = Missing::of(request.permission);
    let mut allowed = None;
    for (index, grant) in policy.statements.iter().enumerate() {
        if !parts.iter().any(|part| grant.permissions.has(*part))
            || !grant.whom.is(asker)
            || !grant.condition.may_hold(grant.effect, facts)
        {
            continue;
        }
        let statement = StatementRef {
            document: NAME,
            language: LANGUAGE,
            index,
            sid: grant.sid.as_deref(),
        };
        match grant.effect {
            Effect::Deny => return Decision::of(Some(statement), None),
            Effect::Allow if allowed.is_none() && matches!(asker, Asker::Principal(_)) => {
                if missing.take(LANGUAGE, grant.permissions) {
                    allowed = Some(statement);
                }
            }
            Effect::Allow => {}
        }
    }
    Decision::of(None, allowed)
}

fn read(text: &str, limits: Limits) -> Result<RepositoryPolicy, Refusal> {
    let (language, statements) = open(text, limits)?;
    debug_assert_eq!(language, LANGUAGE, "no other has a limit above nothing");
    let name = Words::of(LANGUAGE).statement;
    let statements = statements
        .iter()
        .enumerate()
        .map(|(index, json)| read_statement(json, &format!("{name}[{index}]")))
        .collect::<Result<_, _>>()?;
    Ok(RepositoryPolicy { statements })
}

fn read_statement(json: &Json, place: &str) -> Result<Grant, Refusal> {
    let words = Words::of(LANGUAGE);
    let elements = elements_of(json, place, words)?;
    let sid = sid(&elements, words)?;
    let effect = effect(&elements, place, words)?;
    let whom = read_whom(&elements, place, effect)?;
    let permissions = read_actions(&elements, place)?;
    let condition = condition(&elements, place, LANGUAGE, DocumentKind::Permission)?;
    if let Some(claim) = condition.claims().next() {
        let why = format!(
            "a repository's policy asks for no claim of a token, such as {claim}: trust policies do"
        );
        return Err(Refusal::new(join(place, words.condition), why));
    }
    Ok(Grant {
        sid,
        effect,
        whom,
        permissions,
        condition,
    })
}

/// Takes the elements of a statement, all of which must be known.
fn elements_of<'j>(json: &'j Json, place: &str, words: &Words) -> Result<Elements<'j>, Refusal> {
    let is_resource =
        |name: &str| name == words.resource || words.not_resource.is_some_and(|not| not == name);
    if let Json::Object(fields) = json
        && let Some((name, _)) = fields.iter().find(|(name, _)| is_resource(name))
    {
        return Err(Refusal::new(
            join(place, name),
            "a repository's policy has no resource: it belongs to the repository",
        ));
    }
    let mut known = vec![
        words.sid,
        words.effect,
        words.principal,
        NOT_PRINCIPAL,
        words.action,
    ];
    known.extend(words.not_action);
    known.push(words.condition);
    Elements::new(json, place, &known)
}

fn read_whom(elements: &Elements<'_>, place: &str, effect: Effect) -> Result<Whom, Refusal> {
    let words = Words::of(LANGUAGE);
    let excepted = elements.find(NOT_PRINCIPAL);
    let (name, json) = match (elements.find(words.principal), excepted) {
        (Some(_), Some(_)) => {
            return Err(Refusal::new(
                join(place, NOT_PRINCIPAL),
                "a statement has Principal or NotPrincipal, not both",
            ));
        }
        (None, Some(_)) if effect == Effect::Allow => {
            return Err(Refusal::new(
                join(place, NOT_PRINCIPAL),
                "NotPrincipal stands in a statement that denies alone: else it lets everyone in",
            ));
        }
        (None, Some(json)) => (NOT_PRINCIPAL, json),
        (_, None) => (words.principal, elements.get(words.principal)?),
    };
    let place = join(place, name);
    // Of services a warning is told, which no client of ECR could read.
    let named = read_principals(json, &place, LANGUAGE, &mut Vec::new())?;
    let is_provider = |one: &Trusted| matches!(one, Trusted::Provider(..) | Trusted::Issuer(..));
    if named.iter().any(is_provider) {
        return Err(Refusal::new(
            join(&place, "Federated"),
            "a repository's policy names accounts, users and roles: name the role that the token's \
             bearer assumes",
        ));
    }
    Ok(match excepted {
        Some(_) => Whom::AllBut(named),
        None => Whom::These(named),
    })
}

/// Reads the actions of a statement: those of ECR, and of nothing else.
fn read_actions(elements: &Elements<'_>, place: &str) -> Result<Permissions, Refusal> {
    let words = Words::of(LANGUAGE);
    let names = [Some(words.action), words.not_action];
    for name in names.into_iter().flatten() {
        let Some(json) = elements.find(name) else {
            continue;
        };
        for (place, text) in strings(json, &join(place, name))? {
            let service = text.split_once(':').map(|(service, _)| service);
            if !service.is_some_and(|service| service.eq_ignore_ascii_case("ecr")) {
                return Err(Refusal::new(
                    place,
                    "the action of a repository's policy is ecr:NAME; ecr:* is all of them",
                ));
            }
        }
    }
    let read = Actions::read(elements, place, LANGUAGE, &mut Warnings::default())?;
    // NotAction leaves over what AWS has no name for, too.
    let of_ecr: Vec<Permission> = read
        .permissions
        .iter()
        .filter(|permission| permission.service(LANGUAGE) == Service::Registry)
        .collect();
    Ok(Permissions::of(&of_ecr))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::{Context, Outcome, Resource};

    const OWN: &str = "100000000001";
    const OTHER: &str = "100000000002";

    fn account(id: &str) -> AccountId {
        id.parse().unwrap()
    }

    fn user<'a>(of: &str, name: &'a str) -> Asker<'a> {
        Asker::Principal(Assumer::User {
            account: account(of),
            id: "7",
            name,
        })
    }

    fn role<'a>(of: &str, name: &'a str) -> Asker<'a> {
        Asker::Principal(Assumer::Role {
            account: account(of),
            id: "8",
            name,
        })
    }

    fn document(statements: &Value) -> String {
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    }

    fn parse(text: &str) -> Result<RepositoryPolicy> {
        RepositoryPolicy::parse(text, Limits::REPOSITORY)
    }

    fn decided(statements: &Value, asker: &Asker<'_>, permission: Permission) -> Outcome {
        let policy = parse(&document(statements)).unwrap();
        let request = Request {
            permission,
            resource: Resource::Everything {
                account: account(OWN),
                region: "",
            },
            context: Context {
                secure_transport: true,
                ..Context::default()
            },
        };
        decide_repository_policy(Circumstances::Present, &policy, asker, &request).outcome
    }

    fn arn(of: &str, what: &str) -> String {
        format!("arn:aws:iam::{of}:{what}")
    }

    #[test]
    fn a_principal_is_allowed_by_its_own_name_or_its_accounts() {
        let pull = json!(["ecr:BatchGetImage", "ECR:GetDownloadUrlForLayer"]);
        let by = |principal: Value| {
            let one = json!({ "Effect": "Allow", "Principal": principal, "Action": pull });
            json!([one])
        };
        let root = Asker::Principal(Assumer::Root(account(OWN)));
        for (principal, asker, allowed) in [
            (json!("*"), user(OWN, "ci"), true),
            (json!("*"), user(OTHER, "ci"), true),
            (json!("*"), Asker::ServiceAccount(account(OWN)), false),
            (json!("*"), Asker::Nobody, false),
            (json!({ "AWS": OWN }), user(OWN, "ci"), true),
            (json!({ "AWS": OWN }), root, true),
            (json!({ "AWS": arn(OWN, "root") }), role(OWN, "ci"), true),
            (json!({ "AWS": arn(OWN, "root") }), user(OTHER, "ci"), false),
            (
                json!({ "AWS": [arn(OWN, "user/ci")] }),
                user(OWN, "ci"),
                true,
            ),
            (
                json!({ "AWS": [arn(OWN, "user/ci")] }),
                user(OWN, "cd"),
                false,
            ),
            (
                json!({ "AWS": [arn(OWN, "user/ci")] }),
                role(OWN, "ci"),
                false,
            ),
            (
                json!({ "AWS": [arn(OWN, "role/ci")] }),
                role(OWN, "ci"),
                true,
            ),
            (
                json!({ "Service": "x.example.com" }),
                user(OWN, "ci"),
                false,
            ),
        ] {
            let outcome = decided(&by(principal.clone()), &asker, Permission::Pull);
            assert_eq!(
                outcome == Outcome::Allowed,
                allowed,
                "{principal} {asker:?}"
            );
        }
    }

    #[test]
    fn all_parts_must_be_allowed_and_none_denied() {
        let allow =
            |actions: &[&str]| json!({ "Effect": "Allow", "Principal": "*", "Action": actions });
        let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "ecr:UploadLayerPart" });
        let but = json!({ "Effect": "Allow", "Principal": "*", "NotAction": "ecr:PutImage" });
        let (first, second) = (allow(&["ecr:BatchGetImage"]), allow(&["ecr:GetDownload*"]));
        let (allowed, implicitly) = (Outcome::Allowed, Outcome::DeniedImplicitly);
        for (statements, permission, expected) in [
            (json!([first]), Permission::Pull, implicitly),
            (json!([first, second]), Permission::Pull, allowed),
            (json!([first]), Permission::PullManifest, allowed),
            (json!([allow(&["ecr:*"])]), Permission::Push, allowed),
            (
                json!([allow(&["ecr:*"]), deny]),
                Permission::Push,
                Outcome::DeniedExplicitly,
            ),
            (json!([allow(&["ecr:*"]), deny]), Permission::Pull, allowed),
            (json!([but]), Permission::Pull, allowed),
            (json!([but]), Permission::Push, implicitly),
            // AWS has no name for it, so no policy of ECR gives it.
            (json!([but]), Permission::ModifyRepository, implicitly),
        ] {
            let outcome = decided(&statements, &user(OWN, "ci"), permission);
            assert_eq!(outcome, expected, "{statements} {permission}");
        }
    }

    #[test]
    fn not_principal_spares_whom_it_names_with_its_account() {
        let but = |named: &[String]| {
            let spared = json!({ "AWS": named });
            json!([{ "Effect": "Deny", "NotPrincipal": spared, "Action": "ecr:*" }])
        };
        let (whole, ci) = (arn(OWN, "root"), arn(OWN, "user/ci"));
        let root = Asker::Principal(Assumer::Root(account(OWN)));
        for (named, asker, spared) in [
            (vec![whole.clone(), ci.clone()], user(OWN, "ci"), true),
            (vec![whole.clone(), ci.clone()], user(OWN, "cd"), false),
            (vec![whole.clone(), ci.clone()], root, true),
            (vec![ci.clone()], user(OWN, "ci"), false),
            (vec![whole.clone()], user(OWN, "ci"), false),
            (
                vec![whole.clone()],
                Asker::ServiceAccount(account(OWN)),
                false,
            ),
            (vec![whole, ci], Asker::Nobody, false),
        ] {
            let outcome = decided(&but(&named), &asker, Permission::Pull);
            assert_eq!(
                outcome == Outcome::DeniedImplicitly,
                spared,
                "{named:?} {asker:?}"
            );
        }
    }

    #[test]
    fn denials_of_everyone_reach_whom_no_policy_names() {
        let deny = |principal: Value| {
            let one = json!({ "Effect": "Deny", "Principal": principal, "Action": "ecr:*" });
            json!([one])
        };
        let account_of = Asker::ServiceAccount(account(OWN));
        for (principal, asker, denied) in [
            (json!("*"), Asker::Nobody, true),
            (json!("*"), account_of, true),
            (json!({ "AWS": OWN }), account_of, true),
            (json!({ "AWS": OTHER }), account_of, false),
            (json!({ "AWS": OWN }), Asker::Nobody, false),
            (json!({ "AWS": arn(OWN, "user/ci") }), account_of, false),
        ] {
            let outcome = decided(&deny(principal.clone()), &asker, Permission::Pull);
            let expected = outcome == Outcome::DeniedExplicitly;
            assert_eq!(expected, denied, "{principal} {asker:?}");
        }
    }

    #[test]
    fn a_condition_must_hold() {
        let when = |value: &str| {
            let condition = json!({ "Bool": { "aws:SecureTransport": value } });
            json!([{
                "Effect": "Allow", "Principal": "*", "Action": "ecr:*", "Condition": condition,
            }])
        };
        let asker = user(OWN, "ci");
        for (value, expected) in [
            ("true", Outcome::Allowed),
            ("false", Outcome::DeniedImplicitly),
        ] {
            assert_eq!(decided(&when(value), &asker, Permission::Pull), expected);
        }
    }

    #[test]
    fn what_it_can_not_have_is_refused_with_its_place() {
        let with = |more: &Value| {
            let mut one = json!({ "Effect": "Allow", "Principal": "*", "Action": "ecr:*" });
            for (name, value) in more.as_object().unwrap() {
                if value.is_null() {
                    one.as_object_mut().unwrap().remove(name);
                } else {
                    one[name] = value.clone();
                }
            }
            document(&json!([one]))
        };
        let claim = json!({ "StringEquals": { "ci.example.com:sub": "a" } });
        let provider = arn(OWN, "oidc-provider/ci.example.com");
        for (text, place) in [
            (with(&json!({ "Resource": "*" })), "Statement[0].Resource: "),
            (
                with(&json!({ "Principal": null })),
                "Statement[0].Principal: ",
            ),
            (
                with(&json!({ "Principal": { "AWS": "ci" } })),
                "Statement[0].Principal.AWS: ",
            ),
            (
                with(&json!({ "Principal": { "Federated": provider } })),
                "Statement[0].Principal.Federated: ",
            ),
            (
                with(&json!({ "NotPrincipal": "*" })),
                "Statement[0].NotPrincipal: ",
            ),
            (
                with(&json!({ "Principal": null, "NotPrincipal": "*" })),
                "Statement[0].NotPrincipal: ",
            ),
            (with(&json!({ "Action": "*" })), "Statement[0].Action: "),
            (
                with(&json!({ "Action": ["ecr:BatchGetImage", "sts:AssumeRole"] })),
                "Statement[0].Action[1]: ",
            ),
            (
                with(&json!({ "Action": "ecr:Fly" })),
                "Statement[0].Action: ",
            ),
            (
                with(&json!({ "Condition": claim })),
                "Statement[0].Condition: ",
            ),
            (with(&json!({ "Effect": "allow" })), "Statement[0].Effect: "),
            ("{}".to_owned(), "the document is refused: "),
            (
                r#"{"version":"2.0","statement":[]}"#.to_owned(),
                "the document is refused: it is written in CAM",
            ),
            (
                with(&json!({ "Sid": "x".repeat(10_240) })),
                "the document is refused: it is longer than 10240 characters",
            ),
        ] {
            let message = parse(&text).unwrap_err().message().to_owned();
            assert!(message.starts_with(place), "{message}");
        }
    }
}
