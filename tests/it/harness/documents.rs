//! Policy documents: statements, and the whole documents that several tests use.

use serde::Serialize;
use serde_json::{Value, json};

/// A policy of CAM, Tencent's language.
pub(crate) fn cam(statements: &Value) -> Value {
    json!({ "version": "2.0", "statement": statements })
}

/// A policy of RAM, Alibaba's language.
pub(crate) fn ram(statements: &Value) -> Value {
    json!({ "Version": "1", "Statement": statements })
}

/// A policy of IAM, AWS's language; its statements are written as RAM's.
pub(crate) fn iam(statements: &Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// A statement of CAM that allows actions on resources, each one text or a list.
pub(crate) fn allow(action: impl Serialize, resource: impl Serialize) -> Value {
    json!({ "effect": "allow", "action": action, "resource": resource })
}

/// A statement of CAM that denies actions on resources.
pub(crate) fn deny(action: impl Serialize, resource: impl Serialize) -> Value {
    json!({ "effect": "deny", "action": action, "resource": resource })
}

/// A statement of RAM that allows actions on resources.
pub(crate) fn ram_allow(action: impl Serialize, resource: impl Serialize) -> Value {
    json!({ "Effect": "Allow", "Action": action, "Resource": resource })
}

/// A statement of RAM that denies actions on resources.
pub(crate) fn ram_deny(action: impl Serialize, resource: impl Serialize) -> Value {
    json!({ "Effect": "Deny", "Action": action, "Resource": resource })
}

/// The trust policy of a role that one principal may assume, such as
/// `qcs::cam::uin/100000000001:root`.
pub(crate) fn trusting(principal: &str) -> Value {
    cam(&json!([{
        "effect": "allow",
        "action": "name/sts:AssumeRole",
        "principal": { "qcs": principal },
    }]))
}

/// Returns a policy of 2000 to 2048 characters that lets pull from everywhere, and push to places
/// that say nothing twice.
pub(crate) fn long_policy(seed: u64) -> String {
    let mut state = seed;
    let mut word = || {
        let letter = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(
                b"abcdefghijklmnopqrstuvwxyz0123456789"[usize::try_from(state >> 33).unwrap() % 36],
            )
        };
        std::iter::repeat_with(letter).take(30).collect::<String>()
    };
    let places: Vec<_> = (0..30)
        .map(|_| format!("qcs::tcr:::repository/*/{}", word()))
        .collect();
    let policy = cam(&json!([
        allow(
            ["tcr:CreateInstanceToken", "tcr:PullRepository", "sts:*"],
            "*"
        ),
        allow("tcr:PushRepository", places),
    ]))
    .to_string();
    assert!((1700..=2048).contains(&policy.len()), "{}", policy.len());
    policy
}

/// The rights of a role whose test says nothing else.
pub(crate) fn everything() -> Value {
    cam(&json!([allow(["tcr:*", "sts:*"], "*")]))
}
