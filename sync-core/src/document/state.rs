//! A document folded from its op-lists: registers, objects, heads.
//!
//! This is what the airlock checks against and what the read model, conflicts and history are read from. Automerge
//! holds the same document for edits and trials; tests and one in 64 trials compare the two.
//!
//! Applying a change never fails: it must have passed [`super::check::check_change`] on the same state.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Change, ChangeId, FieldType, Kind, MapType, OpId, Value, genesis};
use crate::{
    ids::{ActorId, ChangeHash},
    time::Timestamp,
};

/// A map inside a document; `None` is the root.
pub type ObjectId = Option<OpId>;

/// What a register holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A map.
    Map,
    /// A scalar.
    Scalar(Value),
    /// Nothing: the entry records a removal.
    Removed,
}

/// One operation on a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The operation.
    pub id: OpId,
    /// What it wrote.
    pub content: Content,
    /// Whether a later operation that knew it has replaced it.
    pub overwritten: bool,
}

impl Entry {
    fn is_visible(&self) -> bool {
        !self.overwritten && self.content != Content::Removed
    }
}

/// All operations ever made on one key of one map, by id: causes before effects, and the same order on every replica
/// whatever arrived first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Register {
    pub(super) entries: Vec<Entry>,
}

impl Register {
    /// The values that nothing has replaced, the winner first. Empty if the key is removed.
    #[must_use]
    pub fn visible(&self) -> Vec<&Entry> {
        self.entries.iter().rev().filter(|entry| entry.is_visible()).collect()
    }

    /// The value shown: of the concurrent ones, that of the highest operation id.
    #[must_use]
    pub fn winner(&self) -> Option<&Entry> {
        self.entries.iter().rfind(|entry| entry.is_visible())
    }

    /// Every operation in the order of ids, removals included.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of an operation.
    #[must_use]
    pub fn entry(&self, id: OpId) -> Option<&Entry> {
        self.position(id).ok().map(|at| &self.entries[at])
    }

    fn position(&self, id: OpId) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.id.cmp(&id))
    }

    fn overwrite(&mut self, id: OpId) {
        if let Ok(at) = self.position(id) {
            self.entries[at].overwritten = true;
        }
    }

    fn insert(&mut self, entry: Entry) {
        // Nearly always the last; an earlier one arrived late.
        let (Ok(at) | Err(at)) = self.position(entry.id);
        self.entries.insert(at, entry);
    }
}

/// What is known of an applied change.
#[derive(Debug, Clone, PartialEq)]
pub struct AppliedChange {
    /// Its hash.
    pub hash: ChangeHash,
    /// Counter of its first operation.
    pub start_op: u64,
    /// Number of its operations.
    pub op_count: u64,
    /// Device time.
    pub time: Timestamp,
    /// What it was made on.
    pub(super) dependencies: Vec<ChangeId>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ObjectInfo {
    pub(super) depth: usize,
    /// The type of a known map; `None` for one a newer app made.
    pub(super) map: Option<MapType>,
    pub(super) write_once: bool,
}

/// A document as the fold of its changes.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentState {
    pub(super) kind: Kind,
    pub(super) changes: BTreeMap<ChangeId, AppliedChange>,
    pub(super) heads: BTreeSet<ChangeId>,
    pub(super) objects: BTreeMap<OpId, ObjectInfo>,
    pub(super) registers: BTreeMap<ObjectId, BTreeMap<String, Register>>,
    pub(super) op_count: u64,
    pub(super) bytes: usize,
}

impl DocumentState {
    /// A document before anybody's change: empty, or with its genesis where the kind has one.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let mut state = Self {
            kind,
            changes: BTreeMap::new(),
            heads: BTreeSet::new(),
            objects: BTreeMap::new(),
            registers: BTreeMap::new(),
            op_count: 0,
            bytes: 0,
        };
        for fixed in genesis::fixed_changes(kind) {
            state.apply(&fixed.change, fixed.hash, 1, 0);
        }
        state
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether no one has written to it yet.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.changes.len() == genesis::fixed_changes(self.kind).len()
    }

    /// The changes nothing depends on yet.
    pub fn heads(&self) -> impl Iterator<Item = ChangeId> {
        self.heads.iter().copied()
    }

    /// What is known of a change, if it has been applied.
    #[must_use]
    pub fn change(&self, id: ChangeId) -> Option<&AppliedChange> {
        self.changes.get(&id)
    }

    /// Every applied change, fixed ones included, by actor and seq.
    pub fn changes(&self) -> impl Iterator<Item = (ChangeId, &AppliedChange)> {
        self.changes.iter().map(|(id, change)| (*id, change))
    }

    /// The number of the actor's last change here; 0 if there is none.
    #[must_use]
    pub fn last_seq(&self, actor: ActorId) -> u64 {
        let last = ChangeId { actor, seq: u64::MAX };
        let first = ChangeId { actor, seq: 0 };
        self.changes.range(first..=last).next_back().map_or(0, |(id, _)| id.seq)
    }

    /// The register of a key, if anything was ever written there.
    #[must_use]
    pub fn register(&self, object: ObjectId, key: &str) -> Option<&Register> {
        self.registers.get(&object)?.get(key)
    }

    /// The keys of a map with their registers, in order of key.
    pub fn registers(&self, object: ObjectId) -> impl Iterator<Item = (&str, &Register)> {
        self.registers
            .get(&object)
            .into_iter()
            .flatten()
            .map(|(key, register)| (key.as_str(), register))
    }

    /// The id of a known map of the root, if it has been made.
    #[must_use]
    pub fn container(&self, key: &str) -> Option<OpId> {
        let entry = self.register(None, key)?.winner()?;
        (entry.content == Content::Map).then_some(entry.id)
    }

    /// The change an operation belongs to.
    #[must_use]
    pub fn change_of(&self, operation: OpId) -> Option<ChangeId> {
        // An actor's changes are numbered without gaps, and their counters rise.
        let (mut low, mut high) = (0, self.last_seq(operation.actor));
        while low < high {
            let seq = high - (high - low) / 2;
            let actor = operation.actor;
            if self.changes.get(&ChangeId { actor, seq })?.start_op <= operation.counter {
                low = seq;
            } else {
                high = seq - 1;
            }
        }
        let id = ChangeId {
            actor: operation.actor,
            seq: low,
        };
        let change = self.changes.get(&id)?;
        (operation.counter < change.start_op + change.op_count).then_some(id)
    }

    /// Number of operations of all changes.
    #[must_use]
    pub fn op_count(&self) -> u64 {
        self.op_count
    }

    /// Bytes of all op-lists.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Folds a checked change in. `body_bytes` is the length of its op-list.
    pub fn apply(&mut self, change: &Change, hash: ChangeHash, start_op: u64, body_bytes: usize) {
        for dependency in &change.dependencies {
            self.heads.remove(dependency);
        }
        self.heads.insert(change.id());
        for (index, operation) in change.operations.iter().enumerate() {
            let id = OpId {
                counter: start_op + index as u64,
                actor: change.actor,
            };
            let object = operation.object.map(|object| object.resolve(change.actor, start_op));
            let content = match &operation.action {
                Action::MakeMap => Content::Map,
                Action::Put(value) => Content::Scalar(value.clone()),
                Action::Delete => Content::Removed,
            };
            if content == Content::Map {
                let info = self.object_info(object, &operation.key);
                self.objects.insert(id, info);
            }
            let registers = self.registers.entry(object).or_default();
            let register = registers.entry(operation.key.clone()).or_default();
            for predecessor in &operation.predecessors {
                register.overwrite(predecessor.resolve(change.actor, start_op));
            }
            register.insert(Entry {
                id,
                content,
                overwritten: false,
            });
        }
        let op_count = change.operations.len() as u64;
        self.op_count += op_count;
        self.bytes += body_bytes;
        self.changes.insert(
            change.id(),
            AppliedChange {
                hash,
                start_op,
                op_count,
                time: change.time,
                dependencies: change.dependencies.clone(),
            },
        );
    }

    pub(super) fn object_info(&self, parent: ObjectId, key: &str) -> ObjectInfo {
        let depth = parent.and_then(|id| self.objects.get(&id)).map_or(0, |info| info.depth) + 1;
        let field = if parent.is_none() { self.kind.field(key) } else { None };
        let map = field.and_then(|field| match field.value {
            FieldType::Map(map) => Some(map),
            _ => None,
        });
        ObjectInfo {
            depth,
            map,
            write_once: field.is_some_and(|field| field.write_once),
        }
    }
}
