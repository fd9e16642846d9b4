//! `transire revoke`.

use clap::Args;

use super::arguments;
use super::session::Session;
use crate::admin::{AcceptSubject, AccountText, RefuseSubject, Revoke, Text};
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::credential::CredentialId;
use crate::domain::{Error, Result};

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
    /// The account that refuses them: its id or its name.
    #[arg(long, requires = "subject")]
    account: Option<AccountText>,
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

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    let Some(principal) = command.principal else {
        return refuse(session, command.subject).await;
    };
    let revoke = Revoke {
        principal: Text(principal),
        credential: command.credential.map(Text),
    };
    session.print(revoke).await
}

/// Refuses the tokens of a subject, or takes that back.
async fn refuse(session: &Session, of: Subject) -> Result<()> {
    let (Some(subject), Some(account)) = (of.subject, of.account) else {
        return Err(Error::missing_parameter("--subject and --account"));
    };
    let (account, oidc_provider, issuer) = (account, of.oidc_provider, of.issuer);
    if of.take_back {
        let accept = AcceptSubject {
            account,
            subject,
            oidc_provider,
            issuer,
        };
        return session.print(accept).await;
    }
    let refuse = RefuseSubject {
        account,
        subject,
        oidc_provider,
        issuer,
    };
    session.print(refuse).await
}
