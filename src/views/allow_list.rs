//! The view of allow lists.

use crate::domain::allow_list::AllowEntry as Stored;

view! {
    /// An entry of an instance's allow list.
    pub struct AllowEntry {
        /// The range of addresses, as it was written.
        cidr: String,
        /// The owner's description of it.
        comment: String,
    }
}

impl From<Stored> for AllowEntry {
    fn from(entry: Stored) -> Self {
        Self {
            cidr: entry.written,
            comment: entry.comment,
        }
    }
}
