//! The parameters of a call: JSON of ECR, text of STS.

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;

use crate::domain::{Error, Result};
use crate::sign::Parameters;

/// The items of a page of ECR's, where the call says nothing; and the most.
const USUAL_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

/// Returns how many items a page of ECR's has at most.
///
/// # Errors
///
/// `InvalidParameter`.
pub(super) fn page_size(max_results: Option<i64>) -> Result<u32> {
    let Some(asked) = max_results else {
        return Ok(USUAL_PAGE);
    };
    let size = u32::try_from(asked).ok();
    size.filter(|size| (1..=MAX_PAGE).contains(size))
        .ok_or_else(|| {
            Error::invalid_parameter("maxResults", format!("maxResults is 1 to {MAX_PAGE}."))
        })
}

/// Reads the input of an operation of ECR. Members that it doesn't have are let pass, as AWS does.
///
/// # Errors
///
/// `MalformedRequest` for a body that isn't its JSON.
pub(super) fn input<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let body = if body.is_empty() { &b"{}"[..] } else { body };
    serde_json::from_slice(body).map_err(|error| {
        // The parser's own words could repeat what the client sent.
        Error::malformed_request(format!(
            "The body is not the JSON of this operation, at line {} and column {}.",
            error.line(),
            error.column()
        ))
    })
}

/// Returns a parameter of STS that has a value.
pub(super) fn given<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.get(name).filter(|value| !value.is_empty())
}

/// Reads a whole number.
///
/// # Errors
///
/// `InvalidParameter`.
pub(super) fn integer(parameters: &Parameters, name: &str) -> Result<Option<i64>> {
    let Some(text) = given(parameters, name) else {
        return Ok(None);
    };
    let number = Some(text)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    number
        .map(Some)
        .ok_or_else(|| Error::invalid_parameter(name, format!("{name} is a whole number.")))
}

/// Reads a whole number of a range.
///
/// # Errors
///
/// `InvalidParameter`.
pub(super) fn ranged(
    parameters: &Parameters,
    name: &str,
    range: RangeInclusive<u32>,
) -> Result<Option<u32>> {
    let Some(number) = integer(parameters, name)? else {
        return Ok(None);
    };
    let number = u32::try_from(number)
        .ok()
        .filter(|number| range.contains(number));
    let (least, most) = range.into_inner();
    number
        .map(Some)
        .ok_or_else(|| Error::invalid_parameter(name, format!("{name} is {least} to {most}.")))
}

/// Returns a parameter of STS that must be there.
///
/// # Errors
///
/// `MissingParameter`.
pub(super) fn required<'a>(parameters: &'a Parameters, name: &str) -> Result<&'a str> {
    given(parameters, name).ok_or_else(|| Error::missing_parameter(name))
}
