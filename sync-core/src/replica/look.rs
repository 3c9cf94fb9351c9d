//! What a person may look at on his phone.

use crate::{
    document::{HistoryEntry, Kind, field_history},
    ids::{CustomerId, DeviceId, DocumentId, UserId},
    time::Timestamp,
};

use super::{AccessRow, DocumentRow, Provisional, Replica, ReplicaError, ReplicaResult, Store};

/// One write of a field, with who stands behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldWrite {
    /// The write.
    pub entry: HistoryEntry,
    /// Who; none where this device cannot know.
    pub author: Option<UserId>,
    /// On which device.
    pub device: Option<DeviceId>,
    /// When the server had it; none while it is pending here.
    pub received_at: Option<Timestamp>,
}

impl<S: Store> Replica<'_, S> {
    /// A customer as he is shown: with what is not decided yet as if it were.
    ///
    /// # Errors
    /// [`ReplicaError::NotFound`] for one that is not here or may not be read, which answer alike.
    pub fn find_customer(&mut self, customer: CustomerId) -> ReplicaResult<AccessRow, S> {
        let row = self.customer(customer)?;
        Ok(self.as_shown(row))
    }

    /// A customer's row with a claim or release that is not decided yet applied to it.
    #[must_use]
    pub fn as_shown(&self, mut row: AccessRow) -> AccessRow {
        match row.provisional {
            Some(Provisional::Claim) => {
                row.owner = Some(self.state.user);
                row.pool = None;
                row.relations.insert(crate::visibility::Relation::Owner);
            }
            Some(Provisional::Create) if row.pool.is_some() => row.owner = None,
            _ => {}
        }
        row
    }

    /// The documents of a customer that may be read, oldest first.
    ///
    /// # Errors
    /// [`ReplicaError::NotFound`] as [`Self::find_customer`].
    pub fn list_documents(&mut self, customer: CustomerId) -> ReplicaResult<Vec<DocumentRow>, S> {
        let row = self.customer(customer)?;
        let rights = self.rights(&row);
        let documents = self.store.documents_of(customer).map_err(ReplicaError::Store)?;
        Ok(documents
            .into_iter()
            .filter(|document| !document.gone && self.may_keep(document, rights, &row))
            .collect())
    }

    /// A document that may be read.
    ///
    /// # Errors
    /// [`ReplicaError::NotFound`].
    pub fn find_document(&mut self, id: DocumentId) -> ReplicaResult<DocumentRow, S> {
        let missing = ReplicaError::NotFound("document");
        let row = self.store.document(id).map_err(ReplicaError::Store)?;
        let Some(document) = row else { return Err(missing) };
        let access = self.customer(document.customer)?;
        let rights = self.rights(&access);
        if !document.gone && self.may_keep(&document, rights, &access) {
            Ok(document)
        } else {
            Err(missing)
        }
    }

    /// Who set a field, when and to what, in the order it was learnt here.
    ///
    /// # Errors
    /// [`ReplicaError::NotFound`].
    pub fn list_history(&mut self, id: DocumentId, field: &str) -> ReplicaResult<Vec<FieldWrite>, S> {
        let row = self.find_document(id)?;
        let kind = Kind::from_number(row.kind).ok_or(ReplicaError::NotFound("document"))?;
        let stored = self.store.changes(id).map_err(ReplicaError::Store)?;
        let view = self.load_view(id, kind)?;
        let writes = field_history(view.document.state(), field).into_iter().map(|entry| {
            let attribution = view.attribution.get(&entry.change);
            let received_at = stored
                .iter()
                .find(|change| change.id == entry.change)
                .and_then(|change| change.received_at);
            FieldWrite {
                author: attribution.map(|attribution| attribution.author),
                device: attribution.and_then(|attribution| attribution.device),
                received_at,
                entry,
            }
        });
        Ok(writes.collect())
    }
}
