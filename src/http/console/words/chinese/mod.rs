//! Chinese: the labels of the API's names, and its sentences.

/// Lists sentences of the API, each with its Chinese.
macro_rules! sentences {
    ($($english:literal => $chinese:literal;)+) => {
        pub(super) const SENTENCES: &[(&str, &str)] = &[$(($english, $chinese),)+];
    };
}

mod consequences;
mod labels;
mod people;
mod registries;
mod upkeep;

pub(super) use self::labels::label;

/// All sentences, by what they are about.
pub(super) const ALL: [&[(&str, &str)]; 4] = [
    consequences::SENTENCES,
    people::SENTENCES,
    registries::SENTENCES,
    upkeep::SENTENCES,
];

/// Returns the Chinese of a sentence whose spaces are single; nothing where there is none.
pub(super) fn sentence(english: &str) -> Option<&'static str> {
    let mut all = ALL.into_iter().flatten();
    let found = all.find(|(given, _)| *given == english);
    found.map(|(_, chinese)| *chinese)
}
