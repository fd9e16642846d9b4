//! The leaf certificates of signing keys, by which registries verify tokens.

use crate::domain::clock::Timestamp;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::keys::ca::{InUse, find};
use crate::service::keys::{Keys, SIGNING_KEY, used_soon};
use crate::store::key::{self, AuthorityState, SigningKeyRow};
use crate::token::jwt::LEAF_RENEWAL_LEFT;
use crate::token::{Authority, SigningKeyPair, certificates};

impl Keys {
    /// Unwraps the private key of a signing key.
    ///
    /// # Errors
    ///
    /// `Misconfigured` without the master key that wrapped it, `Internal` when it is damaged.
    pub(super) fn pair_of(&self, row: &SigningKeyRow) -> Result<SigningKeyPair> {
        SigningKeyPair::from_pkcs8(
            row.algorithm,
            &self
                .memory
                .keys
                .master
                .unwrap(SIGNING_KEY, &row.id, &row.wrapped_private)?,
        )
    }

    /// Renews the leaf certificates of the signing keys before half of their life is over, and
    /// replaces those that the CA in use didn't issue. Where that CA is kept elsewhere, the
    /// operator renews them, and the warnings say when.
    ///
    /// # Errors
    ///
    /// `Misconfigured` without the master key, and those of the store; `StoreUnavailable` only once
    /// a certificate known here is due.
    pub async fn renew_leaf_certificates(&self) -> Result<()> {
        // Registries check certificates, by their own clocks.
        let now = self.base.now_elsewhere();
        let read = async {
            Ok::<_, Error>((
                key::list_signing(&self.base.store).await?,
                InUse::load(&self.base.store, &self.memory.keys.master).await?,
            ))
        };
        let (signing, ca) = match read.await {
            // As far as this replica knows, no certificate ends before the database is back.
            Err(error)
                if error.kind() == &ErrorKind::StoreUnavailable && !self.is_any_leaf_due(now) =>
            {
                return Ok(());
            }
            outcome => outcome?,
        };
        let Some(signer) = &ca.signer else {
            return Ok(());
        };
        let is_due = |row: &&SigningKeyRow| {
            now.until(row.leaf_expires_at) < LEAF_RENEWAL_LEFT
                || !certificates::is_issued_by(&row.leaf_der, signer.certificate_der())
        };
        let waiting = signing.iter().filter(|row| !row.is_certified());
        for row in used_soon(&signing, self.base.now())
            .into_iter()
            .filter(is_due)
            .chain(waiting)
        {
            self.renew_leaf(row, signer, &ca, now).await?;
        }
        Ok(())
    }

    /// Gives one signing key its next leaf certificate.
    async fn renew_leaf(
        &self,
        row: &SigningKeyRow,
        signer: &Authority,
        ca: &InUse,
        now: Timestamp,
    ) -> Result<()> {
        let leaf = signer.issue_leaf(&self.pair_of(row)?, now)?;
        let certified_at = (!row.is_certified()).then_some(self.base.now());
        let replaced = key::replace_leaf(
            &row.id,
            row.leaf_expires_at,
            &leaf.der,
            leaf.expires_at,
            certified_at,
        );
        let write = self.base.write().then(ca.hold()).then(replaced);
        match self.ledger.apply(write).await {
            // Another replica was quicker, or another CA is in use by now: read the change feed and
            // go on.
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => {
                self.memory.catch_up().await
            }
            outcome => {
                outcome?;
                tracing::info!(
                    key = row.id,
                    until = leaf.expires_at.rfc3339(),
                    "renewed a signing certificate"
                );
                Ok(())
            }
        }
    }

    fn is_any_leaf_due(&self, now: Timestamp) -> bool {
        self.memory
            .keys
            .keyring
            .load()
            .signing_keys()
            .iter()
            .any(|key| key.leaf_renewal_is_due(now))
    }

    /// Tells whether the private key of the CA in use is kept elsewhere.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(super) async fn is_ca_elsewhere(&self) -> Result<bool> {
        let rows = key::list_authorities(&self.base.store).await?;
        Ok(find(&rows, AuthorityState::InUse).is_some_and(|row| row.wrapped_private.is_none()))
    }

    /// Lists the ids of the signing keys that wait for their leaf certificate.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(super) async fn waiting_keys(&self) -> Result<Vec<String>> {
        let rows = key::list_signing(&self.base.store).await?;
        Ok(rows
            .into_iter()
            .filter(|row| !row.is_certified())
            .map(|row| row.id)
            .collect())
    }
}
