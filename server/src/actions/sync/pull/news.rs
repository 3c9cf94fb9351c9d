//! What is new since a cursor: documents that were touched, and customers whose owner, pool or relation changed.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{
    ids::{CustomerId, DocumentId, UserId},
    seeded::{Bug, seeded},
    visibility::{ClassRights, document_access},
};

use super::{Customers, Pull, touched::Touched};
use crate::{
    actions::sync::cursor::Cursor,
    storage::{
        StorageError, Tx,
        documents::{self, DocumentRow, LoggedChange},
        ownership,
        verdicts::EvictionRow,
    },
};

impl Pull<'_> {
    /// Documents touched since the cursor, in the order in which they were first touched.
    pub(super) async fn news(&mut self, tx: &mut Tx, cursor: &mut Cursor) -> Result<(), StorageError> {
        let after = cursor.seq;
        let Touched {
            documents: touched,
            places,
            events,
            mut upto,
        } = self.touched(tx, after).await?;
        let ids: Vec<DocumentId> = touched.iter().map(|(_, document)| *document).collect();
        let mut rows: BTreeMap<DocumentId, DocumentRow> = BTreeMap::new();
        for chunk in ids.chunks(500) {
            rows.extend(
                documents::list_by_id(tx, self.org(), chunk)
                    .await?
                    .into_iter()
                    .map(|row| (row.document, row)),
            );
        }
        let named: BTreeSet<CustomerId> = rows.values().map(|row| row.customer).chain(events).collect();
        let customers = Customers::read(tx, self.puller, &named).await?;
        let mut changes = documents::list_changes(tx, self.org(), &ids, after).await?;
        // Who is responsible changes at places of its own, where no change stands.
        let moved = places.iter().filter(|(document, place)| {
            let changes = changes.get(document).map(Vec::as_slice).unwrap_or_default();
            !changes.iter().any(|change| change.log_seq == *place)
        });
        let moved: BTreeSet<DocumentId> = moved.map(|(document, _)| *document).collect();
        let reassigned = self.reassigned(tx, &rows, &moved, after, &mut changes).await?;
        for customer in named {
            self.tell_assignment(&customers, customer, cursor, after);
        }
        // Losses told above must not keep the page from getting on.
        let told = self.page.bytes();
        for (seq, document) in touched {
            if self.page.bytes() - told >= self.puller.page_bytes_max {
                upto = seq - 1;
                break;
            }
            let Some(row) = rows.get(&document) else { continue };
            // Also of a customer that is still to come whole: what is erased the device may hold from before.
            let waits = !row.erased;
            if waits
                && (self.is_pending(&customers, row.customer, cursor)
                    || self.is_beyond(&customers, row.customer, cursor))
            {
                continue;
            }
            let new = changes.remove(&document).unwrap_or_default();
            self.send_news(row, &customers, new, after, reassigned.get(&document));
        }
        cursor.seq = upto.max(after) + i64::from(seeded(Bug::CursorPlusOne));
        Ok(())
    }

    /// Owner, pool or relation changed, but what the device may read stays or is delivered by a backfill.
    fn tell_assignment(&mut self, customers: &Customers, customer: CustomerId, cursor: &Cursor, after: i64) {
        let Some(assignment) = customers.assignments.get(&customer) else {
            return;
        };
        let now = self.rights(customers, customer, self.puller.head);
        let told = self.page.tells(customer);
        if assignment.assigned_seq <= after
            || now.is_empty()
            || told
            || self.is_pending(customers, customer, cursor)
            || self.is_beyond(customers, customer, cursor)
        {
            return;
        }
        let relations = self
            .puller
            .standing
            .relations_at(customers.memberships(customer), self.puller.head);
        self.page.push_access(assignment, now, relations, None);
    }

    /// Touched documents for which somebody else was made responsible, with those who were before. All their changes
    /// are read: whoever may read one only because of that does not have it.
    async fn reassigned(
        &self,
        tx: &mut Tx,
        rows: &BTreeMap<DocumentId, DocumentRow>,
        moved: &BTreeSet<DocumentId>,
        after: i64,
        changes: &mut BTreeMap<DocumentId, Vec<LoggedChange>>,
    ) -> Result<BTreeMap<DocumentId, BTreeSet<UserId>>, StorageError> {
        let candidates = rows
            .values()
            .filter(|row| row.kind.has_responsible() && moved.contains(&row.document));
        let customers: BTreeSet<CustomerId> = candidates.map(|row| row.customer).collect();
        let customers: Vec<CustomerId> = customers.into_iter().collect();
        let mut reassigned: BTreeMap<DocumentId, BTreeSet<UserId>> = BTreeMap::new();
        if customers.is_empty() {
            return Ok(reassigned);
        }
        for event in ownership::list_reassigned(tx, self.org(), &customers, after).await? {
            if rows.contains_key(&event.document) {
                reassigned.entry(event.document).or_default().extend(event.previous);
            }
        }
        let ids: Vec<DocumentId> = reassigned.keys().copied().collect();
        changes.extend(documents::list_changes(tx, self.org(), &ids, 0).await?);
        Ok(reassigned)
    }

    fn send_news(
        &mut self,
        row: &DocumentRow,
        customers: &Customers,
        new: Vec<LoggedChange>,
        after: i64,
        reassigned: Option<&BTreeSet<UserId>>,
    ) {
        let at = if seeded(Bug::RightsOfTheCursor) {
            after
        } else {
            self.puller.head
        };
        let now = self.rights(customers, row.customer, at);
        if now.is_empty() {
            return;
        }
        if row.erased {
            self.tell_erased(row, customers, now);
            return;
        }
        let owner = customers
            .assignments
            .get(&row.customer)
            .and_then(|assignment| assignment.owner);
        let facts = row.facts(owner);
        if !document_access(now, self.puller.user, &facts).may_read() {
            let then = self.rights(customers, row.customer, after);
            if self.puller.withholds_losses() {
                return;
            }
            let was_his = reassigned.is_some_and(|previous| previous.contains(&self.puller.user));
            if was_his || document_access(then, self.puller.user, &facts).may_read() {
                self.page.push_gone(row.into());
            }
            return;
        }
        if reassigned.is_some() {
            self.page.push_document(row.into(), new, true);
            return;
        }
        let touched_only = new.is_empty();
        // Its own changes the device has, but for those a decision took out of quarantine: they came late.
        let new: Vec<LoggedChange> = new
            .into_iter()
            .filter(|change| change.late || change.device != Some(self.puller.device))
            .collect();
        // Who is responsible the device learns from the header, also of what it wrote itself.
        let header = row.kind.has_responsible()
            && (touched_only || row.responsible.is_some())
            && !seeded(Bug::ResponsibleNotSent);
        if header || !new.is_empty() {
            self.page.push_document(row.into(), new, false);
        }
    }

    /// A document that is gone for good. The device drops it and confirms that, as it does the loss of some rights.
    fn tell_erased(&mut self, row: &DocumentRow, customers: &Customers, now: ClassRights) {
        let assignment = customers.assignments.get(&row.customer);
        let facts = row.facts(assignment.and_then(|assignment| assignment.owner));
        if !document_access(now, self.puller.user, &facts).may_read() {
            return;
        }
        self.page.push_gone(row.into());
        let Some(assignment) = assignment.filter(|_| !self.page.tells(row.customer)) else {
            return;
        };
        let relations = self
            .puller
            .standing
            .relations_at(customers.memberships(row.customer), self.puller.head);
        self.evictions.push(EvictionRow {
            device: self.puller.device,
            customer: row.customer,
            lost_seq: row.last_seq,
        });
        self.page.push_access(assignment, now, relations, Some(row.last_seq));
    }
}
