//! The patterns of docker_auth's conditions: Go's `path.Match`, whose `*` and `?` stop at a slash.
//!
//! A pattern here has no such wildcards: `*` and `?` match a slash, too. So a glob is written as
//! the same letters, which match more, and [`Glob::beyond`] tells all that they match beyond it.

/// A part of a glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// `*`: any letters but a slash.
    Star,
    /// `?`: one letter, and not a slash.
    Any,
    Letter(char),
}

/// A glob that is read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<Token>);

/// The texts that a condition matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matcher {
    /// Everything: there is no condition.
    Anything,
    /// Everything but the empty text.
    Something,
    Glob(Glob),
    /// More than can be known here, for this reason.
    Unknown(String),
}

/// Regular expressions that match whatever there is, and those that match all but nothing.
const ANYTHING: [&str; 2] = ["/.*/", "/^.*$/"];
const SOMETHING: [&str; 2] = ["/.+/", "/^.+$/"];

impl Matcher {
    /// Reads a condition's text, where the values of some variables are known.
    pub(super) fn read(text: Option<&str>, variables: &[(&str, &str)]) -> Self {
        let Some(text) = text else {
            return Self::Anything;
        };
        if ANYTHING.contains(&text) {
            return Self::Anything;
        }
        if SOMETHING.contains(&text) {
            return Self::Something;
        }
        // As docker_auth has it: two slashes alone are a glob.
        if text.len() > 2 && text.starts_with('/') && text.ends_with('/') {
            return Self::Unknown(format!("the regular expression {text}"));
        }
        match glob(text, variables) {
            Ok(tokens) => Self::Glob(Glob(tokens)),
            Err(why) => Self::Unknown(why),
        }
    }

    /// Tells whether it matches a text; `Err` with the reason where that can't be known.
    pub(super) fn matches(&self, text: &str) -> Result<bool, &str> {
        match self {
            Self::Anything => Ok(true),
            Self::Something => Ok(!text.is_empty()),
            Self::Glob(glob) => Ok(glob.matches(text)),
            Self::Unknown(why) => Err(why),
        }
    }
}

/// Reads a glob, or says which part of it can't be read here.
fn glob(text: &str, variables: &[(&str, &str)]) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some((name, value)) = variables.iter().find(|(name, _)| rest.starts_with(name)) {
            // A slash could make a regular expression of the whole.
            if value.contains('/') {
                return Err(format!("{name} with a slash in it"));
            }
            tokens.extend(value.chars().map(Token::Letter));
            rest = &rest[name.len()..];
            continue;
        }
        if rest.starts_with("${") {
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            return Err(format!("the variable {}", &rest[..end]));
        }
        rest = &rest[letter.len_utf8()..];
        tokens.push(match letter {
            '*' => Token::Star,
            '?' => Token::Any,
            '[' => return Err("a class of letters ([…])".to_owned()),
            '\\' => {
                let escaped = rest.chars().next().ok_or("a \\ at the end")?;
                rest = &rest[escaped.len_utf8()..];
                Token::Letter(escaped)
            }
            letter => Token::Letter(letter),
        });
    }
    Ok(tokens)
}

/// Tells whether one glob matches all that another one matches; a text is a glob of letters.
///
/// A star takes any of the other's parts but a slash, and a `?` one that is one letter. So the
/// answer is surely right where it is yes.
fn covers(wide: &[Token], narrow: &[Token]) -> bool {
    // Whether the rest of `wide` from each place on covers what is left of `narrow`.
    let mut rest: Vec<bool> = vec![false; wide.len() + 1];
    for place in (0..=narrow.len()).rev() {
        let mut here = vec![false; wide.len() + 1];
        here[wide.len()] = place == narrow.len();
        for index in (0..wide.len()).rev() {
            let next = narrow.get(place);
            here[index] = match (wide[index], next) {
                (Token::Star, None | Some(Token::Letter('/'))) => here[index + 1],
                (Token::Star, Some(_)) => here[index + 1] || rest[index],
                (Token::Any, Some(Token::Any)) => rest[index + 1],
                (Token::Any, Some(Token::Letter(letter))) => *letter != '/' && rest[index + 1],
                (Token::Letter(own), Some(Token::Letter(other))) => {
                    own == *other && rest[index + 1]
                }
                _ => false,
            };
        }
        rest = here;
    }
    rest[0]
}

impl Glob {
    /// Tells whether it matches a text.
    pub(super) fn matches(&self, text: &str) -> bool {
        let letters: Vec<Token> = text.chars().map(Token::Letter).collect();
        covers(&self.0, &letters)
    }

    /// Tells whether it surely matches all that another one matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        covers(&self.0, &other.0)
    }

    /// Tells whether it matches no repository's path, because it is empty or of a letter that none
    /// has.
    pub(super) fn is_of_no_path(&self) -> bool {
        let is_of_path = |letter: char| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-/".contains(letter)
        };
        self.0.is_empty()
            || self
                .0
                .iter()
                .any(|token| matches!(token, Token::Letter(letter) if !is_of_path(*letter)))
    }

    /// Writes the pattern of the same letters, which matches all that the glob does, and more where
    /// it has wildcards.
    pub(super) fn pattern(&self) -> String {
        self.0
            .iter()
            .map(|token| match token {
                Token::Star => '*',
                Token::Any => '?',
                Token::Letter(letter) => *letter,
            })
            .collect()
    }

    /// Writes the patterns that together match all that [`Self::pattern`] matches and the glob
    /// doesn't, and nothing that the glob matches.
    ///
    /// In such a text some wildcard stands for letters with a slash among them. It has more slashes
    /// than any text that the glob matches, for these have as many as the glob itself.
    pub(super) fn beyond(&self) -> Vec<String> {
        let wildcards = self.0.iter().enumerate().filter_map(|(place, token)| {
            let with_slash: &[Token] = match token {
                Token::Star => &[Token::Star, Token::Letter('/'), Token::Star],
                Token::Any => &[Token::Letter('/')],
                Token::Letter(_) => return None,
            };
            let tokens = [&self.0[..place], with_slash, &self.0[place + 1..]].concat();
            Some(Self(tokens).pattern())
        });
        wildcards.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Matcher {
        Matcher::read(Some(text), &[("${account}", "al.ice")])
    }

    fn glob(text: &str) -> Glob {
        match read(text) {
            Matcher::Glob(glob) => glob,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_glob_matches_as_go_has_it() {
        for (text, good, bad) in [
            ("", &[""][..], &["a"][..]),
            ("*", &["", "a", "ab"], &["a/b", "/"]),
            ("a*", &["a", "abc"], &["ba", "a/b"]),
            ("*/*", &["/", "a/b"], &["a", "a/b/c"]),
            ("a?c", &["abc"], &["ac", "a/c", "abbc"]),
            (r"\*", &["*"], &["a"]),
            ("${account}/*", &["al.ice/x"], &["alxice/x", "al.ice"]),
            ("//", &["//"], &["a"]),
        ] {
            for (texts, expected) in [(good, true), (bad, false)] {
                for one in texts {
                    assert_eq!(read(text).matches(one), Ok(expected), "{text} {one}");
                }
            }
        }
        assert_eq!(Matcher::read(None, &[]).matches("a/b"), Ok(true));
        assert_eq!(read("/.+/").matches(""), Ok(false));
        assert_eq!(read("/.*/").matches(""), Ok(true));
    }

    #[test]
    fn what_can_not_be_read_says_why() {
        for (text, why) in [
            ("/a|b/", "regular expression"),
            ("[ab]", "class"),
            ("${name}", "${name}"),
            ("x${labels:group}", "${labels:group}"),
            ("a\\", "at the end"),
        ] {
            let matcher = read(text);
            let said = matcher.matches("x").unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        let slash = Matcher::read(Some("${account}"), &[("${account}", "/x/")]);
        assert!(slash.matches("x").is_err());
    }

    #[test]
    fn a_glob_covers_what_it_surely_matches_all_of() {
        for (wide, narrow, expected) in [
            ("*", "a*", true),
            ("a*", "ab*c", true),
            ("*", "*/*", false),
            ("*/*", "a/*", true),
            ("?", "*", false),
            ("*", "?", true),
            ("?*", "*?", false),
            ("a/b", "a/b", true),
            ("a/*", "*/b", false),
        ] {
            assert_eq!(
                glob(wide).covers(&glob(narrow)),
                expected,
                "{wide} {narrow}"
            );
        }
    }

    #[test]
    fn a_pattern_and_what_is_beyond_its_glob_are_written() {
        let one = glob("team-?/*");
        assert_eq!(one.pattern(), "team-?/*");
        assert_eq!(one.beyond(), ["team-//*", "team-?/*/*"]);
        assert_eq!(glob("team/app").beyond(), Vec::<String>::new());
        assert!(glob("Team/*").is_of_no_path() && !one.is_of_no_path());
    }
}
