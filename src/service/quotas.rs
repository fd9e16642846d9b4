//! How many there may be of what: the clouds' own figures, unless the settings say otherwise.

use serde::Deserialize;

use crate::domain::instance::Specification;

/// How many there may be.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Instances of one account that an API made, with those that the operator made; the operator may go beyond.
    pub instances: u32,
    /// Entries in the allow list of an instance.
    pub allow_list_entries: u32,
    /// Long-term credentials of an instance.
    pub long_term_credentials: u32,
    /// Service accounts of an instance.
    pub service_accounts: u32,
    /// Namespaces of an instance.
    pub namespaces: BySpecification,
    /// Repositories of an instance, in all of its namespaces.
    pub repositories: BySpecification,
}

impl Default for Quotas {
    fn default() -> Self {
        let usual = Specification::usual_quotas;
        let [basic, standard, premium] = Specification::ALL.map(usual);
        Self {
            // None of these is documented.
            instances: 20,
            allow_list_entries: 100,
            long_term_credentials: 10_000,
            service_accounts: 100,
            namespaces: BySpecification { basic: basic.0, standard: standard.0, premium: premium.0 },
            repositories: BySpecification { basic: basic.1, standard: standard.1, premium: premium.1 },
        }
    }
}

/// A figure for each specification of an instance.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BySpecification {
    /// Of a basic instance.
    pub basic: u32,
    /// Of a standard one.
    pub standard: u32,
    /// Of a premium one.
    pub premium: u32,
}

impl BySpecification {
    /// Returns the figure for a specification.
    pub fn of(self, specification: Specification) -> u32 {
        match specification {
            Specification::Basic => self.basic,
            Specification::Standard => self.standard,
            Specification::Premium => self.premium,
        }
    }
}
