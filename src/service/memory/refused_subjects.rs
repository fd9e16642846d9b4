//! The subjects of OpenID Connect issuers that an account refuses, by their digests.

use std::collections::{HashMap, HashSet};

use crate::domain::Result;
use crate::domain::ids::AccountId;
use crate::store::{self, Store};
use crate::token::SubjectDigest;

/// The refused subjects of an account, by issuer: some 30 bytes each.
#[derive(Default)]
pub(in crate::service) struct RefusedSubjects(HashMap<String, HashSet<SubjectDigest>>);

impl RefusedSubjects {
    pub(in crate::service) fn contains(&self, issuer: &str, subject: SubjectDigest) -> bool {
        self.0
            .get(issuer)
            .is_some_and(|subjects| subjects.contains(&subject))
    }
}

/// Reads the refused subjects of an account.
///
/// # Errors
/// Those of the store.
pub(in crate::service) async fn of_account(
    store: &Store,
    account: AccountId,
) -> Result<RefusedSubjects> {
    let mut refused = RefusedSubjects::default();
    for one in store::refused_subject::list(store, account).await? {
        let subjects = refused.0.entry(one.issuer).or_default();
        subjects.insert(SubjectDigest::of(&one.subject));
    }
    Ok(refused)
}
