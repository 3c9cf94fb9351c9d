//! From an op-list to an Automerge change and back. What is built here is canonical by construction.

use automerge::{ExpandedChange, ObjType, ScalarValue, legacy, legacy::OpType};

use super::{Action, Change, ChangeId, Op, OpId, OpRef, Value};
use crate::{
    ids::{ActorId, ChangeHash},
    time::Timestamp,
};

/// Farthest instant that Automerge is given, in either direction: 285,000 years.
const AUTOMERGE_TIME_MAX: i64 = 1 << 53;

/// Builds the Automerge change. May panic on what the gates refuse; callers contain it.
pub(super) fn automerge_change(change: &Change, start_op: u64, mut dependencies: Vec<ChangeHash>) -> automerge::Change {
    dependencies.sort_unstable();
    let operations = change
        .operations
        .iter()
        .map(|operation| expand(operation, change.actor, start_op))
        .collect();
    automerge::Change::from(ExpandedChange {
        operations,
        actor_id: automerge::ActorId::from(change.actor.0),
        hash: None,
        seq: change.seq,
        start_op: std::num::NonZeroU64::new(start_op).unwrap_or(std::num::NonZeroU64::MIN),
        time: automerge_time(change.time),
        message: None,
        deps: dependencies
            .into_iter()
            .map(|hash| automerge::ChangeHash(hash.0))
            .collect(),
        extra_bytes: Vec::new(),
        author: None,
    })
}

/// The instant as Automerge gets it. It stores the differences between its changes' times, which overflow for the
/// clocks of broken or hostile phones; the op-list keeps the exact one, and nothing is decided by either.
pub(super) fn automerge_time(time: Timestamp) -> i64 {
    time.0.clamp(-AUTOMERGE_TIME_MAX, AUTOMERGE_TIME_MAX)
}

pub(super) fn change_hash(change: &automerge::Change) -> ChangeHash {
    ChangeHash(change.hash().0)
}

fn expand(operation: &Op, actor: ActorId, start_op: u64) -> legacy::Op {
    let id = |reference: OpRef| {
        let id = reference.resolve(actor, start_op);
        legacy::OpId(id.counter, automerge::ActorId::from(id.actor.0))
    };
    legacy::Op {
        action: match &operation.action {
            Action::MakeMap => OpType::Make(ObjType::Map),
            Action::Put(value) => OpType::Put(to_scalar(value)),
            Action::Delete => OpType::Delete,
        },
        obj: operation
            .object
            .map_or(legacy::ObjectId::Root, |object| legacy::ObjectId::Id(id(object))),
        key: legacy::Key::Map(operation.key.as_str().into()),
        pred: operation
            .predecessors
            .iter()
            .map(|predecessor| id(*predecessor))
            .collect(),
        insert: false,
    }
}

/// Reads a change that Automerge made from typed edits. `name` gives the actor and seq of a hash.
///
/// `None` if it holds anything op-lists cannot say, which typed edits never write.
pub(super) fn op_list(
    change: &automerge::Change,
    name: impl Fn(ChangeHash) -> Option<ChangeId>,
) -> Option<(Change, u64)> {
    let expanded = change.decode();
    let actor = from_actor(&expanded.actor_id)?;
    let start_op = expanded.start_op.get();
    let op_count = expanded.operations.len() as u64;
    let reference = |id: &legacy::OpId| {
        let id = OpId {
            counter: id.0,
            actor: from_actor(&id.1)?,
        };
        if id.actor == actor && (start_op..start_op + op_count).contains(&id.counter) {
            return u32::try_from(id.counter - start_op).ok().map(OpRef::Local);
        }
        Some(OpRef::Known(id))
    };
    let mut operations = Vec::with_capacity(expanded.operations.len());
    for operation in &expanded.operations {
        let legacy::Key::Map(key) = &operation.key else {
            return None;
        };
        let mut predecessors = operation.pred.iter().map(&reference).collect::<Option<Vec<OpRef>>>()?;
        predecessors.sort_unstable();
        operations.push(Op {
            action: match &operation.action {
                OpType::Make(ObjType::Map) => Action::MakeMap,
                OpType::Put(value) => Action::Put(from_scalar(value)?),
                OpType::Delete => Action::Delete,
                _ => return None,
            },
            object: match &operation.obj {
                legacy::ObjectId::Root => None,
                legacy::ObjectId::Id(id) => Some(reference(id)?),
            },
            key: key.to_string(),
            predecessors,
        });
    }
    let mut dependencies = expanded
        .deps
        .iter()
        .map(|hash| name(ChangeHash(hash.0)))
        .collect::<Option<Vec<ChangeId>>>()?;
    dependencies.sort_unstable();
    Some((
        Change {
            actor,
            seq: expanded.seq,
            dependencies,
            time: Timestamp(expanded.time),
            operations,
        },
        start_op,
    ))
}

fn from_actor(actor: &automerge::ActorId) -> Option<ActorId> {
    ActorId::from_slice(actor.to_bytes()).ok()
}

pub(super) fn to_scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(*value),
        Value::Int(value) => ScalarValue::Int(*value),
        Value::Uint(value) => ScalarValue::Uint(*value),
        Value::F64(value) => ScalarValue::F64(*value),
        Value::Str(value) => ScalarValue::Str(value.as_str().into()),
        Value::Bytes(value) => ScalarValue::Bytes(value.clone()),
        Value::Timestamp(value) => ScalarValue::Timestamp(*value),
    }
}

pub(super) fn from_scalar(value: &ScalarValue) -> Option<Value> {
    Some(match value {
        ScalarValue::Null => Value::Null,
        ScalarValue::Boolean(value) => Value::Bool(*value),
        ScalarValue::Int(value) => Value::Int(*value),
        ScalarValue::Uint(value) => Value::Uint(*value),
        ScalarValue::F64(value) => Value::F64(*value),
        ScalarValue::Str(value) => Value::Str(value.to_string()),
        ScalarValue::Bytes(value) => Value::Bytes(value.clone()),
        ScalarValue::Timestamp(value) => Value::Timestamp(*value),
        _ => return None,
    })
}
