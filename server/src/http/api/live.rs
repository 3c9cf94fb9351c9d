//! `GET /v1/live`: a stream of pokes (server-sent events) for phones and for pages; `GET /v1/customers`: a phone's search
//! beyond what it holds.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{FromRequestParts, State},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response, Sse, sse::KeepAlive},
    routing::get,
};
use sync_core::{
    ids::{OrgId, UserId},
    time::Timestamp,
};

use super::{customers, input::Params};
use crate::{
    actions::Code,
    app::App,
    auth,
    http::{
        Problem,
        extract::{Device, SignedIn},
        pokes::pokes,
    },
};

/// Nothing may pass between for longer, or gateways close the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

pub(in crate::http) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/live", get(live))
        .route("/v1/customers", get(search))
}

/// What lies beyond what a phone holds: the same list as people's, by the device's token.
async fn search(
    State(app): State<App>,
    token: Device,
    Params(params): Params<customers::ListParams>,
) -> Result<Json<customers::CustomerPage>, Problem> {
    let Device(token) = token;
    let mut tx = app.database.read().await?;
    let access = auth::check_device(&mut tx, &token, app.seam.now()).await?;
    drop(tx);
    if access.drain {
        return Err(Code::AccountNotActive.into());
    }
    Ok(Json(customers::list_for(&app, token.org, token.user, params).await?))
}

/// Whoever listens: a device or a person with a session.
struct Listener {
    org: OrgId,
    user: UserId,
    expires_at: Timestamp,
}

impl FromRequestParts<App> for Listener {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // A device's token has three parts, a session's is one.
        let header = parts.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        if !header.is_some_and(|value| value.contains(&b'.')) {
            let SignedIn(person) = SignedIn::from_request_parts(parts, app).await?;
            return Ok(Self {
                org: person.org,
                user: person.user,
                expires_at: person.expires_at,
            });
        }
        let Device(token) = Device::from_request_parts(parts, app).await?;
        let mut tx = app.database.read().await?;
        let access = auth::check_device(&mut tx, &token, app.seam.now()).await?;
        if access.drain {
            return Err(Code::AccountNotActive.into());
        }
        Ok(Self {
            org: token.org,
            user: token.user,
            expires_at: token.expires_at,
        })
    }
}

/// Pokes until the token ends or the server stops.
async fn live(State(app): State<App>, listener: Listener) -> Result<Response, Problem> {
    let Listener { org, user, expires_at } = listener;
    // Browsers drop an event without data; this is none that says anything.
    let subscription = app.live.subscribe(&app.database, org, user).await?;
    let pokes = pokes(&app, subscription, expires_at, "poke", "{}");
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("");
    Ok(Sse::new(pokes).keep_alive(keep_alive).into_response())
}
