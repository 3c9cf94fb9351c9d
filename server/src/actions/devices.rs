//! A device is enrolled, and proves that it is the enrolled one.

use std::net::IpAddr;

use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::json;
use sync_core::{
    ids::{DeviceId, OrgId, UserId},
    time::Timestamp,
    visibility::UserState,
};

use super::{ActionError, Code};
use crate::{
    app::App,
    auth,
    storage::{
        audit::{self, AuditRow},
        devices::{self, DeviceState},
    },
};

/// Devices of one person that may speak at the same time: a phone, a tablet, and those forgotten in drawers.
pub const DEVICES_PER_PERSON_MAX: i64 = 20;
/// The longest name of a device, in characters.
const NAME_CHARS_MAX: usize = 100;
/// The longest version of an app, in bytes.
const APP_VERSION_BYTES_MAX: usize = 64;

/// What a person says to enrol a device.
pub struct Enrolment<'a> {
    /// His login.
    pub login: &'a str,
    /// His password.
    pub password: &'a str,
    /// What he calls the device.
    pub name: &'a str,
    /// The public half of the key pair made on it.
    pub public_key: [u8; 32],
}

/// An enrolled device.
pub struct Enrolled {
    /// Its id.
    pub device: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// The organisation.
    pub org: OrgId,
    /// The person's login.
    pub login: String,
    /// The person's name.
    pub name: String,
}

/// Enrols a device with the login and password of its user.
///
/// # Errors
/// `wrong_credentials`, `too_many_attempts`, `account_not_active`, `device_limit`, `invalid_request`, `overloaded`;
/// the database's.
pub async fn enrol_device(app: &App, enrolment: Enrolment<'_>, address: IpAddr) -> Result<Enrolled, ActionError> {
    let name = enrolment.name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(ActionError::invalid(format!(
            "name: give the device a name of 1 to {NAME_CHARS_MAX} characters"
        )));
    }
    // A weak key would let a signature fit any message.
    if VerifyingKey::from_bytes(&enrolment.public_key).map_or(true, |key| key.is_weak()) {
        return Err(ActionError::invalid(
            "public_key: send the 32 bytes of an Ed25519 public key, as hex",
        ));
    }
    let (account, attempt) = auth::check_credentials(app, enrolment.login, enrolment.password, address).await?;
    let mut tx = app.database.write().await?;
    attempt.succeed(&mut tx).await?;
    let refusal = if account.state != UserState::Active {
        Some(Code::AccountNotActive)
    } else if devices::count_active(&mut tx, account.org, account.user).await? >= DEVICES_PER_PERSON_MAX {
        Some(Code::DeviceLimit)
    } else {
        None
    };
    if let Some(code) = refusal {
        tx.commit().await?;
        return Err(ActionError::refused(code));
    }
    let (device, now) = (DeviceId(app.seam.uuid()), app.seam.now());
    devices::insert(
        &mut tx,
        account.org,
        device,
        account.user,
        name,
        &enrolment.public_key,
        now,
    )
    .await?;
    let row = AuditRow::new(now, "device_enrolled", device)
        .by(account.user)
        .with_device(device);
    audit::append(&mut tx, account.org, &[row]).await?;
    tx.commit().await?;
    Ok(Enrolled {
        device,
        user: account.user,
        org: account.org,
        login: account.login,
        name: account.name,
    })
}

/// What a device is asked to sign. Answered for devices that do not exist as well.
#[must_use]
pub fn challenge_device(app: &App, org: OrgId, device: DeviceId) -> Vec<u8> {
    auth::make_challenge(&app.keys, &app.seam, org, device)
}

/// A device's answer to a challenge.
pub struct Proof<'a> {
    /// The organisation.
    pub org: OrgId,
    /// The device.
    pub device: DeviceId,
    /// The challenge.
    pub challenge: &'a [u8],
    /// The signature over [`auth::proof_message`].
    pub signature: [u8; 64],
    /// Which app speaks.
    pub app_version: &'a str,
}

/// What a device gets that has proved itself.
pub struct Proved {
    /// Its access token.
    pub token: String,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// The state of its user; unless he is active, the token is good for handing in only.
    pub state: UserState,
}

/// Checks a device's proof and gives it an access token. Each challenge works once.
///
/// # Errors
/// `proof_refused` (also for a device that does not exist), `device_revoked`; the database's.
pub async fn prove_device(app: &App, proof: Proof<'_>) -> Result<Proved, ActionError> {
    let refused = || ActionError::refused(Code::ProofRefused);
    let now = app.seam.now();
    if proof.app_version.len() > APP_VERSION_BYTES_MAX || proof.app_version.chars().any(char::is_control) {
        return Err(ActionError::invalid(format!(
            "app_version: at most {APP_VERSION_BYTES_MAX} bytes"
        )));
    }
    let issued_at =
        auth::check_challenge(&app.keys, now, proof.org, proof.device, proof.challenge).ok_or_else(refused)?;
    let mut tx = app.database.write().await?;
    let (device, account) = devices::find_with_account(&mut tx, proof.org, proof.device)
        .await?
        .ok_or_else(refused)?;
    check_signature(&device.public_key, &proof).ok_or_else(refused)?;
    if device.state != DeviceState::Active {
        return Err(ActionError::refused(Code::DeviceRevoked));
    }
    if !devices::record_proof(&mut tx, proof.org, proof.device, issued_at, proof.app_version, now).await? {
        return Err(refused());
    }
    if account.state != UserState::Active {
        let row = AuditRow::new(now, "drain_token_issued", proof.device)
            .by(account.user)
            .with_device(proof.device)
            .with_detail(json!({"state": account.state.name()}));
        audit::append(&mut tx, proof.org, &[row]).await?;
    }
    tx.commit().await?;
    let drain = account.state != UserState::Active;
    let (token, expires_at) = auth::issue_token(&app.keys, now, proof.org, account.user, proof.device, drain)
        .map_err(|error| ActionError::Internal(error.to_string()))?;
    Ok(Proved {
        token,
        expires_at,
        state: account.state,
    })
}

fn check_signature(public_key: &[u8], proof: &Proof<'_>) -> Option<()> {
    let key = VerifyingKey::from_bytes(public_key.try_into().ok()?).ok()?;
    let message = auth::proof_message(proof.device, proof.challenge);
    key.verify_strict(&message, &Signature::from_bytes(&proof.signature))
        .ok()
}
