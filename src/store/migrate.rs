//! Brings a schema up to date: numbered scripts, the same numbers and names for both databases.
//!
//! A script that was released is never changed; its checksum is kept to see that. Scripts only add:
//! an older binary goes on working while a newer one is started.

use crate::domain::{Error, Result};

use super::{Open, no_data};

/// One step of the schema.
#[derive(Debug)]
pub(super) struct Migration {
    /// Its number, counted from 1.
    pub(super) number: i64,
    /// Its name, the same for both databases.
    pub(super) name: &'static str,
    /// The script for SQLite.
    pub(super) sqlite: &'static str,
    /// The script for PostgreSQL.
    pub(super) postgres: &'static str,
}

/// All steps, in order.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "init",
        sqlite: include_str!("../../migrations/sqlite/0001_init.sql"),
        postgres: include_str!("../../migrations/postgres/0001_init.sql"),
    },
    Migration {
        number: 2,
        name: "audit_page",
        sqlite: include_str!("../../migrations/sqlite/0002_audit_page.sql"),
        postgres: include_str!("../../migrations/postgres/0002_audit_page.sql"),
    },
    Migration {
        number: 3,
        name: "identities",
        sqlite: include_str!("../../migrations/sqlite/0003_identities.sql"),
        postgres: include_str!("../../migrations/postgres/0003_identities.sql"),
    },
    Migration {
        number: 4,
        name: "revocations",
        sqlite: include_str!("../../migrations/sqlite/0004_revocations.sql"),
        postgres: include_str!("../../migrations/postgres/0004_revocations.sql"),
    },
    Migration {
        number: 5,
        name: "registry",
        sqlite: include_str!("../../migrations/sqlite/0005_registry.sql"),
        postgres: include_str!("../../migrations/postgres/0005_registry.sql"),
    },
    Migration {
        number: 6,
        name: "unrecorded_namespaces",
        sqlite: include_str!("../../migrations/sqlite/0006_unrecorded_namespaces.sql"),
        postgres: include_str!("../../migrations/postgres/0006_unrecorded_namespaces.sql"),
    },
    Migration {
        number: 7,
        name: "authorities",
        sqlite: include_str!("../../migrations/sqlite/0007_authorities.sql"),
        postgres: include_str!("../../migrations/postgres/0007_authorities.sql"),
    },
    Migration {
        number: 8,
        name: "instance_issuer",
        sqlite: include_str!("../../migrations/sqlite/0008_instance_issuer.sql"),
        postgres: include_str!("../../migrations/postgres/0008_instance_issuer.sql"),
    },
    Migration {
        number: 9,
        name: "session_policy",
        sqlite: include_str!("../../migrations/sqlite/0009_session_policy.sql"),
        postgres: include_str!("../../migrations/postgres/0009_session_policy.sql"),
    },
    Migration {
        number: 10,
        name: "signed_change",
        sqlite: include_str!("../../migrations/sqlite/0010_signed_change.sql"),
        postgres: include_str!("../../migrations/postgres/0010_signed_change.sql"),
    },
    Migration {
        number: 11,
        name: "own_rights",
        sqlite: include_str!("../../migrations/sqlite/0011_own_rights.sql"),
        postgres: include_str!("../../migrations/postgres/0011_own_rights.sql"),
    },
    Migration {
        number: 12,
        name: "audit_page_contents",
        sqlite: include_str!("../../migrations/sqlite/0012_audit_page_contents.sql"),
        postgres: include_str!("../../migrations/postgres/0012_audit_page_contents.sql"),
    },
];

/// Keeps which steps were taken; both databases read it.
pub(super) const CREATE_VERSION: &str = "CREATE TABLE IF NOT EXISTS schema_version (number BIGINT NOT NULL PRIMARY KEY, \
                                         name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)";
/// Reads the steps that were taken.
pub(super) const READ_VERSION: &str = "SELECT number, name, checksum FROM schema_version ORDER BY number";
/// Records a step.
pub(super) const ADD_VERSION: &str = "INSERT INTO schema_version (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";

/// A step that was taken, as `schema_version` has it.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    pub(super) number: i64,
    pub(super) name: String,
    pub(super) checksum: String,
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be used.
    Open(Open),
    /// To be filled with data whose schema has so many steps.
    Fill(usize),
}

/// The number in `schema_version` that says that data is still being filled in. A binary that knows nothing of it
/// takes it for a newer schema, and keeps off as well.
pub(super) const FILLING: i64 = 1_000_000;

/// Returns the steps that are still to be taken, or why the store at `place` can't be opened.
pub(super) fn pending(
    known: &'static [Migration],
    script: fn(&Migration) -> &'static str,
    applied: &[Applied],
    purpose: Purpose,
    place: &str,
) -> Result<&'static [Migration]> {
    let (applied, filling) = match applied.split_last() {
        Some((last, steps)) if last.number == FILLING => (steps, true),
        _ => (applied, false),
    };
    if filling && matches!(purpose, Purpose::Open(_)) {
        return Err(Error::misconfigured(
            "the data is not all in this database yet: give the same `transire migrate-data` or `transire restore` again until it is \
             done, or begin again with an empty one",
        ));
    }
    let (number, newest) = (applied.len(), known.len());
    if number > newest {
        return Err(Error::misconfigured(format!(
            "the database has schema {number} and this transire knows no more than {newest}; use the newer transire that upgraded it"
        )));
    }
    for (applied, known) in applied.iter().zip(known) {
        if applied.number != known.number || applied.name != known.name || applied.checksum != checksum(script(known)) {
            return Err(Error::misconfigured(format!(
                "step {} ({}) of the database's schema is not the one that this transire was built with (step {}, {}); \
                 the database was changed by another build, so restore a backup or use that build",
                applied.number, applied.name, known.number, known.name
            )));
        }
    }
    match purpose {
        Purpose::Open(Open::Command) if number == 0 => Err(no_data(place)),
        Purpose::Open(Open::Command | Open::SetUp) if number > 0 && number < newest => Err(Error::misconfigured(format!(
            "the database has schema {number} and this transire needs {newest}; start `transire serve` once to upgrade"
        ))),
        Purpose::Open(_) => Ok(&known[number..]),
        Purpose::Fill(level) if level > newest => Err(Error::misconfigured(format!(
            "the data has schema {level} and this transire knows no more than {newest}; use the newer transire that it comes from"
        ))),
        Purpose::Fill(level) => known.get(number..level).ok_or_else(|| {
            Error::misconfigured(format!("the database has schema {number} and the data {level}; use a database with nothing in it"))
        }),
    }
}

/// Returns the checksum of a script: 64 bits of FNV-1a in hexadecimal, which is to show mistakes and not malice.
pub(super) fn checksum(script: &str) -> String {
    let hash = script.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Migration] = &[
        Migration { number: 1, name: "one", sqlite: "a", postgres: "b" },
        Migration { number: 2, name: "two", sqlite: "c", postgres: "d" },
    ];

    fn applied(number: i64, name: &str, script: &str) -> Applied {
        Applied { number, name: name.to_owned(), checksum: checksum(script) }
    }

    fn plan(applied: &[Applied], open: Open) -> Result<usize, String> {
        pending(KNOWN, |step| step.sqlite, applied, Purpose::Open(open), "./here")
            .map(<[_]>::len)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn the_checksum_is_fnv_1a() {
        // The published values for the empty text and for "foobar".
        assert_eq!(checksum(""), "cbf29ce484222325");
        assert_eq!(checksum("foobar"), "85944171f73967e8");
    }

    #[test]
    fn the_steps_are_numbered_from_one_without_a_gap() {
        for (index, step) in MIGRATIONS.iter().enumerate() {
            assert_eq!(step.number, index as i64 + 1, "{}", step.name);
        }
    }

    #[test]
    fn a_store_is_made_by_no_command_and_upgraded_by_the_service_alone() {
        let one = [applied(1, "one", "a")];
        for open in [Open::Serve, Open::SetUp] {
            assert_eq!(plan(&[], open), Ok(2));
        }
        let refusal = plan(&[], Open::Command).unwrap_err();
        assert!(refusal.contains("there is no data in ./here") && refusal.contains("transire init"), "{refusal}");
        assert_eq!(plan(&one, Open::Serve), Ok(1));
        for open in [Open::SetUp, Open::Command] {
            let refusal = plan(&one, open).unwrap_err();
            assert!(refusal.contains("start `transire serve` once to upgrade"), "{refusal}");
        }
    }

    #[test]
    fn a_changed_step_and_a_newer_schema_are_refused() {
        let two = applied(2, "two", "c");
        assert_eq!(plan(&[applied(1, "one", "a"), two.clone()], Open::Command), Ok(0));
        for changed in [applied(1, "one", "A"), applied(1, "eins", "a"), applied(3, "one", "a")] {
            assert!(plan(&[changed, two.clone()], Open::Serve).unwrap_err().contains("another build"));
        }
        let newer = [applied(1, "one", "a"), two, applied(3, "three", "e")];
        assert!(plan(&newer, Open::Serve).unwrap_err().contains("newer transire"));
    }
}
