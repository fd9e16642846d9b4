//! The claims of a verified OpenID Connect token, as policies ask for them.

/// The most bytes of a claim's name, with the names that it is nested in.
pub const MAX_NAME: usize = 255;
/// The most bytes of a value that fills a policy variable.
pub const MAX_VALUE: usize = 255;

/// The value of a claim. A number and a boolean are their JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// One value.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl Claim {
    /// Returns its values.
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// The claims of a verified token, or those of them that a session keeps.
///
/// A nested claim has the names of all levels, joined by dots: `kubernetes.io.namespace`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(Vec<(String, Claim)>);

impl Claims {
    /// Takes claims by their names.
    pub fn new(claims: Vec<(String, Claim)>) -> Self {
        Self(claims)
    }

    /// Returns the claim of a name. A token may say `{"a.b": 1, "a": {"b": 2}}`: a claim that can
    /// be read in two ways counts as missing.
    pub fn find(&self, name: &str) -> Option<&Claim> {
        let mut found = self.0.iter().filter(|(own, _)| own == name);
        match (found.next(), found.next()) {
            (Some((_, claim)), None) => Some(claim),
            _ => None,
        }
    }

    /// Returns the one value of a claim that can stand for a policy variable: 1 to
    /// [`MAX_VALUE`] bytes without control characters.
    pub fn variable(&self, name: &str) -> Option<&str> {
        match self.find(name)? {
            Claim::One(value) => Some(value.as_str()).filter(|value| {
                (1..=MAX_VALUE).contains(&value.len()) && !value.chars().any(char::is_control)
            }),
            Claim::Many(_) => None,
        }
    }

    /// Returns the claims of these names that are there.
    pub fn select<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Self {
        let found = |name: &str| Some((name.to_owned(), self.find(name)?.clone()));
        Self(names.into_iter().filter_map(found).collect())
    }

    /// Returns the claims with their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Claim)> {
        self.0.iter().map(|(name, claim)| (name.as_str(), claim))
    }

    /// Returns the bytes of all names and values together, each with one byte that divides it from
    /// the next.
    pub fn length(&self) -> usize {
        let of_values =
            |claim: &Claim| -> usize { claim.values().iter().map(|value| value.len() + 1).sum() };
        self.iter()
            .map(|(name, claim)| name.len() + 1 + of_values(claim))
            .sum()
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let one = |name: &str, value: &str| (name.to_owned(), Claim::One(value.to_owned()));
        Claims::new(vec![
            one("sub", "job"),
            one("a.b", "literal"),
            one("a.b", "nested"),
            one("empty", ""),
            one("long", &"x".repeat(MAX_VALUE + 1)),
            one("line", "a\nb"),
            ("aud".to_owned(), Claim::Many(vec!["sts".to_owned()])),
        ])
    }

    #[test]
    fn a_claim_that_can_be_read_in_two_ways_is_missing() {
        assert_eq!(claims().find("a.b"), None);
        assert_eq!(claims().find("sub").unwrap().values(), ["job"]);
    }

    #[test]
    fn only_one_short_printable_value_fills_a_variable() {
        assert_eq!(claims().variable("sub"), Some("job"));
        for name in ["a.b", "empty", "long", "line", "aud", "missing"] {
            assert_eq!(claims().variable(name), None, "{name}");
        }
    }

    #[test]
    fn a_selection_has_what_is_there() {
        let selected = claims().select(["aud", "missing", "a.b", "sub"]);
        let names: Vec<&str> = selected.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["aud", "sub"]);
    }
}
