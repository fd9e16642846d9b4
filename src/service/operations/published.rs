//! Refuses data that holds anything of the published test set, however it came there: by a restored
//! backup, a copied database, a hand.

use crate::domain::{Error, Result, published};
use crate::service::operations::Operations;
use crate::store::access_key::{self, AccessKeyState};
use crate::store::{instance, key};
use crate::token::certificates;

impl Operations {
    /// Checks that nothing of the published test set is in the store: no access key, no instance
    /// and no CA.
    ///
    /// # Errors
    /// `Misconfigured`, with what is there and what to do; those of the store.
    pub async fn refuse_published(&self) -> Result<()> {
        let store = &self.base.store;
        for known in published::KEYS {
            let found = access_key::find(store, known.id).await?;
            if found.is_some_and(|key| key.state != AccessKeyState::Deleted) {
                let remedy = format!(
                    "delete it with `transire access-key delete --id {}`, and make another",
                    known.id
                );
                return Err(is_published(
                    &format!("the access key {}", known.id),
                    &remedy,
                ));
            }
        }
        let (id, cri_id) = (
            published::INSTANCE.parse()?,
            published::INSTANCE_CRI.parse()?,
        );
        if instance::find(store, &id).await?.is_some()
            || instance::find_by_cri_id(store, &cri_id).await?.is_some()
        {
            let what = format!("the instance {} ({})", published::INSTANCE, cri_id);
            let remedy = format!(
                "delete it with `transire instance delete --instance {}`, and make another",
                published::INSTANCE
            );
            return Err(is_published(&what, &remedy));
        }
        let authorities = key::list_authorities(store).await?;
        let is_mocks = |der: &[u8]| certificates::common_name(der) == Some(published::CA);
        if authorities.iter().any(|ca| is_mocks(&ca.certificate_der)) {
            let what = format!("a CA called {:?}", published::CA);
            return Err(is_published(&what, "begin with an empty store"));
        }
        Ok(())
    }
}

fn is_published(what: &str, remedy: &str) -> Error {
    Error::misconfigured(format!(
        "the data holds {what}, which is of the published test set of `transire mock`: everybody \
         has it, so it keeps nobody out; {remedy}"
    ))
}
