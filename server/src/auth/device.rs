//! What a device may do now, whatever its token said ten minutes ago.

use sync_core::{time::Timestamp, visibility::UserState};

use super::AccessToken;
use crate::{
    actions::{ActionError, Code},
    storage::{
        Tx,
        callers::Caller,
        devices::{self, DeviceRow, DeviceState},
        people::Account,
    },
};

/// Days for which the device of somebody who leaves, or one that was revoked, hands in what it still holds: as long as
/// late work waits after a handover.
pub const DRAIN_DAYS: i64 = 30;
const DRAIN_MS: i64 = DRAIN_DAYS * 24 * 3600 * 1000;

/// A device that may speak, and its user as he is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceAccess {
    /// The device.
    pub device: DeviceRow,
    /// Its user.
    pub account: Account,
    /// It may hand in what it holds and gets nothing.
    pub drain: bool,
}

/// What has ended a device's right from this instant on leaves it that to hand in what it holds.
#[must_use]
pub fn drains_since(now: Timestamp) -> Timestamp {
    now.plus_ms(-DRAIN_MS)
}

/// Until when a device hands in what it holds whose right ended at this instant.
#[must_use]
pub fn drains_until(ended_at: Timestamp) -> Timestamp {
    ended_at.plus_ms(DRAIN_MS)
}

/// Whether a device may only hand in what it holds: its user is leaving or has left, it was revoked not long ago, or it
/// was told to erase itself, which stands whatever has become of its user since.
///
/// # Errors
/// `device_revoked` and `device_wiped` for one that may not even do that.
pub fn check_standing(
    state: DeviceState,
    revoked_at: Option<Timestamp>,
    wipe_ordered_at: Option<Timestamp>,
    user: UserState,
    now: Timestamp,
) -> Result<bool, ActionError> {
    match state {
        DeviceState::Active => Ok(user != UserState::Active || wipe_ordered_at.is_some()),
        DeviceState::Revoked if revoked_at.is_some_and(|at| at >= drains_since(now)) => Ok(true),
        DeviceState::Revoked => Err(ActionError::refused(Code::DeviceRevoked)),
        DeviceState::Wiped => Err(ActionError::refused(Code::DeviceWiped)),
    }
}

/// Whether everything that a device brings waits for a manager's decision, whatever its person might have written: its
/// time for handing in is over, or it had said that it holds nothing.
#[must_use]
pub fn is_kept_apart(caller: &Caller, now: Timestamp) -> bool {
    caller.wipe_ordered_at.is_some() || caller.revoked_at.is_some_and(|at| at < drains_since(now))
}

/// Device and user of a token, read in the transaction of the request, so that a revocation counts at once.
///
/// # Errors
/// `device_revoked`, `device_wiped`; `reauthenticate` for a token of a time in which the device could only hand in;
/// `unauthenticated` if the device is gone or has become somebody else's; the database's.
pub async fn check_device(tx: &mut Tx, token: &AccessToken, now: Timestamp) -> Result<DeviceAccess, ActionError> {
    let (device, account) = devices::find_with_account(tx, token.org, token.device)
        .await?
        .ok_or_else(|| ActionError::refused(Code::Unauthenticated))?;
    if account.user != token.user {
        return Err(ActionError::refused(Code::Unauthenticated));
    }
    let standing = check_standing(
        device.state,
        device.revoked_at,
        device.wipe_ordered_at,
        account.state,
        now,
    );
    let drain = agree(token, standing?)?;
    Ok(DeviceAccess { device, account, drain })
}

/// [`check_device`] for what a sync has looked up: the caller, and whether he may only hand in.
///
/// # Errors
/// As there.
pub fn check_caller(
    token: &AccessToken,
    caller: Option<Caller>,
    now: Timestamp,
) -> Result<(Caller, bool), ActionError> {
    let caller = caller
        .filter(|caller| caller.user == token.user)
        .ok_or_else(|| ActionError::refused(Code::Unauthenticated))?;
    let standing = check_standing(
        caller.device_state,
        caller.revoked_at,
        caller.wipe_ordered_at,
        caller.state,
        now,
    );
    let drain = agree(token, standing?)?;
    Ok((caller, drain))
}

/// A token for handing in says so for as long as it lasts. Once its device may do more again, it asks for a new one and
/// goes on as before.
fn agree(token: &AccessToken, drain: bool) -> Result<bool, ActionError> {
    if token.drain && !drain {
        return Err(ActionError::refused(Code::Reauthenticate));
    }
    Ok(drain)
}
