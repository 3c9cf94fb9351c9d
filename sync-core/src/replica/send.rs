//! The next message: intents, changes in the order in which they were recorded, confirmations, what is wanted.

use serde_bytes::ByteBuf;

use crate::{
    document::SCHEMA_VERSION,
    ids::{ActorId, DocumentId},
    protocol::{
        limits::{
            MESSAGE_ACTORS_MAX, MESSAGE_CHANGES_MAX, MESSAGE_CONFIRMATIONS_MAX, MESSAGE_INTENTS_MAX, PAGE_BYTES_MAX,
        },
        message::{PushDocument, SyncRequest, digest},
    },
    seeded::{Bug, seeded},
    time::Timestamp,
};

use super::{InFlight, OutboxEntry, Replica, ReplicaError, ReplicaResult, Store, Wanted};

/// Bytes of changes in one message before compression: well below the limit of a body even if nothing compresses.
const REQUEST_BYTES_MAX: usize = 3 * 1024 * 1024;
/// How often a document that does not fit is asked for as a whole before it is left as it is.
pub(super) const WANTED_ATTEMPTS_MAX: u32 = 3;
/// Documents asked for in one message; the rest follows.
const WANTED_MAX: usize = 500;

impl<S: Store> Replica<'_, S> {
    /// Begins a sync: what the server put off goes out again.
    ///
    /// # Errors
    /// The store's.
    pub fn begin_sync(&mut self) -> ReplicaResult<(), S> {
        self.store.release_holds().map_err(ReplicaError::Store)?;
        for wanted in self.store.wanted().map_err(ReplicaError::Store)? {
            let again = Wanted { attempts: 0, ..wanted };
            self.store.put_wanted(again).map_err(ReplicaError::Store)?;
        }
        self.begin_checking()
    }

    /// Whether there is something to say that was not put off.
    ///
    /// # Errors
    /// The store's.
    pub fn has_work(&mut self) -> ReplicaResult<bool, S> {
        let entries = self.store.sendable_outbox(1).map_err(ReplicaError::Store)?;
        let intents = self.store.sendable_intents(1).map_err(ReplicaError::Store)?;
        let confirmations = self.store.confirmations(1).map_err(ReplicaError::Store)?;
        let wanted = self.store.wanted().map_err(ReplicaError::Store)?;
        Ok(!entries.is_empty()
            || !intents.is_empty()
            || !confirmations.is_empty()
            || self.has_to_compare()
            || wanted.iter().any(|wanted| wanted.attempts < WANTED_ATTEMPTS_MAX))
    }

    /// The next message. Its number is counted up and stored; what an earlier message said and no answer has settled
    /// is said again.
    ///
    /// # Errors
    /// The store's.
    pub fn poll_message(&mut self, now: Timestamp) -> ReplicaResult<SyncRequest, S> {
        let intents = self
            .store
            .sendable_intents(MESSAGE_INTENTS_MAX)
            .map_err(ReplicaError::Store)?;
        let entries = self.sendable_entries()?;
        let confirmations = self
            .store
            .confirmations(MESSAGE_CONFIRMATIONS_MAX)
            .map_err(ReplicaError::Store)?;
        let wanted = self.ask_for_wanted()?;
        let actors = self.actors_to_declare(&entries);
        let is_busy = !(entries.is_empty() && intents.is_empty() && confirmations.is_empty() && wanted.is_empty());
        let reconcile = self.reconcile(&entries, is_busy)?;
        self.state.message += 1;
        let all = self.store.outbox_count(None).map_err(ReplicaError::Store)?
            + self.store.pending_intents(None).map_err(ReplicaError::Store)?.len();
        let left = all.saturating_sub(entries.len() + intents.len());
        let in_flight = InFlight {
            number: self.state.message,
            entries: entries.iter().map(|entry| entry.id).collect(),
            intents: intents.iter().map(|row| row.intent.id).collect(),
            actors: actors.clone(),
            confirmations: confirmations.clone(),
        };
        let mut request = SyncRequest {
            device: self.state.device,
            message: self.state.message,
            sent_at: now,
            schema_version: SCHEMA_VERSION,
            actors,
            cursor: self.state.cursor.clone().map(ByteBuf::from),
            directory: self.state.directory,
            pending: u32::try_from(left).unwrap_or(u32::MAX),
            page_bytes_max: u32::try_from(PAGE_BYTES_MAX).unwrap_or(u32::MAX),
            intents: intents.into_iter().map(|row| row.intent).collect(),
            customers: Vec::new(),
            documents: Vec::new(),
            confirmations,
            wanted,
            reconcile,
        };
        let order = self.push_documents(entries, &mut request);
        for id in order.iter().filter(|_| seeded(Bug::SentIsForgotten)) {
            self.store.delete_outbox(*id).map_err(ReplicaError::Store)?;
        }
        self.store
            .put_in_flight(Some(&InFlight {
                entries: order,
                ..in_flight
            }))
            .map_err(ReplicaError::Store)?;
        self.save()?;
        Ok(request)
    }

    fn sendable_entries(&mut self) -> ReplicaResult<Vec<OutboxEntry>, S> {
        let limit = self.state.changes_max.min(MESSAGE_CHANGES_MAX);
        let mut entries = self.store.sendable_outbox(limit).map_err(ReplicaError::Store)?;
        let mut bytes = 0;
        let fitting = entries.iter().take_while(|entry| {
            bytes += entry.body.len();
            bytes <= REQUEST_BYTES_MAX
        });
        let count = fitting.count().max(1);
        entries.truncate(count);
        Ok(entries)
    }

    fn ask_for_wanted(&mut self) -> ReplicaResult<Vec<DocumentId>, S> {
        let mut asked = Vec::new();
        for mut wanted in self.store.wanted().map_err(ReplicaError::Store)? {
            if wanted.attempts >= WANTED_ATTEMPTS_MAX || asked.len() >= WANTED_MAX {
                continue;
            }
            wanted.attempts += 1;
            self.store.put_wanted(wanted).map_err(ReplicaError::Store)?;
            asked.push(wanted.document);
        }
        Ok(asked)
    }

    /// Those the message is written by come first, should there be more than a message may declare.
    fn actors_to_declare(&self, entries: &[OutboxEntry]) -> Vec<ActorId> {
        let is_used = |actor: &&ActorId| entries.iter().any(|entry| entry.change.actor == **actor);
        let (used, others): (Vec<&ActorId>, Vec<&ActorId>) = self.state.undeclared.iter().partition(is_used);
        used.into_iter()
            .chain(others)
            .take(MESSAGE_ACTORS_MAX)
            .copied()
            .collect()
    }

    /// Groups the changes by document, in the order of each document's first change, and gives their order.
    fn push_documents(&self, entries: Vec<OutboxEntry>, request: &mut SyncRequest) -> Vec<i64> {
        let mut groups: Vec<Vec<OutboxEntry>> = Vec::new();
        let mut places: std::collections::BTreeMap<DocumentId, usize> = std::collections::BTreeMap::new();
        for entry in entries {
            let place = *places.entry(entry.document).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[place].push(entry);
        }
        let mut order = Vec::new();
        for group in groups {
            let first = &group[0];
            let customer = index_of(&mut request.customers, first.customer);
            let derived = first.kind.is_single()
                && first.document == DocumentId::derived(self.state.org, first.customer, first.kind, 0);
            let sum = digest(group.iter().map(|entry| &entry.hash));
            let with_hashes = group.iter().any(|entry| entry.with_hash);
            request.documents.push(PushDocument {
                document: (!derived).then_some(first.document),
                kind: first.kind.number(),
                customer,
                digest: [sum[0], sum[1], sum[2], sum[3]],
                hashes: if with_hashes {
                    group.iter().map(|entry| half(entry.hash.0)).collect()
                } else {
                    Vec::new()
                },
                changes: group.iter().map(|entry| ByteBuf::from(entry.body.clone())).collect(),
            });
            order.extend(group.iter().map(|entry| entry.id));
        }
        order
    }
}

fn index_of<T: PartialEq>(table: &mut Vec<T>, item: T) -> u32 {
    let index = table.iter().position(|known| *known == item).unwrap_or_else(|| {
        table.push(item);
        table.len() - 1
    });
    // A message holds at most MESSAGE_CHANGES_MAX changes, so at most as many customers.
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn half(hash: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}
