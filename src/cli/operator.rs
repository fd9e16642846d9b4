//! `transire operator`.

use clap::Subcommand;

use super::session::{List, Session};
use crate::admin::{
    CreateOperator, DeleteOperator, DisableOperator, EnableOperator, ListOperators, RotateOperator,
    ShowOperator,
};
use crate::domain::Result;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an operator. Its token is shown this once.
    Create(CreateOperator),
    /// List the operators.
    List(List<ListOperators>),
    /// Show an operator.
    Show(ShowOperator),
    /// Refuse an operator's token until the operator is enabled again.
    Disable(DisableOperator),
    /// Take a disabled operator's token again.
    Enable(EnableOperator),
    /// Refuse an operator's token for ever.
    Delete(DeleteOperator),
    /// Give an operator another token, which is shown this once.
    Rotate(RotateOperator),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Create(new) => session.print(new).await,
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.print(one).await,
        Command::Disable(one) => session.print(one).await,
        Command::Enable(one) => session.print(one).await,
        Command::Delete(one) => session.print(one).await,
        Command::Rotate(one) => session.print(one).await,
    }
}
