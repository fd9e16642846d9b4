//! Pages of lists.

use super::parameters::count;
use crate::domain::{Error, Result};
use crate::service::Page;
use crate::sign::Parameters;

/// The page that `PageNo` and `PageSize` ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paging {
    /// From 1.
    pub(super) number: u32,
    /// At most the list's largest.
    pub(super) size: u32,
}

impl Paging {
    /// The documented default of most lists.
    const USUAL: u32 = 30;
    /// The documented most; beyond it the documents leave a choice, and a client that is cut short
    /// would not notice.
    const MAX: u32 = 100;
    /// The most of instances.
    const MAX_OF_INSTANCES: u32 = 1000;

    /// Reads a page.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`.
    pub(super) fn read(parameters: &Parameters) -> Result<Self> {
        Self::read_at_most(parameters, Self::MAX)
    }

    /// Reads a page of instances.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`.
    pub(super) fn read_of_instances(parameters: &Parameters) -> Result<Self> {
        Self::read_at_most(parameters, Self::MAX_OF_INSTANCES)
    }

    fn read_at_most(parameters: &Parameters, largest: u32) -> Result<Self> {
        let number = count(parameters, "PageNo", i32::MAX.unsigned_abs())?.unwrap_or(1);
        Ok(Self {
            number,
            size: count(parameters, "PageSize", largest)?.unwrap_or(Self::USUAL),
        })
    }

    /// Returns which part of the list it is.
    pub(super) fn page(self) -> Page {
        Page {
            offset: (self.number - 1).saturating_mul(self.size),
            limit: Some(self.size),
        }
    }
}

/// How a list's `NextToken` is written, and read.
pub(super) struct Tokens {
    /// It stands before how many items come before the next part. There is nothing to forge it for.
    prefix: &'static str,
    /// The size of a part when a token comes without `MaxResults`; without it, that of a page.
    size: Option<u32>,
    /// The action that gives them.
    action: &'static str,
}

impl Tokens {
    /// Of repositories.
    pub(super) const REPOSITORIES: Self = Self {
        prefix: "after-",
        size: Some(Paging::MAX),
        action: "ListRepository",
    };
    /// Of an image's tags.
    pub(super) const IMAGES: Self = Self {
        prefix: "",
        size: None,
        action: "ListRepoTag",
    };

    /// Reads which part is asked for: `MaxResults` and `NextToken` come before `PageNo` and
    /// `PageSize`.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`.
    pub(super) fn read(&self, parameters: &Parameters) -> Result<Part> {
        // Read in any case: a wrong one is never taken in silence.
        let paging = Paging::read(parameters)?;
        let size = count(parameters, "MaxResults", Paging::MAX)?;
        let after = super::parameters::given(parameters, "NextToken")
            .map(|token| self.offset_of(token))
            .transpose()?;
        if size.is_none() && after.is_none() {
            return Ok(Part {
                offset: paging.page().offset,
                size: paging.size,
            });
        }
        Ok(Part {
            offset: after.unwrap_or(0),
            size: size.or(self.size).unwrap_or(paging.size),
        })
    }

    fn offset_of(&self, token: &str) -> Result<u32> {
        let digits = token
            .strip_prefix(self.prefix)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "NextToken",
                    format!("It is a NextToken of an answer to {}.", self.action),
                )
            })
    }

    /// Returns the token of the part after this one; empty after the last.
    pub(super) fn next(&self, part: Part, total: u64) -> String {
        let next = part.offset.saturating_add(part.size);
        if u64::from(next) < total {
            format!("{}{next}", self.prefix)
        } else {
            String::new()
        }
    }
}

/// A part of a list that is asked for by pages or by tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// How many items come before it.
    pub(super) offset: u32,
    /// The most items in it.
    pub(super) size: u32,
}

impl Part {
    /// Returns which part of the list it is.
    pub(super) fn page(self) -> Page {
        Page {
            offset: self.offset,
            limit: Some(self.size),
        }
    }

    /// Returns the number of the page that it is, as far as it is one.
    pub(super) fn number(self) -> u32 {
        (self.offset / self.size).saturating_add(1)
    }
}
