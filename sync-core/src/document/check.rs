//! Gates 2 and 3 of the airlock: what a change may refer to and what it may write.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, Change, ChangeId, Content, DEPTH_MAX, DocumentState, FieldType, MAP_ENTRIES_MAX, MapType, Op, OpId, OpRef,
    ValueError,
    state::{ObjectId, ObjectInfo},
    value::{check_entry, check_key, check_unknown, check_value},
};
use crate::protocol::limits::{
    CHANGE_OPERATIONS_MAX, COUNTER_MAX, DOCUMENT_BYTES_MAX, DOCUMENT_OPERATIONS_MAX, MISSING_DEPENDENCIES_MAX,
};

/// Why a change does not pass. [`Refusal::code`] is stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its seq is not the one after the actor's last here.
    #[error("the device's last change of this document is number {last_seq}; the next must follow it")]
    SeqGap {
        /// The actor's last known seq.
        last_seq: u64,
    },
    /// It was made on changes that are not known here.
    #[error("it was made on changes the server has not seen yet")]
    MissingDependencies(Vec<ChangeId>),
    /// It does not name its actor's previous change, or nothing where it must.
    #[error("it does not say which changes it was made on")]
    Dependencies,
    /// Operation counters beyond what a document can hold.
    #[error("its operation counters are out of bounds")]
    Counter,
    /// No operation, or more than the limit.
    #[error("a change has between 1 and {CHANGE_OPERATIONS_MAX} operations")]
    OperationCount,
    /// An operation on a map that is not there.
    #[error("it writes into a map that does not exist")]
    UnknownObject,
    /// An operation that overwrites one that is not there, or on another key.
    #[error("it replaces a value that does not exist")]
    UnknownPredecessor,
    /// A field does not fit the schema.
    #[error("{path}: {error}")]
    Schema {
        /// The field.
        path: String,
        /// What does not fit.
        error: ValueError,
    },
    /// A known map is made, replaced or removed, or a field is used as another type.
    #[error("{path} may not be made, replaced or removed")]
    Structure {
        /// The field.
        path: String,
    },
    /// Evidence is written once; a correction is a new key.
    #[error("{path} is evidence and stays as it was first recorded; add a correction beside it")]
    EvidenceFixed {
        /// The field.
        path: String,
    },
    /// Maps nested too deep.
    #[error("{path} is nested deeper than {DEPTH_MAX} levels")]
    TooDeep {
        /// The field.
        path: String,
    },
    /// The document would grow beyond its bound.
    #[error("the document would grow beyond its bound")]
    DocumentTooLarge,
    /// The document was already begun by somebody else.
    #[error("the document already exists")]
    AlreadyCreated,
    /// The change cannot be built, or its trial failed.
    #[error("the change could not be applied to a copy of the document")]
    TrialFailed,
}

impl Refusal {
    /// The stable code people and programs see.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::SeqGap { .. } => "seq_gap",
            Self::MissingDependencies(_) => "missing_deps",
            Self::Dependencies => "dependencies",
            Self::Counter => "op_counter",
            Self::OperationCount => "operation_count",
            Self::UnknownObject => "unknown_object",
            Self::UnknownPredecessor => "unknown_predecessor",
            Self::Schema { .. } | Self::Structure { .. } => "schema",
            Self::EvidenceFixed { .. } => "evidence_fixed",
            Self::TooDeep { .. } => "too_deep",
            Self::DocumentTooLarge => "doc_too_large",
            Self::AlreadyCreated => "already_created",
            Self::TrialFailed => "trial_failed",
        }
    }
}

/// Checks a change against a document (gates 2 and 3) and gives the counter of its first operation.
///
/// The caller has settled repetition and equivocation. `body_bytes` is the length of its op-list.
///
/// # Errors
/// The first thing that does not pass.
pub fn check_change(state: &DocumentState, change: &Change, body_bytes: usize) -> Result<u64, Refusal> {
    let start_op = check_graph(state, change)?;
    if change.operations.is_empty() || change.operations.len() > CHANGE_OPERATIONS_MAX {
        return Err(Refusal::OperationCount);
    }
    let op_count = change.operations.len() as u64;
    if start_op.saturating_add(op_count) >= COUNTER_MAX {
        return Err(Refusal::Counter);
    }
    if state.bytes + body_bytes > DOCUMENT_BYTES_MAX || state.op_count + op_count > DOCUMENT_OPERATIONS_MAX {
        return Err(Refusal::DocumentTooLarge);
    }
    let mut checker = Checker {
        state,
        change,
        start_op,
        past: Past::of(state, change),
        creates: state.changes.is_empty(),
        local: Vec::with_capacity(change.operations.len()),
        new_keys: BTreeMap::new(),
    };
    for operation in &change.operations {
        checker.check_operation(operation)?;
    }
    checker.check_creation()?;
    Ok(start_op)
}

fn check_graph(state: &DocumentState, change: &Change) -> Result<u64, Refusal> {
    let last_seq = state.last_seq(change.actor);
    if last_seq.checked_add(1) != Some(change.seq) {
        return Err(Refusal::SeqGap { last_seq });
    }
    if change.dependencies.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Refusal::Dependencies);
    }
    let missing: Vec<ChangeId> = change
        .dependencies
        .iter()
        .filter(|dependency| !state.changes.contains_key(dependency))
        .take(MISSING_DEPENDENCIES_MAX)
        .copied()
        .collect();
    if !missing.is_empty() {
        return Err(Refusal::MissingDependencies(missing));
    }
    let previous = ChangeId {
        actor: change.actor,
        seq: last_seq,
    };
    if last_seq > 0 && !change.dependencies.contains(&previous) {
        return Err(Refusal::Dependencies);
    }
    if change.dependencies.is_empty() && !state.changes.is_empty() {
        return Err(if state.kind.is_single() {
            Refusal::Dependencies
        } else {
            Refusal::AlreadyCreated
        });
    }
    // A change's counters lie above those of all its ancestors, so its direct dependencies suffice.
    let ends = change
        .dependencies
        .iter()
        .filter_map(|dependency| state.changes.get(dependency));
    Ok(ends
        .map(|applied| applied.start_op + applied.op_count)
        .max()
        .unwrap_or(1))
}

/// What a change was made on.
enum Past {
    /// All that is known here.
    Everything,
    /// These changes: its dependencies and theirs.
    These(BTreeSet<ChangeId>),
}

impl Past {
    fn of(state: &DocumentState, change: &Change) -> Self {
        if state
            .heads
            .iter()
            .all(|head| change.dependencies.binary_search(head).is_ok())
        {
            return Self::Everything;
        }
        let mut past = BTreeSet::new();
        let mut open = change.dependencies.clone();
        while let Some(id) = open.pop() {
            if past.insert(id) {
                open.extend(
                    state
                        .changes
                        .get(&id)
                        .into_iter()
                        .flat_map(|applied| &applied.dependencies),
                );
            }
        }
        Self::These(past)
    }

    fn contains(&self, id: ChangeId) -> bool {
        match self {
            Self::Everything => true,
            Self::These(past) => past.contains(&id),
        }
    }
}

struct Checker<'a> {
    state: &'a DocumentState,
    change: &'a Change,
    start_op: u64,
    past: Past,
    /// Nothing was ever written to the document: this change makes its maps.
    creates: bool,
    local: Vec<LocalOp<'a>>,
    new_keys: BTreeMap<ObjectId, BTreeSet<&'a str>>,
}

struct LocalOp<'a> {
    object: ObjectId,
    key: &'a str,
    made: Option<ObjectInfo>,
    removes: bool,
}

impl<'a> Checker<'a> {
    fn check_operation(&mut self, operation: &'a Op) -> Result<(), Refusal> {
        let object = match operation.object {
            None => None,
            Some(reference) => Some(self.resolve(reference)?),
        };
        let parent = self.object_info(object)?;
        self.check_predecessors(operation, object)?;
        self.check_entries(object, &operation.key)?;
        let mut made = None;
        match parent {
            None => self.check_root(operation, &mut made)?,
            Some(info) => self.check_inside(operation, info, object, &mut made)?,
        }
        self.local.push(LocalOp {
            object,
            key: &operation.key,
            made,
            removes: operation.action == Action::Delete,
        });
        Ok(())
    }

    /// A reference must point to an earlier operation of this change or to one in its causal past.
    fn resolve(&self, reference: OpRef) -> Result<OpId, Refusal> {
        match reference {
            OpRef::Local(index) if (index as usize) < self.local.len() => {
                Ok(reference.resolve(self.change.actor, self.start_op))
            }
            OpRef::Local(_) => Err(Refusal::UnknownObject),
            OpRef::Known(id) if self.is_past(id) => Ok(id),
            OpRef::Known(_) => Err(Refusal::UnknownObject),
        }
    }

    fn is_past(&self, id: OpId) -> bool {
        self.state
            .change_of(id)
            .is_some_and(|change| self.past.contains(change))
    }

    fn object_info(&self, object: ObjectId) -> Result<Option<ObjectInfo>, Refusal> {
        let Some(id) = object else { return Ok(None) };
        if id.actor == self.change.actor && id.counter >= self.start_op {
            let index = usize::try_from(id.counter - self.start_op).map_err(|_| Refusal::UnknownObject)?;
            return self
                .local
                .get(index)
                .and_then(|local| local.made)
                .map(Some)
                .ok_or(Refusal::UnknownObject);
        }
        self.state
            .objects
            .get(&id)
            .copied()
            .map(Some)
            .ok_or(Refusal::UnknownObject)
    }

    fn check_predecessors(&self, operation: &Op, object: ObjectId) -> Result<(), Refusal> {
        if operation.predecessors.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(Refusal::UnknownPredecessor);
        }
        if operation.action == Action::Delete && operation.predecessors.is_empty() {
            return Err(Refusal::UnknownPredecessor);
        }
        for predecessor in &operation.predecessors {
            let known = match predecessor {
                OpRef::Local(index) => self
                    .local
                    .get(*index as usize)
                    .is_some_and(|local| local.object == object && local.key == operation.key && !local.removes),
                OpRef::Known(id) => {
                    self.is_past(*id)
                        && self
                            .state
                            .register(object, &operation.key)
                            .and_then(|register| register.entry(*id))
                            .is_some_and(|entry| entry.content != Content::Removed)
                }
            };
            if !known {
                return Err(Refusal::UnknownPredecessor);
            }
        }
        Ok(())
    }

    fn check_entries(&mut self, object: ObjectId, key: &'a str) -> Result<(), Refusal> {
        if self.state.register(object, key).is_some() {
            return Ok(());
        }
        let existing = self.state.registers.get(&object).map_or(0, BTreeMap::len);
        let new = self.new_keys.entry(object).or_default();
        new.insert(key);
        if existing + new.len() > MAP_ENTRIES_MAX {
            Err(Refusal::DocumentTooLarge)
        } else {
            Ok(())
        }
    }

    fn check_root(&self, operation: &Op, made: &mut Option<ObjectInfo>) -> Result<(), Refusal> {
        let path = &operation.key;
        let Some(field) = self.state.kind.field(path) else {
            return self.check_open(operation, path, made, 0);
        };
        if let FieldType::Map(map) = field.value {
            let repeated = self
                .local
                .iter()
                .any(|local| local.object.is_none() && local.key == path);
            if operation.action != Action::MakeMap || !self.creates || repeated || !operation.predecessors.is_empty() {
                return Err(Refusal::Structure { path: path.clone() });
            }
            *made = Some(ObjectInfo {
                depth: 1,
                map: Some(map),
                write_once: field.write_once,
            });
            return Ok(());
        }
        match &operation.action {
            Action::MakeMap => return Err(Refusal::Structure { path: path.clone() }),
            Action::Put(value) => check_value(field.value, value).map_err(|error| Refusal::Schema {
                path: path.clone(),
                error,
            })?,
            Action::Delete => {}
        }
        if field.write_once {
            self.check_evidence(operation, None, path)
        } else {
            Ok(())
        }
    }

    fn check_inside(
        &self,
        operation: &Op,
        info: ObjectInfo,
        object: ObjectId,
        made: &mut Option<ObjectInfo>,
    ) -> Result<(), Refusal> {
        let Some(map) = info.map else {
            return self.check_open(operation, &operation.key, made, info.depth);
        };
        let path = format!("{}.{}", map_key(map), operation.key);
        match &operation.action {
            Action::MakeMap => return Err(Refusal::Structure { path }),
            Action::Put(value) => check_entry(map, &operation.key, value).map_err(|error| Refusal::Schema {
                path: path.clone(),
                error,
            })?,
            Action::Delete => {}
        }
        if info.write_once {
            self.check_evidence(operation, object, &path)
        } else {
            Ok(())
        }
    }

    /// Keys this version does not know: bounded scalars and maps.
    fn check_open(
        &self,
        operation: &Op,
        path: &str,
        made: &mut Option<ObjectInfo>,
        depth: usize,
    ) -> Result<(), Refusal> {
        let schema = |error| Refusal::Schema {
            path: path.to_owned(),
            error,
        };
        check_key(&operation.key).map_err(schema)?;
        match &operation.action {
            Action::MakeMap if depth + 1 > DEPTH_MAX => Err(Refusal::TooDeep { path: path.to_owned() }),
            Action::MakeMap => {
                *made = Some(ObjectInfo {
                    depth: depth + 1,
                    map: None,
                    write_once: false,
                });
                Ok(())
            }
            Action::Put(value) => check_unknown(value).map_err(schema),
            Action::Delete => Ok(()),
        }
    }

    fn check_evidence(&self, operation: &Op, object: ObjectId, path: &str) -> Result<(), Refusal> {
        let repeated = self
            .local
            .iter()
            .any(|local| local.object == object && local.key == operation.key);
        let written = self
            .state
            .register(object, &operation.key)
            .is_some_and(|register| register.entries().iter().any(|entry| self.is_past(entry.id)));
        let fixed = repeated || written || operation.action == Action::Delete || !operation.predecessors.is_empty();
        if fixed {
            Err(Refusal::EvidenceFixed { path: path.to_owned() })
        } else {
            Ok(())
        }
    }

    /// The change that creates a document makes every map its kind has in this version.
    fn check_creation(&self) -> Result<(), Refusal> {
        if !self.creates {
            return Ok(());
        }
        for field in self.state.kind.containers().filter(|field| field.since == 1) {
            let made = self
                .local
                .iter()
                .any(|local| local.object.is_none() && local.key == field.key);
            if !made {
                return Err(Refusal::Structure {
                    path: field.key.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn map_key(map: MapType) -> &'static str {
    match map {
        MapType::Tags => "tags",
        MapType::Phones => "phones",
        MapType::Photos => "photos",
        MapType::Comments => "comments",
        MapType::Actions => "actions",
        MapType::Custom => "custom",
    }
}
