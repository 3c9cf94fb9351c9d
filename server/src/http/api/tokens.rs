//! `POST /api/v1/tokens`: people sign in; `DELETE`: they sign out.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problems;
use crate::{
    actions::sign_in::{sign_in, sign_out},
    app::App,
    http::{
        Problem,
        extract::{Body, Peer, SignedIn},
    },
};

/// Who signs in.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct Credentials {
    login: String,
    password: String,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TokenAnswer {
    /// Send it as `Authorization: Bearer …`.
    token: String,
    /// Milliseconds since 1970.
    expires_at: i64,
}

/// Sign in
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = Credentials, security(()),
    responses((status = 200, body = TokenAnswer),
        (status = 401, description = "`wrong_credentials`"), (status = 429, description = "`too_many_attempts`"), Problems))]
pub(in crate::http) async fn create(
    State(app): State<App>,
    Peer(address): Peer,
    Body(credentials): Body<Credentials>,
) -> Result<Json<TokenAnswer>, Problem> {
    let session = sign_in(&app, &credentials.login, &credentials.password, address).await?;
    Ok(Json(TokenAnswer {
        token: session.token,
        expires_at: session.expires_at.0,
    }))
}

/// Sign out
#[utoipa::path(delete, path = "/tokens", tag = "tokens",
    responses((status = 204, description = "The token is no longer good"), Problems))]
pub(in crate::http) async fn delete(State(app): State<App>, SignedIn(person): SignedIn) -> Result<StatusCode, Problem> {
    sign_out(&app, &person).await?;
    Ok(StatusCode::NO_CONTENT)
}
