//! Customers that have become visible, delivered whole: scope by scope, until the page is full.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{
    ids::CustomerId,
    protocol::limits::DEVICE_CUSTOMERS_MAX,
    seeded::{Bug, seeded},
    visibility::document_access,
};

use super::{Customers, Pull};
use crate::{
    actions::sync::{
        cursor::{Backfill, Cursor, Position},
        page::Named,
    },
    storage::{
        StorageError, Tx,
        documents::{self, LoggedChange},
        packed, scopes,
    },
};

/// Customers looked at once.
const GRANT_CUSTOMERS: i64 = 200;
/// Customers whose documents are read first; from their size follows how many are read next.
const GRANT_CUSTOMERS_FIRST: usize = 16;
/// Bytes of a packed document beside its changes, about.
const DOCUMENT_BYTES: usize = 64;

/// A document with all its changes.
pub(super) struct Whole {
    pub(super) named: Named,
    pub(super) changes: Vec<LoggedChange>,
    /// It was erased: a device that still holds it, from an earlier log, drops it.
    pub(super) is_gone: bool,
}

impl Pull<'_> {
    /// Delivers what became visible, oldest backfill first, until the page is full.
    pub(super) async fn grants(&mut self, tx: &mut Tx, cursor: &mut Cursor) -> Result<(), StorageError> {
        while let Some(backfill) = cursor.backfills.first_mut() {
            let from = backfill.position.map_or(0, |position| usize::from(position.scope));
            for index in from..self.scopes.len() {
                while !is_device_full(backfill, cursor.delivered) {
                    if self.is_full() {
                        return Ok(());
                    }
                    if !self.grant_some(tx, backfill, index, &mut cursor.delivered).await? {
                        break;
                    }
                }
            }
            if is_device_full(backfill, cursor.delivered) {
                cursor.boundary = backfill.position;
            }
            cursor.backfills.remove(0);
        }
        Ok(())
    }

    /// Delivers the next customers of one scope. False if there are none left.
    async fn grant_some(
        &mut self,
        tx: &mut Tx,
        backfill: &mut Backfill,
        index: usize,
        delivered: &mut u32,
    ) -> Result<bool, StorageError> {
        let scope = self.scopes[index].scope;
        let since = if self.is_gained(index, backfill.since) {
            -1
        } else {
            backfill.since
        };
        let position = backfill
            .position
            .filter(|position| usize::from(position.scope) == index)
            .map(|position| (position.from_seq, position.customer));
        let members = scopes::list_members(tx, self.org(), scope, since, position, GRANT_CUSTOMERS).await?;
        if members.is_empty() {
            return Ok(false);
        }
        let ids: BTreeSet<CustomerId> = members.iter().map(|(_, customer)| *customer).collect();
        let customers = Customers::read(tx, self.puller, &ids).await?;
        let granted: Vec<CustomerId> = members
            .iter()
            .map(|(_, customer)| *customer)
            .filter(|customer| self.is_granted(&customers, *customer, backfill, index))
            .collect();
        let mut granted = granted.into_iter().peekable();
        let mut bundles: BTreeMap<CustomerId, Vec<Whole>> = BTreeMap::new();
        let (mut read, mut bytes) = (0, 0);
        for (from_seq, customer) in members {
            if self.is_full() || is_device_full(backfill, *delivered) {
                return Ok(true);
            }
            if granted.peek() == Some(&customer) {
                if !bundles.contains_key(&customer) {
                    // As many as will fill the page, judging by those before.
                    let room = self.puller.page_bytes_max.saturating_sub(self.page.bytes());
                    let count = match read {
                        0 => GRANT_CUSTOMERS_FIRST,
                        read => (room * read / usize::max(bytes, 1)).clamp(1, GRANT_CUSTOMERS as usize),
                    };
                    let next: Vec<CustomerId> = granted.clone().take(count).collect();
                    let stored;
                    (bundles, stored) = self.read_whole(tx, &customers, &next).await?;
                    read += next.len();
                    bytes += stored;
                }
                granted.next();
                *delivered += 1;
                self.grant(&customers, customer, bundles.remove(&customer).unwrap_or_default());
            }
            backfill.position = Some(Position {
                scope: index as u16,
                from_seq,
                customer,
            });
        }
        Ok(true)
    }

    /// What the viewer may read of these customers, with all changes, and how many bytes were read for it, those of
    /// documents he may not read included. Each of the customers has an entry.
    pub(super) async fn read_whole(
        &self,
        tx: &mut Tx,
        customers: &Customers,
        ids: &[CustomerId],
    ) -> Result<(BTreeMap<CustomerId, Vec<Whole>>, usize), StorageError> {
        let mut stored = packed::list_by_customer(tx, self.org(), ids).await?;
        let mut bundles: BTreeMap<CustomerId, Vec<Whole>> = BTreeMap::new();
        let mut many = Vec::new();
        let mut bytes = 0;
        for customer in ids {
            let rights = self.rights(customers, *customer, self.puller.head);
            let owner = customers
                .assignments
                .get(customer)
                .and_then(|assignment| assignment.owner);
            let mut bundle = Vec::new();
            for document in stored.remove(customer).unwrap_or_default() {
                bytes += DOCUMENT_BYTES + document.changes.as_ref().map_or(0, packed::PackedChanges::bytes);
                let asked = self.page.is_empty() || !seeded(Bug::PolicyAskedOnce);
                if asked && !document_access(rights, self.puller.user, &document.facts(owner)).may_read() {
                    continue;
                }
                let is_gone = document.changes.as_ref().is_some_and(packed::PackedChanges::is_empty);
                let unpacked = document
                    .changes
                    .as_ref()
                    .and_then(|changes| changes.unpack(document.document));
                if unpacked.is_none() {
                    many.push(document.document);
                }
                let changes = unpacked.unwrap_or_default();
                bundle.push(Whole {
                    named: Named {
                        customer: *customer,
                        document: document.document,
                        kind: document.kind,
                        responsible: document.responsible,
                    },
                    changes,
                    is_gone,
                });
            }
            bundles.insert(*customer, bundle);
        }
        if !many.is_empty() {
            let mut changes = documents::list_changes(tx, self.org(), &many, 0).await?;
            for whole in bundles.values_mut().flatten() {
                if let Some(changes) = changes.remove(&whole.named.document) {
                    bytes += changes
                        .iter()
                        .filter_map(|change| change.body.as_ref())
                        .map(Vec::len)
                        .sum::<usize>();
                    whole.changes = changes;
                }
            }
        }
        Ok((bundles, bytes))
    }

    fn grant(&mut self, customers: &Customers, customer: CustomerId, bundle: Vec<Whole>) {
        let Some(assignment) = customers.assignments.get(&customer) else {
            return;
        };
        let memberships = customers.memberships(customer);
        let rights = self.puller.standing.rights_at(memberships, self.puller.head);
        let relations = self.puller.standing.relations_at(memberships, self.puller.head);
        self.page.push_access(assignment, rights, relations, None);
        for whole in bundle {
            if whole.is_gone {
                self.page.push_gone(whole.named);
            } else {
                self.page.push_document(whole.named, whole.changes, true);
            }
        }
    }

    /// Whether a member of scope `index` is to be delivered there: he may read more of it than at the backfill's
    /// beginning, and no earlier scope delivers it.
    fn is_granted(&self, customers: &Customers, customer: CustomerId, backfill: &Backfill, index: usize) -> bool {
        let now = self.rights(customers, customer, self.puller.head);
        if now.is_empty() {
            return false;
        }
        let then = self.lasting(customers, customer, backfill);
        !then.contains(now)
            && self
                .place(customers, customer, backfill)
                .is_some_and(|place| usize::from(place.scope) == index)
    }
}

/// Whether the device holds as many customers as it can. What becomes its own later is delivered all the same.
fn is_device_full(backfill: &Backfill, delivered: u32) -> bool {
    backfill.since == 0 && delivered as usize >= DEVICE_CUSTOMERS_MAX
}
