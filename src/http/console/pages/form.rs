//! The form of an operation, and the page of its answer.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::consequences;
use super::shown::{self, Field};
use super::{Visit, field};
use crate::admin::{Description, Effect, Given, Method, Route};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::http::console::frame::{Frame, page};
use crate::http::console::tree::{self, Link};
use crate::http::console::words::Language;
use crate::http::operators::error::answer as status_of;
use crate::http::operators::once;
use crate::views::is_secret;

/// The field with the session's word.
pub(in crate::http::console) const FORM_TOKEN: &str = "form_token";
/// The field with the operator's token, once more.
pub(in crate::http::console) const TOKEN: &str = "operator_token";
/// The field by which a form makes one thing, however often it is sent.
const ONCE: &str = "once";

#[derive(Template)]
#[template(path = "form.html")]
struct FormPage {
    frame: Frame,
    path: String,
    help: String,
    inputs: Vec<Input>,
    consequences: Vec<String>,
    message: Option<String>,
    once: String,
    asks_token: bool,
    /// Whether the operator logs in at the issuer first.
    asks_log_in: bool,
    is_danger: bool,
}

#[derive(Template)]
#[template(path = "done.html")]
struct DonePage {
    frame: Frame,
    fields: Vec<Field>,
    has_secret: bool,
    is_replayed: bool,
}

/// A field of a form.
pub(super) struct Input {
    /// Its name in the API.
    pub(super) name: String,
    label: String,
    pub(super) help: String,
    value: String,
    pub(super) choices: Vec<String>,
    kind: InputKind,
    is_required: bool,
    /// Whether the way to the form gave it.
    is_given: bool,
    /// The use of the document, as it is checked while somebody writes it.
    checked_as: Option<&'static str>,
}

/// The form of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InputKind {
    Line,
    Text,
    Number,
    Flag,
    List,
}

impl Input {
    fn is_flag(&self) -> bool {
        self.kind == InputKind::Flag
    }

    fn is_text(&self) -> bool {
        matches!(self.kind, InputKind::Text | InputKind::List)
    }
}

/// The names of fields that hold whole documents.
const DOCUMENTS: [&str; 7] = [
    "document",
    "trust_policy",
    "jwks",
    "token",
    "text",
    "certificate",
    "session_policy",
];

/// Returns the fields of an operation, in the order of its path and of its description.
pub(super) fn inputs_of(route: &Route) -> Vec<Input> {
    let described = (route.describe)();
    let takes = json!(described.takes);
    let required = takes.get("required").and_then(Value::as_array).cloned();
    let required = required.unwrap_or_default();
    let fields = takes.get("properties").and_then(Value::as_object);
    let mut inputs: Vec<Input> = fields
        .into_iter()
        .flatten()
        .map(|(name, schema)| Input {
            label: String::new(),
            help: help_of(schema),
            value: text_of(schema, "default"),
            choices: choices(schema, &described),
            kind: kind(name, schema),
            is_required: required.iter().any(|one| one == name),
            is_given: false,
            checked_as: checked_as(name),
            name: name.clone(),
        })
        .collect();
    let place = |input: &Input| tree::fields_of(route.path).position(|name| name == input.name);
    inputs.sort_by_key(|input| (place(input).is_none(), place(input), !input.is_required));
    inputs
}

fn text_of(schema: &Value, name: &str) -> String {
    let value = schema.get(name).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

/// Returns the description of an operation.
pub(super) fn help(language: Language, route: &Route) -> String {
    language.sentence(&help_of(&json!((route.describe)().takes)))
}

/// Returns the description of a field: its own, or that of the alternative that is not null.
fn help_of(schema: &Value) -> String {
    let alternatives = schema.get("oneOf").and_then(Value::as_array);
    let mut all = std::iter::once(schema).chain(alternatives.into_iter().flatten());
    let described = all.find(|one| one.get("description").is_some());
    described.map_or_else(String::new, |one| text_of(one, "description"))
}

/// Returns the values that a field may have, where they are few.
fn choices(schema: &Value, described: &Description) -> Vec<String> {
    let named = reference(schema).and_then(|name| {
        let found = described.schemas.iter().find(|(given, _)| given == name);
        found.map(|(_, schema)| json!(schema))
    });
    let schema = named.as_ref().unwrap_or(schema);
    let all = schema.get("enum").and_then(Value::as_array);
    let texts = all.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// Returns the name of the schema that a field refers to: at once, or as one of null and it.
fn reference(schema: &Value) -> Option<&str> {
    let own = schema.get("$ref").and_then(Value::as_str);
    let all = ["oneOf", "allOf", "anyOf"];
    let of = |one: &&str| schema.get(*one).and_then(Value::as_array);
    let nested = all
        .iter()
        .filter_map(of)
        .flatten()
        .find_map(|one| one.get("$ref").and_then(Value::as_str));
    own.or(nested)?.rsplit('/').next()
}

fn kind(name: &str, schema: &Value) -> InputKind {
    let has = |wanted: &str| match schema.get("type") {
        Some(Value::String(one)) => one == wanted,
        Some(Value::Array(all)) => all.iter().any(|one| one == wanted),
        _ => false,
    };
    if has("boolean") {
        InputKind::Flag
    } else if has("integer") {
        InputKind::Number
    } else if has("array") {
        InputKind::List
    } else if DOCUMENTS.contains(&name) {
        InputKind::Text
    } else {
        InputKind::Line
    }
}

/// Returns the use of the document in a field, for its check; nothing where it is no policy.
fn checked_as(name: &str) -> Option<&'static str> {
    match name {
        "document" => Some("policy"),
        "session_policy" => Some("session"),
        "trust_policy" => Some("trust"),
        _ => None,
    }
}

/// Tells whether an operation's answer holds a secret.
fn makes_secret(route: &Route) -> bool {
    let described = (route.describe)();
    let answer = described
        .schemas
        .iter()
        .find(|(name, _)| *name == described.answer);
    let answer = answer.map(|(_, schema)| json!(schema));
    let fields = answer.as_ref().and_then(|schema| schema.get("properties"));
    fields
        .and_then(Value::as_object)
        .is_some_and(|fields| fields.keys().any(|name| is_secret(name)))
}

/// Shows the form of an operation, with what the query gives, and with the documents as they are
/// now.
///
/// # Errors
/// `Internal` for a page that can't be written.
pub(in crate::http::console) async fn show(visit: &Visit<'_>, route: &Route) -> Result<Response> {
    let once = visit.service.base.request_id();
    let mut values = visit.query.clone();
    values.extend(documents(visit, route).await);
    write(visit, route, &values, None, once, StatusCode::OK).await
}

/// Returns the documents of the thing that an operation changes: they are edited, not written anew.
async fn documents(visit: &Visit<'_>, route: &Route) -> Vec<(String, String)> {
    if route.method != Method::Patch {
        return Vec::new();
    }
    let Some(page) = tree::page_of(route.path) else {
        return Vec::new();
    };
    let pairs =
        tree::fields_of(route.path).map(|name| (name.to_owned(), visit.value(name).to_owned()));
    // The operation itself says what is wrong with the query.
    let Ok(shown) = visit.read(page, pairs.collect()).await else {
        return Vec::new();
    };
    let texts = inputs_of(route).into_iter().filter(Input::is_text);
    texts
        .filter_map(|input| Some((shown.get(&input.name)?.as_str()?.to_owned(), input.name)))
        .map(|(text, name)| (name, text))
        .collect()
}

async fn write(
    visit: &Visit<'_>,
    route: &Route,
    values: &[(String, String)],
    message: Option<String>,
    once: String,
    status: StatusCode,
) -> Result<Response> {
    let language = visit.language;
    let mut inputs = inputs_of(route);
    for input in &mut inputs {
        input.label = language.label(&input.name);
        input.help = language.sentence(&input.help);
        let given = field(&visit.query, &input.name);
        input.is_given = given.is_some_and(|value| !value.is_empty());
        // A secret is never sent back.
        if let Some(value) = field(values, &input.name).filter(|_| !is_secret(&input.name)) {
            value.clone_into(&mut input.value);
        }
    }
    let consequences = consequences::of(visit, route, body_of(&inputs)).await;
    let help = help(language, route);
    let mut frame = Frame::of(
        visit.open,
        language,
        language.label(route.name()),
        visit.here,
    );
    frame.above = above(visit, route);
    let asks_proof = makes_secret(route) && !visit.open.is_fresh;
    page(
        status,
        &FormPage {
            frame,
            path: visit.here.to_owned(),
            help,
            inputs,
            consequences,
            message,
            once,
            asks_token: asks_proof && !visit.open.is_sso,
            asks_log_in: asks_proof && visit.open.is_sso,
            is_danger: route.method == Method::Delete,
        },
    )
}

/// Returns the ways to the pages that the operation is about.
fn above(visit: &Visit<'_>, route: &Route) -> Vec<Link> {
    let values: Vec<&str> = tree::fields_of(route.path)
        .map(|name| visit.value(name))
        .collect();
    let mut links = super::ways::above(visit, route, &values);
    links.extend(tree::page_at(visit.language, route.path, &values));
    links
}

/// Does an operation by the fields of its form, and shows its answer.
///
/// # Errors
/// Those of the database; all else is shown in the form.
pub(in crate::http::console) async fn act(
    visit: &Visit<'_>,
    route: &'static Route,
    form: &[(String, String)],
) -> Result<Response> {
    let once = field(form, ONCE).unwrap_or_default().to_owned();
    match done(visit, route, form, &once).await {
        Ok(answer) => written(visit, route, &answer),
        Err(error) if *error.kind() == ErrorKind::Internal => Err(error),
        Err(error) => {
            let (status, _) = status_of(error.kind());
            write(
                visit,
                route,
                form,
                Some(error.message().to_owned()),
                once,
                status,
            )
            .await
        }
    }
}

/// Has the operator prove itself again, unless it did so a short while ago.
///
/// # Errors
/// `Unsupported` for a session of single sign-on, which begins anew; those of the token.
pub(super) async fn prove_again(visit: &Visit<'_>, form: &[(String, String)]) -> Result<()> {
    if visit.open.is_fresh {
        return Ok(());
    }
    if visit.open.is_sso {
        return Err(Error::unsupported(
            "You proved yourself more than ten minutes ago: log in again, then send the form once \
             more.",
        ));
    }
    let token = Secret::new(field(form, TOKEN).unwrap_or_default().trim());
    let (access, context) = (&visit.service.access, &visit.record.context);
    access.renew_console(visit.open, &token, context).await
}

async fn done(
    visit: &Visit<'_>,
    route: &'static Route,
    form: &[(String, String)],
    once: &str,
) -> Result<Value> {
    let context = &visit.record.context;
    if makes_secret(route) {
        prove_again(visit, form).await?;
    }
    let given = Given {
        body: body(route, form)?,
        ..Given::default()
    };
    let caller = visit.open.to_caller()?;
    if route.effect == Effect::Makes && !once.is_empty() {
        return once::make(route, caller, given, once, visit.service, context).await;
    }
    let call = visit.service.call(&caller, context);
    (route.run)(visit.service, &call, given).await
}

/// Returns the fields of a form as a request's body has them. An empty one is left out.
fn body(route: &Route, form: &[(String, String)]) -> Result<Map<String, Value>> {
    let mut body = Map::new();
    for input in inputs_of(route) {
        let Some(text) = field(form, &input.name).filter(|text| !text.trim().is_empty()) else {
            continue;
        };
        let value = read(&input, text)?;
        body.insert(input.name, value);
    }
    Ok(body)
}

/// Reads the text of a field as its value.
fn read(input: &Input, text: &str) -> Result<Value> {
    Ok(match input.kind {
        InputKind::Flag => Value::Bool(true),
        InputKind::Number => match text.trim().parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => {
                let name = input.name.clone();
                return Err(Error::invalid_parameter(name, "it is a whole number"));
            }
        },
        InputKind::List => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.collect()
        }
        // A browser sends each line's end as two signs.
        InputKind::Text => text.replace("\r\n", "\n").into(),
        InputKind::Line => text.trim().into(),
    })
}

/// Returns the fields of a request as a form shows them now. One that can't be read is left out.
fn body_of(inputs: &[Input]) -> Map<String, Value> {
    let given = inputs.iter().filter(|input| !input.value.trim().is_empty());
    let value = |input: &Input| {
        let value = read(input, &input.value).ok()?;
        Some((input.name.clone(), value))
    };
    given.filter_map(value).collect()
}

fn written(visit: &Visit<'_>, route: &Route, answer: &Value) -> Result<Response> {
    let language = visit.language;
    let mut frame = Frame::of(
        visit.open,
        language,
        language.label(route.name()),
        visit.here,
    );
    frame.above = above(visit, route);
    let fields = shown::fields(language, answer);
    page(
        StatusCode::OK,
        &DonePage {
            frame,
            has_secret: fields.iter().any(|field| field.is_secret),
            fields,
            is_replayed: answer.get("replayed").is_some(),
        },
    )
}
