//! What handlers take out of a request, refused in our words when it is not there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    Json,
    extract::{ConnectInfo, FromRequest, FromRequestParts, Request, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;

use super::Problem;
use crate::{
    actions::{ActionError, Code},
    app::App,
    auth::{self, AccessToken, Person, TokenError},
};

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(problem_of(&rejection)),
        }
    }
}

fn problem_of(rejection: &JsonRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge.into(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ActionError::refused(Code::UnsupportedMediaType)
            .because("Send JSON with Content-Type: application/json.")
            .into(),
        // The parser's words name the field and the place; they go to the one who sent it, not to the log.
        _ => ActionError::invalid(rejection.body_text()).into(),
    }
}

/// A person with a session.
#[derive(Debug, Clone)]
pub struct SignedIn(pub Person);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or(Code::Unauthenticated)?;
        Ok(Self(auth::find_person(app, token).await?))
    }
}

/// A device with an access token. What it may do now is asked with [`auth::check_device`], in the request's
/// transaction.
#[derive(Debug, Clone, Copy)]
pub struct Device(pub AccessToken);

impl FromRequestParts<App> for Device {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or(Code::Unauthenticated)?;
        auth::verify_token(&app.keys, app.seam.now(), token)
            .map(Self)
            .map_err(|error| match error {
                TokenError::Expired => Code::Reauthenticate.into(),
                TokenError::Invalid => Code::Unauthenticated.into(),
            })
    }
}

/// The token of `Authorization: Bearer …`; nothing if the header is missing, doubled or of another scheme.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The address of who asks: the other end of the connection, or whom a proxy named by the operator names (`proxy`).
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let address = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip());
        // Without a connection (a test that calls the router itself) all callers are one.
        Ok(Self(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}
