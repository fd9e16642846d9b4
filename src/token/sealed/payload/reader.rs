//! Reads the parts of a payload; `None` for anything that isn't written so.

use std::collections::BTreeSet;

use super::{INSTANCE_ID_LENGTH, bit_of, tag};
use crate::domain::claims::{Claim, Claims, MAX_NAME};
use crate::domain::clock::Timestamp;
use crate::domain::credential::CredentialId;
use crate::domain::ids::{AccountId, InstanceId, RoleId, UserId};
use crate::domain::narrowing::Narrowing;
use crate::domain::principal::Principal;
use crate::domain::scope::{Action, ResourceType, Scope};
use crate::token::sealed::{
    Dependency, MAX_ACCESS_KEY_ID, MAX_CLAIMS, MAX_DEPENDENCIES, MAX_PROVIDER_NAME,
    MAX_SESSION_NAME, MAX_SESSION_POLICY_BYTES, OidcSubject, PolicyDigest, SessionPolicy,
    SubjectDigest,
};

/// The rest of a payload.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn short(&mut self) -> Option<usize> {
        let bytes = self.bytes(2)?.try_into().ok()?;
        Some(usize::from(u16::from_be_bytes(bytes)))
    }

    fn integer(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.bytes(8)?.try_into().ok()?))
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        self.integer().map(Timestamp::from_unix_millis)
    }

    fn text_of(&mut self, length: usize) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    pub(super) fn text(&mut self, longest: usize) -> Option<&'a str> {
        let length = usize::from(self.byte()?);
        if length <= longest {
            self.text_of(length)
        } else {
            None
        }
    }

    pub(super) fn credential_id(&mut self) -> Option<CredentialId> {
        self.text_of(CredentialId::LENGTH)?.parse().ok()
    }

    pub(super) fn instance_id(&mut self) -> Option<InstanceId> {
        self.text_of(INSTANCE_ID_LENGTH)?.parse().ok()
    }

    fn account(&mut self) -> Option<AccountId> {
        AccountId::new(self.integer()?).ok()
    }

    fn user(&mut self) -> Option<UserId> {
        UserId::new(self.integer()?).ok()
    }

    fn role(&mut self) -> Option<RoleId> {
        RoleId::new(self.integer()?).ok()
    }

    fn session_name(&mut self) -> Option<String> {
        self.text(MAX_SESSION_NAME).map(str::to_owned)
    }

    pub(super) fn principal(&mut self) -> Option<Principal> {
        let tag = self.byte()?;
        let account = self.account()?;
        Some(match tag {
            tag::principal::ROOT => Principal::Root(account),
            tag::principal::USER => Principal::User(account, self.user()?),
            tag::principal::ROLE_SESSION => {
                Principal::RoleSession(account, self.role()?, self.session_name()?)
            }
            tag::principal::FEDERATED_ROOT => {
                Principal::FederatedSession(account, None, self.session_name()?)
            }
            tag::principal::FEDERATED_USER => {
                Principal::FederatedSession(account, Some(self.user()?), self.session_name()?)
            }
            _ => return None,
        })
    }

    pub(super) fn dependencies(&mut self) -> Option<Vec<(Dependency, i64)>> {
        let count = usize::from(self.byte()?);
        if !(1..=MAX_DEPENDENCIES).contains(&count) {
            return None;
        }
        (0..count)
            .map(|_| Some((self.dependency()?, self.integer()?)))
            .collect()
    }

    fn dependency(&mut self) -> Option<Dependency> {
        Some(match self.byte()? {
            tag::dependency::ROOT => Dependency::Root(self.account()?),
            tag::dependency::USER => Dependency::User(self.user()?),
            tag::dependency::ROLE => Dependency::Role(self.role()?),
            tag::dependency::ACCESS_KEY => {
                Dependency::AccessKey(self.text(MAX_ACCESS_KEY_ID)?.to_owned())
            }
            tag::dependency::LONG_TERM => Dependency::LongTerm(self.credential_id()?),
            tag::dependency::SESSION => Dependency::Session(self.credential_id()?),
            tag::dependency::REFRESH_TOKENS => Dependency::RefreshTokens(self.instance_id()?),
            tag::dependency::TEMPORARY => Dependency::Temporary(self.credential_id()?),
            tag::dependency::OIDC_SUBJECT => Dependency::OidcSubject(OidcSubject {
                account: self.account()?,
                provider: self.text(MAX_PROVIDER_NAME)?.to_owned(),
                subject: SubjectDigest::from_bytes(
                    self.bytes(SubjectDigest::LENGTH)?.try_into().ok()?,
                ),
            }),
            _ => return None,
        })
    }

    /// Reads a session policy, or that there is none; the outer `None` refuses, as everywhere.
    pub(super) fn session_policy(&mut self) -> Option<Option<SessionPolicy>> {
        Some(match self.byte()? {
            tag::policy::NONE => None,
            tag::policy::WRITTEN => Some(SessionPolicy::Written(
                std::str::from_utf8(self.policy_bytes()?).ok()?.to_owned(),
            )),
            tag::policy::DEFLATED => Some(SessionPolicy::Deflated(self.policy_bytes()?.to_owned())),
            tag::policy::STORED => Some(SessionPolicy::Stored(PolicyDigest::from_bytes(
                self.bytes(PolicyDigest::LENGTH)?.try_into().ok()?,
            ))),
            _ => return None,
        })
    }

    /// Reads the narrowing, if that is the extension that comes next; the outer `None` refuses.
    pub(super) fn narrowing(&mut self) -> Option<Option<Narrowing>> {
        if self.0.first() != Some(&tag::extension::NARROWING) {
            return Some(None);
        }
        self.byte()?;
        let count = usize::from(self.byte()?);
        if count > Narrowing::MAX_SCOPES {
            return None;
        }
        let scopes = (0..count).map(|_| self.scope()).collect::<Option<_>>()?;
        Narrowing::of(scopes).map(Some)
    }

    fn scope(&mut self) -> Option<Scope> {
        let resource_type = match self.byte()? {
            tag::resource::REPOSITORY => ResourceType::Repository,
            tag::resource::REGISTRY => ResourceType::Registry,
            _ => return None,
        };
        let name = self.text(Narrowing::MAX_NAME)?.to_owned();
        let bits = self.byte()?;
        let named = Action::NAMED.into_iter();
        let actions: BTreeSet<_> = named.filter(|action| bits & bit_of(*action) != 0).collect();
        // A bit that isn't known may take something away.
        let is_known = bits == actions.iter().map(|action| bit_of(*action)).sum::<u8>();
        is_known.then_some(Scope {
            resource_type,
            name,
            actions,
        })
    }

    /// Reads the claims at the end of a payload; none where it ends.
    pub(super) fn claims(&mut self) -> Option<Claims> {
        if self.0.is_empty() {
            return Some(Claims::default());
        }
        if self.byte()? != tag::extension::CLAIMS {
            return None;
        }
        let count = self.byte()?;
        let claims: Option<Vec<_>> = (0..count)
            .map(|_| {
                let name = self.text(MAX_NAME).filter(|name| !name.is_empty())?;
                Some((name.to_owned(), self.claim()?))
            })
            .collect();
        let claims = Claims::new(claims?);
        (!claims.is_empty() && claims.length() <= MAX_CLAIMS).then_some(claims)
    }

    fn claim(&mut self) -> Option<Claim> {
        match self.byte()? {
            tag::claim::ONE => self.claim_value().map(Claim::One),
            tag::claim::MANY => {
                let count = self.short()?;
                let values = (0..count).map(|_| self.claim_value());
                values.collect::<Option<_>>().map(Claim::Many)
            }
            _ => None,
        }
    }

    fn claim_value(&mut self) -> Option<String> {
        let length = self.short()?;
        self.text_of(length).map(str::to_owned)
    }

    fn policy_bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        if length <= MAX_SESSION_POLICY_BYTES {
            self.bytes(length)
        } else {
            None
        }
    }
}
