//! Who set what: the history of one field.

use super::{ChangeId, Content, DocumentState, Value};
use crate::time::Timestamp;

/// One write of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The change that wrote it; storage knows its author, device and arrival.
    pub change: ChangeId,
    /// Device time.
    pub time: Timestamp,
    /// What was written; `None` for a removal.
    pub value: Option<Value>,
    /// Whether it is shown now, alone or beside others.
    pub current: bool,
}

/// The writes of a field, causes before effects. `field` is a key, or `map.entry` for an entry of a map.
#[must_use]
pub fn field_history(state: &DocumentState, field: &str) -> Vec<HistoryEntry> {
    let register = match field.split_once('.') {
        Some((map, entry)) => state
            .container(map)
            .and_then(|object| state.register(Some(object), entry)),
        None => state.register(None, field),
    };
    let Some(register) = register else { return Vec::new() };
    register
        .entries()
        .iter()
        .filter_map(|entry| {
            let change = state.change_of(entry.id)?;
            let value = match &entry.content {
                Content::Scalar(value) => Some(value.clone()),
                Content::Removed => None,
                Content::Map => return None,
            };
            let time = state.change(change)?.time;
            let current = !entry.overwritten && value.is_some();
            Some(HistoryEntry {
                change,
                time,
                value,
                current,
            })
        })
        .collect()
}
