//! Documents: kinds, schema, folded state, typed edits and views.
//!
//! [`Document`] is one Automerge document as the list of its changes and their fold. Only [`Document::edit`] writes
//! fields, and it does so through an ordinary Automerge transaction on all heads.

mod build;
mod change;
mod check;
mod edit;
mod genesis;
mod history;
mod kind;
mod schema;
mod state;
mod value;

use automerge::Automerge;

pub use change::{Action, Change, ChangeId, Op, OpId, OpRef};
pub use check::{Refusal, check_change};
pub use edit::{Edit, EditError, edits_from_json, edits_from_words};
pub use genesis::{FixedChange, fixed_actor, fixed_changes};
pub use history::{HistoryEntry, field_history};
pub use kind::{Class, Kind, UnknownKind};
pub use schema::{
    CHANNELS, COORDINATE_SYSTEMS, DEPTH_MAX, Field, FieldType, KEY_BYTES_MAX, LINE_CHARS_MAX, MAP_ENTRIES_MAX, MapType,
    NAME_CHARS_MAX, PARAGRAPH_CHARS_MAX, PROSE_CHARS_MAX, SCALAR_BYTES_MAX, SCHEMA_VERSION, SEVERITIES,
};
pub use state::{AppliedChange, Content, DocumentState, Entry, ObjectId, Register};
pub use value::{Value, ValueError, describe, scalar_from_json, value_from_json, value_from_text};

use crate::{
    ids::{ActorId, ChangeHash},
    protocol::oplist,
    time::Timestamp,
};

/// A change with what the receiver computes: hash, first counter, canonical op-list.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltChange {
    /// What it does.
    pub change: Change,
    /// Its Automerge hash.
    pub hash: ChangeHash,
    /// Hashes of the changes it was made on, sorted.
    pub dependency_hashes: Vec<ChangeHash>,
    /// Counter of its first operation.
    pub start_op: u64,
    /// The canonical op-list, as stored and sent.
    pub body: Vec<u8>,
}

/// One document: its changes in causal order and their fold.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    changes: Vec<Change>,
    state: DocumentState,
}

impl Document {
    /// A document nobody has written to.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            changes: Vec::new(),
            state: DocumentState::new(kind),
        }
    }

    /// The fold.
    #[must_use]
    pub fn state(&self) -> &DocumentState {
        &self.state
    }

    /// The changes in the order they were applied, fixed ones left out.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Adds a change that was admitted before: read back from storage with its hash.
    ///
    /// # Errors
    /// [`Refusal`] if it does not follow from what the document holds: the storage is not what was written.
    pub fn restore(&mut self, change: Change, hash: ChangeHash, body_bytes: usize) -> Result<(), Refusal> {
        let start_op = check_change(&self.state, &change, body_bytes)?;
        self.push(change, hash, start_op, body_bytes);
        Ok(())
    }

    /// Adds a change that has passed the airlock.
    pub(crate) fn push(&mut self, change: Change, hash: ChangeHash, start_op: u64, body_bytes: usize) {
        self.state.apply(&change, hash, start_op, body_bytes);
        self.changes.push(change);
    }

    /// Builds the Automerge change, with its hash, for a change that has passed gates 2 and 3. May panic on others.
    pub(crate) fn build(&self, change: &Change, start_op: u64) -> (automerge::Change, BuiltChange) {
        let dependency_hashes = self.dependency_hashes(change);
        let automerge = build::automerge_change(change, start_op, dependency_hashes.clone());
        let hash = build::change_hash(&automerge);
        let body = oplist::encode(change, self.state.kind(), SCHEMA_VERSION);
        (
            automerge,
            BuiltChange {
                change: change.clone(),
                hash,
                dependency_hashes,
                start_op,
                body,
            },
        )
    }

    /// The document in Automerge, built from its op-lists. May panic on a document that was not admitted.
    ///
    /// # Errors
    /// Automerge's, if the changes do not fit together.
    pub fn to_automerge(&self) -> Result<Automerge, automerge::AutomergeError> {
        self.to_automerge_with(None)
    }

    /// [`Self::to_automerge`] with the last change as it was built already.
    pub(crate) fn to_automerge_with(
        &self,
        last: Option<automerge::Change>,
    ) -> Result<Automerge, automerge::AutomergeError> {
        let count = self.changes.len() - usize::from(last.is_some()).min(self.changes.len());
        let fixed = fixed_changes(self.state.kind()).iter().map(|fixed| &fixed.change);
        let built: Vec<automerge::Change> = fixed
            .chain(&self.changes[..count])
            .filter_map(|change| {
                let applied = self.state.change(change.id())?;
                Some(build::automerge_change(
                    change,
                    applied.start_op,
                    self.dependency_hashes(change),
                ))
            })
            .chain(last)
            .collect();
        let mut automerge = Automerge::new();
        automerge.apply_changes(built)?;
        Ok(automerge)
    }

    /// Hashes of what a change was made on, sorted.
    fn dependency_hashes(&self, change: &Change) -> Vec<ChangeHash> {
        let mut hashes: Vec<ChangeHash> = change
            .dependencies
            .iter()
            .filter_map(|dependency| self.state.change(*dependency).map(|applied| applied.hash))
            .collect();
        hashes.sort_unstable();
        hashes
    }

    /// Makes a change from typed edits and adds it. `None` if the edits change nothing.
    ///
    /// `actor` must be the device incarnation (or web user, import, hub) that edits; `time` its clock.
    ///
    /// # Errors
    /// [`EditError`] naming the field that does not fit; the document stays as it was.
    pub fn edit(&mut self, actor: ActorId, time: Timestamp, edits: &[Edit]) -> Result<Option<BuiltChange>, EditError> {
        let Some(built) = edit::make_change(self, actor, time, edits)? else {
            return Ok(None);
        };
        self.push(built.change.clone(), built.hash, built.start_op, built.body.len());
        Ok(Some(built))
    }
}

/// Whether a value of ours is the scalar that Automerge shows.
pub(crate) fn scalar_equals(ours: &Value, theirs: &automerge::ScalarValue) -> bool {
    build::from_scalar(theirs).as_ref() == Some(ours)
}
