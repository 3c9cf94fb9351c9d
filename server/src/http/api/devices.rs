//! How a phone becomes a device, gets its tokens, and says that it was wiped: `POST /v1/devices`, `/v1/challenge`,
//! `/v1/token`, `/v1/wiped`.

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
        devices::{Enrolment, Proof, Wiped, challenge_device, confirm_wipe, enrol_device, prove_device},
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
        .route("/v1/wiped", post(wiped))
}

#[derive(Deserialize)]
struct EnrolRequest {
    login: String,
    password: String,
    name: String,
    public_key: String,
    #[serde(default)]
    app_version: String,
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
        app_version: &request.app_version,
    };
    let enrolled = enrol_device(&app, enrolment, address).await?;
    let answer = json!({
        "device": enrolled.device,
        "user": enrolled.user,
        "org": enrolled.org,
        "login": enrolled.login,
        "name": enrolled.name,
        "token": enrolled.token,
        "expires_at": enrolled.expires_at,
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
    // Of a phone that has been away for too long: its key alone does not open it.
    login: Option<String>,
    password: Option<String>,
}

async fn token(
    State(app): State<App>,
    Peer(address): Peer,
    Body(request): Body<TokenRequest>,
) -> Result<Response, Problem> {
    let sign_in = request.login.as_deref().zip(request.password.as_deref());
    let challenge = challenge_of(&request.nonce)?;
    let proof = Proof {
        org: request.org,
        device: request.device,
        challenge: &challenge,
        signature: parse_bytes(&request.signature).ok_or_else(|| Problem::from(Code::ProofRefused))?,
        app_version: &request.app_version,
        sign_in,
    };
    let proved = prove_device(&app, proof, address).await?;
    let answer = json!({"token": proved.token, "expires_at": proved.expires_at, "state": proved.state});
    Ok(Json(answer).into_response())
}

#[derive(Deserialize)]
struct WipedRequest {
    org: OrgId,
    device: DeviceId,
    nonce: String,
    signature: String,
    #[serde(default)]
    app_version: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    discarded: u64,
}

async fn wiped(State(app): State<App>, Body(request): Body<WipedRequest>) -> Result<Response, Problem> {
    let challenge = challenge_of(&request.nonce)?;
    let proof = Proof {
        org: request.org,
        device: request.device,
        challenge: &challenge,
        signature: parse_bytes(&request.signature).ok_or_else(|| Problem::from(Code::ProofRefused))?,
        app_version: &request.app_version,
        sign_in: None,
    };
    let wiped = Wiped {
        reason: &request.reason,
        discarded: request.discarded,
    };
    confirm_wipe(&app, proof, wiped).await?;
    Ok(Json(json!({"state": "wiped"})).into_response())
}

fn challenge_of(nonce: &str) -> Result<Vec<u8>, Problem> {
    if nonce.len() > NONCE_HEX_MAX {
        return Err(Code::ProofRefused.into());
    }
    hex::decode(nonce).map_err(|_| Code::ProofRefused.into())
}
