//! Covers: who stands in for whom, and until when.

use sqlx::FromRow;
use sync_core::{
    ids::{CoverId, OrgId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{StorageError, Tx, on};

/// A cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverRow {
    /// Its id.
    pub id: CoverId,
    /// Whose customers.
    pub of: UserId,
    /// Who looks after them.
    pub by: UserId,
    /// Who gave it.
    pub given_by: UserId,
    /// Why.
    pub reason: String,
    /// All his customers; otherwise some of them.
    pub everything: bool,
    /// How many they were at the beginning.
    pub customers: i64,
    /// When it began.
    pub begun_at: Timestamp,
    /// At which place of the log.
    pub begun_seq: i64,
    /// When it ends by itself.
    pub until: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who ended it; none: its time was over.
    pub ended_by: Option<UserId>,
}

#[derive(FromRow)]
struct RawCover {
    cover_id: Uuid,
    of_user_id: Uuid,
    by_user_id: Uuid,
    given_by_id: Uuid,
    reason: String,
    everything: bool,
    customers: i64,
    begun_at: i64,
    begun_seq: i64,
    until_at: i64,
    ended_at: Option<i64>,
    ended_by_id: Option<Uuid>,
}

impl From<RawCover> for CoverRow {
    fn from(raw: RawCover) -> Self {
        Self {
            id: CoverId(raw.cover_id),
            of: UserId(raw.of_user_id),
            by: UserId(raw.by_user_id),
            given_by: UserId(raw.given_by_id),
            reason: raw.reason,
            everything: raw.everything,
            customers: raw.customers,
            begun_at: Timestamp(raw.begun_at),
            begun_seq: raw.begun_seq,
            until: Timestamp(raw.until_at),
            ended_at: raw.ended_at.map(Timestamp),
            ended_by: raw.ended_by_id.map(UserId),
        }
    }
}

/// Adds a cover.
///
/// # Errors
/// The driver's.
pub async fn insert(tx: &mut Tx, org: OrgId, cover: &CoverRow) -> Result<(), StorageError> {
    on!(tx, |connection| sqlx::query(
        "INSERT INTO cover (org_id, cover_id, of_user_id, by_user_id, given_by_id, reason, everything, customers,
             begun_at, begun_seq, until_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    )
    .bind(org.0)
    .bind(cover.id.0)
    .bind(cover.of.0)
    .bind(cover.by.0)
    .bind(cover.given_by.0)
    .bind(cover.reason.as_str())
    .bind(cover.everything)
    .bind(cover.customers)
    .bind(cover.begun_at.0)
    .bind(cover.begun_seq)
    .bind(cover.until.0)
    .execute(connection)
    .await
    .map(drop))
}

/// Writes at which place of the log a cover began.
///
/// # Errors
/// The driver's.
pub async fn set_begun_seq(tx: &mut Tx, org: OrgId, cover: CoverId, seq: i64) -> Result<(), StorageError> {
    on!(tx, |connection| sqlx::query(
        "UPDATE cover SET begun_seq = $3 WHERE org_id = $1 AND cover_id = $2"
    )
    .bind(org.0)
    .bind(cover.0)
    .bind(seq)
    .execute(connection)
    .await
    .map(drop))
}

/// A cover.
///
/// # Errors
/// The driver's.
pub async fn find(tx: &mut Tx, org: OrgId, cover: CoverId) -> Result<Option<CoverRow>, StorageError> {
    let row: Option<RawCover> = on!(tx, |connection| sqlx::query_as(
        "SELECT cover_id, of_user_id, by_user_id, given_by_id, reason, everything, customers, begun_at, begun_seq,
             until_at, ended_at, ended_by_id FROM cover WHERE org_id = $1 AND cover_id = $2"
    )
    .bind(org.0)
    .bind(cover.0)
    .fetch_optional(connection)
    .await)?;
    Ok(row.map(CoverRow::from))
}

/// Covers before a place, the newest first.
///
/// # Errors
/// The driver's.
pub async fn list(
    tx: &mut Tx,
    org: OrgId,
    before: Option<(Timestamp, CoverId)>,
    limit: i64,
) -> Result<Vec<CoverRow>, StorageError> {
    let (at, id) = before.unwrap_or((Timestamp(i64::MAX), CoverId(Uuid::max())));
    let rows: Vec<RawCover> = on!(tx, |connection| sqlx::query_as(
        "SELECT cover_id, of_user_id, by_user_id, given_by_id, reason, everything, customers, begun_at, begun_seq,
             until_at, ended_at, ended_by_id FROM cover
         WHERE org_id = $1 AND (begun_at, cover_id) < ($2, $3)
         ORDER BY begun_at DESC, cover_id DESC LIMIT $4 + 0"
    )
    .bind(org.0)
    .bind(at.0)
    .bind(id.0)
    .bind(limit)
    .fetch_all(connection)
    .await)?;
    Ok(rows.into_iter().map(CoverRow::from).collect())
}

/// Whom somebody covers now, each open cover once.
///
/// # Errors
/// The driver's.
pub async fn list_open_of(tx: &mut Tx, org: OrgId, by: UserId) -> Result<Vec<UserId>, StorageError> {
    let rows: Vec<Uuid> = on!(tx, |connection| {
        sqlx::query_scalar(
        "SELECT of_user_id FROM cover WHERE org_id = $1 AND by_user_id = $2 AND ended_at IS NULL ORDER BY of_user_id"
    )
    .bind(org.0)
    .bind(by.0)
    .fetch_all(connection)
    .await
    })?;
    Ok(rows.into_iter().map(UserId).collect())
}

/// Those for all of whose customers somebody stands in now.
///
/// # Errors
/// The driver's.
pub async fn list_covered(tx: &mut Tx, org: OrgId, by: UserId) -> Result<Vec<UserId>, StorageError> {
    let rows: Vec<Uuid> = on!(tx, |connection| sqlx::query_scalar(
        "SELECT of_user_id FROM cover
         WHERE org_id = $1 AND by_user_id = $2 AND ended_at IS NULL AND everything ORDER BY of_user_id"
    )
    .bind(org.0)
    .bind(by.0)
    .fetch_all(connection)
    .await)?;
    Ok(rows.into_iter().map(UserId).collect())
}

/// Covers of all organisations whose time is over, the longest over first.
///
/// # Errors
/// The driver's.
pub async fn list_due(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<Vec<(OrgId, CoverId)>, StorageError> {
    let rows: Vec<(Uuid, Uuid)> = on!(tx, |connection| {
        sqlx::query_as(
        "SELECT org_id, cover_id FROM cover WHERE ended_at IS NULL AND until_at <= $1 ORDER BY until_at LIMIT $2 + 0"
    )
    .bind(now.0)
    .bind(limit)
    .fetch_all(connection)
    .await
    })?;
    Ok(rows
        .into_iter()
        .map(|(org, cover)| (OrgId(org), CoverId(cover)))
        .collect())
}

/// Writes that a cover has ended. False if it had ended before.
///
/// # Errors
/// The driver's.
pub async fn end(
    tx: &mut Tx,
    org: OrgId,
    cover: CoverId,
    at: Timestamp,
    by: Option<UserId>,
) -> Result<bool, StorageError> {
    let ended = on!(tx, |connection| sqlx::query(
        "UPDATE cover SET ended_at = $3, ended_by_id = $4 WHERE org_id = $1 AND cover_id = $2 AND ended_at IS NULL"
    )
    .bind(org.0)
    .bind(cover.0)
    .bind(at.0)
    .bind(by.map(|user| user.0))
    .execute(connection)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(ended == 1)
}
