//! A document as the phone holds it: what the server has, what is pending on top, and the row that shows both.

use std::collections::BTreeMap;

use crate::{
    document::{ChangeId, Document, Kind},
    ids::{CustomerId, DocumentId, UserId},
    projection::{Attribution, checked_in_by, project},
    protocol::oplist,
    time::Timestamp,
    visibility::DocumentFacts,
};

use super::{DocumentRow, OutboxEntry, Replica, ReplicaError, ReplicaResult, Store, StoredChange};

/// A document with the columns beside its changes.
pub(super) struct Held {
    pub(super) document: Document,
    pub(super) stored: Vec<StoredChange>,
}

/// A document with what is pending on top.
pub(super) struct View {
    pub(super) document: Document,
    pub(super) attribution: BTreeMap<ChangeId, Attribution>,
    pub(super) pending: Vec<OutboxEntry>,
    /// Pending entries that no longer fit what the server has; to be issued again.
    pub(super) unfit: Vec<OutboxEntry>,
    first_received: Option<Timestamp>,
    late: bool,
}

impl<S: Store> Replica<'_, S> {
    /// What the server has of a document.
    pub(super) fn load_held(&mut self, id: DocumentId, kind: Kind) -> ReplicaResult<Held, S> {
        let stored = self.store.changes(id).map_err(ReplicaError::Store)?;
        let mut document = Document::new(kind);
        let mut fitting = Vec::with_capacity(stored.len());
        for change in stored {
            let decoded = oplist::decode(&change.body, kind).ok();
            let fits = decoded.is_some_and(|decoded| document.restore(decoded, change.hash, change.body.len()).is_ok());
            if !fits {
                // A fault of the device, or a server that accepts what cannot be: its copy replaces this one.
                self.want(id)?;
                break;
            }
            fitting.push(change);
        }
        Ok(Held {
            document,
            stored: fitting,
        })
    }

    /// The document a person sees: pending changes on top of the server's.
    pub(super) fn load_view(&mut self, id: DocumentId, kind: Kind) -> ReplicaResult<View, S> {
        let held = self.load_held(id, kind)?;
        self.view_on(id, held)
    }

    pub(super) fn view_on(&mut self, id: DocumentId, held: Held) -> ReplicaResult<View, S> {
        let kind = held.document.state().kind();
        let mut view = View {
            first_received: held.stored.first().and_then(|change| change.received_at),
            late: held.stored.first().is_some_and(|change| change.late),
            document: held.document,
            attribution: BTreeMap::new(),
            pending: Vec::new(),
            unfit: Vec::new(),
        };
        for change in &held.stored {
            if let Some(author) = change.author {
                let device = change.device;
                view.attribution.insert(change.id, Attribution { author, device });
            }
        }
        let me = Attribution {
            author: self.state.user,
            device: Some(self.state.device),
        };
        for entry in self.store.outbox_of_document(id).map_err(ReplicaError::Store)? {
            if entry.chain || view.document.state().change(entry.change).is_some() {
                continue;
            }
            let decoded = oplist::decode(&entry.body, kind).ok();
            let fits = view.unfit.is_empty()
                && decoded.is_some_and(|change| view.document.restore(change, entry.hash, entry.body.len()).is_ok());
            if fits {
                view.attribution.insert(entry.change, me);
                view.pending.push(entry);
            } else {
                view.unfit.push(entry);
            }
        }
        Ok(view)
    }

    /// Writes the row that shows a view. A document that is nothing any more is removed, unless the tray speaks of it.
    pub(super) fn put_view(
        &mut self,
        id: DocumentId,
        customer: CustomerId,
        responsible: Option<UserId>,
        view: &View,
    ) -> ReplicaResult<(), S> {
        let state = view.document.state();
        let kind = state.kind();
        let known = self.store.document(id).map_err(ReplicaError::Store)?;
        let Some(first) = view.document.changes().first() else {
            return self.empty_row(id, kind, known);
        };
        let attribution = |change: ChangeId| view.attribution.get(&change).copied();
        let projection = project(state, attribution);
        let made_by = attribution(first.id());
        let row = DocumentRow {
            id,
            customer,
            kind: kind.number(),
            author: made_by.map(|made| made.author),
            device: made_by.and_then(|made| made.device),
            responsible,
            created_at: first.time,
            received_at: view.first_received,
            late: view.late,
            gone: known.is_some_and(|known| known.gone),
            checked_in_by: checked_in_by(state, attribution),
            fields: projection.fields,
            conflicts: projection.conflicts,
        };
        self.store.put_document(&row).map_err(ReplicaError::Store)
    }

    /// Nobody has written to it (any more). What the tray speaks of stays visible as it was last seen, if it was a
    /// document of its own.
    fn empty_row(&mut self, id: DocumentId, kind: Kind, known: Option<DocumentRow>) -> ReplicaResult<(), S> {
        let Some(mut known) = known else { return Ok(()) };
        let refused = self.store.tray_of_document(id).map_err(ReplicaError::Store)?;
        if refused.is_empty() {
            return self.store.delete_document(id).map_err(ReplicaError::Store);
        }
        if kind.is_single() {
            known.fields = serde_json::Map::new();
        }
        known.conflicts = Vec::new();
        self.store.put_document(&known).map_err(ReplicaError::Store)
    }

    /// Reads a document again and writes its row. Pending changes that no longer fit are issued again.
    pub(super) fn refresh(&mut self, id: DocumentId, customer: CustomerId, kind: Kind) -> ReplicaResult<(), S> {
        let responsible = self
            .store
            .document(id)
            .map_err(ReplicaError::Store)?
            .and_then(|row| row.responsible);
        let view = self.load_view(id, kind)?;
        self.put_view(id, customer, responsible, &view)
    }

    /// What of a document decides about rights, from its row.
    pub(super) fn facts(row: &DocumentRow, kind: Kind, owner: Option<UserId>) -> DocumentFacts {
        DocumentFacts {
            kind,
            author: row.author,
            responsible: row.responsible,
            owner,
            checked_in_by: row.checked_in_by,
        }
    }
}
