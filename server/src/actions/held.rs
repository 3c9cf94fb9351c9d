//! Everything that is held about one person, for the person himself: a contact of a customer, or somebody who works here.
//!
//! Rows are read by table and column names of the schema, so that a new column is in the next export without anybody
//! thinking of it.

use serde_json::{Map, Value as Json, json};
use sync_core::{
    document::{Action, Kind, Op},
    ids::{DocumentId, OrgId, UserId},
    projection::{Query, bigram_text, searchable_text},
    protocol::oplist,
};
use uuid::Uuid;

use super::{ActionError, Code, erasure::find_contact, ownership::Asker, reader::Reader};
use crate::{
    app::App,
    seam::Seam,
    storage::{
        Database, Reach, StorageError, Tx,
        audit::{self, AuditRow},
        customers,
        dump::{self, Cell, Table},
        search,
    },
};

/// Mentions listed for each word.
const MENTIONS_MAX: i64 = 200;
/// Words looked for: more names, numbers and addresses than one person has.
const WORDS_MAX: usize = 64;
/// Characters of a word that means one person.
const WORD_CHARS_MIN: usize = 2;
/// Fields of a contact by which others write about him.
const NAMING: [&str; 4] = ["name", "phones", "email", "wechat"];
/// Tables with rows of a contact's document, and whether they are found by its customer.
const OF_CONTACT: [(&str, bool); 6] = [
    ("document", false),
    ("change", false),
    ("refusal", false),
    ("proposal", true),
    ("equivocation", false),
    ("ownership_event", true),
];
/// Tables with rows of somebody who works here.
const OF_USER: [&str; 4] = ["user_account", "pool_member", "viewer_scope", "device"];
/// What is nobody's business, the person's included.
const SECRET: &str = "password_hash";

/// All that is held about a contact, for whoever may erase him.
///
/// # Errors
/// As `erasure::erase_contact`.
pub async fn export_contact(app: &App, asker: Asker, contact: DocumentId) -> Result<Json, ActionError> {
    let mut tx = app.database.read().await?;
    let reader = Reader::load(&mut tx, asker.org, asker.user).await?;
    find_contact(&mut tx, &reader, contact).await?;
    tx.rollback().await?;
    collect_contact(&app.database, &app.seam, asker.org, Some(asker.user), contact).await
}

/// The same for whoever runs the server. Told in the audit before it is handed out.
///
/// # Errors
/// `not_found` for a document that is no contact or was erased; the database's.
pub async fn collect_contact(
    database: &Database,
    seam: &Seam,
    org: OrgId,
    by: Option<UserId>,
    contact: DocumentId,
) -> Result<Json, ActionError> {
    let mut tx = database.read().await?;
    let row = customers::find_document_row(&mut tx, org, contact)
        .await?
        .filter(|row| row.kind == Kind::Contact)
        .ok_or_else(|| ActionError::refused(Code::NotFound))?;
    let mut held = Map::new();
    let mut words = Vec::new();
    for table in dump::tables() {
        let Some((name, by_customer)) = OF_CONTACT.iter().find(|(name, _)| *name == table.name) else {
            continue;
        };
        let mut wanted = vec![("document_id", contact.0)];
        if *by_customer {
            wanted.insert(0, ("customer_id", row.customer.0));
        }
        let rows = dump::read_where(&mut tx, &table, org, &wanted).await?;
        let rows: Vec<Json> = rows
            .into_iter()
            .map(|cells| readable(&table, cells, row.kind, &mut words))
            .collect();
        held.insert((*name).to_owned(), rows.into());
    }
    let fields: Json = serde_json::from_str(&row.fields).unwrap_or_default();
    note_words(&fields, &mut words);
    held.insert("search_words".to_owned(), bigram_text(&searchable_text(&fields)).into());
    held.insert("audit".to_owned(), audit_about(&mut tx, org, contact.0).await?);
    held.insert(
        "mentions".to_owned(),
        mentions(&mut tx, org, contact, &words).await?.into(),
    );
    tx.rollback().await?;
    record(database, seam, org, by, contact, &held).await?;
    Ok(json!({ "org": org, "contact": contact, "customer": row.customer, "held": held }))
}

/// All that is held about somebody who works here, but for his password's hash. What he has written is in the exports of the
/// records; the log names him as its author for ever.
///
/// # Errors
/// `not_found`; the database's.
pub async fn collect_user(database: &Database, seam: &Seam, org: OrgId, user: UserId) -> Result<Json, ActionError> {
    let mut tx = database.read().await?;
    let mut held = Map::new();
    for table in dump::tables().iter().filter(|table| OF_USER.contains(&table.name)) {
        let rows = dump::read_where(&mut tx, table, org, &[("user_id", user.0)]).await?;
        let rows: Vec<Json> = rows.into_iter().map(|cells| object(table, cells).into()).collect();
        held.insert(table.name.to_owned(), rows.into());
    }
    if held
        .get("user_account")
        .and_then(Json::as_array)
        .is_none_or(Vec::is_empty)
    {
        return Err(ActionError::refused(Code::NotFound));
    }
    held.insert("audit".to_owned(), audit_about(&mut tx, org, user.0).await?);
    tx.rollback().await?;
    record(database, seam, org, None, user, &held).await?;
    Ok(json!({ "org": org, "user": user, "held": held }))
}

async fn record(
    database: &Database,
    seam: &Seam,
    org: OrgId,
    by: Option<UserId>,
    subject: impl ToString,
    held: &Map<String, Json>,
) -> Result<(), StorageError> {
    let counts: Map<String, Json> = held
        .iter()
        .filter_map(|(name, rows)| Some((name.clone(), rows.as_array()?.len().into())))
        .collect();
    let row = AuditRow {
        user: by,
        ..AuditRow::new(seam.now(), "person_exported", subject).with_detail(counts.into())
    };
    let mut tx = database.write().await?;
    audit::append(&mut tx, org, &[row]).await?;
    tx.commit().await
}

async fn audit_about(tx: &mut Tx, org: OrgId, subject: Uuid) -> Result<Json, StorageError> {
    let rows = audit::list_about(tx, org, subject).await?;
    let read = |row: audit::StoredAudit| {
        json!({
            "audit_seq": row.audit_seq, "at": row.at, "user": row.user_id, "device": row.device_id, "action": row.action,
            "subject": row.subject, "detail": serde_json::from_str::<Json>(&row.detail).unwrap_or_default(),
        })
    };
    Ok(rows.into_iter().map(read).collect::<Vec<_>>().into())
}

/// Documents of others that hold his name, a number or an address of his: a person decides what becomes of them.
async fn mentions(tx: &mut Tx, org: OrgId, contact: DocumentId, words: &[String]) -> Result<Vec<Json>, StorageError> {
    let mut found = Vec::new();
    for word in words {
        let query = Query::parse(word);
        for candidate in search::list_candidates(tx, org, &Reach::Organisation, &query, MENTIONS_MAX).await? {
            let document = candidate.document;
            let fields: Json = serde_json::from_str(&document.fields).unwrap_or_default();
            if document.id != contact && searchable_text(&fields).contains(word.as_str()) {
                found.push(json!({
                    "document": document.id, "customer": document.customer, "kind": document.kind.name(), "word": word,
                }));
            }
        }
    }
    Ok(found)
}

/// The row with what its op-list says, which is bytes otherwise.
fn readable(table: &Table, cells: Vec<Cell>, kind: Kind, words: &mut Vec<String>) -> Json {
    let body = table.columns.iter().zip(&cells).find_map(|(column, cell)| match cell {
        Cell::Bytes(bytes) if column.name == "body" => Some(bytes.clone()),
        _ => None,
    });
    let mut object = object(table, cells);
    let Some(change) = body.and_then(|body| oplist::decode(&body, kind).ok()) else {
        return object.into();
    };
    let written = |operation: Op| match operation.action {
        Action::Put(value) => Some(json!({ "field": operation.key, "value": value.to_json() })),
        Action::Delete => Some(json!({ "field": operation.key, "value": null })),
        Action::MakeMap => None,
    };
    let writes: Vec<Json> = change.operations.into_iter().filter_map(written).collect();
    for write in &writes {
        // An entry of a map stands by its own key here: numbers of his are among them.
        let value = &write["value"];
        let is_naming = write["field"].as_str().is_some_and(|field| kind.field(field).is_none());
        if is_naming || write["field"].as_str().is_some_and(|field| NAMING.contains(&field)) {
            note_words(&json!({ "name": value }), words);
        }
    }
    object.insert("writes".to_owned(), writes.into());
    object.into()
}

fn note_words(fields: &Json, words: &mut Vec<String>) {
    let values = NAMING.iter().filter_map(|key| fields.get(*key));
    let texts = values.flat_map(|value| match value {
        Json::Object(entries) => entries.values().cloned().collect(),
        other => vec![other.clone()],
    });
    for text in texts {
        let Some(word) = text.as_str().map(str::trim) else {
            continue;
        };
        let is_new = !words.iter().any(|known| known == word);
        if is_new && word.chars().count() >= WORD_CHARS_MIN && words.len() < WORDS_MAX {
            words.push(word.to_owned());
        }
    }
}

fn object(table: &Table, cells: Vec<Cell>) -> Map<String, Json> {
    let columns = table.columns.iter().zip(cells);
    columns
        .filter(|(column, _)| column.name != SECRET)
        .map(|(column, cell)| {
            let value = match cell {
                Cell::Null => Json::Null,
                Cell::Uuid(id) => id.to_string().into(),
                Cell::Text(text) => text.into(),
                Cell::Int(number) => number.into(),
                Cell::Bool(flag) => flag.into(),
                Cell::Bytes(bytes) => hex::encode(bytes).into(),
            };
            (column.name.to_owned(), value)
        })
        .collect()
}
