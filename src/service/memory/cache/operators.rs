//! Operators, all in one entry.

use std::sync::Arc;

use crate::domain::Result;
use crate::service::memory::cache::NounCache;
use crate::service::memory::operators::{self, Operators};
use crate::store::Store;

impl NounCache {
    /// Returns all operators that have a token.
    pub(in crate::service) async fn operators(&self, store: &Store) -> Result<Arc<Operators>> {
        let found = self
            .entry(&self.tables.operators, &(), async || {
                operators::all(store).await.map(Some)
            })
            .await?;
        Ok(found.unwrap_or_default())
    }

    pub(in crate::service) fn known_operators(&self) -> Option<Arc<Operators>> {
        self.tables.operators.get(&self.marks, &())
    }
}
