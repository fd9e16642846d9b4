//! The policies that are attached to a principal, compiled.

use crate::domain::ids::{AccountId, RoleId, UserId};
use crate::domain::{Error, Result};
use crate::policy::builtin::Builtin;
use crate::policy::{Document, Limits, PolicySet};
use crate::store::{self, Store};

/// Compiles the policies that are attached to a user or a role; a name without a document is a
/// built-in policy's.
///
/// A stored document that can't be read any more is an internal error, and so refuses: leaving it
/// out might leave out a deny.
pub(in crate::service) fn compile(
    owner: AccountId,
    attached: Vec<(String, Option<String>)>,
) -> Result<PolicySet> {
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
    let documents = attached.into_iter().map(compile).collect::<Result<_>>()?;
    Ok(PolicySet::new(owner, documents))
}

fn unreadable(name: &str) -> Error {
    Error::internal(format!("the stored policy {name} can't be read"))
}

/// Reads the policies of a user.
pub(in crate::service) async fn rights_of_user(
    store: &Store,
    account: AccountId,
    user: UserId,
) -> Result<PolicySet> {
    compile(
        account,
        store::policy::documents_of_user(store, user).await?,
    )
}

/// Reads the policies of a role.
pub(in crate::service) async fn rights_of_role(
    store: &Store,
    account: AccountId,
    role: RoleId,
) -> Result<PolicySet> {
    compile(
        account,
        store::policy::documents_of_role(store, role).await?,
    )
}
