//! The commands of a service's clients: they need neither its data nor its settings.

mod credential_provider;
mod docker_credential;
mod log_in;
mod pull_secret;

use std::io::{Read, stdin};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::arguments;
use super::output::{Fields, Output};
use crate::client::cloud::CloudApi;
use crate::client::credentials::{Proof, Wanted};
use crate::client::endpoint::Endpoint;
use crate::client::environment::Environment;
use crate::client::exchange::Terms;
use crate::client::job_token::Sources;
use crate::client::log_in::LogIn;
use crate::client::profile::{Profile, RegistryProfile};
use crate::domain::clock::Timestamp;
use crate::domain::narrowing::Narrowing;
use crate::domain::scope::Scopes;
use crate::domain::seconds::Seconds;
use crate::domain::{Error, Result};

/// The most bytes of a request of another program's protocol.
const MAX_REQUEST: u64 = 256 << 10;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Get a credential of a registry, and print its secret alone.
    ///
    /// With an access key it is a temporary credential; in a job that holds an OpenID Connect
    /// token it is that token, which logs in as the role that trusts it.
    GetLoginPassword(Options),
    /// Log docker, podman and others in to a registry.
    Login {
        /// The registry: host, and port where it has one.
        #[arg(value_parser = arguments::some_text)]
        registry: String,
        #[command(flatten)]
        options: Options,
    },
    /// Remove a registry's log-in.
    Logout {
        /// The registry: host, and port where it has one.
        #[arg(value_parser = arguments::some_text)]
        registry: String,
    },
    /// Say as whom, by which key or token, and until when this client logs in.
    Whoami(Options),
    /// Print the OpenID Connect token of the job.
    Token(Options),
    /// Docker's credential helper, also as docker-credential-transire.
    #[command(subcommand)]
    DockerCredential(docker_credential::Command),
    /// The kubelet's credential provider: its request on standard input, the answer on standard
    /// output.
    CredentialProvider(Options),
    /// Write a pull secret of Kubernetes, and renew it.
    ///
    /// It runs in a pod with an account that may write the Secret, or anywhere with --kube-api.
    /// A Secret of another type, or without the label app.kubernetes.io/managed-by: transire, is
    /// left as it is.
    PullSecret(pull_secret::PullSecret),
}

/// The service, the instance and the proof.
#[derive(Args, Clone, Default)]
pub(super) struct Options {
    /// The service's URL. [env: TRANSIRE_ENDPOINT]
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    endpoint: Option<String>,
    /// The instance: its id, or its service. [env: TRANSIRE_INSTANCE]
    #[arg(long, value_name = "ID|SERVICE", value_parser = arguments::some_text)]
    instance: Option<String>,
    /// The role that an OpenID Connect token logs in as: role/NAME, ACCOUNT/role/NAME, or an ARN.
    /// Without it, the one that trusts the token. [env: TRANSIRE_ROLE]
    #[arg(long, value_parser = arguments::some_text)]
    role: Option<String>,
    /// The file of an OpenID Connect token.
    #[arg(long, value_name = "FILE", conflicts_with = "oidc_token_env")]
    oidc_token_file: Option<PathBuf>,
    /// The variable of an OpenID Connect token.
    #[arg(long, value_name = "NAME", value_parser = arguments::some_text)]
    oidc_token_env: Option<String>,
    /// The audience of a token that the job asks its platform for.
    #[arg(long, value_parser = arguments::some_text)]
    audience: Option<String>,
    /// Certificates of authorities to trust besides the system's, in PEM.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// A scope that narrows the log-in, such as repository:team/app:pull; may be repeated.
    #[arg(long, value_name = "SCOPE", value_parser = scope)]
    scope: Vec<String>,
    /// The log-in's life, such as 10m. A token is exchanged for one of an hour at most.
    #[arg(long, value_name = "TIME", value_parser = arguments::life)]
    ttl: Option<Seconds>,
}

/// Reads a scope as a registry's clients write it.
fn scope(text: &str) -> Result<String> {
    Narrowing::new(Scopes::parse([text])?).map(|_| text.to_owned())
}

/// Reads the URL of a service, as it is.
fn endpoint(text: &str) -> Result<String> {
    Endpoint::parse(text)?;
    Ok(text.to_owned())
}

impl Options {
    /// Returns what the options, the variables and the profile of a registry say together.
    fn wanted(&self, environment: &Environment, registry: Option<&str>) -> Result<Wanted> {
        let profile = Profile::of_user(environment)?;
        let of_registry = registry.and_then(|registry| profile.of_registry(registry));
        Ok(self.or_of(environment, of_registry))
    }

    fn or_of(&self, environment: &Environment, profile: Option<&RegistryProfile>) -> Wanted {
        let wanted = Wanted {
            endpoint: self.endpoint.clone(),
            instance: self.instance.clone(),
            role: self.role.clone(),
            sources: Sources {
                file: self.oidc_token_file.clone(),
                variable: self.oidc_token_env.clone(),
                audience: self.audience.clone(),
            },
            ca_file: self.ca_file.clone(),
            terms: Terms {
                scopes: self.scope.clone(),
                ttl: self.ttl.map(Seconds::duration),
            },
        };
        wanted.or_of(environment, profile)
    }
}

/// Reads the request of another program's protocol from standard input.
fn request() -> Result<String> {
    let mut text = String::new();
    stdin()
        .take(MAX_REQUEST)
        .read_to_string(&mut text)
        .map_err(|error| Error::misconfigured(format!("standard input can't be read: {error}")))?;
    Ok(text)
}

pub(super) async fn run(command: Command, output: &Output) -> Result<()> {
    let environment = &Environment::of_process();
    match command {
        Command::GetLoginPassword(options) => {
            let wanted = options.wanted(environment, None)?;
            let log_in = wanted.log_in(environment).await?;
            print(output, &wanted, &log_in)
        }
        Command::Login { registry, options } => {
            log_in::log_in(environment, &registry, &options, output).await
        }
        Command::Logout { registry } => log_in::log_out(environment, &registry, output).await,
        Command::Whoami(options) => whoami(environment, &options, output).await,
        Command::Token(options) => {
            let wanted = options.wanted(environment, None)?;
            let found = wanted
                .sources
                .find(environment, &wanted.client())
                .await?
                .ok_or_else(|| {
                    Error::misconfigured("this process is no job with an OpenID Connect token")
                })?;
            output.secret(found.token.expose(), Vec::new())
        }
        Command::DockerCredential(command) => docker_credential::run(environment, command).await,
        Command::CredentialProvider(options) => {
            credential_provider::run(environment, &options).await
        }
        Command::PullSecret(command) => pull_secret::run(environment, command, output).await,
    }
}

fn print(output: &Output, wanted: &Wanted, log_in: &LogIn) -> Result<()> {
    let fields = vec![
        ("registry", wanted.service().into()),
        ("username", log_in.username.as_str().into()),
        ("expires_at", time(log_in.expires_at)),
    ];
    output.secret(log_in.secret.expose(), fields)
}

fn time(at: Option<Timestamp>) -> Value {
    at.map(Timestamp::rfc3339).into()
}

async fn whoami(environment: &Environment, options: &Options, output: &Output) -> Result<()> {
    let wanted = options.wanted(environment, None)?;
    let fields: Fields = match wanted.proof(environment).await? {
        Proof::Key(key) => {
            let (client, endpoint) = (wanted.client(), wanted.endpoint()?);
            let arn = CloudApi::new(&client, &endpoint, &key)
                .caller_identity()
                .await?;
            vec![
                ("caller", arn.into()),
                ("by", key.to_string().into()),
                ("expires_at", Value::Null),
            ]
        }
        Proof::Token(token) => {
            let log_in = wanted.log_in_by(token);
            vec![
                ("username", log_in.username.as_str().into()),
                ("by", log_in.source.as_str().into()),
                ("expires_at", time(log_in.expires_at)),
            ]
        }
    };
    output.show(fields)
}
