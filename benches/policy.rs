//! How long a decision takes: over a thousand statements by their index, beside the plain loop and
//! the tests' slow reference; and over a few, as most holders have them.
//!
//! `cargo bench --bench policy` prints a row for each shape of documents, with its goal. The last
//! line names the rows that missed theirs.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark says what is wrong by panicking"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;
use transire::domain::ids::{AccountId, CriId, InstanceId};

use serde_json::{Value, json};
use transire::policy::{
    Context, Document, InstanceRef, Limits, NamedDocument, Outcome, Permission, PolicySet, Request,
    Resource, decide,
};

#[path = "../tests/it/policies/reference.rs"]
mod reference;

const OWNER: i64 = 100_000_000_001;
const REGION: &str = "ap-guangzhou";
const INSTANCES: [(&str, &str, &str); 1] = [("demo", "tcr-abcd1234", "cri-abcdefgh12345678")];

/// How many statements a document has: about as many as fit into one by its limit.
const IN_ONE: usize = 25;
const STATEMENTS: usize = 1000;
/// The longest that a decision over so many may take, in microseconds.
const GOAL: f64 = 5.0;
/// The numbers of statements that most holders have.
const FEW: [usize; 4] = [1, 3, 10, 25];

/// Makes the statement of a number.
type Statement = Box<dyn Fn(usize) -> Value>;

fn main() {
    let shapes = shapes();
    println!(
        "{STATEMENTS} statements in {} documents, pull from one repository; us a decision",
        STATEMENTS / IN_ONE
    );
    println!(
        "{:40} {:>8} {:>8} {:>10}  goal {GOAL}",
        "", "index", "loop", "reference"
    );
    let mut missed = Vec::new();
    for (name, statement, outcome) in &shapes {
        let asked = Asked::new(STATEMENTS, statement);
        let [index, plain] = asked.measure(*outcome, 200);
        let reference = asked.measure_reference();
        let verdict = if index <= GOAL { "reached" } else { "missed" };
        println!("{name:40} {index:8.2} {plain:8.2} {reference:10.1}  {verdict}");
        if index > GOAL {
            missed.push(*name);
        }
    }
    println!("\nA few statements; ns a decision, by the holder's set and by the loop");
    for (name, statement, outcome) in &shapes {
        print!("{name:40}");
        for count in FEW {
            let [set, plain] = Asked::new(count, statement).measure(*outcome, 5000);
            print!("   {count:2}: {:5.0} {:5.0}", set * 1e3, plain * 1e3);
        }
        println!();
    }
    match missed.as_slice() {
        [] => println!("\nall {} reached", shapes.len()),
        missed => println!("\nmissed: {}", missed.join(", ")),
    }
}

fn shapes() -> [(&'static str, Statement, Outcome); 6] {
    let address = json!({"ip_equal": {"qcs:ip": ["192.0.2.0/24", "198.51.100.0/24"]}});
    [
        (
            "CAM, each another namespace, none fits",
            Box::new(|n| cam(n, &format!("ns-{n}/*"))),
            Outcome::DeniedImplicitly,
        ),
        (
            "RAM, each another namespace, none fits",
            Box::new(|n| ram(n, &format!("ns-{n}/*"))),
            Outcome::DeniedImplicitly,
        ),
        (
            "CAM, wildcards within, none fits",
            Box::new(|n| cam(n, &format!("t*m/a*-{n}/*"))),
            Outcome::DeniedImplicitly,
        ),
        (
            "RAM, wildcards within, none fits",
            Box::new(|n| ram(n, &format!("t?*m/a*-{n}"))),
            Outcome::DeniedImplicitly,
        ),
        (
            "CAM, all fit but for the address",
            Box::new(move |n| {
                let mut document = cam(n, "team/*");
                document["condition"] = address.clone();
                document
            }),
            Outcome::DeniedImplicitly,
        ),
        (
            "RAM, denials to the last, allowed",
            Box::new(deny_but_one),
            Outcome::Allowed,
        ),
    ]
}

fn cam(_: usize, path: &str) -> Value {
    let resource = format!("qcs::tcr:{REGION}:uin/{OWNER}:repository/tcr-abcd1234/{path}");
    let actions = ["tcr:PullRepository", "tcr:PushRepository"];
    json!({"effect": "allow", "action": actions, "resource": resource})
}

fn ram(_: usize, path: &str) -> Value {
    let resource = format!("acs:cr:*:{OWNER}:repository/cri-abcdefgh12345678/{path}");
    let actions = ["cr:PullRepository", "cr:PushRepository"];
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

fn deny_but_one(number: usize) -> Value {
    let mut statement = ram(
        number,
        &if number == 0 {
            "*".to_owned()
        } else {
            format!("secret-{number}/*")
        },
    );
    if number > 0 {
        statement["Effect"] = json!("Deny");
    }
    statement
}

/// A holder's documents, and all that a request about them needs.
struct Asked {
    values: Vec<Value>,
    documents: Vec<Document>,
    set: PolicySet,
    id: InstanceId,
    cri_id: CriId,
}

impl Asked {
    fn new(count: usize, statement: &Statement) -> Self {
        let statements: Vec<Value> = (0..count).map(statement).collect();
        let values: Vec<Value> = statements
            .chunks(IN_ONE)
            .map(|chunk| match chunk[0].get("Effect") {
                Some(_) => json!({"Version": "1", "Statement": chunk}),
                None => json!({"version": "2.0", "statement": chunk}),
            })
            .collect();
        let documents: Vec<Document> = values.iter().map(compile).collect();
        let named = documents
            .iter()
            .map(|one| ("bench".to_owned(), one.clone()));
        let (_, id, cri_id) = INSTANCES[0];
        Self {
            set: PolicySet::new(owner(), named.collect()),
            values,
            documents,
            id: id.parse().unwrap(),
            cri_id: cri_id.parse().unwrap(),
        }
    }

    /// Returns the times of a decision by the set and by the loop, in microseconds.
    fn measure(&self, outcome: Outcome, calls: u32) -> [f64; 2] {
        let named: Vec<NamedDocument<'_>> = self
            .documents
            .iter()
            .map(|document| NamedDocument {
                name: "bench",
                owner: owner(),
                document,
            })
            .collect();
        let instance = InstanceRef {
            account: owner(),
            region: REGION,
            id: &self.id,
            cri_id: &self.cri_id,
        };
        let request = Request {
            permission: Permission::Pull,
            resource: Resource::Repository {
                instance,
                path: "team/app",
            },
            context: Context {
                source_ip: Some(address()),
                ..Context::default()
            },
        };
        assert_eq!(decide(&self.set, &request).outcome, outcome);
        assert_eq!(decide(&named, &request), decide(&self.set, &request));
        let mut set = || {
            black_box(decide(black_box(&self.set), black_box(&request)));
        };
        let mut plain = || {
            black_box(decide(black_box(&named), black_box(&request)));
        };
        medians(calls, 31, [&mut set, &mut plain])
    }

    /// Returns the time of a decision by the reference, in microseconds.
    fn measure_reference(&self) -> f64 {
        let plain = plain(address());
        let [time] = medians(
            1,
            5,
            [&mut || {
                black_box(reference::decide(
                    black_box(&self.values),
                    black_box(&plain),
                ));
            }],
        );
        time
    }
}

fn owner() -> AccountId {
    AccountId::new(OWNER).unwrap()
}

fn address() -> IpAddr {
    "10.1.2.3".parse().unwrap()
}

/// Compiles a document, however long it is.
fn compile(value: &Value) -> Document {
    let limits = Limits {
        cam: 100_000,
        ram: 100_000,
        iam: 1 << 30,
        may_be_indented: false,
    };
    Document::parse(&value.to_string(), limits)
        .unwrap()
        .document
}

/// The request as the reference has it.
fn plain(address: IpAddr) -> reference::Plain {
    reference::Plain {
        permission: "pull",
        instance: 0,
        path: "team/app".to_owned(),
        unix_seconds: 0,
        source_ip: Some(address),
        secure_transport: false,
        mfa_present: false,
        source_vpc: None,
        principal_arn: None,
        principal_id: None,
        owner: None,
        repository_tags: None,
        resource_tags: Vec::new(),
        request_tags: Vec::new(),
        user: None,
        claims: BTreeMap::new(),
        aws: None,
    }
}

/// Returns the median of `rounds` for each way, in microseconds a call. The ways take turns, so
/// that each meets the same noise.
fn medians<const WAYS: usize>(
    calls: u32,
    rounds: usize,
    mut ways: [&mut dyn FnMut(); WAYS],
) -> [f64; WAYS] {
    let mut times = [const { Vec::new() }; WAYS];
    for _ in 0..rounds {
        for (call, times) in ways.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (0..calls).for_each(|_| call());
            times.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[rounds / 2]
    })
}
