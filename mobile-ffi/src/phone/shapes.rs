//! What a phone shows, as JSON: the shapes of the API, with the state of each document.

use serde_json::{Map, Value, json};
use sync_core::{
    document::{Edit, Kind},
    ids::{CustomerId, DocumentId, OrgId, UserId},
    projection::Conflict,
    replica::{AccessRow, DocumentRow, IntentRow, OutboxEntry, Provisional, Replica, Store as _, TrayEntry},
    visibility::Relation,
};

use super::{Phone, meta, read_directory};
use crate::{PhoneError, Transport, directory::Directory, store::StoreTx};

/// Characters of an edit's summary.
const WHAT_CHARS_MAX: usize = 120;

/// The lists of a customer's documents and the kinds in them.
const LISTS: [(&str, Kind); 5] = [
    ("contacts", Kind::Contact),
    ("visits", Kind::Visit),
    ("follow_ups", Kind::FollowUp),
    ("opportunities", Kind::Opportunity),
    ("tickets", Kind::Ticket),
];

impl<T: Transport> Phone<T> {
    /// The customers on this phone, by name; those with all words of the query in their documents.
    ///
    /// # Errors
    /// The store's.
    pub fn customers(&mut self, query: Option<&str>) -> Result<Vec<Value>, PhoneError> {
        self.check_unlocked()?;
        self.store.read(|tx| {
            let directory = read_directory(tx)?;
            let entries = tx.customers(query)?;
            let marks = tx.customer_marks()?;
            let replica = Replica::open(tx)?;
            let items = entries.into_iter().map(|entry| {
                let access = replica.as_shown(entry.access);
                let mut item = customer_item(&access, &entry.card, &directory);
                let marks = marks.get(&access.customer).copied().unwrap_or_default();
                item.insert("last_contact".to_owned(), json!(marks.last_contact));
                item.insert("pending".to_owned(), marks.pending.into());
                item.insert("refused".to_owned(), marks.refused.into());
                item.insert("conflicts".to_owned(), marks.conflicts.into());
                Value::Object(item)
            });
            Ok(items.collect())
        })
    }

    /// A customer with everything of it that may be read.
    ///
    /// # Errors
    /// `not_found`.
    pub fn customer(&mut self, id: CustomerId) -> Result<Value, PhoneError> {
        self.check_unlocked()?;
        self.store.read(|tx| {
            let directory = read_directory(tx)?;
            let mut replica = Replica::open(tx)?;
            let access = replica.find_customer(id)?;
            let documents = replica.list_documents(id)?;
            show_customer(tx, &access, documents, &directory)
        })
    }

    /// A document.
    ///
    /// # Errors
    /// `not_found`.
    pub fn document(&mut self, id: DocumentId) -> Result<Value, PhoneError> {
        self.check_unlocked()?;
        self.store.read(|tx| {
            let directory = read_directory(tx)?;
            let row = Replica::open(tx)?.find_document(id)?;
            document_item(tx, row, &directory)
        })
    }

    /// Who set a field of a document, on which device, when, and when it arrived.
    ///
    /// # Errors
    /// `not_found`.
    pub fn history(&mut self, document: DocumentId, field: &str) -> Result<Vec<Value>, PhoneError> {
        self.check_unlocked()?;
        let directory = self.directory()?;
        let writes = self.look(|replica| Ok(replica.list_history(document, field)?))?;
        let items = writes.into_iter().map(|write| {
            json!({
                "value": write.entry.value.map_or(Value::Null, |value| value.to_json()),
                "author": directory.person_or_null(write.author),
                "device": write.device,
                "at": write.entry.time,
                "received_at": write.received_at,
                "current": write.entry.current,
            })
        });
        Ok(items.collect())
    }

    /// What has no final verdict yet: intents first, then changes in the order of recording.
    ///
    /// # Errors
    /// The store's.
    pub fn outbox(&mut self) -> Result<Vec<Value>, PhoneError> {
        self.check_unlocked()?;
        self.store.read(|tx| {
            let intents = tx.pending_intents(None)?;
            let entries = tx.outbox()?;
            let intents = intents.iter().map(intent_item);
            Ok(intents.chain(entries.iter().map(outbox_item)).collect())
        })
    }

    /// What was refused and nobody has dealt with yet.
    ///
    /// # Errors
    /// The store's.
    pub fn tray(&mut self) -> Result<Vec<Value>, PhoneError> {
        self.check_unlocked()?;
        let directory = self.directory()?;
        let entries = self.store.read::<_, PhoneError>(|tx| Ok(tx.tray()?))?;
        Ok(entries.iter().map(|entry| tray_item(entry, &directory)).collect())
    }

    /// Takes an entry out of the tray.
    ///
    /// # Errors
    /// `not_found`.
    pub fn dismiss(&mut self, id: i64) -> Result<(), PhoneError> {
        self.check_unlocked()?;
        let there = self.store.write::<_, PhoneError>(|tx| Ok(tx.dismiss_tray(id)?))?;
        if there {
            Ok(())
        } else {
            Err(PhoneError::refused("not_found", "there is no such entry in the tray"))
        }
    }

    /// How this phone stands. Answered whatever has become of it.
    ///
    /// # Errors
    /// `sign_in_required` before enrolment.
    pub fn status(&mut self) -> Result<Value, PhoneError> {
        if let Some(status) = self.status_of_wiped()? {
            return Ok(status);
        }
        let now = self.seam.now();
        let encrypted = self.store.is_encrypted();
        self.store.read(|tx| {
            let directory = read_directory(tx)?;
            let counts = tx.counts()?;
            let state = Replica::open(tx)?.state().clone();
            Ok(json!({
                "user": directory.person(state.user),
                "device": state.device,
                "org": state.org,
                "pending": counts.pending,
                "refused": counts.refused,
                "customers": counts.customers,
                "documents": counts.documents,
                "photos_pending": counts.photos,
                "last_sync": state.last_sync,
                "lease_until": state.lease_until(),
                "state": state.name(now),
                "upgrade_required": state.upgrade_required,
                "encrypted": encrypted,
                "flight_mode": tx.meta(meta::FLIGHT_MODE)?.is_some(),
            }))
        })
    }
}

fn show_customer(
    tx: &mut StoreTx<'_>,
    access: &AccessRow,
    documents: Vec<DocumentRow>,
    directory: &Directory,
) -> Result<Value, PhoneError> {
    let card = documents.iter().find(|row| row.kind == Kind::Card.number());
    let fields = card.map(|row| row.fields.clone()).unwrap_or_default();
    let mut item = customer_item(access, &fields, directory);
    let mut lists: Vec<Vec<Value>> = LISTS.iter().map(|_| Vec::new()).collect();
    let mut conflicts = Vec::new();
    let org = tx.state()?.map(|state| state.org);
    for kind in [Kind::Card, Kind::Dossier, Kind::Internal] {
        let readable = access.rights.of(kind).may_read();
        let unwritten = org
            .filter(|_| readable)
            .map(|org| unwritten_item(org, access.customer, kind));
        item.insert(kind.name().to_owned(), unwritten.unwrap_or_default());
    }
    for row in documents {
        let Some(kind) = Kind::from_number(row.kind) else {
            continue;
        };
        conflicts.extend(
            row.conflicts
                .iter()
                .map(|conflict| conflict_item(row.id, conflict, directory)),
        );
        let document = document_item(tx, row, directory)?;
        match LISTS.iter().position(|(_, listed)| *listed == kind) {
            Some(list) => lists[list].push(document),
            None => {
                item.insert(kind.name().to_owned(), document);
            }
        }
    }
    for ((name, _), list) in LISTS.iter().zip(lists) {
        item.insert((*name).to_owned(), Value::Array(list));
    }
    item.insert("conflicts".to_owned(), Value::Array(conflicts));
    Ok(Value::Object(item))
}

/// The customer's one document of a kind that may be read and that nobody has written to yet.
fn unwritten_item(org: OrgId, customer: CustomerId, kind: Kind) -> Value {
    json!({
        "id": DocumentId::derived(org, customer, kind, 0),
        "kind": kind.name(),
        "customer": customer,
        "author": null,
        "device": null,
        "responsible": null,
        "created_at": null,
        "received_at": null,
        "state": "synced",
        "fields": {},
    })
}

fn customer_item(access: &AccessRow, card: &Map<String, Value>, directory: &Directory) -> Map<String, Value> {
    let field = |name: &str| card.get(name).cloned().unwrap_or(Value::Null);
    let name = card.get("name").cloned().unwrap_or_else(|| Value::from(""));
    let item = json!({
        "id": access.customer,
        "name": name,
        "relation": access.relations.strongest().map(Relation::name),
        "owner": directory.person_or_null(access.owner),
        "pool": access.pool,
        "pool_name": access.pool.and_then(|pool| directory.pool_name(pool)),
        "team": access.team,
        "stage": field("stage"),
        "tier": field("tier"),
        "region": field("region"),
        "industry": field("industry"),
        "source": field("source"),
        "assignment_version": access.version,
        "provisional": access.provisional.map(provisional_word),
    });
    match item {
        Value::Object(item) => item,
        _ => Map::new(),
    }
}

const fn provisional_word(provisional: Provisional) -> &'static str {
    match provisional {
        Provisional::Create => "create",
        Provisional::Claim => "claim",
        Provisional::Release => "release",
    }
}

fn document_item(tx: &mut StoreTx<'_>, row: DocumentRow, directory: &Directory) -> Result<Value, PhoneError> {
    let state = match tx.pending_and_refused(row.id)? {
        (_, true) => "refused",
        (true, false) => "pending",
        (false, false) => "synced",
    };
    let mut fields = row.fields;
    name_comment_authors(&mut fields, directory);
    let mut item = json!({
        "id": row.id,
        "kind": Kind::from_number(row.kind).map(Kind::name),
        "customer": row.customer,
        "author": directory.person_or_null(row.author),
        "device": row.device,
        "responsible": directory.person_or_null(row.responsible),
        "created_at": row.created_at,
        "received_at": row.received_at,
        "state": state,
        "fields": fields,
    });
    if row.late {
        item["late"] = Value::Bool(true);
    }
    Ok(item)
}

/// The read model holds ids; people are named when it is shown.
fn name_comment_authors(fields: &mut Map<String, Value>, directory: &Directory) {
    let comments = fields.get_mut("comments").and_then(Value::as_array_mut);
    for comment in comments.into_iter().flatten() {
        let author = comment
            .get("author")
            .and_then(Value::as_str)
            .and_then(|id| id.parse::<UserId>().ok());
        if let Some(author) = author {
            comment["author"] = directory.person(author);
        }
    }
}

fn conflict_item(document: DocumentId, conflict: &Conflict, directory: &Directory) -> Value {
    let values: Vec<Value> = conflict
        .values
        .iter()
        .map(|value| {
            json!({
                "value": value.value,
                "author": directory.person_or_null(value.author),
                "device": value.device,
                "at": value.at,
            })
        })
        .collect();
    json!({"document": document, "field": conflict.field, "values": values})
}

fn outbox_item(entry: &OutboxEntry) -> Value {
    json!({
        "id": entry.id,
        "kind": entry.kind.name(),
        "document": entry.document,
        "customer": entry.customer,
        "what": summary(&entry.edits),
        "fields": written(&entry.edits),
        "state": "pending",
        "reason": entry.reason,
        "at": entry.at,
    })
}

fn intent_item(row: &IntentRow) -> Value {
    json!({
        "id": row.intent.id,
        "kind": row.intent.action.name(),
        "document": Value::Null,
        "customer": row.intent.customer,
        "what": row.intent.action.name(),
        "state": "pending",
        "reason": row.reason,
        "at": row.intent.at,
    })
}

fn tray_item(entry: &TrayEntry, directory: &Directory) -> Value {
    let what = match entry.document {
        None => entry.kind.clone(),
        Some(_) => summary(&entry.edits),
    };
    json!({
        "id": entry.id,
        "kind": entry.kind,
        "document": entry.document,
        "customer": entry.customer,
        "what": what,
        "fields": written(&entry.edits),
        "state": "refused",
        "reason": entry.reason,
        "verdict": entry.verdict,
        "owner": directory.person_or_null(entry.owner),
        "since": entry.since,
        "at": entry.at,
    })
}

/// What was written, by field; null is emptied.
fn written(edits: &[Edit]) -> Map<String, Value> {
    let field = |edit: &Edit| match edit {
        Edit::Set { key, value } => (key.clone(), value.to_json()),
        Edit::Remove { key } => (key.clone(), Value::Null),
        Edit::SetEntry { map, entry, value } => (format!("{map}.{entry}"), value.to_json()),
        Edit::RemoveEntry { map, entry } => (format!("{map}.{entry}"), Value::Null),
    };
    edits.iter().map(field).collect()
}

/// What was written, in the words of the command line.
fn summary(edits: &[Edit]) -> String {
    let words: Vec<String> = edits
        .iter()
        .map(|edit| match edit {
            Edit::Set { key, value } => format!("{key}={}", plain(&value.to_json())),
            Edit::Remove { key } => format!("{key}="),
            Edit::SetEntry { map, entry, .. } if map == "tags" || map == "photos" => format!("{map}+={entry}"),
            Edit::SetEntry { map, entry, value } => format!("{map}.{entry}={}", plain(&value.to_json())),
            Edit::RemoveEntry { map, entry } => format!("{map}-={entry}"),
        })
        .collect();
    let text = words.join(" ");
    if text.chars().count() <= WHAT_CHARS_MAX {
        return text;
    }
    text.chars().take(WHAT_CHARS_MAX - 1).chain(['…']).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
