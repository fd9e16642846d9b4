//! How long a decision over a thousand statements takes, beside the tests' slow reference.
//!
//! `cargo bench --bench policy` prints a line for each shape of documents. The aim is under 20
//! microseconds.

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
    Context, Document, InstanceRef, Limits, NamedDocument, Outcome, Permission, Request, Resource,
    decide,
};

#[path = "../tests/it/policies/reference.rs"]
mod reference;

const OWNER: i64 = 100_000_000_001;
const REGION: &str = "ap-guangzhou";
const INSTANCES: [(&str, &str, &str); 1] = [("demo", "tcr-abcd1234", "cri-abcdefgh12345678")];

/// How many statements a document has: about as many as fit into one by its limit.
const IN_ONE: usize = 25;
const STATEMENTS: usize = 1000;
const AIM_MICROSECONDS: f64 = 20.0;

/// Makes the statement of a number.
type Statement = Box<dyn Fn(usize) -> Value>;

fn main() {
    let address = json!({"ip_equal": {"qcs:ip": ["192.0.2.0/24", "198.51.100.0/24"]}});
    let shapes: [(&str, Statement, Outcome); 6] = [
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
    ];
    println!(
        "{STATEMENTS} statements in {} documents, pull from one repository",
        STATEMENTS / IN_ONE
    );
    for (name, statement, outcome) in shapes {
        measure(name, &statement, outcome);
    }
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

fn measure(name: &str, statement: &dyn Fn(usize) -> Value, outcome: Outcome) {
    let statements: Vec<Value> = (0..STATEMENTS).map(statement).collect();
    let values: Vec<Value> = statements
        .chunks(IN_ONE)
        .map(|chunk| match chunk[0].get("Effect") {
            Some(_) => json!({"Version": "1", "Statement": chunk}),
            None => json!({"version": "2.0", "statement": chunk}),
        })
        .collect();
    let owner = AccountId::new(OWNER).unwrap();
    let documents: Vec<Document> = values.iter().map(compile).collect();
    let named: Vec<NamedDocument<'_>> = documents
        .iter()
        .map(|document| NamedDocument {
            name: "bench",
            owner,
            document,
        })
        .collect();

    let (_, id, cri_id) = INSTANCES[0];
    let (id, cri_id): (InstanceId, CriId) = (id.parse().unwrap(), cri_id.parse().unwrap());
    let instance = InstanceRef {
        account: owner,
        region: REGION,
        id: &id,
        cri_id: &cri_id,
    };
    let address = "10.1.2.3".parse().unwrap();
    let request = Request {
        permission: Permission::Pull,
        resource: Resource::Repository {
            instance,
            path: "team/app",
        },
        context: Context {
            source_ip: Some(address),
            ..Context::default()
        },
    };
    assert_eq!(decide(&named, &request).outcome, outcome, "{name}");
    let engine = fastest(200, 31, || {
        black_box(decide(black_box(&named), black_box(&request)));
    });

    let plain = plain(address);
    let slow = fastest(1, 5, || {
        black_box(reference::decide(black_box(&values), black_box(&plain)));
    });
    let verdict = if engine < AIM_MICROSECONDS {
        ""
    } else {
        "  OVER THE AIM"
    };
    println!(
        "{name:40} {engine:7.2} us   reference {slow:9.1} us   {:6.0} times{verdict}",
        slow / engine
    );
}

/// Compiles a document, however long it is.
fn compile(value: &Value) -> Document {
    let limits = Limits {
        cam: 100_000,
        ram: 100_000,
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
        resource_tags: Vec::new(),
        request_tags: Vec::new(),
        user: None,
        claims: BTreeMap::new(),
    }
}

/// Returns the fastest of `rounds`, in microseconds a call: what else the machine does can only
/// slow it down.
fn fastest(calls: u32, rounds: usize, mut call: impl FnMut()) -> f64 {
    let round = |_| {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        start.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
    };
    (0..rounds).map(round).fold(f64::INFINITY, f64::min)
}
