//! A document as a row of the read model: its fields as JSON, its conflicts with every value.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::{
    document::{ChangeId, Content, DocumentState, Entry, FieldType, Kind, MapType, Register},
    ids::{DeviceId, UserId},
    seeded::{Bug, seeded},
    time::Timestamp,
};

/// Who stands behind a change: columns beside it, never derived from its actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// The person.
    pub author: UserId,
    /// The device; none for the web, imports and the hub.
    pub device: Option<DeviceId>,
}

/// A document's row of the read model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Projection {
    /// Field → value. Tags and photos are arrays of texts, comments an array of
    /// `{id, text, author, at}` with the author's id, other maps objects. Empty fields are left out.
    pub fields: Map<String, Json>,
    /// Fields on which differing values stand side by side.
    pub conflicts: Vec<Conflict>,
}

/// A field with several values, until a person chooses one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// The field, or `map.entry`.
    pub field: String,
    /// The values, the one shown first.
    pub values: Vec<ConflictValue>,
}

/// One of the values of a conflict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConflictValue {
    /// The value.
    pub value: Json,
    /// Who wrote it; none where this device cannot know.
    pub author: Option<UserId>,
    /// On which device.
    pub device: Option<DeviceId>,
    /// When, by the clock of that device.
    pub at: Timestamp,
}

/// Projects a document. `attribution` names who stands behind a change, as far as it is known here.
#[must_use]
pub fn project(state: &DocumentState, attribution: impl Fn(ChangeId) -> Option<Attribution>) -> Projection {
    let mut projection = Projection::default();
    for (key, register) in state.registers(None) {
        let Some(field) = state.kind().field(key) else { continue };
        match field.value {
            FieldType::Map(map) => project_map(state, key, map, &attribution, &mut projection),
            _ => {
                if let Some(json) = winner_json(register) {
                    projection.fields.insert(key.to_owned(), json);
                }
                push_conflict(state, key, register, &attribution, &mut projection.conflicts);
            }
        }
    }
    projection
}

/// Who has checked in to a visit: the author of the change that wrote its start.
#[must_use]
pub fn checked_in_by(state: &DocumentState, attribution: impl Fn(ChangeId) -> Option<Attribution>) -> Option<UserId> {
    if state.kind() != Kind::Visit {
        return None;
    }
    let entry = state.register(None, "started_at")?.winner()?;
    attribution(state.change_of(entry.id)?).map(|attribution| attribution.author)
}

fn project_map(
    state: &DocumentState,
    key: &str,
    map: MapType,
    attribution: &impl Fn(ChangeId) -> Option<Attribution>,
    projection: &mut Projection,
) {
    let Some(object) = state.container(key) else { return };
    let mut names = Vec::new();
    let mut values = Map::new();
    let mut comments = Vec::new();
    for (entry, register) in state.registers(Some(object)) {
        let Some(winner) = register.winner() else { continue };
        let Content::Scalar(value) = &winner.content else {
            continue;
        };
        match map {
            MapType::Tags | MapType::Photos => names.push(Json::from(entry)),
            MapType::Comments => comments.push(comment(state, entry, winner, attribution)),
            MapType::Phones | MapType::Actions | MapType::Custom => {
                values.insert(entry.to_owned(), value.to_json());
            }
        }
        push_conflict(
            state,
            &format!("{key}.{entry}"),
            register,
            attribution,
            &mut projection.conflicts,
        );
    }
    comments.sort_by_key(|comment| comment["at"].as_i64());
    let json = match map {
        MapType::Tags | MapType::Photos => Json::Array(names),
        MapType::Comments => Json::Array(comments),
        MapType::Phones | MapType::Actions | MapType::Custom => Json::Object(values),
    };
    let empty = json.as_array().is_some_and(Vec::is_empty) || json.as_object().is_some_and(Map::is_empty);
    if !empty {
        projection.fields.insert(key.to_owned(), json);
    }
}

fn comment(
    state: &DocumentState,
    id: &str,
    entry: &Entry,
    attribution: &impl Fn(ChangeId) -> Option<Attribution>,
) -> Json {
    let change = state.change_of(entry.id);
    let author = change.and_then(attribution).map(|attribution| attribution.author);
    let at = change
        .and_then(|change| state.change(change))
        .map(|change| change.time.0);
    json!({ "id": id, "text": entry_json(entry), "author": author, "at": at })
}

fn winner_json(register: &Register) -> Option<Json> {
    register.winner().map(entry_json).filter(|json| !json.is_null())
}

fn entry_json(entry: &Entry) -> Json {
    match &entry.content {
        Content::Scalar(value) => value.to_json(),
        Content::Map | Content::Removed => Json::Null,
    }
}

/// Equal values are no conflict.
fn push_conflict(
    state: &DocumentState,
    field: &str,
    register: &Register,
    attribution: &impl Fn(ChangeId) -> Option<Attribution>,
    conflicts: &mut Vec<Conflict>,
) {
    let visible = register.visible();
    let agree = visible.windows(2).all(|pair| pair[0].content == pair[1].content);
    if agree || seeded(Bug::ConflictDropped) {
        return;
    }
    let values = visible.into_iter().map(|entry| {
        let change = state.change_of(entry.id);
        let attribution = change.and_then(attribution);
        ConflictValue {
            value: entry_json(entry),
            author: attribution.map(|attribution| attribution.author),
            device: attribution.and_then(|attribution| attribution.device),
            at: change
                .and_then(|change| state.change(change))
                .map_or(Timestamp(0), |change| change.time),
        }
    });
    conflicts.push(Conflict {
        field: field.to_owned(),
        values: values.collect(),
    });
}
