//! Operations on the keys of the service and of instances.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation, shown};
use super::text::{AlgorithmText, InstanceText, Text, some_text};
use crate::domain::instance::Algorithm;
use crate::domain::{Error, Noun, Result};
use crate::service::{Call, KeyKind, KeyState, Service};
use crate::views;

/// List the keys that sign tokens and seal credentials, the CAs, and the master keys.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListKeys {}

impl Listing for ListKeys {
    const PATH: &'static str = "/keys";

    type Item = views::Key;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Key>> {
        let keys = service.keys.keys(call).await?;
        let master = service.keys.master_keys(call).await?;
        let keys = keys.into_iter().map(views::Key::from);
        Ok(keys.chain(master.into_iter().map(Into::into)).collect())
    }
}

/// Show a key, a CA or a master key.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowKey {
    /// Its id, as lists show it.
    #[arg(long, value_parser = some_text)]
    pub id: String,
}

impl Operation for ShowKey {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/keys/{id}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Key;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Key> {
        let keys = ListKeys {}.all(service, call).await?;
        let found = keys.into_iter().find(|key| key.key_id == self.id);
        found.ok_or_else(|| Error::not_found(Noun::Key, self.id))
    }
}

/// List the requests (PKCS #10) of the signing keys, for a CA that is kept elsewhere.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListSigningRequests {}

impl Listing for ListSigningRequests {
    const PATH: &'static str = "/keys/signing-requests";

    type Item = views::SigningRequest;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::SigningRequest>> {
        let requests = service.keys.signing_requests(call).await?;
        Ok(requests.into_iter().map(Into::into).collect())
    }
}

/// Make a signing key. It signs half a minute later, when every replica knows it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSigningKey {
    /// The algorithm of the key.
    #[serde(default = "usual_algorithm")]
    pub algorithm: AlgorithmText,
}

fn usual_algorithm() -> AlgorithmText {
    Text(Algorithm::Es256)
}

/// Make a key that seals credentials. It is used half a minute later, when every replica knows it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSealingKey {}

/// Make a key that signs the audit's checkpoints. It signs after the next one, which announces it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateAuditKey {}

macro_rules! rotates_shared {
    ($name:ident, $path:literal, |$this:ident| $kind:expr) => {
        impl Operation for $name {
            const METHOD: Method = Method::Post;
            const PATH: &'static str = $path;
            const EFFECT: Effect = Effect::Makes;

            type Answer = views::RotatedKey;

            async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::RotatedKey> {
                let $this = self;
                rotate(service, call, $kind).await
            }

            async fn repeat(
                &self,
                service: &Service,
                call: &Call<'_>,
                made: Option<&str>,
            ) -> Result<Value> {
                let made = made.ok_or_else(|| Error::internal("a key was made without its id"))?;
                let id = made.to_owned();
                shown(ShowKey { id }, service, call).await
            }
        }
    };
}

rotates_shared!(RotateSigningKey, "/keys/signing", |this| KeyKind::Signing(
    this.algorithm.0
));
rotates_shared!(RotateSealingKey, "/keys/sealing", |_this| KeyKind::Sealing);
rotates_shared!(RotateAuditKey, "/keys/audit", |_this| KeyKind::Audit);

async fn rotate(service: &Service, call: &Call<'_>, kind: KeyKind) -> Result<views::RotatedKey> {
    let id = service.keys.rotate_key(call, kind).await?;
    let keys = service.keys.keys(call).await?;
    let waits = |state| state == KeyState::WaitingForCertificate;
    let waits = keys.iter().any(|key| key.id == id && waits(key.state));
    let state = if waits {
        KeyState::WaitingForCertificate
    } else {
        KeyState::Next
    };
    Ok(views::RotatedKey {
        key_id: id,
        state: state.name().to_owned(),
    })
}

macro_rules! steps_of_ca {
    ($($(#[$doc:meta])* $name:ident: $path:literal $step:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {}

        impl Operation for $name {
            const METHOD: Method = Method::Post;
            const PATH: &'static str = $path;
            const EFFECT: Effect = Effect::Changes;

            type Answer = views::CaStep;

            async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::CaStep> {
                Ok(service.keys.$step(call).await?.into())
            }
        }
    )+};
}

steps_of_ca! {
    /// Make the next CA. Registries trust it once they have the new bundle and were restarted.
    RotateCa: "/ca/rotate" rotate_ca;
    /// Use the next CA. The registries must have been restarted with it.
    ActivateCa: "/ca/activate" activate_ca;
    /// Drop the next CA.
    CancelCa: "/ca/cancel" cancel_ca;
}

/// Remove the old CA from the bundle.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireCa {}

impl Operation for RetireCa {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/ca/retire";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::KeyStep;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::KeyStep> {
        let retired = service.keys.retire_cas(call).await?;
        let ids: Vec<_> = retired.into_iter().map(|step| step.id).collect();
        Ok(views::KeyStep::of_retired(&ids))
    }
}

macro_rules! steps_of_instance {
    (
        $($(#[$doc:meta])*
        $name:ident: $path:literal $step:ident $state:literal $next:literal;)+
    ) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The instance's tcr- or cri- id, or its name.
            pub instance: InstanceText,
        }

        impl Operation for $name {
            const METHOD: Method = Method::Post;
            const PATH: &'static str = $path;
            const EFFECT: Effect = Effect::Changes;

            type Answer = views::KeyStep;

            async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::KeyStep> {
                let choice = self.instance.0.into();
                let id = service.keys.$step(call, &choice).await?;
                Ok(views::KeyStep::of(id, $state, $next))
            }
        }
    )+};
}

steps_of_instance! {
    /// Make the next signing key of a zot instance. It is used once it is activated.
    RotateInstanceKey: "/instances/{instance}/key/rotate" rotate_instance_key "next"
        "write the new key with `transire registry-config --key next --key-only --force`; then, \
         at the same moment, restart the registry with it and run this command with --activate";
    /// Use the next signing key of a zot instance. The registry must be restarted with it.
    ActivateInstanceKey: "/instances/{instance}/key/activate" activate_instance_key "in use"
        "if you haven't yet, give the registry the new key now, and restart zot with it: it \
         refuses every token until then";
    /// Drop the next signing key of a zot instance.
    CancelInstanceKey: "/instances/{instance}/key/cancel" cancel_instance_key "gone" "nothing";
}

macro_rules! imports_certificate {
    ($($(#[$doc:meta])* $name:ident: $path:literal $import:ident $answer:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The certificate: PEM, or DER in base64.
            pub certificate: String,
        }

        impl $name {
            /// Takes the bytes of a file, PEM or DER.
            pub fn of_file(bytes: Vec<u8>) -> Self {
                let certificate = certificate_as_text(bytes);
                Self { certificate }
            }
        }

        impl Operation for $name {
            const METHOD: Method = Method::Post;
            const PATH: &'static str = $path;
            const EFFECT: Effect = Effect::Changes;

            type Answer = views::$answer;

            async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::$answer> {
                let bytes = certificate_as_bytes(self.certificate);
                Ok(service.keys.$import(call, &bytes).await?.into())
            }
        }
    )+};
}

imports_certificate! {
    /// Import a signing key's leaf certificate, signed by a CA that is kept elsewhere.
    ImportLeaf: "/keys/import-leaf" import_leaf ImportedLeaf;
    /// Import the certificate of a CA that is kept elsewhere, as the next CA.
    ImportCa: "/ca/import" import_ca CaStep;
}

/// Writes a file as text. PEM is text; DER is none, because its second byte, 0x82, is none.
fn certificate_as_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| STANDARD.encode(error.as_bytes()))
}

fn certificate_as_bytes(text: String) -> Vec<u8> {
    let letters: String = text.split_ascii_whitespace().collect();
    STANDARD
        .decode(letters)
        .unwrap_or_else(|_| text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_goes_as_text_and_comes_as_its_bytes() {
        let der = vec![0x30, 0x82, 0x01, 0xff];
        let pem = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_vec();
        for bytes in [der, pem, b"no certificate".to_vec()] {
            let text = certificate_as_text(bytes.clone());
            assert_eq!(certificate_as_bytes(text), bytes);
        }
    }
}
