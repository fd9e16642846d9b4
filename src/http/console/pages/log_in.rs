//! The log-in, and its end.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use crate::http::console::frame::{Frame, page};
use crate::http::console::words::Language;
use crate::http::request::respond::{TEXT, response};

/// The page with the form of the log-in.
#[derive(Template)]
#[template(path = "log_in.html")]
struct LogIn<'a> {
    frame: Frame,
    sso: Option<&'a str>,
    message: Option<&'a str>,
    request_id: &'a str,
}

/// Returns the page of the log-in, with what was wrong with the one before, and the
/// button of single sign-on by its name. A stranger gets the
/// same status and headers at every path.
pub(in crate::http::console) fn page_for(
    language: Language,
    sso: Option<&str>,
    message: Option<&str>,
    request_id: &str,
) -> Response {
    let title = language.words().log_in.to_owned();
    let written = page(
        StatusCode::OK,
        &LogIn {
            frame: Frame::of_stranger(language, title),
            sso,
            message,
            request_id,
        },
    );
    written.unwrap_or_else(|error| {
        let text = error.message().to_owned();
        response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, text)
    })
}
