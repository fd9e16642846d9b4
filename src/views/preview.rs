//! The view of what an operation would do.

view! {
    /// The consequences that an operation would have now.
    pub struct Preview by operation {
        /// The name of the operation.
        operation: String,
        /// The consequences, the gravest first; empty where there is nothing to warn of.
        consequences: Vec<Consequence>,
    }
}

view! {
    /// A consequence that an operation would have.
    pub struct Consequence {
        /// The sentence.
        text: String,
        /// The sentence with places for its values, such as {0}; programs translate it.
        pattern: String,
        /// The values, in the order of their places.
        values: Vec<String>,
    }
}

impl Consequence {
    /// Fills the places of a sentence.
    pub fn of(pattern: &str, values: Vec<String>) -> Self {
        Self {
            text: filled(pattern, &values),
            pattern: pattern.to_owned(),
            values,
        }
    }
}

/// Returns a sentence with values in its places. It reads the sentence once, so a value that looks
/// like a place stays as it is.
pub fn filled<V: AsRef<str>>(pattern: &str, values: &[V]) -> String {
    let mut parts = pattern.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let place = part.split_once('}').and_then(|(number, rest)| {
            let value = values.get(number.parse::<usize>().ok()?)?;
            Some((value.as_ref(), rest))
        });
        match place {
            Some((value, rest)) => text.extend([value, rest]),
            None => text.extend(["{", part]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_looks_like_a_place_stays_as_it_is() {
        let text = filled("{1} of {0}, {x} and {7}", &["{1}", "two"]);
        assert_eq!(text, "two of {1}, {x} and {7}");
    }
}
