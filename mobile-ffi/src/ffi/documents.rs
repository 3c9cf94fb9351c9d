//! A document and its fields as records.

use serde_json::{Map, Value as Json};

use super::{
    Person,
    records::{maybe_text, number, person, text},
};

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum DocumentKind {
    /// What identifies a customer.
    Card,
    /// Needs, preferences, plan, prose.
    Dossier,
    /// One person at the customer.
    Contact,
    /// One deal.
    Opportunity,
    /// One visit, planned or made.
    Visit,
    /// One call, message or note, with its next action.
    FollowUp,
    /// One complaint or service request.
    Ticket,
    /// Managers' and back office's notes.
    Internal,
    /// Of a kind that a newer app knows: show that there is something.
    Unknown,
}

/// Where a document's latest words of this phone are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum DocumentState {
    /// Some of it has not been accepted by the server yet.
    Pending,
    /// All of it is at the server.
    Synced,
    /// Some of it was refused; it lies in the tray.
    Refused,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum FieldValue {
    /// Text, a date, a choice.
    Text {
        /// It.
        value: String,
    },
    /// A whole number; an instant in milliseconds since 1970.
    Whole {
        /// It.
        value: i64,
    },
    /// Any other number.
    Number {
        /// It.
        value: f64,
    },
    /// Yes or no.
    Flag {
        /// It.
        value: bool,
    },
    /// Empty: a value of a conflict or of the history where somebody emptied the field.
    Empty,
    /// Several entries (tags, phones, comments, custom fields), as JSON. Read only: entries are written one by one.
    Entries {
        /// It.
        json: String,
    },
}

/// One field.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: FieldValue,
}

/// One document of a customer.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: DocumentKind,
    /// Whose it is.
    pub customer: String,
    /// Who made it; none for a card, or one nobody has written to yet.
    pub author: Option<Person>,
    /// Who works on it now.
    pub responsible: Option<Person>,
    /// When it was made, by its author's clock.
    pub created_at_ms: Option<i64>,
    /// When the server got it.
    pub received_at_ms: Option<i64>,
    /// Where it stands in a timeline: when a visit ended, began or is planned, otherwise when it was made.
    pub at_ms: Option<i64>,
    /// Where its latest words are.
    pub state: DocumentState,
    /// Written by somebody who had already lost the customer without knowing it.
    pub late: bool,
    /// Its fields that are not empty.
    pub fields: Vec<Field>,
}

/// One of several values that were written to a field without knowing of each other.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct WrittenValue {
    /// The value.
    pub value: FieldValue,
    /// Who wrote it.
    pub author: Option<Person>,
    /// When, by the author's clock.
    pub at_ms: Option<i64>,
}

/// A field with more than one value, until a person chooses.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Conflict {
    /// The document.
    pub document: String,
    /// The field, or `map.entry`.
    pub field: String,
    /// The values; the first is the one that is shown.
    pub values: Vec<WrittenValue>,
}

/// Something that was once written to a field.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct FieldWrite {
    /// The value.
    pub value: FieldValue,
    /// Who wrote it.
    pub author: Option<Person>,
    /// On which device.
    pub device: Option<String>,
    /// When, by the author's clock.
    pub at_ms: Option<i64>,
    /// When the server got it; none if it has not.
    pub received_at_ms: Option<i64>,
    /// Whether it is (one of) the field's values now.
    pub current: bool,
}

impl Document {
    pub(super) fn field(&self, name: &str) -> Option<&FieldValue> {
        let found = self.fields.iter().find(|field| field.name == name);
        found.map(|field| &field.value)
    }
}

/// A document out of the phone's JSON; none for null.
pub(super) fn document(json: &Json) -> Option<Document> {
    let id = maybe_text(json, "id")?;
    let fields = json.get("fields").and_then(Json::as_object);
    let mut document = Document {
        id,
        kind: kind(&text(json, "kind")),
        customer: text(json, "customer"),
        author: person(&json["author"]),
        responsible: person(&json["responsible"]),
        created_at_ms: number(json, "created_at"),
        received_at_ms: number(json, "received_at"),
        at_ms: None,
        state: match text(json, "state").as_str() {
            "pending" => DocumentState::Pending,
            "refused" => DocumentState::Refused,
            _ => DocumentState::Synced,
        },
        late: json.get("late").and_then(Json::as_bool).unwrap_or_default(),
        fields: fields.map(read_fields).unwrap_or_default(),
    };
    document.at_ms = moment(&document);
    Some(document)
}

pub(super) fn documents(json: &Json) -> Vec<Document> {
    json.as_array().into_iter().flatten().filter_map(document).collect()
}

pub(super) fn conflict(json: &Json) -> Conflict {
    let values = json.get("values").and_then(Json::as_array);
    Conflict {
        document: text(json, "document"),
        field: text(json, "field"),
        values: values.into_iter().flatten().map(written).collect(),
    }
}

pub(super) fn field_write(json: &Json) -> FieldWrite {
    FieldWrite {
        value: field_value(&json["value"]),
        author: person(&json["author"]),
        device: maybe_text(json, "device"),
        at_ms: number(json, "at"),
        received_at_ms: number(json, "received_at"),
        current: json.get("current").and_then(Json::as_bool).unwrap_or_default(),
    }
}

fn written(json: &Json) -> WrittenValue {
    WrittenValue {
        value: field_value(&json["value"]),
        author: person(&json["author"]),
        at_ms: number(json, "at"),
    }
}

/// Fields as they were written; an emptied one is `Empty`.
pub(super) fn written_fields(json: &Json) -> Vec<Field> {
    let fields = json.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| Field {
            name: name.clone(),
            value: field_value(value),
        })
        .collect()
}

fn read_fields(fields: &Map<String, Json>) -> Vec<Field> {
    let fields = fields.iter().filter(|(_, value)| !value.is_null());
    fields
        .map(|(name, value)| Field {
            name: name.clone(),
            value: field_value(value),
        })
        .collect()
}

fn field_value(json: &Json) -> FieldValue {
    match json {
        Json::Null => FieldValue::Empty,
        Json::Bool(value) => FieldValue::Flag { value: *value },
        Json::String(value) => FieldValue::Text { value: value.clone() },
        Json::Number(number) => match number.as_i64() {
            Some(value) => FieldValue::Whole { value },
            None => FieldValue::Number {
                value: number.as_f64().unwrap_or_default(),
            },
        },
        Json::Array(_) | Json::Object(_) => FieldValue::Entries { json: json.to_string() },
    }
}

fn moment(document: &Document) -> Option<i64> {
    ["ended_at", "started_at", "planned_at"]
        .iter()
        .find_map(|name| match document.field(name) {
            Some(FieldValue::Whole { value }) => Some(*value),
            _ => None,
        })
        .or(document.created_at_ms)
}

fn kind(name: &str) -> DocumentKind {
    match name {
        "card" => DocumentKind::Card,
        "dossier" => DocumentKind::Dossier,
        "contact" => DocumentKind::Contact,
        "opportunity" => DocumentKind::Opportunity,
        "visit" => DocumentKind::Visit,
        "follow_up" => DocumentKind::FollowUp,
        "ticket" => DocumentKind::Ticket,
        "internal" => DocumentKind::Internal,
        _ => DocumentKind::Unknown,
    }
}
