//! Verifying and exporting the audit.

use serde_json::{Value, json};

use crate::domain::clock::Timestamp;
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Result};
use crate::service::call::Call;
use crate::service::ledger::checkpoints;
use crate::service::operations::Operations;
use crate::service::operations::audit_log::findings::Findings;
use crate::service::operations::audit_log::kept::KeptCheckpoints;
use crate::service::operations::audit_log::source::{Item, Source};
use crate::service::operations::audit_log::stored::{Begin, Document, End, StoredLine};
use crate::service::operations::audit_log::verifier::{Verified, Verifier};
use crate::token::AuditPublicKey;

/// The version of the form of exported files.
const VERSION: u32 = 1;

impl Operations {
    /// Verifies the audit, all of it or from a time on.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator; `Misconfigured` without the master key;
    /// those of the store.
    pub async fn verify_audit(
        &self,
        call: &Call<'_>,
        since: Option<Timestamp>,
        kept: KeptCheckpoints,
    ) -> Result<(Verified, Findings)> {
        let keys = self.audit_keys(call).await?;
        let mut source = Source::begin(&self.base.store, since, self.base.now()).await?;
        let mut verifier = Verifier::new(keys, since, source.newest()).against(kept);
        while let Some(item) = source.next().await? {
            match item {
                Item::Line(line) => verifier.add_line(&line),
                Item::Checkpoint(made) => verifier.add_checkpoint(made.number, &made.signed),
            }
        }
        Ok(verifier.end(source.heads().to_vec()))
    }

    /// Exports the audit, all of it or from a time on, a document at a time.
    ///
    /// # Errors
    ///
    /// Those of [`Self::verify_audit`], and of `write`.
    pub async fn export_audit(
        &self,
        call: &Call<'_>,
        since: Option<Timestamp>,
        mut write: impl FnMut(&Document) -> Result<()>,
    ) -> Result<u64> {
        call.caller.require(OperatorPermission::AuditRead, None)?;
        let mut source = Source::begin(&self.base.store, since, self.base.now()).await?;
        write(&Document::Begin(Begin {
            version: VERSION,
            since,
            newest: source.newest().map(str::to_owned),
            heads: source.heads().to_vec(),
        }))?;
        let mut documents = 0;
        while let Some(item) = source.next().await? {
            documents += 1;
            write(&match item {
                Item::Line(line) => line.document(),
                Item::Checkpoint(made) => Document::Checkpoint {
                    number: made.number,
                    signed: made.signed,
                },
            })?;
        }
        write(&Document::End(End { documents }))?;
        Ok(documents)
    }

    /// Returns the public keys of checkpoints, the oldest first.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator; `Misconfigured` without the master key;
    /// those of the store.
    pub async fn audit_keys(&self, call: &Call<'_>) -> Result<Vec<AuditPublicKey>> {
        call.caller.require(OperatorPermission::AuditRead, None)?;
        let keys = checkpoints::keys(&self.base.store, &self.memory.keys.master).await?;
        Ok(keys.iter().map(|key| key.public().clone()).collect())
    }
}

/// Returns public keys as a JWK set.
pub fn jwk_set(keys: &[AuditPublicKey]) -> Value {
    let keys: Vec<Value> = keys.iter().map(AuditPublicKey::jwk).collect();
    json!({ "keys": keys })
}

/// Reads public keys from a JWK set, or from one JWK.
///
/// # Errors
///
/// `InvalidParameter` where it has no key on P-256.
pub fn keys_of(text: &str) -> Result<Vec<AuditPublicKey>> {
    let read: Value = serde_json::from_str(text).unwrap_or_default();
    let keys: Vec<AuditPublicKey> = match read.get("keys").and_then(Value::as_array) {
        Some(keys) => keys.iter().filter_map(AuditPublicKey::of_jwk).collect(),
        None => AuditPublicKey::of_jwk(&read).into_iter().collect(),
    };
    if keys.is_empty() {
        return Err(Error::invalid_parameter(
            "public-key",
            "it is a JWK set, or a JWK, of a key on P-256: `transire audit public-key` prints it.",
        ));
    }
    Ok(keys)
}

/// Verifies an exported file, given as its lines, with public keys alone.
///
/// # Errors
///
/// `InvalidParameter` where it isn't such a file, or was cut off.
pub fn verify_export(
    keys: Vec<AuditPublicKey>,
    kept: KeptCheckpoints,
    lines: impl Iterator<Item = Result<String>>,
) -> Result<(Verified, Findings)> {
    let invalid = |number: usize, why: &str| {
        Error::invalid_parameter("file", format!("line {number} of it {why}"))
    };
    let mut lines = lines
        .enumerate()
        .map(|(place, line)| -> Result<(usize, Document)> {
            let document = serde_json::from_str::<Document>(&line?)
                .map_err(|error| invalid(place + 1, &format!("is no document: {error}")))?;
            Ok((place + 1, document))
        });
    let Some((_, Document::Begin(begin))) = lines.next().transpose()? else {
        return Err(invalid(1, "isn't the beginning of an exported audit"));
    };
    if begin.version != VERSION {
        return Err(invalid(1, "is of a form that a newer release wrote"));
    }
    let mut verifier = Verifier::new(keys, begin.since, begin.newest.as_deref());
    verifier = verifier.against(kept);
    let (mut documents, mut end) = (0, None);
    for document in lines {
        let (number, document) = document?;
        match document {
            _ if end.is_some() => return Err(invalid(number, "comes after the end")),
            Document::End(found) => end = Some(found),
            Document::Begin(_) => return Err(invalid(number, "is a second beginning")),
            Document::Checkpoint { number, signed } => {
                documents += 1;
                verifier.add_checkpoint(number, &signed);
            }
            line => {
                documents += 1;
                let line = StoredLine::of_document(line)
                    .ok_or_else(|| invalid(number, "is no line of an audit"))?;
                verifier.add_line(&line);
            }
        }
    }
    if end.is_none_or(|end| end.documents != documents) {
        return Err(Error::invalid_parameter(
            "file",
            "it was cut off, or lines of it are missing: export it again.",
        ));
    }
    Ok(verifier.end(begin.heads))
}
