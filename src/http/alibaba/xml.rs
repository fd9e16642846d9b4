//! Answers as XML, for the few clients that ask for it.

use serde::Serialize;
use serde_json::Value;

use crate::domain::{Error, Result};

/// Writes `output` as the children of an element `root`; lists repeat their element.
pub(super) fn write(root: &str, output: &impl Serialize) -> Result<Vec<u8>> {
    let value = serde_json::to_value(output).map_err(Error::internal)?;
    let mut text = String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
    element(&mut text, root, &value);
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
    text.extend(["</", name, ">"]);
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
        let written = String::from_utf8(write("Error", &output).unwrap()).unwrap();
        assert_eq!(
            written,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error>\
             <Code>a&lt;b&gt;&amp;&quot;&apos;\u{fffd}&#13;\n</Code><Expires>5</Expires>\
             <None></None><Ok>true</Ok><Tag>x</Tag><Tag><Key>y</Key></Tag></Error>"
        );
    }
}
