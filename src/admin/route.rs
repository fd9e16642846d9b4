//! An operation as HTTP has it: a method, a path, and text in and out.

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::backup::MakeBackup;
use super::listing::{Listing, MAX_ITEMS, Page, Selection};
use super::method::Method;
use super::operation::{Effect, Operation};
use crate::domain::{Error, ErrorKind, Result};
use crate::service::{BackupBytes, Call, Service};
use crate::views::View;

/// The items of a page whose request names no limit.
const DEFAULT_ITEMS: usize = 100;

/// The fields that a request gives.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Names and values of the path and the query, decoded.
    pub pairs: Vec<(String, String)>,
    /// The body's fields.
    pub body: Map<String, Value>,
}

type Beginning<'a> = Pin<Box<dyn Future<Output = Result<BackupBytes>> + Send + 'a>>;
type Answering<'a> = Pin<Box<dyn Future<Output = Result<Value>> + Send + 'a>>;

/// An operation as HTTP has it.
#[derive(Clone, Copy)]
pub struct Route {
    /// The name of the operation in the audit, such as `admin:CreateUser`.
    pub audited_as: &'static str,
    /// The noun that it is about, such as `Users`.
    pub noun: &'static str,
    /// The method.
    pub method: Method,
    /// The path below `/admin/v1`.
    pub path: &'static str,
    /// The effect.
    pub effect: Effect,
    /// Whether it lists a noun.
    pub is_list: bool,
    /// Whether its request may be as long as a file.
    pub takes_document: bool,
    /// Does it.
    pub run: for<'a> fn(&'a Service, &'a Call<'a>, Given) -> Answering<'a>,
    /// Begins it, where the answer is a file and no JSON.
    pub download: Option<for<'a> fn(&'a Service, &'a Call<'a>, Given) -> Beginning<'a>>,
    /// Answers a repetition, with the id of what was made before.
    pub repeat: for<'a> fn(&'a Service, &'a Call<'a>, Given, Option<String>) -> Answering<'a>,
    /// Describes it.
    pub describe: fn() -> Description,
}

/// The parts of a route's description.
pub struct Description {
    /// The fields that it takes.
    pub takes: RefOr<Schema>,
    /// The names of the columns by which a list is filtered and sorted; nothing for an operation.
    pub columns: Option<&'static [&'static str]>,
    /// The names of the columns that a list's items have; empty for an operation.
    pub item_columns: &'static [&'static str],
    /// The column by which a list's item is taken; empty for what is no list.
    pub name_column: &'static str,
    /// The name of the answer's schema.
    pub answer: String,
    /// The schemas by name: the answer's, and those that the others refer to.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

impl Route {
    /// Returns the name of the operation, such as `CreateUser`.
    pub fn name(&self) -> &'static str {
        self.audited_as
            .split_once(':')
            .map_or(self.audited_as, |(_, name)| name)
    }

    /// Returns the route of an operation.
    pub(super) const fn of<O: Operation>(noun: &'static str, audited_as: &'static str) -> Self {
        Self {
            audited_as,
            noun,
            method: O::METHOD,
            path: O::PATH,
            effect: O::EFFECT,
            is_list: false,
            takes_document: O::TAKES_DOCUMENT,
            run: run::<O>,
            download: None,
            repeat: repeat::<O>,
            describe: describe::<O, O::Answer>,
        }
    }

    /// Returns the route of the backup.
    pub(super) const fn backup(noun: &'static str, audited_as: &'static str) -> Self {
        Self {
            audited_as,
            noun,
            method: Method::Get,
            path: MakeBackup::PATH,
            effect: Effect::Reads,
            is_list: false,
            takes_document: false,
            run: never_shown,
            download: Some(begin_backup),
            repeat: never_repeated,
            describe: describe::<MakeBackup, MakeBackup>,
        }
    }

    /// Returns the route of a list.
    pub(super) const fn listing<L: Listing>(noun: &'static str, audited_as: &'static str) -> Self {
        Self {
            audited_as,
            noun,
            method: Method::Get,
            path: L::PATH,
            effect: Effect::Reads,
            is_list: true,
            takes_document: false,
            run: list::<L>,
            download: None,
            repeat: never_repeated,
            describe: describe_list::<L>,
        }
    }
}

fn run<'a, O: Operation>(service: &'a Service, call: &'a Call<'a>, given: Given) -> Answering<'a> {
    Box::pin(async move { written(&read::<O>(given)?.run(service, call).await?) })
}

fn repeat<'a, O: Operation>(
    service: &'a Service,
    call: &'a Call<'a>,
    given: Given,
    made: Option<String>,
) -> Answering<'a> {
    Box::pin(async move {
        let operation = read::<O>(given)?;
        operation.repeat(service, call, made.as_deref()).await
    })
}

fn begin_backup<'a>(service: &'a Service, call: &'a Call<'a>, given: Given) -> Beginning<'a> {
    Box::pin(async move { read::<MakeBackup>(given)?.begin(service, call).await })
}

fn never_shown<'a>(_: &'a Service, _: &'a Call<'a>, _: Given) -> Answering<'a> {
    Box::pin(std::future::ready(Err(Error::unsupported(
        "The answer is a file.",
    ))))
}

fn never_repeated<'a>(
    _: &'a Service,
    _: &'a Call<'a>,
    _: Given,
    _: Option<String>,
) -> Answering<'a> {
    Box::pin(std::future::ready(Err(Error::unsupported(
        "A list makes nothing.",
    ))))
}

fn list<'a, L: Listing>(
    service: &'a Service,
    call: &'a Call<'a>,
    mut given: Given,
) -> Answering<'a> {
    Box::pin(async move {
        let fields = Types::of(&L::schema());
        let selection = Selection::read(&mut given, L::COLUMNS, |name| fields.has(name))?;
        let page = read::<L>(given)?.page(service, call, &selection).await?;
        written(&page)
    })
}

impl Selection {
    /// Takes what is about the page, and the filters, out of the query of a list's request.
    fn read(given: &mut Given, columns: &[&str], is_field: impl Fn(&str) -> bool) -> Result<Self> {
        let mut selection = Self {
            limit: Some(DEFAULT_ITEMS),
            ..Self::default()
        };
        let mut rest = Vec::new();
        for (name, value) in std::mem::take(&mut given.pairs) {
            match name.as_str() {
                "limit" => selection.limit = Some(limit(&value)?),
                "after" => selection.after = Some(value),
                "sort" if !columns.is_empty() => selection.sort = Some(value),
                // A field of the list's own goes before a column of that name.
                column if !is_field(column) && columns.contains(&column) => {
                    selection.filters.push((name, value));
                }
                _ => rest.push((name, value)),
            }
        }
        given.pairs = rest;
        Ok(selection)
    }
}

fn limit(text: &str) -> Result<usize> {
    text.parse()
        .ok()
        .filter(|limit| (1..=MAX_ITEMS).contains(limit))
        .ok_or_else(|| {
            Error::invalid_parameter("limit", format!("it is a number from 1 to {MAX_ITEMS}"))
        })
}

/// Reads an operation from the fields of a request.
pub(super) fn read<O: DeserializeOwned + ToSchema>(given: Given) -> Result<O> {
    let mut fields = given.body;
    let types = Types::of(&O::schema());
    for (name, value) in given.pairs {
        let value = types.value(&name, value)?;
        match fields.get_mut(&name) {
            None => {
                fields.insert(name, value);
            }
            Some(Value::Array(values)) if value.is_array() => {
                values.extend(value.as_array().cloned().unwrap_or_default());
            }
            Some(_) => {
                return Err(Error::invalid_parameter(name, "it is given twice"));
            }
        }
    }
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let path = error.path().to_string();
        unreadable(&path, &error.into_inner().to_string())
    })
}

/// Says which field can't be taken, by the words of the decoder.
fn unreadable(path: &str, why: &str) -> Error {
    let named = |prefix: &str| {
        let rest = why.strip_prefix(prefix)?;
        rest.split('`').next().map(str::to_owned)
    };
    if let Some(name) = named("missing field `") {
        return Error::missing_parameter(name);
    }
    if let Some(name) = named("unknown field `") {
        let why = format!("there is no field {name}");
        return Error::new(ErrorKind::UnknownParameter { name }, why);
    }
    let name = if path == "." { "body" } else { path };
    Error::invalid_parameter(name, why)
}

/// The types of an operation's fields, by which the text of a query is read.
struct Types(Vec<(String, FieldType)>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldType {
    Text,
    Number,
    Boolean,
    List,
}

impl Types {
    fn of(schema: &RefOr<Schema>) -> Self {
        let fields = serde_json::to_value(schema)
            .ok()
            .and_then(|schema| schema.get("properties").cloned());
        let fields = fields.as_ref().and_then(Value::as_object);
        Self(
            fields
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), FieldType::of(schema)))
                .collect(),
        )
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }

    fn value(&self, name: &str, text: String) -> Result<Value> {
        let found = self.0.iter().find(|(field, _)| field == name);
        let kind = found.map_or(FieldType::Text, |(_, kind)| *kind);
        let refuse = |why| Err(Error::invalid_parameter(name, why));
        match kind {
            FieldType::Text => Ok(text.into()),
            FieldType::List => Ok(Value::Array(vec![text.into()])),
            FieldType::Boolean => match text.as_str() {
                "true" => Ok(true.into()),
                "false" => Ok(false.into()),
                _ => refuse("it is true or false"),
            },
            FieldType::Number => match text.parse::<i64>() {
                Ok(number) => Ok(number.into()),
                Err(_) => refuse("it is a whole number"),
            },
        }
    }
}

impl FieldType {
    fn of(schema: &Value) -> Self {
        let has = |name: &str| match schema.get("type") {
            Some(Value::String(one)) => one == name,
            Some(Value::Array(all)) => all.iter().any(|one| one == name),
            _ => false,
        };
        if has("integer") {
            Self::Number
        } else if has("boolean") {
            Self::Boolean
        } else if has("array") {
            Self::List
        } else {
            Self::Text
        }
    }
}

fn written(answer: &impl Serialize) -> Result<Value> {
    serde_json::to_value(answer).map_err(Error::internal)
}

fn describe<O: ToSchema, A: ToSchema>() -> Description {
    let mut schemas = vec![(A::name().into_owned(), A::schema())];
    A::schemas(&mut schemas);
    O::schemas(&mut schemas);
    Description {
        takes: O::schema(),
        columns: None,
        item_columns: &[],
        name_column: "",
        answer: A::name().into_owned(),
        schemas,
    }
}

fn describe_list<L: Listing>() -> Description {
    let item = L::Item::name().into_owned();
    let name = format!("{item}Page");
    let mut schemas = vec![
        (name.clone(), Page::<L::Item>::schema()),
        (item, L::Item::schema()),
    ];
    L::Item::schemas(&mut schemas);
    L::schemas(&mut schemas);
    Description {
        takes: L::schema(),
        columns: Some(L::COLUMNS),
        item_columns: L::Item::COLUMNS,
        name_column: L::Item::NAME_COLUMN,
        answer: name,
        schemas,
    }
}
