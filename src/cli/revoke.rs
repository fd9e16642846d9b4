//! `transire revoke`.

use clap::Args;

use super::Context;
use crate::domain::Result;
use crate::domain::principal::PrincipalName;

#[derive(Args)]
pub(super) struct Command {
    /// Whose: ACCOUNT:root, ACCOUNT:user/NAME or ACCOUNT:role/NAME.
    #[arg(long)]
    principal: PrincipalName,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    context.service.revoke(&context.operator, &command.principal, &context.request).await?;
    context.output.one(vec![("principal", command.principal.to_string().into()), ("state", "revoked".into())])
}
