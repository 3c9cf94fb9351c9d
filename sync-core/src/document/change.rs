//! A change as what it says: the unit of sync.
//!
//! Hash, checksum, first operation counter and dependency hashes are not part of it: whoever receives it computes
//! them (`super::build`).

use serde::{Deserialize, Serialize};

use super::Value;
use crate::{ids::ActorId, time::Timestamp};

/// Names an operation: its counter, then its actor. Automerge's winner among concurrent values is the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId {
    /// Lamport counter, from 1.
    pub counter: u64,
    /// Who made it.
    pub actor: ActorId,
}

/// Names a change of a document: its actor and its number among the actor's changes of that document, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChangeId {
    /// Who made it.
    pub actor: ActorId,
    /// Its number, from 1 without gaps.
    pub seq: u64,
}

/// A reference from an operation to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OpRef {
    /// The operation with this index in the same change.
    Local(u32),
    /// An operation of an earlier change.
    Known(OpId),
}

impl OpRef {
    /// The operation's id, in a change of this actor whose first operation has the counter `start_op`.
    #[must_use]
    pub fn resolve(self, actor: ActorId, start_op: u64) -> OpId {
        match self {
            Self::Local(index) => OpId {
                counter: start_op + u64::from(index),
                actor,
            },
            Self::Known(id) => id,
        }
    }
}

/// What an operation does to a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Makes a map there.
    MakeMap,
    /// Writes a scalar there.
    Put(Value),
    /// Removes what is there.
    Delete,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// What it does.
    pub action: Action,
    /// The map it does it to; `None` is the document's root.
    pub object: Option<OpRef>,
    /// The key in that map.
    pub key: String,
    /// The operations it overwrites, sorted, each once.
    pub predecessors: Vec<OpRef>,
}

/// A change of one document. Its kind and document are said beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The device incarnation, web user, import or hub that made it.
    pub actor: ActorId,
    /// Its number among the actor's changes of this document, from 1.
    pub seq: u64,
    /// The changes it was made on, sorted, each once; the actor's previous one is always among them.
    pub dependencies: Vec<ChangeId>,
    /// Time on the device that made it.
    pub time: Timestamp,
    /// What it does, in order.
    pub operations: Vec<Op>,
}

impl Change {
    /// Its name within the document.
    #[must_use]
    pub fn id(&self) -> ChangeId {
        ChangeId {
            actor: self.actor,
            seq: self.seq,
        }
    }
}
