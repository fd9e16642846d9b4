//! Fuzzing of an action's parameters: JSON, and what is flattened into text.

use serde_json::Value;

use super::parameters::Parameters;
use crate::sign;

pub(crate) const JSON_SEEDS: &[&str] = &[
    r#"{"RegistryId":"tcr-dg284imq","TokenType":"temp","Desc":"a\u0000b"}"#,
    r#"{"Filters":[{"Name":"RegistryName","Values":["a","b"]},{"Name":"x","Values":[]}]}"#,
    r#"{"Limit":20,"Offset":0,"All":true,"Desc":null,"Size":1e3,"Permissions":{"Name":"a"}}"#,
    r#"{"Limit":-9223372036854775808,"Offset":9223372036854775808,"Name":1.0}"#,
];
pub(crate) const FLAT_SEEDS: &[&str] = &[
    "RegistryId=tcr-dg284imq&TokenType=temp&Limit=20&All=True",
    "Filters.0.Name=RegistryName&Filters.0.Values.0=a&Filters.0.Values.1=b&Filters.1.Name=x",
    "Permissions.Name=a&Values.10=k&Values.9=j&Desc=&Limit=-1",
];
pub(crate) const WORDS: &[&str] = &[
    "\"Name\":",
    "\"Values\":",
    "\"Filters\":",
    "Filters.0.",
    "Values.",
    "&Name=",
    "&Limit=",
    "true",
    "null",
    "[",
    "]",
    "{",
    "}",
    "\\u0000",
    "\\ud800",
    ".",
    "..",
    "&",
    "=",
    "1e400",
    "-0",
];

/// Reads every parameter with one name as each type, and returns what was read.
fn read_all(mut parameters: Parameters) -> Option<Vec<String>> {
    let mut read = Vec::new();
    read.push(format!("{:?}", parameters.text("RegistryId").ok()?));
    read.push(format!("{:?}", parameters.text("TokenType").ok()?));
    read.push(format!("{:?}", parameters.text("Desc").ok()?));
    read.push(format!("{:?}", parameters.integer("Limit").ok()?));
    read.push(format!("{:?}", parameters.integer("Offset").ok()?));
    read.push(format!("{:?}", parameters.boolean("All").ok()?));
    read.push(format!("{:?}", parameters.texts("Values").ok()?));
    for mut filter in parameters.structures("Filters").ok()? {
        read.push(format!("{:?}", filter.text("Name").ok()?));
        read.push(format!("{:?}", filter.texts("Values").ok()?));
        filter.finish().ok()?;
    }
    if let Some(mut inner) = parameters.structure("Permissions").ok()? {
        read.push(format!("{:?}", inner.required_text("Name").ok()?));
        inner.finish().ok()?;
    }
    parameters.finish().ok()?;
    Some(read)
}

/// Flattens JSON as the older SDKs do; none where they would lose something.
fn flattened(prefix: &str, value: &Value, pairs: &mut Vec<(String, String)>) -> Option<()> {
    let named = |name: &str| match prefix {
        "" => name.to_owned(),
        prefix => format!("{prefix}.{name}"),
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                flattened(&named(name), value, pairs)?;
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (place, value) in items.iter().enumerate() {
                flattened(&named(&place.to_string()), value, pairs)?;
            }
        }
        Value::String(text) if !text.is_empty() => pairs.push((prefix.to_owned(), text.clone())),
        Value::Bool(value) => pairs.push((prefix.to_owned(), value.to_string())),
        Value::Number(number) if number.is_i64() => {
            pairs.push((prefix.to_owned(), number.to_string()));
        }
        _ => return None,
    }
    Some(())
}

/// Reads a JSON body: what it says with types is read the same when it is flattened.
pub(crate) fn check_json(input: &[u8]) -> Option<()> {
    let parameters = Parameters::from_json(input).ok()?;
    let written = serde_json::from_slice::<Value>(input).expect("it is JSON");
    let read = read_all(parameters)?;
    let mut pairs = Vec::new();
    if flattened("", &written, &mut pairs).is_some() {
        let flat = Parameters::from_pairs(pairs).expect("no name comes twice");
        assert_eq!(
            read_all(flat),
            Some(read),
            "flattened it says something else"
        );
    }
    Some(())
}

/// Reads a query or a form, as the signature does and then as the action does.
pub(crate) fn check_flat(input: &[u8]) -> Option<()> {
    let decoded = sign::Parameters::parse(input).ok()?;
    let pairs: Vec<(String, String)> = decoded
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let by_the_book: Vec<_> = form_urlencoded::parse(input)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    assert_eq!(pairs, by_the_book, "it is decoded otherwise");
    let encoded = decoded.encode();
    assert!(
        encoded.len() <= 3 * input.len() + 2 * pairs.len(),
        "{} bytes",
        encoded.len()
    );
    let again = sign::Parameters::parse(encoded.as_bytes());
    assert!(
        again.is_ok_and(|again| again == decoded),
        "{encoded} is read otherwise"
    );
    let read = |pairs: &[(String, String)]| {
        Parameters::from_pairs(pairs.iter().cloned())
            .ok()
            .and_then(read_all)
    };
    let mut turned = pairs.clone();
    turned.reverse();
    assert_eq!(read(&pairs), read(&turned), "another order is another call");
    Some(())
}
