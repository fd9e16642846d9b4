//! Single sign-on as the browser goes through it: a form that leads to the issuer, and the address
//! to which the issuer leads back.
//!
//! Both answer with a page that leads on, and with no redirect. A form of the console leads to no
//! other site (`form-action`), and the session's cookie is sent to no request that another site
//! began (`SameSite=Strict`).

use axum::response::Response;
use http::header;

use super::cookie;
use super::pages::onward;
use super::words::Language;
use crate::domain::Result;
use crate::http::door::Shared;
use crate::http::request::{Head, Record};
use crate::service::{OpenConsole, SsoAnswer};

/// The path of the form, and the one to which the issuer leads back.
pub(super) const PATH: &str = "/console/log-in/sso";
/// The field with the page to return to.
pub(super) const BACK: &str = "back";

/// Tells whether a query is an issuer's answer.
pub(super) fn is_answer(query: &[(String, String)]) -> bool {
    query.iter().any(|(name, _)| name == "state")
}

/// Begins a log-in; a session of single sign-on proves itself again.
///
/// # Errors
/// Those of [`Access::begin_sso`](crate::service::Access::begin_sso).
pub(super) async fn begin(
    head: &Head<'_>,
    shared: &Shared<'_>,
    record: &Record,
    back: &str,
    open: Option<&OpenConsole>,
) -> Result<Response> {
    let redirect = redirect(head, record)?;
    let renews = open.filter(|open| open.is_sso);
    let access = &shared.service.access;
    let begun = access
        .begin_sso(&redirect, back, renews, record.settle())
        .await?;
    let mut page = onward::page_to(Language::of(&head.parts.headers), &begun.place)?;
    let cookie = cookie::of_flow(&begun, &record.context)?;
    page.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(page)
}

/// Finishes a log-in by the issuer's answer.
///
/// # Errors
/// Those of [`Access::finish_sso`](crate::service::Access::finish_sso).
pub(super) async fn finish(
    head: &Head<'_>,
    shared: &Shared<'_>,
    record: &mut Record,
    query: &[(String, String)],
) -> Result<Response> {
    let value = |name: &str| {
        let found = query.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    };
    let answer = SsoAnswer {
        state: value("state"),
        code: value("code"),
        issuer: value("iss"),
        error: value("error"),
    };
    let headers = &head.parts.headers;
    let flow = cookie::flow(headers, &record.context);
    let access = &shared.service.access;
    let finished = access
        .finish_sso(flow.as_ref(), answer, record.settle())
        .await?;
    record.note_caller(&finished.caller);
    let mut page = onward::page_to(Language::of(headers), &finished.back)?;
    let session = finished.new.as_ref();
    let session = session.map(|new| cookie::of_session(new, &record.context));
    for cookie in session
        .into_iter()
        .chain([cookie::no_flow(&record.context)])
    {
        page.headers_mut().append(header::SET_COOKIE, cookie?);
    }
    Ok(page)
}

/// Returns the exact address to which the issuer leads back: at the host that the browser asked,
/// which was checked before.
fn redirect(head: &Head<'_>, record: &Record) -> Result<String> {
    let scheme = match record.context.secure_transport {
        true => "https",
        false => "http",
    };
    Ok(format!("{scheme}://{}{PATH}", head.host()?))
}
