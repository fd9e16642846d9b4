//! Words that statements, conditions, operators and resources share.

/// Whether a statement allows or denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever else allows.
    Deny,
}

/// The circumstances that a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circumstances {
    /// Those of the request.
    Present,
    /// Every one, as for a right that is given on.
    Every,
    /// The best that there could be: each condition of a statement that allows holds, and none of a
    /// statement that denies.
    Best,
}

/// The type of a key's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyType {
    Time,
    /// A time in seconds since 1970.
    Seconds,
    Address,
    Boolean,
    /// Text, which may hold a number or a time.
    Text,
    /// Any that an operator takes.
    Any,
}

/// The relation of the request's value to the document's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    /// Tells whether the request's value is in this relation to the document's own.
    pub(super) fn holds<T: PartialOrd>(self, actual: &T, own: &T) -> bool {
        match self {
            Self::Equal => actual == own,
            Self::Less => actual < own,
            Self::LessOrEqual => actual <= own,
            Self::Greater => actual > own,
            Self::GreaterOrEqual => actual >= own,
        }
    }
}
