//! Links that sign a person in once.

use sync_core::{
    ids::{OrgId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{StorageError, Tx, on};

/// Adds a link.
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
            "INSERT INTO sign_in_link (org_id, token_sha256, user_id, created_at, expires_at)
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

/// Whose link this is, if it can still be used.
///
/// # Errors
/// The driver's.
pub async fn find(tx: &mut Tx, token_sha256: &[u8], now: Timestamp) -> Result<Option<(OrgId, UserId)>, StorageError> {
    let row: Option<(Uuid, Uuid)> = on!(tx, |c| {
        sqlx::query_as("SELECT org_id, user_id FROM sign_in_link WHERE token_sha256 = $1 AND expires_at > $2")
            .bind(token_sha256)
            .bind(now.0)
            .fetch_optional(c)
            .await
    })?;
    Ok(row.map(|(org, user)| (OrgId(org), UserId(user))))
}

/// Uses a link up and says whose it was; nothing if it is used, over or unknown. Of several at once one gets it.
///
/// # Errors
/// The driver's.
pub async fn take(tx: &mut Tx, token_sha256: &[u8], now: Timestamp) -> Result<Option<(OrgId, UserId)>, StorageError> {
    let row: Option<(Uuid, Uuid)> = on!(tx, |c| {
        sqlx::query_as("DELETE FROM sign_in_link WHERE token_sha256 = $1 AND expires_at > $2 RETURNING org_id, user_id")
            .bind(token_sha256)
            .bind(now.0)
            .fetch_optional(c)
            .await
    })?;
    Ok(row.map(|(org, user)| (OrgId(org), UserId(user))))
}

/// Removes every link of a person.
///
/// # Errors
/// The driver's.
pub async fn delete_of_user(tx: &mut Tx, org: OrgId, user: UserId) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("DELETE FROM sign_in_link WHERE org_id = $1 AND user_id = $2")
            .bind(org.0)
            .bind(user.0)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// Removes links whose time is over.
///
/// # Errors
/// The driver's.
pub async fn delete_expired(tx: &mut Tx, now: Timestamp) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("DELETE FROM sign_in_link WHERE expires_at <= $1")
            .bind(now.0)
            .execute(c)
            .await
            .map(|_| ())
    })
}
