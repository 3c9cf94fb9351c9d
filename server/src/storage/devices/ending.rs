//! How devices end: their right is taken away, they are told to erase themselves, they say that they have.

use sync_core::{
    ids::{DeviceId, OrgId, UserId},
    time::Timestamp,
};

use super::DeviceState;
use crate::storage::{StorageError, Tx, on};

/// Takes the right of an active device away; `false`: it was none. Somebody who leaves gets no more time to hand in by
/// it than he had.
///
/// # Errors
/// The driver's.
pub async fn revoke(tx: &mut Tx, org: OrgId, device: DeviceId, at: Timestamp) -> Result<bool, StorageError> {
    let changed = on!(tx, |c| {
        sqlx::query(
            "UPDATE device SET state = 'revoked', revoked_at = COALESCE(revoked_at, $3)
             WHERE org_id = $1 AND device_id = $2 AND state = 'active'",
        )
        .bind(org.0)
        .bind(device.0)
        .bind(at.0)
        .execute(c)
        .await
        .map(|result| result.rows_affected())
    })?;
    Ok(changed > 0)
}

/// Writes down since when the active devices of somebody who leaves only hand in what they hold; none: he is back.
///
/// # Errors
/// The driver's.
pub async fn set_draining(tx: &mut Tx, org: OrgId, user: UserId, since: Option<Timestamp>) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("UPDATE device SET revoked_at = $3 WHERE org_id = $1 AND user_id = $2 AND state = 'active'")
            .bind(org.0)
            .bind(user.0)
            .bind(since.map(|at| at.0))
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// Writes down that a device is told to erase everything; `false`: it was told before, or has done it.
///
/// # Errors
/// The driver's.
pub async fn order_wipe(tx: &mut Tx, org: OrgId, device: DeviceId, at: Timestamp) -> Result<bool, StorageError> {
    let changed = on!(tx, |c| {
        sqlx::query(
            "UPDATE device SET wipe_ordered_at = $3
             WHERE org_id = $1 AND device_id = $2 AND wipe_ordered_at IS NULL AND state <> 'wiped'",
        )
        .bind(org.0)
        .bind(device.0)
        .bind(at.0)
        .execute(c)
        .await
        .map(|result| result.rows_affected())
    })?;
    Ok(changed > 0)
}

/// Writes down that a device has erased everything, and with it every customer that it was told to drop; `false`: it had
/// said so before.
///
/// # Errors
/// The driver's.
pub async fn record_wipe(tx: &mut Tx, org: OrgId, device: DeviceId, at: Timestamp) -> Result<bool, StorageError> {
    let changed = on!(tx, |c| {
        sqlx::query(
            "UPDATE device SET state = 'wiped', wiped_at = $3, last_seen_at = $3, pending = 0
             WHERE org_id = $1 AND device_id = $2 AND state <> 'wiped'",
        )
        .bind(org.0)
        .bind(device.0)
        .bind(at.0)
        .execute(c)
        .await
        .map(|result| result.rows_affected())
    })?;
    on!(tx, |c| {
        sqlx::query(
            "UPDATE eviction SET confirmed_at = $3 WHERE org_id = $1 AND device_id = $2 AND confirmed_at IS NULL",
        )
        .bind(org.0)
        .bind(device.0)
        .bind(at.0)
        .execute(c)
        .await
        .map(|_| ())
    })?;
    Ok(changed > 0)
}

/// A device's state as it stands in a row that is written now, and since when it is revoked.
///
/// # Errors
/// The driver's.
pub async fn find_state(
    tx: &mut Tx,
    org: OrgId,
    device: DeviceId,
) -> Result<Option<(DeviceState, Option<Timestamp>)>, StorageError> {
    let row: Option<(String, Option<i64>)> = on!(tx, |c| {
        sqlx::query_as("SELECT state, revoked_at FROM device WHERE org_id = $1 AND device_id = $2")
            .bind(org.0)
            .bind(device.0)
            .fetch_optional(c)
            .await
    })?;
    let Some((state, revoked_at)) = row else {
        return Ok(None);
    };
    let state = state
        .parse::<DeviceState>()
        .map_err(|unknown| StorageError::Decode(unknown.into()))?;
    Ok(Some((state, revoked_at.map(Timestamp))))
}
