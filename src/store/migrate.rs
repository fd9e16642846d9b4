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

impl Migration {
    /// Makes a step of `NNNN_name`, as its files are called.
    const fn of(file: &'static str, sqlite: &'static str, postgres: &'static str) -> Self {
        let (digits, name) = file.split_at(4);
        let digits = digits.as_bytes();
        let (mut number, mut index) = (0, 0);
        while index < digits.len() {
            assert!(
                digits[index].is_ascii_digit(),
                "a migration's file is called NNNN_name.sql"
            );
            number = number * 10 + (digits[index] - b'0') as i64;
            index += 1;
        }
        Self {
            number,
            name: name.split_at(1).1,
            sqlite,
            postgres,
        }
    }
}

/// Makes the list of all steps, in order, of the names of their files in both folders.
macro_rules! migrations {
    ($($file:literal)+) => {
        /// All steps, in order.
        pub(super) const MIGRATIONS: &[Migration] = &[$(Migration::of(
            $file,
            include_str!(concat!("../../migrations/sqlite/", $file, ".sql")),
            include_str!(concat!("../../migrations/postgres/", $file, ".sql")),
        )),+];
    };
}

migrations! {
    "0001_init"
    "0002_audit_page"
    "0003_identities"
    "0004_revocations"
    "0005_registry"
    "0006_unrecorded_namespaces"
    "0007_authorities"
    "0008_instance_issuer"
    "0009_session_policy"
    "0010_signed_change"
    "0011_own_rights"
    "0012_audit_page_contents"
    "0013_token_log_in"
    "0014_refused_subject"
    "0015_role_revoked_at"
    "0016_old_name"
    "0017_operator"
    "0018_audit_terms"
    "0019_rotation"
    "0020_console_session"
    "0021_activity"
    "0022_sso_session"
    "0023_notice"
    "0024_credential_room"
    "0025_audit_chain"
    "0026_repository_settings"
    "0027_ecr_host"
    "0028_repository_policy"
}

/// Keeps which steps were taken; both databases read it.
pub(super) const CREATE_VERSION: &str = "CREATE TABLE IF NOT EXISTS schema_version (number BIGINT \
                                         NOT NULL PRIMARY KEY, \
                                         name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at \
                                         BIGINT NOT NULL)";
/// Reads the steps that were taken.
pub(super) const READ_VERSION: &str =
    "SELECT number, name, checksum FROM schema_version ORDER BY number";
/// Records a step.
pub(super) const ADD_VERSION: &str =
    "INSERT INTO schema_version (number, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";

/// A step that was taken, as `schema_version` has it.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    pub(super) number: i64,
    pub(super) name: String,
    pub(super) checksum: String,
}

/// The purpose that a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be used.
    Open(Open),
    /// To be filled with data whose schema has so many steps.
    Fill(usize),
}

/// The number in `schema_version` that says that data is still being filled in. A binary that knows
/// nothing of it takes it for a newer schema, and keeps off as well.
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
            "the data is not all in this database yet: give the same `transire migrate-data` or \
             `transire restore` again until it is done, or begin again with an empty one",
        ));
    }
    let (number, newest) = (applied.len(), known.len());
    if number > newest {
        return Err(Error::misconfigured(format!(
            "the database has schema {number} and this transire knows no more than {newest}; use \
             the newer transire that upgraded it"
        )));
    }
    for (applied, known) in applied.iter().zip(known) {
        if applied.number != known.number
            || applied.name != known.name
            || applied.checksum != checksum(script(known))
        {
            return Err(Error::misconfigured(format!(
                "step {} ({}) of the database's schema is not the one that this transire was built \
                 with (step {}, {}); the database was changed by another build, so restore a \
                 backup or use that build",
                applied.number, applied.name, known.number, known.name
            )));
        }
    }
    match purpose {
        Purpose::Open(Open::Command) if number == 0 => Err(no_data(place)),
        Purpose::Open(Open::Command | Open::SetUp) if number > 0 && number < newest => {
            Err(Error::misconfigured(format!(
                "the database has schema {number} and this transire needs {newest}; start \
                 `transire serve` once to upgrade"
            )))
        }
        Purpose::Open(_) => Ok(&known[number..]),
        Purpose::Fill(level) if level > newest => Err(Error::misconfigured(format!(
            "the data has schema {level} and this transire knows no more than {newest}; use the \
             newer transire that it comes from"
        ))),
        Purpose::Fill(level) => known.get(number..level).ok_or_else(|| {
            Error::misconfigured(format!(
                "the database has schema {number} and the data {level}; \
                 use a database with nothing in it"
            ))
        }),
    }
}

/// Returns the checksum of a script: 64 bits of FNV-1a in hexadecimal, which is to show mistakes
/// and not malice.
pub(super) fn checksum(script: &str) -> String {
    let hash = script
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Migration] = &[
        Migration {
            number: 1,
            name: "one",
            sqlite: "a",
            postgres: "b",
        },
        Migration {
            number: 2,
            name: "two",
            sqlite: "c",
            postgres: "d",
        },
    ];

    fn applied(number: i64, name: &str, script: &str) -> Applied {
        Applied {
            number,
            name: name.to_owned(),
            checksum: checksum(script),
        }
    }

    fn plan(applied: &[Applied], open: Open) -> Result<usize, String> {
        pending(
            KNOWN,
            |step| step.sqlite,
            applied,
            Purpose::Open(open),
            "./here",
        )
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
    fn no_file_of_either_folder_is_left_out() {
        let listed: Vec<String> = MIGRATIONS
            .iter()
            .map(|step| format!("{:04}_{}.sql", step.number, step.name))
            .collect();
        for folder in ["sqlite", "postgres"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("migrations")
                .join(folder);
            let entries = std::fs::read_dir(&folder).unwrap();
            let mut found: Vec<String> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            found.sort();
            assert_eq!(
                found,
                listed,
                "{}: list every file in src/store/migrate.rs",
                folder.display()
            );
        }
    }

    #[test]
    fn a_store_is_made_by_no_command_and_upgraded_by_the_service_alone() {
        let one = [applied(1, "one", "a")];
        for open in [Open::Serve, Open::SetUp] {
            assert_eq!(plan(&[], open), Ok(2));
        }
        let refusal = plan(&[], Open::Command).unwrap_err();
        assert!(
            refusal.contains("there is no data in ./here") && refusal.contains("transire init"),
            "{refusal}"
        );
        assert_eq!(plan(&one, Open::Serve), Ok(1));
        for open in [Open::SetUp, Open::Command] {
            let refusal = plan(&one, open).unwrap_err();
            assert!(
                refusal.contains("start `transire serve` once to upgrade"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn a_changed_step_and_a_newer_schema_are_refused() {
        let two = applied(2, "two", "c");
        assert_eq!(
            plan(&[applied(1, "one", "a"), two.clone()], Open::Command),
            Ok(0)
        );
        for changed in [
            applied(1, "one", "A"),
            applied(1, "eins", "a"),
            applied(3, "one", "a"),
        ] {
            assert!(
                plan(&[changed, two.clone()], Open::Serve)
                    .unwrap_err()
                    .contains("another build")
            );
        }
        let newer = [applied(1, "one", "a"), two, applied(3, "three", "e")];
        assert!(
            plan(&newer, Open::Serve)
                .unwrap_err()
                .contains("newer transire")
        );
    }
}
