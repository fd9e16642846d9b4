//! `transire init`: sets up a store, and for production its settings file and folders, too.
//!
//! Nothing that is there is changed, so the command may be given again.

mod files;
mod owner;
mod questions;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use serde_json::Value;

use self::files::Written;
use self::owner::Owner;
use super::output::{Fields, Output, warn};
use super::{Global, data};
use crate::config::{DatabaseUrl, Listen, NewFile, Settings, settings_file};
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Result};
use crate::serve;

/// The folder of the data, where nobody says otherwise.
const DATA_DIR: &str = "/var/lib/transire";
/// The settings file of the unit in `packaging/systemd`.
const FILE_OF_UNIT: &str = "/etc/transire/transire.toml";

#[derive(Args, Debug)]
pub(super) struct Options {
    /// The URL at which clients reach the service. It goes with the options below into a new
    /// settings file, which --config names.
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
    /// The address at which the service listens, or a port on loopback.
    #[arg(long, value_name = "ADDR")]
    listen: Option<Listen>,
    /// The address of /metrics, or a port on loopback.
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<Listen>,
    /// A file with the URL of a PostgreSQL database, which may hold its password.
    #[arg(long, value_name = "FILE")]
    database_file: Option<PathBuf>,
    /// The file of the master key. Without it, master.key in the folder of the data.
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// The certificate for HTTPS, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key_file")]
    tls_certificate_file: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate_file")]
    tls_key_file: Option<PathBuf>,
    /// Listen without TLS for other machines: a proxy in front speaks TLS.
    #[arg(long)]
    allow_plain_http: bool,
    /// The user who runs the service, and owns the data. Without it, the one who gives the command.
    #[arg(long, value_name = "USER")]
    owner: Option<Owner>,
}

fn public_url(text: &str) -> Result<String> {
    HttpUrl::parse_base(text).map_err(|fault| {
        let why = fault.explain("a public URL", "https://credentials.example.com");
        Error::invalid_parameter("public-url", why)
    })?;
    Ok(text.to_owned())
}

impl Options {
    /// Tells whether the settings are to be written, too: one of them is given here, or the
    /// settings file isn't there.
    pub(super) fn is_for_production(&self, global: &Global) -> bool {
        let is_missing = || global.config.as_ref().is_some_and(|file| !file.exists());
        self.public_url.is_some()
            || self.listen.is_some()
            || self.metrics_listen.is_some()
            || self.database_file.is_some()
            || self.master_key_file.is_some()
            || self.tls_certificate_file.is_some()
            || self.allow_plain_http
            || self.owner.is_some()
            || is_missing()
    }

    /// Returns the settings that the arguments choose, with whole paths.
    fn chosen(&self, global: &Global) -> Result<NewFile> {
        let whole = |path: &Option<PathBuf>| {
            path.as_ref()
                .map(|path| std::path::absolute(path).map_err(Error::internal))
                .transpose()
        };
        let database = match (&self.database_file, &global.database) {
            (Some(file), _) => Some(files::read_database_url(file)?),
            (None, Some(url)) => Some(DatabaseUrl::from_argument(url)?),
            (None, None) => None,
        };
        Ok(NewFile {
            public_url: self.public_url.clone(),
            listen: self.listen,
            metrics_listen: self.metrics_listen,
            data_dir: whole(&global.data_dir)?,
            database,
            master_key_file: whole(&self.master_key_file)?,
            allow_plain_http: self.allow_plain_http,
            tls_certificate_file: whole(&self.tls_certificate_file)?,
            tls_key_file: whole(&self.tls_key_file)?,
        })
    }
}

/// Writes the settings, makes the folders, sets up the store and says what to do next.
///
/// # Errors
/// `Misconfigured` for settings that are missing, that `serve` would refuse, or of which an
/// existing file says something else; those of the files and of the store.
pub(super) async fn run(options: Options, global: &Global, output: &Output) -> Result<()> {
    let file = settings_file(global.config.as_deref()).ok_or_else(|| {
        Error::misconfigured(format!(
            "name the settings file to write: --config {FILE_OF_UNIT}"
        ))
    })?;
    let file = std::path::absolute(file).map_err(Error::internal)?;
    let mut new = options.chosen(global)?;
    let is_there = file.exists();
    if !is_there && !global.yes && std::io::stdin().is_terminal() {
        new = tokio::task::spawn_blocking(move || questions::ask(new))
            .await
            .map_err(Error::internal)??;
    }
    if !is_there && new.public_url.is_none() {
        return Err(Error::misconfigured(
            "name the URL at which clients reach the service: --public-url \
             https://credentials.example.com",
        ));
    }
    if !is_there && new.database.is_none() && new.data_dir.is_none() {
        new.data_dir = Some(DATA_DIR.into());
    }
    let settings = files::check(&file, &new)?;
    refuse_unusable(&settings)?;
    let owner = options.owner.as_ref();
    if settings.database.is_none() {
        files::make_folder(&settings.data_dir, 0o700, owner)?;
    }
    if let Some(folder) = settings.master_key_file.as_deref().and_then(Path::parent) {
        files::make_folder(folder, 0o700, owner)?;
    }
    let written = files::write(&file, &new, owner)?;
    let mut fields = match owner.filter(|owner| !owner.is_this_process()) {
        Some(owner) => set_up_as(owner, &file).await?,
        None => data::set_up(&files::load(&file)?).await?.0,
    };
    let next = next_commands(&file, owner);
    fields.push(("settings_file", file.display().to_string().into()));
    fields.push((
        "settings_state",
        match written {
            Written::Now => "written".into(),
            Written::WasThere => "was there".into(),
        },
    ));
    fields.push(("next", output.lines(next.into_iter())));
    let is_new = fields.iter().any(|(_, value)| value == "made");
    output.one(fields)?;
    if is_new {
        eprintln!("{}", data::KEEP_KEY);
    }
    Ok(())
}

/// Refuses settings with which the service would not start, before anything is made.
fn refuse_unusable(settings: &Settings) -> Result<()> {
    let findings = serve::check(settings);
    for warning in findings.warnings {
        warn(warning);
    }
    findings.refusals.into_iter().next().map_or(Ok(()), Err)
}

/// Sets up the store as its owner, who then owns its files.
async fn set_up_as(owner: &Owner, file: &Path) -> Result<Fields> {
    let program = std::env::current_exe().map_err(Error::internal)?;
    let output = tokio::process::Command::new(program)
        .arg("--config")
        .arg(file)
        .args(["--output", "json", "init"])
        .uid(owner.user)
        .gid(owner.group)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| {
            Error::misconfigured(format!(
                "the store can't be set up as the user {}: {error}",
                owner.name
            ))
        })?;
    if !output.status.success() {
        return Err(Error::misconfigured(format!(
            "the store was not set up as the user {}: {}",
            owner.name,
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    let made: Value = serde_json::from_slice(&output.stdout).map_err(Error::internal)?;
    let field = |name: &'static str| (name, made[name].clone());
    Ok(data::SET_UP_FIELDS.map(field).into())
}

/// Returns the commands that lead from a new store to a service that runs.
fn next_commands(file: &Path, owner: Option<&Owner>) -> [String; 3] {
    let file = file.display().to_string();
    let user = owner
        .filter(|owner| !owner.is_this_process())
        .map(|owner| format!("runuser -u {} -- ", owner.name))
        .unwrap_or_default();
    let transire = format!("{user}transire --config {file}");
    let serve = if file == FILE_OF_UNIT {
        "systemctl enable --now transire".to_owned()
    } else {
        format!("{transire} serve")
    };
    [
        format!("{transire} account create --name NAME"),
        format!("{transire} instance create --account ACCOUNT --name NAME --service REGISTRY"),
        serve,
    ]
}
