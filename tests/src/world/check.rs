//! What the server has, when everybody has come to rest: the log alone says what everything else must be.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use serde_json::Value as Json;
use sync_core::{
    airlock::{Trial, admit},
    document::{ChangeId, Document, DocumentState, Kind, ObjectId, Register},
    ids::{ActorId, ChangeHash, DeviceId, UserId},
    projection::{Attribution, project},
    protocol::oplist,
};
use uuid::Uuid;

use super::{
    Promise, World,
    oracle::{all, count, one},
};

/// A change of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    place: i64,
    author: UserId,
    device: Option<DeviceId>,
    /// It came late, and nobody has decided about it.
    late: bool,
}

impl World {
    pub(super) fn check_everything(&mut self) {
        let look = self.network.borrow().look();
        self.check_documents(&look);
        self.check_chain_of_owners(&look);
        self.check_names(&look);
        self.check_fates();
        self.check_phones();
        self.check_replay(&look);
        self.check_audit(&look);
    }

    /// I3: every document's row is the fold of its changes, conflicts included. No late value covers another.
    fn check_documents(&self, look: &Connection) {
        let sql = "SELECT document_id, kind, fields, conflicts FROM document";
        let rows: Vec<(Vec<u8>, u8, String, Option<String>)> = all(look, sql, [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        });
        for (id, kind, fields, conflicts) in rows {
            let kind = Kind::from_number(kind).expect("a kind");
            let (document, entries) = fold(look, &id, kind);
            let attribution = |change| {
                let entry: &Entry = entries.get(&change)?;
                let (author, device) = (entry.author, entry.device);
                Some(Attribution { author, device })
            };
            let projection = project(document.state(), attribution);
            let stored: Json = serde_json::from_str(&fields).expect("JSON");
            let id = hex::encode(id);
            if Json::Object(projection.fields) != stored {
                self.broken(
                    Promise::I3,
                    format!("the row of document {id} is not the fold of its changes"),
                );
            }
            let told = conflicts.map_or_else(BTreeSet::new, |text| names_of(&text));
            let seen = disagreements(document.state());
            if told != seen {
                self.broken(
                    Promise::I3,
                    format!("document {id} has different values for {seen:?} and tells of {told:?}"),
                );
            }
            if let Some(field) = covered_by_late(document.state(), &entries) {
                self.broken(
                    Promise::Late,
                    format!("a late value covers another in {field} of document {id}"),
                );
            }
        }
    }

    /// Each event begins where the one before ended, and the last is where the customer is.
    fn check_chain_of_owners(&self, look: &Connection) {
        type Id = Option<Vec<u8>>;
        let sql = "SELECT customer_id, from_owner_id, from_pool_id, to_owner_id, to_pool_id FROM ownership_event
                   WHERE document_id IS NULL ORDER BY seq";
        let rows: Vec<(Vec<u8>, Id, Id, Id, Id)> = all(look, sql, [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        });
        let mut last: BTreeMap<Vec<u8>, (Id, Id)> = BTreeMap::new();
        for (customer, from_owner, from_pool, to_owner, to_pool) in rows {
            let before = last
                .insert(customer.clone(), (to_owner, to_pool))
                .unwrap_or((None, None));
            if before != (from_owner, from_pool) {
                let customer = hex::encode(customer);
                self.broken(Promise::Owners, format!("the chain of owners of {customer} is broken"));
            }
        }
        let taken = "SELECT COUNT(*) FROM ownership_event WHERE event = 'claim' AND from_pool_id IS NULL";
        if count(look, taken, []) > 0 {
            self.broken(Promise::Owners, "a claim has taken a customer from its owner");
        }
        for (customer, end) in last {
            let sql = "SELECT owner_id, pool_id FROM customer WHERE customer_id = ?1";
            let now: Option<(Id, Id)> = one(look, sql, [&customer], |row| Ok((row.get(0)?, row.get(1)?)));
            if now != Some(end) {
                let customer = hex::encode(customer);
                self.broken(
                    Promise::Owners,
                    format!("customer {customer} is not where its chain ends"),
                );
            }
        }
    }

    /// I7: a name stands for one change, and an actor for one device.
    fn check_names(&self, look: &Connection) {
        let twice = "SELECT COUNT(*) FROM
                     (SELECT 1 FROM change GROUP BY document_id, actor, seq HAVING COUNT(*) > 1)";
        if count(look, twice, []) > 0 {
            self.broken(Promise::I7, "two changes of the log have one name");
        }
        let foreign = "SELECT COUNT(*) FROM change c JOIN actor a ON a.org_id = c.org_id AND a.actor = c.actor
                       WHERE c.device_id IS NOT NULL AND a.device_id IS NOT c.device_id";
        if count(look, foreign, []) > 0 {
            self.broken(Promise::I7, "a device has written under another's actor");
        }
    }

    /// I9: what was answered before changes nothing when it arrives again, with a token that is good.
    fn check_replay(&mut self, look: &Connection) {
        let before = counts(look);
        let answered = self.network.borrow().answered.clone();
        for requests in answered.into_values() {
            let token = requests.last().and_then(|request| request.token.clone());
            for mut request in requests {
                request.token.clone_from(&token);
                let _ = self.network.borrow_mut().call(&request, super::watch::Way::Stray);
            }
        }
        let after = counts(look);
        if after != before {
            self.broken(
                Promise::I9,
                format!("a replay changed the server: {before:?} became {after:?}"),
            );
        }
    }
}

pub(super) fn fold(look: &Connection, id: &[u8], kind: Kind) -> (Document, BTreeMap<ChangeId, Entry>) {
    let sql = "SELECT c.actor, c.seq, c.hash, c.body, c.author_id, c.device_id, c.log_seq, c.late AND r.seq IS NULL
               FROM change c LEFT JOIN refusal r ON r.org_id = c.org_id AND r.document_id = c.document_id
                    AND r.actor = c.actor AND r.seq = c.seq
               WHERE c.org_id = (SELECT org_id FROM organisation) AND c.document_id = ?1 ORDER BY c.log_seq";
    let uuid = |bytes: Vec<u8>| Uuid::from_slice(&bytes).expect("an id");
    let rows = all(look, sql, [id], |row| {
        let entry = Entry {
            author: UserId(uuid(row.get(4)?)),
            device: row.get::<_, Option<Vec<u8>>>(5)?.map(|device| DeviceId(uuid(device))),
            place: row.get(6)?,
            late: row.get(7)?,
        };
        let name: (Vec<u8>, i64) = (row.get(0)?, row.get(1)?);
        Ok((name, row.get::<_, Vec<u8>>(2)?, row.get::<_, Vec<u8>>(3)?, entry))
    });
    let mut document = Document::new(kind);
    let mut entries = BTreeMap::new();
    for ((actor, seq), hash, body, entry) in rows {
        let change = oplist::decode(&body, kind).expect("an op-list");
        let built = admit(&mut document, change, body.len(), Trial::Build).expect("the log fits together");
        assert_eq!(built.hash, ChangeHash::from_slice(&hash).expect("a hash"));
        let id = ChangeId {
            actor: ActorId::from_slice(&actor).expect("an actor"),
            seq: seq.cast_unsigned(),
        };
        entries.insert(id, entry);
    }
    (document, entries)
}

/// Every register of a document that people see, by the name of its field.
fn registers(state: &DocumentState) -> Vec<(String, &Register)> {
    let mut found = Vec::new();
    let mut add = |object: ObjectId, prefix: &str| {
        for (key, register) in state.registers(object) {
            found.push((format!("{prefix}{key}"), register));
        }
    };
    add(None, "");
    for field in state.kind().containers() {
        if let Some(container) = state.container(field.key) {
            add(Some(container), &format!("{}.", field.key));
        }
    }
    found.retain(|(name, _)| state.kind().field(name.split('.').next().unwrap_or_default()).is_some());
    found
}

/// Fields for which different values stand side by side.
fn disagreements(state: &DocumentState) -> BTreeSet<String> {
    let differ = |register: &Register| {
        let visible = register.visible();
        visible.iter().any(|entry| entry.content != visible[0].content)
    };
    let registers = registers(state).into_iter();
    registers
        .filter(|(_, register)| differ(register))
        .map(|(name, _)| name)
        .collect()
}

fn names_of(conflicts: &str) -> BTreeSet<String> {
    let json: Json = serde_json::from_str(conflicts).expect("JSON");
    let fields = json
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|conflict| conflict["field"].as_str());
    fields.map(str::to_owned).collect()
}

/// A field in which a late value stands above the one other that was there before it.
fn covered_by_late(state: &DocumentState, entries: &BTreeMap<ChangeId, Entry>) -> Option<String> {
    registers(state).into_iter().find_map(|(name, register)| {
        let once = state.kind().field(&name).is_some_and(|field| field.write_once);
        let visible: Vec<_> = register
            .visible()
            .into_iter()
            .filter_map(|entry| Some((&entry.content, entries.get(&state.change_of(entry.id)?)?)))
            .collect();
        let (shown, winner) = visible.first()?;
        let mut others = visible.iter().filter(|(content, _)| content != shown);
        let (_, other) = others.next()?;
        let covered = winner.late
            && !once
            && others.next().is_none()
            && !other.late
            && other.author != winner.author
            && other.place < winner.place;
        covered.then_some(name)
    })
}

/// Orders to drop are not among it: they are made by reading, and an old cursor reads what has been lost since.
fn counts(look: &Connection) -> Vec<i64> {
    let tables = [
        "change",
        "refusal",
        "intent",
        "document",
        "customer",
        "ownership_event",
        "scope_member",
        "viewer_scope",
        "actor",
        "proposal",
        "handover",
    ];
    let count_of = |table: &&str| count(look, &format!("SELECT COUNT(*) FROM {table}"), []);
    tables.iter().map(count_of).collect()
}
