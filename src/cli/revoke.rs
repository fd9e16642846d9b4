//! `transire revoke`.

use clap::Args;

use super::Context;
use crate::domain::Result;
use crate::domain::credential::CredentialId;
use crate::domain::principal::PrincipalName;

#[derive(Args)]
pub(super) struct Command {
    /// Whose: ACCOUNT:root, ACCOUNT:user/NAME or ACCOUNT:role/NAME.
    #[arg(long)]
    principal: PrincipalName,
    /// Only this credential or session, by its id, which the audit has; a long-term one is disabled.
    #[arg(long, value_name = "ID")]
    credential: Option<CredentialId>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (service, operator, request) = (&context.service, &context.operator, &context.request);
    match &command.credential {
        Some(id) => service.revoke_credential(operator, &command.principal, id, request).await?,
        None => service.revoke(operator, &command.principal, request).await?,
    }
    let credential = command.credential.map(|id| id.to_string());
    context.output.one(vec![
        ("principal", command.principal.to_string().into()),
        ("credential_id", credential.into()),
        ("state", "revoked".into()),
    ])
}
