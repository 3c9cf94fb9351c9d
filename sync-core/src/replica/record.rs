//! What a person does: edits, new documents, new customers.

use crate::{
    document::{BuiltChange, Document, Edit, Kind},
    ids::{ActorId, CustomerId, DocumentId},
    seeded::{Bug, seeded},
    time::Timestamp,
    visibility::{Rights, document_access},
};

use super::{DocumentRow, OutboxEntry, Replica, ReplicaError, ReplicaResult, Store};

/// What is edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A document that is here.
    Document(DocumentId),
    /// The customer's one document of this kind, whether it has been begun or not.
    Single(CustomerId, Kind),
    /// A new document of this kind.
    New(CustomerId, Kind),
}

/// What was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The document.
    pub document: DocumentId,
    /// Its customer.
    pub customer: CustomerId,
    /// The outbox entry; none if the edits changed nothing.
    pub entry: Option<i64>,
}

impl<S: Store> Replica<'_, S> {
    /// Records typed edits of one document as one change.
    ///
    /// # Errors
    /// [`ReplicaError::NotPermitted`], [`ReplicaError::NotFound`], [`ReplicaError::Locked`] or what does not fit the
    /// schema; nothing is recorded then.
    pub fn record(&mut self, target: Target, edits: &[Edit], now: Timestamp) -> ReplicaResult<Recorded, S> {
        self.may_work(now)?;
        let (id, customer, kind) = self.resolve(target)?;
        let access = self.customer(customer)?;
        let rights = self.rights(&access);
        let row = self.store.document(id).map_err(ReplicaError::Store)?;
        let granted = match &row {
            Some(row) if row.gone => Rights::NONE,
            Some(row) => document_access(rights, self.state.user, &Self::facts(row, kind, access.owner)),
            // What is new is written by whoever may add to the kind; the one document of a kind by who may write it.
            None if rights.of(kind).may_write() || !kind.is_single() && rights.of(kind).may_create() => Rights::WRITE,
            None => Rights::NONE,
        };
        if !(granted.may_write() || granted.may_comment() && edits.iter().all(is_comment)) {
            return Err(ReplicaError::NotPermitted);
        }
        self.record_change(id, customer, kind, row.as_ref(), edits, now)
    }

    fn resolve(&mut self, target: Target) -> ReplicaResult<(DocumentId, CustomerId, Kind), S> {
        match target {
            Target::Document(id) => {
                let row = self.store.document(id).map_err(ReplicaError::Store)?;
                let row = row.ok_or(ReplicaError::NotFound("document"))?;
                let kind = Kind::from_number(row.kind).ok_or(ReplicaError::NotFound("document"))?;
                Ok((id, row.customer, kind))
            }
            Target::Single(customer, kind) => {
                Ok((DocumentId::derived(self.state.org, customer, kind, 0), customer, kind))
            }
            Target::New(customer, kind) if kind.is_single() => self.resolve(Target::Single(customer, kind)),
            Target::New(customer, kind) => {
                let id = DocumentId::made_by(self.state.actor, self.state.counter + 1);
                Ok((id, customer, kind))
            }
        }
    }

    pub(super) fn record_change(
        &mut self,
        id: DocumentId,
        customer: CustomerId,
        kind: Kind,
        row: Option<&DocumentRow>,
        edits: &[Edit],
        now: Timestamp,
    ) -> ReplicaResult<Recorded, S> {
        let mut view = self.load_view(id, kind)?;
        if seeded(Bug::NameReused) {
            view.document = self.load_held(id, kind)?.document;
        }
        let recorded = |entry| Recorded {
            document: id,
            customer,
            entry,
        };
        let Some(built) = view.document.edit(self.state.actor, now, edits)? else {
            return Ok(recorded(None));
        };
        if row.is_none() && !kind.is_single() {
            self.state.counter += 1;
            self.save()?;
        }
        let mut entry = pending_entry(id, customer, kind, &built, edits, now);
        entry.id = self.store.push_outbox(&entry).map_err(ReplicaError::Store)?;
        let number = entry.id;
        let me = crate::projection::Attribution {
            author: self.state.user,
            device: Some(self.state.device),
        };
        view.attribution.insert(entry.change, me);
        self.put_view(id, customer, row.and_then(|row| row.responsible), &view)?;
        Ok(recorded(Some(number)))
    }

    /// Issues typed edits again on what the document is now, under the present actor. What no longer fits goes to the
    /// tray.
    pub(super) fn reissue(&mut self, entries: &[OutboxEntry], now: Timestamp) -> ReplicaResult<(), S> {
        let Some(first) = entries.first() else { return Ok(()) };
        let (id, customer, kind) = (first.document, first.customer, first.kind);
        let mut document = self.load_view(id, kind)?.document;
        for entry in entries {
            match document.edit(self.state.actor, entry.at, &entry.edits) {
                Ok(None) => {}
                Ok(Some(built)) => {
                    let again = pending_entry(id, customer, kind, &built, &entry.edits, entry.at);
                    self.store.push_outbox(&again).map_err(ReplicaError::Store)?;
                }
                Err(error) => self.put_in_tray(entry, "rejected", error.code(), now)?,
            }
        }
        self.refresh(id, customer, kind)
    }

    /// After a new device or actor: everything that was never accepted is issued again.
    pub(super) fn reissue_everything(&mut self, now: Timestamp) -> ReplicaResult<(), S> {
        for id in self.store.outbox_documents().map_err(ReplicaError::Store)? {
            let entries = self.store.outbox_of_document(id).map_err(ReplicaError::Store)?;
            let again: Vec<OutboxEntry> = entries
                .into_iter()
                .filter(|entry| !entry.chain && !entry.reoffer && entry.change.actor != self.state.actor)
                .collect();
            for entry in &again {
                self.store.delete_outbox(entry.id).map_err(ReplicaError::Store)?;
            }
            self.reissue(&again, now)?;
        }
        Ok(())
    }

    /// Takes a new incarnation at the shell's word: the store is a copy of another phone's, or was rolled back.
    /// What is pending is issued again under the new actor.
    ///
    /// # Errors
    /// The store's.
    pub fn take_actor(&mut self, actor: ActorId, now: Timestamp) -> ReplicaResult<(), S> {
        self.state.take_actor(actor);
        self.reissue_everything(now)?;
        self.save()
    }
}

fn is_comment(edit: &Edit) -> bool {
    matches!(edit, Edit::SetEntry { map, .. } if map == "comments")
}

fn pending_entry(
    document: DocumentId,
    customer: CustomerId,
    kind: Kind,
    built: &BuiltChange,
    edits: &[Edit],
    at: Timestamp,
) -> OutboxEntry {
    OutboxEntry {
        id: 0,
        document,
        customer,
        kind,
        change: built.change.id(),
        hash: built.hash,
        body: built.body.clone(),
        edits: edits.to_vec(),
        at,
        with_hash: false,
        hold: false,
        chain: false,
        reoffer: false,
        reason: None,
    }
}

/// Whether nothing but its creator's first change could begin the document: it has no other life than his.
pub(super) fn is_begun_by_creator(document: &Document) -> bool {
    !document.state().kind().is_single() && document.changes().is_empty()
}
