//! `transire audit`.

pub(super) mod verify;

use std::time::Duration;

use clap::{Args, Subcommand};

use self::verify::{Export, Verify, print_public_key};
use super::Ended;
use super::output::{Listing, Stdout, warn};
use super::session::Session;
use crate::admin::{FollowAudit, ListAudit, Selection};
use crate::domain::{Error, ErrorKind, Result};
use crate::views;

/// The pause between two looks for new events.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the audit's events, of actions and of refused requests, the oldest first.
    List(List),
    /// Verify that no line of the audit is missing or was changed. Exits with 1 if any was.
    Verify(Verify),
    /// Write the audit into a file that is verified without the data.
    Export(Export),
    /// Print the public keys that verify exported files, as a JWK set.
    PublicKey,
}

impl Command {
    /// Tells whether the command decides: it exits with 1 for "no", so its failures must exit with
    /// another code.
    pub(super) fn decides(&self) -> bool {
        matches!(self, Self::Verify(_))
    }

    /// Says why a command works on the service's machine alone, if it does.
    pub(super) fn why_here(&self) -> Option<&'static str> {
        match self {
            Self::List(_) => None,
            Self::Verify(_) | Self::Export(_) => Some("it reads the whole audit as it is stored"),
            Self::PublicKey => Some("it opens the keys with the master key"),
        }
    }
}

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    events: ListAudit,
    /// At most so many events.
    #[arg(long, value_name = "NUMBER", value_parser = limit)]
    limit: Option<usize>,
    /// Go on with the events that are stored from now on, until SIGINT (Ctrl-C); without --since,
    /// with those alone. JSON has a line for each event.
    #[arg(long, conflicts_with_all = ["reverse", "until"])]
    follow: bool,
}

pub(super) async fn run(session: &Session, command: Command) -> Result<Ended> {
    match command {
        Command::List(list) if list.follow => follow(session, list).await?,
        Command::List(all) => list(session, all).await?,
        Command::Verify(asked) => return asked.run(session).await,
        Command::Export(asked) => asked.run(session).await?,
        Command::PublicKey => print_public_key(session).await?,
    }
    Ok(Ended::Done)
}

async fn list(session: &Session, list: List) -> Result<()> {
    let selection = Selection {
        limit: list.limit,
        ..Selection::default()
    };
    session.pages(list.events, selection).await
}

/// Prints what is stored from now on, until its reader has enough.
async fn follow(session: &Session, list: List) -> Result<()> {
    let mut printed = Printed {
        listing: session.output().endless_listing()?,
        left: list.limit,
    };
    let mut asked = FollowAudit {
        filter: list.events,
        after: None,
    };
    let mut is_away = false;
    loop {
        match session.ask(asked.clone()).await {
            Ok(news) => {
                is_away = false;
                asked.after = Some(news.after);
                if printed.add(news.items)? == Wish::Enough {
                    return Ok(());
                }
                if news.has_more {
                    continue;
                }
            }
            // Once it began, it goes on.
            Err(error) if is_passing(&error) && asked.after.is_some() => {
                if !is_away {
                    warn(format!("{error} Events are shown once it is back."));
                }
                is_away = true;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(FOLLOW_INTERVAL).await;
    }
}

fn is_passing(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StoreUnavailable | ErrorKind::Overloaded
    )
}

/// Whether more events are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    More,
    Enough,
}

/// The events that were printed, and how many are left to be.
struct Printed {
    listing: Listing<views::AuditEvent>,
    left: Option<usize>,
}

impl Printed {
    /// Prints events, as many as are left; ends the list after the last one.
    fn add(&mut self, mut events: Vec<views::AuditEvent>) -> Result<Wish> {
        if let Some(left) = &mut self.left {
            events.truncate(*left);
            *left -= events.len();
        }
        if self.listing.add(events)? == Stdout::Closed {
            return Ok(Wish::Enough);
        }
        if self.left == Some(0) {
            self.listing.end()?;
            return Ok(Wish::Enough);
        }
        Ok(Wish::More)
    }
}

/// Reads how many events are listed at most.
fn limit(text: &str) -> Result<usize> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| {
        let why = "a limit is a number from 1 on, such as 100";
        Error::invalid_parameter("limit", why)
    })
}
