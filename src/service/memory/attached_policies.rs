//! The policies that are attached to a principal, compiled.

use crate::domain::ids::{AccountId, RoleId, UserId};
use crate::domain::{Error, Result};
use crate::policy::builtin::Builtin;
use crate::policy::{Document, Limits, NamedDocument};
use crate::store::{self, Store};

/// The policies of one principal, compiled.
pub(in crate::service) struct AttachedPolicies {
    owner: AccountId,
    documents: Vec<(String, Document)>,
    asks_for_time: bool,
}

impl AttachedPolicies {
    /// Compiles the policies that are attached to a user or a role; a name without a document is a
    /// built-in policy's.
    ///
    /// A stored document that can't be read any more is an internal error, and so refuses: leaving
    /// it out might leave out a deny.
    pub(in crate::service) fn compile(
        owner: AccountId,
        attached: Vec<(String, Option<String>)>,
    ) -> Result<Self> {
        let compile = |(name, text): (String, Option<String>)| {
            let document = match text {
                Some(text) => {
                    Document::parse(&text, Limits::POLICY)
                        .map_err(|error| unreadable(&name).caused_by(error))?
                        .document
                }
                None => Builtin::named(&name)
                    .ok_or_else(|| unreadable(&name))?
                    .document()?,
            };
            Ok((name, document))
        };
        let documents: Vec<_> = attached.into_iter().map(compile).collect::<Result<_>>()?;
        Ok(Self {
            owner,
            asks_for_time: documents.iter().any(|(_, one)| one.asks_for_time()),
            documents,
        })
    }

    /// Tells whether a decision by them may be another one at another time.
    pub(in crate::service) fn ask_for_time(&self) -> bool {
        self.asks_for_time
    }

    /// Returns the account whose policies they are.
    pub(in crate::service) fn owner(&self) -> AccountId {
        self.owner
    }

    pub(in crate::service) fn named(&self) -> Vec<NamedDocument<'_>> {
        self.documents
            .iter()
            .map(|(name, document)| NamedDocument {
                name,
                owner: self.owner,
                document,
            })
            .collect()
    }
}

fn unreadable(name: &str) -> Error {
    Error::internal(format!("the stored policy {name} can't be read"))
}

/// Reads the policies of a user.
pub(in crate::service) async fn rights_of_user(
    store: &Store,
    account: AccountId,
    user: UserId,
) -> Result<AttachedPolicies> {
    AttachedPolicies::compile(
        account,
        store::policy::documents_of_user(store, user).await?,
    )
}

/// Reads the policies of a role.
pub(in crate::service) async fn rights_of_role(
    store: &Store,
    account: AccountId,
    role: RoleId,
) -> Result<AttachedPolicies> {
    AttachedPolicies::compile(
        account,
        store::policy::documents_of_role(store, role).await?,
    )
}
