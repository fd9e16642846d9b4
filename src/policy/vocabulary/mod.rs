//! The vocabulary: each permission with its names and the form of its resource in every language.
//!
//! A document is asked in its own language, whichever door a call came through: a CAM document
//! about `tcr:PullRepository` on a `tcr-` id, a RAM document about `cr:PullRepository` on a `cri-`
//! id, an IAM document about `ecr:BatchGetImage` and `ecr:GetDownloadUrlForLayer` on a name. So a
//! deny in one language closes all doors. Sources: Tencent's list of TCR interfaces with access
//! control, Alibaba's authorisation list for `cr` (document 144229), AWS's service authorization
//! reference for ECR. Start with the [`table`].

mod table;

use std::fmt;
use std::str::FromStr;

pub(in crate::policy) use self::table::Form;
pub use self::table::Permission;
use self::table::{Named, Row, TABLE};
use super::actions;
use super::language::{Language, Service};
use crate::domain::as_text::serde_as_text;
use crate::domain::{Error, Result};

impl Permission {
    /// All permissions.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.permission)
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Returns the permission's own word, such as `pull`.
    pub fn word(self) -> &'static str {
        self.row().word
    }

    /// Returns its names in a language, the present one first, such as `tcr:PullRepository`.
    ///
    /// IAM may have several for one permission, one for each of its parts.
    pub fn names(self, language: Language) -> &'static [&'static str] {
        match language {
            Language::Cam => self.row().cam.0,
            Language::Ram => self.row().ram.0,
            Language::Iam => match self.row().iam {
                Named::Action(names, _) => names,
                Named::All(_) => &[],
            },
        }
    }

    /// Returns its present name in a language; where it has parts, the first one's.
    pub fn name(self, language: Language) -> &'static str {
        let first = self.parts(language).first();
        let names = first.map_or(&[][..], |part| part.names(language));
        names.first().copied().unwrap_or_default()
    }

    /// Returns the permissions that are needed for it, all of them, as a language divides it: most
    /// are undivided.
    pub fn parts(&self, language: Language) -> &[Self] {
        match (language, &self.row().iam) {
            (Language::Iam, Named::All(parts)) => parts,
            _ => std::slice::from_ref(self),
        }
    }

    /// Tells whether IAM alone tells it from one before it: CAM and RAM have one name for both.
    pub(in crate::policy) fn is_finer(self) -> bool {
        let row = self.row();
        let is_alike = |other: &Row| other.cam.0 == row.cam.0 && other.ram.0 == row.ram.0;
        TABLE[..self as usize].iter().any(is_alike)
    }

    /// Tells whether it is asked on something that has an owner, of whom conditions may ask.
    pub(in crate::policy) fn has_owner(self) -> bool {
        matches!(
            self,
            Self::ModifyLongTerm
                | Self::DeleteLongTerm
                | Self::ModifyServiceAccount
                | Self::SetServiceAccountPassword
                | Self::DeleteServiceAccount
        )
    }

    pub(in crate::policy) fn form(self, language: Language) -> Form {
        match language {
            Language::Cam => self.row().cam.1,
            Language::Ram => self.row().ram.1,
            Language::Iam => match self.row().iam {
                Named::Action(_, form) => form,
                Named::All(parts) => parts
                    .first()
                    .map_or(Form::Operation, |part| part.form(language)),
            },
        }
    }

    /// Returns the service that its resource belongs to in a language.
    pub(in crate::policy) fn service(self, language: Language) -> Service {
        if self.form(language) == Form::Role {
            return Service::Roles;
        }
        match self.name(language).split_once(':') {
            Some(("sts", _)) => Service::Sts,
            Some(("transire", _)) => Service::Own,
            _ => Service::Registry,
        }
    }
}

impl FromStr for Permission {
    type Err = Error;

    /// Reads the permission's own word, or a name in any language; of several with that name, the
    /// first.
    fn from_str(text: &str) -> Result<Self> {
        let named = |permission: &Self| {
            Language::ALL
                .iter()
                .any(|language| permission.names(*language).contains(&text))
        };
        Self::all()
            .find(|permission| permission.word() == text)
            .or_else(|| Self::all().find(named))
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "action",
                    "an action is pull, push, delete, or a name from docs/policies.md, such as \
                     tcr:CreateInstanceToken",
                )
            })
    }
}

serde_as_text!(Permission);

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Some permissions, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(in crate::policy) struct Permissions(u128);

const _: () = assert!(
    TABLE.len() <= u128::BITS as usize,
    "a wider type for the permissions of a statement"
);

impl Permissions {
    pub(in crate::policy) fn of(permissions: &[Permission]) -> Self {
        let mut all = Self::default();
        permissions
            .iter()
            .for_each(|permission| all.add(*permission));
        all
    }

    /// Returns those that aren't among others.
    pub(in crate::policy) fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(in crate::policy) fn add(&mut self, permission: Permission) {
        self.0 |= 1 << permission as u32;
    }

    /// Adds all of others.
    pub(in crate::policy) fn include(&mut self, others: Self) {
        self.0 |= others.0;
    }

    pub(in crate::policy) fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u32) != 0
    }

    pub(in crate::policy) fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::all().filter(move |permission| self.has(*permission))
    }
}

/// Returns every action that the languages know of in the services that matter here, as service and
/// name.
pub(in crate::policy) fn known_actions(
    language: Language,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lists: [(&str, &[&str]); 4] = match language {
        Language::Cam => [
            ("tcr", actions::TCR),
            ("tcr", actions::TCR_OWN),
            ("sts", actions::CAM_STS),
            ("", &[]),
        ],
        Language::Ram => [
            ("cr", actions::CR),
            ("cr", actions::CR_OWN),
            ("sts", actions::RAM_STS),
            ("sts", actions::RAM_STS_OWN),
        ],
        Language::Iam => [
            ("ecr", actions::ECR),
            ("transire", actions::OWN),
            ("sts", actions::IAM_STS),
            ("", &[]),
        ],
    };
    lists
        .into_iter()
        .flat_map(|(service, names)| names.iter().map(move |name| (service, *name)))
}

/// Tells whether the cloud of a language has an action of that exact name in a service such as
/// `tcr`.
pub fn is_action(language: Language, service: &str, name: &str) -> bool {
    let names = match (language, service) {
        (Language::Cam, "tcr") => actions::TCR,
        (Language::Cam, "sts") => actions::CAM_STS,
        (Language::Ram, "cr") => actions::CR,
        (Language::Ram, "sts") => actions::RAM_STS,
        (Language::Iam, "ecr") => actions::ECR,
        (Language::Iam, "sts") => actions::IAM_STS,
        _ => &[],
    };
    names.contains(&name)
}

/// Returns the permissions that an action names.
pub(in crate::policy) fn permissions_named<'a>(
    language: Language,
    service: &'a str,
    name: &'a str,
) -> impl Iterator<Item = Permission> + 'a {
    let same = move |full: &&str| full.split_once(':') == Some((service, name));
    Permission::all().filter(move |permission| permission.names(language).iter().any(same))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn the_table_is_in_order_and_every_name_is_known() {
        for (place, permission) in Permission::all().enumerate() {
            assert_eq!(permission as usize, place, "{permission}");
            for language in Language::ALL {
                for full in permission.names(language) {
                    let (service, name) = full.split_once(':').unwrap();
                    assert!(
                        known_actions(language).any(|known| known == (service, name)),
                        "{full}"
                    );
                }
            }
            // An action that NotAction excludes would otherwise be let in by its other name.
            for language in [Language::Ram, Language::Iam] {
                for part in permission.parts(language) {
                    assert_eq!(part.names(language).len(), 1, "{permission}");
                    assert_eq!(part.form(language), permission.form(language));
                    assert_eq!(part.service(language), permission.service(language));
                }
            }
        }
    }

    #[test]
    fn no_name_for_a_temporary_credential_yields_a_long_term_one() {
        let long_term = Permission::IssueLongTerm.name(Language::Ram);
        assert!(!long_term.starts_with("cr:Get"));
        assert_eq!(
            permissions_named(Language::Ram, "cr", "GetAuthorizationToken").collect::<Vec<_>>(),
            [Permission::IssueTemporary]
        );
    }

    #[test]
    fn a_permission_is_found_by_its_word_and_its_names() {
        assert_eq!("pull".parse::<Permission>().unwrap(), Permission::Pull);
        assert_eq!(
            "cr:PushRepository".parse::<Permission>().unwrap(),
            Permission::Push
        );
        assert_eq!(
            "tcr:CreateInstanceToken".parse::<Permission>().unwrap(),
            Permission::IssueTemporary
        );
        assert_eq!(
            "fly".parse::<Permission>().unwrap_err().kind(),
            &ErrorKind::InvalidParameter {
                name: "action".to_owned()
            }
        );
        for permission in Permission::all() {
            assert_eq!(permission.word().parse::<Permission>().unwrap(), permission);
        }
    }
}
