//! People's sessions, and failures of signing in.

use sqlx::FromRow;
use sync_core::{
    ids::{OrgId, UserId},
    time::Timestamp,
};

use super::{
    StorageError, Tx, on,
    people::{Account, AccountRow},
};

/// Adds a session.
///
/// # Errors
/// The driver's.
pub async fn insert(
    tx: &mut Tx,
    org: OrgId,
    user: UserId,
    token_sha256: &[u8],
    created_at: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO session (org_id, token_sha256, user_id, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(org.0)
        .bind(token_sha256)
        .bind(user.0)
        .bind(created_at.0)
        .bind(expires_at.0)
        .execute(c)
        .await
        .map(|_| ())
    })
}

#[derive(FromRow)]
struct SessionRow {
    expires_at: i64,
    #[sqlx(flatten)]
    account: AccountRow,
}

/// The account to which a token belongs, and when the session ends.
///
/// # Errors
/// The driver's.
pub async fn find(tx: &mut Tx, token_sha256: &[u8]) -> Result<Option<(Account, Timestamp)>, StorageError> {
    let row: Option<SessionRow> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT s.expires_at, u.org_id, u.user_id, u.login, u.name, u.email, u.role, u.team_id, u.state,
                    u.password_hash, u.acl_version
             FROM session s JOIN user_account u ON u.org_id = s.org_id AND u.user_id = s.user_id
             WHERE s.token_sha256 = $1",
        )
        .bind(token_sha256)
        .fetch_optional(c)
        .await
    })?;
    row.map(|row| Ok((row.account.into_account()?, Timestamp(row.expires_at))))
        .transpose()
}

/// Ends one session.
///
/// # Errors
/// The driver's.
pub async fn delete(tx: &mut Tx, org: OrgId, token_sha256: &[u8]) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("DELETE FROM session WHERE org_id = $1 AND token_sha256 = $2")
            .bind(org.0)
            .bind(token_sha256)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// Ends all sessions of a person.
///
/// # Errors
/// The driver's.
pub async fn delete_of_user(tx: &mut Tx, org: OrgId, user: UserId) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("DELETE FROM session WHERE org_id = $1 AND user_id = $2")
            .bind(org.0)
            .bind(user.0)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// Removes sessions that ended before this instant.
///
/// # Errors
/// The driver's.
pub async fn delete_expired(tx: &mut Tx, now: Timestamp) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("DELETE FROM session WHERE expires_at <= $1")
            .bind(now.0)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// How often signing in failed for a subject in its window; `None` if never, or only in an older window.
///
/// # Errors
/// The driver's.
pub async fn find_failures(
    tx: &mut Tx,
    subject: &str,
    window_began_after: Timestamp,
) -> Result<Option<(i64, Timestamp)>, StorageError> {
    let row: Option<(i64, i64)> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT failures, window_began_at FROM sign_in_failure WHERE subject = $1 AND window_began_at > $2",
        )
        .bind(subject)
        .bind(window_began_after.0)
        .fetch_optional(c)
        .await
    })?;
    Ok(row.map(|(failures, began)| (failures, Timestamp(began))))
}

/// Counts one more failure, in a new window if the old one began before `window_began_after`, and gives the count.
///
/// # Errors
/// The driver's.
pub async fn add_failure(
    tx: &mut Tx,
    subject: &str,
    window_began_after: Timestamp,
    now: Timestamp,
) -> Result<i64, StorageError> {
    on!(tx, |c| {
        sqlx::query_scalar(
            "INSERT INTO sign_in_failure (subject, failures, window_began_at) VALUES ($1, 1, $3)
             ON CONFLICT (subject) DO UPDATE SET
               failures = CASE WHEN sign_in_failure.window_began_at > $2 THEN sign_in_failure.failures + 1 ELSE 1 END,
               window_began_at =
                 CASE WHEN sign_in_failure.window_began_at > $2 THEN sign_in_failure.window_began_at ELSE $3 END
             RETURNING failures",
        )
        .bind(subject)
        .bind(window_began_after.0)
        .bind(now.0)
        .fetch_one(c)
        .await
    })
}

/// Takes one counted failure back: it was a success.
///
/// # Errors
/// The driver's.
pub async fn remove_failure(tx: &mut Tx, subject: &str) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("UPDATE sign_in_failure SET failures = failures - 1 WHERE subject = $1 AND failures > 0")
            .bind(subject)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// Forgets a subject's failures.
///
/// # Errors
/// The driver's.
pub async fn delete_failures(tx: &mut Tx, subject: &str) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("DELETE FROM sign_in_failure WHERE subject = $1")
            .bind(subject)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// Removes windows that began at or before this instant.
///
/// # Errors
/// The driver's.
pub async fn delete_old_failures(tx: &mut Tx, began_at_most: Timestamp) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("DELETE FROM sign_in_failure WHERE window_began_at <= $1")
            .bind(began_at_most.0)
            .execute(c)
            .await
            .map(|_| ())
    })
}
