//! CAs that are kept elsewhere: certificate requests go out, and certificates come in.

use crate::domain::clock::Timestamp;
use crate::domain::instance::Algorithm;
use crate::domain::operator::OperatorPermission;
use crate::domain::secret::Secret;
use crate::domain::{Error, Noun, Result};
use crate::service::call::Call;
use crate::service::keys::ca::{InUse, find, first_step, new_id, signer};
use crate::service::keys::{CaStep, KeyState, Keys, used_soon};
use crate::service::ledger::actions::AuditAction;
use crate::store::key::{self, AuthorityRow, AuthorityState, SigningKeyRow};
use crate::token::certificates;

/// A certificate request, which a CA that is kept elsewhere has to sign.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    /// The signing key's id.
    pub key: String,
    /// The algorithm of that key.
    pub algorithm: Algorithm,
    /// The request: PKCS #10, PEM.
    pub pem: String,
}

/// A leaf certificate that was imported.
#[derive(Clone, Debug)]
pub struct ImportedLeaf {
    /// The id of its signing key.
    pub key: String,
    /// The id of the CA that signed it.
    pub authority: String,
    /// The state of that CA: under the next one, the certificate is kept until that CA is
    /// activated.
    pub authority_state: KeyState,
    /// The end of the certificate.
    pub expires_at: Timestamp,
}

/// A CA with its private key, to be kept elsewhere.
pub struct ExportedCa {
    /// Its id.
    pub id: String,
    /// Private key and certificate, PEM.
    pub pem: Secret,
}

fn not_kept_here(id: &str) -> Error {
    Error::precondition_failed(
        Noun::Authority,
        format!("The private key of the certificate authority {id} is not kept here."),
    )
}

impl Keys {
    /// Returns the certificate request of every signing key that signs, will sign soon, or waits
    /// for its certificate.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `Misconfigured` without the master key,
    /// and those of the store.
    pub async fn signing_requests(&self, call: &Call<'_>) -> Result<Vec<SigningRequest>> {
        call.caller.require(OperatorPermission::KeyRead, None)?;
        let rows = key::list_signing(&self.base.store).await?;
        let waiting = rows.iter().filter(|row| !row.is_certified());
        used_soon(&rows, call.now)
            .into_iter()
            .chain(waiting)
            .map(|row| {
                let pem = certificates::signing_request(&self.pair_of(row)?)?;
                Ok(SigningRequest {
                    key: row.id.clone(),
                    algorithm: row.algorithm,
                    pem,
                })
            })
            .collect()
    }

    /// Imports a leaf certificate of a known CA, after all the checks that registries make.
    ///
    /// A certificate of the CA in use is used at once, or, for a key that waited for it, when every
    /// replica knows it. A certificate of the next CA is used when that CA is activated.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator. `InvalidParameter` for a certificate
    /// that is unreadable, of an unknown key or CA, or that registries would refuse.
    /// `AlreadyExists` when the CAs or the certificate changed meanwhile. `Misconfigured` without
    /// the master key, and those of the store.
    pub async fn import_leaf(&self, call: &Call<'_>, file: &[u8]) -> Result<ImportedLeaf> {
        call.caller.require(OperatorPermission::KeyImport, None)?;
        let now = call.now;
        let der = certificates::read_certificate(file)?;
        let row = self.key_of(&der).await?;
        let authorities = key::list_authorities(&self.base.store).await?;
        let usable = |authority: &&AuthorityRow| {
            authority.state != AuthorityState::Old
                && certificates::is_issued_by(&der, &authority.certificate_der)
        };
        let authority = authorities.iter().find(usable).ok_or_else(|| {
            Error::invalid_parameter(
                "certificate",
                "No certificate authority signed it that is in use or next here, in a way that \
                 registries verify (ECDSA or RSA with PKCS #1, SHA-256 or longer). `transire keys \
                 list` shows them, and `transire keys import-ca` adds one.",
            )
        })?;
        let expires_at = certificates::check_leaf(&der, &authority.certificate_der, now)?;
        let (part, authority_state) = if authority.state == AuthorityState::InUse {
            let first = (!row.is_certified()).then_some(now);
            (
                key::replace_leaf(&row.id, row.leaf_expires_at, &der, expires_at, first),
                KeyState::InUse,
            )
        } else {
            (key::set_next_leaf(&row.id, &der), KeyState::Next)
        };
        let event =
            call.event(AuditAction::SigningKeyImportCertificate)
                .detail(serde_json::json!({
                    "key": row.id,
                    "authority": authority.id,
                    "expires_at": expires_at.rfc3339(),
                }));
        let write = self
            .base
            .write()
            .then(key::hold_authority(&authority.id, authority.state))
            .then(part);
        self.ledger.record(write, event).await?;
        Ok(ImportedLeaf {
            key: row.id,
            authority: authority.id.clone(),
            authority_state,
            expires_at,
        })
    }

    /// Finds the signing key of a certificate.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` when no key here is the certificate's, `Misconfigured` without the master
    /// key, and those of the store.
    async fn key_of(&self, der: &[u8]) -> Result<SigningKeyRow> {
        for row in key::list_signing(&self.base.store).await? {
            if certificates::is_of_key(der, self.pair_of(&row)?.public_der()) {
                return Ok(row);
            }
        }
        Err(Error::invalid_parameter(
            "certificate",
            "It is of none of the signing keys here; `transire keys csr` writes what is to be \
             signed.",
        ))
    }

    /// Imports the certificate of a CA that is kept elsewhere, as the next CA.
    ///
    /// The certificate need not be self-signed: registries trust it because it is in their bundle.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `InvalidParameter` for a certificate
    /// that is unreadable or no CA's, `AlreadyExists` for a known one, `PreconditionFailed` when
    /// another CA is next, and those of the store.
    pub async fn import_ca(&self, call: &Call<'_>, file: &[u8]) -> Result<CaStep> {
        call.caller.require(OperatorPermission::CaImport, None)?;
        let now = call.now;
        let certificate_der = certificates::read_certificate(file)?;
        let rows = key::list_authorities(&self.base.store).await?;
        if let Some(known) = rows
            .iter()
            .find(|row| row.certificate_der == certificate_der)
        {
            // The command was given again.
            if known.state == AuthorityState::Next {
                return first_step(known);
            }
            return Err(Error::already_exists(
                Noun::Authority,
                format!("This certificate authority is known already: {}.", known.id),
            ));
        }
        if let Some(next) = find(&rows, AuthorityState::Next) {
            let why = format!(
                "The certificate authority {} is next already; activate it, or give it up with \
                 --cancel, first.",
                next.id
            );
            return Err(Error::precondition_failed(Noun::Authority, why));
        }
        certificates::check_authority(&certificate_der, now)?;
        let row = AuthorityRow {
            id: new_id(&*self.base.random),
            wrapped_private: None,
            certificate_der,
            created_at: now,
            state: AuthorityState::Next,
            changed_at: now,
        };
        self.add_next_ca(&row, &rows, AuditAction::AuthorityImport, call)
            .await
    }

    /// Returns the private key of the CA in use, to be kept elsewhere; [`Self::forget_ca_key`] is
    /// the next step.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `PreconditionFailed` when the key isn't
    /// kept here, `Misconfigured` without the master key, and those of the store.
    pub async fn export_ca(&self, call: &Call<'_>) -> Result<ExportedCa> {
        call.caller.require(OperatorPermission::CaExport, None)?;
        let authority = InUse::load(&self.base.store, &self.memory.keys.master).await?;
        let Some(signer) = &authority.signer else {
            return Err(not_kept_here(&authority.row.id));
        };
        // Before the key is given out: without its event, the export doesn't happen.
        let event = call
            .event(AuditAction::AuthorityExport)
            .detail(serde_json::json!({ "authority": authority.row.id }));
        self.ledger
            .commit(event.onto(self.base.write(), &*self.base.random))
            .await?;
        Ok(ExportedCa {
            id: authority.row.id,
            pem: signer.to_pem()?,
        })
    }

    /// Deletes the private key of a CA that was exported.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator. `InvalidParameter` unless `exported` is
    /// that key, so that it can't be lost. `NotFound` for an unknown CA, `PreconditionFailed` when
    /// the key isn't kept here, `Misconfigured` without the master key, and those of the store.
    pub async fn forget_ca_key(&self, call: &Call<'_>, id: &str, exported: &[u8]) -> Result<()> {
        call.caller.require(OperatorPermission::CaExport, None)?;
        let rows = key::list_authorities(&self.base.store).await?;
        let row = rows
            .iter()
            .find(|row| row.id == id)
            .ok_or_else(|| Error::not_found(Noun::Authority, id))?;
        let signer = signer(row, &self.memory.keys.master)?.ok_or_else(|| not_kept_here(id))?;
        if signer.to_pem()?.expose().as_bytes() != exported {
            return Err(Error::invalid_parameter(
                "out",
                "The file is not what was exported; the key stays here as well.",
            ));
        }
        let event = call
            .event(AuditAction::AuthorityForgetKey)
            .detail(serde_json::json!({ "authority": id }));
        self.ledger.change(key::forget_private(id), event).await
    }
}
