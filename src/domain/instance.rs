//! One registry to log in to.

use std::fmt;
use std::str::FromStr;

use super::as_text::display_as_name;
use super::clock::Timestamp;
use super::ids::{AccountId, CriId, InstanceId};
use super::switch::Switch;
use super::{Error, ErrorKind, Result};

/// Either id of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AnyInstanceId {
    /// A `tcr-` id.
    Tcr(InstanceId),
    /// A `cri-` id.
    Cri(CriId),
}

impl fmt::Display for AnyInstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcr(id) => id.fmt(f),
            Self::Cri(id) => id.fmt(f),
        }
    }
}

display_as_name! { Algorithm KidFormat RegistryKind Specification UnrecordedNamespaces }

impl FromStr for AnyInstanceId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self::Tcr).or_else(|_| text.parse().map(Self::Cri)).map_err(|_| {
            Error::new(
                ErrorKind::InstanceNotFound,
                "An instance is named by its tcr- or its cri- id, such as tcr-0a1b2c3d; `transire \
                 instance list` shows both.",
            )
        })
    }
}

/// The algorithm that signs an instance's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256: the default.
    Es256,
    /// RSA-2048 with PKCS#1 v1.5 and SHA-256, for verifiers that insist on it.
    Rs256,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 2] = [Self::Es256, Self::Rs256];

    /// Returns the name that a token's header carries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text)
            .ok_or_else(|| Error::invalid_parameter("alg", "an algorithm is ES256 or RS256"))
    }
}

/// How a token names its signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KidFormat {
    /// RFC 7638: what Distribution 3 looks for.
    Thumbprint,
    /// Docker's libtrust fingerprint: what Distribution 2 looks for.
    Libtrust,
}

impl KidFormat {
    /// Returns the name that settings use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thumbprint => "thumbprint",
            Self::Libtrust => "libtrust",
        }
    }
}

impl FromStr for KidFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "thumbprint" => Ok(Self::Thumbprint),
            "libtrust" => Ok(Self::Libtrust),
            _ => Err(Error::invalid_parameter(
                "kid",
                "a kid format is thumbprint or libtrust",
            )),
        }
    }
}

/// Which software an instance's registry is, as far as its tokens must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegistryKind {
    /// CNCF Distribution, or what verifies as it does: it trusts an authority, and checks issuer
    /// and audience.
    Distribution,
    /// zot: it trusts one key, and whatever that key signed, for whomever.
    Zot,
    /// Pulp: it trusts one key, wants an issuer that is its realm, and looks a token's subject up
    /// among its own users.
    Pulp,
}

impl RegistryKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Distribution, Self::Zot, Self::Pulp];

    /// Returns the name that commands and the store use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Distribution => "distribution",
            Self::Zot => "zot",
            Self::Pulp => "pulp",
        }
    }

    /// Tells whether its instances have a signing key each: it trusts a key, and not whom an
    /// authority vouches for.
    pub fn has_own_key(self) -> bool {
        match self {
            Self::Distribution => false,
            Self::Zot | Self::Pulp => true,
        }
    }

    /// Returns what a token for `subject` names as its subject (`sub`).
    ///
    /// Pulp refuses a subject that is none of its own users ("No such user"), and goes by the
    /// token's access alone when there is none (pulp_container, `app/token_verification.py`).
    pub fn subject(self, subject: &str) -> &str {
        match self {
            Self::Distribution | Self::Zot => subject,
            Self::Pulp => "",
        }
    }

    /// Returns how long tokens live unless somebody says otherwise, in seconds.
    pub fn usual_token_ttl(self) -> u32 {
        match self {
            Self::Distribution | Self::Pulp => 300,
            // zot refuses an expired token without a challenge, and clients that ignore
            // `expires_in` (oras, crane, helm) don't ask for another: a push fails in the middle
            // once its first token is over.
            Self::Zot => Instance::MAX_TOKEN_TTL,
        }
    }
}

impl FromStr for RegistryKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "kind",
                    "a registry is of the kind distribution, zot or pulp",
                )
            })
    }
}

/// Whether an instance answers for calls of its account that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultMark {
    /// It is marked to answer for them.
    Marked,
    /// It answers for them only as the account's only instance.
    Unmarked,
}

/// How large an instance is, which the clouds sell and which decides its quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Specification {
    /// `basic` at Tencent, `Enterprise_Basic` at Alibaba.
    Basic,
    /// `standard` at Tencent, `Enterprise_Standard` at Alibaba.
    Standard,
    /// `premium` at Tencent, `Enterprise_Advanced` at Alibaba.
    Premium,
}

impl Specification {
    /// All specifications, the smallest first.
    pub const ALL: [Self; 3] = [Self::Basic, Self::Standard, Self::Premium];

    /// Returns the name that settings and the store use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Standard => "standard",
            Self::Premium => "premium",
        }
    }

    /// Returns how many namespaces, and how many repositories in all of them, Tencent sells with
    /// it.
    pub fn usual_quotas(self) -> (u32, u32) {
        match self {
            Self::Basic => (50, 1000),
            Self::Standard => (100, 3000),
            Self::Premium => (500, 5000),
        }
    }
}

impl FromStr for Specification {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|specification| specification.name() == text)
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "specification",
                    "a specification is basic, standard or premium",
                )
            })
    }
}

/// The maker of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The operator, at the command line.
    Operator,
    /// A cloud API call: only the operator can say where its registry is.
    Api,
}

impl Origin {
    /// Returns the name that the store uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Api => "api",
        }
    }
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "operator" => Ok(Self::Operator),
            "api" => Ok(Self::Api),
            _ => Err(Error::invalid_parameter(
                "origin",
                "an instance is made by the operator or by an API",
            )),
        }
    }
}

/// The treatment of a push to a namespace that isn't recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnrecordedNamespaces {
    /// The pusher's rights decide, as if nobody recorded namespaces.
    Open,
    /// It is refused, as at both clouds: pushing makes repositories, and never a namespace.
    Closed,
}

impl UnrecordedNamespaces {
    /// Returns the name that commands and the store use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

impl FromStr for UnrecordedNamespaces {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err(Error::invalid_parameter(
                "unrecorded",
                "namespaces that aren't recorded are open or closed",
            )),
        }
    }
}

/// Decides about the refresh tokens that were given out before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldRefreshTokens {
    /// They stay good until their credentials end.
    Keep,
    /// They are refused from now on, for ever.
    Refuse,
}

/// A change of an instance; `None` leaves a setting as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstanceChange {
    /// How large it is.
    pub specification: Option<Specification>,
    /// Whether it is kept from being deleted.
    pub deletion_protection: Option<Switch>,
    /// Whether OpenID Connect tokens log in.
    pub token_log_in: Option<Switch>,
}

/// One registry to log in to.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its own id.
    pub id: InstanceId,
    /// Its id at the Alibaba door.
    pub cri_id: CriId,
    /// The account that owns it.
    pub account: AccountId,
    /// Its name, unique in its account.
    pub name: String,
    /// The region that it says it is in.
    pub region: String,
    /// The audience that the registry checks in tokens; unique over all accounts, for ever.
    pub service: String,
    /// Which software its registry is.
    pub kind: RegistryKind,
    /// The algorithm that signs its tokens.
    pub algorithm: Algorithm,
    /// How its tokens name the signing key.
    pub kid_format: KidFormat,
    /// The issuer that its tokens name (`iss`); without it, the store's.
    pub issuer: Option<String>,
    /// The issuer that is prepared, and named by no token before it is activated.
    pub next_issuer: Option<String>,
    /// How long its tokens live, in seconds; at least [`Instance::MIN_TOKEN_TTL`].
    pub token_ttl_seconds: u32,
    /// Where the registry itself answers, for what must reach it.
    pub registry_url: Option<String>,
    /// The host, perhaps with a port, that it answers to as an ECR registry; without it, its
    /// service.
    pub ecr_host: Option<String>,
    /// Whether it is the account's default.
    pub default: DefaultMark,
    /// How large it is.
    pub specification: Specification,
    /// Whether it is kept from being deleted.
    pub deletion_protection: Switch,
    /// Whether it can be reached from outside at all.
    pub public_endpoint: Switch,
    /// Whether only the addresses of its allow list may reach it.
    pub allow_list: Switch,
    /// The maker.
    pub origin: Origin,
    /// Whether anyone may push to a namespace that isn't recorded.
    pub unrecorded_namespaces: UnrecordedNamespaces,
    /// Whether clients that ask for a refresh token get one.
    pub refresh_tokens: Switch,
    /// The generation of its refresh tokens; raising it refuses those that were given out.
    pub refresh_generation: i64,
    /// Whether OpenID Connect tokens log in.
    pub token_log_in: Switch,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was made or last changed.
    pub modified_at: Timestamp,
}

impl Instance {
    /// Tells whether every address may reach it: its endpoint is open, and its allow list isn't
    /// obeyed.
    pub fn is_open_to_all(&self) -> bool {
        self.public_endpoint.is_on() && !self.allow_list.is_on()
    }

    /// Returns the host that it answers to as an ECR registry.
    pub fn host_for_ecr(&self) -> &str {
        self.ecr_host.as_deref().unwrap_or(&self.service)
    }

    /// Clients take a shorter life for this one, so a shorter one would be a lie (seconds).
    pub const MIN_TOKEN_TTL: u32 = 60;
    /// The longest life of a token, in seconds: a token can't be taken back.
    pub const MAX_TOKEN_TTL: u32 = 3600;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    #[test]
    fn the_names_of_specifications_and_origins_parse_back_and_quotas_grow() {
        for specification in Specification::ALL {
            assert_eq!(
                specification.name().parse::<Specification>().unwrap(),
                specification
            );
        }
        for kind in RegistryKind::ALL {
            assert_eq!(kind.name().parse::<RegistryKind>().unwrap(), kind);
        }
        for origin in [Origin::Operator, Origin::Api] {
            assert_eq!(origin.name().parse::<Origin>().unwrap(), origin);
        }
        for unrecorded in [UnrecordedNamespaces::Open, UnrecordedNamespaces::Closed] {
            assert_eq!(
                unrecorded.name().parse::<UnrecordedNamespaces>().unwrap(),
                unrecorded
            );
        }
        assert!(
            "Enterprise_Basic".parse::<Specification>().is_err() && "".parse::<Origin>().is_err()
        );
        let quotas = Specification::ALL.map(Specification::usual_quotas);
        assert!(
            quotas.is_sorted_by(|small, large| small.0 < large.0 && small.1 < large.1),
            "{quotas:?}"
        );
    }

    #[test]
    fn an_instance_is_found_by_either_id() {
        let (tcr, cri) = (
            InstanceId::random(&SystemRandom),
            CriId::random(&SystemRandom),
        );
        assert_eq!(
            tcr.to_string().parse::<AnyInstanceId>().unwrap(),
            AnyInstanceId::Tcr(tcr)
        );
        assert_eq!(
            cri.to_string().parse::<AnyInstanceId>().unwrap(),
            AnyInstanceId::Cri(cri)
        );
        for bad in [
            "",
            "tcr-",
            "tcr-ABCDEFGH",
            "tcr-1234567",
            "cri-12345678",
            "demo",
        ] {
            assert!(
                bad.parse::<AnyInstanceId>().is_err(),
                "{bad:?} was taken for an instance id"
            );
        }
    }
}
