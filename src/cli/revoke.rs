//! `transire revoke`.

use clap::Args;

use super::{Context, arguments};
use crate::domain::Result;
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::credential::CredentialId;
use crate::service::Revoked;

#[derive(Args)]
pub(super) struct Command {
    /// The principal: ACCOUNT:root, ACCOUNT:user/NAME, ACCOUNT:role/NAME. The forms of lists, the
    /// audit and the clouds work too. For a session, everything of its role or its user stops,
    /// unless --credential names that session. Name a deleted user or role by its id to stop the
    /// service accounts that it made.
    #[arg(long)]
    principal: AnyPrincipal,
    /// Stop only this credential or session, by its id from the audit. A long-term credential is
    /// disabled.
    #[arg(long, value_name = "ID", value_parser = arguments::credential_id)]
    credential: Option<CredentialId>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let revoked = match &command.credential {
        Some(id) => {
            service
                .identity
                .revoke_credential(call, &command.principal, id)
                .await?;
            Revoked {
                principal: command.principal,
                service_accounts: Vec::new(),
            }
        }
        None => service.identity.revoke(call, &command.principal).await?,
    };
    let credential = command.credential.map(|id| id.to_string());
    context.output.one(vec![
        ("principal", revoked.principal.to_string().into()),
        ("credential_id", credential.into()),
        ("state", "revoked".into()),
        (
            "disabled_service_accounts",
            context.output.lines(revoked.service_accounts.into_iter()),
        ),
    ])
}
