//! Pools and their members.

use sync_core::{
    directory::PoolEntry,
    ids::{OrgId, PoolId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{StorageError, Tx, on};

/// Adds a pool.
///
/// # Errors
/// The driver's; a unique violation if the name is taken.
pub async fn insert(tx: &mut Tx, org: OrgId, pool: &PoolEntry, created_at: Timestamp) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("INSERT INTO pool (org_id, pool_id, name, created_at) VALUES ($1, $2, $3, $4)")
            .bind(org.0)
            .bind(pool.id.0)
            .bind(pool.name.as_str())
            .bind(created_at.0)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// All pools, by id.
///
/// # Errors
/// The driver's.
pub async fn list(tx: &mut Tx, org: OrgId) -> Result<Vec<PoolEntry>, StorageError> {
    let rows: Vec<(Uuid, String)> = on!(tx, |c| {
        sqlx::query_as("SELECT pool_id, name FROM pool WHERE org_id = $1 ORDER BY pool_id")
            .bind(org.0)
            .fetch_all(c)
            .await
    })?;
    Ok(rows
        .into_iter()
        .map(|(id, name)| PoolEntry { id: PoolId(id), name })
        .collect())
}

/// Whether the organisation has this pool.
///
/// # Errors
/// The driver's.
pub async fn exists(tx: &mut Tx, org: OrgId, pool: PoolId) -> Result<bool, StorageError> {
    let found: Option<Uuid> = on!(tx, |c| {
        sqlx::query_scalar("SELECT pool_id FROM pool WHERE org_id = $1 AND pool_id = $2")
            .bind(org.0)
            .bind(pool.0)
            .fetch_optional(c)
            .await
    })?;
    Ok(found.is_some())
}

/// A person's pools by id, and whether he administers each.
///
/// # Errors
/// The driver's.
pub async fn list_of_user(tx: &mut Tx, org: OrgId, user: UserId) -> Result<Vec<(PoolId, bool)>, StorageError> {
    let rows: Vec<(Uuid, bool)> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT pool_id, administrator FROM pool_member WHERE org_id = $1 AND user_id = $2 ORDER BY pool_id",
        )
        .bind(org.0)
        .bind(user.0)
        .fetch_all(c)
        .await
    })?;
    Ok(rows
        .into_iter()
        .map(|(pool, administrator)| (PoolId(pool), administrator))
        .collect())
}

/// Makes these a person's pools, and no others.
///
/// # Errors
/// The driver's.
pub async fn replace_of_user(
    tx: &mut Tx,
    org: OrgId,
    user: UserId,
    pools: &[(PoolId, bool)],
) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("DELETE FROM pool_member WHERE org_id = $1 AND user_id = $2")
            .bind(org.0)
            .bind(user.0)
            .execute(c)
            .await
            .map(|_| ())
    })?;
    for (pool, administrator) in pools {
        on!(tx, |c| {
            sqlx::query("INSERT INTO pool_member (org_id, pool_id, user_id, administrator) VALUES ($1, $2, $3, $4)")
                .bind(org.0)
                .bind(pool.0)
                .bind(user.0)
                .bind(*administrator)
                .execute(c)
                .await
                .map(|_| ())
        })?;
    }
    Ok(())
}
