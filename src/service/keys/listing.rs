//! The keys, as commands list them.

use std::cmp::Ordering;
use std::time::Duration;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::ids::InstanceId;
use crate::domain::instance::Algorithm;
use crate::domain::operator::OperatorPermission;
use crate::domain::reported::{Reported, ReportedKind};
use crate::service::call::Call;
use crate::service::keys::Keys;
use crate::service::memory::keyring::{in_use, newest_first};
use crate::store::audit_checkpoint::{self, AuditKeyRow};
use crate::store::key::{self, SealingKeyRow, SigningKeyRow};

/// The purpose of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// It signs the tokens of instances with this algorithm.
    Signing(Algorithm),
    /// It seals credentials and session tokens.
    Sealing,
    /// It signs the audit's checkpoints.
    Audit,
    /// It signs the leaf certificates of signing keys.
    Ca,
}

impl KeyKind {
    /// Returns its name, as commands have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signing(_) => "signing",
            Self::Sealing => "sealing",
            Self::Audit => "audit",
            Self::Ca => "ca",
        }
    }
}

/// The state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It waits for its leaf certificate, which a CA that is kept elsewhere has to sign.
    WaitingForCertificate,
    /// It waits until every replica knows it; a CA or an instance's own key, until it is activated.
    Next,
    /// It signs or seals.
    InUse,
    /// Another took its place; its tokens and credentials stay valid.
    Old,
}

impl KeyState {
    /// Returns its name, as commands have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::WaitingForCertificate => "waiting for its certificate",
            Self::Next => "next",
            Self::InUse => "in use",
            Self::Old => "old",
        }
    }
}

/// A key, without what is secret about it.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// Its id.
    pub id: String,
    /// Its purpose.
    pub kind: KeyKind,
    /// Its state.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// The end of its certificate; a running service renews it in time.
    pub certificate_expires_at: Option<Timestamp>,
    /// The only instance that it signs for.
    pub instance: Option<InstanceId>,
    /// Where its private part is kept.
    pub private: PrivatePart,
}

/// Where a key's private part is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivatePart {
    /// In the store, wrapped.
    Here,
    /// Elsewhere, where it signs.
    Elsewhere,
}

impl PrivatePart {
    /// Returns its name, as commands have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Elsewhere => "elsewhere",
        }
    }
}

fn state_at(place: usize, in_use: usize) -> KeyState {
    match place.cmp(&in_use) {
        Ordering::Less => KeyState::Next,
        Ordering::Equal => KeyState::InUse,
        Ordering::Greater => KeyState::Old,
    }
}

/// Lists the signing keys of each algorithm: those that wait for a certificate, and then the
/// others.
fn signing_keys(rows: &[SigningKeyRow], now: Timestamp) -> Vec<KeyInfo> {
    let info = |row: &SigningKeyRow, state, certificate_expires_at| KeyInfo {
        id: row.id.clone(),
        kind: KeyKind::Signing(row.algorithm),
        state,
        created_at: row.created_at,
        certificate_expires_at,
        instance: None,
        private: PrivatePart::Here,
    };
    let mut keys = Vec::new();
    for algorithm in Algorithm::ALL {
        let waiting = rows
            .iter()
            .rev()
            .filter(|row| row.algorithm == algorithm && !row.is_certified());
        keys.extend(waiting.map(|row| info(row, KeyState::WaitingForCertificate, None)));
        let newest_first = newest_first(rows, algorithm);
        let times: Vec<_> = newest_first.iter().map(|row| row.ready_at()).collect();
        let used = in_use(&times, now);
        keys.extend(
            newest_first
                .into_iter()
                .enumerate()
                .map(|(place, row)| info(row, state_at(place, used), Some(row.leaf_expires_at))),
        );
    }
    keys
}

fn sealing_keys(mut rows: Vec<SealingKeyRow>, now: Timestamp) -> Vec<KeyInfo> {
    rows.reverse();
    let times: Vec<_> = rows.iter().map(|row| row.created_at).collect();
    let used = in_use(&times, now);
    let info = |(place, row): (usize, SealingKeyRow)| KeyInfo {
        id: row.id,
        kind: KeyKind::Sealing,
        state: state_at(place, used),
        created_at: row.created_at,
        certificate_expires_at: None,
        instance: None,
        private: PrivatePart::Here,
    };
    rows.into_iter().enumerate().map(info).collect()
}

/// Lists the keys of checkpoints: the newest signs as soon as a checkpoint has announced it.
fn audit_keys(mut rows: Vec<AuditKeyRow>) -> Vec<KeyInfo> {
    rows.reverse();
    let info = |(place, row): (usize, AuditKeyRow)| KeyInfo {
        id: row.id,
        kind: KeyKind::Audit,
        state: state_at(place, 0),
        created_at: row.created_at,
        certificate_expires_at: None,
        instance: None,
        private: PrivatePart::Here,
    };
    rows.into_iter().enumerate().map(info).collect()
}

impl Keys {
    /// Lists the keys that sign and seal and the CAs, the newest of each kind first.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `Internal` for a certificate that can't
    /// be read, and those of the store.
    pub async fn keys(&self, call: &Call<'_>) -> Result<Vec<KeyInfo>> {
        call.caller.require(OperatorPermission::KeyRead, None)?;
        let store = &self.base.store;
        let mut keys = signing_keys(&key::list_signing(store).await?, call.now);
        keys.extend(self.instance_keys().await?);
        keys.extend(sealing_keys(key::list_sealing(store).await?, call.now));
        keys.extend(audit_keys(audit_checkpoint::list_keys(store).await?));
        keys.extend(self.authorities().await?);
        Ok(keys)
    }

    /// Lists the certificates in use that end within a time: CAs, and leaf certificates whose CA is
    /// kept elsewhere. The others are renewed without anybody's doing.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn expiring_certificates(
        &self,
        call: &Call<'_>,
        within: Duration,
    ) -> Result<Vec<Reported>> {
        let until = call.now.plus(within);
        let keys = self.keys(call).await?;
        let is_ca = |key: &KeyInfo| key.kind == KeyKind::Ca && key.state == KeyState::InUse;
        let ca = keys.iter().find(|key| is_ca(key));
        let renews = ca.is_some_and(|ca| ca.private == PrivatePart::Here);
        let wanted = keys
            .into_iter()
            .filter(|key| key.kind == KeyKind::Ca || !renews);
        let ending = wanted.filter_map(|key| {
            let expires_at = key.certificate_expires_at.filter(|end| *end <= until)?;
            let kind = match key.kind {
                KeyKind::Ca => ReportedKind::Ca,
                KeyKind::Signing(_) | KeyKind::Sealing | KeyKind::Audit => {
                    ReportedKind::LeafCertificate
                }
            };
            (key.state != KeyState::Old).then_some(Reported {
                kind,
                id: key.id,
                name: None,
                account: None,
                instance: key.instance,
                created_at: key.created_at,
                last_used_at: None,
                expires_at: Some(expires_at),
            })
        });
        Ok(ending.collect())
    }
}
