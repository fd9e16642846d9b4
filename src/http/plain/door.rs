//! Recognises pages, and answers every other request that no other door claims.

use axum::response::Response;

use super::envelope::Envelope;
use super::pages::{Audience, Page, page, wrong_door};
use crate::domain::Result;
use crate::http::Settings;
use crate::http::door::{BodyRule, Door, Evidence, Incoming, Shared, Strength};
use crate::http::request::host::check_authority;
use crate::http::request::{Head, Record};
use crate::service::AuditAction;

/// The door of pages, and of the rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain;

impl Door for Plain {
    const NAME: &'static str = "plain";
    const UNNAMED_ACTION: &'static str = "page";

    type Envelope = Envelope;

    fn claims(head: &Head<'_>) -> Option<(Evidence, Self)> {
        let strength = if Page::of(head.path()).is_some() {
            Strength::Path
        } else {
            Strength::Rest
        };
        Some((Evidence::unsigned(strength), Self))
    }

    fn envelope(&self) -> &Envelope {
        &Envelope
    }

    async fn answer_at_once(
        &self,
        head: &Head<'_>,
        shared: &Shared<'_>,
    ) -> Result<Option<Response>> {
        if let Some(served) = Page::of(head.path()) {
            check_authority(head.parts)?;
            return page(served, head.parts, shared, Audience::Anybody)
                .await
                .map(Some);
        }
        Ok((!head.may_be_signed_in_form()).then(|| wrong_door(shared.settings)))
    }

    fn body_rule(&self, _: &Head<'_>, _: &Settings) -> BodyRule {
        BodyRule::Unrecognised
    }

    async fn answer(
        &self,
        _: Incoming<'_>,
        shared: &Shared<'_>,
        _: &mut Record,
    ) -> Result<Response> {
        Ok(wrong_door(shared.settings))
    }

    /// People and probes aren't audited.
    fn audited_action(&self, _: &Head<'_>, _: &Record) -> Option<AuditAction> {
        None
    }
}
