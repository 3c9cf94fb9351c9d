//! Failed attempts to sign in have a price; successes have none, and nobody is locked out for ever.
//!
//! Failures are counted for an account from one address, for an account from anywhere, and for an address, each in
//! windows of [`FAILURE_WINDOW_MS`]. An attempt is counted before its password is checked and taken back when it
//! fits, so that many at once do not slip through.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use sync_core::time::Timestamp;

use crate::{
    actions::{ActionError, Code},
    app::App,
    storage::{StorageError, Tx, sessions},
};

/// How long failures count.
pub const FAILURE_WINDOW_MS: i64 = 15 * 60 * 1000;
/// Of one account from one address: a person who has forgotten the password tries fewer.
const ACCOUNT_AT_ADDRESS_MAX: i64 = 10;
/// Of one account from anywhere. More than one address may spend, so that a stranger elsewhere does not shut out the
/// owner by himself.
const ACCOUNT_MAX: i64 = 50;
/// From one address for all accounts: an office shares one.
const ADDRESS_MAX: i64 = 100;

/// An attempt that has been counted as a failure for the time being.
pub struct Attempt {
    subjects: [(String, i64); 3],
}

impl Attempt {
    /// Counts an attempt, unless too many have failed before.
    ///
    /// # Errors
    /// `too_many_attempts` with the time to wait; the database's.
    pub async fn begin(app: &App, login: &str, address: IpAddr) -> Result<Self, ActionError> {
        let attempt = Self::of(login, address);
        let now = app.seam.now();
        let window = now.plus_ms(-FAILURE_WINDOW_MS);
        // Looked at first without writing: refusing must be cheap.
        let mut tx = app.database.read().await?;
        for (subject, max) in &attempt.subjects {
            let failures = sessions::find_failures(&mut tx, subject, window).await?;
            if let Some((_, began)) = failures.filter(|(failures, _)| failures >= max) {
                return Err(refused(now, began));
            }
        }
        drop(tx);
        let mut tx = app.database.write().await?;
        for (subject, max) in &attempt.subjects {
            if sessions::add_failure(&mut tx, subject, window, now).await? > *max {
                tx.rollback().await?;
                return Err(refused(now, now));
            }
        }
        tx.commit().await?;
        Ok(attempt)
    }

    /// Takes the count back in the transaction of what the success brings.
    ///
    /// # Errors
    /// The driver's.
    pub async fn succeed(self, tx: &mut Tx) -> Result<(), StorageError> {
        let [at_address, account, address] = &self.subjects;
        sessions::delete_failures(tx, &at_address.0).await?;
        sessions::remove_failure(tx, &account.0).await?;
        sessions::remove_failure(tx, &address.0).await
    }

    // The order is the same for all, so that two attempts do not wait for each other's rows.
    fn of(login: &str, address: IpAddr) -> Self {
        let account = hex::encode(&Sha256::digest(login.as_bytes())[..16]);
        Self {
            subjects: [
                (format!("account:{account}@{address}"), ACCOUNT_AT_ADDRESS_MAX),
                (format!("account:{account}"), ACCOUNT_MAX),
                (format!("address:{address}"), ADDRESS_MAX),
            ],
        }
    }
}

fn refused(now: Timestamp, began: Timestamp) -> ActionError {
    let wait_ms = began.plus_ms(FAILURE_WINDOW_MS).since_ms(now).max(1);
    ActionError::refused(Code::TooManyAttempts).retry_after((wait_ms as u64).div_ceil(1000))
}
