//! The page of the state as a file: the difference that a file would make, its apply, the export,
//! and the backup.

use askama::Template;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, json};

use super::{Visit, field, form};
use crate::admin::{AppliedState, Given};
use crate::domain::{Error, ErrorKind, Result};
use crate::http::console::frame::{Frame, page};
use crate::http::operators::download::of_bytes;
use crate::http::operators::error::answer as status_of;
use crate::http::operators::operations::{Found, named};

/// The field with the file's text.
const TEXT: &str = "text";
/// The field with the fingerprint of the steps that were shown.
const FINGERPRINT: &str = "fingerprint";
/// The choices of an apply.
const FLAGS: [&str; 2] = ["prune", "prune_instances"];
/// The name under which a browser keeps a backup.
const BACKUP: &str = "attachment; filename=\"transire.backup\"";

#[derive(Template)]
#[template(path = "state.html")]
struct StatePage {
    frame: Frame,
    apply_help: String,
    export_help: String,
    backup_help: String,
    text: String,
    flags: Vec<Flag>,
    message: Option<String>,
    outcome: Option<Outcome>,
    asks_token: bool,
    /// Whether the operator logs in at the issuer first.
    asks_log_in: bool,
}

/// A choice of an apply.
struct Flag {
    name: &'static str,
    label: String,
    help: String,
    is_on: bool,
}

/// The steps of an apply, planned or made.
struct Outcome {
    lines: Vec<String>,
    notes: Vec<String>,
    made: usize,
    all: usize,
    fingerprint: String,
    failure: Option<String>,
    is_plan: bool,
}

/// Shows the page.
///
/// # Errors
/// `Internal` for a page that can't be written.
pub(in crate::http::console) fn show(visit: &Visit<'_>) -> Result<Response> {
    write(visit, &[], None, None, StatusCode::OK)
}

/// Plans the steps of the file's text, or makes those that were shown.
///
/// # Errors
/// Those of the database; all else is shown in the page.
pub(in crate::http::console) async fn act(
    visit: &Visit<'_>,
    form: &[(String, String)],
) -> Result<Response> {
    match apply(visit, form).await {
        Ok(outcome) => write(visit, form, None, Some(outcome), StatusCode::OK),
        Err(error) => refuse(visit, form, error),
    }
}

/// Sends a backup as a file.
///
/// # Errors
/// Those of the database; all else is shown in the page.
pub(in crate::http::console) async fn download(
    visit: &Visit<'_>,
    found: &Found,
    form: &[(String, String)],
) -> Result<Response> {
    match begin(visit, found, form).await {
        Ok(answer) => Ok(answer),
        Err(error) => refuse(visit, &[], error),
    }
}

fn refuse(visit: &Visit<'_>, form: &[(String, String)], error: Error) -> Result<Response> {
    if *error.kind() == ErrorKind::Internal {
        return Err(error);
    }
    let (status, _) = status_of(error.kind());
    write(visit, form, Some(error.message().to_owned()), None, status)
}

async fn apply(visit: &Visit<'_>, form: &[(String, String)]) -> Result<Outcome> {
    let (route, _) = named("ApplyState").ok_or_else(|| Error::internal("no ApplyState"))?;
    let text = field(form, TEXT).unwrap_or_default().replace("\r\n", "\n");
    let fingerprint = field(form, FINGERPRINT).filter(|given| !given.is_empty());
    let mut body = Map::from_iter([
        (TEXT.to_owned(), text.into()),
        ("dry_run".to_owned(), fingerprint.is_none().into()),
        (FINGERPRINT.to_owned(), json!(fingerprint)),
    ]);
    let flags = FLAGS.iter();
    body.extend(flags.map(|name| ((*name).to_owned(), field(form, name).is_some().into())));
    let answer = visit.send(route, body).await?;
    let applied: AppliedState = serde_json::from_value(answer).map_err(Error::internal)?;
    Ok(Outcome {
        lines: applied.difference(),
        made: applied.made,
        all: applied.steps.len(),
        failure: applied
            .failure
            .map(|one| one.into_error().message().to_owned()),
        notes: applied.kept.into_iter().chain(applied.warnings).collect(),
        is_plan: fingerprint.is_none(),
        fingerprint: applied.fingerprint,
    })
}

async fn begin(visit: &Visit<'_>, found: &Found, form: &[(String, String)]) -> Result<Response> {
    form::prove_again(visit, form).await?;
    let begin = found.route.download;
    let begin = begin.ok_or_else(|| Error::unsupported("Nothing is sent to this page."))?;
    let call = visit
        .service
        .call(&visit.open.caller, &visit.record.context);
    let mut answer = of_bytes(begin(visit.service, &call, Given::default()).await?);
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static(BACKUP),
    );
    Ok(answer)
}

fn write(
    visit: &Visit<'_>,
    form: &[(String, String)],
    message: Option<String>,
    outcome: Option<Outcome>,
    status: StatusCode,
) -> Result<Response> {
    let (language, words) = (visit.language, visit.language.words());
    let help = |operation| named(operation).map(|(route, _)| form::help(language, route));
    let inputs = named("ApplyState").map(|(route, _)| form::inputs_of(route));
    let inputs = inputs.unwrap_or_default();
    let flag = |name: &'static str| {
        let input = inputs.iter().find(|input| input.name == name);
        Flag {
            name,
            label: language.label(name),
            help: input.map_or_else(String::new, |input| language.sentence(&input.help)),
            is_on: field(form, name).is_some(),
        }
    };
    page(
        status,
        &StatePage {
            frame: Frame::of(visit.open, language, words.state.to_owned(), visit.here),
            apply_help: help("ApplyState").unwrap_or_default(),
            export_help: help("ExportState").unwrap_or_default(),
            backup_help: help("MakeBackup").unwrap_or_default(),
            text: field(form, TEXT).unwrap_or_default().to_owned(),
            flags: FLAGS.map(flag).into(),
            message,
            outcome,
            asks_token: !visit.open.is_fresh && !visit.open.is_sso,
            asks_log_in: !visit.open.is_fresh && visit.open.is_sso,
        },
    )
}
