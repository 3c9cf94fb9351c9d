//! What is got back after a restore: whether it goes on, what came, and whose customers were as phones remember it.

use std::collections::BTreeSet;

use sqlx::QueryBuilder;
use sync_core::{
    ids::{CustomerId, DeviceId, DocumentId, OrgId, PoolId, UserId},
    protocol::compare::Belief,
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    StorageError, Tx, on,
    sizes::{filled, pieces},
};

/// Whether an organisation is getting back what it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Recovery {
    /// Since when phones bring back what others wrote; none: they do not.
    pub recovering_since: Option<i64>,
    /// Since when people and devices stand as on the day of the backup, unconfirmed.
    pub unconfirmed_since: Option<i64>,
}

/// How an organisation stands.
///
/// # Errors
/// The driver's.
pub async fn find(tx: &mut Tx, org: OrgId) -> Result<Option<Recovery>, StorageError> {
    on!(tx, |c| {
        sqlx::query_as("SELECT recovering_since, unconfirmed_since FROM organisation WHERE org_id = $1")
            .bind(org.0)
            .fetch_optional(c)
            .await
    })
}

/// Writes how an organisation stands.
///
/// # Errors
/// The driver's.
pub async fn set(tx: &mut Tx, org: OrgId, recovery: Recovery) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("UPDATE organisation SET recovering_since = $2, unconfirmed_since = $3 WHERE org_id = $1")
            .bind(org.0)
            .bind(recovery.recovering_since)
            .bind(recovery.unconfirmed_since)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// A document of which a device has brought back what others wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredRow {
    /// The document.
    pub document: DocumentId,
    /// The customer.
    pub customer: CustomerId,
    /// The device that still had it.
    pub device: DeviceId,
    /// How many changes.
    pub changes: i64,
}

/// Adds what has come back.
///
/// # Errors
/// The driver's.
pub async fn insert_recovered(
    tx: &mut Tx,
    org: OrgId,
    rows: &[&RecoveredRow],
    at: Timestamp,
) -> Result<(), StorageError> {
    for row in rows {
        on!(tx, |c| {
            sqlx::query(
                "INSERT INTO recovered_document (org_id, document_id, device_id, customer_id, changes, at)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (org_id, document_id, device_id)
                 DO UPDATE SET changes = recovered_document.changes + excluded.changes, at = excluded.at",
            )
            .bind(org.0)
            .bind(row.document.0)
            .bind(row.device.0)
            .bind(row.customer.0)
            .bind(row.changes)
            .bind(at.0)
            .execute(c)
            .await
            .map(|_| ())
        })?;
    }
    Ok(())
}

/// Of these documents those of which some device has brought back what others wrote.
///
/// # Errors
/// The driver's.
pub async fn list_recovered_among(
    tx: &mut Tx,
    org: OrgId,
    documents: &[DocumentId],
) -> Result<BTreeSet<DocumentId>, StorageError> {
    if documents.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows: Vec<(Uuid,)> = on!(tx, |c| {
        let mut query = QueryBuilder::new("SELECT document_id FROM recovered_document WHERE org_id = ");
        query.push_bind(org.0).push(" AND document_id IN (");
        let mut list = query.separated(", ");
        for document in filled(documents) {
            list.push_bind(document.0);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(|(document,)| DocumentId(document)).collect())
}

/// What has come back, at most `limit` documents.
///
/// # Errors
/// The driver's.
pub async fn list_recovered(tx: &mut Tx, org: OrgId, limit: i64) -> Result<Vec<RecoveredRow>, StorageError> {
    let rows: Vec<(Uuid, Uuid, Uuid, i64)> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT document_id, customer_id, device_id, changes FROM recovered_document
             WHERE org_id = $1 ORDER BY document_id, device_id LIMIT $2 + 0",
        )
        .bind(org.0)
        .bind(limit)
        .fetch_all(c)
        .await
    })?;
    let rows = rows
        .into_iter()
        .map(|(document, customer, device, changes)| RecoveredRow {
            document: DocumentId(document),
            customer: CustomerId(customer),
            device: DeviceId(device),
            changes,
        });
    Ok(rows.collect())
}

/// Writes down whose a device believed customers to be; what it said before of one is replaced.
///
/// # Errors
/// The driver's.
pub async fn insert_beliefs(
    tx: &mut Tx,
    org: OrgId,
    beliefs: &[(DeviceId, Belief)],
    at: Timestamp,
) -> Result<(), StorageError> {
    for piece in pieces(beliefs) {
        on!(tx, |c| {
            let mut insert = QueryBuilder::new(
                "INSERT INTO believed_owner (org_id, customer_id, device_id, owner_id, pool_id, version, at) ",
            );
            insert.push_values(piece, |mut row, (device, belief)| {
                row.push_bind(org.0)
                    .push_bind(belief.customer.0)
                    .push_bind(device.0)
                    .push_bind(belief.owner.map(|owner| owner.0))
                    .push_bind(belief.pool.map(|pool| pool.0))
                    .push_bind(belief.version.cast_signed())
                    .push_bind(at.0);
            });
            insert.push(
                " ON CONFLICT (org_id, customer_id, device_id) DO UPDATE SET owner_id = excluded.owner_id, \
                 pool_id = excluded.pool_id, version = excluded.version, at = excluded.at",
            );
            insert.build().execute(c).await.map(|_| ())
        })?;
    }
    Ok(())
}

/// Those of these customers that a device believed to be somebody else's than the server.
///
/// # Errors
/// The driver's.
pub async fn list_believed(
    tx: &mut Tx,
    org: OrgId,
    device: DeviceId,
    customers: &[CustomerId],
) -> Result<BTreeSet<CustomerId>, StorageError> {
    if customers.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows: Vec<(Uuid,)> = on!(tx, |c| {
        let mut query = QueryBuilder::new("SELECT customer_id FROM believed_owner WHERE org_id = ");
        query
            .push_bind(org.0)
            .push(" AND device_id = ")
            .push_bind(device.0)
            .push(" AND customer_id IN (");
        let mut list = query.separated(", ");
        for customer in filled(customers) {
            list.push_bind(customer.0);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(|(customer,)| CustomerId(customer)).collect())
}

/// Whose customers were as devices remember it, at most `limit`, newest version of each customer first.
///
/// # Errors
/// The driver's.
pub async fn list_beliefs(tx: &mut Tx, org: OrgId, limit: i64) -> Result<Vec<(DeviceId, Belief)>, StorageError> {
    type Row = (Uuid, Uuid, Option<Uuid>, Option<Uuid>, i64);
    let rows: Vec<Row> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT device_id, customer_id, owner_id, pool_id, version FROM believed_owner
             WHERE org_id = $1 ORDER BY customer_id, version DESC, device_id LIMIT $2 + 0",
        )
        .bind(org.0)
        .bind(limit)
        .fetch_all(c)
        .await
    })?;
    let rows = rows.into_iter().map(|(device, customer, owner, pool, version)| {
        let belief = Belief {
            customer: CustomerId(customer),
            owner: owner.map(UserId),
            pool: pool.map(PoolId),
            version: version.cast_unsigned(),
        };
        (DeviceId(device), belief)
    });
    Ok(rows.collect())
}
