//! Operators' tokens.
//!
//! A client hears one refusal, whatever is wrong with its token: the log and the audit have the
//! cause.

use subtle::ConstantTimeEq;

use crate::domain::clock::Timestamp;
use crate::domain::operator::{
    Administrator, Operator, OperatorId, OperatorState, operator_of_token,
};
use crate::domain::refusal::{ClaimedName, RefusalCause};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::access::Access;
use crate::service::access::caller::{Caller, Proof};
use crate::service::ledger::refusals::Claim;
use crate::service::limits::attempt::Attempt;
use crate::service::memory::operators::Operators;
use crate::service::request::RequestContext;
use crate::sign::sha256;

/// The username under which an address's failures with operators' tokens are counted: no registry
/// client can have it.
const FAILURE_KEY: &str = "operator/";

impl Access {
    /// Proves an operator by its token.
    ///
    /// Failures are limited by address, as those of log-ins are. A right token is taken from any
    /// address.
    ///
    /// # Errors
    /// `BadCredentials` for each [`RefusalCause`], which is its source: clients hear the same.
    /// `AddressThrottled` after too many failures; `StoreUnavailable` while this process may have
    /// missed that an operator was disabled.
    pub async fn authenticate_operator(
        &self,
        token: &Secret,
        context: &RequestContext,
    ) -> Result<Caller> {
        self.memory.require_fresh().await?;
        let mut attempt = Attempt::new(context.address);
        let error = match self.prove_or_refresh(token, &mut attempt, context).await {
            Ok(Ok(administrator)) => {
                self.limits.give_back(&attempt);
                return Ok(Proof::Administrator(administrator).into());
            }
            Ok(Err(cause @ RefusalCause::UnreadableSecret)) => Error::bad_operator_token(cause),
            // Another replica may have made the operator, or given it this token.
            Ok(Err(cause)) => self
                .memory
                .downgrade_if_stale(Error::bad_operator_token(cause)),
            Err(error) => error,
        };
        Err(self.charge_wrong_secret(FAILURE_KEY, token, &mut attempt, error))
    }

    /// Counts a request of an operator that has a token.
    ///
    /// # Errors
    /// `Throttled` when it sent too many.
    pub fn throttle_operator(&self, caller: &Caller) -> Result<()> {
        match caller.administrator() {
            Some(Administrator::Named { id, .. }) => {
                self.limits.operators.count(id, self.base.now())
            }
            Some(Administrator::SignedOn { identity, .. }) => {
                self.limits.operators.count(identity, self.base.now())
            }
            Some(Administrator::Local { .. }) | None => Ok(()),
        }
    }

    /// Returns what a refused token claims, for log and audit; nothing of it need be true.
    pub fn claim_of_operator(&self, token: &Secret) -> Claim {
        let known = operator_of_token(token.expose())
            .zip(self.memory.cache.known_operators())
            .and_then(|(id, operators)| Some(operators.get(&id)?.name.clone()));
        Claim::of_operator(known.map(|name| ClaimedName::of(&name, None)))
    }

    /// Proves an operator. A token that isn't known may have been made a moment ago by a command or
    /// at another replica: the change feed is read before it is refused.
    async fn prove_or_refresh(
        &self,
        token: &Secret,
        attempt: &mut Attempt,
        context: &RequestContext,
    ) -> Result<Result<Administrator, RefusalCause>> {
        match self.prove_operator(token, attempt).await? {
            // Both alike, so that the time tells nothing of which operators there are.
            Err(RefusalCause::UnknownOperator | RefusalCause::WrongSecret) => {}
            judged => return Ok(judged),
        }
        let priority = self.priority_of(context);
        Box::pin(self.memory.refresh_for_newer(priority)).await?;
        self.prove_operator(token, attempt).await
    }

    async fn prove_operator(
        &self,
        token: &Secret,
        attempt: &mut Attempt,
    ) -> Result<Result<Administrator, RefusalCause>> {
        let Some(id) = operator_of_token(token.expose()) else {
            return Ok(Err(RefusalCause::UnreadableSecret));
        };
        let operators = match self.memory.cache.known_operators() {
            Some(known) => known,
            None => {
                let _permit = self.limits.lookup_permit(attempt).await?;
                self.memory.cache.operators(&self.base.store).await?
            }
        };
        Ok(judge(&operators, &id, &hash_of(token), self.base.now()))
    }
}

/// Returns the operator that a token of this hash proves, or why it proves none. An unknown one
/// costs the same comparisons as a known one.
pub(super) fn judge(
    operators: &Operators,
    id: &OperatorId,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Administrator, RefusalCause> {
    let found = operators.get(id);
    let older = found.and_then(|operator| operator.older_token.as_ref());
    let is =
        |expected: Option<&[u8; 32]>| -> bool { hash.ct_eq(expected.unwrap_or(&[0; 32])).into() };
    let is_present = is(found.map(|operator| &operator.token_hash));
    let is_older = is(older.map(|older| &older.hash));
    let operator: &Operator = found.ok_or(RefusalCause::UnknownOperator)?;
    if !is_present && !is_older {
        return Err(RefusalCause::WrongSecret);
    }
    if operator.state == OperatorState::Disabled {
        return Err(RefusalCause::OperatorDisabled);
    }
    if !is_present && older.is_none_or(|older| older.ends_at <= now) {
        return Err(RefusalCause::Expired);
    }
    Ok(Administrator::Named {
        id: operator.id.clone(),
        name: operator.name.clone(),
        role: operator.role,
    })
}

/// Returns the hash of a token, as it is stored.
pub(super) fn hash_of(token: &Secret) -> [u8; 32] {
    sha256(token.expose().as_bytes())
}
