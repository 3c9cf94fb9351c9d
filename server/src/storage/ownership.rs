//! Customers and their assignment: who owns them, since which place in the log, and the chain of owners.

mod memberships;

use std::collections::BTreeMap;

use sqlx::QueryBuilder;
use sync_core::{
    ids::{CustomerId, DocumentId, IntentId, OrgId, PoolId, TeamId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    StorageError, Tx, on,
    sizes::{LIST_MAX, filled, pieces},
};

pub use memberships::list_with_memberships;

/// A customer's assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// The customer.
    pub customer: CustomerId,
    /// The owner; none while it is in a pool.
    pub owner: Option<UserId>,
    /// The pool; none while somebody owns it.
    pub pool: Option<PoolId>,
    /// The owner's team when he became the owner.
    pub team: Option<TeamId>,
    /// Goes up with every change of owner, pool or collaborators.
    pub version: i64,
    /// Place of the last such event.
    pub assigned_seq: i64,
    /// Who created the customer.
    pub created_by: UserId,
}

#[derive(sqlx::FromRow)]
struct RawAssignment {
    customer_id: Uuid,
    owner_id: Option<Uuid>,
    pool_id: Option<Uuid>,
    team_id: Option<Uuid>,
    assignment_version: i64,
    assigned_seq: i64,
    created_by: Uuid,
}

impl From<RawAssignment> for Assignment {
    fn from(row: RawAssignment) -> Self {
        Self {
            customer: CustomerId(row.customer_id),
            owner: row.owner_id.map(UserId),
            pool: row.pool_id.map(PoolId),
            team: row.team_id.map(TeamId),
            version: row.assignment_version,
            assigned_seq: row.assigned_seq,
            created_by: UserId(row.created_by),
        }
    }
}

impl From<RawPlaced> for PlacedCustomer {
    fn from(row: RawPlaced) -> Self {
        Self {
            assignment: row.assignment.into(),
            region: row.region,
        }
    }
}

/// The assignments of these customers; those that do not exist are left out.
///
/// # Errors
/// The driver's.
pub async fn list_assignments(
    tx: &mut Tx,
    org: OrgId,
    customers: &[CustomerId],
) -> Result<BTreeMap<CustomerId, Assignment>, StorageError> {
    let mut rows: Vec<RawAssignment> = Vec::new();
    for chunk in customers.chunks(LIST_MAX) {
        let some: Vec<RawAssignment> = on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "SELECT customer_id, owner_id, pool_id, team_id, assignment_version, assigned_seq, created_by FROM customer \
                 WHERE org_id = ",
            );
            query.push_bind(org.0).push(" AND customer_id IN (");
            let mut list = query.separated(", ");
            for customer in filled(chunk) {
                list.push_bind(customer.0);
            }
            query.push(")");
            query.build_query_as().fetch_all(connection).await
        })?;
        rows.extend(some);
    }
    Ok(rows
        .into_iter()
        .map(Assignment::from)
        .map(|assignment| (assignment.customer, assignment))
        .collect())
}

/// Adds a customer. Its name is empty until its card arrives.
///
/// # Errors
/// The driver's.
pub async fn insert_customer(
    tx: &mut Tx,
    org: OrgId,
    assignment: &Assignment,
    created_at: Timestamp,
    external_id: Option<&str>,
) -> Result<(), StorageError> {
    on!(tx, |connection| sqlx::query(
        "INSERT INTO customer (org_id, customer_id, owner_id, pool_id, team_id, assignment_version, assigned_seq,
             created_seq, created_by, created_at, external_id, name)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, '')"
    )
    .bind(org.0)
    .bind(assignment.customer.0)
    .bind(assignment.owner.map(|user| user.0))
    .bind(assignment.pool.map(|pool| pool.0))
    .bind(assignment.team.map(|team| team.0))
    .bind(assignment.version)
    .bind(assignment.assigned_seq)
    .bind(assignment.created_by.0)
    .bind(created_at.0)
    .bind(external_id)
    .execute(connection)
    .await
    .map(drop))
}

/// Gives customers to others or to pools.
///
/// # Errors
/// The driver's.
pub async fn update_assignments(tx: &mut Tx, org: OrgId, assignments: &[Assignment]) -> Result<(), StorageError> {
    for piece in pieces(assignments) {
        on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "UPDATE customer SET owner_id = place.column2, pool_id = place.column3, team_id = place.column4, \
                 assignment_version = place.column5, assigned_seq = place.column6 FROM (",
            );
            query.push_values(piece, |mut row, assignment| {
                row.push_bind(assignment.customer.0)
                    .push_bind(assignment.owner.map(|user| user.0))
                    .push_bind(assignment.pool.map(|pool| pool.0))
                    .push_bind(assignment.team.map(|team| team.0))
                    .push_bind(assignment.version)
                    .push_bind(assignment.assigned_seq);
            });
            query.push(") AS place WHERE customer.org_id = ").push_bind(org.0);
            query.push(" AND customer.customer_id = place.column1");
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

/// A customer with what decides where it goes in a handover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedCustomer {
    /// Whose it is.
    pub assignment: Assignment,
    /// What its card says.
    pub region: Option<String>,
}

#[derive(sqlx::FromRow)]
struct RawPlaced {
    #[sqlx(flatten)]
    assignment: RawAssignment,
    region: Option<String>,
}

const PLACED_COLUMNS: &str = "SELECT customer_id, owner_id, pool_id, team_id, assignment_version, assigned_seq, created_by, region FROM customer";

/// The customers somebody owns, by id, at most `limit`.
///
/// # Errors
/// The driver's.
pub async fn list_owned(
    tx: &mut Tx,
    org: OrgId,
    owner: UserId,
    limit: i64,
) -> Result<Vec<PlacedCustomer>, StorageError> {
    let rows: Vec<RawPlaced> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(PLACED_COLUMNS);
        query.push(" WHERE org_id = ").push_bind(org.0);
        // The index alone names them: SQLite, which keeps no statistics, would otherwise read the organisation by its key.
        query
            .push(" AND customer_id IN (SELECT customer_id FROM customer WHERE org_id = ")
            .push_bind(org.0);
        query.push(" AND owner_id = ").push_bind(owner.0);
        query
            .push(") ORDER BY customer_id LIMIT ")
            .push_bind(limit)
            .push(" + 0");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(PlacedCustomer::from).collect())
}

/// Some customers, by id; those that do not exist are left out.
///
/// # Errors
/// The driver's.
pub async fn list_placed(
    tx: &mut Tx,
    org: OrgId,
    customers: &[CustomerId],
) -> Result<Vec<PlacedCustomer>, StorageError> {
    let mut placed: Vec<PlacedCustomer> = Vec::new();
    for chunk in customers.chunks(LIST_MAX) {
        let rows: Vec<RawPlaced> = on!(tx, |connection| {
            let mut query = QueryBuilder::new(PLACED_COLUMNS);
            query.push(" WHERE org_id = ").push_bind(org.0);
            query.push(" AND customer_id IN (");
            let mut list = query.separated(", ");
            for customer in filled(chunk) {
                list.push_bind(customer.0);
            }
            query.push(")");
            query.build_query_as().fetch_all(connection).await
        })?;
        placed.extend(rows.into_iter().map(PlacedCustomer::from));
    }
    placed.sort_by_key(|placed| placed.assignment.customer);
    Ok(placed)
}

/// How many customers each of some people owns; those who own none are left out.
///
/// # Errors
/// The driver's.
pub async fn count_owned(tx: &mut Tx, org: OrgId, owners: &[UserId]) -> Result<Vec<(UserId, i64)>, StorageError> {
    let mut counts: Vec<(UserId, i64)> = Vec::new();
    for chunk in owners.chunks(LIST_MAX) {
        let rows: Vec<(Uuid, i64)> = on!(tx, |connection| {
            let mut query = QueryBuilder::new("SELECT owner_id, COUNT(*) FROM customer WHERE org_id = ");
            query.push_bind(org.0).push(" AND owner_id IN (");
            let mut list = query.separated(", ");
            for owner in filled(chunk) {
                list.push_bind(owner.0);
            }
            query.push(") GROUP BY owner_id");
            query.build_query_as().fetch_all(connection).await
        })?;
        counts.extend(rows.into_iter().map(|(owner, count)| (UserId(owner), count)));
    }
    Ok(counts)
}

/// One link of the chain of owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnershipEvent {
    /// Its place in the log.
    pub seq: i64,
    /// The customer.
    pub customer: CustomerId,
    /// create, claim, release, assign, responsible, handover, undo_handover.
    pub event: &'static str,
    /// The document for which somebody else is responsible; none: the customer itself changes hands.
    pub document: Option<DocumentId>,
    /// Who did it.
    pub by: UserId,
    /// The owner before.
    pub from_owner: Option<UserId>,
    /// The pool before.
    pub from_pool: Option<PoolId>,
    /// The owner (or, of a document, the person responsible) after.
    pub to_owner: Option<UserId>,
    /// The pool after.
    pub to_pool: Option<PoolId>,
    /// Why.
    pub reason: String,
    /// The intent it came from.
    pub intent: Option<IntentId>,
    /// When.
    pub at: Timestamp,
}

/// When a customer last came to its owner or pool.
///
/// # Errors
/// The driver's.
pub async fn find_assigned_at(
    tx: &mut Tx,
    org: OrgId,
    assignment: &Assignment,
) -> Result<Option<Timestamp>, StorageError> {
    let at: Option<i64> = on!(tx, |connection| sqlx::query_scalar(
        "SELECT at FROM ownership_event WHERE org_id = $1 AND seq = $2"
    )
    .bind(org.0)
    .bind(assignment.assigned_seq)
    .fetch_optional(connection)
    .await)?;
    Ok(at.map(Timestamp))
}

/// Appends links.
///
/// # Errors
/// The driver's.
pub async fn append_events(tx: &mut Tx, org: OrgId, events: &[OwnershipEvent]) -> Result<(), StorageError> {
    for piece in pieces(events) {
        on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "INSERT INTO ownership_event (org_id, seq, customer_id, event, document_id, by_user_id, from_owner_id, \
                 from_pool_id, to_owner_id, to_pool_id, reason, intent_id, at) ",
            );
            query.push_values(piece, |mut row, event| {
                row.push_bind(org.0)
                    .push_bind(event.seq)
                    .push_bind(event.customer.0)
                    .push_bind(event.event)
                    .push_bind(event.document.map(|document| document.0))
                    .push_bind(event.by.0)
                    .push_bind(event.from_owner.map(|user| user.0))
                    .push_bind(event.from_pool.map(|pool| pool.0))
                    .push_bind(event.to_owner.map(|user| user.0))
                    .push_bind(event.to_pool.map(|pool| pool.0))
                    .push_bind(event.reason.as_str())
                    .push_bind(event.intent.map(|intent| intent.0))
                    .push_bind(event.at.0);
            });
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

/// A link of the chain as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownEvent {
    /// create, claim, release, assign, responsible, handover, undo_handover.
    pub event: String,
    /// Who did it.
    pub by: UserId,
    /// To whom it went.
    pub to_owner: Option<UserId>,
    /// Into which pool it went.
    pub to_pool: Option<PoolId>,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct RawEvent {
    event: String,
    by_user_id: Uuid,
    to_owner_id: Option<Uuid>,
    to_pool_id: Option<Uuid>,
    reason: String,
    at: i64,
}

/// The chain of a customer's owners, the newest link first, at most `limit`.
///
/// # Errors
/// The driver's.
pub async fn list_chain(
    tx: &mut Tx,
    org: OrgId,
    customer: CustomerId,
    limit: i64,
) -> Result<Vec<ShownEvent>, StorageError> {
    let rows: Vec<RawEvent> = on!(tx, |connection| {
        sqlx::query_as(
            "SELECT event, by_user_id, to_owner_id, to_pool_id, reason, at FROM ownership_event
             WHERE org_id = $1 AND customer_id = $2 ORDER BY seq DESC LIMIT $3 + 0",
        )
        .bind(org.0)
        .bind(customer.0)
        .bind(limit)
        .fetch_all(connection)
        .await
    })?;
    let read = |raw: RawEvent| ShownEvent {
        event: raw.event,
        by: UserId(raw.by_user_id),
        to_owner: raw.to_owner_id.map(UserId),
        to_pool: raw.to_pool_id.map(PoolId),
        reason: raw.reason,
        at: Timestamp(raw.at),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Places, customers and documents of the organisation's ownership events after a place, for readers of the whole log.
///
/// # Errors
/// The driver's.
pub async fn list_event_places(
    tx: &mut Tx,
    org: OrgId,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, CustomerId, Option<DocumentId>)>, StorageError> {
    let rows: Vec<(i64, Uuid, Option<Uuid>)> = on!(tx, |connection| {
        sqlx::query_as(
        "SELECT seq, customer_id, document_id FROM ownership_event WHERE org_id = $1 AND seq > $2 ORDER BY seq LIMIT $3 + 0"
    )
    .bind(org.0)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await
    })?;
    Ok(rows
        .into_iter()
        .map(|(seq, customer, document)| (seq, CustomerId(customer), document.map(DocumentId)))
        .collect())
}

/// Somebody else was made responsible for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reassigned {
    /// The document.
    pub document: DocumentId,
    /// Where in the log.
    pub seq: i64,
    /// Who was responsible before; none: the owner.
    pub previous: Option<UserId>,
}

/// For which documents of these customers somebody else was made responsible after a place, in the order of the log.
///
/// # Errors
/// The driver's.
pub async fn list_reassigned(
    tx: &mut Tx,
    org: OrgId,
    customers: &[CustomerId],
    after: i64,
) -> Result<Vec<Reassigned>, StorageError> {
    let mut reassigned = Vec::new();
    for chunk in customers.chunks(LIST_MAX) {
        let rows: Vec<(Uuid, i64, Option<Uuid>)> = on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "SELECT document_id, seq, from_owner_id FROM ownership_event \
                 WHERE document_id IS NOT NULL AND org_id = ",
            );
            query
                .push_bind(org.0)
                // By the customers, of which an index knows the places, and not by all that happened since.
                .push(" AND seq IN (SELECT seq FROM ownership_event WHERE org_id = ")
                .push_bind(org.0);
            query.push(" AND seq > ").push_bind(after);
            query.push(" AND customer_id IN (");
            let mut list = query.separated(", ");
            for customer in filled(chunk) {
                list.push_bind(customer.0);
            }
            query.push(")) ORDER BY seq");
            query.build_query_as().fetch_all(connection).await
        })?;
        reassigned.extend(rows.into_iter().map(|(document, seq, previous)| Reassigned {
            document: DocumentId(document),
            seq,
            previous: previous.map(UserId),
        }));
    }
    Ok(reassigned)
}

/// What lists show of a customer, from its card.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardSummary {
    /// Its name.
    pub name: String,
    /// Stage.
    pub stage: Option<String>,
    /// Tier.
    pub tier: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Industry.
    pub industry: Option<String>,
    /// Source.
    pub source: Option<String>,
}

impl CardSummary {
    /// From the fields of a card's read model.
    #[must_use]
    pub fn of(fields: &serde_json::Map<String, serde_json::Value>) -> Self {
        let text = |key: &str| fields.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        Self {
            name: text("name").unwrap_or_default(),
            stage: text("stage"),
            tier: text("tier"),
            region: text("region"),
            industry: text("industry"),
            source: text("source"),
        }
    }
}

/// Writes summaries of cards; of several of one customer the last.
///
/// # Errors
/// The driver's.
pub async fn update_cards(tx: &mut Tx, org: OrgId, cards: &[(CustomerId, &CardSummary)]) -> Result<(), StorageError> {
    let last: BTreeMap<CustomerId, &CardSummary> = cards.iter().copied().collect();
    let last: Vec<(CustomerId, &CardSummary)> = last.into_iter().collect();
    for piece in pieces(&last) {
        on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "UPDATE customer SET name = card.column2, stage = card.column3, tier = card.column4, \
                 region = card.column5, industry = card.column6, source = card.column7 FROM (",
            );
            query.push_values(piece, |mut row, (customer, card)| {
                row.push_bind(customer.0)
                    .push_bind(card.name.as_str())
                    .push_bind(card.stage.as_deref())
                    .push_bind(card.tier.as_deref())
                    .push_bind(card.region.as_deref())
                    .push_bind(card.industry.as_deref())
                    .push_bind(card.source.as_deref());
            });
            query.push(") AS card WHERE customer.org_id = ").push_bind(org.0);
            query.push(" AND customer.customer_id = card.column1");
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}
