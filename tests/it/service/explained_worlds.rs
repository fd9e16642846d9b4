//! `transire policy explain` against the service, in random worlds: users, policies, sessions,
//! states, records and addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use transire::domain::allow_list::AllowEntry;
use transire::domain::identity::{Target, UserState};
use transire::domain::instance::UnrecordedNamespaces;
use transire::domain::namespace::Visibility;
use transire::domain::secret::Secret;
use transire::domain::switch::Switch;
use transire::service::{Attached, Explained, Question};

use crate::harness::dice::Dice;
use crate::harness::documents::{allow, cam, deny};
use crate::harness::operator::account;
use crate::harness::tencent::credential;
use crate::harness::{ACCOUNT, App, Key, SERVICE, Session};

const PATHS: [&str; 7] = [
    "team/app",
    "team/secret",
    "open/app",
    "closed/known",
    "closed/new",
    "nowhere/app",
    "Bad/app",
];
const ACTIONS: [&str; 3] = ["pull", "push", "delete"];
const RESOURCES: [&str; 6] = ["*", "team/*", "open/*", "closed/*", "*/app", "team/secret"];
const NAMES: [&[&str]; 4] = [
    &["tcr:PullRepository"],
    &["tcr:PushRepository"],
    &["tcr:DeleteImage"],
    &[
        "tcr:PullRepository",
        "tcr:PushRepository",
        "tcr:DeleteImage",
    ],
];

/// A user, and two ways in which it logs in.
struct Person {
    name: String,
    key: Key,
    session_policy: Value,
    plain: (String, Secret),
    narrowed: (String, Secret),
}

fn statement(dice: &mut Dice, deny_in_ten: usize) -> Value {
    let path = *dice.one(&RESOURCES);
    let resource = match path {
        "*" => "*".to_owned(),
        path => format!("qcs::tcr:::repository/*/{path}"),
    };
    let action = *dice.one(&NAMES);
    let mut statement = if dice.in_ten(deny_in_ten) {
        deny(action, resource)
    } else {
        allow(action, resource)
    };
    if dice.in_ten(3) {
        statement["condition"] = json!({ "ip_equal": { "qcs:ip": ["192.0.2.0/24"] } });
    }
    statement
}

/// An app whose namespaces are recorded in every way, and whose clock lets everything be asked.
async fn world() -> App {
    let app = App::new().await;
    app.record_namespace("team", Visibility::Private, Switch::On)
        .await;
    app.record_namespace("open", Visibility::Public, Switch::On)
        .await;
    app.record_namespace("closed", Visibility::Private, Switch::Off)
        .await;
    app.make_repository("closed", "known", None).await;
    app
}

async fn temporary(app: &App, key: &Key) -> (String, Secret) {
    app.wait(Duration::from_secs(2));
    let answer = app.tencent("CreateInstanceToken", &app.registry_id());
    credential(&answer.by(key).send().await)
}

impl Person {
    async fn new(app: &App, name: &str, dice: &mut Dice) -> Self {
        let issue = allow(["tcr:CreateInstanceToken", "sts:GetFederationToken"], "*");
        let key = app.user(name, &cam(&json!([issue]))).await;
        for number in 0..dice.throw(3) {
            let statements: Vec<Value> = (0..=dice.throw(2)).map(|_| statement(dice, 3)).collect();
            let target = Target::User(name.to_owned());
            app.grant(
                &format!("{name}-{number}"),
                &cam(&json!(statements)),
                target,
            )
            .await;
        }
        let narrow: Vec<Value> = (0..=dice.throw(2)).map(|_| statement(dice, 2)).collect();
        let issue = allow("tcr:CreateInstanceToken", "*");
        let session_policy = cam(&json!([narrow, vec![issue]].concat()));
        let plain = temporary(app, &key).await;
        let body = json!({ "Name": name, "Policy": session_policy.to_string() });
        let federated = app.tencent_sts("GetFederationToken", &body).by(&key);
        let session = Session::of_tencent(&federated.send().await);
        let narrowed = temporary(app, &session.key()).await;
        Self {
            name: name.to_owned(),
            key,
            session_policy,
            plain,
            narrowed,
        }
    }

    /// Explains one question about the person.
    async fn explained(
        &self,
        app: &App,
        is_narrowed: bool,
        (path, action): (&str, &str),
        address: &str,
    ) -> Explained {
        let question = Question {
            address: Some(address.parse().unwrap()),
            session_policy: is_narrowed.then(|| self.session_policy.to_string()),
            ..Question::new(action.parse().unwrap(), app.choice(), path)
        };
        let principal = format!("{ACCOUNT}:user/{}", self.name).parse().unwrap();
        app.service
            .rights
            .explain(&app.operator(), &principal, &question)
            .await
            .unwrap()
    }

    /// Returns all that the service grants the person.
    async fn granted(
        &self,
        app: &App,
        is_narrowed: bool,
        address: &str,
    ) -> BTreeSet<(String, String)> {
        app.wait(Duration::from_secs(2));
        let held = if is_narrowed {
            &self.narrowed
        } else {
            &self.plain
        };
        let mut query = format!("service={SERVICE}");
        for path in PATHS {
            query.push_str(&format!("&scope=repository:{path}:{}", ACTIONS.join(",")));
        }
        let answer = app
            .registry_from(address, Some((&held.0, held.1.expose())), &query)
            .await;
        if answer.status != 200 {
            assert!(
                matches!(answer.status.as_u16(), 401 | 403),
                "{}",
                answer.body
            );
            return BTreeSet::new();
        }
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap());
        let claims: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let access = claims["access"].as_array().cloned().unwrap_or_default();
        let of_one = |one: &Value| {
            let name = text(&one["name"]);
            let actions = one["actions"].as_array().unwrap().iter().map(text);
            actions
                .map(|action| (name.clone(), action))
                .collect::<Vec<_>>()
        };
        access.iter().flat_map(of_one).collect()
    }
}

async fn obey_an_allow_list(app: &App) {
    let entry = AllowEntry {
        cidr: "192.0.2.0/24".parse().unwrap(),
        written: "192.0.2.0/24".to_owned(),
        comment: String::new(),
    };
    app.service
        .registry
        .add_to_allow_list(&app.operator(), &app.choice(), &[entry])
        .await
        .unwrap();
}

async fn close(app: &App) {
    app.service
        .registry
        .set_unrecorded_namespaces(&app.operator(), &app.choice(), UnrecordedNamespaces::Closed)
        .await
        .unwrap();
}

async fn set_state(app: &App, name: &str, state: UserState) {
    app.service
        .identity
        .set_user_state(&app.operator(), account(), name, state)
        .await
        .unwrap();
}

/// Compares the explanation of every question with what the service grants; counts the steps that
/// decide.
async fn compare(
    app: &App,
    people: &[Person],
    decided: &mut BTreeMap<(bool, &'static str), usize>,
) -> usize {
    let mut asked = 0;
    for (number, person) in people.iter().enumerate() {
        for is_narrowed in [false, true] {
            for network in ["192.0.2", "198.51.100"] {
                let address = format!("{network}.{}", number + 1);
                let granted = person.granted(app, is_narrowed, &address).await;
                for (path, action) in PATHS
                    .iter()
                    .flat_map(|path| ACTIONS.map(|action| (*path, action)))
                {
                    let explained = person
                        .explained(app, is_narrowed, (path, action), &address)
                        .await;
                    assert_eq!(
                        explained.allowed,
                        granted.contains(&(path.to_owned(), action.to_owned())),
                        "{} {is_narrowed} {address} {action} {path}: {explained:#?}",
                        person.name
                    );
                    let step = explained.deciding().unwrap();
                    assert_eq!(step.passes, explained.allowed, "{explained:#?}");
                    *decided.entry((explained.allowed, step.about)).or_default() += 1;
                    asked += 1;
                }
            }
        }
    }
    asked
}

#[tokio::test]
async fn in_random_worlds_it_decides_as_the_service_does() {
    let app = world().await;
    let mut dice = Dice(1);
    let mut people = Vec::new();
    for number in 0..14 {
        people.push(Person::new(&app, &format!("user{number}"), &mut dice).await);
    }
    let mut decided = BTreeMap::new();
    let mut asked = compare(&app, &people, &mut decided).await;
    close(&app).await;
    set_state(&app, "user0", UserState::Disabled).await;
    asked += compare(&app, &people, &mut decided).await;
    obey_an_allow_list(&app).await;
    asked += compare(&app, &people, &mut decided).await;
    assert!(asked > 3000, "{asked}");
    let expected = [
        (false, "address"),
        (false, "name"),
        (false, "policies"),
        (false, "principal"),
        (false, "records"),
        (false, "session-policy"),
        (true, "policies"),
        (true, "public"),
    ];
    assert_eq!(
        decided.keys().copied().collect::<Vec<_>>(),
        expected,
        "{decided:?}"
    );
}

/// A question that is asked again and again, while the step that denies it is mended.
struct Mended<'a> {
    app: &'a App,
    person: Person,
    is_narrowed: bool,
    path: &'static str,
    action: &'static str,
    address: String,
}

impl Mended<'_> {
    /// Changes that alone which a step names.
    async fn mend(&mut self, step: &str) {
        let (app, name) = (self.app, self.person.name.clone());
        match step {
            "address" => self.address = self.address.replace("198.51.100", "192.0.2"),
            "principal" => {
                set_state(app, &name, UserState::Active).await;
                // All that was temporary stays stopped.
                self.person.plain = temporary(app, &self.person.key).await;
                self.is_narrowed = false;
            }
            "name" => self.path = "team/app",
            "policies" => {
                for number in 0..3 {
                    let target = Target::User(name.clone());
                    let policy = format!("{name}-{number}");
                    app.service
                        .identity
                        .set_attached(&app.operator(), account(), &policy, &target, Attached::No)
                        .await
                        .ok();
                }
                let all = cam(&json!([allow("tcr:*", "*")]));
                app.grant(&format!("{name}-all"), &all, Target::User(name))
                    .await;
            }
            "session-policy" => self.is_narrowed = false,
            "records" => {
                let (namespace, rest) = self.path.split_once('/').unwrap();
                if namespace == "closed" {
                    app.make_repository(namespace, rest, None).await;
                } else {
                    app.record_namespace(namespace, Visibility::Private, Switch::On)
                        .await;
                }
            }
            other => panic!("nothing mends {other}"),
        }
    }
}

#[tokio::test]
async fn what_decides_a_denial_is_what_has_to_be_changed() {
    let app = world().await;
    close(&app).await;
    obey_an_allow_list(&app).await;
    let (mut dice, mut mended) = (Dice(7), BTreeSet::new());
    for number in 0..40 {
        let person = Person::new(&app, &format!("user{number}"), &mut dice).await;
        if dice.in_ten(3) {
            set_state(&app, &person.name, UserState::Disabled).await;
        }
        let network = *dice.one(&["192.0.2", "198.51.100"]);
        let is_narrowed = dice.in_ten(5);
        let (path, action) = (*dice.one(&PATHS), *dice.one(&ACTIONS));
        let mut question = Mended {
            app: &app,
            person,
            is_narrowed,
            path,
            action,
            address: format!("{network}.{}", number + 1),
        };
        let mut before = BTreeSet::new();
        loop {
            let asked = (question.path, question.action);
            let explained = question
                .person
                .explained(&app, question.is_narrowed, asked, &question.address)
                .await;
            let granted = question
                .person
                .granted(&app, question.is_narrowed, &question.address)
                .await;
            assert_eq!(
                explained.allowed,
                granted.contains(&(asked.0.to_owned(), asked.1.to_owned())),
                "{number}: {explained:#?}"
            );
            if explained.allowed {
                break;
            }
            let step = explained.deciding().unwrap().about;
            assert!(
                before.insert(step),
                "{number}: it stays at {step}: {explained:#?}"
            );
            question.mend(step).await;
            mended.insert(step);
        }
    }
    assert_eq!(mended.len(), 6, "{mended:?}");
}
