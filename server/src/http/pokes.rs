//! Pokes as a stream of events: something a person may see was touched. They say that, and nothing of what it was.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::Event;
use futures::{Stream, stream};
use sync_core::time::Timestamp;

use crate::{app::App, live::Subscription};

/// An event named `event` with `data` for each poke of a subscription, until `until` or until the server stops.
pub(super) fn pokes(
    app: &App,
    subscription: Subscription,
    until: Timestamp,
    event: &'static str,
    data: &'static str,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let left_ms = until.since_ms(app.seam.now());
    let end = tokio::time::Instant::now() + Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
    let stopping = app.stopping.clone();
    stream::unfold(
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
    )
}
