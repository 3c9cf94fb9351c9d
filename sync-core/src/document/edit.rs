//! Typed edits: the only place that writes the fields of a document.

use std::collections::BTreeMap;

use automerge::{ObjType, ReadDoc, transaction::CommitOptions, transaction::Transactable};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{
    BuiltChange, Change, ChangeId, Content, Document, DocumentState, Field, FieldType, Kind, MapType, Refusal, Value,
    ValueError, build, check_change, describe, scalar_from_json,
    value::{check_entry, value_from_json, value_from_text},
};
use crate::{
    ids::{ActorId, ChangeHash},
    time::Timestamp,
};

/// What a person does to a document, as kept in the outbox: bytes cannot be rebased, meaning can.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Edit {
    /// Writes a field.
    Set {
        /// The field.
        key: String,
        /// Its value.
        value: Value,
    },
    /// Empties a field.
    Remove {
        /// The field.
        key: String,
    },
    /// Writes an entry of a map: a tag, a phone number, a comment, a custom field.
    SetEntry {
        /// The map's field.
        map: String,
        /// The entry.
        entry: String,
        /// Its value.
        value: Value,
    },
    /// Removes an entry of a map.
    RemoveEntry {
        /// The map's field.
        map: String,
        /// The entry.
        entry: String,
    },
}

/// Why edits cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The kind has no such field.
    #[error("{kind} has no field {field}; its fields are {fields}")]
    UnknownField {
        /// The kind.
        kind: Kind,
        /// What was named.
        field: String,
        /// The fields there are.
        fields: String,
    },
    /// A value does not fit its field.
    #[error("{field} {error}")]
    Value {
        /// The field.
        field: String,
        /// What does not fit.
        error: ValueError,
    },
    /// The change would not pass the airlock.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Automerge refused.
    #[error("the document cannot be edited: {0}")]
    Automerge(String),
}

impl EditError {
    /// The stable code people and programs see.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownField { .. } | Self::Value { .. } => "schema",
            Self::Refused(refusal) => refusal.code(),
            Self::Automerge(_) => "trial_failed",
        }
    }
}

/// Reads the edits out of a JSON object of fields: `null` empties a field; tags may be an array that replaces all, or
/// `{"add": […], "remove": […]}`; other maps are objects of entries, where `null` removes one.
///
/// # Errors
/// [`EditError`] naming the first field that does not fit.
pub fn edits_from_json(state: &DocumentState, fields: &Map<String, Json>) -> Result<Vec<Edit>, EditError> {
    let kind = state.kind();
    let mut edits = Vec::new();
    for (key, json) in fields {
        let field = find_field(kind, key)?;
        let FieldType::Map(map) = field.value else {
            edits.push(if json.is_null() {
                Edit::Remove { key: key.clone() }
            } else {
                let value = value_from_json(field.value, json).map_err(|error| value_error(key, error))?;
                Edit::Set {
                    key: key.clone(),
                    value,
                }
            });
            continue;
        };
        match json {
            Json::Array(entries) if map == MapType::Tags || map == MapType::Photos => {
                replace_set(state, key, map, entries, &mut edits)?;
            }
            Json::Object(object) if map == MapType::Tags && is_add_remove(object) => {
                for (verb, list) in object {
                    for tag in list.as_array().into_iter().flatten() {
                        let entry = tag.as_str().ok_or_else(|| mismatch(key, "text"))?.to_owned();
                        edits.push(tag_edit(key, entry, verb == "add")?);
                    }
                }
            }
            Json::Object(object) => {
                for (entry, json) in object {
                    edits.push(entry_edit(key, map, entry, json)?);
                }
            }
            _ => return Err(mismatch(key, &describe(field.value))),
        }
    }
    Ok(edits)
}

/// Reads the edits out of words such as `name=…`, `tags+=x`, `tags-=x`, `custom.colour=red`, `phone=…`.
///
/// An empty value empties the field.
///
/// # Errors
/// [`EditError`] naming the first word that does not fit.
pub fn edits_from_words(kind: Kind, words: &[String]) -> Result<Vec<Edit>, EditError> {
    words.iter().map(|word| edit_from_word(kind, word)).collect()
}

fn edit_from_word(kind: Kind, word: &str) -> Result<Edit, EditError> {
    let (left, value) = word.split_once('=').ok_or_else(|| mismatch(word, "field=value"))?;
    let (key, sign) = match left.strip_suffix('+') {
        Some(key) => (key, Some(true)),
        None => left.strip_suffix('-').map_or((left, None), |key| (key, Some(false))),
    };
    // A contact's one phone number can be given without a label.
    let (key, entry) = match (kind, key) {
        (Kind::Contact, "phone") => ("phones", Some("phone")),
        _ => key
            .split_once('.')
            .map_or((key, None), |(key, entry)| (key, Some(entry))),
    };
    let field = find_field(kind, key)?;
    match (field.value, entry, sign) {
        (FieldType::Map(MapType::Tags), None, sign) => tag_edit(key, value.to_owned(), sign.unwrap_or(true)),
        (FieldType::Map(map), Some(entry), None) => {
            let json = if value.is_empty() {
                Json::Null
            } else {
                Json::from(value)
            };
            entry_edit(key, map, entry, &json)
        }
        (FieldType::Map(_), ..) => Err(mismatch(key, "an entry, as in custom.name=value")),
        (_, None, None) if value.is_empty() => Ok(Edit::Remove { key: key.to_owned() }),
        (_, None, None) => {
            let value = value_from_text(field.value, value).map_err(|error| value_error(key, error))?;
            Ok(Edit::Set {
                key: key.to_owned(),
                value,
            })
        }
        _ => Err(mismatch(key, &describe(field.value))),
    }
}

fn find_field(kind: Kind, key: &str) -> Result<&'static Field, EditError> {
    kind.field(key).ok_or_else(|| EditError::UnknownField {
        kind,
        field: key.to_owned(),
        fields: kind
            .fields()
            .iter()
            .map(|field| field.key)
            .collect::<Vec<_>>()
            .join(", "),
    })
}

fn is_add_remove(object: &Map<String, Json>) -> bool {
    !object.is_empty()
        && object
            .iter()
            .all(|(key, value)| matches!(key.as_str(), "add" | "remove") && value.is_array())
}

fn replace_set(
    state: &DocumentState,
    key: &str,
    map: MapType,
    entries: &[Json],
    edits: &mut Vec<Edit>,
) -> Result<(), EditError> {
    let mut wanted = BTreeMap::new();
    for entry in entries {
        wanted.insert(
            entry
                .as_str()
                .ok_or_else(|| mismatch(key, "a list of texts"))?
                .to_owned(),
            (),
        );
    }
    let container = state.container(key);
    let present: Vec<&str> = state
        .registers(container)
        .filter(|(_, register)| container.is_some() && register.winner().is_some())
        .map(|(entry, _)| entry)
        .collect();
    for entry in present {
        if wanted.remove(entry).is_none() {
            edits.push(Edit::RemoveEntry {
                map: key.to_owned(),
                entry: entry.to_owned(),
            });
        }
    }
    for entry in wanted.into_keys() {
        edits.push(entry_edit(key, map, &entry, &Json::Bool(true))?);
    }
    Ok(())
}

fn tag_edit(key: &str, entry: String, add: bool) -> Result<Edit, EditError> {
    if !add {
        return Ok(Edit::RemoveEntry {
            map: key.to_owned(),
            entry,
        });
    }
    entry_edit(key, MapType::Tags, &entry, &Json::Bool(true))
}

fn entry_edit(key: &str, map: MapType, entry: &str, json: &Json) -> Result<Edit, EditError> {
    if json.is_null() {
        return Ok(Edit::RemoveEntry {
            map: key.to_owned(),
            entry: entry.to_owned(),
        });
    }
    let path = format!("{key}.{entry}");
    let value = scalar_from_json(json).ok_or_else(|| mismatch(&path, "a single value"))?;
    check_entry(map, entry, &value).map_err(|error| value_error(&path, error))?;
    Ok(Edit::SetEntry {
        map: key.to_owned(),
        entry: entry.to_owned(),
        value,
    })
}

fn mismatch(field: &str, expected: &str) -> EditError {
    value_error(
        field,
        ValueError::Type {
            expected: expected.to_owned(),
        },
    )
}

fn value_error(field: &str, error: ValueError) -> EditError {
    EditError::Value {
        field: field.to_owned(),
        error,
    }
}

pub(super) fn make_change(
    document: &Document,
    actor: ActorId,
    time: Timestamp,
    edits: &[Edit],
) -> Result<Option<BuiltChange>, EditError> {
    let refused = |error: automerge::AutomergeError| EditError::Automerge(error.to_string());
    let state = document.state();
    let creates = state.changes.is_empty();
    let edits: Vec<&Edit> = edits.iter().filter(|edit| !is_noop(state, edit)).collect();
    if edits.is_empty() && !creates {
        return Ok(None);
    }
    let mut automerge = document.to_automerge().map_err(refused)?;
    automerge.set_actor(automerge::ActorId::from(actor.0));
    let mut transaction = automerge.transaction();
    if creates {
        for field in state.kind().containers() {
            transaction
                .put_object(automerge::ROOT, field.key, ObjType::Map)
                .map_err(refused)?;
        }
    }
    for edit in edits {
        write(&mut transaction, edit).map_err(refused)?;
    }
    transaction.commit_with(CommitOptions::default().with_time(build::automerge_time(time)));
    let Some(made) = automerge.get_last_local_change() else {
        return Ok(None);
    };
    let names: BTreeMap<ChangeHash, ChangeId> = state.changes().map(|(id, applied)| (applied.hash, id)).collect();
    let (change, start_op) = build::op_list(&made, |hash| names.get(&hash).copied())
        .ok_or_else(|| EditError::Automerge("an edit outside the schema".to_owned()))?;
    finish(document, Change { time, ..change }, start_op).map(Some)
}

/// The change must pass the same gates at its receiver, so it passes them here first.
fn finish(document: &Document, change: Change, start_op: u64) -> Result<BuiltChange, EditError> {
    let body_bytes = crate::protocol::oplist::encode(&change, document.state().kind(), super::SCHEMA_VERSION).len();
    let expected = check_change(document.state(), &change, body_bytes)?;
    if expected != start_op {
        return Err(EditError::Automerge("the operation counters do not follow".to_owned()));
    }
    if body_bytes > crate::protocol::limits::CHANGE_BYTES_MAX {
        return Err(EditError::Refused(Refusal::DocumentTooLarge));
    }
    Ok(document.build(&change, start_op).1)
}

/// An edit that would write what is already there, or remove what is not, is left out. A conflict is never a no-op:
/// choosing one of its values settles it.
fn is_noop(state: &DocumentState, edit: &Edit) -> bool {
    let register = |map: &str, entry: &str| {
        state
            .container(map)
            .and_then(|object| state.register(Some(object), entry))
    };
    let (register, value) = match edit {
        Edit::Set { key, value } => (state.register(None, key), Some(value)),
        Edit::Remove { key } => (state.register(None, key), None),
        Edit::SetEntry { map, entry, value } => (register(map, entry), Some(value)),
        Edit::RemoveEntry { map, entry } => (register(map, entry), None),
    };
    let visible = register.map(super::Register::visible).unwrap_or_default();
    match value {
        None => visible.is_empty(),
        Some(value) => visible.len() == 1 && visible[0].content == Content::Scalar(value.clone()),
    }
}

fn write<T: Transactable + ReadDoc>(transaction: &mut T, edit: &Edit) -> Result<(), automerge::AutomergeError> {
    match edit {
        Edit::Set { key, value } => transaction.put(automerge::ROOT, key.as_str(), build::to_scalar(value)),
        Edit::Remove { key } => transaction.delete(automerge::ROOT, key.as_str()),
        Edit::SetEntry { map, entry, value } => {
            let object = container(transaction, map)?;
            transaction.put(object, entry.as_str(), build::to_scalar(value))
        }
        Edit::RemoveEntry { map, entry } => {
            let object = container(transaction, map)?;
            transaction.delete(object, entry.as_str())
        }
    }
}

/// The map of a field. It exists since the document's first change; none is ever made here.
fn container<T: ReadDoc>(transaction: &T, map: &str) -> Result<automerge::ObjId, automerge::AutomergeError> {
    match transaction.get(automerge::ROOT, map)? {
        Some((automerge::Value::Object(ObjType::Map), object)) => Ok(object),
        _ => Err(automerge::AutomergeError::InvalidObjId(map.to_owned())),
    }
}
