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
    // Said at once: whatever happened before the page was connected, it asks for now.
    let hello = stream::once(async { Ok::<_, Infallible>(Event::default().event("hello").data("-").retry(RETRY)) });
    let person = &viewer.person;
    let pokes = pokes(&app, person.org, person.user, person.expires_at, "customers", "-").await?;
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("");
    Ok(Sse::new(hello.chain(pokes)).keep_alive(keep_alive).into_response())
}
