//! Opening the data: the store, its master key, and the service over both.

mod checkpoints;
mod given_keys;
mod key_file;
mod os_user;
mod webhook;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::given_keys::KnownMasterKeys;
use self::key_file::{GivenKeys, Keeper, KeyFile};
pub use self::os_user::os_user;
use crate::config::{DatabaseUrl, Isolation, Settings};
use crate::domain::Result;
use crate::domain::clock::{SystemClock, SystemRandom};
use crate::domain::seconds::Seconds;
use crate::domain::secret::Secret;
use crate::domain::sso::RoleRules;
use crate::secret_files;
use crate::service::{self, MasterKeySource, MasterKeys, Service};
use crate::sign;
pub use crate::store::Open;
use crate::store::{self, Location, PostgresOptions, Statements, Store};
use crate::token::MasterKey;

/// Opens the service over the data that the settings name.
///
/// [`Open::Serve`] and [`Open::SetUp`] make the master key and the store's first records where
/// there are none.
///
/// # Errors
/// `Misconfigured` for a place, a file or a master key that can't be used, and those of
/// [`Store::open`].
pub async fn open(settings: &Settings, how: Open) -> Result<Service> {
    Ok(open_or_set_up(settings, how).await?.service)
}

/// A store that is set up, and where it is.
pub struct SetUp {
    /// The service over it.
    pub service: Service,
    /// Whether it was empty before.
    pub is_new: bool,
    /// Where it is, without a password.
    pub location: Location,
    /// The file that holds its master keys; `None` when the settings hold them.
    pub master_key_file: Option<PathBuf>,
}

/// Sets up the store that the settings name, unless it is set up.
///
/// # Errors
/// As [`open`].
pub async fn set_up(settings: &Settings) -> Result<SetUp> {
    open_or_set_up(settings, Open::SetUp).await
}

/// Checks the place of the data, the master key and the webhook as [`open`] does for
/// [`Open::Serve`]; makes nothing, and connects to no server. The data may not be there yet.
///
/// # Errors
/// Each is `Misconfigured`, with what to do.
pub fn check(settings: &Settings) -> [Result<()>; 4] {
    let location = location(settings);
    let folder = match &location {
        Location::Directory(folder) => check_data_folder(folder, Open::Serve),
        Location::Memory | Location::Postgres { .. } => Ok(()),
    };
    let path = master_key_path(settings);
    let key_file = KeyFile::new(&path, keeper(settings));
    let must_be_there =
        keeper(settings) == Keeper::Operator || path.exists() || location.has_file();
    let keys = match &settings.master_key {
        Some(text) => GivenKeys(text.0.clone()).read().map(drop),
        None if must_be_there => key_file
            .check_permissions()
            .and_then(|()| key_file.read().map(drop)),
        None => Ok(()),
    };
    [location.check(), folder, keys, webhook::check(settings)]
}

/// Returns the file that holds the master keys unless the settings do.
pub fn master_key_path(settings: &Settings) -> PathBuf {
    settings
        .master_key_file
        .clone()
        .unwrap_or_else(|| settings.data_dir.join("master.key"))
}

fn keeper(settings: &Settings) -> Keeper {
    if settings.database.is_none() {
        Keeper::Service
    } else {
        Keeper::Operator
    }
}

async fn open_or_set_up(settings: &Settings, how: Open) -> Result<SetUp> {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let location = location(settings);
    let path = master_key_path(settings);
    let keeper = keeper(settings);
    let read_keys = || match &settings.master_key {
        Some(text) => MasterKeys::read(Box::new(GivenKeys(text.0.clone()))),
        None => MasterKeys::read(Box::new(KeyFile::new(&path, keeper))),
    };
    if let Location::Directory(folder) = &location {
        check_data_folder(folder, how)?;
    }
    if settings.master_key.is_none() {
        KeyFile::new(&path, keeper).check_permissions()?;
    }
    if how == Open::Serve {
        webhook::check(settings)?;
    }
    // Keys that have to be given are read first, so that nothing is made in the database without
    // them.
    if how != Open::Command && (settings.master_key.is_some() || keeper == Keeper::Operator) {
        read_keys()?;
    }
    let store = Store::open(&location, how, &*clock, &*random).await?;
    let is_new = !service::is_set_up(&store).await?;
    if is_new && how == Open::Command {
        return Err(store::no_data(&location));
    }
    if settings.master_key.is_none() {
        let file = KeyFile::new(&path, keeper);
        if is_new && keeper == Keeper::Service && !path.exists() {
            file.create(&*random)?;
        }
    }
    let service = Service::open(
        store,
        read_keys()?,
        service_settings(settings),
        clock,
        random,
    )
    .await?;
    if is_new {
        tracing::info!(data = %location, issuer = service.base.issuer(), "set up a new store");
    }
    let master_key_file = settings.master_key.is_none().then_some(path);
    Ok(SetUp {
        service,
        is_new,
        location,
        master_key_file,
    })
}

/// Checks that nobody else can replace the data, and warns when anybody can read it.
fn check_data_folder(folder: &Path, how: Open) -> Result<()> {
    secret_files::check_folder("the data folder,", folder)?;
    if how != Open::Command && secret_files::is_public(folder) {
        tracing::warn!(
            "the data folder {} can be read by every user of this machine: chmod 700 it",
            folder.display()
        );
    }
    Ok(())
}

/// Returns the place of the data that the settings name.
pub fn location(settings: &Settings) -> Location {
    match &settings.database {
        Some(url) => at_server(settings, url),
        None => Location::Directory(settings.data_dir.clone()),
    }
}

/// Returns a place at a database server, with the settings' options.
pub fn at_server(settings: &Settings, url: &DatabaseUrl) -> Location {
    let postgres = &settings.postgres;
    let options = PostgresOptions {
        connections: postgres.connections,
        isolation: match postgres.isolation {
            Isolation::ReadCommitted => store::Isolation::ReadCommitted,
            Isolation::Serializable => store::Isolation::Serializable,
        },
        statements: if postgres.prepared_statements {
            Statements::Prepared
        } else {
            Statements::Unnamed
        },
        connect_timeout: postgres.connect_seconds.duration(),
        statement_timeout: postgres.statement_seconds.duration(),
        start_timeout: postgres.start_seconds.duration(),
        notify: postgres.notify,
    };
    Location::Postgres {
        url: Secret::new(url.expose()),
        options,
    }
}

fn signatures(settings: &Settings) -> service::Signatures {
    let allow = settings.signatures.allow.as_ref();
    let allowed = |method: &sign::Method| {
        allow.is_none_or(|allow| allow.iter().any(|name| name == method.name()))
    };
    service::Signatures {
        methods: sign::Method::ALL.into_iter().filter(allowed).collect(),
        window: settings.signatures.window_seconds.duration(),
        stand_in: None,
    }
}

/// Returns the server that replicas share, if the settings name one.
pub fn shared_settings(settings: &Settings) -> Option<service::SharedSettings> {
    let url = settings.shared.url.as_ref()?;
    Some(service::SharedSettings {
        url: url.0.clone(),
        ca_file: settings.shared.ca_file.clone(),
        timeout: Duration::from_millis(settings.shared.timeout_ms),
    })
}

/// Returns the service's part of the settings.
pub fn service_settings(settings: &Settings) -> service::Settings {
    let limits = &settings.limits;
    service::Settings {
        public_url: settings.public_url.clone(),
        base_domain: settings.base_domain.clone(),
        quotas: settings.quotas,
        service_account_grant: settings.service_accounts.grant,
        audit: service::AuditSettings {
            mode: settings.audit,
            days: settings.audit_days,
            queue: limits.audit_queue,
            checkpoints: checkpoints::sinks(settings),
            tells_webhook: settings.checkpoints.webhook,
        },
        max_staleness: settings.max_staleness_seconds.duration(),
        database_patience: limits.database_seconds.duration(),
        signatures: signatures(settings),
        shared: shared_settings(settings),
        limits: service::LimitSettings {
            requests_per_second: limits.requests_per_second,
            requests_per_second_by_action: limits.actions.clone(),
            refusals_per_second: limits.refusals_per_second,
            refusals_burst: limits.refusals_burst,
            failed_log_ins: limits.failed_log_ins,
            failed_log_ins_per_minute: limits.failed_log_ins_per_minute,
            anonymous_per_second: limits.anonymous_per_second,
            anonymous_burst: limits.anonymous_burst,
            token_requests_per_second: limits.token_requests_per_second,
            token_requests_burst: limits.token_requests_burst,
            operator_requests_per_second: limits.operator_requests_per_second,
            operator_requests_burst: limits.operator_requests_burst,
            replay_bytes: limits.replay_bytes,
            remembered_exchange_bytes: limits.remembered_exchange_bytes,
        },
        passwords: service::PasswordSettings {
            threads: limits.password_threads,
            queue: limits.password_queue,
        },
        notices: notice_settings(settings),
        webhook: webhook::settings(settings),
        outgoing: service::Outgoing {
            said_by: service::SaidBy::Outgoing,
            allow_http: settings.outgoing.allow_http,
            allow_private_addresses: settings.outgoing.allow_private_addresses,
            ca_file: settings.outgoing.ca_file.clone(),
            timeout: settings.outgoing.seconds.duration(),
        },
        keys: service::KeySchedule::of_days(settings.keys.signing_days, settings.keys.sealing_days),
        sso: service::Sso {
            issuer: settings.sso.issuer.clone(),
            client_id: settings.sso.client_id.clone(),
            client_secret_file: settings.sso.client_secret_file.clone(),
            scopes: settings.sso.scopes.clone(),
            // Checked when the settings were read.
            roles: RoleRules::parse(&settings.sso.roles).unwrap_or_default(),
            name: settings.sso.name.clone(),
            session: settings.sso.session_seconds.duration(),
        },
    }
}

fn notice_settings(settings: &Settings) -> service::NoticeSettings {
    // Checked when the settings were read.
    let ahead = settings.notices.ahead.iter();
    let ahead = ahead.filter_map(|text| text.parse::<Seconds>().ok());
    let mut ahead: Vec<_> = ahead.map(Seconds::duration).collect();
    ahead.sort_unstable();
    ahead.dedup();
    service::NoticeSettings {
        ahead,
        refusals_per_hour: settings.notices.refusals_per_hour,
    }
}

/// Makes a master key, which nothing has been wrapped by.
pub fn new_master_key() -> MasterKey {
    MasterKey::generate(&SystemRandom)
}

/// Makes a master key in a new file, which its owner alone can read; returns the key's id.
///
/// # Errors
/// `Misconfigured` for a file that is there already or can't be written, or whose folder every user
/// can write to.
pub fn generate_master_key(path: &Path) -> Result<String> {
    key_file::generate(path)
}

/// Reads a master key that the operator made, alone in its file.
///
/// # Errors
/// `Misconfigured` when the file can't be read, is open to others, or doesn't hold one key.
pub fn master_key(path: &Path) -> Result<MasterKey> {
    key_file::one_key(path)
}
