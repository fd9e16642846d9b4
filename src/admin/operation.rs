//! The contract of an operation.

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::method::Method;
use crate::domain::{Error, Result};
use crate::service::{Call, Service};

/// The most bytes of a request that brings the text of a file.
pub const MAX_DOCUMENT_BYTES: usize = 8 << 20;

/// One thing that an operator can do. Its fields are all that it takes.
pub trait Operation: Serialize + DeserializeOwned + ToSchema + Send + Sync + 'static {
    /// The method of its HTTP request.
    const METHOD: Method;
    /// The path of its HTTP request below `/admin/v1`, such as `/accounts/{account}/users`: a field
    /// in braces stands in the path, the others in the query or in the body.
    const PATH: &'static str;
    /// The effect of doing it.
    const EFFECT: Effect;

    /// Whether a field is the text of a file, so that its request may have [`MAX_DOCUMENT_BYTES`].
    const TAKES_DOCUMENT: bool = false;

    /// The answer.
    type Answer: Serialize + DeserializeOwned + ToSchema + Send;

    /// Does it.
    ///
    /// # Errors
    /// Those of its use case.
    fn run(
        self,
        service: &Service,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Self::Answer>> + Send;

    /// Returns the answer to a repetition of a request that made something: what is there now,
    /// without secrets. `made` is the id that the first request's change named.
    ///
    /// # Errors
    /// Those of the use case that shows it; `Unsupported` where the operation makes nothing.
    fn repeat(
        &self,
        _service: &Service,
        _call: &Call<'_>,
        _made: Option<&str>,
    ) -> impl Future<Output = Result<serde_json::Value>> + Send {
        std::future::ready(Err(Error::unsupported("This operation makes nothing.")))
    }
}

/// Answers a repetition with what an operation shows.
///
/// # Errors
/// Those of the operation; `Internal` for an answer that can't be written.
pub(super) async fn shown<O: Operation>(
    shows: O,
    service: &Service,
    call: &Call<'_>,
) -> Result<serde_json::Value> {
    serde_json::to_value(shows.run(service, call).await?).map_err(Error::internal)
}

/// Declares an operation on an object of an account, which its name finds.
macro_rules! of_named {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            clap::Args, Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
        )]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The account's id or name.
            #[arg(long)]
            pub account: $crate::admin::AccountText,
            /// Its name.
            #[arg(long, value_parser = $crate::admin::text::some_text)]
            pub name: String,
        }
    };
}
pub(super) use of_named;

/// The effect of an operation on the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It reads.
    Reads,
    /// It makes something, which a repeated request must not make twice.
    Makes,
    /// It changes what is there; to repeat it changes nothing more.
    Changes,
}
