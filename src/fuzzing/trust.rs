//! Trust policies, and who may assume a role by them.

use serde_json::Value;

use crate::domain::claims::{Claim, Claims};
use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::fuzzing::seeds::policy_files;
use crate::policy::trust::{CheckedTrust, decide_trust};
use crate::policy::{Assumer, Context, Limits, Outcome, TrustPolicy, TrustedProvider};

pub(super) const WORDS: &[&str] = &[
    "\"Principal\":",
    "\"principal\":",
    "\"RAM\":",
    "\"qcs\":",
    "\"federated\":",
    "\"Federated\":",
    "acs:ram::100000000001:root",
    "acs:ram::100000000001:user/dev",
    "qcs::cam::uin/100000000001:",
    "oidc-provider/ci",
    "sts:AssumeRole",
    "\"oidc:aud\":",
    "\"oidc:sub\":",
    "\"oidc:iss\":",
    "*",
    "\"Deny\"",
    "\"deny\"",
    "StringEquals",
    "string_like",
    "for_any_value:",
    "_if_exist",
    "${",
];

/// Returns the trust policies of the integration tests.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let files = policy_files("trust").into_iter();
    files
        .map(|file| file["policy"].to_string().into_bytes())
        .collect()
}

fn read(text: &str) -> Option<CheckedTrust> {
    TrustPolicy::parse(
        text,
        Limits {
            cam: 65_536,
            ram: 65_536,
            iam: 65_536,
            may_be_indented: false,
        },
    )
    .ok()
}

/// Reads a trust policy: a provider's token assumes the role only where the policy names its
/// provider and asks for an audience and a subject; and a statement less never lets more in.
pub(super) fn check(input: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(input).ok()?;
    let CheckedTrust { policy, .. } = read(text)?;
    let value: Value = serde_json::from_str(text).expect("a policy is JSON");
    let (own, other) = (account(100_000_000_001), account(200_000_000_002));
    let (usual, empty) = (claims("sts", "repo:team/app:main"), Claims::default());
    let elsewhere = claims("elsewhere", "nobody");
    let federated = |claims| Assumer::Federated {
        account: own,
        provider: "ci",
        claims,
    };
    let assumers = [
        Assumer::Root(own),
        Assumer::Root(other),
        Assumer::User {
            account: own,
            id: "100000000011",
            name: "dev",
        },
        Assumer::User {
            account: other,
            id: "200000000012",
            name: "eve",
        },
        Assumer::Role {
            account: own,
            id: "4611686018427387919",
            name: "deployer",
        },
        federated(&usual),
        federated(&elsewhere),
        federated(&empty),
    ];
    let narrower = narrower(&value);
    for assumer in &assumers {
        let is_allowed = allows(&policy, assumer);
        if let Assumer::Federated { claims, .. } = assumer
            && is_allowed
        {
            assert!(
                policy.names_provider(&provider(own)),
                "a provider is trusted that none names"
            );
            assert!(
                !claims.is_empty(),
                "a token without claims is trusted\n{value:#}"
            );
        }
        let is_wider = |narrower| !is_allowed && allows(narrower, assumer);
        assert!(
            !narrower.iter().any(is_wider),
            "a statement less lets {assumer:?} in\n{value:#}"
        );
    }
    Some(())
}

fn provider(account: AccountId) -> TrustedProvider<'static> {
    TrustedProvider {
        account,
        name: "ci",
        issuer: "https://ci.example.com",
    }
}

fn account(number: i64) -> AccountId {
    AccountId::new(number).expect("an account's number")
}

fn claims(audience: &str, subject: &str) -> Claims {
    let one = |name: &str, value: &str| (name.to_owned(), Claim::One(value.to_owned()));
    Claims::new(vec![
        one("iss", "https://ci.example.com"),
        one("sub", subject),
        ("aud".to_owned(), Claim::Many(vec![audience.to_owned()])),
    ])
}

fn allows(policy: &TrustPolicy, assumer: &Assumer<'_>) -> bool {
    let now = Timestamp::from_unix_seconds(1_767_225_600);
    let context = Context {
        now,
        ..Context::default()
    };
    policy.unmet(assumer, &context);
    decide_trust("trust", policy, assumer, &context).outcome == Outcome::Allowed
}

/// Returns the policy without each statement that allows.
fn narrower(value: &Value) -> Vec<TrustPolicy> {
    let name = if value.get("version").is_some() {
        "statement"
    } else {
        "Statement"
    };
    // One without a list has none without it.
    let statements = value[name].as_array().map_or(&[][..], Vec::as_slice);
    let allows =
        |statement: &Value| statement["Effect"] == "Allow" || statement["effect"] == "allow";
    let places = (0..statements.len()).filter(|place| allows(&statements[*place]));
    let without = places.filter_map(|place| {
        let mut narrower = value.clone();
        narrower[name].as_array_mut()?.remove(place);
        read(&narrower.to_string()).map(|checked| checked.policy)
    });
    without.collect()
}
