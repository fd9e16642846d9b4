//! The two policy languages, and the services that their documents speak of.

/// The two policy languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Tencent Cloud's, `"version":"2.0"`.
    Cam,
    /// Alibaba Cloud's, `"Version":"1"`.
    Ram,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cam, Self::Ram];

    /// Returns the language's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cam => "CAM",
            Self::Ram => "RAM",
        }
    }

    /// Returns the name of the registry service in actions and resources.
    pub(super) fn registry_service(self) -> &'static str {
        Service::Registry.name(self)
    }

    /// Returns what an instance's id begins with.
    pub(super) fn instance_prefix(self) -> &'static str {
        match self {
            Self::Cam => "tcr-",
            Self::Ram => "cri-",
        }
    }
}

/// A service that resources may belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Registry,
    /// The one that owns roles.
    Roles,
    Sts,
}

impl Service {
    pub(super) const ALL: [Self; 3] = [Self::Registry, Self::Roles, Self::Sts];

    pub(super) fn name(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Registry, Language::Cam) => "tcr",
            (Self::Registry, Language::Ram) => "cr",
            (Self::Roles, Language::Cam) => "cam",
            (Self::Roles, Language::Ram) => "ram",
            (Self::Sts, _) => "sts",
        }
    }
}
