//! Gate 5: Automerge and the fold must read the same document.

use std::collections::BTreeSet;

use automerge::{Automerge, ObjType, ReadDoc};

use crate::document::{Content, Document, DocumentState, Entry, ObjectId, OpId, Value};

/// Whether Automerge, given the same changes, shows the same values and the same conflicts and has the same heads;
/// with `reload`, also after it was saved and loaded again. `last` is the document's last change as it was built.
pub(super) fn reads_back(document: &Document, last: automerge::Change, reload: bool) -> bool {
    let Ok(automerge) = document.to_automerge_with(Some(last)) else {
        return false;
    };
    if !same_heads(document.state(), &automerge)
        || !same_map(document.state(), &automerge, None, &automerge::ROOT, false)
    {
        return false;
    }
    if !reload {
        return true;
    }
    let Ok(loaded) = Automerge::load(&automerge.save()) else {
        return false;
    };
    same_heads(document.state(), &loaded) && same_map(document.state(), &loaded, None, &automerge::ROOT, true)
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
///
/// Keys with one value are read in one walk over the map; asking for each costs several times as much. With `each`,
/// every key is asked for as well.
fn same_map(
    state: &DocumentState,
    automerge: &Automerge,
    object: ObjectId,
    theirs: &automerge::ObjId,
    each: bool,
) -> bool {
    let mut keys = 0;
    for item in automerge.map_range(theirs, ..) {
        let Some(register) = state.register(object, &item.key) else {
            return false;
        };
        let visible = register.visible();
        keys += 1;
        let same = match visible[..] {
            [entry] if !item.conflict && !each => {
                let id = item.id();
                same_value(state, automerge, entry, &item.value.into_value(), &id, each)
            }
            _ => same_values(state, automerge, &visible, &item.key, theirs, each),
        };
        if !same {
            return false;
        }
    }
    let ours = state
        .registers(object)
        .filter(|(_, register)| register.winner().is_some());
    ours.count() == keys
}

/// Compares all values of one key, conflicting ones included.
fn same_values(
    state: &DocumentState,
    automerge: &Automerge,
    visible: &[&Entry],
    key: &str,
    theirs: &automerge::ObjId,
    each: bool,
) -> bool {
    let Ok(mut values) = automerge.get_all(theirs, key) else {
        return false;
    };
    // Automerge lists the winner last.
    values.reverse();
    visible.len() == values.len()
        && visible
            .iter()
            .zip(values)
            .all(|(entry, (value, id))| same_value(state, automerge, entry, &value, &id, each))
}

fn same_value(
    state: &DocumentState,
    automerge: &Automerge,
    ours: &Entry,
    theirs: &automerge::Value<'_>,
    id: &automerge::ObjId,
    each: bool,
) -> bool {
    match (&ours.content, theirs) {
        (Content::Map, automerge::Value::Object(ObjType::Map)) => same_map(state, automerge, Some(ours.id), id, each),
        (Content::Scalar(value), automerge::Value::Scalar(theirs)) => same_scalar(value, theirs, ours.id, id),
        _ => false,
    }
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
