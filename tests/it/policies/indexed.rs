//! Sets of hundreds of statements: their index against the plain loop, which has to name the same
//! statement, and against the obvious reference.

use serde_json::{Value, json};
use transire::domain::error::PolicyKind;
use transire::domain::ids::{CriId, InstanceId};
use transire::policy::{
    Circumstances, Documents, InstanceRef, NamedDocument, Outcome, Permission, PolicySet, Request,
    Resource, decide, decide_in, decide_session_in, explain, explain_session,
};

use super::random::{REQUESTS, ask, cases, compile, document, request, statement};
use super::reference::{self, Plain, Tongue};
use super::{INSTANCES, OWNER, REGION, owner};
use crate::harness::dice::Dice;

/// The names that have a number: so many statements differ by it alone, and few fit a request.
const NUMBERS: usize = 40;

/// Paths of statements: `ID` is an instance's, `N` a number. Many share their first letters, some
/// their last ones, and some have wildcards or variables among the first.
const PATHS: &[&str] = &[
    "repository/ID/ns-N",
    "repository/ID/ns-N/*",
    "repository/ID/ns-N/app",
    "repository/ID/ns-N*",
    "repository/ID/team/app-N",
    "repository/ID/team/app-N/*",
    "repository/ID/t*m/a*-N",
    "repository/ID/t*m/a*-N/*",
    "repository/ID/t?*m/a*-N",
    "repository/ID/*-N",
    "repository/ID/*-N/*",
    "repository/ID/*/app",
    "repository/ID/*s-N/a*p",
    "repository/*/ns-N/app",
    "repository/??????????????????????/ns-N/*",
    "re?ository/ID/ns-N/app",
    "*/ns-N/app",
    "*/app-N",
    "*-N",
    "*N*",
    "repository/ID/${oidc:team}/app-N",
    "repository/ID/${oidc:team}-N/*",
    "repository/ID/ns-N/${user}",
    "repository/ID/n${oidc:none}*-N",
    "instance/ID",
    "instance/ID-N",
    "role/r-N",
    "role/r*-N",
    "role/${oidc:team}-N",
    "roleName/r-N",
    "roleName/r-N*",
    "role/461168601842739791N",
    "repository/ID/ns-N/中*-N",
];

fn number(dice: &mut Dice) -> String {
    dice.throw(NUMBERS).to_string()
}

fn resource(dice: &mut Dice, tongue: Tongue) -> String {
    let (_, tcr, cri) = *dice.one(&INSTANCES);
    let path = dice.one(PATHS).replace('N', &number(dice));
    let region = *dice.one(&[REGION, "*", "*", "ap-*", "ap-shanghai"]);
    let account = *dice.one(&["100000000001", "*", "200000000002"]);
    match tongue {
        Tongue::Cam => {
            let account = *dice.one(&["", "uin/100000000001", "uin/200000000002"]);
            format!("qcs::*:{region}:{account}:{}", path.replace("ID", tcr))
        }
        Tongue::Ram => format!("acs:*:{region}:{account}:{}", path.replace("ID", cri)),
        Tongue::Iam => {
            let path = path
                .replace("repository/ID/", "repository/")
                .replace("ID", tcr);
            let path = path.replace("${user}", "${aws:username}");
            // IAM names roles by one way alone.
            let is_other = path.starts_with("role") && !path.starts_with("role/");
            let path = if is_other { "role/*" } else { &path };
            format!("arn:aws:*:{region}:{account}:{path}")
        }
    }
}

/// Makes a statement that fits few requests, perhaps with one of the given conditions.
fn narrow_statement(dice: &mut Dice, tongue: Tongue, conditions: &[Value]) -> Value {
    let deny = dice.in_ten(3);
    let mut one = statement(dice, tongue, Some(deny));
    let fields = one.as_object_mut().unwrap();
    let resources: Vec<String> = (0..=dice.throw(2))
        .map(|_| resource(dice, tongue))
        .collect();
    let (name, condition) = match tongue {
        Tongue::Cam => ("resource", "condition"),
        Tongue::Ram | Tongue::Iam => ("Resource", "Condition"),
    };
    fields.remove("NotResource");
    fields.insert(name.to_owned(), json!(resources));
    if let Some(shared) = conditions.get(dice.throw(2 * conditions.len())) {
        fields.insert(condition.to_owned(), shared.clone());
    }
    one
}

/// The conditions of some random statements of a language.
fn conditions(dice: &mut Dice, tongue: Tongue) -> Vec<Value> {
    let name = if tongue == Tongue::Cam {
        "condition"
    } else {
        "Condition"
    };
    (0..)
        .filter_map(|_| statement(dice, tongue, None).get(name).cloned())
        .take(3)
        .collect()
}

/// Makes documents with hundreds of statements, nearly all of which fit few requests.
fn documents(dice: &mut Dice) -> Vec<Value> {
    let tongues = [Tongue::Cam, Tongue::Ram, Tongue::Iam];
    let shared = tongues.map(|tongue| conditions(dice, tongue));
    let wide = dice.throw(2);
    (0..3 + dice.throw(5))
        .map(|place| {
            let mut one = document(dice, None);
            let tongue = Tongue::of(&one);
            let name = if tongue == Tongue::Cam {
                "statement"
            } else {
                "Statement"
            };
            let statements = one[name].as_array_mut().unwrap();
            if place >= wide {
                statements.clear();
            }
            for _ in 0..20 + dice.throw(50) {
                let narrow = narrow_statement(dice, tongue, &shared[tongue as usize]);
                let at = dice.throw(statements.len() + 1);
                statements.insert(at, narrow);
            }
            one
        })
        .collect()
}

fn set_of(values: &[Value]) -> PolicySet {
    let named = values.iter().enumerate();
    let named = named.map(|(place, value)| (format!("policy-{place}"), compile(value)));
    PolicySet::new(owner(), named.collect())
}

/// Draws a request about a repository, whose names have numbers.
fn plain(dice: &mut Dice) -> Plain {
    let n = number(dice);
    let path = dice
        .one(&[
            "ns-N/app",
            "ns-N/blue",
            "team/app-N",
            "team/app-N/sub",
            "team-N/a",
            "ns-N/中-N",
        ])
        .replace('N', &n);
    Plain {
        path,
        ..request(dice)
    }
}

/// Asks about something else at times: a namespace, an instance, a role, everything.
fn ask_of_any<T>(dice: &mut Dice, plain: &Plain, question: impl FnOnce(&Request<'_>) -> T) -> T {
    let (_, id, cri_id) = INSTANCES[plain.instance];
    let (id, cri_id): (InstanceId, CriId) = (id.parse().unwrap(), cri_id.parse().unwrap());
    let (account, region) = (owner(), REGION);
    let instance = InstanceRef {
        account,
        region,
        id: &id,
        cri_id: &cri_id,
    };
    let n = number(dice);
    let role = (format!("461168601842739791{n}"), format!("r-{n}"));
    let (id, name) = (&role.0, &role.1);
    let permissions: Vec<Permission> = Permission::all().collect();
    let permission = *dice.one(&permissions);
    let kind = dice.throw(7);
    ask(plain, |request| {
        let (permission, resource) = match kind {
            0 => (permission, Resource::Everything { account, region }),
            1 => (permission, Resource::Instance(instance)),
            2 => (permission, Resource::Namespace { instance, name }),
            3 => (Permission::AssumeRole, Resource::Role { account, id, name }),
            4 => (
                Permission::AssumeRole,
                Resource::Role {
                    account,
                    id,
                    name: "",
                },
            ),
            5 => (permission, request.resource),
            _ => (request.permission, request.resource),
        };
        question(&Request {
            permission,
            resource,
            ..request.clone()
        })
    })
}

fn listed(set: &PolicySet) -> Vec<NamedDocument<'_>> {
    Documents::from(set).iter().collect()
}

#[test]
fn an_index_decides_as_the_loop_does_and_names_the_same_statement() {
    let mut outcomes = [0_usize; 3];
    for seed in 0..cases().div_ceil(60 * REQUESTS) {
        let mut dice = Dice(seed as u64 + 7_000_000_000);
        let values = documents(&mut dice);
        let set = set_of(&values);
        let plainly = listed(&set);
        for _ in 0..4 * REQUESTS {
            let plain = plain(&mut dice);
            ask_of_any(&mut dice, &plain, |request| {
                let why = || format!("seed {seed}: {request:#?}\n{}", json!(values));
                for circumstances in [
                    Circumstances::Present,
                    Circumstances::Every,
                    Circumstances::Best,
                ] {
                    let decision = decide_in(circumstances, &set, request);
                    let expected = decide_in(circumstances, &plainly, request);
                    assert_eq!(decision, expected, "{circumstances:?} {}", why());
                    outcomes[decision.outcome as usize] += 1;
                }
                assert_eq!(
                    explain(&set, request),
                    explain(&plainly, request),
                    "{}",
                    why()
                );
            });
        }
    }
    let all = outcomes.iter().sum::<usize>();
    assert!(
        outcomes.iter().all(|count| count * 20 > all),
        "{outcomes:?}"
    );
}

#[test]
fn an_index_decides_as_the_obvious_reference() {
    let mut outcomes = [0_usize; 3];
    for seed in 0..cases().div_ceil(100 * REQUESTS) {
        let mut dice = Dice(seed as u64 + 8_000_000_000);
        let values = documents(&mut dice);
        let set = set_of(&values);
        for _ in 0..REQUESTS {
            let plain = plain(&mut dice);
            let outcome = ask(&plain, |request| decide(&set, request).outcome);
            let expected = match reference::decide(&values, &plain) {
                (_, true) => Outcome::DeniedExplicitly,
                (true, false) => Outcome::Allowed,
                (false, false) => Outcome::DeniedImplicitly,
            };
            assert_eq!(
                outcome,
                expected,
                "seed {seed}: {plain:#?}\n{}",
                json!(values)
            );
            outcomes[outcome as usize] += 1;
        }
    }
    let all = outcomes.iter().sum::<usize>();
    assert!(
        outcomes.iter().all(|count| count * 20 > all),
        "{outcomes:?}"
    );
}

#[test]
fn a_session_of_a_holder_with_an_index_is_decided_as_by_the_loop() {
    let mut sides = [0_usize; 2];
    for seed in 0..cases().div_ceil(40 * REQUESTS) {
        let mut dice = Dice(seed as u64 + 9_000_000_000);
        let set = set_of(&documents(&mut dice));
        let plainly = listed(&set);
        let own = [compile(&document(&mut dice, None))];
        let session = own.each_ref().map(|document| NamedDocument {
            name: "session policy",
            owner: owner(),
            document,
        });
        for _ in 0..REQUESTS {
            let plain = plain(&mut dice);
            ask_of_any(&mut dice, &plain, |request| {
                let session = Some(&session[..]);
                let present = Circumstances::Present;
                let decision = decide_session_in(present, &set, session, request);
                let expected = decide_session_in(present, &plainly, session, request);
                assert_eq!(decision, expected, "seed {seed}: {request:#?}");
                let explanation = explain_session(&set, session, request);
                let expected = explain_session(&plainly, session, request);
                assert_eq!(explanation, expected, "seed {seed}: {request:#?}");
                let by_session = explanation.decided_by == PolicyKind::Session;
                sides[usize::from(by_session)] += 1;
            });
        }
    }
    assert!(sides.iter().all(|count| *count > 20), "{sides:?}");
}

/// The set's account counts, where a CAM resource names none.
#[test]
fn a_resource_without_an_account_is_of_the_holders() {
    let statement = |n: usize| {
        json!({
            "effect": "allow",
            "action": "tcr:PullRepository",
            "resource": format!("qcs::tcr:::repository/tcr-abcd1234/ns-{n}"),
        })
    };
    let statements: Vec<Value> = (0..100).map(statement).collect();
    let document = compile(&json!({"version": "2.0", "statement": statements}));
    let mut dice = Dice(0);
    let plain = Plain {
        permission: "pull",
        instance: 0,
        path: "ns-7/app".to_owned(),
        ..request(&mut dice)
    };
    for (account, allowed) in [(OWNER, true), (OWNER + 1, false)] {
        let account = account.to_string().parse().unwrap();
        let set = PolicySet::new(account, vec![("own".to_owned(), document.clone())]);
        let decision = ask(&plain, |request| decide(&set, request).is_allowed());
        assert_eq!(decision, allowed, "{account}");
    }
}
