//! One event of the audit, bounded in bytes, and events as the text of a batch.
//!
//! Every event is an [`Event`] first, whether it becomes a row or a part of a batch. There the
//! texts that callers choose are bounded.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::domain::clock::{Random, Timestamp};
use crate::domain::credential::CredentialId;
use crate::domain::ids::AccountId;
use crate::domain::instance::Instance;
use crate::domain::{Error, Result};
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::actor::{Actor, Signature};
use crate::service::ledger::batch::pages;
use crate::service::ledger::encoded::Encoded;
use crate::service::request::RequestContext;
use crate::store::audit::{AuditRow, new_id};
use crate::store::audit_page::AuditLine;
use crate::store::{Unchanged, Write};

/// The most bytes of a detail as JSON.
const MAX_DETAIL_BYTES: usize = 1024;
/// How many of them say what was left out.
const CUT_BYTES: usize = 224;
/// The most bytes of a service as JSON.
const MAX_SERVICE_BYTES: usize = 255;
/// The most bytes of a principal as JSON: the longest is the subject of an OpenID Connect token,
/// with its provider.
const MAX_PRINCIPAL_BYTES: usize = 768;

/// One event: the action, its outcome, the caller and the thing. In a batch it is JSON with these
/// names.
///
/// It borrows its texts until it is written, once: as a row, or as text for the queue.
#[derive(Clone, Serialize)]
pub(in crate::service) struct Event<'a> {
    at: Timestamp,
    request_id: &'a str,
    action: AuditAction,
    outcome: &'static str,
    principal: Option<String>,
    account: Option<i64>,
    credential_id: Option<&'a str>,
    address: Option<IpAddr>,
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key: Option<&'a str>,
    detail: Option<Box<RawValue>>,
    /// The signature of the call, which makes one durable change.
    #[serde(skip)]
    signature: Option<Signature>,
    /// The condition under which the call makes its change.
    #[serde(skip)]
    unchanged: Option<&'a Unchanged>,
    /// The id of the thing that the call makes.
    #[serde(skip)]
    made: Option<&'a str>,
}

/// An event as it is read back.
#[derive(Deserialize)]
struct Decoded {
    at: Timestamp,
    request_id: String,
    action: String,
    outcome: String,
    principal: Option<String>,
    account: Option<i64>,
    credential_id: Option<String>,
    address: Option<String>,
    service: Option<String>,
    access_key: Option<String>,
    detail: Option<Box<RawValue>>,
}

impl<'a> Event<'a> {
    /// Begins an event with the outcome `ok`.
    pub(in crate::service) fn new(
        action: AuditAction,
        at: Timestamp,
        context: &'a RequestContext,
    ) -> Self {
        Self {
            at,
            request_id: &context.request_id,
            action,
            outcome: "ok",
            principal: None,
            account: None,
            credential_id: None,
            address: context.address,
            service: None,
            access_key: None,
            detail: None,
            signature: None,
            unchanged: None,
            made: None,
        }
    }

    /// Names the proved caller. Its signature makes one durable change.
    pub(in crate::service) fn by(mut self, actor: Actor<'a>) -> Self {
        self.signature = actor.signature;
        self.unchanged = actor.unchanged;
        self.access_key = actor.access_key;
        self.proved(actor.name, actor.account)
    }

    /// Names the thing that the call makes, so that a repetition of the call is told its id.
    pub(in crate::service) fn made(mut self, id: &'a str) -> Self {
        self.made = Some(id);
        self
    }

    /// Names the access key of the caller.
    pub(in crate::service) fn access_key(mut self, id: Option<&'a str>) -> Self {
        self.access_key = id;
        self
    }

    /// Names the account of the thing that is changed, if it has one.
    pub(in crate::service) fn of(mut self, account: Option<AccountId>) -> Self {
        self.account = account.map(AccountId::number).or(self.account);
        self
    }

    pub(in crate::service) fn credential(mut self, id: &'a CredentialId) -> Self {
        self.credential_id = Some(id.as_str());
        self
    }

    pub(in crate::service) fn instance(mut self, instance: &'a Instance) -> Self {
        self.service = Some(&instance.service);
        self.account = Some(instance.account.number());
        self
    }

    /// Names the service of an unauthenticated request; a long name is cut.
    pub(in crate::service) fn service(mut self, service: &'a str) -> Self {
        self.service = Some(&service[..fitting(service, MAX_SERVICE_BYTES)]);
        self
    }

    /// Names the principal that was proved, and its account.
    pub(in crate::service) fn proved(
        mut self,
        principal: Option<String>,
        account: Option<AccountId>,
    ) -> Self {
        self.principal = principal.map(|mut principal| {
            principal.truncate(fitting(&principal, MAX_PRINCIPAL_BYTES));
            principal
        });
        self.account = account.map(AccountId::number);
        self
    }

    /// Sets the outcome.
    pub(in crate::service) fn outcome(mut self, outcome: &'static str) -> Self {
        self.outcome = outcome;
        self
    }

    /// Names another address than the request's.
    pub(in crate::service) fn address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// Adds all else, as a JSON object of at most a kibibyte.
    ///
    /// Lists and texts of a longer one are cut. Its field `cut` then has the bytes of the whole,
    /// its SHA-256, and the number of elements of each list (or bytes of each text) that are left
    /// out. A detail that can't be written as JSON is left out.
    pub(in crate::service) fn detail(mut self, detail: impl Serialize) -> Self {
        self.detail = to_raw_value(&detail).ok().and_then(bounded);
        self
    }

    /// Adds the event to the write that makes its change; a signed call's signature makes no second
    /// one.
    pub(in crate::service) fn onto(self, write: Write, random: &dyn Random) -> Write {
        let write = match &self.signature {
            Some(signature) => write.once(signature.of_change(self.request_id, self.made)),
            None => write,
        };
        let write = match self.unchanged {
            Some(unchanged) => write.only_if(unchanged),
            None => write,
        };
        let id = new_id(random, write.made_at());
        // An event that can't be a line is a row.
        let line = self.encode().ok().map(|Encoded { at, text }| AuditLine {
            id: id.clone(),
            at,
            text,
            pages,
        });
        write.audit_as(&self.row(id), line)
    }

    /// Returns the event as a row of this id.
    pub(super) fn row(self, id: String) -> AuditRow {
        AuditRow {
            id,
            at: self.at,
            request_id: self.request_id.to_owned(),
            action: self.action.name().to_owned(),
            principal: self.principal,
            account: self.account,
            credential_id: self.credential_id.map(str::to_owned),
            address: self.address.map(|address| address.to_string()),
            service: self.service.map(str::to_owned),
            access_key: self.access_key.map(str::to_owned),
            detail: self
                .detail
                .map_or_else(String::new, |detail| detail.get().to_owned()),
            outcome: self.outcome.to_owned(),
        }
    }

    /// Returns the event as text.
    ///
    /// # Errors
    ///
    /// `Internal` when it can't be written as JSON.
    pub(super) fn encode(&self) -> Result<Encoded> {
        let detail = self.detail.as_ref().map_or(0, |detail| detail.get().len());
        let mut text = Vec::with_capacity(448 + detail);
        serde_json::to_writer(&mut text, self).map_err(Error::internal)?;
        text.push(b'\n');
        Ok(Encoded { at: self.at, text })
    }
}

/// The facts about the whole in a detail that was cut.
#[derive(Serialize)]
struct Cut {
    bytes: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    left_out: BTreeMap<String, usize>,
    sha256: String,
}

fn sha256_of(text: &str) -> String {
    hex::encode(digest(&SHA256, text.as_bytes()))
}

/// Returns a detail of at most [`MAX_DETAIL_BYTES`].
fn bounded(detail: Box<RawValue>) -> Option<Box<RawValue>> {
    let whole = detail.get();
    if whole.len() <= MAX_DETAIL_BYTES {
        return Some(detail);
    }
    let mut cut = Cut {
        bytes: whole.len(),
        left_out: BTreeMap::new(),
        sha256: sha256_of(whole),
    };
    let mut fields: Vec<(String, Value)> = serde_json::from_str::<Map<_, _>>(whole)
        .unwrap_or_default()
        .into_iter()
        .collect();
    // Short ones first, so that what they don't need is there for the long ones.
    fields.sort_by_cached_key(|(_, value)| json_length(value));
    let (mut left, mut shortened) = (MAX_DETAIL_BYTES - CUT_BYTES, Map::new());
    let mut cut_fields = Map::new();
    let count = fields.len();
    for (place, (name, value)) in fields.into_iter().enumerate() {
        // The name's quotes, the colon and the comma.
        let around = name.len() + 4;
        let room = (left / (count - place)).saturating_sub(around);
        if json_length(&value) > room {
            cut_fields.insert(name.clone(), value.clone());
        }
        let (value, left_out) = shorten(value, room);
        left = left.saturating_sub(json_length(&value) + around);
        if left_out > 0 {
            cut.left_out.insert(name.clone(), left_out);
        }
        shortened.insert(name, value);
    }
    // Of these alone: a token's own id differs between equal requests.
    cut.sha256 = sha256_of(&Value::Object(cut_fields).to_string());
    shortened.insert("cut".to_owned(), serde_json::to_value(&cut).ok()?);
    let shortened = to_raw_value(&shortened).ok()?;
    if shortened.get().len() <= MAX_DETAIL_BYTES {
        return Some(shortened);
    }
    // Of an object with too many fields, none is kept.
    cut.left_out.clear();
    to_raw_value(&BTreeMap::from([("cut", cut)])).ok()
}

/// Cuts a value to `room` bytes of JSON, and returns how many elements, or bytes of a text, were
/// cut.
fn shorten(value: Value, room: usize) -> (Value, usize) {
    if json_length(&value) <= room {
        return (value, 0);
    }
    match value {
        Value::Array(elements) => {
            let (all, mut room, mut kept) =
                (elements.len(), room.saturating_sub("[]".len()), Vec::new());
            for element in elements {
                let length = json_length(&element) + ",".len();
                if length > room {
                    if kept.is_empty() {
                        // Not whole, so it counts as left out.
                        return (Value::Array(vec![shorten(element, room).0]), all);
                    }
                    break;
                }
                room -= length;
                kept.push(element);
            }
            let left_out = all - kept.len();
            (Value::Array(kept), left_out)
        }
        Value::String(mut text) => {
            let all = text.len();
            text.truncate(fitting(&text, room.saturating_sub(r#""…""#.len())));
            let left_out = all - text.len();
            text.push('…');
            (Value::String(text), left_out)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => (Value::Null, 1),
    }
}

fn json_length(value: &Value) -> usize {
    value.to_string().len()
}

/// Returns how many bytes of a text take at most `room` bytes within a JSON string.
fn fitting(text: &str, room: usize) -> usize {
    let mut taken = 0;
    for (place, letter) in text.char_indices() {
        taken += match letter {
            '"' | '\\' => 2,
            ..' ' => 6,
            _ => letter.len_utf8(),
        };
        if taken > room {
            return place;
        }
    }
    text.len()
}

impl Decoded {
    /// Returns the event as a row. Its id is made of its batch's and of its place there.
    fn row(self, batch_id: &str, place: usize) -> AuditRow {
        AuditRow {
            id: format!("{batch_id}.{place:04}"),
            at: self.at,
            request_id: self.request_id,
            action: self.action,
            principal: self.principal,
            account: self.account,
            credential_id: self.credential_id,
            address: self.address,
            service: self.service,
            access_key: self.access_key,
            detail: self
                .detail
                .map_or_else(String::new, |detail| detail.get().to_owned()),
            outcome: self.outcome,
        }
    }
}

/// Reads the events of a batch whose lines are wanted.
///
/// # Errors
///
/// `Internal` naming the batch, for an event that can't be read.
pub(in crate::service) fn rows(
    batch_id: &str,
    events: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = Result<AuditRow>> {
    let unreadable = move |error| {
        Error::internal(format!(
            "table audit_page, column lines, id {batch_id}: {error}"
        ))
    };
    let lines = events.lines().enumerate();
    let wanted = lines.filter(move |(_, line)| is_wanted(line));
    wanted.map(move |(place, line)| {
        serde_json::from_str::<Decoded>(line)
            .map(|event| event.row(batch_id, place))
            .map_err(unreadable)
    })
}
