//! What a device should hold, compared with what it says it holds, after a restore or when it asks.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{
    ids::{ActorId, CustomerId, DocumentId},
    protocol::{
        compare::{Compare, Compared, HeldDocument, HeldSum, bucket_of},
        limits::MESSAGE_WANTED_MAX,
    },
    visibility::document_access,
};

use super::{Customers, Pull};
use crate::{
    actions::sync::{cursor::Cursor, pull::grants::Whole},
    storage::{
        StorageError, Tx,
        documents::{self, DocumentRow},
        recovery, scopes,
        verdicts::EvictionRow,
    },
};

/// Customers read at once.
const HELD_CUSTOMERS: i64 = 200;
/// Documents looked up at once of those that the device holds and should not.
const UNKNOWN_DOCUMENTS: usize = 200;

impl Pull<'_> {
    /// Answers what the device says it holds. It stands at the head of the log, with nothing left to get.
    pub(super) async fn compare(
        &mut self,
        tx: &mut Tx,
        cursor: &Cursor,
        compare: &Compare,
    ) -> Result<Compared, StorageError> {
        let again = self.puller.recovering;
        let ours = self.held(tx, cursor).await?;
        Ok(match compare {
            Compare::Later => Compared::Same { again: true },
            Compare::All(sum) if *sum == HeldSum::of(ours.values()) => Compared::Same { again },
            Compare::All(_) => Compared::Buckets,
            Compare::Buckets(theirs) => {
                let ours = HeldSum::by_bucket(ours.values());
                let differing = (0..=u8::MAX).filter(|bucket| {
                    let place = usize::from(*bucket);
                    theirs.get(place) != ours.get(place)
                });
                match differing.collect::<Vec<u8>>() {
                    same if same.is_empty() => Compared::Same { again },
                    differing => Compared::Documents(differing),
                }
            }
            Compare::Documents { buckets, documents } => self.difference(tx, &ours, buckets, documents).await?,
        })
    }

    /// What the device should hold: what the viewer may read of the customers that were delivered to it.
    async fn held(&self, tx: &mut Tx, cursor: &Cursor) -> Result<BTreeMap<DocumentId, HeldDocument>, StorageError> {
        let mut seen: BTreeSet<CustomerId> = BTreeSet::new();
        let mut held = BTreeMap::new();
        for scope in &self.scopes {
            let mut position = None;
            loop {
                let members = scopes::list_members(tx, self.org(), scope.scope, -1, position, HELD_CUSTOMERS).await?;
                let Some(last) = members.last() else { break };
                position = Some(*last);
                let ids = members.into_iter().map(|(_, customer)| customer);
                let ids: BTreeSet<CustomerId> = ids.filter(|customer| seen.insert(*customer)).collect();
                let customers = Customers::read(tx, self.puller, &ids).await?;
                let within = ids.iter().copied();
                let within: Vec<CustomerId> = within
                    .filter(|customer| !self.is_beyond(&customers, *customer, cursor))
                    .collect();
                if within.is_empty() && !ids.is_empty() && cursor.boundary.is_some() {
                    return Ok(held);
                }
                let (bundles, _) = self.read_whole(tx, &customers, &within).await?;
                let documents = bundles.into_values().flatten().map(|whole| held_of(&whole));
                held.extend(
                    documents
                        .filter(|document| !document.actors.is_empty())
                        .map(|document| (document.document, document)),
                );
            }
        }
        Ok(held)
    }

    /// What differs in some buckets. Of what the device holds and may not read it is told the loss, unless the server is
    /// still getting back what it had.
    async fn difference(
        &mut self,
        tx: &mut Tx,
        ours: &BTreeMap<DocumentId, HeldDocument>,
        buckets: &[u8],
        documents: &[HeldDocument],
    ) -> Result<Compared, StorageError> {
        let theirs: BTreeMap<DocumentId, &HeldDocument> = documents.iter().map(|held| (held.document, held)).collect();
        let lacks = |held: &&HeldDocument| {
            buckets.contains(&bucket_of(held.document))
                && !theirs.get(&held.document).is_some_and(|said| held.is_within(said))
        };
        let wanted = ours.values().filter(lacks).map(|held| held.document);
        let wanted = wanted.take(MESSAGE_WANTED_MAX).collect();
        let mut offered = Vec::new();
        let mut unknown = Vec::new();
        for held in documents {
            match ours.get(&held.document) {
                Some(known) if held.is_within(known) => {}
                Some(_) => offered.push(held.document),
                None => unknown.push(held.document),
            }
        }
        for some in unknown.chunks(UNKNOWN_DOCUMENTS) {
            let rows = documents::list_by_id(tx, self.org(), some).await?;
            let known = self.take_away(tx, &rows).await?;
            offered.extend(some.iter().filter(|document| !known.contains(document)));
        }
        Ok(Compared::Differ {
            wanted,
            offered,
            foreign: self.puller.recovering,
            again: self.puller.recovering,
        })
    }

    /// Tells the loss of documents that the device holds and its user may not read. Gives those that it may know of: of
    /// what was never his he learns no more than of what does not exist.
    async fn take_away(&mut self, tx: &mut Tx, rows: &[DocumentRow]) -> Result<BTreeSet<DocumentId>, StorageError> {
        let mut known = BTreeSet::new();
        let named: BTreeSet<CustomerId> = rows.iter().map(|row| row.customer).collect();
        let customers = Customers::read(tx, self.puller, &named).await?;
        let asked: Vec<CustomerId> = named.into_iter().collect();
        let believed = recovery::list_believed(tx, self.org(), self.puller.device, &asked).await?;
        let head = self.puller.head;
        for row in rows {
            let Some(assignment) = customers.assignments.get(&row.customer) else {
                continue;
            };
            let memberships = customers.memberships(row.customer);
            let now = self.rights(&customers, row.customer, head);
            let may_read = document_access(now, self.puller.user, &row.facts(assignment.owner)).may_read();
            let lost = self.puller.standing.last_loss(memberships, head);
            // What only the lost time had given him is in no log; he has said so when the server came back.
            let was_his = lost.is_some() || believed.contains(&row.customer);
            if !may_read && !was_his {
                continue;
            }
            known.insert(row.document);
            if (may_read && !row.erased) || self.puller.withholds_losses() {
                continue;
            }
            if !now.is_empty() {
                self.page.push_gone(row.into());
                continue;
            }
            let relations = self.puller.standing.relations_at(memberships, head);
            let lost_seq = lost.map_or(head, |(seq, _)| seq);
            let told = self.evictions.iter().any(|eviction| eviction.customer == row.customer);
            if !told {
                self.evictions.push(EvictionRow {
                    device: self.puller.device,
                    customer: row.customer,
                    lost_seq,
                });
                self.page.push_access(assignment, now, relations, Some(lost_seq));
            }
        }
        Ok(known)
    }
}

fn held_of(whole: &Whole) -> HeldDocument {
    let mut last: BTreeMap<ActorId, u64> = BTreeMap::new();
    // What was erased no device holds.
    for change in whole.changes.iter().filter(|change| change.body.is_some()) {
        let seq = last.entry(change.id.actor).or_default();
        *seq = (*seq).max(change.id.seq);
    }
    HeldDocument::new(whole.named.document, last)
}
