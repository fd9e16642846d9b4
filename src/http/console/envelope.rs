//! Errors as pages.

use std::sync::OnceLock;

use askama::Template;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::frame::{Frame, page};
use super::pages::log_in;
use super::words::Language;
use crate::domain::{Error, ErrorKind};
use crate::http::door;
use crate::http::operators::error::answer;
use crate::http::request::Head;
use crate::http::request::respond::{TEXT, response};
use crate::service::Service;

/// Pages, in the language of the request.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    language: Language,
    /// The name of single sign-on, once it was looked up; none where it is off.
    sso: OnceLock<Option<String>>,
    /// Whether a page that is open asks for a part of it.
    is_fragment: bool,
}

impl Envelope {
    /// Returns the shape of a request's answer.
    pub(super) fn of(head: &Head<'_>) -> Self {
        Self {
            language: Language::of(&head.parts.headers),
            sso: OnceLock::new(),
            is_fragment: head.parts.headers.contains_key("hx-request"),
        }
    }
}

impl Envelope {
    /// Returns the name of single sign-on, which the page of the log-in offers.
    pub(super) fn sso(&self, service: &Service) -> Option<&str> {
        self.sso
            .get_or_init(|| service.access.sso_name())
            .as_deref()
    }
}

/// The page of an error.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    message: &'a str,
    request_id: &'a str,
}

impl door::Envelope for Envelope {
    fn refuse(&self, error: &Error, request_id: &str) -> Response {
        let language = self.language;
        if *error.kind() == ErrorKind::BadCredentials {
            let mut page = {
                let sso = self.sso.get().and_then(Option::as_deref);
                log_in::page_for(language, sso, Some(error.message()), request_id)
            };
            if self.is_fragment {
                // The log-in is no part of that page: the page as a whole is loaded again.
                let headers = page.headers_mut();
                headers.insert("hx-refresh", HeaderValue::from_static("true"));
            }
            return page;
        }
        let (status, retry_after) = answer(error.kind());
        let title = language.words().trouble.to_owned();
        let message = match error.kind() {
            // The operator's part of it is in the log.
            ErrorKind::Misconfigured | ErrorKind::Internal => "An internal error has occurred.",
            _ => error.message(),
        };
        let written = page(
            status,
            &ErrorPage {
                frame: Frame::of_stranger(language, title),
                message,
                request_id,
            },
        );
        let mut refused = written.unwrap_or_else(|_| {
            let text = format!("{message}\nrequest id: {request_id}\n");
            response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, text)
        });
        if let Some(seconds) = retry_after {
            let headers = refused.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        refused
    }
}
