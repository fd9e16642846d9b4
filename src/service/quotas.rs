//! How many of everything an instance may have.

use crate::domain::instance::Specification;

/// Figures that the operator sets in place of the usual ones.
#[derive(Clone, Debug, Default)]
pub struct Quotas {
    /// Namespaces of an instance; without it what Tencent sells with the specification.
    pub namespaces: Option<u32>,
    /// Repositories of an instance, of all its namespaces; without it what Tencent sells with the specification.
    pub repositories: Option<u32>,
}

impl Quotas {
    /// Returns how many namespaces an instance of this specification may have.
    pub fn namespaces_of(&self, specification: Specification) -> u32 {
        self.namespaces.unwrap_or(specification.usual_quotas().0)
    }

    /// Returns how many repositories an instance of this specification may have.
    pub fn repositories_of(&self, specification: Specification) -> u32 {
        self.repositories.unwrap_or(specification.usual_quotas().1)
    }
}
