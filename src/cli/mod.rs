//! The operator's commands, one file a noun. Each acts as an operator caller, and is audited like
//! others.
//!
//! With `--output json` a command prints one JSON document on stdout and nothing else; a failure
//! leaves stdout empty (but for a listing that is printed as it is read), says why on stderr, as a
//! JSON document too, and has the exit status of its kind (`failure.rs`). A command that answers a
//! question exits with 1 when the answer is no, and with 2 when there is none.
//! SIGTERM ends a command, whatever it waits for, with 143, and SIGINT with 130.

mod access_key;
mod account;
mod activity;
mod allow_list;
mod arguments;
mod audit;
mod client;
mod config;
mod confirm;
mod credential;
mod data;
mod declare;
mod doctor;

mod examples;
mod failure;
mod global;
mod group;
mod health;
mod here;
mod import;
mod init;
mod instance;
mod keys;
mod log;
mod manual;
mod namespace;
mod notice;
mod oidc_provider;
mod operator;
mod output;
mod policy;
mod process;
mod received;
mod registry_config;
mod remote;
mod report;
mod repository;
mod revoke;
mod role;
mod run;
mod service_account;
mod session;
mod snippets;
mod traces;
mod user;

pub use self::process::command;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::confirm::Question;
use self::failure::{Ended, Failure, Teller, log_in_its_form};
use self::global::Global;
use self::output::Output;
use crate::admin::ShowActivity;
use crate::config::{Listen, Settings};
use crate::domain::ids::AccountId;
use crate::domain::{Error, Result};
use crate::mock::Mock;
use crate::quickstart::Quickstart;
use crate::serve::{GivenSockets, Signals};
use crate::service::{Call, Caller, RequestContext, Service};
use crate::{mock, quickstart, serve, version};

/// Access credentials for container registries, by the APIs of Tencent Cloud TCR, Alibaba Cloud ACR
/// and Amazon ECR.
#[derive(Parser)]
#[command(
    name = "transire",
    version = version::BUILD,
    max_term_width = 110,
    after_help = "Exit status: 0 for success; 1 for a failure, or the answer no; 2 for an \
                  argument, or a file that it names, that is invalid; 3 for an object that isn't \
                  there; 4 for one that is there already; 5 when the database or a registry \
                  can't be reached, or has too much to do."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
    #[arg(skip)]
    question: Question,
}

#[derive(Subcommand)]
enum Command {
    /// Serve both cloud APIs and the registries' token exchange.
    Serve {
        /// The address to listen at, or a port on loopback; port 0 picks a free one. [default:
        /// 8480]
        #[arg(long, value_name = "ADDR")]
        listen: Option<Listen>,
    },
    /// Ask a running service whether it is ready; the exit status is 0 if it is.
    Health(health::Health),
    /// Show the version, the schema, the database, the issuer, the replicas that run, and warnings.
    Status,
    /// Show what was issued, exchanged and refused in the last time, and how long it took.
    Activity(ShowActivity),
    /// Examine the service and its surroundings: each check, whether it is ok, and the next step.
    /// The exit status is 1 where a check finds a fault.
    Doctor,
    /// Set up a new store: its master key, CA and issuer. An existing store stays as it is.
    ///
    /// With --config and a file that isn't there, or with an option of this command, it writes the
    /// settings of a service for production, and makes its folders, too. At a terminal it asks for
    /// what no option gives. Nothing that is there is overwritten.
    Init(init::Options),
    /// Demonstrate the service in a minute: an account, a registry, and a log-in with each kind of
    /// credential.
    Quickstart(Quickstart),
    /// Serve from memory with published keys, for tests of tools that speak these APIs.
    Mock(Mock),
    /// Operators, who administer this service.
    #[command(subcommand)]
    Operator(operator::Command),
    /// Accounts, which own everything else.
    #[command(subcommand)]
    Account(account::Command),
    /// Access keys, which sign cloud API calls.
    #[command(subcommand)]
    AccessKey(access_key::Command),
    /// Users of an account; policies give them rights.
    #[command(subcommand)]
    User(user::Command),
    /// Groups of users, which share policies.
    #[command(subcommand)]
    Group(group::Command),
    /// Roles, which callers assume for a limited time.
    #[command(subcommand)]
    Role(role::Command),
    /// Policies, in Tencent Cloud's CAM or Alibaba Cloud's RAM language.
    #[command(subcommand)]
    Policy(policy::Command),
    /// OpenID Connect issuers, whose tokens roles may trust.
    #[command(subcommand)]
    OidcProvider(oidc_provider::Command),
    /// Stop every temporary credential, session and refresh token of a principal, and the service
    /// accounts that it made. Or stop one credential.
    Revoke(revoke::Command),
    /// Instances: the registries to log in to.
    #[command(subcommand)]
    Instance(instance::Command),
    /// Records of an instance's namespaces.
    #[command(subcommand)]
    Namespace(namespace::Command),
    /// Records of an instance's repositories.
    #[command(subcommand)]
    Repository(repository::Command),
    /// Reports: which keys, credentials and passwords aren't used, and which end soon.
    #[command(subcommand)]
    Report(report::Command),
    /// Notices of secrets that end, were replaced, were stopped or are refused often.
    #[command(subcommand)]
    Notice(notice::Command),
    /// The addresses that may log in to an instance.
    #[command(subcommand)]
    AllowList(allow_list::Command),
    /// Long-term credentials, and fixed passwords.
    #[command(subcommand)]
    Credential(credential::Command),
    /// Import the users of another registry's log-in, who keep their names and passwords.
    #[command(subcommand)]
    Import(import::Command),
    /// Service accounts, which are made through Tencent's API.
    #[command(subcommand)]
    ServiceAccount(service_account::Command),
    /// The keys that sign tokens and seal credentials, the CA, and the master key.
    #[command(subcommand)]
    Keys(keys::Command),
    /// The audit: actions and refused requests.
    #[command(subcommand)]
    Audit(audit::Command),
    /// The settings.
    #[command(subcommand)]
    Config(config::Command),
    /// Write the files with which a registry trusts an instance's tokens.
    RegistryConfig(registry_config::Command),
    /// Make accounts, and what is in them, as a file says. The steps are shown first.
    Apply(declare::Apply),
    /// Write accounts, and what is in them, as a file for `transire apply`. It holds no secret.
    Export(declare::Export),
    #[command(flatten)]
    Data(data::Command),
    #[command(flatten)]
    Client(client::Command),
    #[command(flatten)]
    Manual(manual::Command),
}

/// An object of an account, by its name.
#[derive(Args)]
struct Named {
    /// The account's id.
    #[arg(long)]
    account: AccountId,
    /// Its name.
    #[arg(long, value_parser = arguments::some_text)]
    name: String,
}

/// Reads a document from the file that `argument` named.
fn read_document(argument: &str, file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| {
        Error::invalid_parameter(
            argument,
            format!("{} can't be read: {error}", file.display()),
        )
    })
}

/// The service, the caller, the request and the output of a command.
struct Context {
    service: Service,
    operator: Caller,
    request: RequestContext,
    output: Output,
}

impl Context {
    /// Begins a call of the operator's.
    fn call(&self) -> Call<'_> {
        self.service.call(&self.operator, &self.request)
    }
}

impl Cli {
    /// Runs the command; returns the process's exit code.
    pub fn run(self) -> ExitCode {
        let decides = match &self.command {
            Command::Policy(command) => command.decides(),
            Command::Role(command) => command.decides(),
            Command::Import(_) => true,
            Command::Apply(command) => command.decides(),
            Command::Audit(command) => command.decides(),
            _ => false,
        };
        let teller = Teller {
            format: self.global.output.format(),
            decides,
        };
        // Before there are threads: `no_new_privs` is a thread's own, and the variables that tell
        // of the sockets are taken away.
        let sockets = match self.command {
            Command::Serve { .. } => {
                serve::harden();
                GivenSockets::of_process()
            }
            _ => Ok(GivenSockets::default()),
        };
        let runtime = match tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("transire: the operating system gives no threads: {error}");
                return teller.failed();
            }
        };
        let outcome = runtime.block_on(self.run_command(sockets));
        // A thread that still waits for a file lock of another process must not keep this process.
        runtime.shutdown_background();
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => teller.tell(failure),
        }
    }

    async fn run_command(self, sockets: Result<GivenSockets>) -> Result<(), Failure> {
        // Before anything waits.
        let mut signals = Signals::receive()?;
        let Self {
            global,
            command,
            question,
        } = self;
        here::refuse_server(global.server.as_deref(), &command)?;
        let question = question.unless(global.yes);
        let asked = signals.unless_told(question.clone().ask_early()).await;
        asked.map_err(Failure::Stopped)??;
        let is_service = matches!(command, Command::Serve { .. });
        let default_level = if is_service { "info" } else { "warn" };
        let command = match run::without_data(command, &global, default_level, &mut signals).await?
        {
            Some(command) => command,
            None => return Ok(()),
        };
        let mut arguments = global.arguments()?;
        if let Command::Serve { listen } = command {
            arguments.listen = listen;
        }
        let loaded = Settings::load(arguments.clone())?;
        let (spans, traces) = traces::start(&loaded.settings, is_service)?.unzip();
        log::start(&loaded.settings.log, default_level, spans);
        let loaded = loaded.complete();
        let settings = &loaded.settings;
        match command {
            Command::Config(command) => Ok(config::run(
                &command,
                &loaded,
                &Output::new(&global.output),
            )?),
            Command::Serve { .. } => {
                let served = async {
                    serve::serve(settings, arguments, sockets?, &mut signals, traces).await
                };
                served
                    .await
                    .map_err(|error| log_in_its_form(settings.log.format, error))
            }
            Command::Mock(options) => {
                let names_data = arguments.data_dir.is_some();
                let ended = mock::run(settings, names_data, &options, &mut signals).await?;
                ended.map_err(Failure::Stopped)
            }
            Command::Quickstart(options) => quickstart::run(settings, &options, &mut signals)
                .await?
                .map_err(Failure::Stopped),
            command => signals
                .unless_told(Box::pin(run::to_its_end(
                    settings, &global, command, question,
                )))
                .await
                .map_err(Failure::Stopped)?,
        }
    }
}
