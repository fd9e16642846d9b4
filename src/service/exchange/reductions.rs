//! The log of tokens that grant less than was asked for, and why.

use std::fmt::Write as _;

use crate::domain::Result;
use crate::domain::instance::Instance;
use crate::domain::printable::escape;
use crate::domain::scope::{Action, ResourceType, Scope, Scopes};
use crate::service::call::Call;
use crate::service::exchange::{Exchange, missing};
use crate::service::ledger::refusals::RefusedCaller;
use crate::service::rights::verdict::everything;

/// The most scopes of one request that the log explains.
const MAX_EXPLAINED: usize = 10;

/// The most bytes of each part of an explanation: the asked scope, the granted one, the reason.
const MAX_PART_BYTES: usize = 512;

/// The most bytes of all explanations of one request together. With the names in it, its log line
/// then has 4 KiB at most.
pub(in crate::service) const MAX_EXPLANATION_BYTES: usize = 3072;

/// The same for a request without a log-in, which anybody can send.
const MAX_UNAUTHENTICATED_BYTES: usize = 256;

/// The scopes of one request that aren't granted whole, as one text of bounded size.
pub(in crate::service) struct Explanations {
    max_bytes: usize,
    text: String,
    explained: usize,
    /// The number of further scopes that have no room in the text.
    more: usize,
}

impl Explanations {
    fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            text: String::new(),
            explained: 0,
            more: 0,
        }
    }

    /// Tells whether the text has no room for another scope.
    fn is_full(&self) -> bool {
        self.explained == MAX_EXPLAINED || self.text.len() >= self.max_bytes
    }

    /// Adds a scope with its granted actions and the reason for the others; counts it once the text
    /// is full.
    fn add(&mut self, scope: &str, granted: &str, why: &str) {
        if self.is_full() {
            self.more += 1;
            return;
        }
        let divider = if self.explained == 0 { "" } else { " | " };
        // Writing into text can't fail.
        write!(
            self.text,
            "{divider}scope={} granted={} {}",
            escaped(scope),
            escaped(granted),
            cut(why)
        )
        .unwrap_or_default();
        self.text
            .truncate(self.text.floor_char_boundary(self.max_bytes));
        self.explained += 1;
    }
}

impl Exchange {
    /// Logs one line that explains each scope that isn't granted whole.
    ///
    /// The client is told nothing: its token just has fewer actions, and the registry refuses
    /// later. Without this line, nobody could tell which policy was missing. `granted` is in the
    /// order of the asked scopes, without those of which nothing is granted.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable` when a policy that no cache has can't be read.
    pub(in crate::service) async fn log_reductions(
        &self,
        call: &Call<'_>,
        scopes: &Scopes,
        granted: &[Scope],
    ) -> Result<()> {
        let instance = call.caller.registry_instance()?;
        let principal = call.caller.audit_name();
        let caller = principal.as_ref().and(call.caller.account()).map_or_else(
            || RefusedCaller::of_address(call.request.address),
            RefusedCaller::Account,
        );
        if !self.ledger.refusals.take_explanation(caller, call.now) {
            return Ok(());
        }
        let mut reduced = Explanations::new(if principal.is_some() {
            MAX_EXPLANATION_BYTES
        } else {
            MAX_UNAUTHENTICATED_BYTES
        });
        let mut granted = granted.iter().peekable();
        let nothing = std::collections::BTreeSet::new();
        for scope in &scopes.asked {
            let held = granted.next_if(|held| held.is_of_resource(scope));
            let missing = missing(scope, held.map_or(&nothing, |held| &held.actions));
            if missing.is_empty() {
                continue;
            }
            // A reason costs policy decisions, so none is worked out for a scope that isn't shown.
            let why = if reduced.is_full() {
                String::new()
            } else {
                self.why_missing(call, instance, scope, missing).await?
            };
            reduced.add(
                &scope.to_string(),
                &held.map(ToString::to_string).unwrap_or_default(),
                &why,
            );
        }
        for text in &scopes.left_out {
            reduced.add(
                text,
                "",
                "it can't be read, or asks for actions that are unknown here",
            );
        }
        tracing::info!(
            request_id = call.request.request_id,
            principal,
            instance = instance.id.as_str(),
            more = (reduced.more > 0).then_some(reduced.more),
            "reduced: {}",
            reduced.text
        );
        Ok(())
    }

    /// Explains why each of the actions isn't granted; those that share a reason, together.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable` when a policy that no cache has can't be read.
    async fn why_missing(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        scope: &Scope,
        missing: impl IntoIterator<Item = Action>,
    ) -> Result<String> {
        let possible = everything(&scope.resource_type, &scope.name);
        if possible.is_empty() {
            return Ok(match &scope.resource_type {
                ResourceType::Registry => {
                    "of a registry, nothing but its catalog can be asked for".to_owned()
                }
                ResourceType::Repository | ResourceType::Other(_) => {
                    "nothing is ever granted on a resource of this type".to_owned()
                }
            });
        }
        let left = call
            .caller
            .narrowing()
            .map_or_else(|| possible.clone(), |narrowing| narrowing.actions_on(scope));
        let mut reasons: Vec<(String, String)> = Vec::new();
        for action in missing {
            let why = if possible.contains(&action) && !left.contains(&action) {
                "the credential is narrowed to less".to_owned()
            } else if possible.contains(&action) {
                let request = self.rights.request_for(call, action, scope, instance);
                let verdict = self
                    .rights
                    .verdict(call.caller.rights(), instance, &request)
                    .await?;
                self.rights
                    .reason(call.caller.rights(), &request, verdict)
                    .await?
            } else {
                "nobody can do that to such a thing".to_owned()
            };
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                // Writing into text can't fail.
                Some((_, actions)) => write!(actions, ",{}", action.name()).unwrap_or_default(),
                None => reasons.push((why, action.name().to_owned())),
            }
        }
        Ok(reasons
            .into_iter()
            .map(|(why, actions)| format!("{actions}: {why}"))
            .collect::<Vec<_>>()
            .join("; "))
    }
}

/// Escapes and cuts a text that a client chose, so that it can forge no log line.
fn escaped(text: &str) -> String {
    cut(&escape(cut(text))).to_owned()
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_PART_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_of_a_request_have_a_bounded_size_whatever_is_asked() {
        let long = "\u{202e}".repeat(10_000);
        let mut all = Explanations::new(MAX_EXPLANATION_BYTES);
        for _ in 0..1000 {
            all.add(&long, &long, &"reason ".repeat(1000));
        }
        assert!(
            all.text.len() <= MAX_EXPLANATION_BYTES && all.text.is_ascii(),
            "{}",
            all.text
        );
        assert_eq!(all.explained + all.more, 1000);
    }

    #[test]
    fn the_first_explanations_are_whole_and_the_others_are_counted() {
        let mut all = Explanations::new(MAX_EXPLANATION_BYTES);
        for number in 0..12 {
            all.add(
                &format!("repository:a{number}:pull,push"),
                "repository:a:pull",
                "push: no statement allows it",
            );
        }
        assert!(all.text.starts_with(
            "scope=repository:a0:pull,push granted=repository:a:pull \
             push: no statement allows it | scope="
        ));
        assert!(all.text.ends_with(
            "scope=repository:a9:pull,push granted=repository:a:pull push: no statement allows it"
        ));
        assert_eq!(all.more, 2);
    }
}
