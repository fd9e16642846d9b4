//! Ids that are text: a prefix that says of what, and random small letters and digits.

/// What comes after the prefix.
pub(super) const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Tells whether `text` is `prefix` and `length` characters of [`ALPHABET`].
pub(super) fn is_id(text: &str, prefix: &str, length: usize) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| rest.len() == length && rest.bytes().all(|byte| ALPHABET.contains(&byte)))
}

/// Defines a text id: a prefix and so many random characters, never reused; any other text is `missing`.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $length:literal, $missing:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Makes a new id.
            pub fn random(random: &dyn $crate::domain::clock::Random) -> Self {
                let rest = $crate::domain::clock::random_text(random, $crate::domain::id::ALPHABET, $length);
                Self(format!(concat!($prefix, "{}"), rest))
            }

            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::Error;

            fn from_str(text: &str) -> $crate::domain::Result<Self> {
                let well_formed = $crate::domain::id::is_id(text, $prefix, $length);
                if well_formed { Ok(Self(text.to_owned())) } else { Err($missing) }
            }
        }
    };
}
pub(super) use text_id;
