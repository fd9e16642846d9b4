//! How many there may be of what: the clouds' own figures, unless the settings say otherwise.

use serde::Deserialize;

use crate::domain::instance::Specification;
use crate::store::session_policy;

/// How many there may be.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Instances of one account that an API made, with those that the operator made; the operator
    /// may go beyond.
    pub instances: u32,
    /// Entries in the allow list of an instance.
    pub allow_list_entries: u32,
    /// Long-term credentials of an instance; the clouds document no number.
    pub long_term_credentials: u32,
    /// Service accounts of an instance; the clouds document that there is a number, and not which.
    pub service_accounts: u32,
    /// Namespaces of an instance.
    pub namespaces: BySpecification,
    /// Repositories of an instance, in all of its namespaces.
    pub repositories: BySpecification,
    /// Subjects of OpenID Connect issuers that an account refuses.
    pub refused_subjects: u32,
    /// Stored session policies of an account: those that are too long for a log-in secret, each at
    /// most 4096 bytes.
    pub session_policies: u32,
}

impl Quotas {
    /// Returns how many session policies may be stored. One caller's sessions take a quarter at
    /// most, so that no user alone keeps the others of its account from opening theirs.
    pub(in crate::service) fn of_session_policies(&self) -> session_policy::Most {
        session_policy::Most {
            of_account: self.session_policies,
            of_one: self.session_policies.div_ceil(4),
        }
    }
}

impl Default for Quotas {
    fn default() -> Self {
        let usual = Specification::usual_quotas;
        let [basic, standard, premium] = Specification::ALL.map(usual);
        Self {
            // Neither is documented.
            instances: 20,
            allow_list_entries: 100,
            long_term_credentials: 10_000,
            service_accounts: 100,
            namespaces: BySpecification {
                basic: basic.0,
                standard: standard.0,
                premium: premium.0,
            },
            repositories: BySpecification {
                basic: basic.1,
                standard: standard.1,
                premium: premium.1,
            },
            refused_subjects: 1000,
            // The clouds store none. Eight megabytes at most.
            session_policies: 2000,
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
