//! `transire role`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Context, Named, arguments, output, read_document};
use crate::domain::ids::AccountId;
use crate::domain::{Error, ErrorKind, Result};
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a role. The principals that its trust policy names may assume it.
    Create(Create),
    /// List an account's roles.
    List {
        /// The account's id.
        #[arg(long)]
        account: AccountId,
    },
    /// Delete a role. Its sessions stop, and all credentials that they obtained.
    Delete(Named),
}

#[derive(Args)]
pub(super) struct Create {
    #[command(flatten)]
    role: Named,
    /// A file with the trust policy, in CAM's or RAM's language: it names the principals that may
    /// assume the role.
    #[arg(long, value_name = "FILE")]
    trust_policy: PathBuf,
    /// The maximum life of a session in seconds: 3600 to 43200.
    #[arg(long, value_name = "SECONDS", default_value_t = 7200, value_parser = arguments::seconds)]
    max_session: u32,
}

/// The document of a role is its trust policy.
fn of_document(error: Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidParameter { name } if name == "document" => {
            arguments::of_argument("trust-policy")(error)
        }
        _ => error,
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    match command {
        Command::Create(Create {
            role: Named { account, name },
            trust_policy,
            max_session,
        }) => {
            let text = read_document("trust-policy", &trust_policy)?;
            let (role, warnings) = service
                .identity
                .create_role(call, account, &name, &text, max_session)
                .await
                .map_err(of_document)?;
            for warning in &warnings {
                output::warn(warning);
            }
            context.output.one(vec![
                ("role_id", role.id.to_string().into()),
                ("name", role.name.into()),
                (
                    "tencent_arn",
                    format!("qcs::cam::uin/{account}:roleName/{name}").into(),
                ),
                (
                    "alibaba_arn",
                    format!("acs:ram::{account}:role/{name}").into(),
                ),
                ("warnings", warnings.into()),
            ])
        }
        Command::List { account } => {
            let roles = service.identity.roles(call, account).await?;
            context
                .output
                .list(roles.into_iter().map(views::Role::from))
        }
        Command::Delete(one) => {
            let made = service
                .identity
                .delete_role(call, one.account, &one.name)
                .await?;
            let made = context.output.lines(made.into_iter());
            context.output.one(vec![
                ("name", one.name.into()),
                ("state", "deleted".into()),
                ("service_accounts", made),
            ])
        }
    }
}
