//! `transire operator`.

use clap::{Args, Subcommand};

use super::{Context, arguments};
use crate::domain::Result;
use crate::domain::ids::AccountId;
use crate::domain::operator::{Operator, OperatorRole, OperatorState};
use crate::domain::seconds::Seconds;
use crate::domain::secret::Secret;
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an operator. Its token is shown this once.
    Create {
        /// Its name.
        #[arg(long, value_parser = arguments::some_text)]
        name: String,
        /// The role. admin: everything. auditor: reads everything, and changes nothing.
        /// account-admin: what is in one account.
        #[arg(long, value_parser = OperatorRole::NAMES)]
        role: String,
        /// The account of an account-admin.
        #[arg(long)]
        account: Option<AccountId>,
    },
    /// List the operators.
    List,
    /// Show an operator.
    Show(One),
    /// Refuse an operator's token until the operator is enabled again.
    Disable(One),
    /// Take a disabled operator's token again.
    Enable(One),
    /// Refuse an operator's token for ever.
    Delete(One),
    /// Give an operator another token, which is shown this once.
    Rotate {
        #[command(flatten)]
        one: One,
        /// For how long the token before is taken, too: at most 30d, and 0 for not at all.
        #[arg(long, value_name = "TIME", default_value = "1d")]
        grace: Seconds,
    },
}

#[derive(Args)]
pub(super) struct One {
    /// Its name.
    #[arg(long, value_parser = arguments::some_text)]
    name: String,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (identity, call) = (&context.service.identity, &context.call());
    let (one, state) = match command {
        Command::Create {
            name,
            role,
            account,
        } => {
            let role = OperatorRole::new(&role, account)?;
            let (operator, token) = identity.create_operator(call, &name, role).await?;
            return print_token(context, &operator, &token);
        }
        Command::List => {
            let operators = identity.operators(call).await?;
            return context
                .output
                .list(operators.into_iter().map(views::Operator::from));
        }
        Command::Show(one) => {
            let operator = identity.operator(call, &one.name).await?;
            return context.output.view(&views::Operator::from(operator));
        }
        Command::Delete(one) => {
            identity.delete_operator(call, &one.name).await?;
            return context
                .output
                .one(vec![("name", one.name.into()), ("state", "deleted".into())]);
        }
        Command::Rotate { one, grace } => {
            let (operator, token) = identity
                .rotate_operator(call, &one.name, grace.duration())
                .await?;
            return print_token(context, &operator, &token);
        }
        Command::Disable(one) => (one, OperatorState::Disabled),
        Command::Enable(one) => (one, OperatorState::Active),
    };
    identity.set_operator_state(call, &one.name, state).await?;
    context.output.one(vec![
        ("name", one.name.into()),
        ("state", state.name().into()),
    ])
}

fn print_token(context: &Context, operator: &Operator, token: &Secret) -> Result<()> {
    let account = operator.role.account().map(|account| account.to_string());
    context.output.one(vec![
        ("operator_id", operator.id.to_string().into()),
        ("name", operator.name.clone().into()),
        ("role", operator.role.name().into()),
        ("account", account.into()),
        ("token", token.expose().into()),
    ])
}
