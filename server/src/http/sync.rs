//! `POST /v1/sync`: one message in, one message or 204 out. Bytes only; what they mean is decided in `actions::sync`.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
    routing::post,
};
use sync_core::protocol::{
    frame::{self, FrameError},
    limits::BODY_ENCODED_BYTES_MAX,
    message::{CONTENT_TYPE, PROTOCOL_VERSION, SyncRequest},
};

use super::{Problem, extract::Device};
use crate::{
    actions::{ActionError, Code, sync},
    app::App,
};

/// Header that names the version of the protocol.
const PROTOCOL_HEADER: &str = "fieldpool-protocol";

pub(super) fn routes() -> Router<App> {
    Router::new().route(
        "/v1/sync",
        post(handle).layer(DefaultBodyLimit::max(BODY_ENCODED_BYTES_MAX)),
    )
}

async fn handle(
    State(app): State<App>,
    Device(token): Device,
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
    let mut answer = Response::new(Body::from(frame::encode(&response)));
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
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
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
