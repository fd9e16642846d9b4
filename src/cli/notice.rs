//! `transire notice`.

use clap::Subcommand;

use super::session::{List, Session};
use crate::admin::{ListNotices, RetryNotice, ShowNotice, TestWebhook};
use crate::domain::Result;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the notices of the last 30 days, the newest first.
    List(List<ListNotices>),
    /// Show a notice, and whether the webhook took it.
    Show(ShowNotice),
    /// Send a notice again that the webhook didn't take.
    Retry(RetryNotice),
    /// Make a notice that tries the webhook. The running service sends it.
    Test(TestWebhook),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.print(one).await,
        Command::Retry(one) => session.print(one).await,
        Command::Test(one) => session.print(one).await,
    }
}
