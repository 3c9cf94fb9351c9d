//! The organisation's counters: places in the log and numbers of audit rows.

use sync_core::ids::{LogId, OrgId};

use super::{StorageError, Tx, on};

/// Takes `count` places of the organisation's log and `audit_count` numbers of its audit; gives the first of each.
///
/// The counter row stays locked until the transaction ends: everything that is checked after this call still holds at
/// commit, because all that could change it takes the same counter first.
///
/// # Errors
/// The driver's; `RowNotFound` if there is no such organisation.
pub async fn take(tx: &mut Tx, org: OrgId, count: u64, audit_count: u64) -> Result<(i64, i64), StorageError> {
    let (count, audit_count) = (count.cast_signed(), audit_count.cast_signed());
    let (head, audit_head): (i64, i64) = on!(tx, |connection| sqlx::query_as(
        "UPDATE log_head SET head = head + $2, audit_head = audit_head + $3 WHERE org_id = $1
         RETURNING head, audit_head"
    )
    .bind(org.0)
    .bind(count)
    .bind(audit_count)
    .fetch_one(connection)
    .await)?;
    Ok((head - count + 1, audit_head - audit_count + 1))
}

/// The place of the last committed event.
///
/// # Errors
/// The driver's; `RowNotFound` if there is no such organisation.
pub async fn head(tx: &mut Tx, org: OrgId) -> Result<i64, StorageError> {
    on!(tx, |connection| sqlx::query_scalar(
        "SELECT head FROM log_head WHERE org_id = $1"
    )
    .bind(org.0)
    .fetch_one(connection)
    .await)
}

/// The log's id.
///
/// # Errors
/// The driver's; `RowNotFound` if there is no such organisation.
pub async fn log_id(tx: &mut Tx, org: OrgId) -> Result<LogId, StorageError> {
    let id: uuid::Uuid = on!(tx, |connection| sqlx::query_scalar(
        "SELECT log_id FROM organisation WHERE org_id = $1"
    )
    .bind(org.0)
    .fetch_one(connection)
    .await)?;
    Ok(LogId(id))
}
