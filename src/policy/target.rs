//! The resources that permissions are asked on, as each language writes them.

use super::language::{Language, Service};
use super::vocabulary::{Form, Permission};
use crate::domain::aws;
use crate::domain::ids::{AccountId, CriId, InstanceId};
use crate::domain::instance::Instance;

/// An instance as policies see it.
#[derive(Clone, Copy, Debug)]
pub struct InstanceRef<'a> {
    /// The account that owns it.
    pub account: AccountId,
    /// Its region, such as `ap-guangzhou`.
    pub region: &'a str,
    /// Its id in CAM documents; IAM's name it, too, where they don't mean what is in it.
    pub id: &'a InstanceId,
    /// Its id in RAM documents.
    pub cri_id: &'a CriId,
}

impl InstanceRef<'_> {
    fn id_in(&self, language: Language) -> &str {
        match language {
            Language::Cam | Language::Iam => self.id.as_str(),
            Language::Ram => self.cri_id.as_str(),
        }
    }
}

impl<'a> From<&'a Instance> for InstanceRef<'a> {
    fn from(instance: &'a Instance) -> Self {
        Self {
            account: instance.account,
            region: &instance.region,
            id: &instance.id,
            cri_id: &instance.cri_id,
        }
    }
}

/// The resource that a permission is asked on.
///
/// Where a resource says less than the permission's form wants, it means all that it holds: pulling
/// from a namespace is pulling from every repository in it. Where it says more, the rest is left
/// away.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// Everything that an account owns in a region.
    Everything {
        /// The account.
        account: AccountId,
        /// The region; empty when the call names none.
        region: &'a str,
    },
    /// An instance.
    Instance(InstanceRef<'a>),
    /// A namespace in it.
    Namespace {
        /// The instance.
        instance: InstanceRef<'a>,
        /// Its name.
        name: &'a str,
    },
    /// A repository in it.
    Repository {
        /// The instance.
        instance: InstanceRef<'a>,
        /// Its path as the registry has it, such as `team/app`.
        path: &'a str,
    },
    /// A role.
    Role {
        /// The account that it belongs to.
        account: AccountId,
        /// Its id, by which CAM may name it.
        id: &'a str,
        /// Its name.
        name: &'a str,
    },
}

impl<'a> Resource<'a> {
    /// Returns the instance that it is, or is in.
    pub fn instance(&self) -> Option<&InstanceRef<'a>> {
        match self {
            Self::Instance(instance)
            | Self::Namespace { instance, .. }
            | Self::Repository { instance, .. } => Some(instance),
            Self::Everything { .. } | Self::Role { .. } => None,
        }
    }

    /// Returns the account that it belongs to.
    pub fn account(&self) -> AccountId {
        match self {
            Self::Everything { account, .. } | Self::Role { account, .. } => *account,
            Self::Instance(instance)
            | Self::Namespace { instance, .. }
            | Self::Repository { instance, .. } => instance.account,
        }
    }

    /// Returns the region that it is in; empty where it has none.
    pub fn region(&self) -> &'a str {
        match self {
            Self::Everything { region, .. } => region,
            Self::Role { .. } => "",
            Self::Instance(instance)
            | Self::Namespace { instance, .. }
            | Self::Repository { instance, .. } => instance.region,
        }
    }

    /// Returns the namespace: all of a repository's path but its last part.
    fn namespace(&self) -> Option<&'a str> {
        match self {
            Self::Namespace { name, .. } => Some(name),
            Self::Repository { path, .. } => path.rsplit_once('/').map(|(namespace, _)| namespace),
            _ => None,
        }
    }
}

/// How far a target reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The thing that the path names.
    One,
    /// All that begins with the path: allowed by what covers it all, denied by what touches any of
    /// it.
    Below,
    /// No resource of its own.
    Operation,
}

/// A resource as one language writes it, ready to be compared.
#[derive(Clone, Debug)]
pub(super) struct Target<'a> {
    pub(super) service: Service,
    pub(super) region: &'a str,
    pub(super) account: AccountId,
    pub(super) path: String,
    /// The other way to name the same thing.
    pub(super) alias: Option<String>,
    pub(super) extent: Extent,
}

impl<'a> Target<'a> {
    pub(super) fn new(language: Language, permission: Permission, resource: &Resource<'a>) -> Self {
        let form = permission.form(language);
        let service = permission.service(language);
        let (path, extent) = path(language, form, resource);
        let alias = match (form, language, resource) {
            (Form::Role, Language::Cam, Resource::Role { id, .. }) => Some(format!("role/{id}")),
            _ => None,
        };
        Self {
            service,
            region: resource.region(),
            account: resource.account(),
            path,
            alias,
            extent,
        }
    }

    /// Writes the target as a document would name it.
    pub(super) fn render(&self, language: Language) -> String {
        let Self {
            region,
            account,
            path,
            ..
        } = self;
        let service = self.service.name(language);
        match (self.extent, language) {
            (Extent::Operation, _) => "*".to_owned(),
            (extent, Language::Cam) => {
                format!(
                    "qcs::{service}:{region}:uin/{account}:{path}{}",
                    if extent == Extent::Below { "*" } else { "" }
                )
            }
            (extent, Language::Ram) => format!(
                "acs:{service}:{region}:{account}:{path}{}",
                if extent == Extent::Below { "*" } else { "" }
            ),
            (extent, Language::Iam) => format!(
                "arn:aws:{service}:{region}:{}:{path}{}",
                aws::account(*account),
                if extent == Extent::Below { "*" } else { "" }
            ),
        }
    }
}

/// Writes the last segment of a resource.
fn path(language: Language, form: Form, resource: &Resource<'_>) -> (String, Extent) {
    let one = |path: String| (path, Extent::One);
    let below = |path: String| (path, Extent::Below);
    if form == Form::Operation {
        return ("*".to_owned(), Extent::Operation);
    }
    if form == Form::Role {
        return match (resource, language) {
            (Resource::Role { id, name: "", .. }, Language::Cam) => one(format!("role/{id}")),
            (Resource::Role { name, .. }, Language::Cam) => one(format!("roleName/{name}")),
            (Resource::Role { name, .. }, Language::Ram | Language::Iam) => {
                one(format!("role/{name}"))
            }
            (_, Language::Cam) => below("roleName/".to_owned()),
            (_, Language::Ram | Language::Iam) => below("role/".to_owned()),
        };
    }
    if language == Language::Iam {
        return iam_path(form, resource);
    }
    let Some(instance) = resource.instance() else {
        return below(
            if form == Form::Instance {
                "instance/"
            } else {
                "repository/"
            }
            .to_owned(),
        );
    };
    let id = instance.id_in(language);
    let all = || below(format!("repository/{id}/"));
    let repository = match resource {
        Resource::Repository { path, .. } => Some(*path),
        _ => None,
    };
    match (form, resource.namespace(), repository) {
        (Form::Instance, ..) => one(format!("instance/{id}")),
        (Form::Registry, ..) => one(format!("repository/{id}")),
        (Form::Namespace, Some(namespace), _) => one(format!("repository/{id}/{namespace}")),
        (Form::Repository, _, Some(path)) => one(format!("repository/{id}/{path}")),
        (Form::AllInRepository, _, Some(path)) => below(format!("repository/{id}/{path}/")),
        (Form::AllInNamespace | Form::Repository | Form::AllInRepository, Some(namespace), _) => {
            below(format!("repository/{id}/{namespace}/"))
        }
        _ => all(),
    }
}

/// Writes the last part of an ARN. Names of repositories and namespaces name no instance, as in
/// ECR, where an account has one registry in a region.
fn iam_path(form: Form, resource: &Resource<'_>) -> (String, Extent) {
    let one = |path: String| (path, Extent::One);
    let below = |path: String| (path, Extent::Below);
    let repository = match resource {
        Resource::Repository { path, .. } => Some(*path),
        _ => None,
    };
    match (form, resource.namespace(), repository) {
        (Form::Instance, ..) => match resource.instance() {
            Some(instance) => one(format!("instance/{}", instance.id)),
            None => below("instance/".to_owned()),
        },
        (Form::Namespace, Some(namespace), _) => one(format!("namespace/{namespace}")),
        (Form::Namespace, None, _) => below("namespace/".to_owned()),
        (Form::Repository, _, Some(path)) => one(format!("repository/{path}")),
        (Form::AllInNamespace | Form::Repository, Some(namespace), _) => {
            below(format!("repository/{namespace}/"))
        }
        _ => below("repository/".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCR: &str = "tcr-abcd1234";
    const CRI: &str = "cri-abcdefgh12345678";

    fn render(permission: Permission, resource: &Resource<'_>) -> [String; 3] {
        Language::ALL.map(|language| Target::new(language, permission, resource).render(language))
    }

    #[test]
    fn resources_are_written_as_each_cloud_writes_them() {
        let (id, cri_id): (InstanceId, CriId) = (TCR.parse().unwrap(), CRI.parse().unwrap());
        let account = AccountId::new(100_000_000_001).unwrap();
        let instance = InstanceRef {
            account,
            region: "ap-guangzhou",
            id: &id,
            cri_id: &cri_id,
        };
        let repository = Resource::Repository {
            instance,
            path: "team/app",
        };
        let namespace = Resource::Namespace {
            instance,
            name: "team",
        };
        let role = Resource::Role {
            account,
            id: "4611686018427397919",
            name: "Builder",
        };
        let everything = Resource::Everything {
            account,
            region: "ap-guangzhou",
        };
        let cases: &[(Permission, &Resource<'_>, &str, &str, &str)] = &[
            (
                Permission::Pull,
                &repository,
                "repository/TCR/team/app",
                "repository/CRI/team/app",
                "ecr:repository/team/app",
            ),
            (
                Permission::Pull,
                &namespace,
                "repository/TCR/team/*",
                "repository/CRI/team/*",
                "ecr:repository/team/*",
            ),
            (
                Permission::Pull,
                &Resource::Instance(instance),
                "repository/TCR/*",
                "repository/CRI/*",
                "ecr:repository/*",
            ),
            (
                Permission::ListCatalog,
                &repository,
                "repository/TCR/*",
                "repository/CRI/*",
                "ecr:repository/*",
            ),
            (
                Permission::ListTags,
                &repository,
                "repository/TCR/team/app/*",
                "repository/CRI/team/app",
                "ecr:repository/team/app",
            ),
            (
                Permission::CreateNamespace,
                &namespace,
                "repository/TCR/team",
                "repository/CRI",
                "transire:namespace/team",
            ),
            (
                Permission::ListNamespaces,
                &Resource::Instance(instance),
                "repository/TCR/*",
                "repository/CRI/*",
                "transire:namespace/*",
            ),
            (
                Permission::DescribeNamespace,
                &repository,
                "repository/TCR/team",
                "repository/CRI/team",
                "transire:namespace/team",
            ),
            (
                Permission::ListRepositories,
                &namespace,
                "repository/TCR/team/*",
                "repository/CRI/team/*",
                "ecr:repository/team/*",
            ),
            (
                Permission::IssueLongTerm,
                &repository,
                "instance/TCR",
                "instance/CRI",
                "transire:instance/TCR",
            ),
            (
                Permission::CreateInstance,
                &everything,
                "instance/*",
                "instance/*",
                "transire:instance/*",
            ),
            (
                Permission::Pull,
                &everything,
                "repository/*",
                "repository/*",
                "ecr:repository/*",
            ),
        ];
        for (permission, resource, cam, ram, iam) in cases {
            let cam = format!(
                "qcs::tcr:ap-guangzhou:uin/{account}:{}",
                cam.replace("TCR", TCR)
            );
            let ram = format!("acs:cr:ap-guangzhou:{account}:{}", ram.replace("CRI", CRI));
            let (service, path) = iam.split_once(':').unwrap();
            let path = path.replace("TCR", TCR);
            let iam = format!("arn:aws:{service}:ap-guangzhou:{account}:{path}");
            assert_eq!(
                render(*permission, resource),
                [cam, ram, iam],
                "{permission}"
            );
        }
        assert_eq!(render(Permission::IssueTemporary, &repository)[1], "*");
        assert_eq!(
            render(Permission::GetFederationToken, &everything),
            ["*", "*", "*"]
        );
        assert_eq!(
            render(Permission::AssumeRole, &role),
            [
                format!("qcs::cam::uin/{account}:roleName/Builder"),
                format!("acs:ram::{account}:role/Builder"),
                format!("arn:aws:iam::{account}:role/Builder"),
            ]
        );
    }
}
