//! Verdicts that are no acceptance, decided intents, actors, and orders to drop customers.

use std::collections::BTreeMap;

use sqlx::QueryBuilder;
use sync_core::{
    document::{ChangeId, Kind},
    ids::{ActorId, CustomerId, DeviceId, DocumentId, IntentId, OrgId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{StorageError, Tx, on, sizes::filled};

/// A change that was not accepted, with its op-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRow {
    /// The document.
    pub document: DocumentId,
    /// Its name in the document.
    pub change: ChangeId,
    /// The customer.
    pub customer: CustomerId,
    /// The kind.
    pub kind: Kind,
    /// rejected, superseded, quarantined; accepted by a decision.
    pub verdict: String,
    /// Stable code.
    pub reason: String,
    /// One for a chain.
    pub ticket: Uuid,
    /// SHA-256 of the op-list.
    pub body_sha256: [u8; 32],
    /// The op-list, for what a decision may still accept or an audit wants to see.
    pub body: Option<Vec<u8>>,
    /// Who made it.
    pub author: UserId,
    /// On which device.
    pub device: Option<DeviceId>,
    /// By the device's clock.
    pub device_time: Timestamp,
}

#[derive(sqlx::FromRow)]
struct RawRefusal {
    document_id: Uuid,
    actor: Vec<u8>,
    seq: i64,
    customer_id: Uuid,
    kind: i16,
    verdict: String,
    reason: String,
    ticket_id: Uuid,
    body_sha256: Vec<u8>,
    body: Option<Vec<u8>>,
    author_id: Uuid,
    device_id: Option<Uuid>,
    device_time: i64,
}

impl RawRefusal {
    fn row(self) -> Option<RefusalRow> {
        Some(RefusalRow {
            document: DocumentId(self.document_id),
            change: ChangeId {
                actor: ActorId::from_slice(&self.actor).ok()?,
                seq: self.seq.cast_unsigned(),
            },
            customer: CustomerId(self.customer_id),
            kind: Kind::from_number(u8::try_from(self.kind).ok()?)?,
            verdict: self.verdict,
            reason: self.reason,
            ticket: self.ticket_id,
            body_sha256: self.body_sha256.try_into().ok()?,
            body: self.body,
            author: UserId(self.author_id),
            device: self.device_id.map(DeviceId),
            device_time: Timestamp(self.device_time),
        })
    }
}

const REFUSAL_COLUMNS: &str = "SELECT document_id, actor, seq, customer_id, kind, verdict, reason, ticket_id, \
     body_sha256, body, author_id, device_id, device_time FROM refusal WHERE org_id = ";

/// Refusals of changes of these documents.
///
/// # Errors
/// The driver's.
pub async fn list_refusals(
    tx: &mut Tx,
    org: OrgId,
    documents: &[DocumentId],
) -> Result<BTreeMap<(DocumentId, ChangeId), RefusalRow>, StorageError> {
    if documents.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<RawRefusal> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(REFUSAL_COLUMNS);
        query.push_bind(org.0).push(" AND document_id IN (");
        let mut list = query.separated(", ");
        for document in filled(documents) {
            list.push_bind(document.0);
        }
        query.push(")");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows
        .into_iter()
        .filter_map(RawRefusal::row)
        .map(|row| ((row.document, row.change), row))
        .collect())
}

/// The chain of a ticket, in the order of its changes.
///
/// # Errors
/// The driver's.
pub async fn list_ticket(tx: &mut Tx, org: OrgId, ticket: Uuid) -> Result<Vec<RefusalRow>, StorageError> {
    let rows: Vec<RawRefusal> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(REFUSAL_COLUMNS);
        query
            .push_bind(org.0)
            .push(" AND ticket_id = ")
            .push_bind(ticket)
            .push(" ORDER BY document_id, seq");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().filter_map(RawRefusal::row).collect())
}

/// Bytes a device has in quarantine.
///
/// # Errors
/// The driver's.
pub async fn quarantined_bytes(tx: &mut Tx, org: OrgId, device: DeviceId) -> Result<i64, StorageError> {
    on!(tx, |connection| sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(LENGTH(body)), 0) AS BIGINT) FROM refusal
         WHERE org_id = $1 AND device_id = $2 AND verdict = 'quarantined'"
    )
    .bind(org.0)
    .bind(device.0)
    .fetch_one(connection)
    .await)
}

/// Stores refusals; one already stored stays as it is.
///
/// # Errors
/// The driver's.
pub async fn insert_refusals(
    tx: &mut Tx,
    org: OrgId,
    received_at: Timestamp,
    rows: &[&RefusalRow],
) -> Result<(), StorageError> {
    for chunk in rows.chunks(500) {
        on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "INSERT INTO refusal (org_id, document_id, actor, seq, customer_id, kind, verdict, reason, ticket_id, \
             body_sha256, body, author_id, device_id, device_time, received_at) ",
            );
            query.push_values(chunk, |mut row, refusal| {
                row.push_bind(org.0)
                    .push_bind(refusal.document.0)
                    .push_bind(&refusal.change.actor.0[..])
                    .push_bind(refusal.change.seq.cast_signed())
                    .push_bind(refusal.customer.0)
                    .push_bind(i16::from(refusal.kind.number()))
                    .push_bind(refusal.verdict.as_str())
                    .push_bind(refusal.reason.as_str())
                    .push_bind(refusal.ticket)
                    .push_bind(&refusal.body_sha256[..])
                    .push_bind(refusal.body.as_deref())
                    .push_bind(refusal.author.0)
                    .push_bind(refusal.device.map(|device| device.0))
                    .push_bind(refusal.device_time.0)
                    .push_bind(received_at.0);
            });
            query.push(" ON CONFLICT (org_id, document_id, actor, seq) DO NOTHING");
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

/// Writes what a decision made of a ticket.
///
/// # Errors
/// The driver's.
pub async fn decide_ticket(
    tx: &mut Tx,
    org: OrgId,
    ticket: Uuid,
    verdict: &str,
    decided_by: UserId,
    decided_at: Timestamp,
    reason: &str,
) -> Result<u64, StorageError> {
    on!(tx, |connection| sqlx::query(
        "UPDATE refusal SET verdict = $3, decided_by = $4, decided_at = $5, decision_reason = $6
         WHERE org_id = $1 AND ticket_id = $2 AND verdict = 'quarantined'"
    )
    .bind(org.0)
    .bind(ticket)
    .bind(verdict)
    .bind(decided_by.0)
    .bind(decided_at.0)
    .bind(reason)
    .execute(connection)
    .await
    .map(|done| done.rows_affected()))
}

/// A decided intent.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct IntentRow {
    /// Its id.
    pub intent_id: Uuid,
    /// The device it came from; none for the web.
    pub device_id: Option<Uuid>,
    /// Who asked.
    pub user_id: Uuid,
    /// create, claim, …
    #[sqlx(rename = "type")]
    pub kind: String,
    /// The customer.
    pub customer_id: Uuid,
    /// SHA-256 of what was asked.
    pub content_sha256: Vec<u8>,
    /// accepted or rejected.
    pub outcome: String,
    /// The code of a rejection.
    pub reason: Option<String>,
    /// The answer, JSON.
    pub detail: Option<String>,
}

/// A decided intent by its id.
///
/// # Errors
/// The driver's.
pub async fn find_intent(tx: &mut Tx, org: OrgId, intent: IntentId) -> Result<Option<IntentRow>, StorageError> {
    on!(tx, |connection| sqlx::query_as(
        "SELECT intent_id, device_id, user_id, type, customer_id, content_sha256, outcome, reason, detail FROM intent
         WHERE org_id = $1 AND intent_id = $2"
    )
    .bind(org.0)
    .bind(intent.0)
    .fetch_optional(connection)
    .await)
}

/// Stores what was decided of an intent.
///
/// # Errors
/// The driver's.
pub async fn insert_intent(
    tx: &mut Tx,
    org: OrgId,
    row: &IntentRow,
    received_at: Timestamp,
) -> Result<(), StorageError> {
    on!(tx, |connection| sqlx::query(
        "INSERT INTO intent (org_id, intent_id, device_id, user_id, type, customer_id, content_sha256, outcome, reason,
             detail, received_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    )
    .bind(org.0)
    .bind(row.intent_id)
    .bind(row.device_id)
    .bind(row.user_id)
    .bind(row.kind.as_str())
    .bind(row.customer_id)
    .bind(&row.content_sha256[..])
    .bind(row.outcome.as_str())
    .bind(row.reason.as_deref())
    .bind(row.detail.as_deref())
    .bind(received_at.0)
    .execute(connection)
    .await
    .map(drop))
}

/// The customers among these for which the person's last claim was lost to somebody else.
///
/// # Errors
/// The driver's.
pub async fn list_lost_claims(
    tx: &mut Tx,
    org: OrgId,
    user: UserId,
    customers: &[CustomerId],
) -> Result<Vec<CustomerId>, StorageError> {
    if customers.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid,)> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(
            "SELECT DISTINCT customer_id FROM intent WHERE type = 'claim' AND outcome = 'rejected' \
             AND reason = 'already_claimed' AND org_id = ",
        );
        query
            .push_bind(org.0)
            .push(" AND user_id = ")
            .push_bind(user.0)
            .push(" AND customer_id IN (");
        let mut list = query.separated(", ");
        for customer in filled(customers) {
            list.push_bind(customer.0);
        }
        query.push(")");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(|(customer,)| CustomerId(customer)).collect())
}

/// An actor as it is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorRow {
    /// The actor.
    pub actor: ActorId,
    /// Its device; none for the web, imports and the hub.
    pub device: Option<DeviceId>,
    /// Its person; none for the hub.
    pub user: Option<UserId>,
    /// A frozen one writes no more.
    pub frozen: bool,
}

/// The registered ones of these actors.
///
/// # Errors
/// The driver's.
pub async fn list_actors(
    tx: &mut Tx,
    org: OrgId,
    actors: &[ActorId],
) -> Result<BTreeMap<ActorId, ActorRow>, StorageError> {
    type Row = (Vec<u8>, Option<Uuid>, Option<Uuid>, String);
    if actors.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<Row> = on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT actor, device_id, user_id, state FROM actor WHERE org_id = ");
        query.push_bind(org.0).push(" AND actor IN (");
        let mut list = query.separated(", ");
        for actor in filled(actors) {
            list.push_bind(actor.0.to_vec());
        }
        query.push(")");
        query.build_query_as().fetch_all(connection).await
    })?;
    let actors = rows.into_iter().filter_map(|(actor, device, user, state)| {
        let actor = ActorId::from_slice(&actor).ok()?;
        let row = ActorRow {
            actor,
            device: device.map(DeviceId),
            user: user.map(UserId),
            frozen: state == "frozen",
        };
        Some((actor, row))
    });
    Ok(actors.collect())
}

/// Registers actors; one already registered stays as it is, whoever it belongs to.
///
/// # Errors
/// The driver's.
pub async fn insert_actors(
    tx: &mut Tx,
    org: OrgId,
    actors: &[ActorRow],
    declared_at: Timestamp,
) -> Result<(), StorageError> {
    if actors.is_empty() {
        return Ok(());
    }
    on!(tx, |connection| {
        let mut query = QueryBuilder::new("INSERT INTO actor (org_id, actor, device_id, user_id, state, declared_at) ");
        query.push_values(actors, |mut row, actor| {
            row.push_bind(org.0)
                .push_bind(&actor.actor.0[..])
                .push_bind(actor.device.map(|device| device.0))
                .push_bind(actor.user.map(|user| user.0))
                .push_bind("active")
                .push_bind(declared_at.0);
        });
        query.push(" ON CONFLICT (org_id, actor) DO NOTHING");
        query.build().execute(connection).await.map(drop)
    })
}

/// Freezes an actor that has written two different changes under one name.
///
/// # Errors
/// The driver's.
pub async fn freeze_actor(tx: &mut Tx, org: OrgId, actor: ActorId) -> Result<(), StorageError> {
    on!(tx, |connection| sqlx::query(
        "UPDATE actor SET state = 'frozen' WHERE org_id = $1 AND actor = $2"
    )
    .bind(org.0)
    .bind(&actor.0[..])
    .execute(connection)
    .await
    .map(drop))
}

/// An order to drop a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvictionRow {
    /// The device.
    pub device: DeviceId,
    /// The customer.
    pub customer: CustomerId,
    /// Place of the loss in the log.
    pub lost_seq: i64,
}

/// Stores orders given to a device; one already given stays as it is.
///
/// # Errors
/// The driver's.
pub async fn insert_evictions(
    tx: &mut Tx,
    org: OrgId,
    orders: &[EvictionRow],
    ordered_at: Timestamp,
) -> Result<(), StorageError> {
    for chunk in orders.chunks(500) {
        on!(tx, |connection| {
            let mut query =
                QueryBuilder::new("INSERT INTO eviction (org_id, device_id, customer_id, lost_seq, ordered_at) ");
            query.push_values(chunk, |mut row, order| {
                row.push_bind(org.0)
                    .push_bind(order.device.0)
                    .push_bind(order.customer.0)
                    .push_bind(order.lost_seq)
                    .push_bind(ordered_at.0);
            });
            query.push(" ON CONFLICT (org_id, device_id, customer_id, lost_seq) DO NOTHING");
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

/// Records that a device has dropped a customer as told. Orders it was never given are ignored.
///
/// # Errors
/// The driver's.
pub async fn confirm_eviction(
    tx: &mut Tx,
    org: OrgId,
    order: &EvictionRow,
    confirmed_at: Timestamp,
) -> Result<(), StorageError> {
    on!(tx, |connection| sqlx::query(
        "UPDATE eviction SET confirmed_at = $5
         WHERE org_id = $1 AND device_id = $2 AND customer_id = $3 AND lost_seq <= $4 AND confirmed_at IS NULL"
    )
    .bind(org.0)
    .bind(order.device.0)
    .bind(order.customer.0)
    .bind(order.lost_seq)
    .bind(confirmed_at.0)
    .execute(connection)
    .await
    .map(drop))
}

/// An order given to a device, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The customer.
    pub customer: CustomerId,
    /// Place of the loss in the log.
    pub lost_seq: i64,
    /// When it was given.
    pub ordered_at: Timestamp,
    /// Whether the device has confirmed it.
    pub is_confirmed: bool,
}

/// The orders a device was given for these customers.
///
/// # Errors
/// The driver's.
pub async fn list_orders(
    tx: &mut Tx,
    org: OrgId,
    device: DeviceId,
    customers: &[CustomerId],
) -> Result<Vec<Order>, StorageError> {
    if customers.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, i64, i64, Option<i64>)> = on!(tx, |connection| {
        let mut query =
            QueryBuilder::new("SELECT customer_id, lost_seq, ordered_at, confirmed_at FROM eviction WHERE org_id = ");
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
        query.build_query_as().fetch_all(connection).await
    })?;
    let orders = rows
        .into_iter()
        .map(|(customer, lost_seq, ordered_at, confirmed_at)| Order {
            customer: CustomerId(customer),
            lost_seq,
            ordered_at: Timestamp(ordered_at),
            is_confirmed: confirmed_at.is_some(),
        });
    Ok(orders.collect())
}

/// When the event at a place of the log happened: an event of ownership, or what came next after one of another kind.
///
/// # Errors
/// The driver's.
pub async fn time_of_place(tx: &mut Tx, org: OrgId, seq: i64) -> Result<Option<Timestamp>, StorageError> {
    let at: Option<i64> = on!(tx, |connection| sqlx::query_scalar(
        "SELECT at FROM ownership_event WHERE org_id = $1 AND seq >= $2 ORDER BY seq LIMIT 1"
    )
    .bind(org.0)
    .bind(seq)
    .fetch_optional(connection)
    .await)?;
    let next: Option<i64> = on!(tx, |connection| sqlx::query_scalar(
        "SELECT received_at FROM change WHERE org_id = $1 AND log_seq >= $2 ORDER BY log_seq LIMIT 1"
    )
    .bind(org.0)
    .bind(seq)
    .fetch_optional(connection)
    .await)?;
    Ok(at.into_iter().chain(next).min().map(Timestamp))
}
