//! Signing keys, authorities and their warnings, as the operator sees them.

use std::time::Duration;

use serde_json::Value;
use transire::domain::secret::Secret;
use transire::service::{KeyInfo, KeyKind, KeyState, PrivatePart, WarningKind};
use transire::token::certificates::read_certificate;

use crate::harness::App;

impl App {
    pub(crate) async fn authorities(&self) -> Vec<(KeyState, PrivatePart)> {
        let keys = self.service.keys.keys(&self.operator()).await.unwrap();
        keys.into_iter()
            .filter(|key| key.kind == KeyKind::Ca)
            .map(|key| (key.state, key.private))
            .collect()
    }

    pub(crate) async fn signing(&self) -> Vec<KeyInfo> {
        let mut keys = self.service.keys.keys(&self.operator()).await.unwrap();
        keys.retain(|key| matches!(key.kind, KeyKind::Signing(_)));
        keys
    }

    /// Lets time pass, and the service do what it does once a minute.
    pub(crate) async fn later_and_renewed(&self, time: Duration) {
        self.wait(time);
        self.service.memory.catch_up().await.unwrap();
        self.service.keys.renew_leaf_certificates().await.unwrap();
    }

    pub(crate) fn bundled(&self) -> Vec<Vec<u8>> {
        let bundle = self.service.exchange.bundle_pem();
        bundle
            .split_inclusive("-----END CERTIFICATE-----\n")
            .map(|pem| read_certificate(pem.as_bytes()).unwrap())
            .collect()
    }

    pub(crate) async fn warned(&self) -> Vec<WarningKind> {
        self.service.keys.refresh_warnings().await.unwrap();
        self.service
            .keys
            .warnings()
            .iter()
            .map(|warning| warning.kind)
            .collect()
    }

    pub(crate) async fn take_offline(&self) -> Secret {
        let exported = self.service.keys.export_ca(&self.operator()).await.unwrap();
        let pem = exported.pem.expose().as_bytes();
        self.service
            .keys
            .forget_ca_key(&self.operator(), &exported.id, pem)
            .await
            .unwrap();
        exported.pem
    }

    pub(crate) async fn keys(&self, kind: KeyKind) -> Vec<KeyInfo> {
        let mut keys = self.service.keys.keys(&self.operator()).await.unwrap();
        keys.retain(|key| key.kind == kind);
        keys
    }

    pub(crate) async fn states(&self, kind: KeyKind) -> Vec<KeyState> {
        self.keys(kind)
            .await
            .into_iter()
            .map(|key| key.state)
            .collect()
    }

    pub(crate) async fn rotate(&self, kind: KeyKind) -> String {
        self.service
            .keys
            .rotate_key(&self.operator(), kind)
            .await
            .unwrap()
    }

    pub(crate) fn published(&self) -> Vec<String> {
        let jwks: Value = serde_json::from_str(&self.service.exchange.jwks()).unwrap();
        jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }
}
