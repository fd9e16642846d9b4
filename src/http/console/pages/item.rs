//! The page of one thing: its fields, what can be done with it, and what is in it.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::Visit;
use super::attachments::{self, Attachments};
use super::list::lists;
use super::pastes::{self, Paste};
use super::sections::{self, Section};
use super::shown::{self, Field};
use super::ways::{above, link_to};
use crate::domain::Result;
use crate::http::console::frame::{Frame, page};
use crate::http::console::tree::{self, Link};
use crate::http::operators::operations::Found;

#[derive(Template)]
#[template(path = "item.html")]
struct ItemPage {
    frame: Frame,
    fields: Vec<Field>,
    attachments: Option<Attachments>,
    sections: Vec<Section>,
    pastes: Vec<Paste>,
    actions: Vec<Link>,
    lists: Vec<Link>,
}

/// Shows a thing.
///
/// # Errors
/// Those of the operation.
pub(in crate::http::console) async fn show(visit: &Visit<'_>, found: &Found) -> Result<Response> {
    let (route, language) = (found.route, visit.language);
    let mut pairs = found.fields.clone();
    pairs.extend(visit.query.iter().cloned());
    let answer = visit.read(route, pairs).await?;
    let values: Vec<&str> = found.fields.iter().map(|(_, value)| &**value).collect();
    let title = values.last().copied().map_or_else(
        || language.label(route.path.trim_start_matches('/')),
        str::to_owned,
    );
    let mut frame = Frame::of(visit.open, language, title, visit.here);
    frame.above = above(visit, route, &values);
    let actions = tree::actions_on(route.path).map(|action| link_to(visit, action, &values));
    let name = route.name();
    let mut lists = lists(visit, route, &values);
    lists.extend(sections::links(visit, name, &values, &answer));
    page(
        StatusCode::OK,
        &ItemPage {
            frame,
            fields: shown::fields(language, &answer),
            actions: actions.collect(),
            attachments: attachments::of(visit, name, &values).await?,
            sections: sections::of(visit, name, &values, &answer).await,
            pastes: pastes::of(visit, name, &answer).await,
            lists,
        },
    )
}
