//! The notices, as operators see them, and send them again.

use serde_json::json;

use crate::domain::ids::AccountId;
use crate::domain::notice::{Notice, NoticeId, NoticeKind, Subject, SubjectKind};
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Noun, Result};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::notices::Notices;
use crate::store::notice;

impl Notices {
    /// Lists the notices of one account or of all, the newest first.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn list(&self, call: &Call<'_>, account: Option<AccountId>) -> Result<Vec<Notice>> {
        let account = account.or(call.caller.own_account());
        call.caller
            .require(OperatorPermission::NoticeRead, account)?;
        notice::list(&self.base.store, account).await
    }

    /// Returns a notice.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`, for another account's, too;
    /// those of the store.
    pub async fn show(&self, call: &Call<'_>, id: &NoticeId) -> Result<Notice> {
        let own = call.caller.own_account();
        call.caller.require(OperatorPermission::NoticeRead, own)?;
        let found = notice::find(&self.base.store, id).await?;
        found
            .filter(|found| own.is_none() || found.subject.account == own)
            .ok_or_else(|| Error::not_found(Noun::Notice, id))
    }

    /// Has a dead notice sent again, as often as a new one.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`; `PreconditionFailed` for one
    /// that isn't dead; those of the store.
    pub async fn retry(&self, call: &Call<'_>, id: &NoticeId) -> Result<Notice> {
        call.caller
            .require(OperatorPermission::NoticeUpdate, None)?;
        let account = notice::find(&self.base.store, id)
            .await?
            .and_then(|found| found.subject.account);
        let event = call
            .event_in(account, AuditAction::NoticeRetry)
            .detail(json!({ "notice": id.as_str() }));
        self.ledger
            .change(notice::retry(id, call.now), event)
            .await?;
        self.show(call, id).await
    }

    /// Makes a notice that tries the webhook.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `PreconditionFailed` where the settings
    /// name no webhook; those of the store.
    pub async fn test(&self, call: &Call<'_>) -> Result<Notice> {
        call.caller
            .require(OperatorPermission::NoticeCreate, None)?;
        if self.webhook.is_none() {
            return Err(Error::precondition_failed(
                Noun::Setting,
                "There is no webhook: set notices.webhook_url and notices.webhook_secret_file, \
                 and restart the service.",
            ));
        }
        let subject = Subject {
            kind: SubjectKind::Service,
            id: self.base.issuer.clone(),
            name: None,
            account: None,
            instance: None,
        };
        let told = self.ledger.notice(NoticeKind::Test, subject, call.now);
        let event = call
            .event(AuditAction::NoticeTest)
            .made(told.id.as_str())
            .detail(json!({ "notice": told.id.as_str() }));
        self.ledger.change(notice::insert(&told), event).await?;
        self.ledger.log_notice(&told);
        Ok(told)
    }
}
