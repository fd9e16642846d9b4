//! An answer also when something panics.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use crate::domain::{Error, Result};

/// Runs `work`; a panic inside becomes an internal error, so that the client still gets its
/// envelope.
///
/// It is pinned where it was made: the work of a request takes kilobytes, and each part that it was
/// handed on to would copy them.
///
/// # Errors
///
/// Those of `work`, and `Internal` for a panic.
pub(crate) async fn unless_panic<T>(
    mut work: Pin<&mut impl Future<Output = Result<T>>>,
) -> Result<T> {
    // Safe to go on after: nothing that the work could leave half done outlives the request, but
    // for what the service shares, and that heals itself (its locks don't poison).
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(panic) => Poll::Ready(Err(Error::internal(panic_text(panic.as_ref())))),
        },
    )
    .await
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;
    use crate::domain::ErrorKind;

    #[tokio::test]
    async fn a_panic_becomes_an_internal_error() {
        let work = async {
            if true {
                panic!("a table leg broke")
            } else {
                Ok(())
            }
        };
        let error = unless_panic(pin!(work)).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Internal);
        assert!(!error.message().contains("table"));
    }
}
