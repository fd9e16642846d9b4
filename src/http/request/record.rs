//! The record of a request while it is served.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::domain::Result;
use crate::domain::ids::AccountId;
use crate::domain::principal::Principal;
use crate::domain::scope::Scope;
use crate::service::{
    AskedToken, Caller, Claim, Exchanged, LogIn, Purpose, RequestContext, Service,
};

/// An operation, as its API's table has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OperationRow {
    /// Its place in the table.
    pub(crate) index: usize,
    /// The action that names it, where an action does.
    pub(crate) action: Option<&'static str>,
    /// The product that it belongs to, as policies name it.
    pub(crate) product: &'static str,
    /// The name in the log and in metrics.
    pub(crate) name: &'static str,
    /// The name that calls are counted under, which is the audit's, too.
    pub(crate) counted_as: &'static str,
    /// Whether it only reads.
    pub(crate) purpose: Purpose,
}

/// Marks the answer that holds a long-term credential, for what counts answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IssuedLongTerm;

/// The facts about a request that its answer, the log, the audit and the metrics need.
#[derive(Debug)]
pub(crate) struct Record {
    /// The request's id and the client's address.
    pub(crate) context: RequestContext,
    /// The operation, once it is known.
    pub(crate) operation: Option<&'static OperationRow>,
    /// The client's word for an operation that isn't served; empty where there is none.
    pub(crate) unknown_action: String,
    /// The signing principal.
    pub(crate) principal: Option<Principal>,
    /// The access key that signed, or that the credential which logged in was issued to.
    pub(crate) access_key: Option<String>,
    /// A caller that is no principal: the bearer of an OpenID Connect token, a service account.
    bearer: OnceLock<(String, Option<AccountId>)>,
    /// The identity that was claimed in vain.
    pub(crate) claim: Option<Box<Claim>>,
    /// Whether a failure from here on is counted already, or no stranger's.
    is_settled: AtomicBool,
}

impl Record {
    /// Begins the record of a request from `address`.
    pub(crate) fn new(request_id: String, address: IpAddr, secure_transport: bool) -> Self {
        Self {
            context: RequestContext {
                request_id,
                address: Some(address),
                secure_transport,
            },
            operation: None,
            unknown_action: String::new(),
            principal: None,
            access_key: None,
            bearer: OnceLock::new(),
            claim: None,
            is_settled: AtomicBool::new(false),
        }
    }

    /// Returns the operation's name, or the client's word for it.
    pub(crate) fn action(&self) -> &str {
        self.operation
            .map_or(&self.unknown_action, |operation| operation.name)
    }

    /// Returns whether the client proved an identity.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.principal.is_some() || self.bearer.get().is_some()
    }

    /// Leaves it to a use case to charge the address, and returns the context for that.
    pub(crate) fn settle(&self) -> &RequestContext {
        self.is_settled.store(true, Ordering::Relaxed);
        &self.context
    }

    /// Proves who logs in at a registry's instance, and notes that, or the claim of a failure.
    ///
    /// # Errors
    ///
    /// Those of the log-in, which counts its failures itself: by address and by credential.
    pub(crate) async fn log_in(
        &mut self,
        service: &Service,
        registry: &str,
        log_in: &LogIn,
        scopes: &[Scope],
    ) -> Result<Caller> {
        let proved = service.access.log_in(registry, log_in, self.settle()).await;
        if proved.is_err() {
            self.claim = Some(Box::new(service.access.claim(registry, log_in, scopes)));
        }
        let caller = proved?;
        self.note_principal(&caller);
        if self.principal.is_none() {
            self.note_caller(&caller);
        }
        Ok(caller)
    }

    /// Exchanges a log-in for a token. Where the same was decided a moment ago, and nothing changed
    /// since, it is given again.
    ///
    /// # Errors
    ///
    /// Those of the log-in and of the exchange.
    pub(crate) async fn exchange(
        &mut self,
        service: &Service,
        registry: &str,
        log_in: &LogIn,
        asked: &AskedToken<'_>,
    ) -> Result<Exchanged> {
        let question = service
            .exchange
            .question(registry, log_in, asked.scopes, &self.context);
        if let Some(decision) = service.exchange.recall(&question) {
            let caller = decision.caller();
            self.settle();
            self.note_principal(caller);
            let call = service.call(caller, &self.context);
            return service.exchange.token_again(&call, asked, &decision).await;
        }
        // Boxed: each part that it is handed on to has room for all of it otherwise.
        let exchanging = Box::pin(async {
            let scopes = &asked.scopes.asked;
            service
                .exchange
                .read_ahead(registry, log_in, scopes)
                .await?;
            let caller = self.log_in(service, registry, log_in, scopes).await?;
            let call = service.call(&caller, &self.context);
            let exchanged = service.exchange.token(&call, asked).await?;
            Ok((caller, exchanged))
        });
        service.exchange.remembering(question, exchanging).await
    }

    /// Returns whether a failure is still to be charged to the address.
    pub(crate) fn is_strangers(&self) -> bool {
        !self.is_authenticated() && !self.is_settled.load(Ordering::Relaxed)
    }

    /// Notes the access key of a call that proved nothing.
    pub(crate) fn claim_access_key(&mut self, id: &str) {
        self.claim = Some(Box::new(Claim::of_access_key(id)));
    }

    /// Notes the principal that a caller acts for, and its access key.
    pub(crate) fn note_principal(&mut self, caller: &Caller) {
        self.principal = caller.principal().cloned();
        self.access_key = caller.access_key().map(str::to_owned);
    }

    /// Notes a caller that is no principal.
    pub(crate) fn note_caller(&self, caller: &Caller) {
        if let (None, Some(name)) = (caller.principal(), caller.audit_name()) {
            // No request proves two identities.
            self.bearer
                .set((name, caller.account()))
                .unwrap_or_default();
        }
    }

    /// Returns the caller's name in the audit, and its account.
    pub(crate) fn caller(&self) -> (Option<String>, Option<AccountId>) {
        match (&self.principal, self.bearer.get()) {
            (Some(principal), _) => (Some(principal.to_string()), Some(principal.account())),
            (None, Some((name, account))) => (Some(name.clone()), *account),
            (None, None) => (None, None),
        }
    }
}
