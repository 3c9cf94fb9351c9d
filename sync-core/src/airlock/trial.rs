//! Gate 5: Automerge and the fold must read the same document.

use std::collections::BTreeSet;

use automerge::{Automerge, ObjType, ReadDoc};

use crate::document::{Content, Document, DocumentState, ObjectId, OpId, Value};

/// Whether Automerge, given the same changes, shows the same values and the same conflicts and has the same heads;
/// with `reload`, also after it was saved and loaded again. `last` is the document's last change as it was built.
pub(super) fn reads_back(document: &Document, last: automerge::Change, reload: bool) -> bool {
    let Ok(automerge) = document.to_automerge_with(Some(last)) else {
        return false;
    };
    if !same_heads(document.state(), &automerge) || !same_map(document.state(), &automerge, None, &automerge::ROOT) {
        return false;
    }
    if !reload {
        return true;
    }
    let Ok(loaded) = Automerge::load(&automerge.save()) else {
        return false;
    };
    same_heads(document.state(), &loaded) && same_map(document.state(), &loaded, None, &automerge::ROOT)
}

fn same_heads(state: &DocumentState, automerge: &Automerge) -> bool {
    let ours: BTreeSet<[u8; 32]> = state
        .heads()
        .filter_map(|head| state.change(head))
        .map(|head| head.hash.0)
        .collect();
    let theirs: BTreeSet<[u8; 32]> = automerge.get_heads().into_iter().map(|head| head.0).collect();
    ours == theirs
}

/// Compares one map and those inside it; depth is bounded by gate 3.
fn same_map(state: &DocumentState, automerge: &Automerge, object: ObjectId, theirs: &automerge::ObjId) -> bool {
    let mut keys = 0;
    for (key, register) in state.registers(object) {
        let visible = register.visible();
        let Ok(mut values) = automerge.get_all(theirs, key) else {
            return false;
        };
        if visible.len() != values.len() {
            return false;
        }
        keys += usize::from(!visible.is_empty());
        // Automerge lists the winner last.
        values.reverse();
        for (entry, (value, id)) in visible.iter().zip(values) {
            let same = match (&entry.content, &value) {
                (Content::Map, automerge::Value::Object(ObjType::Map)) => {
                    same_map(state, automerge, Some(entry.id), &id)
                }
                (Content::Scalar(ours), automerge::Value::Scalar(theirs)) => same_scalar(ours, theirs, entry.id, &id),
                _ => false,
            };
            if !same {
                return false;
            }
        }
    }
    automerge.length(theirs) == keys
}

fn same_scalar(ours: &Value, theirs: &automerge::ScalarValue, id: OpId, their_id: &automerge::ObjId) -> bool {
    let same_id = match their_id {
        automerge::ObjId::Id(counter, actor, _) => *counter == id.counter && actor.to_bytes() == id.actor.0,
        automerge::ObjId::Root => false,
    };
    let same_value = match (ours, theirs) {
        (Value::F64(a), automerge::ScalarValue::F64(b)) => a.to_bits() == b.to_bits(),
        _ => crate::document::scalar_equals(ours, theirs),
    };
    same_id && same_value
}
