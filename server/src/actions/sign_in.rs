//! A person signs in, and out.

use std::net::IpAddr;

use sync_core::{time::Timestamp, visibility::UserState};

use super::{ActionError, Code};
use crate::{
    app::App,
    auth::{self, Person},
    storage::{
        audit::{self, AuditRow},
        sessions,
    },
};

/// What a person gets who has signed in.
pub struct SignedIn {
    /// The token he sends from now on.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Begins a session.
///
/// # Errors
/// `wrong_credentials`, `too_many_attempts`, `account_not_active`, `overloaded`; the database's.
pub async fn sign_in(app: &App, login: &str, password: &str, address: IpAddr) -> Result<SignedIn, ActionError> {
    let (account, attempt) = auth::check_credentials(app, login, password, address).await?;
    let mut tx = app.database.write().await?;
    attempt.succeed(&mut tx).await?;
    if account.state != UserState::Active {
        tx.commit().await?;
        return Err(ActionError::refused(Code::AccountNotActive));
    }
    let (token, expires_at) = auth::begin_session(&mut tx, &app.seam, account.org, account.user).await?;
    let row = AuditRow::new(app.seam.now(), "signed_in", account.user).by(account.user);
    audit::append(&mut tx, account.org, &[row]).await?;
    tx.commit().await?;
    Ok(SignedIn {
        token: token.text().to_owned(),
        expires_at,
    })
}

/// Ends a person's session.
///
/// # Errors
/// The database's.
pub async fn sign_out(app: &App, person: &Person) -> Result<(), ActionError> {
    let mut tx = app.database.write().await?;
    sessions::delete(&mut tx, person.org, &person.session_sha256).await?;
    let row = AuditRow::new(app.seam.now(), "signed_out", person.user).by(person.user);
    audit::append(&mut tx, person.org, &[row]).await?;
    tx.commit().await?;
    Ok(())
}
