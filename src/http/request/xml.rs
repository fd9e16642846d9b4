//! Answers as XML.

use serde::Serialize;
use serde_json::Value;

use crate::domain::{Error, Result};

/// Writes `output` as the children of an element `root`, in a namespace where the API has one;
/// lists repeat their element.
///
/// # Errors
///
/// `Internal` when `output` can't be written.
pub(crate) fn write(
    root: &str,
    namespace: Option<&'static str>,
    output: &impl Serialize,
) -> Result<Vec<u8>> {
    let value = serde_json::to_value(output).map_err(Error::internal)?;
    let mut text = String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
    text.extend(["<", root]);
    if let Some(namespace) = namespace {
        text.extend([" xmlns=\"", namespace, "\""]);
    }
    text.push('>');
    content(&mut text, &value);
    text.extend(["</", root, ">"]);
    Ok(text.into_bytes())
}

fn element(text: &mut String, name: &str, value: &Value) {
    if let Value::Array(items) = value {
        for item in items {
            element(text, name, item);
        }
        return;
    }
    text.extend(["<", name, ">"]);
    content(text, value);
    text.extend(["</", name, ">"]);
}

/// Writes the content of an element, which is no list.
fn content(text: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                element(text, name, value);
            }
        }
        Value::String(content) => escape(text, content),
        Value::Null => {}
        other => text.push_str(&other.to_string()),
    }
}

/// Writes text content. Characters that XML 1.0 can't hold are replaced: a client's bytes may be in
/// it.
fn escape(text: &mut String, content: &str) {
    for letter in content.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&apos;"),
            // A bare carriage return would come back as a line feed.
            '\r' => text.push_str("&#13;"),
            '\t' | '\n' => text.push(letter),
            '\u{fffe}' | '\u{ffff}' => text.push(char::REPLACEMENT_CHARACTER),
            letter if letter < ' ' => text.push(char::REPLACEMENT_CHARACTER),
            letter => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_become_elements_and_text_is_escaped() {
        let output = json!({
            "Code": "a<b>&\"'\u{1}\r\n",
            "Expires": 5,
            "Ok": true,
            "Tag": ["x", {"Key": "y"}],
            "None": null,
        });
        let written = String::from_utf8(write("Error", None, &output).unwrap()).unwrap();
        assert_eq!(
            written,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error>\
             <Code>a&lt;b&gt;&amp;&quot;&apos;\u{fffd}&#13;\n</Code><Expires>5</Expires>\
             <None></None><Ok>true</Ok><Tag>x</Tag><Tag><Key>y</Key></Tag></Error>"
        );
    }

    #[test]
    fn a_namespace_is_the_roots() {
        let written = write(
            "Answer",
            Some("https://example.com/"),
            &json!({ "Id": "a" }),
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Answer xmlns=\"https://example.com/\">\
             <Id>a</Id></Answer>"
        );
    }
}
