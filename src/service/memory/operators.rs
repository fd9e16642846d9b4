//! All operators that have a token, in memory: a made-up token asks the database nothing.

use std::collections::HashMap;

use crate::domain::Result;
use crate::domain::operator::{Operator, OperatorId};
use crate::store::{self, Store};

/// The operators, by their ids: some 300 bytes each.
#[derive(Default)]
pub(in crate::service) struct Operators(HashMap<OperatorId, Operator>);

impl Operators {
    /// Returns an operator.
    pub(in crate::service) fn get(&self, id: &OperatorId) -> Option<&Operator> {
        self.0.get(id)
    }
}

/// Reads all operators.
///
/// # Errors
/// Those of the store.
pub(in crate::service) async fn all(store: &Store) -> Result<Operators> {
    let listed = store::operator::list(store).await?;
    let by_id = listed
        .into_iter()
        .map(|operator| (operator.id.clone(), operator));
    Ok(Operators(by_id.collect()))
}
