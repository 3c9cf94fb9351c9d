//! Who set what: the history of one field of a document.

use std::collections::BTreeMap;

use sync_core::{
    document::{ChangeId, Document, field_history},
    ids::{ActorId, ChangeHash, DeviceId, DocumentId, OrgId, UserId},
    protocol::oplist,
};

use super::{ActionError, Code, customers::named, reader::Reader};
use crate::storage::{
    Database, Tx,
    customers::{self, DocumentRow},
    reading::{self, StoredChange},
    viewers::Named,
};

/// One write of a field.
#[derive(Debug, Clone)]
pub struct Written {
    /// What was written; none for a removal.
    pub value: Option<serde_json::Value>,
    /// Whether it is shown now, alone or beside others.
    pub current: bool,
    /// The change that wrote it.
    pub change: StoredChange,
}

/// The history of a field, oldest first.
#[derive(Debug, Clone)]
pub struct History {
    /// The writes in the order in which the server had them.
    pub writes: Vec<Written>,
    /// How their authors are called.
    pub people: BTreeMap<UserId, Named>,
    /// How their devices are called.
    pub devices: BTreeMap<DeviceId, String>,
}

/// Reads the history of a field: a key, or `map.entry`.
///
/// # Errors
/// `not_found` alike for a document that does not exist and one that the reader may not read; `schema` for a field
/// that its kind does not have; the database's.
pub async fn show_history(
    database: &Database,
    org: OrgId,
    user: UserId,
    document: DocumentId,
    field: &str,
) -> Result<History, ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let row = find_readable(&mut tx, &reader, document).await?;
    let key = field.split_once('.').map_or(field, |(key, _)| key);
    if row.kind.field(key).is_none() {
        let keys: Vec<&str> = row.kind.fields().iter().map(|field| field.key).collect();
        return Err(ActionError::refused(Code::Schema)
            .because(format!(
                "{} has no field {key}; its fields are {}",
                row.kind,
                keys.join(", ")
            ))
            .with("field", key));
    }
    let stored = reading::list_document_changes(&mut tx, org, document).await?;
    let folded = fold(row.kind, &stored)?;
    let by_id: BTreeMap<ChangeId, &StoredChange> = stored
        .iter()
        .filter_map(|change| Some((change_id(change)?, change)))
        .collect();
    let mut writes: Vec<Written> = field_history(folded.state(), field)
        .into_iter()
        .filter_map(|entry| {
            let change = (*by_id.get(&entry.change)?).clone();
            Some(Written {
                value: entry.value.map(|value| value.to_json()),
                current: entry.current,
                change,
            })
        })
        .collect();
    writes.sort_by_key(|written| written.change.log_seq);
    let people = named(
        &mut tx,
        org,
        writes.iter().map(|written| UserId(written.change.author_id)),
    )
    .await?;
    let mut devices: Vec<DeviceId> = writes
        .iter()
        .filter_map(|written| written.change.device_id.map(DeviceId))
        .collect();
    devices.sort_unstable();
    devices.dedup();
    let devices = reading::list_device_names(&mut tx, org, &devices)
        .await?
        .into_iter()
        .collect();
    Ok(History {
        writes,
        people,
        devices,
    })
}

/// A document that the reader may read.
///
/// # Errors
/// `not_found` alike for one that does not exist and one that he may not read; the database's.
pub async fn find_readable(tx: &mut Tx, reader: &Reader, document: DocumentId) -> Result<DocumentRow, ActionError> {
    let unknown = || ActionError::refused(Code::NotFound);
    let row = customers::find_document_row(tx, reader.org, document)
        .await?
        .ok_or_else(unknown)?;
    let relations = reader
        .relations_of(tx, &[row.customer])
        .await?
        .remove(&row.customer)
        .unwrap_or_default();
    let customer = customers::find_customer(tx, reader.org, row.customer)
        .await?
        .ok_or_else(unknown)?;
    if reader
        .document_rights(reader.rights(relations), &row, customer.owner)
        .may_read()
    {
        Ok(row)
    } else {
        Err(unknown())
    }
}

/// Folds a document from its stored changes. Erased ones are left out, and with them what was made on them.
///
/// # Errors
/// `internal` if the log holds what it never admitted.
pub fn fold(kind: sync_core::document::Kind, stored: &[StoredChange]) -> Result<Document, ActionError> {
    let mut document = Document::new(kind);
    let erased = stored.iter().any(|change| change.body.is_none());
    for change in stored {
        let Some(body) = &change.body else { continue };
        let broken = |what: String| ActionError::Internal(format!("change {} of the log: {what}", change.log_seq));
        let decoded = oplist::decode(body, kind).map_err(|error| broken(error.to_string()))?;
        let hash = ChangeHash::from_slice(&change.hash).map_err(|error| broken(error.to_string()))?;
        match document.restore(decoded, hash, body.len()) {
            Ok(()) => {}
            Err(_) if erased => {}
            Err(refusal) => return Err(broken(refusal.to_string())),
        }
    }
    Ok(document)
}

/// The name of a stored change within its document.
#[must_use]
pub fn change_id(change: &StoredChange) -> Option<ChangeId> {
    Some(ChangeId {
        actor: ActorId::from_slice(&change.actor).ok()?,
        seq: u64::try_from(change.seq).ok()?,
    })
}
