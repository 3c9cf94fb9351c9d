//! What devices are sent of each document, in the order in which customers are delivered: who may read it and, unless
//! they are many, its changes in one piece.
//!
//! A cache of `document` and `change`, written in the same transactions. A customer's documents lie together here and
//! come as one value, because rows are what reading costs: a first sync reads thousands of changes. `verify` compares
//! it with the log and `rebuild` makes it anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;
use sqlx::QueryBuilder;
use sync_core::{
    document::{ChangeId, Kind},
    ids::{ActorId, ChangeHash, CustomerId, DeviceId, DocumentId, OrgId, UserId},
    time::Timestamp,
    visibility::DocumentFacts,
};
use uuid::Uuid;

use super::{
    StorageError, Tx,
    documents::{self, DocumentWrite, LoggedChange},
    on,
    sizes::{LIST_MAX, filled, pieces},
};

/// Bytes up to which a document's changes are kept in one piece; each change writes the piece again. Beyond it they are
/// read from the log.
pub const CHANGES_BYTES_MAX: usize = 4 * 1024;

/// Places in the table asked for at once: both databases look for each of the customers with each of the documents.
const PLACES_MAX: usize = 16;

/// A document as a device is sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedDocument {
    /// Its id.
    pub document: DocumentId,
    /// Its kind.
    pub kind: Kind,
    /// Who made it.
    pub author: UserId,
    /// Who is responsible; none: the owner.
    pub responsible: Option<UserId>,
    /// Who has checked in, for a visit.
    pub checked_in_by: Option<UserId>,
    /// Its changes; none: they are many, and only in the log.
    pub changes: Option<PackedChanges>,
}

impl PackedDocument {
    /// What decides who may do what with it, given the customer's owner.
    #[must_use]
    pub fn facts(&self, owner: Option<UserId>) -> DocumentFacts {
        DocumentFacts {
            kind: self.kind,
            author: Some(self.author),
            responsible: self.responsible,
            owner,
            checked_in_by: self.checked_in_by,
        }
    }
}

/// Changes of a document in the order of the log, in one piece.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackedChanges(Vec<u8>);

#[derive(Serialize, Deserialize)]
struct PackedChange<'a> {
    actor: ActorId,
    seq: u64,
    log_seq: i64,
    hash: ChangeHash,
    author: UserId,
    device: Option<DeviceId>,
    received_at: i64,
    late: bool,
    #[serde(borrow)]
    body: Option<&'a Bytes>,
}

impl PackedChanges {
    /// How many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, which is so of a document that was erased and of no other.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These changes, or none if they are too many for one piece.
    #[must_use]
    pub fn of(changes: &[LoggedChange]) -> Option<Self> {
        let mut packed = Self::default();
        for change in changes {
            packed.push(&PackedChange {
                actor: change.id.actor,
                seq: change.id.seq,
                log_seq: change.log_seq,
                hash: change.hash,
                author: change.author,
                device: change.device,
                received_at: change.received_at.0,
                late: change.late,
                body: change.body.as_deref().map(Bytes::new),
            });
        }
        packed.fitting()
    }

    /// With the changes of a write behind them; none if they become too many.
    fn with(mut self, write: &DocumentWrite, first_seq: i64, received_at: Timestamp) -> Option<Self> {
        for (change, log_seq) in write.changes.iter().zip(first_seq..) {
            self.push(&PackedChange {
                actor: change.built.change.actor,
                seq: change.built.change.seq,
                log_seq,
                hash: change.built.hash,
                author: change.author,
                device: change.device,
                received_at: received_at.0,
                late: change.late,
                body: Some(Bytes::new(&change.built.body)),
            });
        }
        self.fitting()
    }

    fn push(&mut self, change: &PackedChange<'_>) {
        let bytes = std::mem::take(&mut self.0);
        // Nothing in it is beyond what postcard can write.
        self.0 = postcard::to_extend(change, bytes).unwrap_or_default();
    }

    fn fitting(self) -> Option<Self> {
        (self.0.len() <= CHANGES_BYTES_MAX).then_some(self)
    }

    /// The changes, in the order of the log; none for bytes that this program did not write: they are in the log too.
    #[must_use]
    pub fn unpack(&self, document: DocumentId) -> Option<Vec<LoggedChange>> {
        let mut changes = Vec::with_capacity(1);
        let mut rest = &self.0[..];
        while !rest.is_empty() {
            let (change, behind) = postcard::take_from_bytes::<PackedChange<'_>>(rest).ok()?;
            rest = behind;
            changes.push(LoggedChange {
                document,
                id: ChangeId {
                    actor: change.actor,
                    seq: change.seq,
                },
                log_seq: change.log_seq,
                hash: change.hash,
                body: change.body.map(|body| body.to_vec()),
                author: change.author,
                device: change.device,
                received_at: Timestamp(change.received_at),
                late: change.late,
            });
        }
        Some(changes)
    }
}

/// The form in the table. A piece of a list carries its length, so that those of a customer can stand one after the
/// other.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    document: DocumentId,
    kind: u8,
    author: UserId,
    responsible: Option<UserId>,
    checked_in_by: Option<UserId>,
    #[serde(borrow)]
    changes: Option<&'a Bytes>,
}

impl Record<'_> {
    // None: a kind of a newer version.
    fn read(&self) -> Option<PackedDocument> {
        Some(PackedDocument {
            document: self.document,
            kind: Kind::from_number(self.kind)?,
            author: self.author,
            responsible: self.responsible,
            checked_in_by: self.checked_in_by,
            changes: self.changes.map(|changes| PackedChanges(changes.to_vec())),
        })
    }
}

/// The bytes in the table.
#[must_use]
pub fn stored(document: &PackedDocument) -> Vec<u8> {
    let record = Record {
        document: document.document,
        kind: document.kind.number(),
        author: document.author,
        responsible: document.responsible,
        checked_in_by: document.checked_in_by,
        changes: document.changes.as_ref().map(|changes| Bytes::new(&changes.0)),
    };
    // Nothing in it is beyond what postcard can write.
    postcard::to_stdvec(&record).unwrap_or_default()
}

/// The documents of `count` rows that stand one behind the other. None if they are not what this program wrote.
fn read_all(bytes: &[u8], count: i64) -> Option<Vec<PackedDocument>> {
    let mut documents = Vec::new();
    let (mut rest, mut read) = (bytes, 0);
    while !rest.is_empty() {
        let (record, behind) = postcard::take_from_bytes::<Record<'_>>(rest).ok()?;
        rest = behind;
        read += 1;
        documents.extend(record.read());
    }
    documents.sort_unstable_by_key(|document| document.document);
    (read == count).then_some(documents)
}

/// All documents of these customers, by id.
///
/// # Errors
/// The driver's.
pub async fn list_by_customer(
    tx: &mut Tx,
    org: OrgId,
    customers: &[CustomerId],
) -> Result<BTreeMap<CustomerId, Vec<PackedDocument>>, StorageError> {
    let mut documents = BTreeMap::new();
    for chunk in customers.chunks(LIST_MAX) {
        // One value a customer: the pieces of all its documents, one behind the other, nothing between them.
        let rows: Vec<(Uuid, i64, Vec<u8>)> = on!(tx, |connection| {
            let mut query = QueryBuilder::new("SELECT customer_id, COUNT(*), string_agg(packed, ");
            query
                .push_bind(&b""[..])
                .push(") FROM packed_document WHERE org_id = ")
                .push_bind(org.0)
                .push(" AND customer_id IN (");
            let mut list = query.separated(", ");
            for customer in filled(chunk) {
                list.push_bind(customer.0);
            }
            query.push(") GROUP BY customer_id");
            query.build_query_as().fetch_all(connection).await
        })?;
        for (customer, count, packed) in rows {
            let customer = CustomerId(customer);
            let read = match read_all(&packed, count) {
                Some(read) => read,
                None => list_apart(tx, org, customer).await?,
            };
            documents.insert(customer, read);
        }
    }
    Ok(documents)
}

/// A customer's documents, row by row: one damaged row costs nobody the others.
async fn list_apart(tx: &mut Tx, org: OrgId, customer: CustomerId) -> Result<Vec<PackedDocument>, StorageError> {
    let rows: Vec<(Uuid, Vec<u8>)> = on!(tx, |connection| sqlx::query_as(
        "SELECT document_id, packed FROM packed_document WHERE org_id = $1 AND customer_id = $2"
    )
    .bind(org.0)
    .bind(customer.0)
    .fetch_all(connection)
    .await)?;
    let rows = rows
        .into_iter()
        .map(|(document, packed)| (DocumentId(document), packed));
    let mut documents = read_each(tx, org, rows.collect()).await?;
    documents.sort_unstable_by_key(|document| document.document);
    Ok(documents)
}

/// The documents of some rows. One whose row is damaged comes from its own row and the log.
async fn read_each(
    tx: &mut Tx,
    org: OrgId,
    rows: Vec<(DocumentId, Vec<u8>)>,
) -> Result<Vec<PackedDocument>, StorageError> {
    let mut documents = Vec::with_capacity(rows.len());
    let mut damaged = Vec::new();
    for (document, packed) in rows {
        match postcard::take_from_bytes::<Record<'_>>(&packed) {
            Ok((record, [])) if record.document == document => documents.extend(record.read()),
            _ => damaged.push(document),
        }
    }
    if damaged.is_empty() {
        return Ok(documents);
    }
    tracing::warn!(
        documents = damaged.len(),
        "packed documents are damaged; `fieldpool rebuild` makes them anew"
    );
    for row in documents::list_by_id(tx, org, &damaged).await? {
        documents.push(PackedDocument {
            document: row.document,
            kind: row.kind,
            author: row.author,
            responsible: row.responsible,
            checked_in_by: row.checked_in_by,
            changes: None,
        });
    }
    Ok(documents)
}

/// These documents, as far as they exist, by id.
///
/// # Errors
/// The driver's.
pub async fn list(
    tx: &mut Tx,
    org: OrgId,
    documents: &[(CustomerId, DocumentId)],
) -> Result<BTreeMap<DocumentId, PackedDocument>, StorageError> {
    let rows = list_stored(tx, org, documents).await?.into_iter().collect();
    let read = read_each(tx, org, rows).await?;
    Ok(read.into_iter().map(|document| (document.document, document)).collect())
}

/// The rows of these documents as they are stored, for whoever compares or replaces them.
///
/// # Errors
/// The driver's.
pub async fn list_stored(
    tx: &mut Tx,
    org: OrgId,
    documents: &[(CustomerId, DocumentId)],
) -> Result<BTreeMap<DocumentId, Vec<u8>>, StorageError> {
    let mut found = BTreeMap::new();
    for chunk in documents.chunks(PLACES_MAX) {
        let rows: Vec<(Uuid, Vec<u8>)> = on!(tx, |connection| {
            let mut query = QueryBuilder::new("SELECT document_id, packed FROM packed_document WHERE org_id = ");
            query.push_bind(org.0).push(" AND customer_id IN (");
            let mut list = query.separated(", ");
            for (customer, _) in filled(chunk) {
                list.push_bind(customer.0);
            }
            query.push(") AND document_id IN (");
            let mut list = query.separated(", ");
            for (_, document) in filled(chunk) {
                list.push_bind(document.0);
            }
            query.push(")");
            query.build_query_as().fetch_all(connection).await
        })?;
        found.extend(
            rows.into_iter()
                .map(|(document, packed)| (DocumentId(document), packed)),
        );
    }
    Ok(found)
}

/// Writes what devices are sent of documents that have just been appended to.
pub(super) async fn append(
    tx: &mut Tx,
    org: OrgId,
    received_at: Timestamp,
    placed: &[(i64, &DocumentWrite)],
) -> Result<(), StorageError> {
    let mut rows: Vec<(CustomerId, DocumentId, Vec<u8>)> = placed
        .iter()
        .map(|(first_seq, write)| {
            let earlier = match write.expected_version {
                0 => Some(PackedChanges::default()),
                _ => write.earlier.clone(),
            };
            let packed = PackedDocument {
                document: write.document,
                kind: write.kind,
                author: write.author,
                responsible: write.responsible,
                checked_in_by: write.checked_in_by,
                changes: earlier.and_then(|earlier| earlier.with(write, *first_seq, received_at)),
            };
            (write.customer, write.document, stored(&packed))
        })
        .collect();
    rows.sort_unstable_by_key(|(customer, document, _)| (*customer, *document));
    put_rows(tx, org, &rows).await
}

/// Writes a document in place of what stood there.
///
/// # Errors
/// The driver's.
pub async fn put(tx: &mut Tx, org: OrgId, customer: CustomerId, document: &PackedDocument) -> Result<(), StorageError> {
    put_rows(tx, org, &[(customer, document.document, stored(document))]).await
}

/// Writes who is responsible into what devices are sent.
pub(super) async fn set_responsible(
    tx: &mut Tx,
    org: OrgId,
    documents: &[(CustomerId, DocumentId)],
    user: Option<UserId>,
) -> Result<(), StorageError> {
    let customers: BTreeMap<DocumentId, CustomerId> = documents
        .iter()
        .map(|(customer, document)| (*document, *customer))
        .collect();
    let mut rows: Vec<(CustomerId, DocumentId, Vec<u8>)> = Vec::with_capacity(documents.len());
    for (document, mut packed) in list(tx, org, documents).await? {
        packed.responsible = user;
        rows.extend(
            customers
                .get(&document)
                .map(|customer| (*customer, document, stored(&packed))),
        );
    }
    rows.sort_unstable_by_key(|(customer, document, _)| (*customer, *document));
    put_rows(tx, org, &rows).await
}

/// Rows that belong to no document, or to one of another customer: at most `limit`.
///
/// # Errors
/// The driver's.
pub async fn list_stray(tx: &mut Tx, org: OrgId, limit: i64) -> Result<Vec<DocumentId>, StorageError> {
    let rows: Vec<(Uuid,)> = on!(tx, |connection| sqlx::query_as(
        "SELECT p.document_id FROM packed_document p \
         LEFT JOIN document d ON d.org_id = p.org_id AND d.document_id = p.document_id \
         WHERE p.org_id = $1 AND (d.document_id IS NULL OR d.customer_id <> p.customer_id) \
         ORDER BY p.document_id LIMIT $2 + 0"
    )
    .bind(org.0)
    .bind(limit)
    .fetch_all(connection)
    .await)?;
    Ok(rows.into_iter().map(|(document,)| DocumentId(document)).collect())
}

/// Removes them. Gives how many there were.
///
/// # Errors
/// The driver's.
pub async fn delete_stray(tx: &mut Tx, org: OrgId) -> Result<u64, StorageError> {
    on!(tx, |connection| sqlx::query(
        "DELETE FROM packed_document WHERE org_id = $1 AND NOT EXISTS (SELECT 1 FROM document d \
         WHERE d.org_id = packed_document.org_id AND d.document_id = packed_document.document_id \
         AND d.customer_id = packed_document.customer_id)"
    )
    .bind(org.0)
    .execute(connection)
    .await
    .map(|done| done.rows_affected()))
}

/// Writes the bytes of a document in place of what stood there.
pub(super) async fn put_stored(
    tx: &mut Tx,
    org: OrgId,
    customer: CustomerId,
    document: DocumentId,
    packed: Vec<u8>,
) -> Result<(), StorageError> {
    put_rows(tx, org, &[(customer, document, packed)]).await
}

async fn put_rows(tx: &mut Tx, org: OrgId, rows: &[(CustomerId, DocumentId, Vec<u8>)]) -> Result<(), StorageError> {
    for piece in pieces(rows) {
        on!(tx, |connection| {
            let mut query =
                QueryBuilder::new("INSERT INTO packed_document (org_id, customer_id, document_id, packed) ");
            query.push_values(piece, |mut row, (customer, document, packed)| {
                row.push_bind(org.0)
                    .push_bind(customer.0)
                    .push_bind(document.0)
                    .push_bind(&packed[..]);
            });
            query.push(" ON CONFLICT (org_id, customer_id, document_id) DO UPDATE SET packed = excluded.packed");
            query.build().execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}
