//! Access tokens of devices: JWT, HS256, ten minutes at most.
//!
//! The library checks the signature; everything else is checked here, because by default it accepts tokens that lack
//! what they should have, ignores `crit`, and reads a clock of its own.

use std::sync::OnceLock;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sync_core::{
    ids::{DeviceId, OrgId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    Keys, Purpose,
    encoding::{from_base64url, to_base64url},
};

/// How long a token lives.
pub const TOKEN_LIFETIME_S: i64 = 600;
/// How far the clocks of nodes may differ.
pub const LEEWAY_S: i64 = 30;

const ISSUER: &str = "fieldpool";
const AUDIENCE: &str = "sync";
const TYPE: &str = "at+jwt";
/// Ours have some 330 bytes; anything much longer is an attack on whoever parses it.
const TOKEN_BYTES_MAX: usize = 4096;

/// What a valid token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessToken {
    /// The organisation.
    pub org: OrgId,
    /// Whose device it is.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// Good for handing in what the device still holds, and for nothing else.
    pub drain: bool,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good once.
    #[error("the token's time is over")]
    Expired,
    /// It is none of ours, or not for this use. What exactly is wrong helps forgers only.
    #[error("the token is not valid")]
    Invalid,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    /// The device.
    dev: String,
    /// The organisation.
    org: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    drain: bool,
}

/// The only header there is. Anything more (`crit`, `jku`, `jwk`, `x5u`) is refused by name of being more.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictHeader {
    alg: String,
    typ: String,
    kid: String,
}

/// Makes a token for a device.
///
/// # Errors
/// The library's, never in practice.
pub(crate) fn issue_token(
    keys: &Keys,
    now: Timestamp,
    org: OrgId,
    user: UserId,
    device: DeviceId,
    drain: bool,
) -> Result<(String, Timestamp), jsonwebtoken::errors::Error> {
    let key = keys.current(Purpose::Token);
    let header = Header {
        typ: Some(TYPE.into()),
        kid: Some(key.kid.clone()),
        ..Header::new(Algorithm::HS256)
    };
    let issued_at = now.0.div_euclid(1000);
    let expires_at = issued_at + TOKEN_LIFETIME_S;
    let claims = Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: to_base64url(user.as_bytes()),
        dev: to_base64url(device.as_bytes()),
        org: to_base64url(org.as_bytes()),
        iat: issued_at,
        nbf: issued_at,
        exp: expires_at,
        drain,
    };
    let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&key.secret))?;
    Ok((token, Timestamp(expires_at * 1000)))
}

/// What a token says, if this server made it for this use and its time is not over.
pub(crate) fn verify_token(keys: &Keys, now: Timestamp, token: &str) -> Result<AccessToken, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Invalid);
    }
    let key = key_of(keys, now, token).ok_or(TokenError::Invalid)?;
    let claims = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(&key.secret), validation())
        .map_err(|_| TokenError::Invalid)?
        .claims;
    check_times(&claims, now.0.div_euclid(1000))?;
    Ok(AccessToken {
        org: id(&claims.org)?.into(),
        user: id(&claims.sub)?.into(),
        device: id(&claims.dev)?.into(),
        drain: claims.drain,
        expires_at: Timestamp(claims.exp * 1000),
    })
}

/// The key that the header names, if the header is one of ours. Looked up in memory only.
fn key_of(keys: &Keys, now: Timestamp, token: &str) -> Option<std::sync::Arc<super::Key>> {
    let mut parts = token.split('.');
    let (header, _claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || signature.is_empty() {
        return None;
    }
    let header: StrictHeader = serde_json::from_slice(&from_base64url(header.as_bytes())?).ok()?;
    if header.alg != "HS256" || header.typ != TYPE {
        return None;
    }
    keys.find(Purpose::Token, &header.kid, now)
}

fn validation() -> &'static Validation {
    static VALIDATION: OnceLock<Validation> = OnceLock::new();
    VALIDATION.get_or_init(|| {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        // Times are checked below, against the seam's clock and with a leeway of ours.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation
    })
}

fn check_times(claims: &Claims, now_s: i64) -> Result<(), TokenError> {
    // The library accepts other JSON types for these; the claims' own types do not.
    if claims.iss != ISSUER || claims.aud != AUDIENCE {
        return Err(TokenError::Invalid);
    }
    let begins = claims.iat.max(claims.nbf);
    let lifetime_s = claims.exp.checked_sub(claims.iat).ok_or(TokenError::Invalid)?;
    if begins > now_s + LEEWAY_S || !(1..=TOKEN_LIFETIME_S).contains(&lifetime_s) {
        return Err(TokenError::Invalid);
    }
    if claims.exp + LEEWAY_S <= now_s {
        return Err(TokenError::Expired);
    }
    Ok(())
}

fn id(text: &str) -> Result<Uuid, TokenError> {
    let bytes = from_base64url(text.as_bytes()).ok_or(TokenError::Invalid)?;
    Uuid::from_slice(&bytes).map_err(|_| TokenError::Invalid)
}

#[cfg(test)]
mod tests;
