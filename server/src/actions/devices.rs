//! A device is enrolled, proves that it is the enrolled one, and ends: told to erase everything, it confirms that.

use std::net::IpAddr;

use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::json;
use sync_core::{
    ids::{DeviceId, OrgId, UserId},
    protocol::message::WipeOrder,
    time::Timestamp,
    visibility::UserState,
};

use super::{ActionError, Code};
use crate::{
    app::App,
    auth,
    storage::{
        Tx,
        audit::{self, AuditRow},
        devices::{self, DeviceRow, DeviceState, NewDevice},
        people::Account,
    },
};

/// Devices of one person that may speak at the same time: a phone, a tablet, and those forgotten in drawers.
pub const DEVICES_PER_PERSON_MAX: i64 = 20;
/// The longest name of a device, in characters.
const NAME_CHARS_MAX: usize = 100;
/// The longest version of an app, in bytes.
const APP_VERSION_BYTES_MAX: usize = 64;
/// The longest code of a reason, in bytes.
const REASON_BYTES_MAX: usize = 64;

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
    /// Which app speaks.
    pub app_version: &'a str,
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
    /// Its first access token: the password has just proved as much as the key would.
    pub token: String,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// Enrols a device with the login and password of its user, and gives it its first access token.
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
    check_app_version(enrolment.app_version)?;
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
    let new = NewDevice {
        device,
        user: account.user,
        name,
        public_key: &enrolment.public_key,
        app_version: enrolment.app_version,
        enrolled_at: now,
    };
    devices::insert(&mut tx, account.org, new).await?;
    let row = AuditRow::new(now, "device_enrolled", device)
        .by(account.user)
        .with_device(device);
    audit::append(&mut tx, account.org, &[row]).await?;
    tx.commit().await?;
    let (token, expires_at) = issue_token(app, now, account.org, account.user, device, false)?;
    Ok(Enrolled {
        device,
        user: account.user,
        org: account.org,
        login: account.login,
        name: account.name,
        token,
        expires_at,
    })
}

fn issue_token(
    app: &App,
    now: Timestamp,
    org: OrgId,
    user: UserId,
    device: DeviceId,
    drain: bool,
) -> Result<(String, Timestamp), ActionError> {
    auth::issue_token(&app.keys, now, org, user, device, drain)
        .map_err(|error| ActionError::Internal(error.to_string()))
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
    /// Login and password of its user, on a phone that wants more than the key: one that has been away for too long.
    pub sign_in: Option<(&'a str, &'a str)>,
}

/// What a device gets that has proved itself.
pub struct Proved {
    /// Its access token.
    pub token: String,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// The state of its user, or `revoked`; unless it is `active`, the token is good for handing in only.
    pub state: &'static str,
}

/// Checks a device's proof and gives it an access token. Each challenge works once.
///
/// # Errors
/// `proof_refused` (also for a device that does not exist), `device_revoked`, `device_wiped`; with a password also
/// `wrong_credentials` and `too_many_attempts`; the database's.
pub async fn prove_device(app: &App, proof: Proof<'_>, address: IpAddr) -> Result<Proved, ActionError> {
    let now = app.seam.now();
    let signed_in = match proof.sign_in {
        Some((login, password)) => Some(auth::check_credentials(app, login, password, address).await?),
        None => None,
    };
    let mut tx = app.database.write().await?;
    let (device, account) = check_proof(app, &mut tx, &proof, auth::proof_message).await?;
    if let Some((person, attempt)) = signed_in {
        if person.user != account.user {
            return Err(ActionError::refused(Code::WrongCredentials));
        }
        attempt.succeed(&mut tx).await?;
    }
    let drain = auth::check_standing(
        device.state,
        device.revoked_at,
        device.wipe_ordered_at,
        account.state,
        now,
    )?;
    let state = match device.state {
        DeviceState::Revoked => DeviceState::Revoked.name(),
        // The person is back, the order stands.
        _ if drain && account.state == UserState::Active => UserState::Offboarding.name(),
        _ => account.state.name(),
    };
    if drain {
        let row = AuditRow::new(now, "drain_token_issued", proof.device)
            .by(account.user)
            .with_device(proof.device)
            .with_detail(json!({"state": state}));
        audit::append(&mut tx, proof.org, &[row]).await?;
    }
    tx.commit().await?;
    let (token, expires_at) = issue_token(app, now, proof.org, account.user, proof.device, drain)?;
    Ok(Proved {
        token,
        expires_at,
        state,
    })
}

/// Spends the challenge of a proof whose signature is right.
async fn check_proof(
    app: &App,
    tx: &mut Tx,
    proof: &Proof<'_>,
    message: impl Fn(DeviceId, &[u8]) -> Vec<u8>,
) -> Result<(DeviceRow, Account), ActionError> {
    let refused = || ActionError::refused(Code::ProofRefused);
    let now = app.seam.now();
    check_app_version(proof.app_version)?;
    let issued_at =
        auth::check_challenge(&app.keys, now, proof.org, proof.device, proof.challenge).ok_or_else(refused)?;
    let (device, account) = devices::find_with_account(tx, proof.org, proof.device)
        .await?
        .ok_or_else(refused)?;
    check_signature(&device.public_key, proof, &message(proof.device, proof.challenge)).ok_or_else(refused)?;
    if !devices::record_proof(tx, proof.org, proof.device, issued_at, proof.app_version, now).await? {
        return Err(refused());
    }
    Ok((device, account))
}

fn check_app_version(version: &str) -> Result<(), ActionError> {
    if version.len() > APP_VERSION_BYTES_MAX || version.chars().any(char::is_control) {
        return Err(ActionError::invalid(format!(
            "app_version: at most {APP_VERSION_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

/// Why a device has erased itself, as it says.
pub struct Wiped<'a> {
    /// A code: that of the order, or `signed_out` for a person who logged out.
    pub reason: &'a str,
    /// Changes that had not been sent and that the person gave up.
    pub discarded: u64,
}

/// Writes down that a device has erased everything. It says so with its key, also when it may do nothing else; said
/// again it changes nothing.
///
/// # Errors
/// `proof_refused` (also for a device that does not exist), `invalid_request`; the database's.
pub async fn confirm_wipe(app: &App, proof: Proof<'_>, wiped: Wiped<'_>) -> Result<(), ActionError> {
    if wiped.reason.len() > REASON_BYTES_MAX || wiped.reason.chars().any(char::is_control) {
        return Err(ActionError::invalid(format!(
            "reason: at most {REASON_BYTES_MAX} bytes"
        )));
    }
    let now = app.seam.now();
    let mut tx = app.database.write().await?;
    let (device, account) = check_proof(app, &mut tx, &proof, auth::wiped_message).await?;
    let row = |action: &'static str| {
        AuditRow::new(now, action, proof.device)
            .by(account.user)
            .with_device(proof.device)
    };
    let mut rows = Vec::new();
    // Nobody has told it to: its person has logged out, which takes its right away.
    if device.wipe_ordered_at.is_none() && devices::revoke(&mut tx, proof.org, proof.device, now).await? {
        rows.push(row("device_revoked").with_detail(json!({"reason": wiped.reason})));
    }
    if devices::record_wipe(&mut tx, proof.org, proof.device, now).await? {
        let detail = json!({
            "reason": wiped.reason,
            "discarded": wiped.discarded,
            "ordered_at": device.wipe_ordered_at,
        });
        rows.push(row("wiped").with_detail(detail));
    }
    audit::append(&mut tx, proof.org, &rows).await?;
    Ok(tx.commit().await?)
}

/// Tells a device that has nothing pending to erase everything, and since when it is told. None: its user has come back
/// before it was.
///
/// # Errors
/// The database's.
pub async fn order_wipe(app: &App, org: OrgId, device: DeviceId) -> Result<Option<WipeOrder>, ActionError> {
    let now = app.seam.now();
    let mut tx = app.database.write().await?;
    let Some((row, account)) = devices::find_with_account(&mut tx, org, device).await? else {
        return Ok(None);
    };
    let reason = match (row.state, account.state) {
        (DeviceState::Revoked, _) => DeviceState::Revoked.name(),
        (_, UserState::Active) if row.wipe_ordered_at.is_none() => return Ok(None),
        (_, UserState::Active) => UserState::Offboarding.name(),
        (_, state) => state.name(),
    };
    if devices::order_wipe(&mut tx, org, device, now).await? {
        let ordered = AuditRow::new(now, "wipe_ordered", device)
            .with_device(device)
            .with_detail(json!({"reason": reason}));
        audit::append(&mut tx, org, &[ordered]).await?;
        tx.commit().await?;
    }
    Ok(Some(WipeOrder {
        device,
        ordered_at: row.wipe_ordered_at.unwrap_or(now),
        reason: reason.to_owned(),
    }))
}

fn check_signature(public_key: &[u8], proof: &Proof<'_>, message: &[u8]) -> Option<()> {
    let key = VerifyingKey::from_bytes(public_key.try_into().ok()?).ok()?;
    key.verify_strict(message, &Signature::from_bytes(&proof.signature))
        .ok()
}
