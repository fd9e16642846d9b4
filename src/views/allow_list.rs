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

view! {
    /// An entry that was added to an allow list, or removed from it.
    pub struct ChangedAllowEntry {
        /// The range of addresses.
        cidr: String,
        /// Its state: added or removed.
        state: String,
    }
}

view! {
    /// Whether an instance's allow list is in force.
    pub struct AllowListState {
        /// The instance's id at Tencent's API.
        instance: String,
        /// enabled or disabled.
        state: String,
    }
}
