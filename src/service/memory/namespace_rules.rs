//! The rules of namespaces that the token exchange goes by.

use std::collections::HashMap;

use crate::domain::Result;
use crate::domain::ids::InstanceId;
use crate::domain::namespace::{Namespace, Visibility};
use crate::domain::switch::Switch;
use crate::store::page::Page;
use crate::store::{self, Store};

/// The rules of an instance's namespaces, by their names.
pub(in crate::service) struct Namespaces(pub(in crate::service) HashMap<String, Rule>);

/// The rule of a namespace at the exchange.
#[derive(Clone, Copy, Debug)]
pub(in crate::service) struct Rule {
    pub(in crate::service) visibility: Visibility,
    pub(in crate::service) auto_create_repository: Switch,
    pub(in crate::service) default_visibility: Visibility,
}

impl Namespaces {
    /// Takes the rules of all namespaces of an instance.
    pub(in crate::service) fn of(namespaces: Vec<Namespace>) -> Self {
        let rule = |namespace: Namespace| {
            let Namespace {
                name,
                visibility,
                auto_create_repository,
                default_visibility,
                ..
            } = namespace;
            (
                name,
                Rule {
                    visibility,
                    auto_create_repository,
                    default_visibility,
                },
            )
        };
        Self(namespaces.into_iter().map(rule).collect())
    }

    /// Returns a namespace's visibility; one that isn't recorded is private.
    pub(in crate::service) fn visibility(&self, name: &str) -> Visibility {
        self.0
            .get(name)
            .map_or(Visibility::Private, |rule| rule.visibility)
    }
}

/// Reads the rules of an instance's namespaces.
pub(in crate::service) async fn rules(store: &Store, instance: &InstanceId) -> Result<Namespaces> {
    let namespaces = store::namespace::list(store, instance, None, Page::ALL)
        .await?
        .items;
    Ok(Namespaces::of(namespaces))
}
