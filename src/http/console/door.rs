//! Recognises requests for the console, proves their sessions, and answers with pages.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, header};

use super::envelope::Envelope;
use super::pages::{Visit, check, explain, field, form, item, list, log_in, overview, state, tail};
use super::words::Language;
use super::{assets, cookie, protection, sso, tree};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::http::Settings;
use crate::http::door::{BodyRule, Door, Evidence, Incoming, Shared, Strength};
use crate::http::operators::operations::{self, Found, OPERATIONS, Search};
use crate::http::request::respond::add_request_id;
use crate::http::request::{Head, OperationRow, Record};
use crate::service::{AuditAction, OpenConsole, Service};

/// The path to which the form of a log-in goes.
const LOG_IN: &str = "/console/log-in";
const LOG_OUT: &str = "/console/log-out";
/// The path to which the choice of the language goes.
const LANGUAGE: &str = "/console/language";
/// The path to which a document goes while somebody writes it.
const CHECK: &str = "/console/check-policy";
/// The beginning of the paths of forms.
const FORMS: &str = "/console/do/";

/// The name in the audit of a request that was refused before its operation was known.
const UNKNOWN: &str = "console:request";

/// The door of the console.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    envelope: Envelope,
}

impl Door for Console {
    const NAME: &'static str = "console";
    const OPERATIONS: &'static [OperationRow] = OPERATIONS;
    const UNNAMED_ACTION: &'static str = "console";

    type Envelope = Envelope;

    fn claims(head: &Head<'_>) -> Option<(Evidence, Self)> {
        let rest = head.path().strip_prefix(tree::BASE)?;
        let envelope = Envelope::of(head);
        let is_below = rest.is_empty() || rest.starts_with('/');
        is_below.then_some((Evidence::unsigned(Strength::Path), Self { envelope }))
    }

    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    async fn answer_at_once(
        &self,
        head: &Head<'_>,
        _shared: &Shared<'_>,
    ) -> Result<Option<Response>> {
        Ok(assets::find(head.path()).filter(|_| head.parts.method == Method::GET))
    }

    fn body_rule(&self, head: &Head<'_>, settings: &Settings) -> BodyRule {
        let is_strangers = matches!(head.path(), LOG_IN | LANGUAGE | sso::PATH);
        match (&head.parts.method, is_strangers) {
            (&Method::GET, _) => BodyRule::Unread,
            (_, true) => BodyRule::Unsigned,
            (_, false) => BodyRule::Proved {
                limit: operations::max_body_bytes(takes_document(head.path()), settings),
            },
        }
    }

    /// A stranger is refused before its body is read.
    async fn prove(&self, head: &Head<'_>, shared: &Shared<'_>, record: &mut Record) -> Result<()> {
        self.envelope.sso(shared.service);
        session(head, shared, record).await.map(drop)
    }

    async fn answer(
        &self,
        request: Incoming<'_>,
        shared: &Shared<'_>,
        record: &mut Record,
    ) -> Result<Response> {
        let parts = request.head.parts;
        // An error that leads to the log-in offers it, too.
        self.envelope.sso(shared.service);
        protection::check_transport(&record.context)?;
        protection::check_host(&request.head, shared.settings)?;
        match parts.method {
            // Boxed: every request has room for the largest answer of all doors otherwise.
            Method::GET => Box::pin(self.show(&request, shared, record)).await,
            Method::POST => {
                protection::check_origin(&parts.headers)?;
                Box::pin(self.act(&request, shared, record)).await
            }
            _ => Err(Error::unsupported(
                "A page is read by GET, and a form is sent by POST.",
            )),
        }
    }

    fn audited_action(&self, _: &Head<'_>, record: &Record) -> Option<AuditAction> {
        let operation = record.operation.map(|operation| operation.counted_as);
        Some(AuditAction::Operation(operation.unwrap_or(UNKNOWN)))
    }

    fn complete(&self, _: &Head<'_>, _: &Shared<'_>, record: &Record, response: &mut Response) {
        protection::add_headers(response);
        add_request_id(response, record);
    }
}

impl Console {
    /// Shows a page. Without a session it is the log-in, whatever was asked for.
    async fn show(
        &self,
        request: &Incoming<'_>,
        shared: &Shared<'_>,
        record: &mut Record,
    ) -> Result<Response> {
        let (parts, head) = (request.head.parts, &request.head);
        let language = Language::of(&parts.headers);
        let (path, query) = (head.path(), parts.uri.query().unwrap_or_default());
        let query = pairs(query.as_bytes());
        if path == sso::PATH && sso::is_answer(&query) {
            return sso::finish(head, shared, record, &query).await;
        }
        let is_stranger = cookie::session(&parts.headers, &record.context).is_none();
        if is_stranger || matches!(path, LOG_IN | sso::PATH) {
            let request_id = &record.context.request_id;
            let offered = self.envelope.sso(shared.service);
            return Ok(log_in::page_for(language, offered, None, request_id));
        }
        let open = session(head, shared, record).await?;
        let here = parts
            .uri
            .path_and_query()
            .map_or(path, |both| both.as_str());
        let found = found(path)?;
        record.operation = found.operation();
        let visit = Visit {
            service: shared.service,
            record,
            open: &open,
            language,
            here,
            query,
        };
        match found {
            Place::Overview => overview::show(&visit).await,
            Place::Form(route, _) => form::show(&visit, route).await,
            Place::Explain(_) => explain::show(&visit).await,
            Place::Tail(_) => tail::show(&visit).await,
            Place::Check(_) => Err(gone()),
            Place::State(_) => state::show(&visit),
            Place::Page(found) if found.route.download.is_some() => state::show(&visit),
            Place::Page(found) if found.route.name() == "ExplainRequest" => {
                let request_id = found.fields.first().map_or("", |(_, value)| value);
                explain::show_request(&visit, request_id).await
            }
            Place::Page(found) if found.route.is_list => list::show(&visit, &found).await,
            Place::Page(found) => item::show(&visit, &found).await,
        }
    }

    /// Does what a form says.
    async fn act(
        &self,
        request: &Incoming<'_>,
        shared: &Shared<'_>,
        record: &mut Record,
    ) -> Result<Response> {
        let (parts, head) = (request.head.parts, &request.head);
        let form = pairs(request.body);
        let value = |name: &str| field(&form, name);
        match head.path() {
            LOG_IN => {
                let token = Secret::new(value(form::TOKEN).unwrap_or_default().trim());
                return log_in(&token, shared.service, record).await;
            }
            sso::PATH => {
                let (word, back) = (value(form::FORM_TOKEN), value(sso::BACK));
                return begin_sso(head, shared, record, word, back).await;
            }
            LANGUAGE => return choose_language(value("language").unwrap_or_default()),
            _ => {}
        }
        let open = session(head, shared, record).await?;
        protection::check_form(value(form::FORM_TOKEN), &open.form_token)?;
        if head.path() == LOG_OUT {
            let access = &shared.service.access;
            access.close_console(&open, &record.context).await?;
            return with_cookie(cookie::gone(&record.context)?);
        }
        let found = found(head.path())?;
        record.operation = found.operation();
        let visit = Visit {
            service: shared.service,
            record,
            open: &open,
            language: Language::of(&parts.headers),
            here: parts
                .uri
                .path_and_query()
                .map_or(head.path(), |both| both.as_str()),
            query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
        };
        match found {
            Place::Form(route, _) => form::act(&visit, route, &form).await,
            Place::Tail(_) => tail::act(&visit, &form, is_fragment(&parts.headers)).await,
            Place::Check(_) => check::act(&visit, &form).await,
            Place::State(_) => state::act(&visit, &form).await,
            Place::Page(found) if found.route.download.is_some() => {
                state::download(&visit, &found, &form).await
            }
            Place::Overview | Place::Explain(_) | Place::Page(_) => {
                Err(Error::unsupported("Nothing is sent to this page."))
            }
        }
    }
}

/// The page that a path names.
enum Place {
    Overview,
    Form(&'static crate::admin::Route, &'static OperationRow),
    Explain(&'static OperationRow),
    Tail(&'static OperationRow),
    Check(&'static OperationRow),
    State(&'static OperationRow),
    Page(Found),
}

impl Place {
    fn operation(&self) -> Option<&'static OperationRow> {
        match self {
            Self::Overview => None,
            Self::Form(_, row)
            | Self::Explain(row)
            | Self::Tail(row)
            | Self::Check(row)
            | Self::State(row) => Some(row),
            Self::Page(found) => Some(found.row),
        }
    }
}

fn gone() -> Error {
    Error::not_found(Noun::Setting, "at this path; the overview is at /console")
}

/// Tells whether a page that is open asks for a part of it.
fn is_fragment(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request")
}

/// Tells whether a form may bring the text of a file.
fn takes_document(path: &str) -> bool {
    match found(path) {
        Ok(Place::State(_)) => true,
        Ok(Place::Form(route, _)) => route.takes_document,
        _ => false,
    }
}

fn found(path: &str) -> Result<Place> {
    let row = |name| operations::named(name).map(|(_, row)| row).ok_or_else(gone);
    match path {
        tree::EXPLAIN => return Ok(Place::Explain(row("Explain")?)),
        tree::STATE => return Ok(Place::State(row("ApplyState")?)),
        tree::TAIL => return Ok(Place::Tail(row("FollowAudit")?)),
        CHECK => return Ok(Place::Check(row("CheckPolicy")?)),
        _ => {}
    }
    if let Some(name) = path.strip_prefix(FORMS) {
        let (route, row) = operations::named(name).ok_or_else(gone)?;
        return Ok(Place::Form(route, row));
    }
    let below = path.strip_prefix(tree::BASE).unwrap_or(path);
    if matches!(below, "" | "/") {
        return Ok(Place::Overview);
    }
    match operations::find(&Method::GET, below)? {
        Search::Found(found) => Ok(Place::Page(found)),
        Search::OtherMethods(_) | Search::Nothing => Err(gone()),
    }
}

/// Proves the session of a request.
async fn session(head: &Head<'_>, shared: &Shared<'_>, record: &mut Record) -> Result<OpenConsole> {
    protection::check_transport(&record.context)?;
    protection::check_host(head, shared.settings)?;
    let Some(secret) = cookie::session(&head.parts.headers, &record.context) else {
        return Err(Error::new(
            ErrorKind::BadCredentials,
            "Log in to send this form.",
        ));
    };
    let access = &shared.service.access;
    let open = access.console_session(&secret, record.settle()).await?;
    record.note_caller(&open.caller);
    access.throttle_operator(&open.caller)?;
    Ok(open)
}

/// Logs an operator in, and leads to the overview.
async fn log_in(token: &Secret, service: &Service, record: &mut Record) -> Result<Response> {
    let access = &service.access;
    match access.open_console(token, record.settle()).await {
        Ok((caller, new)) => {
            record.note_caller(&caller);
            with_cookie(cookie::of_session(&new, &record.context)?)
        }
        Err(error) => {
            record.claim = Some(Box::new(access.claim_of_operator(token)));
            Err(error)
        }
    }
}

/// Begins a log-in at the issuer: a stranger's, or, with the word of its forms, that of a session
/// that proves itself again.
async fn begin_sso(
    head: &Head<'_>,
    shared: &Shared<'_>,
    record: &mut Record,
    word: Option<&str>,
    back: Option<&str>,
) -> Result<Response> {
    let open = match word {
        Some(word) => {
            let open = session(head, shared, record).await?;
            protection::check_form(Some(word), &open.form_token)?;
            Some(open)
        }
        None => None,
    };
    sso::begin(
        head,
        shared,
        record,
        back.unwrap_or_default(),
        open.as_ref(),
    )
    .await
}

/// Leads to the overview, and sets a cookie.
fn with_cookie(cookie: HeaderValue) -> Result<Response> {
    let mut answer = protection::see(tree::BASE)?;
    answer.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(answer)
}

/// Keeps the chosen language for a year.
fn choose_language(code: &str) -> Result<Response> {
    let chosen = Language::named(code).code();
    let name = cookie::LANGUAGE;
    // It is no secret, and what leads back from an issuer speaks the language, too.
    let cookie = format!("{name}={chosen}; Path=/console; Max-Age=31536000; SameSite=Lax");
    with_cookie(HeaderValue::from_str(&cookie).map_err(Error::internal)?)
}

/// The most fields of a form or a query; the widest operation has some twenty.
const MAX_PAIRS: usize = 100;

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded)
        .take(MAX_PAIRS)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}
