//! `transire revoke`.

use clap::Args;

use super::{Context, arguments};
use crate::domain::Result;
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::credential::CredentialId;

#[derive(Args)]
pub(super) struct Command {
    /// Whose: ACCOUNT:root, ACCOUNT:user/NAME, ACCOUNT:role/NAME, or as lists, the audit or the clouds write it. Of a
    /// session, everything of its role or its user stops, unless --credential names the one.
    #[arg(long)]
    principal: AnyPrincipal,
    /// Only this credential or session, by its id, which the audit has; a long-term one is disabled.
    #[arg(long, value_name = "ID", value_parser = arguments::credential_id)]
    credential: Option<CredentialId>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (service, operator, request) = (&context.service, &context.operator, &context.request);
    let revoked = match &command.credential {
        Some(id) => service.revoke_credential(operator, &command.principal, id, request).await.map(|()| command.principal)?,
        None => service.revoke(operator, &command.principal, request).await?,
    };
    let credential = command.credential.map(|id| id.to_string());
    context.output.one(vec![("principal", revoked.to_string().into()), ("credential_id", credential.into()), ("state", "revoked".into())])
}
