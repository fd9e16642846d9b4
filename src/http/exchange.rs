//! A request at its door, from its head to its answer.

use std::net::{IpAddr, Ipv4Addr};

use axum::response::Response;
use http::request::Parts;

use super::door::Shared;
use super::doors::{self, AnyDoor};
use super::request::{Head, Record};
use crate::domain::{Error, Result};
use crate::sign;

/// A request at the door that it came to.
pub(super) struct Exchange {
    pub(super) door: AnyDoor,
    pub(super) record: Record,
    /// Whether the admin API is served at this listener.
    pub(super) has_operators: bool,
    /// Whether the clouds' and the registries' APIs are.
    pub(super) has_clients: bool,
}

impl Exchange {
    /// Has the door prove the caller by the head alone.
    pub(super) async fn prove<'a>(
        &mut self,
        head: &Head<'_>,
        shared: &Shared<'_>,
    ) -> Result<Option<sign::Preview<'a>>> {
        let Self { door, record, .. } = self;
        door.prove(head, shared, record).await.map(|()| None)
    }

    /// Chooses the door, by what is known so far; fails when the request is signed in two ways.
    pub(super) fn open(&mut self, head: &Head<'_>) -> Result<()> {
        let choice = doors::choose(head);
        let is_signed_once = choice.check_signed_once();
        let is_served = match choice.door {
            AnyDoor::Admin(_) | AnyDoor::Console(_) => self.has_operators,
            AnyDoor::Plain(_) => true,
            _ => self.has_clients,
        };
        self.door = if is_served {
            choice.door
        } else {
            AnyDoor::unknown()
        };
        // The log's and the audit's id is the one that the client saw.
        self.door
            .spell_request_id(&mut self.record.context.request_id);
        is_signed_once
    }
}

/// Answers a request that the service can't take on with `error`, in the shape that its client
/// reads.
pub fn refusal(parts: &Parts, error: &Error, request_id: String) -> Response {
    let mut exchange = Exchange {
        door: AnyDoor::unknown(),
        record: Record::new(request_id, IpAddr::V4(Ipv4Addr::UNSPECIFIED), false),
        has_operators: true,
        has_clients: true,
    };
    // The error is said already.
    exchange.open(&Head::new(parts)).unwrap_or_default();
    exchange
        .door
        .refuse(error, &exchange.record.context.request_id)
}
