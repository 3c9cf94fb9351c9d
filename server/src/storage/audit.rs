//! The audit: one row a decision, numbered without gaps, and the chain of hashes over the rows.

use sqlx::{FromRow, QueryBuilder};
use sync_core::{
    ids::{DeviceId, OrgId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{StorageError, Tx, on};

/// Rows written with one statement: 8 values each, below the drivers' bounds on values.
const ROWS_PER_STATEMENT: usize = 500;

/// What is written down about one decision: ids and counts, nobody's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When it was decided, by the server's clock.
    pub at: Timestamp,
    /// Who did it; `None`: the operator or the server itself.
    pub user: Option<UserId>,
    /// With which device.
    pub device: Option<DeviceId>,
    /// What was done, as a stable word such as `user_added`.
    pub action: &'static str,
    /// To what: an id as a rule.
    pub subject: String,
    /// Further ids and counts, as a JSON object.
    pub detail: serde_json::Value,
}

impl AuditRow {
    /// A row without person, device and detail.
    #[must_use]
    pub fn new(at: Timestamp, action: &'static str, subject: impl ToString) -> Self {
        Self {
            at,
            user: None,
            device: None,
            action,
            subject: subject.to_string(),
            detail: serde_json::json!({}),
        }
    }

    /// Done by this person.
    #[must_use]
    pub fn by(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// With this device.
    #[must_use]
    pub fn with_device(mut self, device: DeviceId) -> Self {
        self.device = Some(device);
        self
    }

    /// With further ids and counts.
    #[must_use]
    pub fn with_detail(mut self, detail: serde_json::Value) -> Self {
        self.detail = detail;
        self
    }
}

/// Appends rows under the next numbers, in the transaction of what they tell. Takes the organisation's counter row:
/// call it last, as near to the commit as can be.
///
/// # Errors
/// The driver's.
pub async fn append(tx: &mut Tx, org: OrgId, rows: &[AuditRow]) -> Result<(), StorageError> {
    if rows.is_empty() {
        return Ok(());
    }
    let count = rows.len() as i64;
    let head: i64 = on!(tx, |c| {
        sqlx::query_scalar("UPDATE log_head SET audit_head = audit_head + $2 WHERE org_id = $1 RETURNING audit_head")
            .bind(org.0)
            .bind(count)
            .fetch_one(c)
            .await
    })?;
    insert(tx, org, head - count + 1, rows).await
}

/// Writes rows under numbers that the caller has taken with [`super::log::take`].
///
/// # Errors
/// The driver's.
pub async fn insert(tx: &mut Tx, org: OrgId, first: i64, rows: &[AuditRow]) -> Result<(), StorageError> {
    let numbered: Vec<_> = rows.iter().zip(first..).collect();
    for chunk in numbered.chunks(ROWS_PER_STATEMENT) {
        on!(tx, |c| {
            let mut insert = QueryBuilder::new(
                "INSERT INTO audit (org_id, audit_seq, at, user_id, device_id, action, subject, detail) ",
            );
            insert.push_values(chunk, |mut row, (audit, seq)| {
                row.push_bind(org.0)
                    .push_bind(*seq)
                    .push_bind(audit.at.0)
                    .push_bind(audit.user.map(|user| user.0))
                    .push_bind(audit.device.map(|device| device.0))
                    .push_bind(audit.action)
                    .push_bind(audit.subject.as_str())
                    .push_bind(audit.detail.to_string());
            });
            insert.build().execute(c).await.map(|_| ())
        })?;
    }
    Ok(())
}

/// A row as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct StoredAudit {
    /// Its number.
    pub audit_seq: i64,
    /// When, in milliseconds.
    pub at: i64,
    /// Who.
    pub user_id: Option<Uuid>,
    /// With which device.
    pub device_id: Option<Uuid>,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Further ids and counts, as JSON text.
    pub detail: String,
}

/// Rows after a number, in order.
///
/// # Errors
/// The driver's.
pub async fn list_after(tx: &mut Tx, org: OrgId, after: i64, limit: i64) -> Result<Vec<StoredAudit>, StorageError> {
    on!(tx, |c| {
        sqlx::query_as(
            "SELECT audit_seq, at, user_id, device_id, action, subject, detail FROM audit
             WHERE org_id = $1 AND audit_seq > $2 ORDER BY audit_seq LIMIT $3 + 0",
        )
        .bind(org.0)
        .bind(after)
        .bind(limit)
        .fetch_all(c)
        .await
    })
}

/// Every row that names an id. Reads the organisation's whole audit: for an export of what is held about somebody, which
/// is rare and must be complete.
///
/// # Errors
/// The driver's.
pub async fn list_about(tx: &mut Tx, org: OrgId, subject: Uuid) -> Result<Vec<StoredAudit>, StorageError> {
    on!(tx, |c| {
        sqlx::query_as(
            "SELECT audit_seq, at, user_id, device_id, action, subject, detail FROM audit
             WHERE org_id = $1 AND (subject = $2 OR user_id = $3 OR detail LIKE $4) ORDER BY audit_seq",
        )
        .bind(org.0)
        .bind(subject.to_string())
        .bind(subject)
        .bind(format!("%{subject}%"))
        .fetch_all(c)
        .await
    })
}

/// The last number given to a row.
///
/// # Errors
/// The driver's.
pub async fn head(tx: &mut Tx, org: OrgId) -> Result<i64, StorageError> {
    on!(tx, |c| {
        sqlx::query_scalar("SELECT audit_head FROM log_head WHERE org_id = $1")
            .bind(org.0)
            .fetch_one(c)
            .await
    })
}

/// Organisations with rows that no link covers.
///
/// # Errors
/// The driver's.
pub async fn list_unsealed(tx: &mut Tx, limit: i64) -> Result<Vec<OrgId>, StorageError> {
    let rows: Vec<Uuid> = on!(tx, |c| {
        sqlx::query_scalar(
            "SELECT h.org_id FROM log_head h
             WHERE h.audit_head > COALESCE(
               (SELECT MAX(l.last_audit_seq) FROM audit_link l WHERE l.org_id = h.org_id), 0)
             ORDER BY h.org_id LIMIT $1 + 0",
        )
        .bind(limit)
        .fetch_all(c)
        .await
    })?;
    Ok(rows.into_iter().map(OrgId).collect())
}

/// One link of the chain: it covers the rows from its first to its last, and the link before.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Link {
    /// The last row covered.
    pub last_audit_seq: i64,
    /// The first row covered.
    pub first_audit_seq: i64,
    /// SHA-256 over the link before and the rows.
    pub hash: Vec<u8>,
}

/// The last link.
///
/// # Errors
/// The driver's.
pub async fn find_last_link(tx: &mut Tx, org: OrgId) -> Result<Option<Link>, StorageError> {
    on!(tx, |c| {
        sqlx::query_as(
            "SELECT last_audit_seq, first_audit_seq, hash FROM audit_link
             WHERE org_id = $1 ORDER BY last_audit_seq DESC LIMIT 1",
        )
        .bind(org.0)
        .fetch_optional(c)
        .await
    })
}

/// Links after a row's number, in order.
///
/// # Errors
/// The driver's.
pub async fn list_links_after(tx: &mut Tx, org: OrgId, after: i64, limit: i64) -> Result<Vec<Link>, StorageError> {
    on!(tx, |c| {
        sqlx::query_as(
            "SELECT last_audit_seq, first_audit_seq, hash FROM audit_link
             WHERE org_id = $1 AND last_audit_seq > $2 ORDER BY last_audit_seq LIMIT $3 + 0",
        )
        .bind(org.0)
        .bind(after)
        .bind(limit)
        .fetch_all(c)
        .await
    })
}

/// Adds a link.
///
/// # Errors
/// The driver's; a unique violation if another node has sealed these rows.
pub async fn insert_link(tx: &mut Tx, org: OrgId, link: &Link, sealed_at: Timestamp) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO audit_link (org_id, last_audit_seq, first_audit_seq, hash, sealed_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(org.0)
        .bind(link.last_audit_seq)
        .bind(link.first_audit_seq)
        .bind(link.hash.as_slice())
        .bind(sealed_at.0)
        .execute(c)
        .await
        .map(|_| ())
    })
}
