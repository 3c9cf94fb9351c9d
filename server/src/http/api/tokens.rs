//! `POST /api/v1/tokens`: people sign in; `DELETE`: they sign out.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    actions::sign_in::{sign_in, sign_out},
    app::App,
    http::{
        Problem,
        extract::{Body, Peer, SignedIn},
    },
};

pub(in crate::http) fn routes() -> Router<App> {
    Router::new().route("/api/v1/tokens", post(create).delete(delete))
}

#[derive(Deserialize)]
struct Credentials {
    login: String,
    password: String,
}

async fn create(
    State(app): State<App>,
    Peer(address): Peer,
    Body(credentials): Body<Credentials>,
) -> Result<Response, Problem> {
    let session = sign_in(&app, &credentials.login, &credentials.password, address).await?;
    Ok(Json(json!({"token": session.token, "expires_at": session.expires_at})).into_response())
}

async fn delete(State(app): State<App>, SignedIn(person): SignedIn) -> Result<StatusCode, Problem> {
    sign_out(&app, &person).await?;
    Ok(StatusCode::NO_CONTENT)
}
