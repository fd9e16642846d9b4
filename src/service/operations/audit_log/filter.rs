//! Which events a listing has, as its reader says it and as the store is asked.

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::operator::OperatorPermission;
use crate::service::call::Call;
use crate::service::ledger::words::{overflow_mark, sessions_of, word};
use crate::store::audit::{
    AuditPosition, AuditRow, Order, Range, RowFilter, Term, TermKind, Wanted,
};
use crate::store::audit_page::{PageFilter, Span};

/// The filter of a listing: a span of time, and optionally what its events have in common.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// From this time on.
    pub since: Timestamp,
    /// Before this time.
    pub until: Timestamp,
    /// The account that it concerned.
    pub account: Option<AccountId>,
    /// The principal, as the audit names it; one that ends with `/` is a prefix, and so is
    /// `operator`.
    pub principal: Option<String>,
    /// The action; one that ends with `*` is a prefix: `tcr:*`.
    pub action: Option<String>,
    /// The outcome, such as `refused`.
    pub outcome: Option<String>,
    /// The id of the credential that was made, changed or used.
    pub credential: Option<String>,
    /// The id of the access key that signed the call, that the log-in's credential was issued to,
    /// that was made or changed, or that a refused caller claimed.
    pub access_key: Option<String>,
    /// The service of the instance's registry, which no other instance ever has.
    pub service: Option<String>,
    /// The client's address.
    pub address: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// Whether the newest event comes first.
    pub reverse: bool,
    /// The most events of a batch; a batch has fewer when they have many bytes.
    pub limit: Option<u32>,
}

impl AuditFilter {
    /// Selects all lines of a span of time.
    pub fn between(since: Timestamp, until: Timestamp) -> Self {
        Self {
            since,
            until,
            ..Self::default()
        }
    }

    /// Returns the filter for what a caller may read.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator.
    pub(super) fn permitted(&self, call: &Call<'_>) -> Result<Self> {
        call.caller
            .require_in_own_account(OperatorPermission::AuditRead)?;
        let mut filter = self.clone();
        if let Some(own) = call.caller.own_account() {
            filter.account = Some(own);
        }
        Ok(filter)
    }

    fn wanted_principal(&self) -> Wanted<'_> {
        match self.principal.as_deref() {
            None => Wanted::Any,
            // Of every operator: at the command line, with a token, and the service itself.
            Some("operator") => Wanted::Beginning("operator"),
            Some(beginning) if beginning.ends_with('/') => Wanted::Beginning(beginning),
            Some(principal) => Wanted::Exactly(principal),
        }
    }

    fn wanted_action(&self) -> Wanted<'_> {
        match self
            .action
            .as_deref()
            .map(|action| (action, action.strip_suffix('*')))
        {
            None => Wanted::Any,
            Some((_, Some(beginning))) => Wanted::Beginning(beginning),
            Some((action, None)) => Wanted::Exactly(action),
        }
    }

    fn wanted_outcome(&self) -> Wanted<'_> {
        self.outcome.as_deref().map_or(Wanted::Any, Wanted::Exactly)
    }

    pub(super) fn order(&self) -> Order {
        if self.reverse {
            Order::Back
        } else {
            Order::Forward
        }
    }

    /// Returns the times that are wanted beyond a position, both included.
    pub(super) fn times<'a>(&self, beyond: Option<&'a AuditPosition>) -> Range<'a> {
        Range {
            from: self.since,
            to: Timestamp::from_unix_millis(self.until.unix_millis().saturating_sub(1)),
            beyond,
            order: self.order(),
        }
    }

    /// Returns the filter of pages that end at a time or later.
    pub(super) fn of_pages(&self, span: Span, since: Timestamp) -> PageFilter {
        let pair = |kind, wanted| (word(kind, wanted), overflow_mark(kind));
        PageFilter {
            span,
            since,
            words: [
                pair("action", self.wanted_action()),
                pair("outcome", self.wanted_outcome()),
                pair("principal", self.wanted_principal()),
            ],
            terms: self.terms(),
        }
    }

    /// Returns the terms that a page has which has a wanted line.
    fn terms(&self) -> Vec<Term> {
        let principal = match self.wanted_principal() {
            Wanted::Any => None,
            Wanted::Exactly(principal) => Some(Term::new(TermKind::Principal, principal)),
            Wanted::Beginning(beginning) => {
                sessions_of(beginning).map(|sessions| Term::new(TermKind::Sessions, sessions))
            }
        };
        let texts = [
            (TermKind::Request, &self.request_id),
            (TermKind::Credential, &self.credential),
            (TermKind::AccessKey, &self.access_key),
            (TermKind::Service, &self.service),
            (TermKind::Address, &self.address),
        ];
        let terms = texts
            .into_iter()
            .filter_map(|(kind, text)| text.as_deref().map(|text| Term::new(kind, text)));
        terms.chain(principal).collect()
    }
}

/// A filter, ready to be held against many lines.
pub(super) struct Matcher<'a> {
    filter: &'a AuditFilter,
    /// Texts that a wanted line has, as JSON writes them: most lines are left out before they are
    /// read.
    texts: Vec<String>,
    /// The wanted access key as JSON.
    key: String,
    /// The fields of a detail that name it.
    in_detail: [String; 2],
}

impl<'a> Matcher<'a> {
    pub(super) fn new(filter: &'a AuditFilter) -> Self {
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let principal = match filter.wanted_principal() {
            Wanted::Exactly(principal) => Some(principal),
            Wanted::Any | Wanted::Beginning(_) => None,
        };
        let exact = [
            filter.request_id.as_deref(),
            filter.credential.as_deref(),
            filter.access_key.as_deref(),
            filter.service.as_deref(),
            filter.address.as_deref(),
            principal,
        ];
        let key = json(filter.access_key.as_deref().unwrap_or_default());
        Self {
            filter,
            texts: exact.into_iter().flatten().map(json).collect(),
            in_detail: ["access_key_id", "claimed"].map(|name| format!("\"{name}\":{key}")),
            key,
        }
    }

    /// Returns the filter of rows.
    pub(super) fn of_rows(&self) -> RowFilter<'_> {
        let filter = self.filter;
        RowFilter {
            action: filter.wanted_action(),
            outcome: filter.wanted_outcome(),
            principal: filter.wanted_principal(),
            credential: filter.credential.as_deref(),
            service: filter.service.as_deref(),
            address: filter.address.as_deref(),
            request_id: filter.request_id.as_deref(),
            access_key: filter.access_key.as_deref(),
            key_in_detail: Some(&self.key),
        }
    }

    /// Tells whether a line may be wanted, given as JSON.
    pub(super) fn may_have(&self, line: &str) -> bool {
        self.texts.iter().all(|text| line.contains(text))
    }

    /// Tells whether an event is wanted.
    pub(super) fn has(&self, row: &AuditRow) -> bool {
        (self.filter.since..self.filter.until).contains(&row.at) && self.has_at_any_time(row)
    }

    /// Tells whether an event would be wanted at another time.
    pub(super) fn has_at_any_time(&self, row: &AuditRow) -> bool {
        let filter = self.filter;
        let is = |wanted: &Option<String>, text: Option<&String>| {
            wanted.as_ref().is_none_or(|wanted| text == Some(wanted))
        };
        filter
            .wanted_principal()
            .fits(row.principal.as_deref().unwrap_or_default())
            && filter
                .account
                .is_none_or(|account| row.account == Some(account.number()))
            && filter.wanted_action().fits(&row.action)
            && filter.wanted_outcome().fits(&row.outcome)
            && is(&filter.request_id, Some(&row.request_id))
            && is(&filter.credential, row.credential_id.as_ref())
            && is(&filter.service, row.service.as_ref())
            && is(&filter.address, row.address.as_ref())
            && (is(&filter.access_key, row.access_key.as_ref())
                || self
                    .in_detail
                    .iter()
                    .any(|field| row.detail.contains(field)))
    }
}
