//! Late values that wait for whoever has the customer now.

use sqlx::QueryBuilder;
use sync_core::{
    document::{ChangeId, Kind},
    ids::{ActorId, CustomerId, DeviceId, DocumentId, OrgId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{StorageError, Tx, on, sizes::pieces};

/// Open proposals of one customer that are shown at once; a leaver's phone rarely brings more than a few.
const SHOWN_MAX: i64 = 200;

/// A late value.
#[derive(Debug, Clone, PartialEq)]
pub struct ProposalRow {
    /// Its id.
    pub id: Uuid,
    /// The customer.
    pub customer: CustomerId,
    /// The document.
    pub document: DocumentId,
    /// The document's kind.
    pub kind: Kind,
    /// The field.
    pub field: String,
    /// The entry of a field that is a map.
    pub entry: Option<String>,
    /// The value, JSON.
    pub value: serde_json::Value,
    /// The change that wrote it.
    pub change: ChangeId,
    /// Who wrote it.
    pub author: UserId,
    /// On which device.
    pub device: Option<DeviceId>,
    /// When, by that device's clock.
    pub device_time: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
}

impl ProposalRow {
    /// The field as people and programs name it: `field`, or `map.entry`.
    #[must_use]
    pub fn path(&self) -> String {
        match &self.entry {
            Some(entry) => format!("{}.{entry}", self.field),
            None => self.field.clone(),
        }
    }
}

/// Adds proposals. Those that a later value for the same field from the same device replaces are closed.
///
/// # Errors
/// The driver's.
pub async fn insert(
    tx: &mut Tx,
    org: OrgId,
    proposals: &[&ProposalRow],
    received_at: Timestamp,
) -> Result<(), StorageError> {
    for proposal in proposals {
        on!(tx, |connection| {
            sqlx::query(
            "UPDATE proposal SET state = 'dismissed', decided_at = $6 WHERE org_id = $1 AND customer_id = $2 \
             AND state = 'open' AND document_id = $3 AND author_id = $4 AND field = $5 AND COALESCE(entry, '') = $7 AND device_id = $8"
        )
        .bind(org.0)
        .bind(proposal.customer.0)
        .bind(proposal.document.0)
        .bind(proposal.author.0)
        .bind(proposal.field.as_str())
        .bind(received_at.0)
        .bind(proposal.entry.as_deref().unwrap_or_default())
        .bind(proposal.device.map(|device| device.0))
        .execute(connection)
        .await
        .map(drop)
        })?;
    }
    for piece in pieces(proposals) {
        on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "INSERT INTO proposal (org_id, proposal_id, customer_id, document_id, kind, field, entry, value, actor, \
                 seq, author_id, device_id, device_time, received_at, state) ",
            );
            query.push_values(piece, |mut row, proposal| {
                row.push_bind(org.0)
                    .push_bind(proposal.id)
                    .push_bind(proposal.customer.0)
                    .push_bind(proposal.document.0)
                    .push_bind(i16::from(proposal.kind.number()))
                    .push_bind(proposal.field.as_str())
                    .push_bind(proposal.entry.as_deref())
                    .push_bind(proposal.value.to_string())
                    .push_bind(proposal.change.actor.0.to_vec())
                    .push_bind(proposal.change.seq.cast_signed())
                    .push_bind(proposal.author.0)
                    .push_bind(proposal.device.map(|device| device.0))
                    .push_bind(proposal.device_time.0)
                    .push_bind(received_at.0)
                    .push_bind("open");
            });
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct RawProposal {
    proposal_id: Uuid,
    customer_id: Uuid,
    document_id: Uuid,
    kind: i16,
    field: String,
    entry: Option<String>,
    value: String,
    actor: Vec<u8>,
    seq: i64,
    author_id: Uuid,
    device_id: Option<Uuid>,
    device_time: i64,
    received_at: i64,
}

impl RawProposal {
    fn read(self) -> Option<ProposalRow> {
        Some(ProposalRow {
            id: self.proposal_id,
            customer: CustomerId(self.customer_id),
            document: DocumentId(self.document_id),
            kind: Kind::from_number(u8::try_from(self.kind).ok()?)?,
            field: self.field,
            entry: self.entry,
            value: serde_json::from_str(&self.value).ok()?,
            change: ChangeId {
                actor: ActorId::from_slice(&self.actor).ok()?,
                seq: self.seq.cast_unsigned(),
            },
            author: UserId(self.author_id),
            device: self.device_id.map(DeviceId),
            device_time: Timestamp(self.device_time),
            received_at: Timestamp(self.received_at),
        })
    }
}

const COLUMNS: &str = "SELECT proposal_id, customer_id, document_id, kind, field, entry, value, actor, seq, author_id, \
     device_id, device_time, received_at FROM proposal ";

/// A customer's open proposals, the earliest first.
///
/// # Errors
/// The driver's.
pub async fn list_open(tx: &mut Tx, org: OrgId, customer: CustomerId) -> Result<Vec<ProposalRow>, StorageError> {
    let rows: Vec<RawProposal> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(COLUMNS);
        query
            .push("WHERE org_id = ")
            .push_bind(org.0)
            .push(" AND customer_id = ")
            .push_bind(customer.0)
            .push(" AND state = 'open' ORDER BY received_at, proposal_id LIMIT ")
            .push_bind(SHOWN_MAX)
            .push(" + 0");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().filter_map(RawProposal::read).collect())
}

/// An open proposal.
///
/// # Errors
/// The driver's.
pub async fn find_open(tx: &mut Tx, org: OrgId, id: Uuid) -> Result<Option<ProposalRow>, StorageError> {
    let row: Option<RawProposal> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(COLUMNS);
        query
            .push("WHERE org_id = ")
            .push_bind(org.0)
            .push(" AND proposal_id = ")
            .push_bind(id)
            .push(" AND state = 'open'");
        query.build_query_as().fetch_optional(connection).await
    })?;
    Ok(row.and_then(RawProposal::read))
}

/// What somebody makes of an open proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProposalDecision {
    /// Which.
    pub proposal: Uuid,
    /// Whether its value is taken over.
    pub is_accepted: bool,
    /// By whom.
    pub by: UserId,
}

/// Closes an open proposal; one that is not open stays as it is.
///
/// # Errors
/// The driver's.
pub async fn close(tx: &mut Tx, org: OrgId, decision: ProposalDecision, at: Timestamp) -> Result<(), StorageError> {
    on!(tx, |connection| sqlx::query(
        "UPDATE proposal SET state = $3, decided_by = $4, decided_at = $5 \
         WHERE org_id = $1 AND proposal_id = $2 AND state = 'open'"
    )
    .bind(org.0)
    .bind(decision.proposal)
    .bind(if decision.is_accepted { "accepted" } else { "dismissed" })
    .bind(decision.by.0)
    .bind(at.0)
    .execute(connection)
    .await
    .map(drop))
}
