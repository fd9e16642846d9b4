//! Writes the parts of a payload.

use super::{SALT_LENGTH, bit_of, tag};
use crate::domain::claims::{Claim, Claims, MAX_NAME};
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::credential::CredentialId;
use crate::domain::narrowing::Narrowing;
use crate::domain::principal::Principal;
use crate::domain::scope::ResourceType;
use crate::domain::{Error, Result};
use crate::token::sealed::{
    Dependency, MAX_ACCESS_KEY_ID, MAX_CLAIMS, MAX_DEPENDENCIES, MAX_PROVIDER_NAME,
    MAX_SESSION_NAME, MAX_SESSION_POLICY_BYTES, SessionPolicy,
};

/// The buffer that a payload is appended to.
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    /// Writes 128 random bits, which are in every secret, whatever ids and nonces are made of: no
    /// two are ever the same.
    pub(super) fn salt(&mut self, random: &dyn Random) {
        self.0
            .extend_from_slice(&random_bytes::<SALT_LENGTH>(random));
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Writes a number below 65,536.
    fn short(&mut self, number: usize) {
        self.0.extend_from_slice(&(number as u16).to_be_bytes());
    }

    fn integer(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub(super) fn time(&mut self, time: Timestamp) {
        self.integer(time.unix_millis());
    }

    pub(super) fn credential_id(&mut self, id: &CredentialId) {
        self.0.extend_from_slice(id.as_str().as_bytes());
    }

    /// Writes a text of at most `longest` bytes, which are at most 255, behind its length.
    pub(super) fn text(&mut self, what: &'static str, text: &str, longest: usize) -> Result<()> {
        check_length(what, text.as_bytes(), longest)?;
        self.byte(text.len() as u8);
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    pub(super) fn principal(&mut self, principal: &Principal) -> Result<()> {
        let (tag, name) = match principal {
            Principal::Root(_) => (tag::principal::ROOT, None),
            Principal::User(..) => (tag::principal::USER, None),
            Principal::RoleSession(.., name) => (tag::principal::ROLE_SESSION, Some(name)),
            Principal::FederatedSession(_, None, name) => {
                (tag::principal::FEDERATED_ROOT, Some(name))
            }
            Principal::FederatedSession(_, Some(_), name) => {
                (tag::principal::FEDERATED_USER, Some(name))
            }
        };
        self.byte(tag);
        self.integer(principal.account().number());
        match principal {
            Principal::User(_, user) | Principal::FederatedSession(_, Some(user), _) => {
                self.integer(user.number())
            }
            Principal::RoleSession(_, role, _) => self.integer(role.number()),
            Principal::Root(_) | Principal::FederatedSession(_, None, _) => {}
        }
        name.map_or(Ok(()), |name| {
            self.text("a session's name", name, MAX_SESSION_NAME)
        })
    }

    pub(super) fn dependencies(&mut self, dependencies: &[(Dependency, i64)]) -> Result<()> {
        // A secret without dependencies could never be stopped.
        if !(1..=MAX_DEPENDENCIES).contains(&dependencies.len()) {
            return Err(Error::internal(format!(
                "a secret has 1 to {MAX_DEPENDENCIES} dependencies, not {}",
                dependencies.len()
            )));
        }
        self.byte(dependencies.len() as u8);
        for (dependency, generation) in dependencies {
            match dependency {
                Dependency::Root(account) => {
                    self.byte(tag::dependency::ROOT);
                    self.integer(account.number());
                }
                Dependency::User(user) => {
                    self.byte(tag::dependency::USER);
                    self.integer(user.number());
                }
                Dependency::Role(role) => {
                    self.byte(tag::dependency::ROLE);
                    self.integer(role.number());
                }
                Dependency::AccessKey(id) => {
                    self.byte(tag::dependency::ACCESS_KEY);
                    self.text("an access key's id", id, MAX_ACCESS_KEY_ID)?;
                }
                Dependency::LongTerm(id) => {
                    self.byte(tag::dependency::LONG_TERM);
                    self.credential_id(id);
                }
                Dependency::Session(id) => {
                    self.byte(tag::dependency::SESSION);
                    self.credential_id(id);
                }
                Dependency::RefreshTokens(instance) => {
                    self.byte(tag::dependency::REFRESH_TOKENS);
                    self.0.extend_from_slice(instance.as_str().as_bytes());
                }
                Dependency::Temporary(id) => {
                    self.byte(tag::dependency::TEMPORARY);
                    self.credential_id(id);
                }
                Dependency::OidcSubject(of) => {
                    self.byte(tag::dependency::OIDC_SUBJECT);
                    self.integer(of.account.number());
                    self.text("a provider's name", &of.provider, MAX_PROVIDER_NAME)?;
                    self.0.extend_from_slice(of.subject.as_bytes());
                }
            }
            self.integer(*generation);
        }
        Ok(())
    }

    pub(super) fn session_policy(&mut self, policy: Option<&SessionPolicy>) -> Result<()> {
        match policy {
            None => self.byte(tag::policy::NONE),
            Some(SessionPolicy::Written(document)) => {
                self.policy_bytes(tag::policy::WRITTEN, document.as_bytes())?
            }
            Some(SessionPolicy::Deflated(bytes)) => {
                self.policy_bytes(tag::policy::DEFLATED, bytes)?
            }
            Some(SessionPolicy::Stored(digest)) => {
                self.byte(tag::policy::STORED);
                self.0.extend_from_slice(digest.as_bytes());
            }
        }
        Ok(())
    }

    pub(super) fn narrowing(&mut self, narrowing: &Narrowing) -> Result<()> {
        let scopes = narrowing.scopes();
        self.byte(tag::extension::NARROWING);
        self.byte(scopes.len() as u8);
        for scope in scopes {
            self.byte(match &scope.resource_type {
                ResourceType::Repository => tag::resource::REPOSITORY,
                ResourceType::Registry => tag::resource::REGISTRY,
                ResourceType::Other(name) => {
                    return Err(Error::internal(format!("nothing is narrowed to a {name}")));
                }
            });
            self.text("a resource's name", &scope.name, Narrowing::MAX_NAME)?;
            self.byte(scope.actions.iter().map(|action| bit_of(*action)).sum());
        }
        Ok(())
    }

    /// Writes the claims that a secret keeps; nothing when it keeps none.
    pub(super) fn claims(&mut self, claims: &Claims) -> Result<()> {
        if claims.is_empty() {
            return Ok(());
        }
        let length = claims.length();
        if length > MAX_CLAIMS || claims.iter().any(|(name, _)| name.is_empty()) {
            return Err(Error::internal(format!(
                "the claims of a secret have names and at most {MAX_CLAIMS} bytes, not {length}"
            )));
        }
        self.byte(tag::extension::CLAIMS);
        self.byte(claims.iter().len() as u8);
        for (name, claim) in claims.iter() {
            self.text("a claim's name", name, MAX_NAME)?;
            match claim {
                Claim::One(_) => self.byte(tag::claim::ONE),
                Claim::Many(values) => {
                    self.byte(tag::claim::MANY);
                    self.short(values.len());
                }
            }
            for value in claim.values() {
                self.short(value.len());
                self.0.extend_from_slice(value.as_bytes());
            }
        }
        Ok(())
    }

    fn policy_bytes(&mut self, tag: u8, bytes: &[u8]) -> Result<()> {
        check_length("a session policy", bytes, MAX_SESSION_POLICY_BYTES)?;
        self.byte(tag);
        self.short(bytes.len());
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

fn check_length(what: &'static str, bytes: &[u8], longest: usize) -> Result<()> {
    let length = bytes.len();
    if length <= longest {
        Ok(())
    } else {
        Err(Error::internal(format!(
            "{what} has at most {longest} bytes, not {length}"
        )))
    }
}
