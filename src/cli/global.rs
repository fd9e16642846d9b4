//! The options of every command.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use super::output;
use super::remote::Remote;
use crate::config::{Arguments, DatabaseUrl};
use crate::domain::Result;

#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// The folder of the SQLite database and the master key. [default: ./transire-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// The settings file, in TOML.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// A PostgreSQL database instead of SQLite: postgres://USER@HOST/NAME, without a password.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) database: Option<String>,
    /// A service to ask by its admin API, instead of the data on this machine:
    /// https://transire.example.com:8481.
    #[arg(long, global = true, value_name = "URL", conflicts_with_all = ["data_dir", "database"])]
    pub(super) server: Option<String>,
    /// The file with the operator's token for --server; - is standard input.
    #[arg(long, global = true, value_name = "FILE", requires = "server")]
    pub(super) token_file: Option<PathBuf>,
    /// Certificates of the authorities that --server's certificate may be of, in PEM.
    #[arg(long, global = true, value_name = "FILE", requires = "server")]
    pub(super) server_ca_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: output::Options,
    /// Don't ask before what can't be undone. Without a terminal nothing is asked either.
    #[arg(long, global = true)]
    pub(super) yes: bool,
}

impl Global {
    /// Returns those that go over the settings.
    pub(super) fn arguments(&self) -> Result<Arguments, Failure> {
        let database = self
            .database
            .as_deref()
            .map(DatabaseUrl::from_argument)
            .transpose()
            .map_err(Failure::Usage)?;
        Ok(Arguments {
            config: self.config.clone(),
            data_dir: self.data_dir.clone(),
            database,
            listen: None,
        })
    }

    /// Returns the service that does the command's operations, if one is named.
    pub(super) fn remote(&self) -> Result<Option<Remote>> {
        let token_file = self.token_file.as_deref();
        let server = self.server.as_deref();
        server
            .map(|server| Remote::new(server, token_file, self.server_ca_file.clone()))
            .transpose()
    }
}
