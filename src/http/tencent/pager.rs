//! Pages of lists, which this cloud's actions count in several ways.

use std::ops::RangeInclusive;

use super::parameters::Parameters;
use crate::domain::{Error, Result};
use crate::service::Page;

/// How a list is divided into pages by `Offset` and `Limit`.
pub(super) struct Pager {
    offset: Offset,
    /// The largest `Offset` that is read.
    max_offset: i64,
    /// The limit when none is given; without one, all come.
    usual: Option<u32>,
    limits: RangeInclusive<u32>,
    beyond: Beyond,
}

/// The unit of `Offset`.
enum Offset {
    Items,
    /// Pages, of which the first has this number. A smaller one is the first, too.
    Pages {
        first: u32,
    },
}

/// The treatment of a larger limit than the largest.
enum Beyond {
    Refused,
    /// It counts as the largest.
    Cut,
}

impl Pager {
    /// Of most lists of this product: pages of 20 unless something is said, and of 1000 at most.
    /// Terraform asks for 200, and takes a shorter page for the last one: so a limit is honoured or
    /// refused, and never made smaller.
    const USUAL: Self = Self {
        offset: Offset::Items,
        max_offset: i64::MAX,
        usual: Some(20),
        limits: 1..=1000,
        beyond: Beyond::Refused,
    };
    /// Of instances.
    pub(super) const INSTANCES: Self = Self::USUAL;
    /// Of lists whose first page is 0.
    pub(super) const PAGES_FROM_0: Self = Self {
        offset: Offset::Pages { first: 0 },
        ..Self::USUAL
    };
    /// Of lists whose first page is 1.
    pub(super) const PAGES_FROM_1: Self = Self {
        offset: Offset::Pages { first: 1 },
        ..Self::USUAL
    };
    /// Of images.
    pub(super) const IMAGES: Self = Self {
        max_offset: u32::MAX as i64,
        ..Self::PAGES_FROM_1
    };
    /// Of long-term credentials. Divergence: the meaning of an absent `Limit` isn't documented. All
    /// come: a client that gives none may not know that there are pages, and an instance has a
    /// bounded number.
    pub(super) const CREDENTIALS: Self = Self {
        offset: Offset::Items,
        max_offset: u32::MAX as i64,
        usual: None,
        limits: 0..=u32::MAX,
        beyond: Beyond::Refused,
    };
    /// Of service accounts.
    pub(super) const SERVICE_ACCOUNTS: Self = Self {
        usual: Some(20),
        limits: 0..=100,
        beyond: Beyond::Cut,
        ..Self::CREDENTIALS
    };

    /// Takes `Offset` and `Limit`.
    ///
    /// # Errors
    ///
    /// `WrongType`, and `InvalidParameter` for a number that isn't in its range.
    pub(super) fn take(&self, parameters: &mut Parameters) -> Result<Page> {
        let offset = parameters.integer("Offset")?;
        let limit = parameters
            .integer("Limit")?
            .map(|limit| self.limit(limit))
            .transpose()?
            .or(self.usual);
        let offset = self.items_before(offset, limit.unwrap_or(1))?;
        Ok(Page { offset, limit })
    }

    fn limit(&self, limit: i64) -> Result<u32> {
        let (least, largest) = (*self.limits.start(), *self.limits.end());
        match u32::try_from(limit) {
            Ok(limit) if self.limits.contains(&limit) => Ok(limit),
            Ok(limit) if limit > largest && matches!(self.beyond, Beyond::Cut) => Ok(largest),
            _ => Err(Error::invalid_parameter(
                "Limit",
                format!("The parameter `Limit` is {least} to {largest}."),
            )),
        }
    }

    /// Returns how many items come before the page. An offset beyond every list is beyond this one.
    fn items_before(&self, offset: Option<i64>, limit: u32) -> Result<u32> {
        let (first, of) = match self.offset {
            Offset::Items => (0, 1),
            Offset::Pages { first } => (i64::from(first), i64::from(limit)),
        };
        let offset = offset.unwrap_or(first);
        if !(0..=self.max_offset).contains(&offset) {
            let largest = self.max_offset;
            return Err(Error::invalid_parameter(
                "Offset",
                format!("The parameter `Offset` is 0 to {largest}."),
            ));
        }
        Ok(u32::try_from((offset - first).max(0).saturating_mul(of)).unwrap_or(u32::MAX))
    }
}

/// The documented most of the lists that call it `PageSize`.
const MAX_PAGE_SIZE: i64 = 100;

/// Checks `Page` and `PageSize` of a list that has nothing to divide into pages.
///
/// # Errors
///
/// `WrongType`, and `InvalidParameter` for a number that isn't in its range.
pub(super) fn check_numbered_page(parameters: &mut Parameters) -> Result<()> {
    for (name, largest) in [("Page", i64::MAX), ("PageSize", MAX_PAGE_SIZE)] {
        if parameters
            .integer(name)?
            .is_some_and(|number| !(1..=largest).contains(&number))
        {
            return Err(Error::invalid_parameter(
                name,
                format!("The parameter `{name}` is 1 to {largest}."),
            ));
        }
    }
    Ok(())
}
