//! The page of explanations: who may do what, where, from which address and when; and why.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::Visit;
use super::list::asked;
use super::shown::{self, Field};
use crate::domain::{ErrorKind, Result};
use crate::http::console::frame::{Frame, page};
use crate::http::console::tree;
use crate::http::console::words::Words;
use crate::http::operators::error::answer as status_of;
use crate::http::operators::operations::named;
use crate::service::span_of;

#[derive(Template)]
#[template(path = "explain.html")]
struct ExplainPage {
    frame: Frame,
    inputs: Vec<Input>,
    request_id: String,
    since: String,
    message: Option<String>,
    recorded: Vec<Field>,
    decisions: Vec<Decision>,
    notes: Vec<String>,
}

/// A field of the question.
struct Input {
    name: &'static str,
    label: &'static str,
    example: &'static str,
    value: String,
    is_required: bool,
    choices: &'static [&'static str],
}

/// A decision, and the steps that lead to it.
struct Decision {
    title: String,
    is_allowed: bool,
    then: Option<&'static str>,
    steps: Vec<Step>,
}

/// A step of a decision.
struct Step {
    name: String,
    passes: bool,
    is_deciding: bool,
    reason: String,
    excerpt: Option<Excerpt>,
}

/// A policy's document, in which a statement is marked.
struct Excerpt {
    policy: String,
    path: String,
    before: String,
    marked: String,
    after: String,
}

/// The answer of a page, before it is written.
#[derive(Default)]
struct Answer {
    message: Option<String>,
    status: StatusCode,
    recorded: Vec<Field>,
    decisions: Vec<Decision>,
    notes: Vec<String>,
}

/// The actions that registry clients ask for; an API's are typed.
const ACTIONS: &[&str] = &["pull", "push", "delete", "list-catalog"];

/// Shows the form of the question, and its answer where the query has one.
///
/// # Errors
/// `Internal`; all else is shown in the page.
pub(in crate::http::console) async fn show(visit: &Visit<'_>) -> Result<Response> {
    let request_id = visit.value("request_id").trim().to_owned();
    let answered = if !request_id.is_empty() {
        of_request(visit, request_id).await
    } else if asked(&visit.query).next().is_some_and(|_| is_whole(visit)) {
        of_question(visit).await
    } else {
        Ok(Answer::default())
    };
    write(visit, visit.value("request_id"), answered)
}

/// Shows the explanation of a request out of the audit.
///
/// # Errors
/// As [`show`].
pub(in crate::http::console) async fn show_request(
    visit: &Visit<'_>,
    request_id: &str,
) -> Result<Response> {
    let answered = of_request(visit, request_id.to_owned()).await;
    write(visit, request_id, answered)
}

/// Tells whether the query has a whole question: a link may bring the principal alone.
fn is_whole(visit: &Visit<'_>) -> bool {
    ["principal", "action", "resource"]
        .iter()
        .all(|name| !visit.value(name).is_empty())
}

async fn of_question(visit: &Visit<'_>) -> Result<Answer> {
    let Some((route, _)) = named("Explain") else {
        return Ok(Answer::default());
    };
    let explained = visit.read(route, asked(&visit.query).collect()).await?;
    let title = format!("{} {}", visit.value("action"), visit.value("resource"));
    Ok(Answer {
        decisions: vec![decision(visit, &explained, title).await],
        ..Answer::default()
    })
}

async fn of_request(visit: &Visit<'_>, request_id: String) -> Result<Answer> {
    let Some((route, _)) = named("ExplainRequest") else {
        return Ok(Answer::default());
    };
    let mut pairs = vec![("request_id".to_owned(), request_id)];
    pairs.extend(asked(&visit.query).filter(|(name, _)| name == "since"));
    let mut explained = visit.read(route, pairs).await?;
    let mut answer = Answer::default();
    let mut taken = |name: &str| {
        let value = explained.as_object_mut().and_then(|all| all.remove(name));
        value.and_then(|value| value.as_array().cloned())
    };
    let (parts, notes) = (taken("decisions"), taken("notes"));
    for part in parts.unwrap_or_default() {
        let title = format!("{} {}", text(&part, "action"), text(&part, "resource"));
        let mut shown = decision(visit, &part, title).await;
        let was_granted = part.get("was_granted").and_then(Value::as_bool);
        let words = visit.language.words();
        shown.then = was_granted.map(|granted| match granted {
            true => words.granted_then,
            false => words.refused_then,
        });
        answer.decisions.push(shown);
    }
    let notes = notes.unwrap_or_default();
    answer.notes = notes
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    answer.recorded = shown::fields(visit.language, &explained);
    Ok(answer)
}

async fn decision(visit: &Visit<'_>, explained: &Value, title: String) -> Decision {
    let (decided_by, reason) = (text(explained, "decided_by"), text(explained, "reason"));
    let steps = explained.get("steps").and_then(Value::as_array);
    let mut shown: Vec<Step> = Vec::new();
    for step in steps.into_iter().flatten() {
        let is_deciding = text(step, "step") == decided_by && text(step, "reason") == reason;
        shown.push(Step {
            name: text(step, "step").to_owned(),
            passes: text(step, "result") == "passes",
            is_deciding,
            reason: text(step, "reason").to_owned(),
            excerpt: excerpt(visit, step).await,
        });
    }
    Decision {
        title,
        is_allowed: text(explained, "decision") == "allowed",
        then: None,
        steps: shown,
    }
}

/// Returns the document of the step's statement; nothing where it can't be read.
async fn excerpt(visit: &Visit<'_>, step: &Value) -> Option<Excerpt> {
    let statement = step.get("statement").filter(|one| one.is_object())?;
    let (account, policy) = (text(statement, "account"), text(statement, "policy"));
    let index = statement.get("index").and_then(Value::as_u64)?;
    let (route, _) = named("ShowPolicy")?;
    let pairs = [("account", account), ("name", policy)];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let shown = visit.read(route, pairs.to_vec()).await.ok()?;
    let document = text(&shown, "document");
    let span = ["statement", "Statement"]
        .iter()
        .find_map(|word| span_of(document, &format!("{word}[{index}]")))?;
    Some(Excerpt {
        policy: policy.to_owned(),
        path: tree::filled(route.path, [account, policy]),
        before: document.get(..span.start)?.to_owned(),
        marked: document.get(span.clone())?.to_owned(),
        after: document.get(span.end..)?.to_owned(),
    })
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn write(visit: &Visit<'_>, request_id: &str, answered: Result<Answer>) -> Result<Response> {
    let answer = match answered {
        Ok(answer) => answer,
        Err(error) if *error.kind() == ErrorKind::Internal => return Err(error),
        Err(error) => Answer {
            message: Some(error.message().to_owned()),
            status: status_of(error.kind()).0,
            ..Answer::default()
        },
    };
    let (language, words) = (visit.language, visit.language.words());
    page(
        answer.status,
        &ExplainPage {
            frame: Frame::of(visit.open, language, words.explain.to_owned(), visit.here),
            inputs: inputs(visit, words),
            request_id: request_id.to_owned(),
            since: visit.value("since").to_owned(),
            message: answer.message,
            recorded: answer.recorded,
            decisions: answer.decisions,
            notes: answer.notes,
        },
    )
}

fn inputs(visit: &Visit<'_>, words: &Words) -> Vec<Input> {
    let input = |name, label, example, is_required| Input {
        name,
        label,
        example,
        value: visit.value(name).to_owned(),
        is_required,
        choices: if name == "action" { ACTIONS } else { &[] },
    };
    vec![
        input("principal", words.who, "100000000001:user/ci", true),
        input("action", words.what, "push", true),
        input("resource", words.where_, "tcr-abcd1234/team/app", true),
        input("address", words.from, "203.0.113.7", false),
        input("at", words.at, "2025-01-02T03:04:05Z", false),
    ]
}
