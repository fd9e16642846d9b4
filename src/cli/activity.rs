//! `transire activity`.

use super::session::Session;
use crate::admin::ShowActivity;
use crate::domain::Result;

/// Prints a line for each step; programs get all series.
pub(super) async fn run(session: &Session, asked: ShowActivity) -> Result<()> {
    let activity = session.ask(asked).await?;
    let output = session.output();
    if output.is_json() {
        return output.show_view(&activity);
    }
    output.list(activity.steps())
}
