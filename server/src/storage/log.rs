//! The counters of an organisation. Taking from one locks its row until the transaction ends, so that the order of
//! numbers is the order of commits.

use sync_core::ids::OrgId;

use super::{StorageError, Tx, on};

/// Begins an organisation's counters at 0.
///
/// # Errors
/// The driver's.
pub async fn begin(tx: &mut Tx, org: OrgId) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("INSERT INTO log_head (org_id, head, audit_head) VALUES ($1, 0, 0)")
            .bind(org.0)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// Takes `count` numbers of the sequence and gives the first.
///
/// # Errors
/// The driver's; `RowNotFound` for an unknown organisation.
pub async fn take(tx: &mut Tx, org: OrgId, count: i64) -> Result<i64, StorageError> {
    let head: i64 = on!(tx, |c| {
        sqlx::query_scalar("UPDATE log_head SET head = head + $2 WHERE org_id = $1 RETURNING head")
            .bind(org.0)
            .bind(count)
            .fetch_one(c)
            .await
    })?;
    Ok(head - count + 1)
}

/// The last number taken. In one snapshot with the rows it covers when asked in a transaction that reads.
///
/// # Errors
/// The driver's; `RowNotFound` for an unknown organisation.
pub async fn head(tx: &mut Tx, org: OrgId) -> Result<i64, StorageError> {
    on!(tx, |c| {
        sqlx::query_scalar("SELECT head FROM log_head WHERE org_id = $1")
            .bind(org.0)
            .fetch_one(c)
            .await
    })
}
