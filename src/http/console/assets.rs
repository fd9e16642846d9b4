//! The files of the console, which are in the program.

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use crate::http::request::respond::response;
use crate::service::content_hash;

/// A file, by its name.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($name:literal: $content_type:literal,)+) => {
        const ASSETS: &[Asset] = &[$(Asset {
            name: $name,
            content_type: $content_type,
            text: include_str!(concat!("assets/", $name)),
        }),+];
    };
}

assets! {
    "charts.js": "text/javascript; charset=utf-8",
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "uplot.min.js": "text/javascript; charset=utf-8",
    "uplot.min.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

/// The path of the files.
pub(super) const PATH: &str = "/console/assets/";

/// The beginning of the hash of all files, by which a browser knows that they are others now.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all: String = ASSETS.iter().map(|asset| asset.text).collect();
    content_hash(&all)[..16].to_owned()
});

/// Returns the version of the files, which stands in the links to them.
pub(super) fn version() -> &'static str {
    VERSION.as_str()
}

/// Answers with a file; nothing at another path.
pub(super) fn find(path: &str) -> Option<Response> {
    let name = path.strip_prefix(PATH)?;
    let asset = ASSETS.iter().find(|asset| asset.name == name)?;
    let mut answer = response(
        StatusCode::OK,
        HeaderValue::from_static(asset.content_type),
        Body::from(asset.text),
    );
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    answer.headers_mut().insert(header::CACHE_CONTROL, forever);
    Some(answer)
}
