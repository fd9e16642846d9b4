//! Looks at several tables at once, for an exchange by a long-term credential.

use crate::domain::Result;
use crate::domain::credential::{CredentialId, LongTermCredential};
use crate::domain::identity::User;
use crate::domain::ids::{AccountId, InstanceId, UserId};
use crate::domain::instance::Instance;
use crate::domain::namespace::Namespace;
use crate::domain::tag::Tag;

use super::account::Account;
use super::look::{Answers, Placed, Together};
use super::page::{Listed, Page};
use super::repository_policy::Known;
use super::tag::Tagged;
use super::{
    Store, account, credential, instance, namespace, policy, repository_policy, tag, user,
};

/// An instance's namespaces, and some of its repositories.
pub struct Surroundings {
    /// All namespaces that are recorded.
    pub namespaces: Vec<Namespace>,
    /// The repositories as far as they are recorded, in the order in which they were named.
    pub repositories: Vec<Option<Known>>,
}

/// A user, and what decides its rights at an instance.
pub struct UserAtInstance {
    /// The user, if it is there.
    pub user: Option<User>,
    /// Names of its policies, and the documents of those that are not built in.
    pub documents: Vec<(String, Option<String>)>,
    /// The instance's tags.
    pub tags: Vec<Tag>,
    /// The instance's namespaces and repositories.
    pub surroundings: Surroundings,
}

/// Finds the instance of a service, and a long-term credential.
///
/// # Errors
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn log_in(
    store: &Store,
    service: &str,
    id: &CredentialId,
) -> Result<(Option<Instance>, Option<LongTermCredential>)> {
    let mut together = Together::new();
    let instance = together.add(instance::finding_by_service(service));
    let credential = together.add(credential::finding(id));
    let answers = together.ask(store).await?;
    Ok((answers.read(instance)?, answers.read(credential)?))
}

/// Reads a user and its policies: their names, and the documents of those that are not built in.
///
/// # Errors
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn user_alone(
    store: &Store,
    id: UserId,
) -> Result<(Option<User>, Vec<(String, Option<String>)>)> {
    let mut together = Together::new();
    let user = together.add(user::finding(id));
    let documents = together.add(policy::documents(id));
    let answers = together.ask(store).await?;
    Ok((answers.read(user)?, answers.read(documents)?))
}

/// Reads a user's rights at an instance, and repositories of it by namespace and name.
///
/// # Errors
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn of_user(
    store: &Store,
    id: UserId,
    at: &InstanceId,
    repositories: &[(&str, &str)],
) -> Result<UserAtInstance> {
    let mut together = Together::new();
    let user = together.add(user::finding(id));
    let documents = together.add(policy::documents(id));
    let tags = together.add(tag::listing(Tagged::Instance(at)));
    let surroundings = Asked::add(&mut together, at, repositories);
    let answers = together.ask(store).await?;
    Ok(UserAtInstance {
        user: answers.read(user)?,
        documents: answers.read(documents)?,
        tags: answers.read(tags)?,
        surroundings: surroundings.read(&answers)?,
    })
}

/// Reads an account, and repositories of an instance by namespace and name.
///
/// # Errors
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn of_root(
    store: &Store,
    id: AccountId,
    at: &InstanceId,
    repositories: &[(&str, &str)],
) -> Result<(Option<Account>, Surroundings)> {
    let mut together = Together::new();
    let account = together.add(account::finding(id));
    let surroundings = Asked::add(&mut together, at, repositories);
    let answers = together.ask(store).await?;
    Ok((answers.read(account)?, surroundings.read(&answers)?))
}

/// The looks for [`Surroundings`].
struct Asked {
    namespaces: Placed<Listed<Namespace>>,
    repositories: Vec<Placed<Option<Known>>>,
}

impl Asked {
    fn add(together: &mut Together, at: &InstanceId, repositories: &[(&str, &str)]) -> Self {
        let namespaces = together.add(namespace::listing(at, None, Page::ALL));
        let repositories = repositories
            .iter()
            .map(|(namespace, name)| together.add(repository_policy::knowing(at, namespace, name)))
            .collect();
        Self {
            namespaces,
            repositories,
        }
    }

    fn read(self, answers: &Answers) -> Result<Surroundings> {
        let repositories = self.repositories.into_iter();
        Ok(Surroundings {
            namespaces: answers.read(self.namespaces)?.items,
            repositories: repositories
                .map(|repository| answers.read(repository))
                .collect::<Result<_>>()?,
        })
    }
}
