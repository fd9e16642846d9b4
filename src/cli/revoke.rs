//! `transire revoke`.

use clap::Args;

use super::{Context, arguments};
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::credential::CredentialId;
use crate::domain::ids::AccountId;
use crate::domain::{Error, Result};
use crate::service::{Revoked, TokenIssuer};

#[derive(Args)]
pub(super) struct Command {
    /// The principal: ACCOUNT:root, ACCOUNT:user/NAME, ACCOUNT:role/NAME. The forms of lists, the
    /// audit and the clouds work too. For a session, everything of its role or its user stops,
    /// unless --credential names that session. Name a deleted user or role by its id to stop the
    /// service accounts that it made.
    #[arg(long, required_unless_present = "subject")]
    principal: Option<AnyPrincipal>,
    /// Stop only this credential or session, by its id from the audit. A long-term credential is
    /// disabled.
    #[arg(
        long,
        value_name = "ID",
        value_parser = arguments::credential_id,
        requires = "principal"
    )]
    credential: Option<CredentialId>,
    #[command(flatten)]
    subject: Subject,
}

#[derive(Args)]
struct Subject {
    /// Refuse the OpenID Connect tokens of this subject, whole and without wildcards, until
    /// --take-back.
    #[arg(long, conflicts_with = "principal", requires = "account")]
    subject: Option<String>,
    /// The id of the account that refuses them.
    #[arg(long, requires = "subject")]
    account: Option<AccountId>,
    /// The provider of the tokens.
    #[arg(
        long,
        value_name = "NAME",
        value_parser = arguments::some_text,
        requires = "subject",
        conflicts_with = "issuer"
    )]
    oidc_provider: Option<String>,
    /// Their issuer, where the account has no provider of it.
    #[arg(long, value_name = "URL", requires = "subject")]
    issuer: Option<String>,
    /// Accept the subject again.
    #[arg(long, requires = "subject")]
    take_back: bool,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command.principal {
        Some(principal) => revoke(context, principal, command.credential).await,
        None => refuse(context, command.subject).await,
    }
}

async fn revoke(
    context: &Context,
    principal: AnyPrincipal,
    credential: Option<CredentialId>,
) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let revoked = match &credential {
        Some(id) => {
            service
                .identity
                .revoke_credential(call, &principal, id)
                .await?;
            Revoked {
                principal,
                service_accounts: Vec::new(),
            }
        }
        None => service.identity.revoke(call, &principal).await?,
    };
    let credential = credential.map(|id| id.to_string());
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

/// Refuses the tokens of a subject, or takes that back.
async fn refuse(context: &Context, of: Subject) -> Result<()> {
    let (identity, call) = (&context.service.identity, &context.call());
    let (Some(subject), Some(account)) = (of.subject, of.account) else {
        return Err(Error::missing_parameter("--subject and --account"));
    };
    let issuer = match (of.oidc_provider, of.issuer) {
        (Some(name), _) => TokenIssuer::OfProvider(name),
        (None, Some(url)) => TokenIssuer::Url(url),
        (None, None) => return Err(Error::missing_parameter("--oidc-provider or --issuer")),
    };
    let (done, state) = if of.take_back {
        let accepted = identity.delete_refused_subject(call, account, issuer, &subject);
        (accepted.await?, "accepted")
    } else {
        let refused = identity.create_refused_subject(call, account, issuer, &subject);
        (refused.await?, "refused")
    };
    context.output.one(vec![
        ("account", account.to_string().into()),
        ("issuer", done.issuer.into()),
        ("subject", done.subject.into()),
        ("state", state.into()),
    ])
}
