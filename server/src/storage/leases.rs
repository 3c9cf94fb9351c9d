//! Leases: background work that only one node may do at a time.

use sync_core::time::Timestamp;
use uuid::Uuid;

use super::{StorageError, Tx, on};

/// Takes or renews a lease until an instant. False while somebody else holds it.
///
/// # Errors
/// The database's.
pub async fn take(
    tx: &mut Tx,
    name: &str,
    holder: Uuid,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StorageError> {
    let taken = on!(tx, |c| sqlx::query(
        "INSERT INTO lease (name, holder, until) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
         WHERE lease.holder = excluded.holder OR lease.until < $4"
    )
    .bind(name)
    .bind(holder)
    .bind(until.0)
    .bind(now.0)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(taken == 1)
}
