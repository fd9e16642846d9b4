//! Values that are written as text in commands, paths and JSON documents.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::ops::Deref;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::audit_words::{AuditedKey, ClientAddress, RequestId, When};
use super::resource::ResourceName;
use crate::domain::Error;
use crate::domain::access_key::AccessKeyId;
use crate::domain::activity::Span;
use crate::domain::allow_list::Cidr;
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::credential::CredentialId;
use crate::domain::identity::OidcAlgorithm;
use crate::domain::ids::AccountId;
use crate::domain::instance::{
    Algorithm, KidFormat, RegistryKind, Specification, UnrecordedNamespaces,
};
use crate::domain::notice::NoticeId;
use crate::domain::reference::{AccountRef, InstanceRef};
use crate::domain::seconds::Seconds;
use crate::domain::secret::Secret;
use crate::domain::service_account::NamespacePermission;
use crate::domain::switch::Switch;
use crate::service::{Call, OidcPreset, Permission, Service, ServiceAccountGrant};

/// A value as text, by its own form: `FromStr` reads it, and `Display` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<T> Deref for Text<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Display> Display for Text<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<T: FromStr<Err = Error>> FromStr for Text<T> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.parse().map(Self)
    }
}

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err = Error>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse()
            .map(Self)
            .map_err(|error: Error| de::Error::custom(error.message()))
    }
}

/// Describes kinds of text, and names each for the fields of operations.
macro_rules! described {
    ($($(#[$doc:meta])* $name:ident = $type:ty: $example:literal
        $(, values $values:expr)? $(, pattern $pattern:literal)?;)+) => {
        $(
            $(#[$doc])*
            pub type $name = Text<$type>;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let schema = ObjectBuilder::new()
                        .schema_type(Type::String)
                        .examples([$example]);
                    $(let schema = schema.enum_values(Some($values));)?
                    $(let schema = schema.pattern(Some($pattern));)?
                    schema.into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )+
    };
}

described! {
    /// The id of an access key.
    AccessKeyIdText = AccessKeyId: "AKIDEXAMPLE0123456789abcdefghij01234",
        pattern "^AKID[0-9A-Za-z]{32}$";
    /// The id of a new account.
    AccountIdText = AccountId: "100000000001", pattern "^[1-9][0-9]{0,17}$";
    /// An account, by its id or its name.
    AccountText = AccountRef: "100000000001", pattern "^[0-9a-z-]{1,50}$";
    /// The rights that a user may give a service account.
    Grant = ServiceAccountGrant: "own-rights", values ["own-rights", "vendor"];
    /// The same, or that of the settings.
    GrantOrDefault = OrDefault<ServiceAccountGrant>: "default",
        values ["own-rights", "vendor", "default"];
    /// An instance, by its id of either cloud or by its name.
    InstanceText = InstanceRef: "tcr-01234567", pattern "^[0-9a-z-]{1,50}$";
    /// The software of a registry.
    KindText = RegistryKind: "distribution", values ["distribution", "zot", "pulp"];
    /// The algorithm that signs tokens.
    AlgorithmText = Algorithm: "ES256", values ["ES256", "RS256"];
    /// The form of a key id.
    KidText = KidFormat: "thumbprint", values ["thumbprint", "libtrust"];
    /// The size of an instance.
    SpecificationText = Specification: "premium", values ["basic", "standard", "premium"];
    /// Whether namespaces that aren't recorded accept pushes.
    UnrecordedText = UnrecordedNamespaces: "closed", values ["open", "closed"];
    /// A range of addresses.
    CidrText = Cidr: "192.0.2.0/24";
    /// The id of an access key, or of a session's.
    AccessKeyText = AuditedKey: "AKID00000000000000000000000EXAMPLE00";
    /// The id of a request.
    RequestText = RequestId: "0123456789abcdef0123456789abcdef", pattern "^[0-9A-Za-z-]{1,64}$";
    /// A namespace, and what a service account may do in it.
    PermissionText = NamespacePermission: "team:pull,push";
    /// A time in whole seconds.
    TimeText = Seconds: "5m";
    /// A principal, in any of its forms.
    PrincipalText = AnyPrincipal: "100000000001:user/alice";
    /// The id of a credential, or of a session.
    CredentialText = CredentialId: "0123456789abcdefghij", pattern "^[0-9a-v]{20}$";
    /// The id of a notice.
    NoticeText = NoticeId: "msg-0123456789abcdefghij", pattern "^msg-[0-9a-z]{20}$";
    /// The address of a client.
    AddressText = ClientAddress: "192.0.2.1";
    /// A moment: a time as in RFC 3339, a day, or how far back.
    WhenText = When: "12h";
    /// An action, by its word or by its name in either cloud's language.
    ActionText = Permission: "pull";
    /// An instance, or a repository of it.
    ResourceText = ResourceName: "tcr-01234567/team/app";
    /// How far back.
    SpanText = Span: "1d", values ["1h", "1d", "7d", "30d"];
    /// A platform whose jobs hold OpenID Connect tokens.
    PresetText = OidcPreset: "github",
        values ["github", "gitlab", "kubernetes", "forgejo", "buildkite"];
    /// An algorithm that signs OpenID Connect tokens.
    OidcAlgorithmText = OidcAlgorithm: "RS256";
}

/// A secret that a request brings. It is written nowhere but into the request.
#[derive(Clone, Debug)]
pub struct SecretText(pub Secret);

impl Default for SecretText {
    fn default() -> Self {
        Self(Secret::new(""))
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl PartialSchema for SecretText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .write_only(true)
            .into()
    }
}

impl ToSchema for SecretText {
    fn name() -> Cow<'static, str> {
        "SecretText".into()
    }
}

impl AccountText {
    /// Returns the account's id.
    ///
    /// # Errors
    /// Those of [`crate::service::Identity::account_id`].
    pub(super) async fn id(&self, service: &Service, call: &Call<'_>) -> Result<AccountId, Error> {
        service.identity.account_id(call, &self.0).await
    }
}

/// Returns the id of an account that may be left out.
///
/// # Errors
/// As [`AccountText::id`].
pub(super) async fn id_of(
    account: Option<&AccountText>,
    service: &Service,
    call: &Call<'_>,
) -> Result<Option<AccountId>, Error> {
    match account {
        Some(account) => account.id(service, call).await.map(Some),
        None => Ok(None),
    }
}

/// A switch, as it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnOff {
    /// On.
    On,
    /// Off.
    Off,
}

impl From<OnOff> for Switch {
    fn from(given: OnOff) -> Self {
        Self::from(given == OnOff::On)
    }
}

/// An endpoint's state, as it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OpenClosed {
    /// Lets every address in, or those of the allow list.
    Open,
    /// Lets nobody in.
    Closed,
}

/// A value of the thing's own, or `None` for the settings' value, which is written `default`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrDefault<T>(pub Option<T>);

impl<T: Display> Display for OrDefault<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(formatter),
            None => formatter.write_str(DEFAULT),
        }
    }
}

impl<T: FromStr<Err = Error>> FromStr for OrDefault<T> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == DEFAULT {
            return Ok(Self(None));
        }
        text.parse().map(|value| Self(Some(value)))
    }
}

/// The word for the settings' value.
const DEFAULT: &str = "default";

/// Reads a text that isn't empty. Nothing has an empty name, so an empty argument is a mistake,
/// such as an unset variable.
pub(super) fn some_text(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        Err(Error::invalid_parameter("text", "it is empty"))
    } else {
        Ok(text.to_owned())
    }
}

/// Reads the id of a long-term credential, or of a session.
///
/// # Errors
/// `InvalidParameter` of `id`.
pub fn credential_id(text: &str) -> Result<CredentialText, Error> {
    text.parse().map_err(|_| {
        let why = "a credential's id has 20 of 0-9 and a-v, such as 0123456789abcdefghij; \
                   `transire credential list` and `transire audit list` show it";
        Error::invalid_parameter("id", why)
    })
}
