//! The description of the API, in OpenAPI 3.1, out of the table of operations.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::admin::routes::ROUTES;
use crate::admin::{Description, Effect, MAX_ITEMS, Problem, Route};
use crate::http::operators::operations::BASE;
use crate::version;

static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// Returns the description as text.
pub(super) fn text() -> &'static str {
    TEXT.as_str()
}

/// Returns the description of the API.
pub fn document() -> Value {
    let (mut paths, mut schemas) = (BTreeMap::new(), BTreeMap::new());
    schemas.insert(Problem::name().into_owned(), json!(Problem::schema()));
    for route in ROUTES {
        let description = (route.describe)();
        let operation = operation(route, &description);
        for (name, schema) in description.schemas {
            schemas.insert(name, json!(schema));
        }
        let path: &mut Map<String, Value> =
            paths.entry(format!("{BASE}{}", route.path)).or_default();
        path.insert(route.method.name().to_ascii_lowercase(), operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Admin API of transire",
            "description": "The operations of operators; docs/admin-api.md tells how to use them.",
            "version": version::VERSION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "operator": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "operator": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token that `transire operator create` shows once.",
                },
            },
        },
    })
}

fn operation(route: &Route, described: &Description) -> Value {
    let takes = json!(described.takes);
    let fields = Fields::of(&takes);
    let mut parameters: Vec<Value> = Vec::new();
    let mut body = Map::new();
    let mut required = Vec::new();
    for (name, schema) in fields.all {
        let is_required = fields.required.contains(&name.as_str());
        if route.path.contains(&format!("{{{name}}}")) {
            parameters.push(parameter(name, "path", true, schema));
        } else if route.method.has_body() {
            if is_required {
                required.push(name.clone());
            }
            body.insert(name.clone(), schema.clone());
        } else {
            parameters.push(parameter(name, "query", is_required, schema));
        }
    }
    parameters.extend(list_parameters(described, fields.all));
    if route.effect == Effect::Makes {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Makes one thing, however often the request comes within 24 hours. A \
                            repetition is answered without secrets, with `replayed` true.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255,
                        "pattern": "^[!-~]+$" },
        }));
    }
    let mut operation = json!({
        "operationId": route.name(),
        "tags": [route.noun],
        "summary": summary(&takes, route.name()),
        "parameters": parameters,
        "responses": responses(route, described),
    });
    if !body.is_empty() {
        operation["requestBody"] = json!({
            "required": !required.is_empty(),
            "content": { "application/json": { "schema": {
                "type": "object",
                "properties": body,
                "required": required,
                "additionalProperties": false,
            } } },
        });
    }
    operation
}

/// The fields of an operation, in the schema of its struct.
struct Fields<'a> {
    all: &'a Map<String, Value>,
    required: Vec<&'a str>,
}

static NO_FIELDS: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

impl<'a> Fields<'a> {
    fn of(schema: &'a Value) -> Self {
        let required = schema.get("required").and_then(Value::as_array);
        Self {
            all: schema
                .get("properties")
                .and_then(Value::as_object)
                .unwrap_or(&NO_FIELDS),
            required: required
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
        }
    }
}

fn parameter(name: &str, place: &str, required: bool, schema: &Value) -> Value {
    let mut schema = schema.clone();
    let description = schema
        .as_object_mut()
        .and_then(|schema| schema.remove("description"))
        .unwrap_or_default();
    json!({
        "name": name, "in": place, "required": required, "description": description,
        "schema": schema,
    })
}

/// Returns the parameters that each list has.
fn list_parameters(described: &Description, fields: &Map<String, Value>) -> Vec<Value> {
    let Some(columns) = described.columns else {
        return Vec::new();
    };
    let mut parameters = vec![
        parameter(
            "limit",
            "query",
            false,
            &json!({
                "type": "integer", "minimum": 1, "maximum": MAX_ITEMS,
                "description": "The most items of the page; 100 without it.",
            }),
        ),
        parameter(
            "after",
            "query",
            false,
            &json!({
                "type": "string", "description": "The `next` of the page before.",
            }),
        ),
    ];
    if !columns.is_empty() {
        parameters.push(parameter(
            "sort",
            "query",
            false,
            &json!({
                "type": "string",
                "description": "The column of the order; `-` before it begins with the largest.",
                "enum": columns.iter()
                    .flat_map(|column| [(*column).to_owned(), format!("-{column}")])
                    .collect::<Vec<_>>(),
            }),
        ));
    }
    let columns = columns
        .iter()
        .filter(|column| !fields.contains_key(**column));
    parameters.extend(columns.map(|column| {
        parameter(
            column,
            "query",
            false,
            &json!({
                "type": "string",
                "description": format!("Only items whose {column} is this."),
            }),
        )
    }));
    parameters
}

fn summary(takes: &Value, name: &str) -> String {
    let described = takes.get("description").and_then(Value::as_str);
    described.unwrap_or(name).to_owned()
}

fn responses(route: &Route, described: &Description) -> Value {
    let schema = json!({ "$ref": format!("#/components/schemas/{}", described.answer) });
    let content = match route.download {
        Some(_) => json!({ "application/octet-stream": {} }),
        None => json!({ "application/json": { "schema": schema } }),
    };
    let mut responses = Map::new();
    let (status, text) = match route.effect {
        Effect::Makes => ("201", "It is made."),
        Effect::Reads => ("200", "It is as shown."),
        Effect::Changes => ("200", "It is done."),
    };
    let content = match route.effect {
        Effect::Makes => json!({ "application/json": { "schema": {
            "anyOf": [schema, replayed()],
        } } }),
        Effect::Reads | Effect::Changes => content,
    };
    responses.insert(
        status.to_owned(),
        json!({ "description": text, "content": content }),
    );
    let problem = json!({ "application/problem+json": {
        "schema": { "$ref": "#/components/schemas/Problem" },
    } });
    for (status, text) in PROBLEMS {
        responses.insert(
            (*status).to_owned(),
            json!({ "description": text, "content": problem }),
        );
    }
    Value::Object(responses)
}

/// Returns the schema of the answer to a repetition: what another operation shows, and a mark.
fn replayed() -> Value {
    json!({
        "type": "object",
        "description": "The answer to a repeated Idempotency-Key: what is there, without secrets.",
        "properties": { "replayed": { "type": "boolean", "const": true } },
        "required": ["replayed"],
    })
}

/// The statuses of problems, which any operation may have.
const PROBLEMS: &[(&str, &str)] = &[
    ("400", "A field, or the whole request, can't be taken."),
    ("401", "The request has no operator's token that is good."),
    (
        "403",
        "The operator's role lacks the permission, or the request didn't come by TLS.",
    ),
    ("404", "There is no such thing."),
    ("405", "The path has operations by other methods."),
    ("408", "The body didn't arrive in time."),
    ("409", "It is there already, or its state forbids it."),
    ("413", "The body is too large."),
    (
        "422",
        "The Idempotency-Key came with another request before, or a token isn't believed.",
    ),
    (
        "429",
        "There were too many requests; Retry-After says when to come back.",
    ),
    ("500", "The service, or its settings, failed."),
    ("502", "A registry, or an issuer, doesn't answer."),
    (
        "503",
        "The database, or the service, takes nothing on; Retry-After says when to come back.",
    ),
];
