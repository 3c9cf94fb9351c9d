//! The server's secrets.

use sqlx::FromRow;
use sync_core::time::Timestamp;

use super::{StorageError, Tx, on};

/// A stored key.
#[derive(Debug, Clone)]
pub struct KeyRow {
    /// Its id.
    pub kid: String,
    /// What it is for.
    pub purpose: String,
    /// The secret.
    pub secret: Vec<u8>,
    /// When it stops checking; `None`: not retired.
    pub retired_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    kid: String,
    purpose: String,
    secret: Vec<u8>,
    retired_at: Option<i64>,
}

/// All keys, oldest first.
///
/// # Errors
/// The driver's.
pub async fn list(tx: &mut Tx) -> Result<Vec<KeyRow>, StorageError> {
    let rows: Vec<Row> = on!(tx, |c| {
        sqlx::query_as("SELECT kid, purpose, secret, retired_at FROM server_key ORDER BY created_at, kid")
            .fetch_all(c)
            .await
    })?;
    Ok(rows
        .into_iter()
        .map(|row| KeyRow {
            kid: row.kid,
            purpose: row.purpose,
            secret: row.secret,
            retired_at: row.retired_at.map(Timestamp),
        })
        .collect())
}

/// Adds a key, unless one with this id exists.
///
/// # Errors
/// The driver's.
pub async fn insert(
    tx: &mut Tx,
    kid: &str,
    purpose: &str,
    secret: &[u8],
    created_at: Timestamp,
) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO server_key (kid, purpose, secret, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (kid) DO NOTHING",
        )
        .bind(kid)
        .bind(purpose)
        .bind(secret)
        .bind(created_at.0)
        .execute(c)
        .await
        .map(|_| ())
    })
}

/// Retires every key of a purpose that is not retired, or only later, at this instant.
///
/// # Errors
/// The driver's.
pub async fn retire(tx: &mut Tx, purpose: &str, at: Timestamp) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query(
            "UPDATE server_key SET retired_at = $2 WHERE purpose = $1 AND (retired_at IS NULL OR retired_at > $2)",
        )
        .bind(purpose)
        .bind(at.0)
        .execute(c)
        .await
        .map(|_| ())
    })
}
