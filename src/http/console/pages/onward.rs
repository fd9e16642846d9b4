//! The page that leads on to another one, here or at the issuer of single sign-on.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use crate::domain::Result;
use crate::http::console::frame::{Frame, page};
use crate::http::console::words::Language;

#[derive(Template)]
#[template(path = "onward.html")]
struct Onward<'a> {
    frame: Frame,
    place: &'a str,
}

/// Returns the page that leads on to `place`, without JavaScript too.
///
/// # Errors
/// `Internal` for a page that can't be written.
pub(in crate::http::console) fn page_to(language: Language, place: &str) -> Result<Response> {
    let title = language.words().moment.to_owned();
    let frame = Frame::of_stranger(language, title);
    page(StatusCode::OK, &Onward { frame, place })
}
