//! Pokes as a stream of events: something a person may see was touched. They say that, and nothing of what it was.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::Event;
use futures::{Stream, stream};
use sync_core::{
    ids::{OrgId, UserId},
    time::Timestamp,
};

use crate::{actions::ActionError, app::App};

/// An event named `event` with `data` for each poke of a person, until `until` or until the server stops.
///
/// # Errors
/// As [`crate::live::Live::subscribe`].
pub(super) async fn pokes(
    app: &App,
    org: OrgId,
    user: UserId,
    until: Timestamp,
    event: &'static str,
    data: &'static str,
) -> Result<impl Stream<Item = Result<Event, Infallible>> + use<>, ActionError> {
    let left_ms = until.since_ms(app.seam.now());
    let end = tokio::time::Instant::now() + Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
    let subscription = app.live.subscribe(&app.database, org, user).await?;
    let stopping = app.stopping.clone();
    Ok(stream::unfold(
        (subscription, stopping),
        move |(mut subscription, stopping)| async move {
            tokio::select! {
                poked = subscription.poked() => {
                    poked?;
                    Some((Ok(Event::default().event(event).data(data)), (subscription, stopping)))
                }
                () = tokio::time::sleep_until(end) => None,
                () = stopping.cancelled() => None,
            }
        },
    ))
}
