//! Subjects of OpenID Connect issuers that an account refuses: a stolen token, a job that went
//! astray.

use serde_json::json;

use crate::domain::identity::RefusedSubject;
use crate::domain::ids::AccountId;
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Result};
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::identity::oidc_providers::check_issuer;
use crate::service::ledger::actions::AuditAction;
use crate::store;

/// The bytes of a subject.
const MAX_SUBJECT_BYTES: usize = 255;

/// The issuer of the tokens that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenIssuer {
    /// That of the account's provider of this name.
    OfProvider(String),
    /// The issuer itself: its provider may be gone, or not made yet.
    Url(String),
}

impl Identity {
    /// Refuses tokens of a subject, and ends what came out of them, until that is taken back.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InvalidParameter` for a value that
    /// isn't allowed; `NotFound`; `QuotaExceeded`; those of the store.
    pub async fn create_refused_subject(
        &self,
        call: &Call<'_>,
        account: AccountId,
        issuer: TokenIssuer,
        subject: &str,
    ) -> Result<RefusedSubject> {
        let refused = self.subject(call, account, issuer, subject).await?;
        let event = call
            .event_in(account, AuditAction::RefusedSubjectCreate)
            .detail(detail(&refused));
        let most = self.base.adjustable().quotas.refused_subjects;
        let insert = store::refused_subject::insert(&refused, most);
        self.ledger.change(insert, event).await?;
        Ok(refused)
    }

    /// Takes the refusal of a subject back.
    ///
    /// # Errors
    /// As [`Self::create_refused_subject`]; `NotFound` when the subject isn't refused.
    pub async fn delete_refused_subject(
        &self,
        call: &Call<'_>,
        account: AccountId,
        issuer: TokenIssuer,
        subject: &str,
    ) -> Result<RefusedSubject> {
        let refused = self.subject(call, account, issuer, subject).await?;
        let event = call
            .event_in(account, AuditAction::RefusedSubjectDelete)
            .detail(detail(&refused));
        let delete = store::refused_subject::delete(account, &refused.issuer, subject);
        self.ledger.change(delete, event).await?;
        Ok(refused)
    }

    /// Lists the subjects that an account refuses.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn refused_subjects(
        &self,
        call: &Call<'_>,
        account: AccountId,
    ) -> Result<Vec<RefusedSubject>> {
        call.caller
            .require(OperatorPermission::SubjectRead, Some(account))?;
        store::refused_subject::list(&self.base.store, account).await
    }

    async fn subject(
        &self,
        call: &Call<'_>,
        account: AccountId,
        issuer: TokenIssuer,
        subject: &str,
    ) -> Result<RefusedSubject> {
        call.caller
            .require(OperatorPermission::SubjectRefuse, Some(account))?;
        check_subject(subject)?;
        let issuer = match issuer {
            TokenIssuer::OfProvider(name) => self.oidc_provider(call, account, &name).await?.issuer,
            TokenIssuer::Url(url) => {
                // It isn't asked for anything, so its address doesn't matter.
                check_issuer(&self.access.remote, &url, true)?;
                url
            }
        };
        Ok(RefusedSubject {
            account,
            issuer,
            subject: subject.to_owned(),
            refused_at: call.now,
        })
    }
}

fn detail(refused: &RefusedSubject) -> serde_json::Value {
    json!({
        "account": refused.account.to_string(),
        "issuer": refused.issuer,
        "subject": refused.subject,
    })
}

/// Checks a subject, as tokens may have it.
fn check_subject(subject: &str) -> Result<()> {
    if (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) && !subject.chars().any(char::is_control) {
        return Ok(());
    }
    let why = format!(
        "a subject is the sub of a token, whole and without wildcards: 1 to {MAX_SUBJECT_BYTES} \
         bytes without control characters"
    );
    Err(Error::invalid_parameter("subject", why))
}
