//! Wildcards: `*` for any number of characters, `/` among them, and in RAM and IAM `?` for exactly
//! one.
//!
//! A pattern is cut at its stars when it is compiled. Matching looks for the pieces one after
//! another and never goes back, so that no pattern makes it slower than one walk over the text
//! (times the length of a piece with `?` in it, which is looked for place by place).

use super::language::Language;

/// A text with wildcards, compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Shape);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Shape {
    /// `*`
    Any,
    Exactly(Box<str>),
    /// Text, then one star.
    Beginning(Box<str>),
    /// Boxed, so that the many patterns that are simpler lie close together in memory.
    Pieces(Box<Pieces>),
}

/// The texts before the first star, between stars, and after the last. No star: `head` alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pieces {
    head: Piece,
    middle: Vec<Piece>,
    tail: Option<Piece>,
    /// The fewest bytes of a text that it matches.
    shortest: usize,
}

/// The text between two stars.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Piece {
    Text(Box<str>),
    /// `None` is any one character.
    Masked(Vec<Option<char>>),
}

/// Which wildcards a pattern has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wildcards {
    /// `*` alone, as CAM documents it.
    Star,
    /// `*` and `?`, as RAM and IAM document them.
    StarAndQuestionMark,
}

impl Wildcards {
    /// Returns the wildcards of a language.
    pub fn of(language: Language) -> Self {
        match language {
            Language::Cam => Self::Star,
            Language::Ram | Language::Iam => Self::StarAndQuestionMark,
        }
    }
}

impl Wildcards {
    /// Tells whether a text has any.
    pub fn stand_in(self, text: &str) -> bool {
        text.contains('*') || self == Self::StarAndQuestionMark && text.contains('?')
    }
}

/// A stretch of a pattern's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span<'a> {
    /// Its wildcards are wildcards.
    Pattern(&'a str),
    /// Each letter stands for itself.
    Plain(&'a str),
}

impl Pattern {
    /// Compiles a text; every text is a pattern.
    pub fn new(text: &str, wildcards: Wildcards) -> Self {
        Self::of_spans(&[Span::Pattern(text)], wildcards)
    }

    /// Compiles a text, some stretches of which have no wildcards.
    pub(super) fn of_spans(spans: &[Span<'_>], wildcards: Wildcards) -> Self {
        let mut pieces = vec![Vec::new()];
        let mut add = |letter: Option<char>, is_star: bool| match pieces.last_mut() {
            Some(piece) if !is_star => piece.push(letter),
            _ => pieces.push(Vec::new()),
        };
        for span in spans {
            match span {
                Span::Plain(text) => text.chars().for_each(|letter| add(Some(letter), false)),
                Span::Pattern(text) => text.chars().for_each(|letter| match letter {
                    '*' => add(None, true),
                    '?' if wildcards == Wildcards::StarAndQuestionMark => add(None, false),
                    letter => add(Some(letter), false),
                }),
            }
        }
        Self(Shape::of(pieces.into_iter().map(Piece::new).collect()))
    }

    /// The pattern that matches everything.
    pub fn any() -> Self {
        Self(Shape::Any)
    }

    /// Tells whether it matches every text.
    pub fn is_any(&self) -> bool {
        self.0 == Shape::Any
    }

    /// Tells whether it holds anything but wildcards.
    pub fn says_something(&self) -> bool {
        let piece = |piece: &Piece| match piece {
            Piece::Text(own) => !own.is_empty(),
            Piece::Masked(own) => own.iter().any(Option::is_some),
        };
        match &self.0 {
            Shape::Any => false,
            Shape::Exactly(own) | Shape::Beginning(own) => !own.is_empty(),
            Shape::Pieces(pieces) => {
                piece(&pieces.head) || pieces.middle.iter().chain(&pieces.tail).any(piece)
            }
        }
    }

    /// Tells whether it matches the whole text.
    pub fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Shape::Any => true,
            Shape::Exactly(own) => **own == *text,
            Shape::Beginning(own) => text.starts_with(&**own),
            Shape::Pieces(pieces) => pieces.match_whole(text),
        }
    }

    /// Tells whether it matches the text, or a directory above it: what stands before one of its
    /// `/`.
    pub fn matches_directory(&self, text: &str) -> bool {
        match &self.0 {
            Shape::Exactly(own) => text
                .strip_prefix(&**own)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            // A pattern that ends with a star matches what is below, too.
            Shape::Any | Shape::Beginning(_) => self.matches(text),
            Shape::Pieces(pieces) => pieces.match_directory(text),
        }
    }

    /// Tells whether it surely matches, as a directory, every text that begins with `beginning`.
    pub fn covers_directory(&self, beginning: &str) -> bool {
        // Everything after the beginning is below the directory before its last slash.
        self.covers(beginning)
            || beginning
                .rsplit_once('/')
                .is_some_and(|(directory, _)| self.matches_directory(directory))
    }

    /// Tells whether it matches, as a directory, some text that begins with `beginning`.
    pub fn touches_directory(&self, beginning: &str) -> bool {
        self.touches(beginning) || self.covers_directory(beginning)
    }

    /// Tells whether it surely matches every text that begins with `beginning`.
    pub fn covers(&self, beginning: &str) -> bool {
        match &self.0 {
            Shape::Any => true,
            Shape::Exactly(_) => false,
            Shape::Beginning(own) => beginning.starts_with(&**own),
            Shape::Pieces(pieces) => {
                pieces.tail.as_ref().is_some_and(|tail| tail.len() == 0) && self.matches(beginning)
            }
        }
    }

    /// Tells whether it matches some text that begins with `beginning`.
    pub fn touches(&self, beginning: &str) -> bool {
        match &self.0 {
            Shape::Any => true,
            Shape::Exactly(own) => own.starts_with(beginning),
            Shape::Beginning(own) => own.starts_with(beginning) || beginning.starts_with(&**own),
            Shape::Pieces(pieces) => pieces.touch(beginning),
        }
    }

    /// Returns the letters before its first wildcard, and those after its last, if it has one. Each
    /// text that it matches begins with the former and ends with the latter.
    pub(super) fn ends(&self) -> (String, String) {
        let tokens = self.tokens();
        let is_letter = |token: &&Token| matches!(token, Token::Letter(_));
        let head = tokens.iter().take_while(is_letter).count();
        let tail = tokens[head..].iter().rev().take_while(is_letter).count();
        let text = |tokens: &[Token]| tokens.iter().filter_map(|token| token.letter()).collect();
        (text(&tokens[..head]), text(&tokens[tokens.len() - tail..]))
    }

    /// Tells whether some text matches both.
    ///
    /// Its time grows with the product of their lengths: it is for whoever writes documents, and
    /// not for requests.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (own, others) = (self.tokens(), other.tokens());
        // Whether what is left of each matches one text: of `own` from the place after the one
        // looked at, and of `others` from each place. At the end of `own`, stars may be left.
        let mut rest: Vec<bool> = (0..=others.len())
            .map(|place| others[place..].iter().all(|token| *token == Token::Star))
            .collect();
        for token in own.iter().rev() {
            let mut here = vec![false; rest.len()];
            for place in (0..rest.len()).rev() {
                let other = others.get(place);
                here[place] = if *token == Token::Star {
                    rest[place] || other.is_some() && here[place + 1]
                } else {
                    match other {
                        Some(Token::Star) => here[place + 1] || rest[place],
                        Some(other) => token.fits(other) && rest[place + 1],
                        None => false,
                    }
                };
            }
            rest = here;
        }
        rest[0]
    }

    fn tokens(&self) -> Vec<Token> {
        let text = |text: &str| text.chars().map(Token::Letter).collect::<Vec<_>>();
        match &self.0 {
            Shape::Any => vec![Token::Star],
            Shape::Exactly(own) => text(own),
            Shape::Beginning(own) => [text(own), vec![Token::Star]].concat(),
            Shape::Pieces(pieces) => {
                let mut tokens = pieces.head.tokens();
                for piece in pieces.middle.iter().chain(&pieces.tail) {
                    tokens.push(Token::Star);
                    tokens.extend(piece.tokens());
                }
                tokens
            }
        }
    }
}

/// One part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Star,
    /// Any one character.
    Any,
    Letter(char),
}

impl Token {
    fn letter(self) -> Option<char> {
        match self {
            Self::Letter(letter) => Some(letter),
            Self::Star | Self::Any => None,
        }
    }

    /// Tells whether one character is both; neither is a star.
    fn fits(self, other: &Self) -> bool {
        self == *other || self == Self::Any || *other == Self::Any
    }
}

impl Shape {
    /// Takes the pieces around the stars: one more than there are stars.
    fn of(mut pieces: Vec<Piece>) -> Self {
        if pieces.len() > 1 && pieces.iter().all(|piece| piece.len() == 0) {
            return Self::Any;
        }
        let shortest = pieces.iter().map(Piece::len).sum();
        let tail = if pieces.len() > 1 { pieces.pop() } else { None };
        let mut pieces = pieces.into_iter();
        let head = pieces.next().unwrap_or(Piece::Text("".into()));
        let middle: Vec<Piece> = pieces.filter(|piece| piece.len() > 0).collect();
        match (head, &tail, middle.as_slice()) {
            (Piece::Text(own), None, []) => Self::Exactly(own),
            (Piece::Text(own), Some(end), []) if end.len() == 0 => Self::Beginning(own),
            (head, _, _) => Self::Pieces(Box::new(Pieces {
                head,
                middle,
                tail,
                shortest,
            })),
        }
    }
}

impl Pieces {
    fn match_directory(&self, text: &str) -> bool {
        let Some(tail) = &self.tail else {
            return self
                .head
                .strip_from(text)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        };
        let rest = if text.len() < self.shortest {
            None
        } else {
            self.head.strip_from(text)
        };
        // Each piece at its first place leaves most to the last one, which ends the text or stands
        // before a slash.
        let rest = self.middle.iter().fold(rest, |rest, piece| {
            rest.and_then(|rest| piece.skip_past(rest))
        });
        rest.is_some_and(|rest| {
            tail.strip_from_end(rest).is_some() || tail.stands_before_a_slash(rest)
        })
    }

    fn match_whole(&self, text: &str) -> bool {
        if text.len() < self.shortest {
            return false;
        }
        let Some(rest) = self.head.strip_from(text) else {
            return false;
        };
        let Some(tail) = &self.tail else {
            return rest.is_empty();
        };
        // The last piece is held to the end first, so that a middle one can't use its characters
        // up.
        let Some(mut rest) = tail.strip_from_end(rest) else {
            return false;
        };
        self.middle.iter().all(|piece| match piece.skip_past(rest) {
            Some(after) => {
                rest = after;
                true
            }
            None => false,
        })
    }

    fn touch(&self, beginning: &str) -> bool {
        match &self.head {
            // After the head comes a star, which takes the rest of the beginning; what must follow,
            // follows it.
            Piece::Text(own) => {
                (self.tail.is_some() && beginning.starts_with(&**own)) || own.starts_with(beginning)
            }
            Piece::Masked(own) => {
                let same = own
                    .iter()
                    .zip(beginning.chars())
                    .all(|(own, letter)| own.is_none_or(|own| own == letter));
                same && (self.tail.is_some() || beginning.chars().count() <= own.len())
            }
        }
    }
}

impl Piece {
    /// Takes letters, `None` for any one character.
    fn new(letters: Vec<Option<char>>) -> Self {
        match letters.iter().copied().collect::<Option<String>>() {
            Some(text) => Self::Text(text.into()),
            None => Self::Masked(letters),
        }
    }

    /// Returns the fewest bytes that it takes.
    fn len(&self) -> usize {
        match self {
            Self::Text(own) => own.len(),
            Self::Masked(own) => own.len(),
        }
    }

    fn tokens(&self) -> Vec<Token> {
        match self {
            Self::Text(own) => own.chars().map(Token::Letter).collect(),
            Self::Masked(own) => own
                .iter()
                .map(|letter| letter.map_or(Token::Any, Token::Letter))
                .collect(),
        }
    }

    /// Returns what follows the piece, when the text begins with it.
    fn strip_from<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(own) => text.strip_prefix(&**own),
            Self::Masked(own) => {
                let mut letters = text.chars();
                for own in own {
                    let letter = letters.next()?;
                    if own.is_some_and(|own| own != letter) {
                        return None;
                    }
                }
                Some(letters.as_str())
            }
        }
    }

    /// Returns what stands before the piece, when the text ends with it.
    fn strip_from_end<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(own) => text.strip_suffix(&**own),
            Self::Masked(own) => {
                let mut letters = text.chars();
                for own in own.iter().rev() {
                    let letter = letters.next_back()?;
                    if own.is_some_and(|own| own != letter) {
                        return None;
                    }
                }
                Some(letters.as_str())
            }
        }
    }

    fn stands_before_a_slash(&self, text: &str) -> bool {
        text.match_indices('/')
            .any(|(place, _)| self.strip_from_end(&text[..place]).is_some())
    }

    /// Returns what follows the first place where the piece stands. The first leaves most to the
    /// others.
    fn skip_past<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            // For a few letters, looking at every place is faster than preparing a search.
            Self::Text(own) if own.len() <= 8 => {
                let own = own.as_bytes();
                let place = text
                    .as_bytes()
                    .windows(own.len())
                    .position(|window| window[0] == own[0] && window == own)?;
                text.get(place + own.len()..)
            }
            Self::Text(own) => text.find(&**own).map(|place| &text[place + own.len()..]),
            Self::Masked(_) => text
                .char_indices()
                .find_map(|(place, _)| self.strip_from(&text[place..])),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by trying everything.
    fn obvious(pattern: &[char], text: &[char], wildcards: Wildcards) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), _) => {
                obvious(&pattern[1..], text, wildcards)
                    || (!text.is_empty() && obvious(pattern, &text[1..], wildcards))
            }
            (Some('?'), Some(_)) if wildcards == Wildcards::StarAndQuestionMark => {
                obvious(&pattern[1..], &text[1..], wildcards)
            }
            (Some(own), Some(letter)) if own == letter => {
                obvious(&pattern[1..], &text[1..], wildcards)
            }
            _ => false,
        }
    }

    fn obviously(pattern: &str, text: &str, wildcards: Wildcards) -> bool {
        obvious(
            &pattern.chars().collect::<Vec<_>>(),
            &text.chars().collect::<Vec<_>>(),
            wildcards,
        )
    }

    #[test]
    fn wildcards_stand_for_what_the_languages_say() {
        use Wildcards::{Star, StarAndQuestionMark};
        let cases = [
            ("", "", Star, true),
            ("", "a", Star, false),
            ("*", "", Star, true),
            ("**", "a/b", Star, true),
            ("a*", "a/b/c", Star, true),
            ("*c", "a/b/c", Star, true),
            ("a*c", "ac", Star, true),
            ("a*c", "abd", Star, false),
            ("ab*ba", "aba", Star, false),
            ("a*b*b", "ab", Star, false),
            ("a?c", "abc", Star, false),
            ("a?c", "a?c", Star, true),
            ("a?c", "abc", StarAndQuestionMark, true),
            ("a?c", "a中c", StarAndQuestionMark, true),
            ("a?", "a", StarAndQuestionMark, false),
            ("?*?", "ab", StarAndQuestionMark, true),
            ("?*?", "a", StarAndQuestionMark, false),
            ("*a?*", "xxaby", StarAndQuestionMark, true),
            ("A", "a", StarAndQuestionMark, false),
        ];
        for (pattern, text, wildcards, expected) in cases {
            assert_eq!(
                Pattern::new(pattern, wildcards).matches(text),
                expected,
                "{pattern} on {text}"
            );
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = Pattern::new(&"a*".repeat(1000), Wildcards::Star);
        assert!(!pattern.matches(&format!("b{}", "a".repeat(5000))));
        let pattern = Pattern::new(&format!("{}b", "*a".repeat(1000)), Wildcards::Star);
        assert!(!pattern.matches(&"a".repeat(5000)));
    }

    fn wildcards() -> impl Strategy<Value = Wildcards> {
        prop_oneof![Just(Wildcards::Star), Just(Wildcards::StarAndQuestionMark)]
    }

    /// All texts of the letters `a` and `b` with at most so many of them.
    fn short_texts(most: usize) -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut begins = 0;
        for _ in 0..most {
            let ends = texts.len();
            for place in begins..ends {
                for letter in ['a', 'b'] {
                    texts.push(format!("{}{letter}", texts[place]));
                }
            }
            begins = ends;
        }
        texts
    }

    #[test]
    fn patterns_of_subjects_overlap_where_one_subject_is_of_both() {
        for (one, other, expected) in [
            ("repo:team/*", "repo:team/app:*", true),
            ("repo:team*", "repo:team-evil/app:*", true),
            ("repo:team/*", "repo:other/*", false),
            ("repo:team/app:*", "repo:team/app-test:*", false),
            ("repo:*/app:*", "repo:team/*", true),
            ("*:main", "repo:team/app:*", true),
            ("*:main", "*:dev", false),
        ] {
            let [one, other] = [one, other].map(|text| Pattern::new(text, Wildcards::Star));
            assert_eq!(one.overlaps(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.overlaps(&one), expected, "{other:?} {one:?}");
        }
    }

    proptest! {
        #[test]
        fn two_patterns_overlap_when_some_text_matches_both(
            one in "[ab*?]{0,4}",
            other in "[ab*?]{0,4}",
        ) {
            let wildcards = Wildcards::StarAndQuestionMark;
            let patterns = [&one, &other].map(|text| Pattern::new(text, wildcards));
            let expected = short_texts(8)
                .iter()
                .any(|text| patterns.iter().all(|pattern| pattern.matches(text)));
            prop_assert_eq!(patterns[0].overlaps(&patterns[1]), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn a_pattern_matches_as_the_obvious_reference(
            pattern in "[ab/*?中]{0,9}",
            text in "[ab/?*中]{0,9}",
            wildcards in wildcards(),
        ) {
            prop_assert_eq!(
                Pattern::new(&pattern, wildcards).matches(&text),
                obviously(&pattern, &text, wildcards)
            );
        }

        #[test]
        fn a_matched_text_has_the_ends_of_its_pattern(
            pattern in "[ab*?]{0,6}",
            text in "[ab]{0,6}",
            wildcards in wildcards(),
        ) {
            let compiled = Pattern::new(&pattern, wildcards);
            let (head, tail) = compiled.ends();
            let has_ends = text.starts_with(&head) && text.ends_with(&tail);
            prop_assert!(has_ends || !compiled.matches(&text), "{} {}", head, tail);
            let overlap = head.starts_with(&text) || text.starts_with(&head);
            prop_assert!(overlap || !compiled.touches(&text), "{}", head);
            let is_wildcard = |letter: char| wildcards.stand_in(letter.encode_utf8(&mut [0; 4]));
            let (first, last) = (pattern.find(is_wildcard), pattern.rfind(is_wildcard));
            prop_assert_eq!(head, &pattern[..first.unwrap_or(pattern.len())]);
            prop_assert_eq!(tail, last.map_or("", |last| &pattern[last + 1..]));
        }

        #[test]
        fn a_directory_matches_itself_and_what_is_below(
            pattern in "[ab/*?]{0,7}",
            text in "[ab/]{0,9}",
            rest in "[ab/]{0,4}",
            wildcards in wildcards(),
        ) {
            let compiled = Pattern::new(&pattern, wildcards);
            let obvious = |text: &str| {
                let above = text.match_indices('/').map(|(place, _)| &text[..place]);
                above.chain([text]).any(|directory| obviously(&pattern, directory, wildcards))
            };
            prop_assert_eq!(compiled.matches_directory(&text), obvious(&text));
            let longer = format!("{text}{rest}");
            prop_assert!(!compiled.covers_directory(&text) || obvious(&longer));
            prop_assert!(compiled.touches_directory(&text) || !obvious(&longer));
        }

        #[test]
        fn what_covers_a_beginning_matches_all_that_begins_so(
            pattern in "[ab*?]{0,6}",
            beginning in "[ab]{0,4}",
            rest in "[ab]{0,5}",
            wildcards in wildcards(),
        ) {
            let compiled = Pattern::new(&pattern, wildcards);
            let text = format!("{beginning}{rest}");
            prop_assert!(!compiled.covers(&beginning) || obviously(&pattern, &text, wildcards));
            prop_assert!(compiled.touches(&beginning) || !obviously(&pattern, &text, wildcards));
        }

        #[test]
        fn what_touches_a_beginning_matches_something_that_begins_so(
            pattern in "[ab*?]{0,6}",
            beginning in "[ab]{0,4}",
            wildcards in wildcards(),
        ) {
            // The pattern without its stars is a witness: a question mark matches itself, too.
            let mut tails = (0..=pattern.len()).map(|from| pattern[from..].replace('*', ""));
            let witness =
                tails.any(|tail| obviously(&pattern, &format!("{beginning}{tail}"), wildcards));
            prop_assert!(!Pattern::new(&pattern, wildcards).touches(&beginning) || witness);
        }
    }
}
