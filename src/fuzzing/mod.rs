//! Targets of fuzzing: each parser that reads the texts of strangers, with what must hold of it
//! whatever it is given.
//!
//! A body takes any bytes. It panics where a promise is broken, and never else. The unit tests here
//! call each with mutated seeds, and `fuzz/` calls the same bodies under libFuzzer. A body of
//! private code is in a `fuzzing.rs` beside that code; the others are here. No shipped build has
//! any of it.
//!
//! Start with [`TARGETS`]. CONTRIBUTING.md says how to add one.

mod addresses;
mod names;
mod policies;
pub(crate) mod requests;
mod scopes;
pub(crate) mod seeds;
mod settings;
#[cfg(test)]
mod tests;
mod trust;
mod web_identity;

use self::seeds::texts;
use crate::http::fuzzing as http;
use crate::http::fuzzing::exchange;
use crate::http::registry::fuzzing as token_request;
use crate::http::tencent::fuzzing as tencent;
use crate::policy::Language;
use crate::remote::fuzzing as remote;
use crate::service::fuzzing as manifest;
use crate::sign::fuzzing as sign;
use crate::store::portable::fuzzing as backup;
use crate::token::sealed::fuzzing as sealed;

/// A target's body.
pub type Body = fn(&[u8]) -> Option<()>;

/// A parser, and the way to try it.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name: a file in `fuzz/fuzz_targets/`, and a test in `tests/mod.rs`.
    pub name: &'static str,
    /// Reads an input, and panics where a promise is broken; `None` where it can't be read.
    pub body: Body,
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of its language.
    pub words: &'static [&'static str],
    /// How many of a fast target's executions take the time of one of this one's, about.
    pub cost: usize,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "tc3",
        body: sign::tc3,
        seeds: || sign::seeds(&["TC3-HMAC-SHA256"]),
        words: sign::WORDS,
        cost: 2,
    },
    Target {
        name: "tencent_v1",
        body: sign::tencent_v1,
        seeds: || sign::seeds(&["HmacSHA1", "HmacSHA256"]),
        words: sign::WORDS,
        cost: 2,
    },
    Target {
        name: "acs3",
        body: sign::acs3,
        seeds: || sign::seeds(&["ACS3-HMAC-SHA256"]),
        words: sign::WORDS,
        cost: 2,
    },
    Target {
        name: "alibaba_rpc",
        body: sign::alibaba_rpc,
        seeds: || sign::seeds(&["RPC-V1"]),
        words: sign::WORDS,
        cost: 2,
    },
    Target {
        name: "alibaba_roa",
        body: sign::alibaba_roa,
        seeds: || sign::seeds(&["ROA-V1"]),
        words: sign::WORDS,
        cost: 2,
    },
    Target {
        name: "sigv4",
        body: sign::sigv4,
        seeds: || sign::seeds(&["AWS4-HMAC-SHA256", "AWS4-QUERY"]),
        words: sign::WORDS,
        cost: 2,
    },
    Target {
        name: "doors",
        body: http::check_door,
        seeds: http::door_seeds,
        words: http::WORDS,
        cost: 4,
    },
    Target {
        name: "forwarded_for",
        body: http::check_address,
        seeds: || texts(http::ADDRESSES),
        words: http::ADDRESS_WORDS,
        cost: 1,
    },
    Target {
        name: "basic",
        body: http::check_basic,
        seeds: http::basic_seeds,
        words: http::WORDS,
        cost: 1,
    },
    Target {
        name: "json_parameters",
        body: tencent::check_json,
        seeds: || texts(tencent::JSON_SEEDS),
        words: tencent::WORDS,
        cost: 1,
    },
    Target {
        name: "flat_parameters",
        body: tencent::check_flat,
        seeds: || texts(tencent::FLAT_SEEDS),
        words: tencent::WORDS,
        cost: 1,
    },
    Target {
        name: "token_request",
        body: token_request::check,
        seeds: || texts(token_request::SEEDS),
        words: token_request::WORDS,
        cost: 1,
    },
    Target {
        name: "exchange",
        body: exchange::check,
        seeds: || texts(exchange::SEEDS),
        words: exchange::WORDS,
        cost: 1,
    },
    Target {
        name: "scopes",
        body: scopes::check,
        seeds: || texts(scopes::SEEDS),
        words: scopes::WORDS,
        cost: 1,
    },
    Target {
        name: "names",
        body: names::check,
        seeds: || texts(names::SEEDS),
        words: names::WORDS,
        cost: 1,
    },
    Target {
        name: "sealed",
        body: sealed::check_text,
        seeds: sealed::text_seeds,
        words: sealed::WORDS,
        cost: 2,
    },
    Target {
        name: "sealed_payload",
        body: sealed::check_payload,
        seeds: sealed::payload_seeds,
        words: sealed::WORDS,
        cost: 1,
    },
    Target {
        name: "web_identity",
        body: web_identity::check_token,
        seeds: web_identity::token_seeds,
        words: web_identity::WORDS,
        cost: 8,
    },
    Target {
        name: "jwk_set",
        body: web_identity::check_keys,
        seeds: web_identity::key_seeds,
        words: web_identity::WORDS,
        cost: 4,
    },
    Target {
        name: "cam_policy",
        body: policies::check,
        seeds: || policies::seeds(Language::Cam),
        words: policies::CAM_WORDS,
        cost: 8,
    },
    Target {
        name: "ram_policy",
        body: policies::check,
        seeds: || policies::seeds(Language::Ram),
        words: policies::RAM_WORDS,
        cost: 8,
    },
    Target {
        name: "iam_policy",
        body: policies::check,
        seeds: || policies::seeds(Language::Iam),
        words: policies::IAM_WORDS,
        cost: 8,
    },
    Target {
        name: "trust_policy",
        body: trust::check,
        seeds: trust::seeds,
        words: trust::WORDS,
        cost: 4,
    },
    Target {
        name: "registry_answer",
        body: remote::check,
        seeds: || texts(remote::SEEDS),
        words: remote::WORDS,
        cost: 1,
    },
    Target {
        name: "manifest",
        body: manifest::check,
        seeds: || texts(manifest::SEEDS),
        words: manifest::WORDS,
        cost: 1,
    },
    Target {
        name: "settings",
        body: settings::check,
        seeds: settings::seeds,
        words: settings::WORDS,
        cost: 8,
    },
    Target {
        name: "imports",
        body: settings::check_import,
        seeds: || texts(settings::IMPORTS),
        words: settings::IMPORT_WORDS,
        cost: 4,
    },
    Target {
        name: "backup",
        body: backup::check,
        seeds: backup::seeds,
        words: backup::WORDS,
        cost: 2,
    },
    Target {
        name: "database_url",
        body: addresses::check_database,
        seeds: || texts(addresses::DATABASES),
        words: addresses::WORDS,
        cost: 1,
    },
    Target {
        name: "server_url",
        body: addresses::check_server,
        seeds: || texts(addresses::SERVERS),
        words: addresses::WORDS,
        cost: 1,
    },
];

/// Returns the target of a name.
///
/// Where it is called for a constant, the linker leaves out what other targets alone use. An
/// execution under libFuzzer looks through the counters of all code, so that it takes less time.
///
/// # Panics
///
/// For a name that no target has.
pub const fn target(name: &str) -> Target {
    let mut place = 0;
    while place < TARGETS.len() {
        let target = TARGETS[place];
        if are_alike(target.name.as_bytes(), name.as_bytes()) {
            return target;
        }
        place += 1;
    }
    panic!("no target has this name")
}

/// Compares as `==` does, which constants can't be computed with.
const fn are_alike(one: &[u8], other: &[u8]) -> bool {
    let mut place = 0;
    while place < one.len() && place < other.len() && one[place] == other[place] {
        place += 1;
    }
    place == one.len() && place == other.len()
}
