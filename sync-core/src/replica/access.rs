//! What this person may do here, and dropping what he may no longer have.

use crate::{
    document::Kind,
    ids::{CustomerId, DocumentId},
    protocol::message::{AccessItem, Confirmation},
    seeded::{Bug, seeded},
    time::Timestamp,
    visibility::{ClassRights, Policy, Relation, Role, UserState, Viewer, class_rights, document_access},
};

use super::{AccessRow, DocumentRow, Provisional, Replica, ReplicaError, ReplicaResult, Store, SyncProgress};

impl<S: Store> Replica<'_, S> {
    /// The customer's row, if he is to be seen on this phone.
    pub(super) fn customer(&mut self, customer: CustomerId) -> ReplicaResult<AccessRow, S> {
        let row = self.store.access(customer).map_err(ReplicaError::Store)?;
        row.filter(|row| !self.rights(row).is_empty())
            .ok_or(ReplicaError::NotFound("customer"))
    }

    /// What the person may do with a customer's documents: what the server grants, and what an undecided creation or
    /// claim would give.
    pub(super) fn rights(&self, row: &AccessRow) -> ClassRights {
        if row.lost.is_some() && row.provisional.is_none() {
            return row.rights;
        }
        match row.provisional {
            Some(Provisional::Create | Provisional::Claim) => row.rights.union(self.owner_rights()),
            Some(Provisional::Release) | None => row.rights,
        }
    }

    fn owner_rights(&self) -> ClassRights {
        // Whoever may create or claim is somebody who may own; the server decides by his role.
        let viewer = Viewer {
            user: self.state.user,
            role: Role::Rep,
            state: UserState::Active,
        };
        class_rights(viewer, Relation::Owner.into(), &Policy::default())
    }

    pub(super) fn may_work(&self, now: Timestamp) -> ReplicaResult<(), S> {
        if self.state.is_open(now) {
            Ok(())
        } else if self.state.name(now) == "offboarding" {
            Err(ReplicaError::Leaving)
        } else {
            Err(ReplicaError::Locked)
        }
    }

    /// Takes what the server says about a customer. Nothing is dropped yet: that is done when all verdicts of the
    /// answer are known.
    pub(super) fn handle_access(&mut self, item: &AccessItem) -> ReplicaResult<(), S> {
        let known = self.store.access(item.customer).map_err(ReplicaError::Store)?;
        let provisional = known.as_ref().and_then(|row| row.provisional);
        let row = AccessRow {
            customer: item.customer,
            rights: item.rights,
            relations: item.relations,
            owner: item.owner,
            pool: item.pool,
            team: item.team,
            version: item.version,
            lost: item.lost,
            // Rights by kind may have shrunk; what is no longer readable is found when the losses are finished.
            trim: known.is_some(),
            provisional,
        };
        self.store.put_access(&row).map_err(ReplicaError::Store)
    }

    /// A single document that may no longer be read.
    pub(super) fn handle_gone(&mut self, id: DocumentId) -> ReplicaResult<(), S> {
        self.store.delete_wanted(id).map_err(ReplicaError::Store)?;
        if let Some(mut row) = self.store.document(id).map_err(ReplicaError::Store)? {
            row.gone = true;
            self.store.put_document(&row).map_err(ReplicaError::Store)?;
        }
        Ok(())
    }

    /// Drops what may no longer be here and of which nothing is unsent, and queues the confirmations.
    pub(super) fn finish_losses(&mut self, progress: &mut SyncProgress) -> ReplicaResult<(), S> {
        for id in self.store.gone_documents().map_err(ReplicaError::Store)? {
            if self.is_unsent(id)? {
                continue;
            }
            self.store.delete_document(id).map_err(ReplicaError::Store)?;
            // What was refused of it earlier repeats what it said.
            self.store.redact_tray_of(id).map_err(ReplicaError::Store)?;
            progress.dropped_documents += 1;
        }
        for row in self.store.unfinished_losses().map_err(ReplicaError::Store)? {
            self.finish_loss(row, progress)?;
        }
        Ok(())
    }

    fn finish_loss(&mut self, mut row: AccessRow, progress: &mut SyncProgress) -> ReplicaResult<(), S> {
        let customer = row.customer;
        // Fewer rights may be what a server believes that has lost a day: what is here is compared before it goes.
        if !row.rights.is_empty() && (self.state.recovering || self.state.checking.is_some()) {
            return Ok(());
        }
        let rights = self.rights(&row);
        let mut left = false;
        for document in self.store.documents_of(customer).map_err(ReplicaError::Store)? {
            if self.may_keep(&document, rights, &row) || seeded(Bug::EvictionForgotten) {
                continue;
            }
            if self.is_unsent(document.id)? {
                left = true;
                continue;
            }
            self.store.delete_document(document.id).map_err(ReplicaError::Store)?;
            self.store.delete_wanted(document.id).map_err(ReplicaError::Store)?;
            progress.dropped_documents += 1;
        }
        let unsent = self.store.outbox_count(Some(customer)).map_err(ReplicaError::Store)? > 0;
        let undecided = !self
            .store
            .pending_intents(Some(customer))
            .map_err(ReplicaError::Store)?
            .is_empty();
        // A claim that is not decided yet keeps a customer here whose loss has been told.
        let gone = row.rights.is_empty();
        if gone && (left || unsent || undecided) {
            return Ok(());
        }
        // Of a customer that stays, with fewer rights, only the work made with the former ones has to be sent before.
        left |= unsent;
        if let Some(lost_seq) = row.lost.filter(|_| !left) {
            let confirmation = Confirmation { customer, lost_seq };
            self.store.put_confirmation(confirmation).map_err(ReplicaError::Store)?;
        }
        if gone {
            self.store.redact_tray(customer).map_err(ReplicaError::Store)?;
            self.store.forget_intents(customer).map_err(ReplicaError::Store)?;
            self.store.delete_access(customer).map_err(ReplicaError::Store)?;
            progress.evicted.push(customer);
            return Ok(());
        }
        row.trim = left;
        row.lost = row.lost.filter(|_| left);
        self.store.put_access(&row).map_err(ReplicaError::Store)
    }

    pub(super) fn may_keep(&self, document: &DocumentRow, rights: ClassRights, row: &AccessRow) -> bool {
        match Kind::from_number(document.kind) {
            Some(kind) => document_access(rights, self.state.user, &Self::facts(document, kind, row.owner)).may_read(),
            // A kind this version does not know is shown to nobody; the server says when it has to go.
            None => !rights.is_empty(),
        }
    }

    pub(super) fn is_unsent(&mut self, id: DocumentId) -> ReplicaResult<bool, S> {
        let entries = self.store.outbox_of_document(id).map_err(ReplicaError::Store)?;
        Ok(!entries.is_empty())
    }
}
