//! Files that say what there is: what they say is made, and what is there is written as such a
//! file.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use transire::domain::clock::{Clock, Random, SystemClock, SystemRandom};
use transire::domain::ids::AccountId;
use transire::domain::{ErrorKind, Noun, Result};
use transire::service::{MasterKeys, Service};
use transire::state::{self, Action, Report, State};
use transire::store::{Location, Open, Store};
use transire::token::MasterKey;

use crate::harness::dice::Dice;
use crate::harness::operator::operator_call;
use crate::harness::postgres::Database;
use crate::harness::{ACCOUNT, App, Options};

/// A service over an empty store.
async fn empty(location: &Location) -> Service {
    let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) =
        (Arc::new(SystemClock), Arc::new(SystemRandom));
    let store = Store::open(location, Open::Serve, &*clock, &*random)
        .await
        .unwrap();
    let master = MasterKeys::from(MasterKey::generate(&*random));
    Service::open(store, master, Options::usual().service, clock, random)
        .await
        .unwrap()
}

fn parse(text: &str) -> Result<State> {
    State::parse("file", "state.toml", text.to_owned())
}

async fn applied(service: &Service, text: &str, options: &state::Options) -> Result<Report> {
    let call = operator_call(service);
    state::apply(service, &call, &parse(text)?, options).await
}

/// Applies a file, all of whose steps succeed; returns them as `action noun name`.
async fn apply(service: &Service, text: &str, options: &state::Options) -> Vec<String> {
    let report = applied(service, text, options).await.unwrap();
    assert!(report.failure.is_none(), "{report:?}\n{text}");
    assert_eq!(report.made, report.steps.len());
    lines(&report)
}

fn lines(report: &Report) -> Vec<String> {
    let line = |step: &state::Step| {
        let action = match step.action {
            Action::Create => "create",
            Action::Update => "update",
            Action::Attach => "attach",
            Action::Detach => "detach",
            Action::Delete => "delete",
        };
        let target = step.target.as_deref();
        let target = target.map_or_else(String::new, |target| format!(" {target}"));
        format!("{action} {} {}{target}", step.noun, step.name)
    };
    report.steps.iter().map(line).collect()
}

async fn dry(service: &Service, text: &str, options: &state::Options) -> Vec<String> {
    let options = state::Options {
        dry_run: true,
        ..options.clone()
    };
    let report = applied(service, text, &options).await.unwrap();
    assert_eq!(report.made, 0);
    lines(&report)
}

async fn export(service: &Service) -> String {
    let call = operator_call(service);
    state::export(service, &call, None).await.unwrap()
}

fn usual() -> state::Options {
    state::Options::default()
}

fn pruning() -> state::Options {
    state::Options {
        prune: true,
        prune_instances: true,
        ..usual()
    }
}

/// The refusal of a file: the kind is that of an argument, and the message names the place.
async fn refusal(service: &Service, text: &str, options: &state::Options) -> String {
    let error = applied(service, text, options).await.unwrap_err();
    let expected = ErrorKind::InvalidParameter {
        name: "file".to_owned(),
    };
    assert_eq!(error.kind(), &expected, "{error}");
    error.message().to_owned()
}

const POLICY: &str = r#"{"version": "2.0", "statement": [
  {"effect": "allow", "action": "tcr:PullRepository", "resource": "*"}]}"#;
const TRUST: &str = r#"{"version": "2.0", "statement": [{
  "effect": "allow", "action": "sts:AssumeRole",
  "principal": {"qcs": "qcs::cam::uin/100000000001:root"}}]}"#;

/// Writes a state by chance. A field that is settled when a thing is made depends on its name
/// alone, so that one state can follow another.
struct Chance {
    dice: Dice,
    text: String,
}

impl Chance {
    fn state(seed: u64) -> String {
        let mut chance = Self {
            dice: Dice(seed),
            text: String::new(),
        };
        for number in 1..=3 {
            if chance.dice.in_ten(8) {
                chance.account(number);
            }
        }
        chance.text
    }

    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").unwrap();
    }

    fn switch(&mut self, field: &str) {
        if self.dice.in_ten(7) {
            let value = self.dice.in_ten(5);
            self.line(&format!("{field} = {value}"));
        }
    }

    /// Picks some names in any order.
    fn some(&mut self, names: &[String]) -> Vec<String> {
        let mut picked: Vec<String> = names
            .iter()
            .filter(|_| self.dice.in_ten(5))
            .cloned()
            .collect();
        if !picked.is_empty() {
            let by = self.dice.throw(picked.len());
            picked.rotate_left(by);
        }
        picked
    }

    fn names(&mut self, field: &str, of: &[String]) {
        if self.dice.in_ten(8) {
            let picked = self.some(of);
            self.line(&format!("{field} = {picked:?}"));
        }
    }

    fn account(&mut self, number: usize) {
        self.line(&format!("[[accounts]]\nid = '10000000000{number}'"));
        self.line(&format!("name = 'account-{number}'"));
        if self.dice.in_ten(5) {
            let grant = *self.dice.one(&["own-rights", "vendor", "default"]);
            self.line(&format!("service_account_grant = '{grant}'"));
        }
        let all = |kind: &str| (0..4).map(|one| format!("{kind}{one}")).collect::<Vec<_>>();
        let policies = self.some(&all("policy-"));
        for name in &policies {
            let document = match self.dice.throw(3) {
                0 => POLICY.to_owned(),
                1 => POLICY.replace('\n', ""),
                _ => POLICY.replace("\n", "\n\t\n"),
            };
            self.line(&format!("[[accounts.policies]]\nname = '{name}'"));
            self.line(&format!("document = '''{document}'''"));
        }
        let mut attachable = policies;
        attachable.push("QcloudTCRFullAccess".to_owned());
        attachable.push("AdministratorAccess".to_owned());
        let users = self.some(&all("user-"));
        for name in &users {
            self.line(&format!("[[accounts.users]]\nname = '{name}'"));
            self.switch("disabled");
            self.names("policies", &attachable);
        }
        for name in self.some(&all("group-")) {
            self.line(&format!("[[accounts.groups]]\nname = '{name}'"));
            self.names("members", &users);
            self.names("policies", &attachable);
        }
        for name in self.some(&all("issuer-")) {
            self.line(&format!("[[accounts.oidc_providers]]\nname = '{name}'"));
            self.line(&format!("issuer = 'https://{name}.example.com'"));
            let audiences = self.some(&["a".to_owned(), "b".to_owned()]);
            let audiences = if audiences.is_empty() {
                vec!["sts.example.com".to_owned()]
            } else {
                audiences
            };
            self.line(&format!("audiences = {audiences:?}"));
            self.names("algorithms", &["RS256".to_owned(), "ES256".to_owned()]);
        }
        for name in self.some(&all("role-")) {
            self.line(&format!("[[accounts.roles]]\nname = '{name}'"));
            self.line(&format!("trust_policy = '''{TRUST}'''"));
            if self.dice.in_ten(5) {
                let seconds = 3600 + self.dice.throw(3) * 600;
                self.line(&format!("max_session_seconds = {seconds}"));
            }
            self.names("policies", &attachable);
        }
        for place in 0..4 {
            if self.dice.in_ten(5) {
                self.instance(number, place);
            }
        }
    }

    fn instance(&mut self, account: usize, place: usize) {
        self.line(&format!(
            "[[accounts.instances]]\nname = 'instance-{place}'"
        ));
        self.line(&format!("service = 'i{place}.a{account}.example.com'"));
        let kind = ["distribution", "zot", "distribution", "pulp"][place];
        self.line(&format!("kind = '{kind}'\ndefault = {}", place == 0));
        if place == 2 {
            self.line("region = 'ap-shanghai'\nalgorithm = 'RS256'\nkid_format = 'libtrust'");
            self.line(&format!("tcr_id = 'tcr-account{account}'"));
            self.line(&format!("cri_id = 'cri-account{account}account{account}'"));
            self.line("issuer = 'https://own.example.com'\ntoken_ttl_seconds = 600");
        }
        if self.dice.in_ten(5) {
            let url = *self.dice.one(&["", "https://registry.example.com"]);
            self.line(&format!("registry_url = '{url}'"));
            let host = *self
                .dice
                .one(&["", "100000000001.dkr.ecr.us-east-1.example.com"]);
            self.line(&format!("ecr_host = '{host}'"));
        }
        if self.dice.in_ten(5) {
            let specification = *self.dice.one(&["basic", "standard", "premium"]);
            self.line(&format!("specification = '{specification}'"));
            let unrecorded = *self.dice.one(&["open", "closed"]);
            self.line(&format!("unrecorded_namespaces = '{unrecorded}'"));
        }
        for field in [
            "deletion_protection",
            "public_endpoint",
            "refresh_tokens",
            "token_log_in",
        ] {
            self.switch(field);
        }
        self.tags();
        if self.dice.in_ten(6) {
            self.line("[accounts.instances.allow_list]");
            self.switch("enabled");
            if self.dice.in_ten(8) {
                let ranges = [
                    "192.0.2.1",
                    "192.0.2.0/24",
                    "2001:DB8::/32",
                    "198.51.100.0/25",
                ];
                let ranges = self.some(&ranges.map(str::to_owned));
                let entries: Vec<String> = ranges
                    .iter()
                    .map(|range| {
                        let comment = *self.dice.one(&["", "the office", "\\u00e4 \\\"b\\\""]);
                        format!("{{ cidr = '{range}', comment = \"{comment}\" }}")
                    })
                    .collect();
                self.line(&format!("entries = [{}]", entries.join(", ")));
            }
        }
        for name in ["team", "open.source", "a-b"] {
            if self.dice.in_ten(5) {
                self.namespace(name);
            }
        }
    }

    fn tags(&mut self) {
        if self.dice.in_ten(5) {
            let value = *self.dice.one(&["", "platform", "\\u00e4"]);
            let tags = *self
                .dice
                .one(&["", "team = \"VALUE\"", "a = 'b', team = \"VALUE\""]);
            self.line(&format!("tags = {{ {} }}", tags.replace("VALUE", value)));
        }
    }

    fn namespace(&mut self, name: &str) {
        self.line(&format!(
            "[[accounts.instances.namespaces]]\nname = '{name}'"
        ));
        for field in [
            "public",
            "auto_create_repository",
            "default_public",
            "default_tag_immutability",
            "auto_scan",
            "prevent_vulnerable",
        ] {
            self.switch(field);
        }
        if self.dice.in_ten(5) {
            let severity = *self.dice.one(&["", "low", "medium", "high"]);
            self.line(&format!("severity = '{severity}'"));
            let cves = *self.dice.one(&["", "'CVE-2021-44228', 'CVE-2014-0160'"]);
            self.line(&format!("allowed_cves = [{cves}]"));
        }
        self.tags();
    }
}

/// Goes from nothing by one state to another, and copies each.
async fn goes_through(seed: u64, first: &Location, second: &Location) {
    let (one, other) = (Chance::state(seed), Chance::state(seed + 1_000_000));
    let service = empty(first).await;
    apply(&service, &one, &usual()).await;
    let none = Vec::<String>::new();
    assert_eq!(
        dry(&service, &one, &usual()).await,
        none,
        "seed {seed}\n{one}"
    );
    apply(&service, &other, &pruning()).await;
    let left = dry(&service, &other, &pruning()).await;
    assert_eq!(left, none, "seed {seed}\n{one}\n# and then\n{other}");
    let written = export(&service).await;
    let left = dry(&service, &written, &pruning()).await;
    assert_eq!(left, none, "seed {seed}\n{written}");
    let copy = empty(second).await;
    apply(&copy, &written, &usual()).await;
    assert_eq!(export(&copy).await, written, "seed {seed}");
    service.ledger.close().await;
    copy.ledger.close().await;
}

fn cases(usual: u64) -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the length of the tests is no setting of the service"
    )]
    let is_long = std::env::var("TRANSIRE_TEST_LONG").is_ok();
    if is_long { usual * 20 } else { usual }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_state_is_reached_once_and_is_written_as_a_file_that_makes_it_again_on_sqlite() {
    for seed in 0..cases(12) {
        goes_through(seed, &Location::Memory, &Location::Memory).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_state_is_reached_once_and_is_written_as_a_file_that_makes_it_again_on_postgresql() {
    for seed in 0..cases(2) {
        let Some(first) = Database::new().await else {
            return;
        };
        let second = Database::new().await.unwrap();
        goes_through(seed, &first.location(), &second.location()).await;
        first.remove().await;
        second.remove().await;
    }
}

#[tokio::test]
async fn steps_come_in_the_order_of_need_and_deletions_last_in_reverse() {
    let service = empty(&Location::Memory).await;
    let account = format!("[[accounts]]\nid = '{ACCOUNT}'\n");
    let whole = format!(
        "{account}[[accounts.instances]]\nname = 'i'\nservice = 'i.example.com'\n\
         [[accounts.instances.namespaces]]\nname = 'team'\n\
         [[accounts.roles]]\nname = 'r'\ntrust_policy = '''{TRUST}'''\npolicies = ['p']\n\
         [[accounts.groups]]\nname = 'g'\nmembers = ['u']\npolicies = ['p']\n\
         [[accounts.users]]\nname = 'u'\npolicies = ['p']\n\
         [[accounts.policies]]\nname = 'p'\ndocument = '''{POLICY}'''\n"
    );
    let made = [
        "create account 100000000001",
        "create policy p",
        "create user u",
        "create group g",
        "attach user u group g",
        "attach policy p user u",
        "attach policy p group g",
        "create role r",
        "attach policy p role r",
        "create instance i",
        "create namespace i/team",
    ];
    assert_eq!(dry(&service, &whole, &usual()).await, made);
    assert_eq!(apply(&service, &whole, &usual()).await, made);
    // An object that the file doesn't name stays.
    assert_eq!(
        dry(&service, &account, &usual()).await,
        Vec::<String>::new()
    );
    let names_instance =
        format!("{account}[[accounts.instances]]\nname = 'i'\nservice = 'i.example.com'\n");
    let gone = [
        "delete namespace i/team",
        "delete role r",
        "delete group g",
        "delete user u",
        "delete policy p",
    ];
    let prune = state::Options {
        prune: true,
        ..usual()
    };
    assert_eq!(apply(&service, &names_instance, &prune).await, gone);
    // An instance goes only where that is said, too.
    let report = applied(&service, &account, &prune).await.unwrap();
    assert_eq!(lines(&report), Vec::<String>::new());
    assert_eq!(report.kept.len(), 1, "{report:?}");
    assert!(
        report.kept[0].contains("--prune-instances: i"),
        "{report:?}"
    );
    let all = ["delete instance i"];
    assert_eq!(apply(&service, &account, &pruning()).await, all);
}

#[tokio::test]
async fn pruning_touches_no_account_that_the_file_does_not_name_and_no_secret_of_a_root() {
    let app = App::new().await;
    let text = format!("[[accounts]]\nid = '{ACCOUNT}'\n");
    let (call, identity) = (app.operator(), &app.service.identity);
    let before = identity.access_keys(&call, None).await.unwrap();
    let gone = ["delete instance demo", "delete instance other"];
    assert_eq!(apply(&app.service, &text, &pruning()).await, gone);
    let after = identity.access_keys(&call, None).await.unwrap();
    assert_eq!(after, before);
    let instances = app.service.registry.instances(&call).await;
    let left: Vec<AccountId> = instances.unwrap().iter().map(|one| one.account).collect();
    assert_eq!(left, [app.foreign_instance.account]);
}

#[tokio::test]
async fn an_instance_with_contents_and_a_namespace_with_repositories_are_kept() {
    let app = App::new().await;
    let text = format!(
        "[[accounts]]\nid = '{ACCOUNT}'\n\
         [[accounts.instances]]\nname = 'demo'\nservice = 'registry.example.com'\n\
         [[accounts.instances.namespaces]]\nname = 'team'\n\
         [[accounts.instances]]\nname = 'other'\nservice = 'other.example.com'\n\
         [[accounts.instances.namespaces]]\nname = 'team'\n"
    );
    apply(&app.service, &text, &usual()).await;
    app.make_repository("team", "app", None).await;
    let without = format!(
        "[[accounts]]\nid = '{ACCOUNT}'\n\
         [[accounts.instances]]\nname = 'demo'\nservice = 'registry.example.com'\n"
    );
    let report = applied(&app.service, &without, &pruning()).await.unwrap();
    assert_eq!(lines(&report), Vec::<String>::new());
    let [namespaces, instances] = &report.kept[..] else {
        panic!("{report:?}");
    };
    assert!(
        namespaces.ends_with("repositories stay: demo/team"),
        "{namespaces}"
    );
    assert!(instances.ends_with(": other"), "{instances}");
}

#[tokio::test]
async fn a_file_that_cannot_be_taken_is_refused_before_any_step_with_its_line() {
    let app = App::new().await;
    let account = format!("[[accounts]]\nid = '{ACCOUNT}'\n");
    for (text, line, about) in [
        (
            "[[accounts]]\nid = '1'\nnmae = 'a'\n",
            3,
            "the nearest is `name`",
        ),
        (
            "[[accounts]]\nid = '1'\n[[accounts]]\nid = '1'\n",
            4,
            "comes twice",
        ),
        (&format!("{account}name = 'another'\n"), 3, "is called acme"),
        (
            &format!("{account}[[accounts.users]]\nname = 'a'\npolicies = ['QcloudTCR']\n"),
            5,
            "there is no policy QcloudTCR",
        ),
        (
            &format!(
                "{account}[[accounts.users]]\nname = 'alice'\n\
                 [[accounts.groups]]\nname = 'g'\nmembers = ['alicia']\n"
            ),
            7,
            "there is no user alicia; the nearest is alice",
        ),
        (
            &format!("{account}[[accounts.access_keys]]\nid = 'a'\nsecret = 'b'\n"),
            4,
            "secrets don't belong",
        ),
        (
            &format!("{account}[[accounts.users]]\nname = 'a'\n[[accounts.users]]\nname = 'a'\n"),
            6,
            "user: a comes twice",
        ),
        (
            &format!(
                "{account}[[accounts.instances]]\nname = 'demo'\n\
                 service = 'registry.example.com'\nregion = 'ap-shanghai'\n"
            ),
            4,
            "its region is \"ap-guangzhou\"",
        ),
        (
            &format!(
                "{account}[[accounts.instances]]\nname = 'new'\nservice = 'other.example.com'\n"
            ),
            4,
            "belongs to the instance other",
        ),
        (
            &format!(
                "{account}[[accounts.instances]]\nname = 'demo'\n\
                 service = 'registry.example.com'\nspecification = 'huge'\n"
            ),
            6,
            "basic, standard or premium",
        ),
        (
            &format!(
                "{account}[[accounts.instances]]\nname = 'demo'\n\
                 service = 'registry.example.com'\n\
                 allow_list = {{ entries = [{{ cidr = '192.0.2.0/33' }}] }}\n"
            ),
            6,
            "192.0.2.0/24",
        ),
    ] {
        let said = refusal(&app.service, text, &usual()).await;
        let place = format!("state.toml:{line}: ");
        assert!(
            said.starts_with(&place) && said.contains(about),
            "{text}: {said}"
        );
    }
    assert_eq!(
        dry(&app.service, &account, &usual()).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_failure_says_which_steps_were_made_and_a_later_call_goes_on() {
    let app = App::new().await;
    // The service once belonged to an instance, which no plan can see.
    let old = format!("[[accounts]]\nid = '{ACCOUNT}'\n");
    apply(&app.service, &old, &pruning()).await;
    let text = |service: &str| {
        format!(
            "{old}[[accounts.users]]\nname = 'alice'\n\
             [[accounts.instances]]\nname = 'new'\nservice = '{service}'\n\
             [[accounts.instances.namespaces]]\nname = 'team'\n"
        )
    };
    let taken = text("other.example.com");
    let report = applied(&app.service, &taken, &usual()).await.unwrap();
    assert_eq!((report.made, report.steps.len()), (1, 3));
    let error = report.error.unwrap();
    let noun = Noun::Instance;
    assert_eq!(error.kind(), &ErrorKind::AlreadyExists { noun });
    assert!(
        error.message().starts_with("state.toml:6: instance: "),
        "{error}"
    );
    let rest = ["create instance new", "create namespace new/team"];
    assert_eq!(
        apply(&app.service, &text("new.example.com"), &usual()).await,
        rest
    );
}

#[tokio::test]
async fn only_the_steps_that_were_shown_are_made() {
    let app = App::new().await;
    let text = |name: &str| {
        format!("[[accounts]]\nid = '{ACCOUNT}'\n[[accounts.users]]\nname = '{name}'\n")
    };
    let look = state::Options {
        dry_run: true,
        ..usual()
    };
    let shown = applied(&app.service, &text("alice"), &look).await.unwrap();
    let only = state::Options {
        fingerprint: Some(shown.fingerprint),
        ..usual()
    };
    let error = applied(&app.service, &text("bob"), &only)
        .await
        .unwrap_err();
    let noun = Noun::Account;
    assert_eq!(error.kind(), &ErrorKind::PreconditionFailed { noun });
    assert_eq!(
        apply(&app.service, &text("alice"), &only).await,
        ["create user alice"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_instances_are_planned_in_seconds() {
    let service = empty(&Location::Memory).await;
    let mut text = format!("[[accounts]]\nid = '{ACCOUNT}'\n");
    for number in 0..10_000 {
        writeln!(
            text,
            "[[accounts.instances]]\nname = 'i{number}'\nservice = 'i{number}.example.com'\n\
             [accounts.instances.allow_list]\nentries = [{{ cidr = '192.0.2.0/24' }}]\n\
             [[accounts.instances.namespaces]]\nname = 'team'"
        )
        .unwrap();
    }
    let begun = Instant::now();
    assert_eq!(dry(&service, &text, &usual()).await.len(), 20_001);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}
