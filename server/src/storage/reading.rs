//! Reading the log and what stands beside it: the feed of changes, a document's changes, open quarantine, evictions.

use sqlx::{FromRow, QueryBuilder};
use sync_core::{
    ids::{CustomerId, DeviceId, DocumentId, OrgId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    StorageError, Tx,
    customers::{DOCUMENT_COLUMNS, DocumentRow, RawDocument},
    on,
};

/// One place of the log: a change of a document or an event of ownership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The place.
    pub seq: i64,
    /// The customer.
    pub customer: CustomerId,
    /// Whose it is now; an entry of a customer that is gone is left out.
    pub owner: Option<UserId>,
    /// Who did it.
    pub author: UserId,
    /// When the server had it.
    pub at: Timestamp,
    /// What.
    pub what: LogWhat,
}

/// A stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// Its entries in order; those of kinds that only a newer version knows are left out.
    pub entries: Vec<LogEntry>,
    /// Where it ends; none if it reaches the end of the log.
    pub end: Option<i64>,
}

/// What stands at a place of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogWhat {
    /// A change of a document, by its hash.
    Change {
        /// The document as it stands now.
        document: Box<DocumentRow>,
        /// The change's hash.
        hash: Vec<u8>,
    },
    /// An event of ownership.
    Event {
        /// Its name.
        event: String,
        /// The document whose responsible changed.
        document: Option<DocumentId>,
    },
}

#[derive(FromRow)]
struct RawChangeEntry {
    log_seq: i64,
    hash: Vec<u8>,
    change_author_id: Uuid,
    change_received_at: i64,
    owner_id: Option<Uuid>,
    #[sqlx(flatten)]
    document: RawDocument,
}

/// The log after a place, in order, at most `limit` entries.
///
/// # Errors
/// The database's.
pub async fn list_log(tx: &mut Tx, org: OrgId, after: i64, limit: i64) -> Result<LogPage, StorageError> {
    let changes: Vec<RawChangeEntry> = on!(tx, |connection| {
        let mut query = QueryBuilder::new(
            "SELECT l.log_seq, l.hash, l.author_id AS change_author_id, l.received_at AS change_received_at, c.owner_id, ",
        );
        query.push(DOCUMENT_COLUMNS);
        query.push(
            " FROM change l JOIN document d ON d.org_id = l.org_id AND d.document_id = l.document_id \
             JOIN customer c ON c.org_id = d.org_id AND c.customer_id = d.customer_id WHERE l.org_id = ",
        );
        query.push_bind(org.0).push(" AND l.log_seq > ").push_bind(after);
        query.push(" ORDER BY l.log_seq LIMIT ").push_bind(limit).push(" + 0");
        query.build_query_as().fetch_all(connection).await
    })?;
    type RawEvent = (i64, Uuid, Uuid, i64, String, Option<Uuid>, Option<Uuid>);
    let events: Vec<RawEvent> = on!(tx, |c| {
        sqlx::query_as(
        "SELECT e.seq, e.customer_id, e.by_user_id, e.at, e.event, e.document_id, c.owner_id FROM ownership_event e \
         JOIN customer c ON c.org_id = e.org_id AND c.customer_id = e.customer_id \
         WHERE e.org_id = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $3 + 0"
    )
    .bind(org.0)
    .bind(after)
    .bind(limit)
    .fetch_all(c)
    .await
    })?;
    let mut entries: Vec<(i64, Option<LogEntry>)> = changes
        .into_iter()
        .map(|raw| {
            let entry = raw.document.read().map(|document| LogEntry {
                seq: raw.log_seq,
                customer: document.customer,
                owner: raw.owner_id.map(UserId),
                author: UserId(raw.change_author_id),
                at: Timestamp(raw.change_received_at),
                what: LogWhat::Change {
                    document: Box::new(document),
                    hash: raw.hash,
                },
            });
            (raw.log_seq, entry)
        })
        .chain(
            events
                .into_iter()
                .map(|(seq, customer, by, at, event, document, owner)| {
                    let entry = LogEntry {
                        seq,
                        customer: CustomerId(customer),
                        owner: owner.map(UserId),
                        author: UserId(by),
                        at: Timestamp(at),
                        what: LogWhat::Event {
                            event,
                            document: document.map(DocumentId),
                        },
                    };
                    (seq, Some(entry))
                }),
        )
        .collect();
    entries.sort_by_key(|(seq, _)| *seq);
    // Each of the two lists is whole up to its last entry; together they are up to the limit.
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.len() >= limit;
    entries.truncate(limit);
    let end = entries.last().map(|(seq, _)| *seq).filter(|_| more);
    Ok(LogPage {
        entries: entries.into_iter().filter_map(|(_, entry)| entry).collect(),
        end,
    })
}

/// An organisation's log: which one it is and how far it reaches.
///
/// # Errors
/// The database's.
pub async fn find_log(tx: &mut Tx, org: OrgId) -> Result<Option<(Uuid, i64)>, StorageError> {
    on!(tx, |c| sqlx::query_as(
        "SELECT o.log_id, h.head FROM organisation o JOIN log_head h ON h.org_id = o.org_id WHERE o.org_id = $1"
    )
    .bind(org.0)
    .fetch_optional(c)
    .await)
}

/// A change as it is stored, for folding a document again.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct StoredChange {
    /// Its place in the log.
    pub log_seq: i64,
    /// Its actor.
    pub actor: Vec<u8>,
    /// Its number among the actor's of the document.
    pub seq: i64,
    /// Its hash.
    pub hash: Vec<u8>,
    /// Its op-list; none once erased.
    pub body: Option<Vec<u8>>,
    /// Who made it.
    pub author_id: Uuid,
    /// On which device.
    pub device_id: Option<Uuid>,
    /// When, by the device's clock.
    pub device_time: i64,
    /// When the server had it.
    pub received_at: i64,
    /// It arrived after its author had lost the customer.
    pub late: bool,
}

/// The changes of a document in the order of the log.
///
/// # Errors
/// The database's.
pub async fn list_document_changes(
    tx: &mut Tx,
    org: OrgId,
    document: DocumentId,
) -> Result<Vec<StoredChange>, StorageError> {
    on!(tx, |c| sqlx::query_as(
        "SELECT log_seq, actor, seq, hash, body, author_id, device_id, device_time, received_at, late FROM change \
         WHERE org_id = $1 AND log_seq IN (SELECT log_seq FROM change WHERE org_id = $1 AND document_id = $2) \
         ORDER BY log_seq"
    )
    .bind(org.0)
    .bind(document.0)
    .fetch_all(c)
    .await)
}

/// Names of some devices.
///
/// # Errors
/// The database's.
pub async fn list_device_names(
    tx: &mut Tx,
    org: OrgId,
    devices: &[DeviceId],
) -> Result<Vec<(DeviceId, String)>, StorageError> {
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, String)> = on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT device_id, name FROM device WHERE org_id = ");
        query.push_bind(org.0).push(" AND device_id IN (");
        let mut ids = query.separated(", ");
        for device in devices {
            ids.push_bind(device.0);
        }
        query.push(")");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(|(id, name)| (DeviceId(id), name)).collect())
}

/// Names of an organisation's pools.
///
/// # Errors
/// The database's.
pub async fn list_pool_names(tx: &mut Tx, org: OrgId) -> Result<Vec<(Uuid, String)>, StorageError> {
    on!(tx, |c| sqlx::query_as(
        "SELECT pool_id, name FROM pool WHERE org_id = $1 ORDER BY name, pool_id"
    )
    .bind(org.0)
    .fetch_all(c)
    .await)
}

/// A quarantined change.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct QuarantinedChange {
    /// The chain it is part of.
    pub ticket_id: Uuid,
    /// Its document.
    pub document_id: Uuid,
    /// The customer.
    pub customer_id: Uuid,
    /// The document's kind, by number.
    pub kind: i16,
    /// Its number among the actor's of the document.
    pub seq: i64,
    /// Why.
    pub reason: String,
    /// Its op-list, if that was kept.
    pub body: Option<Vec<u8>>,
    /// Who made it.
    pub author_id: Uuid,
    /// On which device.
    pub device_id: Option<Uuid>,
    /// When, by the device's clock.
    pub device_time: i64,
    /// When the server had it.
    pub received_at: i64,
}

/// Changes that wait for a decision, the oldest first: those of whole chains after the chain that began at
/// `(received_at, ticket)`, at most `limit` changes.
///
/// # Errors
/// The database's.
pub async fn list_quarantined(
    tx: &mut Tx,
    org: OrgId,
    after: Option<(i64, Uuid)>,
    limit: i64,
) -> Result<Vec<QuarantinedChange>, StorageError> {
    let (since, ticket) = after.unwrap_or((i64::MIN, Uuid::nil()));
    on!(tx, |c| {
        sqlx::query_as(
        "SELECT ticket_id, document_id, customer_id, kind, seq, reason, body, author_id, device_id, device_time, received_at \
         FROM refusal WHERE org_id = $1 AND verdict = 'quarantined' AND (received_at, ticket_id) > ($2, $3) \
         ORDER BY received_at, ticket_id, document_id, seq LIMIT $4 + 0"
    )
    .bind(org.0)
    .bind(since)
    .bind(ticket)
    .bind(limit)
    .fetch_all(c)
    .await
    })
}

/// The changes of one chain that wait for a decision.
///
/// # Errors
/// The database's.
pub async fn list_ticket(tx: &mut Tx, org: OrgId, ticket: Uuid) -> Result<Vec<QuarantinedChange>, StorageError> {
    on!(tx, |c| {
        sqlx::query_as(
        "SELECT ticket_id, document_id, customer_id, kind, seq, reason, body, author_id, device_id, device_time, received_at \
         FROM refusal WHERE org_id = $1 AND ticket_id = $2 AND verdict = 'quarantined' ORDER BY document_id, seq"
    )
    .bind(org.0)
    .bind(ticket)
    .fetch_all(c)
    .await
    })
}

/// How many evictions each of some devices has not confirmed.
///
/// # Errors
/// The database's.
pub async fn count_unconfirmed(
    tx: &mut Tx,
    org: OrgId,
    devices: &[DeviceId],
) -> Result<Vec<(DeviceId, i64)>, StorageError> {
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, i64)> = on!(tx, |connection| {
        let mut query =
            QueryBuilder::new("SELECT device_id, COUNT(*) FROM eviction WHERE confirmed_at IS NULL AND org_id = ");
        query.push_bind(org.0).push(" AND device_id IN (");
        let mut ids = query.separated(", ");
        for device in devices {
            ids.push_bind(device.0);
        }
        query.push(") GROUP BY device_id");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(|(id, count)| (DeviceId(id), count)).collect())
}

/// How far the logs of some organisations reach.
///
/// # Errors
/// The database's.
pub async fn list_heads(tx: &mut Tx, orgs: &[OrgId]) -> Result<Vec<(OrgId, i64)>, StorageError> {
    if orgs.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, i64)> = on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT org_id, head FROM log_head WHERE org_id IN (");
        let mut ids = query.separated(", ");
        for org in orgs {
            ids.push_bind(org.0);
        }
        query.push(")");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(|(org, head)| (OrgId(org), head)).collect())
}

/// Those of some feeds in which something was touched after one place and up to another.
///
/// # Errors
/// The database's.
pub async fn list_touched_feeds(
    tx: &mut Tx,
    org: OrgId,
    feeds: &[Vec<u8>],
    after: i64,
    up_to: i64,
) -> Result<Vec<Vec<u8>>, StorageError> {
    if feeds.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Vec<u8>,)> = on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT DISTINCT feed FROM feed WHERE org_id = ");
        query
            .push_bind(org.0)
            .push(" AND seq > ")
            .push_bind(after)
            .push(" AND seq <= ")
            .push_bind(up_to);
        query.push(" AND feed IN (");
        let mut keys = query.separated(", ");
        for feed in feeds {
            keys.push_bind(feed.clone());
        }
        query.push(")");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(|(feed,)| feed).collect())
}

/// Those of some scopes that customers entered or left after one place and up to another.
///
/// # Errors
/// The database's.
pub async fn list_moved_scopes(
    tx: &mut Tx,
    org: OrgId,
    scopes: &[Vec<u8>],
    after: i64,
    up_to: i64,
) -> Result<Vec<Vec<u8>>, StorageError> {
    if scopes.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Vec<u8>,)> = on!(tx, |connection| {
        let mut query = QueryBuilder::new("");
        for (index, column) in ["from_seq", "to_seq"].into_iter().enumerate() {
            if index > 0 {
                query.push(" UNION ");
            }
            query
                .push("SELECT scope FROM scope_member WHERE org_id = ")
                .push_bind(org.0);
            query.push(" AND ").push(column).push(" > ").push_bind(after);
            query.push(" AND ").push(column).push(" <= ").push_bind(up_to);
            query.push(" AND scope IN (");
            let mut keys = query.separated(", ");
            for scope in scopes {
                keys.push_bind(scope.clone());
            }
            query.push(")");
        }
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows.into_iter().map(|(scope,)| scope).collect())
}
