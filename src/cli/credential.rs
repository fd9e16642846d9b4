//! `transire credential`.

use clap::{Args, Subcommand};

use super::{Context, arguments};
use crate::domain::Result;
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::credential::{CredentialId, CredentialState};
use crate::domain::instance::AnyInstanceId;
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List an instance's long-term credentials, the newest first.
    List {
        /// The instance's tcr- or cri- id.
        #[arg(long)]
        instance: AnyInstanceId,
    },
    /// Stop a credential until it is enabled again.
    Disable(One),
    /// Let a disabled credential log in again.
    Enable(One),
    /// Stop a credential for ever.
    Delete(One),
    /// List an instance's fixed passwords, and which of them have their old hash still.
    ListPasswords {
        /// The instance's tcr- or cri- id.
        #[arg(long)]
        instance: AnyInstanceId,
    },
    /// Delete a fixed password, which its owner set with ResetLoginPassword and may set again.
    DeletePassword {
        /// The instance's tcr- or cri- id.
        #[arg(long)]
        instance: AnyInstanceId,
        /// The owner: ACCOUNT:root or ACCOUNT:user/NAME.
        #[arg(long)]
        principal: AnyPrincipal,
    },
}

#[derive(Args)]
pub(super) struct One {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: AnyInstanceId,
    /// The credential's id.
    #[arg(long, value_parser = arguments::credential_id)]
    id: CredentialId,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let (one, state) = match command {
        Command::List { instance } => {
            let credentials = service
                .credentials
                .credentials(call, &instance.into())
                .await?;
            return context
                .output
                .list(credentials.into_iter().map(views::Credential::from));
        }
        Command::Delete(one) => {
            service
                .credentials
                .delete_credential(call, &one.instance.into(), &one.id)
                .await?;
            return context.output.one(vec![
                ("id", one.id.as_str().into()),
                ("state", "deleted".into()),
            ]);
        }
        Command::ListPasswords { instance } => {
            let passwords = service
                .credentials
                .fixed_passwords(call, &instance.into())
                .await?;
            return context
                .output
                .list(passwords.into_iter().map(views::FixedPassword::from));
        }
        Command::DeletePassword {
            instance,
            principal,
        } => {
            service
                .credentials
                .delete_fixed_password(call, &instance.into(), &principal)
                .await?;
            return context.output.one(vec![
                ("principal", principal.to_string().into()),
                ("state", "deleted".into()),
            ]);
        }
        Command::Disable(one) => (one, CredentialState::Disabled),
        Command::Enable(one) => (one, CredentialState::Active),
    };
    service
        .credentials
        .set_credential_state(call, &one.instance.into(), &one.id, state)
        .await?;
    context.output.one(vec![
        ("id", one.id.as_str().into()),
        ("state", state.name().into()),
    ])
}
