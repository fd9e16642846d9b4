//! The view of an import: each line of the file and its outcome.

view! {
    /// A part of an import's file, or a policy that is made for it, and what becomes of it.
    pub struct ImportLine by name {
        /// The line of the file, counted from 1; none for a policy.
        line: Option<usize>,
        /// `policy`, `user`, or another part of the file.
        kind: String,
        /// The name of the policy, the old name of the user, or the part itself.
        name: String,
        /// The outcome: `made`, `already-there`, `refused`, `left-out`; `new` in a dry run, and
        /// where a refused user kept the others from being made.
        result: String,
        /// A policy's document, a user's name and policies, or the reason why it is refused.
        detail: String,
    }
}
