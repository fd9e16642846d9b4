//! A call's parameters: every one is text.

use http::{HeaderMap, HeaderValue};

use crate::domain::{Error, Result};
use crate::sign::Parameters;

/// Returns a parameter that has a value: Node writes `key=` for null.
pub(super) fn given<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.get(name).filter(|value| !value.is_empty())
}

/// Returns the value of a header or a parameter; where both are there, they are the same.
///
/// # Errors
///
/// `MalformedRequest` when they differ, or the header comes twice.
pub(super) fn either<'a>(
    headers: &'a HeaderMap,
    header: &'static str,
    parameters: &'a Parameters,
    name: &'static str,
) -> Result<Option<&'a str>> {
    let mut lines = headers.get_all(header).iter().map(HeaderValue::to_str);
    let line = lines.next().transpose().map_err(|_| Error::malformed_request(format!("The header {header} can't be read.")))?;
    match (line, given(parameters, name)) {
        (Some(line), Some(value)) if line != value => Err(Error::malformed_request(format!("{header} and {name} differ."))),
        _ if lines.next().is_some() => Err(Error::malformed_request(format!("The header {header} comes more than once."))),
        (line, value) => Ok(line.or(value)),
    }
}

/// Checks `Format`.
///
/// # Errors
///
/// `InvalidParameter` when it is neither JSON nor XML.
pub(super) fn check_format(parameters: &Parameters) -> Result<()> {
    match given(parameters, "Format") {
        Some(format) if !format.eq_ignore_ascii_case("json") && !format.eq_ignore_ascii_case("xml") => {
            Err(Error::invalid_parameter("Format", "It is JSON or XML."))
        }
        _ => Ok(()),
    }
}
