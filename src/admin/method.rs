//! Methods of HTTP.

/// A method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// It reads.
    Get,
    /// It makes something, or does something.
    Post,
    /// It changes the fields that it has.
    Patch,
    /// It sets what is there, whatever was there before.
    Put,
    /// It deletes.
    Delete,
}

impl Method {
    /// Returns the word at the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// Tells whether fields stand in a body; otherwise they stand in the query.
    pub fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Patch | Self::Put)
    }
}
