//! Documents and their changes: the log's rows, and the read model beside them.

mod append;

use std::collections::BTreeMap;

use sqlx::QueryBuilder;
use sync_core::{
    document::{BuiltChange, Change, ChangeId, Document, Kind, Refusal},
    ids::{ActorId, ChangeHash, CustomerId, DeviceId, DocumentId, OrgId, UserId},
    projection::Attribution,
    protocol::oplist,
    time::Timestamp,
    visibility::DocumentFacts,
};
use uuid::Uuid;

use super::{
    StorageError, Tx, on,
    packed::{self, PackedChanges},
    sizes::{LIST_MAX, filled},
};

pub use append::append;

/// A document's row without its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentRow {
    /// Its id.
    pub document: DocumentId,
    /// Its customer.
    pub customer: CustomerId,
    /// Its kind.
    pub kind: Kind,
    /// Who made it.
    pub author: UserId,
    /// On which device.
    pub device: Option<DeviceId>,
    /// Who is responsible; none: the owner.
    pub responsible: Option<UserId>,
    /// Goes up with every append.
    pub version: i64,
    /// Place of its last change in the log.
    pub last_seq: i64,
    /// It arrived after handover.
    pub late: bool,
    /// Who has checked in, for a visit.
    pub checked_in_by: Option<UserId>,
    /// It is gone for good: its id takes nothing any more.
    pub erased: bool,
}

impl DocumentRow {
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

#[derive(sqlx::FromRow)]
struct RawDocument {
    document_id: Uuid,
    customer_id: Uuid,
    kind: i16,
    author_id: Uuid,
    device_id: Option<Uuid>,
    responsible_id: Option<Uuid>,
    version: i64,
    last_seq: i64,
    late: bool,
    checked_in_by: Option<Uuid>,
    erased_at: Option<i64>,
}

impl RawDocument {
    fn row(self) -> Option<DocumentRow> {
        Some(DocumentRow {
            document: DocumentId(self.document_id),
            customer: CustomerId(self.customer_id),
            kind: Kind::from_number(u8::try_from(self.kind).ok()?)?,
            author: UserId(self.author_id),
            device: self.device_id.map(DeviceId),
            responsible: self.responsible_id.map(UserId),
            version: self.version,
            last_seq: self.last_seq,
            late: self.late,
            checked_in_by: self.checked_in_by.map(UserId),
            erased: self.erased_at.is_some(),
        })
    }
}

const DOCUMENT_COLUMNS: &str = "SELECT document_id, customer_id, kind, author_id, device_id, responsible_id, version, \
     last_seq, late, checked_in_by, erased_at FROM document WHERE org_id = ";

/// The rows of these documents, as far as they exist, by id.
///
/// # Errors
/// The driver's.
pub async fn list_by_id(tx: &mut Tx, org: OrgId, documents: &[DocumentId]) -> Result<Vec<DocumentRow>, StorageError> {
    let mut rows: Vec<RawDocument> = Vec::new();
    for chunk in documents.chunks(LIST_MAX) {
        let some: Vec<RawDocument> = on!(tx, |connection| {
            let mut query = QueryBuilder::new(DOCUMENT_COLUMNS);
            query.push_bind(org.0).push(" AND document_id IN (");
            let mut list = query.separated(", ");
            for document in filled(chunk) {
                list.push_bind(document.0);
            }
            query.push(")");
            query.build_query_as().fetch_all(connection).await
        })?;
        rows.extend(some);
    }
    rows.sort_unstable_by_key(|row| row.document_id);
    Ok(rows.into_iter().filter_map(RawDocument::row).collect())
}

/// A change as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedChange {
    /// Its document.
    pub document: DocumentId,
    /// Its name in the document.
    pub id: ChangeId,
    /// Its place.
    pub log_seq: i64,
    /// Its hash.
    pub hash: ChangeHash,
    /// The op-list; none once erased.
    pub body: Option<Vec<u8>>,
    /// Who made it.
    pub author: UserId,
    /// On which device.
    pub device: Option<DeviceId>,
    /// When the server received it.
    pub received_at: Timestamp,
    /// It arrived after handover.
    pub late: bool,
}

#[derive(sqlx::FromRow)]
struct RawChange {
    document_id: Uuid,
    actor: Vec<u8>,
    seq: i64,
    log_seq: i64,
    hash: Vec<u8>,
    body: Option<Vec<u8>>,
    author_id: Uuid,
    device_id: Option<Uuid>,
    received_at: i64,
    late: bool,
}

impl RawChange {
    fn change(self) -> Option<LoggedChange> {
        Some(LoggedChange {
            document: DocumentId(self.document_id),
            id: ChangeId {
                actor: ActorId::from_slice(&self.actor).ok()?,
                seq: self.seq.cast_unsigned(),
            },
            log_seq: self.log_seq,
            hash: ChangeHash::from_slice(&self.hash).ok()?,
            body: self.body,
            author: UserId(self.author_id),
            device: self.device_id.map(DeviceId),
            received_at: Timestamp(self.received_at),
            late: self.late,
        })
    }
}

const CHANGE_COLUMNS: &str = "SELECT document_id, actor, seq, log_seq, hash, body, author_id, device_id, received_at, \
     late FROM change WHERE org_id = ";

/// The changes of these documents with a place after `after`, in the order of the log within each document.
///
/// # Errors
/// The driver's.
pub async fn list_changes(
    tx: &mut Tx,
    org: OrgId,
    documents: &[DocumentId],
    after: i64,
) -> Result<BTreeMap<DocumentId, Vec<LoggedChange>>, StorageError> {
    let mut changes: BTreeMap<DocumentId, Vec<LoggedChange>> = BTreeMap::new();
    for chunk in documents.chunks(LIST_MAX) {
        let rows: Vec<RawChange> = on!(tx, |connection| {
            // Places first, from the index by document: asked for the rows at once, SQLite, which keeps no statistics,
            // reads the organisation's whole log instead.
            let mut query = QueryBuilder::new(CHANGE_COLUMNS);
            query
                .push_bind(org.0)
                .push(" AND log_seq IN (SELECT log_seq FROM change WHERE org_id = ")
                .push_bind(org.0)
                .push(" AND document_id IN (");
            let mut list = query.separated(", ");
            for document in filled(chunk) {
                list.push_bind(document.0);
            }
            query.push(") AND +log_seq > ").push_bind(after).push(")");
            query.build_query_as().fetch_all(connection).await
        })?;
        for change in rows.into_iter().filter_map(RawChange::change) {
            changes.entry(change.document).or_default().push(change);
        }
    }
    for list in changes.values_mut() {
        list.sort_by_key(|change| change.log_seq);
    }
    Ok(changes)
}

/// A change's place, document, customer and kind number, for readers of the whole log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct LogEntry {
    /// Its place.
    pub log_seq: i64,
    /// Its document.
    pub document_id: Uuid,
    /// The document's customer.
    pub customer_id: Uuid,
}

/// The organisation's changes after a place, in order.
///
/// # Errors
/// The driver's.
pub async fn list_log(tx: &mut Tx, org: OrgId, after: i64, limit: i64) -> Result<Vec<LogEntry>, StorageError> {
    on!(tx, |connection| sqlx::query_as(
        "SELECT log_seq, document_id, customer_id FROM change WHERE org_id = $1 AND log_seq > $2
         ORDER BY log_seq LIMIT $3 + 0"
    )
    .bind(org.0)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await)
}

/// A document read back from the log, with who stands behind each change.
#[derive(Debug, Clone)]
pub struct LoadedDocument {
    /// Its row.
    pub row: DocumentRow,
    /// Its changes and their fold.
    pub document: Document,
    /// Author and device of each change.
    pub attributions: BTreeMap<ChangeId, Attribution>,
    /// Which changes arrived after handover.
    pub late: Vec<ChangeId>,
    /// Its changes in one piece, unless they are many.
    pub packed: Option<PackedChanges>,
}

/// Why a document cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The database failed.
    #[error("the database failed: {0}")]
    Storage(#[from] StorageError),
    /// The log does not fit together.
    #[error("document {document} cannot be read back from the log: {reason}")]
    Damaged {
        /// The document.
        document: DocumentId,
        /// What does not fit.
        reason: String,
    },
}

/// Reads documents back from the log, by id; those that do not exist are left out.
///
/// # Errors
/// [`LoadError`].
pub async fn load(
    tx: &mut Tx,
    org: OrgId,
    documents: &[DocumentId],
) -> Result<BTreeMap<DocumentId, LoadedDocument>, LoadError> {
    let rows = list_by_id(tx, org, documents).await?;
    let places: Vec<(CustomerId, DocumentId)> = rows.iter().map(|row| (row.customer, row.document)).collect();
    let mut stored = packed::list(tx, org, &places).await?;
    // A piece is taken for the log only if it reaches as far: what is built on it goes into the log.
    let mut pieces: BTreeMap<DocumentId, (PackedChanges, Vec<LoggedChange>)> = BTreeMap::new();
    for row in &rows {
        let piece = stored.remove(&row.document).and_then(|packed| packed.changes);
        let Some(piece) = piece else { continue };
        let changes = piece.unpack(row.document).unwrap_or_default();
        if changes.last().is_some_and(|last| last.log_seq == row.last_seq) {
            pieces.insert(row.document, (piece, changes));
        }
    }
    let many: Vec<DocumentId> = rows
        .iter()
        .map(|row| row.document)
        .filter(|document| !pieces.contains_key(document))
        .collect();
    let mut logged = list_changes(tx, org, &many, 0).await?;
    let mut loaded = BTreeMap::new();
    for row in rows {
        let id = row.document;
        let (piece, changes) = match pieces.remove(&id) {
            Some((piece, changes)) => (Some(piece), changes),
            None => {
                let changes = logged.remove(&id).unwrap_or_default();
                // Also where the piece is missing though they are few: the next edit makes it anew.
                (PackedChanges::of(&changes), changes)
            }
        };
        let folded = fold(row, changes)?;
        loaded.insert(
            id,
            LoadedDocument {
                packed: piece,
                ..folded
            },
        );
    }
    Ok(loaded)
}

/// Folds a document's changes in the order of the log.
///
/// # Errors
/// [`LoadError::Damaged`] if one does not follow from those before.
pub fn fold(row: DocumentRow, changes: Vec<LoggedChange>) -> Result<LoadedDocument, LoadError> {
    let damaged = |reason: String| LoadError::Damaged {
        document: row.document,
        reason,
    };
    let mut document = Document::new(row.kind);
    let mut attributions = BTreeMap::new();
    let mut late = Vec::new();
    for logged in changes {
        let Some(body) = &logged.body else { continue };
        let change: Change = oplist::decode(body, row.kind).map_err(|error| damaged(error.to_string()))?;
        document
            .restore(change, logged.hash, body.len())
            .map_err(|refusal: Refusal| damaged(format!("{refusal} ({})", refusal.code())))?;
        attributions.insert(
            logged.id,
            Attribution {
                author: logged.author,
                device: logged.device,
            },
        );
        if logged.late {
            late.push(logged.id);
        }
    }
    Ok(LoadedDocument {
        row,
        document,
        attributions,
        late,
        packed: None,
    })
}

/// What is written of one document in one transaction: its changes, its row, its places in the feeds.
#[derive(Debug, Clone)]
pub struct DocumentWrite {
    /// The document.
    pub document: DocumentId,
    /// Its customer.
    pub customer: CustomerId,
    /// Its kind.
    pub kind: Kind,
    /// Version the decision was made on; 0 for a new document.
    pub expected_version: i64,
    /// Who made the document.
    pub author: UserId,
    /// On which device the document was made.
    pub device: Option<DeviceId>,
    /// Who is responsible; none: the owner.
    pub responsible: Option<UserId>,
    /// When it was made, by the clock of that device.
    pub created_at: Timestamp,
    /// It arrived after handover.
    pub late: bool,
    /// Who has checked in, for a visit.
    pub checked_in_by: Option<UserId>,
    /// Read model, JSON.
    pub fields: String,
    /// Conflicts, JSON; none: no conflict.
    pub conflicts: Option<String>,
    /// Its id in another system.
    pub external_id: Option<String>,
    /// The new changes in order; at least one.
    pub changes: Vec<NewChange>,
    /// Its earlier changes in one piece; none: there are none, or they are many.
    pub earlier: Option<PackedChanges>,
    /// Feeds whose readers see the document.
    pub feeds: Vec<[u8; 18]>,
}

/// A change to be appended.
#[derive(Debug, Clone)]
pub struct NewChange {
    /// The change.
    pub built: BuiltChange,
    /// Who made it: the signed-in person, the original author of an import, never derived from the actor.
    pub author: UserId,
    /// On which device.
    pub device: Option<DeviceId>,
    /// It arrived after handover.
    pub late: bool,
}

/// Told instead of the version of a document that was erased: nothing was ever decided on it.
pub const ERASED: i64 = -1;

/// The versions of these documents now, [`ERASED`] for those that are gone; those that do not exist are left out.
///
/// # Errors
/// The driver's.
pub async fn list_versions(
    tx: &mut Tx,
    org: OrgId,
    documents: &[DocumentId],
) -> Result<BTreeMap<DocumentId, i64>, StorageError> {
    let mut versions = BTreeMap::new();
    for chunk in documents.chunks(LIST_MAX) {
        let rows: Vec<(Uuid, i64)> = on!(tx, |connection| {
            let mut query = QueryBuilder::new(
                "SELECT document_id, CASE WHEN erased_at IS NULL THEN version ELSE -1 END FROM document WHERE org_id = ",
            );
            query.push_bind(org.0).push(" AND document_id IN (");
            let mut list = query.separated(", ");
            for document in filled(chunk) {
                list.push_bind(document.0);
            }
            query.push(")");
            query.build_query_as().fetch_all(connection).await
        })?;
        versions.extend(
            rows.into_iter()
                .map(|(document, version)| (DocumentId(document), version)),
        );
    }
    Ok(versions)
}

/// Makes somebody responsible for documents; none: the owners of their customers.
///
/// # Errors
/// The driver's.
pub async fn set_responsible(
    tx: &mut Tx,
    org: OrgId,
    documents: &[(CustomerId, DocumentId)],
    user: Option<UserId>,
) -> Result<(), StorageError> {
    for chunk in documents.chunks(LIST_MAX) {
        on!(tx, |connection| {
            let mut query = QueryBuilder::new("UPDATE document SET version = version + 1, responsible_id = ");
            query.push_bind(user.map(|user| user.0));
            query.push(" WHERE org_id = ").push_bind(org.0);
            query.push(" AND document_id IN (");
            let mut list = query.separated(", ");
            for (_, document) in filled(chunk) {
                list.push_bind(document.0);
            }
            query.push(")");
            query.build().execute(connection).await.map(drop)
        })?;
    }
    packed::set_responsible(tx, org, documents, user).await
}
