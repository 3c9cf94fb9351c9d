//! How a phone becomes a device and gets its tokens: `POST /v1/devices`, `/v1/challenge`, `/v1/token`.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;
use sync_core::ids::{DeviceId, OrgId};

use crate::{
    actions::{
        ActionError, Code,
        devices::{Enrolment, Proof, challenge_device, enrol_device, prove_device},
    },
    app::App,
    auth::parse_bytes,
    http::{
        Problem,
        extract::{Body, Peer},
    },
};

/// A challenge has some 35 bytes.
const NONCE_HEX_MAX: usize = 128;

pub(in crate::http) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/devices", post(enrol))
        .route("/v1/challenge", post(challenge))
        .route("/v1/token", post(token))
}

#[derive(Deserialize)]
struct EnrolRequest {
    login: String,
    password: String,
    name: String,
    public_key: String,
}

async fn enrol(
    State(app): State<App>,
    Peer(address): Peer,
    Body(request): Body<EnrolRequest>,
) -> Result<Response, Problem> {
    let public_key = parse_bytes(&request.public_key)
        .ok_or_else(|| ActionError::invalid("public_key: send the 32 bytes of an Ed25519 public key, as hex"))?;
    let enrolment = Enrolment {
        login: &request.login,
        password: &request.password,
        name: &request.name,
        public_key,
    };
    let enrolled = enrol_device(&app, enrolment, address).await?;
    let answer = json!({
        "device": enrolled.device,
        "user": enrolled.user,
        "org": enrolled.org,
        "login": enrolled.login,
        "name": enrolled.name,
    });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

#[derive(Deserialize)]
struct ChallengeRequest {
    org: OrgId,
    device: DeviceId,
}

async fn challenge(State(app): State<App>, Body(request): Body<ChallengeRequest>) -> Response {
    let challenge = challenge_device(&app, request.org, request.device);
    Json(json!({"nonce": hex::encode(challenge)})).into_response()
}

#[derive(Deserialize)]
struct TokenRequest {
    org: OrgId,
    device: DeviceId,
    nonce: String,
    signature: String,
    #[serde(default)]
    app_version: String,
}

async fn token(State(app): State<App>, Body(request): Body<TokenRequest>) -> Result<Response, Problem> {
    let refused = || Problem::from(Code::ProofRefused);
    if request.nonce.len() > NONCE_HEX_MAX {
        return Err(refused());
    }
    let challenge = hex::decode(&request.nonce).map_err(|_| refused())?;
    let proof = Proof {
        org: request.org,
        device: request.device,
        challenge: &challenge,
        signature: parse_bytes(&request.signature).ok_or_else(refused)?,
        app_version: &request.app_version,
    };
    let proved = prove_device(&app, proof).await?;
    let answer = json!({"token": proved.token, "expires_at": proved.expires_at, "state": proved.state.name()});
    Ok(Json(answer).into_response())
}
