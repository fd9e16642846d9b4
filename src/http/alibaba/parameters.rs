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
    let line = lines
        .next()
        .transpose()
        .map_err(|_| Error::malformed_request(format!("The header {header} can't be read.")))?;
    match (line, given(parameters, name)) {
        (Some(line), Some(value)) if line != value => Err(Error::malformed_request(format!(
            "{header} and {name} differ."
        ))),
        _ if lines.next().is_some() => Err(Error::malformed_request(format!(
            "The header {header} comes more than once."
        ))),
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
        Some(format)
            if !format.eq_ignore_ascii_case("json") && !format.eq_ignore_ascii_case("xml") =>
        {
            Err(Error::invalid_parameter("Format", "It is JSON or XML."))
        }
        _ => Ok(()),
    }
}

/// Returns a parameter that must be there.
///
/// # Errors
///
/// `MissingParameter`.
pub(super) fn required<'a>(parameters: &'a Parameters, name: &str) -> Result<&'a str> {
    given(parameters, name).ok_or_else(|| Error::missing_parameter(name))
}

/// Reads a boolean, as the SDKs of any language write it.
///
/// # Errors
///
/// `InvalidParameter`.
pub(super) fn boolean(parameters: &Parameters, name: &str) -> Result<Option<bool>> {
    match given(parameters, name) {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(_) => Err(Error::invalid_parameter(name, "It is true or false.")),
    }
}

/// Reads a whole number from 1 to `most`.
///
/// # Errors
///
/// `InvalidParameter`.
pub(super) fn count(parameters: &Parameters, name: &str, most: u32) -> Result<Option<u32>> {
    let Some(text) = given(parameters, name) else {
        return Ok(None);
    };
    let number = Some(text)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    let number = number.filter(|number| (1..=most).contains(number));
    number.map(Some).ok_or_else(|| {
        Error::invalid_parameter(name, format!("It is a whole number from 1 to {most}."))
    })
}
