//! The frame of every page: its title, the ways to other pages, and the operator.

use askama::Template;
use axum::response::Response;
use http::{HeaderValue, StatusCode};

use super::assets;
use super::tree::{self, Link};
use super::words::{Language, Words};
use crate::domain::{Error, Result};
use crate::http::request::respond::response;
use crate::service::OpenConsole;
use crate::version;

/// The frame of a page.
pub(super) struct Frame {
    /// The words of its language.
    pub(super) words: &'static Words,
    /// The language.
    pub(super) language: Language,
    /// The page's own title.
    pub(super) title: String,
    /// The operator who is logged in.
    pub(super) operator: Option<Operator>,
    /// The ways to the main pages.
    pub(super) ways: Vec<Link>,
    /// The ways back: the pages above this one.
    pub(super) above: Vec<Link>,
}

/// The operator who is logged in.
pub(super) struct Operator {
    /// Its name.
    pub(super) name: String,
    /// Its role.
    pub(super) role: &'static str,
    /// The word of its session's forms.
    pub(super) form_token: String,
}

impl Frame {
    /// Returns the frame of a page for a stranger.
    pub(super) fn of_stranger(language: Language, title: String) -> Self {
        Self {
            words: language.words(),
            language,
            title,
            operator: None,
            ways: Vec::new(),
            above: Vec::new(),
        }
    }

    /// Returns the frame of a page for an operator.
    pub(super) fn of(open: &OpenConsole, language: Language, title: String, here: &str) -> Self {
        Self {
            operator: Some(Operator {
                name: open.operator.clone(),
                role: open.role,
                form_token: open.form_token.clone(),
            }),
            ways: tree::ways(language, here),
            ..Self::of_stranger(language, title)
        }
    }

    /// Returns the version of the files that the page loads.
    pub(super) fn assets(&self) -> &'static str {
        assets::version()
    }

    /// Returns the program's version.
    pub(super) fn version(&self) -> &'static str {
        version::VERSION
    }
}

/// Writes a page.
///
/// # Errors
/// `Internal` for a page that can't be written.
pub(super) fn page(status: StatusCode, page: &impl Template) -> Result<Response> {
    let text = page.render().map_err(Error::internal)?;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    Ok(response(status, html, text))
}
