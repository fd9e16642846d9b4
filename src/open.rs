//! Opening the data: the store, its master key, and the service over both.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{DatabaseUrl, Isolation, Settings};
use crate::domain::clock::{Random, SystemClock, SystemRandom, random_bytes};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::{self, Service};
use crate::sign;
pub use crate::store::Open;
use crate::store::{self, Location, PostgresOptions, Statements, Store};
use crate::token::MasterKey;

/// Opens the service over the data that the settings name.
///
/// The first time, it makes the master key and the store's first records. A wrong or missing master key is
/// refused before anything is served.
pub async fn open(settings: &Settings, data_dir: &Path, how: Open) -> Result<Service> {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let location = location(settings, data_dir);
    let store = Store::open(&location, how, &*clock, &*random).await?;
    let master = match &settings.master_key {
        Some(text) => MasterKey::parse(text.0.expose())?,
        None => {
            let path = settings.master_key_file.clone().unwrap_or_else(|| data_dir.join("master.key"));
            let may_create = settings.database.is_none() && !service::is_set_up(&store).await?;
            master_key_in(&path, may_create, &*random)?
        }
    };
    Service::open(store, master, service_settings(settings), clock, random).await
}

/// Returns where the data is that the settings name.
pub fn location(settings: &Settings, data_dir: &Path) -> Location {
    match &settings.database {
        Some(url) => at_server(settings, url),
        None => Location::Directory(data_dir.to_owned()),
    }
}

/// Returns the place at a database server, used as the settings say.
pub fn at_server(settings: &Settings, url: &DatabaseUrl) -> Location {
    let postgres = &settings.postgres;
    let options = PostgresOptions {
        connections: postgres.connections,
        isolation: match postgres.isolation {
            Isolation::ReadCommitted => store::Isolation::ReadCommitted,
            Isolation::Serializable => store::Isolation::Serializable,
        },
        statements: if postgres.prepared_statements { Statements::Prepared } else { Statements::Unnamed },
        connect_timeout: Duration::from_secs(postgres.connect_seconds),
        statement_timeout: Duration::from_secs(postgres.statement_seconds),
        start_timeout: Duration::from_secs(postgres.start_seconds),
        notify: postgres.notify,
    };
    Location::Postgres { url: Secret::new(url.expose()), options }
}

fn service_settings(settings: &Settings) -> service::Settings {
    let limits = &settings.limits;
    let allowed =
        |method: &sign::Method| settings.signatures.allow.as_ref().is_none_or(|allow| allow.iter().any(|name| name == method.name()));
    service::Settings {
        public_url: settings.public_url.clone(),
        base_domain: settings.base_domain.clone(),
        quotas: settings.quotas,
        audit: settings.audit,
        audit_days: settings.audit_days,
        audit_queue: limits.audit_queue,
        max_staleness: Duration::from_secs(settings.max_staleness_seconds),
        database_patience: Duration::from_secs(limits.database_seconds),
        signature_methods: sign::Method::ALL.into_iter().filter(allowed).collect(),
        signature_window: Duration::from_secs(settings.signatures.window_seconds),
        shared: settings.shared.url.as_ref().map(|url| service::SharedSettings {
            url: url.0.clone(),
            ca_file: settings.shared.ca_file.clone(),
            timeout: Duration::from_millis(settings.shared.timeout_ms),
        }),
        requests_per_second: limits.requests_per_second,
        requests_per_second_by_action: limits.actions.clone(),
        refusals_per_second: limits.refusals_per_second,
        refusals_burst: limits.refusals_burst,
        failed_log_ins: limits.failed_log_ins,
        failed_log_ins_per_minute: limits.failed_log_ins_per_minute,
        anonymous_per_second: limits.anonymous_per_second,
        anonymous_burst: limits.anonymous_burst,
        nonces_per_access_key: limits.nonces_per_access_key,
        password_threads: limits.password_threads,
        password_queue: limits.password_queue,
        outgoing: service::Outgoing {
            allow_http: settings.outgoing.allow_http,
            allow_private_addresses: settings.outgoing.allow_private_addresses,
            ca_file: settings.outgoing.ca_file.clone(),
            timeout: Duration::from_secs(settings.outgoing.seconds),
        },
    }
}

/// Reads the master key, or makes it when there is none and nothing was wrapped by one yet.
fn master_key_in(path: &Path, may_create: bool, random: &dyn Random) -> Result<MasterKey> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = Secret::new(text);
            let open_to_others = path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
            if open_to_others {
                tracing::warn!("the master key file {} can be read by others: chmod 600 it", path.display());
            }
            MasterKey::parse(text.expose())
        }
        Err(error) if error.kind() == ErrorKind::NotFound && may_create => {
            let key = MasterKey::generate(random);
            match write_once(path, key.to_text().expose(), random) {
                // Another process was as quick; its key is as good.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => master_key_in(path, false, random),
                Err(error) => Err(unwritable(path, &error)),
                Ok(()) => Ok(key),
            }
        }
        Err(error) => Err(Error::misconfigured(format!(
            "the master key file {} can't be read: {error}. \
             Put the key back (it is in no backup of the data), or name its file with master_key_file or TRANSIRE_MASTER_KEY_FILE. \
             A database server always wants it given; make one with: head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n'",
            path.display()
        ))),
    }
}

/// Writes a file that must not be there yet, readable by its owner alone, whole or not at all.
fn write_once(path: &Path, text: &str, random: &dyn Random) -> std::io::Result<()> {
    let draft = PathBuf::from(format!("{}.{}", path.display(), hex::encode(random_bytes::<8>(random))));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        // A link, unlike a rename, never replaces what is there.
        std::fs::hard_link(&draft, path)?;
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    })();
    // The draft has done its work or failed at it; either way it must not stay.
    std::fs::remove_file(&draft).ok();
    written
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::misconfigured(format!("the master key file {} can't be written: {error}", path.display()))
}
