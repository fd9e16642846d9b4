//! Where commands are run: without data, on the data, or at a service.

use super::confirm::Question;
use super::failure::{Ended, Failure};
use super::global::Global;
use super::output::Output;
use super::session::Session;
use super::{
    Command, Context, access_key, account, activity, allow_list, audit, client, config, credential,
    data, declare, doctor, group, health, import, init, instance, keys, log, manual, namespace,
    notice, oidc_provider, operator, policy, registry_config, report, repository, revoke, role,
    service_account, user,
};
use crate::admin::ShowStatus;
use crate::config::{Log, Settings};
use crate::domain::Result;
use crate::open::{Open, open, os_user};
use crate::serve::Signals;
use crate::service::{Caller, RequestContext};

/// Runs a command that has neither data nor settings; returns one that has.
pub(super) async fn without_data(
    command: Command,
    global: &Global,
    log_level: &str,
    signals: &mut Signals,
) -> Result<Option<Command>, Failure> {
    let output = Output::new(&global.output);
    let begin_log = || log::start(&Log::default(), log_level, None);
    match command {
        Command::Manual(command) => manual::run(&command, &output)?,
        Command::Config(config::Command::Example) => config::example(&output)?,
        Command::Policy(policy::Command::Check(check)) => {
            policy::check(&check, &output)?.answer()?;
        }
        Command::Audit(audit::Command::Verify(asked)) if asked.is_of_file() => {
            asked.run_on_file(&output)?.answer()?;
        }
        Command::Keys(keys::Command::GenerateMaster { file }) => {
            keys::generate_master(&file, &output)?;
        }
        Command::Client(command) => {
            begin_log();
            let done = signals.unless_told(Box::pin(client::run(command, &output)));
            done.await.map_err(Failure::Stopped)??;
        }
        Command::Init(options) if options.is_for_production(global) => {
            begin_log();
            let done = signals.unless_told(Box::pin(init::run(options, global, &output)));
            done.await.map_err(Failure::Stopped)??;
        }
        command => return Ok(Some(command)),
    }
    Ok(None)
}

/// Runs a command that ends by itself.
pub(super) async fn to_its_end(
    settings: &Settings,
    global: &Global,
    command: Command,
    question: Question,
) -> Result<(), Failure> {
    let output = Output::new(&global.output);
    match command {
        Command::Init(_) => return Ok(data::init(settings, &output).await?),
        Command::Data(command) => {
            let remote = global.remote()?;
            return data::run(settings, command, remote.as_ref(), &output).await;
        }
        Command::Health(asked) => return Ok(health::run(settings, &asked, &output).await?),
        Command::Doctor => return doctor::run(settings, &output).await,
        _ => {}
    }
    let session = match global.remote()? {
        Some(remote) => Session::Remote(Box::new(remote), output),
        None => {
            let service = open(settings, Open::Command).await?;
            let request = RequestContext::operator(service.base.request_id());
            Session::Local(Box::new(Context {
                service,
                operator: Caller::local_operator(Some(os_user())),
                request,
                output,
            }))
        }
    };
    let outcome = match question.ask_late(&session).await {
        Ok(()) => in_session(&session, command, global.yes)
            .await
            .map_err(Failure::from),
        Err(declined) => Err(declined),
    };
    if let Session::Local(context) = &session {
        context.service.ledger.close().await;
    }
    outcome?.answer()
}

/// Runs a command on the data, or at a service.
async fn in_session(session: &Session, command: Command, is_yes: bool) -> Result<Ended> {
    let done = match command {
        Command::Operator(command) => operator::run(session, command).await,
        Command::Account(command) => account::run(session, command).await,
        Command::AccessKey(command) => access_key::run(session, command).await,
        Command::User(command) => user::run(session, command).await,
        Command::Group(command) => group::run(session, command).await,
        Command::Role(command) => return role::run(session, command).await,
        Command::Policy(command) => return policy::run(session, command).await,
        Command::OidcProvider(command) => oidc_provider::run(session, command).await,
        Command::Revoke(command) => revoke::run(session, command).await,
        Command::Instance(command) => instance::run(session, command).await,
        Command::Namespace(command) => namespace::run(session, command).await,
        Command::Repository(command) => repository::run(session, command).await,
        Command::AllowList(command) => allow_list::run(session, command).await,
        Command::Credential(command) => credential::run(session, command).await,
        Command::Report(command) => report::run(session, command).await,
        Command::Notice(command) => notice::run(session, command).await,
        Command::ServiceAccount(command) => service_account::run(session, command).await,
        Command::Import(command) => return import::run(session, command).await,
        Command::Keys(command) => keys::run(session, command).await,
        Command::Audit(command) => return audit::run(session, command).await,
        Command::Status => session.show(ShowStatus {}).await,
        Command::Activity(asked) => activity::run(session, asked).await,
        Command::Apply(command) => return declare::apply(session, &command, is_yes).await,
        Command::Export(command) => declare::export(session, &command).await,
        Command::RegistryConfig(command) => registry_config::run(session, command).await,
        Command::Serve { .. }
        | Command::Health(_)
        | Command::Doctor
        | Command::Init(_)
        | Command::Quickstart(_)
        | Command::Mock(_)
        | Command::Data(_)
        | Command::Client(_)
        | Command::Config(_)
        | Command::Manual(_) => Ok(()),
    };
    done.map(|()| Ended::Done)
}
