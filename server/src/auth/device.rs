//! What a device may do now, whatever its token said ten minutes ago.

use sync_core::visibility::UserState;

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

/// A device that may speak, and its user as he is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceAccess {
    /// The device.
    pub device: DeviceRow,
    /// Its user.
    pub account: Account,
    /// It may hand in what it holds and gets nothing: its user is leaving or has left, or the token says so.
    pub drain: bool,
}

/// Device and user of a token, read in the transaction of the request, so that a revocation counts at once.
///
/// # Errors
/// `device_revoked`; `unauthenticated` if the device is gone or has become somebody else's; the database's.
pub async fn check_device(tx: &mut Tx, token: &AccessToken) -> Result<DeviceAccess, ActionError> {
    let (device, account) = devices::find_with_account(tx, token.org, token.device)
        .await?
        .ok_or_else(|| ActionError::refused(Code::Unauthenticated))?;
    if account.user != token.user {
        return Err(ActionError::refused(Code::Unauthenticated));
    }
    if device.state != DeviceState::Active {
        return Err(ActionError::refused(Code::DeviceRevoked));
    }
    let drain = token.drain || account.state != UserState::Active;
    Ok(DeviceAccess { device, account, drain })
}

/// [`check_device`] for what a sync has looked up: the caller, and whether he may only hand in.
///
/// # Errors
/// As there.
pub fn check_caller(token: &AccessToken, caller: Option<Caller>) -> Result<(Caller, bool), ActionError> {
    let caller = caller
        .filter(|caller| caller.user == token.user)
        .ok_or_else(|| ActionError::refused(Code::Unauthenticated))?;
    if caller.device_state != DeviceState::Active {
        return Err(ActionError::refused(Code::DeviceRevoked));
    }
    let drain = token.drain || caller.state != UserState::Active;
    Ok((caller, drain))
}
