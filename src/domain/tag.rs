//! Cloud resource tags, which both clouds show.

/// A key and a value on an instance or a namespace; it grants nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// Its key, unique on what it is on.
    pub key: String,
    /// Its value, perhaps empty.
    pub value: String,
}

impl Tag {
    /// How many tags one thing may have: 20 at Alibaba, more at Tencent.
    pub const MAX_COUNT: u32 = 20;
}
