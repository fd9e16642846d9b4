//! A pull secret of Kubernetes that is written and renewed, by the API server's public API.
//!
//! Start with [`refresher::Refresher`]: a round of it looks at the Secret, and replaces it when
//! half of its log-in's life is over.

pub mod api_server;
mod documents;
pub mod refresher;
