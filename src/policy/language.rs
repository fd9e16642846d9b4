//! The three policy languages, and the services that their documents speak of.

/// The three policy languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Tencent Cloud's, `"version":"2.0"`.
    Cam,
    /// Alibaba Cloud's, `"Version":"1"`.
    Ram,
    /// AWS's, `"Version":"2012-10-17"`.
    Iam,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cam, Self::Ram, Self::Iam];

    /// Returns the language's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cam => "CAM",
            Self::Ram => "RAM",
            Self::Iam => "IAM",
        }
    }

    /// Returns the name of the registry service in actions and resources.
    pub(super) fn registry_service(self) -> &'static str {
        Service::Registry.name(self)
    }

    /// Returns the services whose actions decide something here.
    pub(super) fn services(self) -> &'static [&'static str] {
        match self {
            Self::Cam => &["tcr", "sts"],
            Self::Ram => &["cr", "sts"],
            Self::Iam => &["ecr", "transire", "sts"],
        }
    }

    /// Tells whether it compares the names of actions without regard to case; for CAM that isn't
    /// published.
    pub(super) fn folds_actions(self) -> bool {
        matches!(self, Self::Ram | Self::Iam)
    }

    /// Returns what an instance's id begins with.
    pub(super) fn instance_prefix(self) -> &'static str {
        match self {
            Self::Cam | Self::Iam => "tcr-",
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
    /// The one that owns instances and namespaces, for which AWS has no name.
    Own,
}

impl Service {
    pub(super) const ALL: [Self; 4] = [Self::Registry, Self::Roles, Self::Sts, Self::Own];

    pub(super) fn name(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Registry | Self::Own, Language::Cam) => "tcr",
            (Self::Registry | Self::Own, Language::Ram) => "cr",
            (Self::Registry, Language::Iam) => "ecr",
            (Self::Own, Language::Iam) => "transire",
            (Self::Roles, Language::Cam) => "cam",
            (Self::Roles, Language::Ram) => "ram",
            (Self::Roles, Language::Iam) => "iam",
            (Self::Sts, _) => "sts",
        }
    }
}
