//! People who were erased: what was stored of them goes, a row that says so stays.
//!
//! The rows are the list that is kept beside the database and applied again after a restore. They hold ids only.

use serde::{Deserialize, Serialize};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DocumentId, OrgId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    StorageError, Tx, on,
    packed::{self, PackedChanges, PackedDocument},
    search,
};

/// A document that is gone for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureRow {
    /// The organisation.
    pub org: OrgId,
    /// The document.
    pub document: DocumentId,
    /// Its customer.
    pub customer: CustomerId,
    /// Its kind.
    pub kind: Kind,
    /// Who had made it.
    pub author: UserId,
    /// Why: a word of `actions::erasure::Reason`.
    pub reason: String,
    /// Who ordered it; none: whoever runs the server.
    pub by: Option<UserId>,
    /// When.
    pub erased_at: Timestamp,
    /// When the files were cleaned of what had been deleted; none: not yet.
    pub cleaned_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct RawErasure {
    org_id: Uuid,
    document_id: Uuid,
    customer_id: Uuid,
    kind: i16,
    author_id: Uuid,
    reason: String,
    by_user_id: Option<Uuid>,
    erased_at: i64,
    cleaned_at: Option<i64>,
}

impl RawErasure {
    // None: a kind of a newer version.
    fn row(self) -> Option<ErasureRow> {
        Some(ErasureRow {
            org: OrgId(self.org_id),
            document: DocumentId(self.document_id),
            customer: CustomerId(self.customer_id),
            kind: Kind::from_number(u8::try_from(self.kind).ok()?)?,
            author: UserId(self.author_id),
            reason: self.reason,
            by: self.by_user_id.map(UserId),
            erased_at: Timestamp(self.erased_at),
            cleaned_at: self.cleaned_at.map(Timestamp),
        })
    }
}

/// Removes everything that is stored of a document but its id, the hashes and places of its changes and who made them, and
/// writes down that it is gone. A document that is not there is written down as gone all the same: nobody brings it back.
/// Gives how many changes there were. Done again it changes nothing.
///
/// # Errors
/// The driver's.
pub async fn erase(tx: &mut Tx, erasure: &ErasureRow, last_seq: i64) -> Result<u64, StorageError> {
    mark_document(tx, erasure, last_seq).await?;
    let changes = empty_changes(tx, erasure).await?;
    let nothing = PackedDocument {
        document: erasure.document,
        kind: erasure.kind,
        author: erasure.author,
        responsible: None,
        checked_in_by: None,
        changes: Some(PackedChanges::default()),
    };
    packed::put(tx, erasure.org, erasure.customer, &nothing).await?;
    search::remove(tx, erasure.org, erasure.document).await?;
    empty_refusals(tx, erasure).await?;
    delete_beside(tx, erasure).await?;
    insert(tx, erasure).await?;
    Ok(changes)
}

async fn mark_document(tx: &mut Tx, erasure: &ErasureRow, last_seq: i64) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query(
        "INSERT INTO document (org_id, document_id, customer_id, kind, generation, author_id, version, first_seq, last_seq, \
         created_at, received_at, late, fields, erased_at) VALUES ($1, $2, $3, $4, 0, $5, 1, $6, $6, $7, $7, FALSE, '{}', $7) \
         ON CONFLICT (org_id, document_id) DO UPDATE SET version = document.version + 1, \
         last_seq = CASE WHEN excluded.last_seq > document.last_seq THEN excluded.last_seq ELSE document.last_seq END, fields = '{}', conflicts = NULL, external_id = NULL, checked_in_by = NULL, responsible_id = NULL, \
         erased_at = COALESCE(document.erased_at, excluded.erased_at)"
    )
    .bind(erasure.org.0)
    .bind(erasure.document.0)
    .bind(erasure.customer.0)
    .bind(i16::from(erasure.kind.number()))
    .bind(erasure.author.0)
    .bind(last_seq)
    .bind(erasure.erased_at.0)
    .execute(c)
    .await
    .map(drop)
    })
}

async fn empty_changes(tx: &mut Tx, erasure: &ErasureRow) -> Result<u64, StorageError> {
    on!(tx, |c| sqlx::query(
        "UPDATE change SET body = NULL, erased_at = COALESCE(erased_at, $3) WHERE org_id = $1 AND log_seq IN \
         (SELECT log_seq FROM change WHERE org_id = $1 AND document_id = $2)"
    )
    .bind(erasure.org.0)
    .bind(erasure.document.0)
    .bind(erasure.erased_at.0)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))
}

/// What was refused of it loses its bytes, and what waits for a decision is decided.
async fn empty_refusals(tx: &mut Tx, erasure: &ErasureRow) -> Result<(), StorageError> {
    on!(tx, |c| sqlx::query(
        "UPDATE refusal SET body = NULL, decision_reason = NULL, \
         reason = CASE verdict WHEN 'quarantined' THEN 'erased' ELSE reason END, \
         verdict = CASE verdict WHEN 'quarantined' THEN 'rejected' ELSE verdict END \
         WHERE org_id = $1 AND document_id = $2"
    )
    .bind(erasure.org.0)
    .bind(erasure.document.0)
    .execute(c)
    .await
    .map(drop))
}

async fn delete_beside(tx: &mut Tx, erasure: &ErasureRow) -> Result<(), StorageError> {
    on!(tx, |c| sqlx::query(
        "DELETE FROM proposal WHERE org_id = $1 AND customer_id = $2 AND document_id = $3"
    )
    .bind(erasure.org.0)
    .bind(erasure.customer.0)
    .bind(erasure.document.0)
    .execute(c)
    .await
    .map(drop))?;
    on!(tx, |c| sqlx::query(
        "DELETE FROM equivocation WHERE org_id = $1 AND document_id = $2"
    )
    .bind(erasure.org.0)
    .bind(erasure.document.0)
    .execute(c)
    .await
    .map(drop))
}

async fn insert(tx: &mut Tx, erasure: &ErasureRow) -> Result<(), StorageError> {
    on!(tx, |c| sqlx::query(
        "INSERT INTO erasure (org_id, document_id, customer_id, kind, author_id, reason, by_user_id, erased_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (org_id, document_id) DO UPDATE SET cleaned_at = NULL"
    )
    .bind(erasure.org.0)
    .bind(erasure.document.0)
    .bind(erasure.customer.0)
    .bind(i16::from(erasure.kind.number()))
    .bind(erasure.author.0)
    .bind(erasure.reason.as_str())
    .bind(erasure.by.map(|user| user.0))
    .bind(erasure.erased_at.0)
    .execute(c)
    .await
    .map(drop))
}

/// One of them.
///
/// # Errors
/// The driver's.
pub async fn find(tx: &mut Tx, org: OrgId, document: DocumentId) -> Result<Option<ErasureRow>, StorageError> {
    let row: Option<RawErasure> = on!(tx, |c| {
        sqlx::query_as(
        "SELECT org_id, document_id, customer_id, kind, author_id, reason, by_user_id, erased_at, cleaned_at FROM erasure \
         WHERE org_id = $1 AND document_id = $2"
    )
    .bind(org.0)
    .bind(document.0)
    .fetch_optional(c)
    .await
    })?;
    Ok(row.and_then(RawErasure::row))
}

/// An organisation's erasures, the latest first, at most `limit`.
///
/// # Errors
/// The driver's.
pub async fn list(tx: &mut Tx, org: OrgId, limit: i64) -> Result<Vec<ErasureRow>, StorageError> {
    let rows: Vec<RawErasure> = on!(tx, |c| {
        sqlx::query_as(
        "SELECT org_id, document_id, customer_id, kind, author_id, reason, by_user_id, erased_at, cleaned_at FROM erasure \
         WHERE org_id = $1 ORDER BY erased_at DESC, document_id LIMIT $2 + 0"
    )
    .bind(org.0)
    .bind(limit)
    .fetch_all(c)
    .await
    })?;
    Ok(rows.into_iter().filter_map(RawErasure::row).collect())
}

/// The erasures of all organisations: the list that outlives a restore.
///
/// # Errors
/// The driver's.
pub async fn list_all(tx: &mut Tx) -> Result<Vec<ErasureRow>, StorageError> {
    let rows: Vec<RawErasure> = on!(tx, |c| {
        sqlx::query_as(
        "SELECT org_id, document_id, customer_id, kind, author_id, reason, by_user_id, erased_at, cleaned_at FROM erasure \
         ORDER BY org_id, document_id"
    )
    .fetch_all(c)
    .await
    })?;
    Ok(rows.into_iter().filter_map(RawErasure::row).collect())
}

/// Whether anything was erased whose traces may still lie in the files.
///
/// # Errors
/// The driver's.
pub async fn is_uncleaned(tx: &mut Tx) -> Result<bool, StorageError> {
    on!(tx, |c| sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM erasure WHERE cleaned_at IS NULL)"
    )
    .fetch_one(c)
    .await)
}

/// What was erased whose traces may still lie in the files.
///
/// # Errors
/// The driver's.
pub async fn list_uncleaned(tx: &mut Tx) -> Result<Vec<(OrgId, DocumentId)>, StorageError> {
    let rows: Vec<(Uuid, Uuid)> = on!(tx, |c| sqlx::query_as(
        "SELECT org_id, document_id FROM erasure WHERE cleaned_at IS NULL"
    )
    .fetch_all(c)
    .await)?;
    Ok(rows
        .into_iter()
        .map(|(org, document)| (OrgId(org), DocumentId(document)))
        .collect())
}

/// Writes down that the files have been cleaned of these.
///
/// # Errors
/// The driver's.
pub async fn set_cleaned(tx: &mut Tx, cleaned: &[(OrgId, DocumentId)], now: Timestamp) -> Result<(), StorageError> {
    for (org, document) in cleaned {
        on!(tx, |c| sqlx::query(
            "UPDATE erasure SET cleaned_at = $3 WHERE org_id = $1 AND document_id = $2"
        )
        .bind(org.0)
        .bind(document.0)
        .bind(now.0)
        .execute(c)
        .await
        .map(drop))?;
    }
    Ok(())
}

/// A change that contradicts another under the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EquivocationRow {
    /// The document.
    pub document: DocumentId,
    /// SHA-256 of the op-list.
    pub body_sha256: [u8; 32],
    /// The op-list.
    pub body: Vec<u8>,
    /// Whose device said it.
    pub author: UserId,
    /// Which device.
    pub device: Option<sync_core::ids::DeviceId>,
}

/// Keeps a contradicting change; one already kept stays.
///
/// # Errors
/// The driver's.
pub async fn keep_equivocation(
    tx: &mut Tx,
    org: OrgId,
    row: &EquivocationRow,
    received_at: Timestamp,
) -> Result<(), StorageError> {
    on!(tx, |c| sqlx::query(
        "INSERT INTO equivocation (org_id, document_id, body_sha256, body, author_id, device_id, received_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (org_id, document_id, body_sha256) DO NOTHING"
    )
    .bind(org.0)
    .bind(row.document.0)
    .bind(&row.body_sha256[..])
    .bind(&row.body[..])
    .bind(row.author.0)
    .bind(row.device.map(|device| device.0))
    .bind(received_at.0)
    .execute(c)
    .await
    .map(drop))
}
