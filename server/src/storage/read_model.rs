//! The read model as `verify` compares it and `rebuild` writes it: row by row, in the order of ids.

use sqlx::{FromRow, QueryBuilder};
use sync_core::ids::{CustomerId, DocumentId, OrgId, UserId};
use uuid::Uuid;

use super::{
    StorageError, Tx,
    customers::{DOCUMENT_COLUMNS, DocumentRow, RawDocument},
    on, packed,
};

/// A document with what the log decides about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadModelRow {
    /// The document; none for a kind of a newer version.
    pub document: Option<DocumentRow>,
    /// Its id.
    pub id: DocumentId,
    /// Place of its first change.
    pub first_seq: i64,
    /// Place of its last change.
    pub last_seq: i64,
    /// Its bytes are gone.
    pub erased: bool,
    /// What devices are sent of it, as it is stored; empty if nothing is.
    pub packed: Vec<u8>,
}

#[derive(FromRow)]
struct RawRow {
    first_seq: i64,
    last_seq: i64,
    erased_at: Option<i64>,
    #[sqlx(flatten)]
    document: RawDocument,
}

/// Documents by id, after one of them.
///
/// # Errors
/// The database's.
pub async fn list_after(tx: &mut Tx, org: OrgId, after: Uuid, limit: i64) -> Result<Vec<ReadModelRow>, StorageError> {
    let rows: Vec<RawRow> = on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT d.first_seq, d.last_seq, d.erased_at, ");
        query
            .push(DOCUMENT_COLUMNS)
            .push(" FROM document d WHERE d.org_id = ")
            .push_bind(org.0);
        query.push(" AND d.document_id > ").push_bind(after);
        query
            .push(" ORDER BY d.document_id LIMIT ")
            .push_bind(limit)
            .push(" + 0");
        query.build_query_as().fetch_all(connection).await
    })?;
    let places: Vec<(CustomerId, DocumentId)> = rows
        .iter()
        .map(|raw| (CustomerId(raw.document.customer()), DocumentId(raw.document.id())))
        .collect();
    let mut stored = packed::list_stored(tx, org, &places).await?;
    let read = |raw: RawRow| ReadModelRow {
        first_seq: raw.first_seq,
        last_seq: raw.last_seq,
        erased: raw.erased_at.is_some(),
        id: DocumentId(raw.document.id()),
        packed: stored.remove(&DocumentId(raw.document.id())).unwrap_or_default(),
        document: raw.document.read(),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Writes a document's read model, unless it has changed since it was read. False: it has. Whoever has decided on what
/// stood there before decides again.
///
/// # Errors
/// The database's.
pub async fn update(
    tx: &mut Tx,
    org: OrgId,
    row: &DocumentRow,
    last_seq: i64,
    packed: &[u8],
) -> Result<bool, StorageError> {
    let changed = on!(tx, |c| sqlx::query(
        "UPDATE document SET fields = $4, conflicts = $5, checked_in_by = $6, last_seq = $7, version = version + 1 \
         WHERE org_id = $1 AND document_id = $2 AND version = $3"
    )
    .bind(org.0)
    .bind(row.id.0)
    .bind(row.version)
    .bind(row.fields.as_str())
    .bind(row.conflicts.as_deref())
    .bind(row.checked_in_by.map(|user: UserId| user.0))
    .bind(last_seq)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    if changed == 1 {
        packed::put_stored(tx, org, row.customer, row.id, packed.to_vec()).await?;
    }
    Ok(changed == 1)
}

/// Changes whose document has no row, or a row of another customer: at most `limit` places of the log.
///
/// # Errors
/// The database's.
pub async fn list_stray_changes(tx: &mut Tx, org: OrgId, limit: i64) -> Result<Vec<i64>, StorageError> {
    let rows: Vec<(i64,)> = on!(tx, |c| {
        sqlx::query_as(
        "SELECT l.log_seq FROM change l LEFT JOIN document d ON d.org_id = l.org_id AND d.document_id = l.document_id \
         WHERE l.org_id = $1 AND (d.document_id IS NULL OR d.customer_id <> l.customer_id) ORDER BY l.log_seq LIMIT $2 + 0"
    )
    .bind(org.0)
    .bind(limit)
    .fetch_all(c)
    .await
    })?;
    Ok(rows.into_iter().map(|(seq,)| seq).collect())
}

/// The highest place that anything in an organisation's log has.
///
/// # Errors
/// The database's.
pub async fn last_place(tx: &mut Tx, org: OrgId) -> Result<i64, StorageError> {
    let (place,): (i64,) = on!(tx, |c| sqlx::query_as(
        "SELECT COALESCE(MAX(place), 0) FROM ( \
         SELECT MAX(log_seq) AS place FROM change WHERE org_id = $1 \
         UNION ALL SELECT MAX(seq) AS place FROM ownership_event WHERE org_id = $1) AS places"
    )
    .bind(org.0)
    .fetch_one(c)
    .await)?;
    Ok(place)
}

/// The scopes that each of some customers is in now.
///
/// # Errors
/// The database's.
pub async fn list_open_scopes(
    tx: &mut Tx,
    org: OrgId,
    customers: &[CustomerId],
) -> Result<Vec<(CustomerId, Vec<u8>)>, StorageError> {
    if customers.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, Vec<u8>)> = on!(tx, |connection| {
        let mut query =
            QueryBuilder::new("SELECT customer_id, scope FROM scope_member WHERE to_seq IS NULL AND org_id = ");
        query.push_bind(org.0).push(" AND customer_id IN (");
        let mut ids = query.separated(", ");
        for customer in customers {
            ids.push_bind(customer.0);
        }
        query.push(")");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows
        .into_iter()
        .map(|(customer, scope)| (CustomerId(customer), scope))
        .collect())
}
