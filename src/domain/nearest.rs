//! The known name that an unknown one was probably meant to be.

/// Returns the candidate that takes the fewest changes of a letter to become `name`, unless that is
/// most of it.
pub fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let (changes, nearest) = candidates
        .map(|candidate| (distance(name, candidate), candidate))
        .min()?;
    (changes * 2 <= name.len().max(nearest.len())).then_some(nearest)
}

/// Levenshtein's distance, in bytes.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, left) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], place + 1);
        for (column, right) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_takes_the_fewest_changes() {
        for (one, other, changes) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("listen", "listen", 0),
            ("lsiten", "listen", 2),
        ] {
            assert_eq!(
                (distance(one, other), distance(other, one)),
                (changes, changes),
                "{one}, {other}"
            );
        }
        let known = ["listen", "public_url", "limits.body_bytes"];
        let nearest = |name: &str| nearest(name, known.into_iter());
        assert_eq!(nearest("publicurl"), Some("public_url"));
        assert_eq!(nearest("body_bytes"), Some("limits.body_bytes"));
        assert_eq!(nearest("xyzzy"), None);
    }
}
