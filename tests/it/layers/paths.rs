//! The paths that a source names, and the modules that they lead to.

use std::path::Path;

/// Returns the module path of a file: `src/http/tencent/mod.rs` is `http::tencent`.
pub(super) fn module(file: &Path) -> Vec<String> {
    let mut module: Vec<String> = file
        .with_extension("")
        .components()
        .skip(1)
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module.len() > 1 && module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}

/// Tells whether a module of that name is in no shipped build, so that it may use anything.
pub(super) fn is_of_tests(part: &str) -> bool {
    matches!(part, "tests" | "testing" | "fuzzing")
}

/// Returns where a path of ours leads, from the crate's root; `None` when it isn't one of ours for
/// sure.
pub(super) fn resolve(module: &[String], segments: &[String]) -> Option<Vec<String>> {
    let climbs = segments
        .iter()
        .take_while(|segment| *segment == "super")
        .count();
    match segments[0].as_str() {
        "crate" => Some(segments[1..].to_vec()),
        "super" => {
            let base = &module[..module.len().saturating_sub(climbs)];
            Some(base.iter().chain(&segments[climbs..]).cloned().collect())
        }
        _ => None,
    }
}

/// A path in a source, by where it stands.
pub(super) struct UsedPath {
    pub(super) at: usize,
    pub(super) segments: Vec<String>,
    /// Whether a `pub use` names it.
    pub(super) is_handed_on: bool,
}

/// Finds every path with at least two segments, and what `use` names alone; groups are unfolded.
pub(super) fn paths(code: &str) -> Vec<UsedPath> {
    let bytes = code.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let starts = is_word(bytes[at]) && (at == 0 || !is_word(bytes[at - 1]));
        if !starts {
            at += 1;
            continue;
        }
        let before = code[..at].trim_end();
        let continues = before.ends_with("::")
            && before[..before.len() - 2]
                .ends_with(|letter: char| letter.is_alphanumeric() || "_>}".contains(letter));
        let (paths, end) = tree(code, at);
        let after_use = before.ends_with("use") || before.ends_with("use ::");
        if !continues {
            let is_handed_on = after_use && is_public_use(before);
            let used = paths.into_iter().filter(|path| path.len() > 1 || after_use);
            found.extend(used.map(|segments| UsedPath {
                at,
                segments,
                is_handed_on,
            }));
        }
        at = end.max(at + 1);
    }
    found
}

/// Tells whether code ends with `pub use`, with `pub(crate) use` or the like.
fn is_public_use(before: &str) -> bool {
    let visibility = before
        .trim_end_matches("::")
        .trim_end()
        .strip_suffix("use")
        .unwrap_or_default()
        .trim_end();
    visibility.ends_with("pub")
        || visibility.ends_with(')')
            && visibility
                .rsplit_once('(')
                .is_some_and(|(word, _)| word.ends_with("pub"))
}

/// Reads the path that begins at `at`, with the group that may end it; returns the paths and where
/// they end.
fn tree(code: &str, at: usize) -> (Vec<Vec<String>>, usize) {
    let word_end = at
        + code[at..]
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(code.len() - at);
    let word = code[at..word_end].to_owned();
    let Some(rest) = code[word_end..].strip_prefix("::") else {
        return (vec![vec![word]], word_end);
    };
    let next = code.len() - rest.len();
    let prefixed = |paths: Vec<Vec<String>>| {
        paths
            .into_iter()
            .map(|path| [vec![word.clone()], path].concat())
            .collect()
    };
    if rest.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
        let (paths, end) = tree(code, next);
        return (prefixed(paths), end);
    }
    if !rest.starts_with('{') {
        return (vec![vec![word, String::new()]], next);
    }
    let mut paths = Vec::new();
    let mut place = next + 1;
    while let Some(skip) =
        code[place..].find(|letter: char| letter.is_ascii_alphanumeric() || "_}".contains(letter))
    {
        place += skip;
        if code[place..].starts_with('}') {
            return (prefixed(paths), place + 1);
        }
        let (inner, end) = tree(code, place);
        paths.extend(inner);
        // `as` and a new name belong to the path before.
        let rest = code[end..].trim_start();
        place = if rest.starts_with("as ") {
            end + code[end..].find([',', '}']).unwrap_or(0)
        } else {
            end
        };
    }
    (prefixed(paths), code.len())
}
