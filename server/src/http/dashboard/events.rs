//! One stream of events a page: something this person may read has changed. An event is a topic and never data; the
//! page asks again with the rights its reader has then.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::State,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures::{StreamExt, stream};

use super::viewer::Viewer;
use crate::{
    app::App,
    http::{Problem, pokes::pokes},
};

/// Nothing may pass between for longer, or gateways close the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// When a browser connects again after the stream has ended.
const RETRY: Duration = Duration::from_secs(2);

pub(super) fn routes() -> Router<App> {
    Router::new().route("/events", get(events))
}

async fn events(State(app): State<App>, viewer: Viewer) -> Result<Response, Problem> {
    let person = &viewer.person;
    let subscription = app.live.subscribe(&app.database, person.org, person.user).await?;
    // Said at once: a page that is older than this asks again, for nothing will tell it of what came in between.
    let hello = Event::default()
        .event("hello")
        .data(subscription.seen().to_string())
        .retry(RETRY);
    let pokes = pokes(&app, subscription, person.expires_at, "customers", "-");
    let hello = stream::once(async { Ok::<_, Infallible>(hello) });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("");
    Ok(Sse::new(hello.chain(pokes)).keep_alive(keep_alive).into_response())
}
