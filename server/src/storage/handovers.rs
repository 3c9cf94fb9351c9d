//! Handovers: who gave whose things to whom, what moved, and what was taken back.

use sqlx::{FromRow, QueryBuilder};
use sync_core::{
    document::Kind,
    hub::Successor,
    ids::{CustomerId, DocumentId, HandoverId, OrgId, PoolId, TeamId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    StorageError, Tx,
    customers::{DOCUMENT_COLUMNS, DocumentRow, RawDocument},
    on,
    sizes::{filled, pieces},
};

/// A handover. What is JSON here the actions write and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandoverRow {
    /// Its id.
    pub id: HandoverId,
    /// Whose things.
    pub from: UserId,
    /// Who did it.
    pub by: UserId,
    /// Why.
    pub reason: String,
    /// The plan, JSON.
    pub plan: String,
    /// What moved, JSON.
    pub outcome: String,
    /// When.
    pub done_at: Timestamp,
    /// Until when it can be undone.
    pub undo_until: Timestamp,
    /// When it was undone, and by whom.
    pub undone: Option<(Timestamp, UserId)>,
    /// What went back, JSON.
    pub undo_outcome: Option<String>,
}

#[derive(FromRow)]
struct RawHandover {
    handover_id: Uuid,
    from_user_id: Uuid,
    by_user_id: Uuid,
    reason: String,
    plan: String,
    outcome: String,
    done_at: i64,
    undo_until: i64,
    undone_at: Option<i64>,
    undone_by_id: Option<Uuid>,
    undo_outcome: Option<String>,
}

impl From<RawHandover> for HandoverRow {
    fn from(raw: RawHandover) -> Self {
        Self {
            id: HandoverId(raw.handover_id),
            from: UserId(raw.from_user_id),
            by: UserId(raw.by_user_id),
            reason: raw.reason,
            plan: raw.plan,
            outcome: raw.outcome,
            done_at: Timestamp(raw.done_at),
            undo_until: Timestamp(raw.undo_until),
            undone: raw.undone_at.map(Timestamp).zip(raw.undone_by_id.map(UserId)),
            undo_outcome: raw.undo_outcome,
        }
    }
}

const COLUMNS: &str = "SELECT handover_id, from_user_id, by_user_id, reason, plan, outcome, done_at, undo_until, \
     undone_at, undone_by_id, undo_outcome FROM handover WHERE org_id = ";

/// What moved: a customer, or who is responsible for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandoverItem {
    /// The event's place in the log.
    pub seq: i64,
    /// The customer.
    pub customer: CustomerId,
    /// The document; none: the customer itself.
    pub document: Option<DocumentId>,
    /// The customer's team before.
    pub from_team: Option<TeamId>,
    /// Who has the customer or is responsible since; none, for a document: the owner of its customer.
    pub to: Option<Successor>,
    /// Version of the customer's assignment before and after; none for a document.
    pub versions: Option<(i64, i64)>,
}

#[derive(FromRow)]
struct RawItem {
    seq: i64,
    customer_id: Uuid,
    document_id: Option<Uuid>,
    from_team_id: Option<Uuid>,
    from_version: Option<i64>,
    to_user_id: Option<Uuid>,
    to_pool_id: Option<Uuid>,
    to_version: Option<i64>,
}

impl From<RawItem> for HandoverItem {
    fn from(raw: RawItem) -> Self {
        let person = raw.to_user_id.map(|user| Successor::Person(UserId(user)));
        let pool = raw.to_pool_id.map(|pool| Successor::Pool(PoolId(pool)));
        Self {
            seq: raw.seq,
            customer: CustomerId(raw.customer_id),
            document: raw.document_id.map(DocumentId),
            from_team: raw.from_team_id.map(TeamId),
            to: person.or(pool),
            versions: raw.from_version.zip(raw.to_version),
        }
    }
}

/// Adds a handover with what moved.
///
/// # Errors
/// The driver's.
pub async fn insert(
    tx: &mut Tx,
    org: OrgId,
    handover: &HandoverRow,
    items: &[HandoverItem],
) -> Result<(), StorageError> {
    on!(tx, |connection| {
        sqlx::query(
        "INSERT INTO handover (org_id, handover_id, from_user_id, by_user_id, reason, plan, outcome, done_at, undo_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    )
    .bind(org.0)
    .bind(handover.id.0)
    .bind(handover.from.0)
    .bind(handover.by.0)
    .bind(handover.reason.as_str())
    .bind(handover.plan.as_str())
    .bind(handover.outcome.as_str())
    .bind(handover.done_at.0)
    .bind(handover.undo_until.0)
    .execute(connection)
    .await
    .map(drop)
    })?;
    for piece in pieces(items) {
        on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "INSERT INTO handover_item (org_id, handover_id, seq, customer_id, document_id, from_team_id, \
                 from_version, to_user_id, to_pool_id, to_version) ",
            );
            query.push_values(piece, |mut row, item| {
                let (person, pool) = match item.to {
                    Some(Successor::Person(user)) => (Some(user.0), None),
                    Some(Successor::Pool(pool)) => (None, Some(pool.0)),
                    None => (None, None),
                };
                row.push_bind(org.0)
                    .push_bind(handover.id.0)
                    .push_bind(item.seq)
                    .push_bind(item.customer.0)
                    .push_bind(item.document.map(|document| document.0))
                    .push_bind(item.from_team.map(|team| team.0))
                    .push_bind(item.versions.map(|(before, _)| before))
                    .push_bind(person)
                    .push_bind(pool)
                    .push_bind(item.versions.map(|(_, after)| after));
            });
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

/// A handover.
///
/// # Errors
/// The driver's.
pub async fn find(tx: &mut Tx, org: OrgId, handover: HandoverId) -> Result<Option<HandoverRow>, StorageError> {
    let raw: Option<RawHandover> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(COLUMNS);
        query.push_bind(org.0);
        query.push(" AND handover_id = ").push_bind(handover.0);
        query.build_query_as().fetch_optional(connection).await
    })?;
    Ok(raw.map(HandoverRow::from))
}

/// Handovers before a place, the newest first, at most `limit`.
///
/// # Errors
/// The driver's.
pub async fn list(
    tx: &mut Tx,
    org: OrgId,
    before: Option<(Timestamp, HandoverId)>,
    limit: i64,
) -> Result<Vec<HandoverRow>, StorageError> {
    let (at, id) = before.map_or((i64::MAX, Uuid::max()), |(at, id)| (at.0, id.0));
    let rows: Vec<RawHandover> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(COLUMNS);
        query.push_bind(org.0);
        query.push(" AND (done_at, handover_id) < (").push_bind(at);
        query.push(", ").push_bind(id);
        query
            .push(") ORDER BY done_at DESC, handover_id DESC LIMIT ")
            .push_bind(limit)
            .push(" + 0");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(HandoverRow::from).collect())
}

/// What a handover moved, behind a place, in the order of the log, at most `limit`; with `to` only what they got.
///
/// # Errors
/// The driver's.
pub async fn list_items(
    tx: &mut Tx,
    org: OrgId,
    handover: HandoverId,
    after: i64,
    to: Option<Successor>,
    limit: i64,
) -> Result<Vec<HandoverItem>, StorageError> {
    let rows: Vec<RawItem> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(
            "SELECT seq, customer_id, document_id, from_team_id, from_version, to_user_id, to_pool_id, to_version \
             FROM handover_item WHERE org_id = ",
        );
        query.push_bind(org.0).push(" AND handover_id = ").push_bind(handover.0);
        query.push(" AND seq > ").push_bind(after);
        match to {
            Some(Successor::Person(user)) => {
                query.push(" AND to_user_id = ").push_bind(user.0);
            }
            Some(Successor::Pool(pool)) => {
                query.push(" AND to_pool_id = ").push_bind(pool.0);
            }
            None => {}
        }
        query.push(" ORDER BY seq LIMIT ").push_bind(limit).push(" + 0");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(HandoverItem::from).collect())
}

/// Writes down that a handover was undone. Gives whether it was not yet.
///
/// # Errors
/// The driver's.
pub async fn set_undone(
    tx: &mut Tx,
    org: OrgId,
    handover: HandoverId,
    (at, by): (Timestamp, UserId),
    outcome: &str,
) -> Result<bool, StorageError> {
    let written = on!(tx, |connection| sqlx::query(
        "UPDATE handover SET undone_at = $3, undone_by_id = $4, undo_outcome = $5
         WHERE org_id = $1 AND handover_id = $2 AND undone_at IS NULL"
    )
    .bind(org.0)
    .bind(handover.0)
    .bind(at.0)
    .bind(by.0)
    .bind(outcome)
    .execute(connection)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(written == 1)
}

/// What is to be done and was done at some customers: their visits, follow-ups, opportunities and tickets that are not
/// erased, in no order.
///
/// # Errors
/// The driver's.
pub async fn list_work(tx: &mut Tx, org: OrgId, customers: &[CustomerId]) -> Result<Vec<DocumentRow>, StorageError> {
    if customers.is_empty() {
        return Ok(Vec::new());
    }
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.has_responsible());
    let rows: Vec<RawDocument> = on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT ");
        query
            .push(DOCUMENT_COLUMNS)
            .push(" FROM document d WHERE d.erased_at IS NULL AND d.org_id = ");
        query.push_bind(org.0).push(" AND d.kind IN (");
        let mut numbers = query.separated(", ");
        for kind in kinds.clone() {
            numbers.push_bind(i16::from(kind.number()));
        }
        query
            .push(") AND d.document_id IN (SELECT document_id FROM packed_document WHERE org_id = ")
            .push_bind(org.0);
        query.push(" AND customer_id IN (");
        let mut ids = query.separated(", ");
        for customer in filled(customers) {
            ids.push_bind(customer.0);
        }
        query.push("))");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().filter_map(RawDocument::read).collect())
}
