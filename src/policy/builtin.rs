//! The policies that every account has without making them, under the clouds' own names.

use super::document::Document;
use super::language::Language;
use super::parts::Limits;
use crate::domain::Result;

/// A policy that comes with the service; nobody changes or deletes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Its name at the cloud.
    pub name: &'static str,
    /// The language of its document.
    pub language: Language,
    /// Its document, as a policy that someone wrote.
    pub text: &'static str,
}

/// All of them; `AdministratorAccess` exists in CAM and RAM, and either allows the same.
///
/// Sources: Tencent's samples of TCR authorisation, Alibaba's authorisation documents for ACR, and
/// AWS's reference of managed policies, less what nothing asks for here.
pub const ALL: [Builtin; 10] = [
    Builtin {
        name: "QcloudTCRFullAccess",
        language: Language::Cam,
        text: include_str!("builtin/cam-QcloudTCRFullAccess.json"),
    },
    Builtin {
        name: "QcloudTCRReadOnlyAccess",
        language: Language::Cam,
        text: include_str!("builtin/cam-QcloudTCRReadOnlyAccess.json"),
    },
    Builtin {
        name: "AliyunContainerRegistryFullAccess",
        language: Language::Ram,
        text: include_str!("builtin/ram-AliyunContainerRegistryFullAccess.json"),
    },
    Builtin {
        name: "AliyunContainerRegistryReadOnlyAccess",
        language: Language::Ram,
        text: include_str!("builtin/ram-AliyunContainerRegistryReadOnlyAccess.json"),
    },
    Builtin {
        name: "AdministratorAccess",
        language: Language::Cam,
        text: include_str!("builtin/cam-AdministratorAccess.json"),
    },
    Builtin {
        name: "AdministratorAccess",
        language: Language::Ram,
        text: include_str!("builtin/ram-AdministratorAccess.json"),
    },
    Builtin {
        name: "AmazonEC2ContainerRegistryFullAccess",
        language: Language::Iam,
        text: include_str!("builtin/iam-AmazonEC2ContainerRegistryFullAccess.json"),
    },
    Builtin {
        name: "AmazonEC2ContainerRegistryPowerUser",
        language: Language::Iam,
        text: include_str!("builtin/iam-AmazonEC2ContainerRegistryPowerUser.json"),
    },
    Builtin {
        name: "AmazonEC2ContainerRegistryReadOnly",
        language: Language::Iam,
        text: include_str!("builtin/iam-AmazonEC2ContainerRegistryReadOnly.json"),
    },
    Builtin {
        name: "AmazonEC2ContainerRegistryPullOnly",
        language: Language::Iam,
        text: include_str!("builtin/iam-AmazonEC2ContainerRegistryPullOnly.json"),
    },
];

impl Builtin {
    /// Finds the first of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|builtin| builtin.name == name)
    }

    /// Compiles the document.
    ///
    /// # Errors
    ///
    /// None in practice: a test reads every built-in document.
    pub fn document(&self) -> Result<Document> {
        Document::parse(self.text, Limits::POLICY).map(|checked| checked.document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_parses_without_a_warning_and_in_its_language() {
        for builtin in ALL {
            let checked = Document::parse(builtin.text, Limits::POLICY)
                .unwrap_or_else(|error| panic!("{}: {error}", builtin.name));
            assert_eq!(checked.warnings, Vec::<String>::new(), "{}", builtin.name);
            assert_eq!(
                checked.document.language(),
                builtin.language,
                "{}",
                builtin.name
            );
            assert!(Builtin::named(builtin.name).is_some());
        }
        assert_eq!(Builtin::named("Nobody"), None);
    }
}
