//! Whether the server lives, whether it can work, and what it measures.

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use crate::{app::App, telemetry};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
}

/// The process answers.
async fn healthz() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// The database answers too.
async fn readyz(State(app): State<App>) -> Response {
    match app.database.check().await {
        Ok(()) => Json(json!({"status": "ready", "database": app.database.name()})).into_response(),
        Err(error) => {
            tracing::warn!(%error, "the database does not answer");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                [(header::RETRY_AFTER, "5")],
                Json(json!({"status": "database"})),
            )
                .into_response()
        }
    }
}

async fn metrics() -> Response {
    let handle = telemetry::metrics();
    handle.run_upkeep();
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        handle.render(),
    )
        .into_response()
}
