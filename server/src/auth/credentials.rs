//! Login and password, as web users and enrolling phones give them.

use std::net::IpAddr;

use super::Attempt;
use crate::{
    actions::{ActionError, Code},
    app::App,
    storage::people::{self, Account},
};

/// The longest login looked up at all.
const LOGIN_BYTES_MAX: usize = 256;

/// The account whose login and password these are, whatever its state. The attempt must be ended with
/// [`Attempt::succeed`] where the success is written down; otherwise it counts as failed.
///
/// A login that does not exist, one without a password and a wrong password cost and answer the same.
///
/// # Errors
/// `wrong_credentials`, `too_many_attempts`, `overloaded`; the database's.
pub async fn check_credentials(
    app: &App,
    login: &str,
    password: &str,
    address: IpAddr,
) -> Result<(Account, Attempt), ActionError> {
    if login.len() > LOGIN_BYTES_MAX || login.contains('\0') {
        return Err(ActionError::refused(Code::WrongCredentials));
    }
    let attempt = Attempt::begin(app, login, address).await?;
    let mut tx = app.database.read().await?;
    let account = people::find_by_login(&mut tx, login).await?;
    // The connection is not held while the password is checked.
    drop(tx);
    let stored = account.as_ref().and_then(|account| account.password_hash.clone());
    let fits = app.passwords.check(password, stored).await?;
    match account {
        Some(account) if fits => Ok((account, attempt)),
        account => {
            // By id: what somebody typed as a login may be a password.
            let user = account.map(|account| account.user.to_string());
            tracing::info!(user, %address, "sign-in failed");
            Err(ActionError::refused(Code::WrongCredentials))
        }
    }
}
