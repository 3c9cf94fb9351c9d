//! `POST /v1/sync`: one message in, one message or 204 out. Bytes only; what they mean is decided in `actions::sync`.

use std::{cell::RefCell, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequestParts, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
    routing::post,
};
use sync_core::protocol::{
    frame::{self, FrameError},
    limits::BODY_ENCODED_BYTES_MAX,
    message::{CONTENT_TYPE, PROTOCOL_VERSION, SyncRequest},
};

use tokio::sync::OwnedSemaphorePermit;

use super::{Problem, extract::Device};
use crate::{
    actions::{ActionError, Code, sync},
    app::App,
};

/// How long a sync waits for its turn before it is sent away.
const SLOT_WAIT: Duration = Duration::from_secs(2);
/// Seconds after which it should come back; phones add jitter.
const SLOT_RETRY_S: u64 = 3;
/// Header that names the version of the protocol.
const PROTOCOL_HEADER: &str = "fieldpool-protocol";

thread_local! {
    /// One for each thread that answers.
    static ENCODER: RefCell<frame::Encoder> = RefCell::default();
}

pub(super) fn routes() -> Router<App> {
    Router::new().route(
        "/v1/sync",
        post(handle).layer(DefaultBodyLimit::max(BODY_ENCODED_BYTES_MAX)),
    )
}

/// A place among the syncs that run at once. Taken before the body is read, so that a storm waits outside: whoever
/// gets none in time is told when to come back.
struct Slot(#[expect(dead_code, reason = "held until the answer is made")] OwnedSemaphorePermit);

impl FromRequestParts<App> for Slot {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self, Problem> {
        let slot = tokio::time::timeout(SLOT_WAIT, app.sync_slots.clone().acquire_owned()).await;
        match slot {
            Ok(Ok(permit)) => Ok(Self(permit)),
            Ok(Err(_)) | Err(_) => Err(ActionError::refused(Code::Overloaded).retry_after(SLOT_RETRY_S).into()),
        }
    }
}

async fn handle(
    State(app): State<App>,
    Device(token): Device,
    _slot: Slot,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    check_headers(&headers)?;
    let request: SyncRequest = frame::decode(&body).map_err(refused)?;
    let Some(response) = sync::sync(&app, &token, request).await? else {
        let mut empty = Response::new(Body::empty());
        *empty.status_mut() = StatusCode::NO_CONTENT;
        return Ok(empty);
    };
    let encoded = ENCODER.with_borrow_mut(|encoder| encoder.encode(&response));
    let mut answer = Response::new(Body::from(encoded));
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    answer
        .headers_mut()
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static("zstd"));
    Ok(answer)
}

/// Anything but one zstd frame of this protocol is refused before it is read.
fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    // A header that stands twice says something else than its first line.
    let text = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    };
    if text("content-type") != Some(CONTENT_TYPE) || text("content-encoding") != Some("zstd") {
        return Err(ActionError::refused(Code::UnsupportedMediaType)
            .because(format!(
                "Send Content-Type: {CONTENT_TYPE} with Content-Encoding: zstd."
            ))
            .into());
    }
    match text(PROTOCOL_HEADER).and_then(|version| version.parse::<u16>().ok()) {
        Some(PROTOCOL_VERSION) => Ok(()),
        Some(_) => Err(Code::UpgradeRequired.into()),
        None => {
            Err(ActionError::invalid("The header Fieldpool-Protocol with the protocol's version is missing.").into())
        }
    }
}

fn refused(error: FrameError) -> Problem {
    match error {
        FrameError::TooLarge => Code::TooLarge.into(),
        FrameError::Compression | FrameError::Malformed => {
            ActionError::refused(Code::Malformed).because(error.to_string()).into()
        }
    }
}
