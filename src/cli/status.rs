//! `transire status`.

use super::Context;
use crate::domain::Result;
use crate::{version, views};

/// Prints the state of the service in short.
///
/// # Errors
/// Those of the service and of the output.
pub(super) async fn run(context: &Context) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let warnings = service.keys.find_warnings(call).await?;
    let status = service.operations.status(call).await?;
    let view = views::Status::of(status, warnings, version::VERSION, version::COMMIT);
    context.output.show_view(&view)
}
