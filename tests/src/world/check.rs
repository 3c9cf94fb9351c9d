//! The promises, checked when everybody has come to rest.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value as Json;
use sync_core::{
    document::{ChangeId, Document, Kind},
    ids::{ActorId, ChangeHash, DeviceId, DocumentId, UserId},
    projection::{Attribution, project},
    protocol::oplist,
    replica::Store as _,
};
use uuid::Uuid;

use super::{World, oracle};

impl World {
    pub(super) fn check_everything(&mut self) {
        let look = self.network.borrow().look();
        self.check_server(&look);
        self.check_chain_of_owners(&look);
        self.check_fates(&look);
        for handset in 0..self.handsets.len() {
            if !self.is_locked_out(handset) {
                self.check_phone(&look, handset);
            }
        }
        self.check_replay(&look);
    }

    /// Every document's row is the fold of its changes.
    fn check_server(&self, look: &Connection) {
        let mut statement = look
            .prepare("SELECT document_id, kind, fields FROM document")
            .expect("documents can be listed");
        let rows: Vec<(Vec<u8>, u8, String)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .expect("documents are listed")
            .collect::<Result<_, _>>()
            .expect("rows are read");
        for (id, kind, fields) in rows {
            let kind = Kind::from_number(kind).expect("a kind");
            let (document, attributions) = fold(look, &id, kind);
            let projection = project(document.state(), |change| attributions.get(&change).copied());
            let stored: Json = serde_json::from_str(&fields).expect("JSON");
            if Json::Object(projection.fields) != stored {
                self.fail(&format!(
                    "the row of document {} is not the fold of its changes",
                    hex::encode(&id)
                ));
            }
        }
    }

    /// Each event begins where the one before ended, and the last is where the customer is.
    fn check_chain_of_owners(&self, look: &Connection) {
        let mut statement = look
            .prepare(
                "SELECT customer_id, from_owner_id, from_pool_id, to_owner_id, to_pool_id FROM ownership_event
                 WHERE event <> 'responsible' ORDER BY seq",
            )
            .expect("events can be listed");
        type Id = Option<Vec<u8>>;
        let rows: Vec<(Vec<u8>, Id, Id, Id, Id)> = statement
            .query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })
            .expect("events are listed")
            .collect::<Result<_, _>>()
            .expect("rows are read");
        let mut last: BTreeMap<Vec<u8>, (Id, Id)> = BTreeMap::new();
        for (customer, from_owner, from_pool, to_owner, to_pool) in rows {
            let before = last
                .insert(customer.clone(), (to_owner, to_pool))
                .unwrap_or((None, None));
            if before != (from_owner, from_pool) {
                self.fail(&format!("the chain of owners of {} is broken", hex::encode(customer)));
            }
        }
        for (customer, (owner, pool)) in last {
            let now: (Id, Id) = look
                .query_row(
                    "SELECT owner_id, pool_id FROM customer WHERE customer_id = ?1",
                    [&customer],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .expect("a customer");
            if now != (owner, pool) {
                self.fail(&format!(
                    "customer {} is not where its chain ends",
                    hex::encode(customer)
                ));
            }
        }
    }

    /// Nothing recorded is nowhere, and everything ends in exactly one verdict.
    fn check_fates(&mut self, look: &Connection) {
        for handset in 0..self.handsets.len() {
            let open: Vec<i64> = self.handsets[handset]
                .phone
                .store_mut()
                .read::<_, mobile_ffi::store::StoreError>(|tx| tx.outbox())
                .expect("an outbox")
                .iter()
                .map(|entry| entry.id)
                .collect();
            let slot = &self.handsets[handset];
            let mut finals: BTreeMap<i64, &str> = BTreeMap::new();
            for (entry, verdict) in &slot.settled {
                if *verdict == "retry" {
                    continue;
                }
                if finals.insert(*entry, verdict).is_some() {
                    self.fail(&format!("entry {entry} of phone {handset} got two final verdicts"));
                }
                self.tally.refused += u64::from(*verdict != "accepted");
            }
            for (entry, document, change) in &slot.seen {
                if open.contains(entry) {
                    if !self.is_locked_out(handset) {
                        self.fail(&format!("entry {entry} of phone {handset} was never decided"));
                    }
                    continue;
                }
                let verdict = finals.get(entry).copied();
                let logged = is_logged(look, *document, *change);
                if verdict == Some("accepted") && !logged {
                    self.fail(&format!(
                        "entry {entry} of phone {handset} was acknowledged and is not in the log"
                    ));
                }
                if !logged && !is_refused(look, *document, *change) && !has_refusal(look, *document) {
                    self.fail(&format!(
                        "entry {entry} of phone {handset} (document {document}) is nowhere"
                    ));
                }
            }
        }
    }

    /// A phone holds exactly what the policy lets its person read, as the server has it.
    fn check_phone(&mut self, look: &Connection, handset: usize) {
        let user = self.user_of(handset);
        let mut statement = look
            .prepare("SELECT document_id, fields FROM document")
            .expect("documents can be listed");
        let rows: Vec<(Vec<u8>, String)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("documents are listed")
            .collect::<Result<_, _>>()
            .expect("rows are read");
        let mut expected = 0;
        for (id, fields) in rows {
            let document = DocumentId(Uuid::from_slice(&id).expect("an id"));
            let may = oracle::may_read(look, user, document);
            let held = self.handsets[handset]
                .phone
                .store_mut()
                .read::<_, mobile_ffi::store::StoreError>(|tx| tx.document(document))
                .expect("the phone's row is read");
            expected += usize::from(may);
            match held {
                Some(_) if !may => self.fail(&format!(
                    "phone {handset} still holds {document}, which {user} may not read: {}",
                    oracle::explain(look, user, document)
                )),
                None if may => self.fail(&format!(
                    "phone {handset} lacks {document}, which {user} may read: {}",
                    oracle::explain(look, user, document)
                )),
                Some(row) => {
                    let stored: Json = serde_json::from_str(&fields).expect("JSON");
                    if Json::Object(row.fields.clone()) != stored {
                        self.fail(&format!(
                            "phone {handset} shows {document} as {} and the server as {stored}",
                            Json::Object(row.fields)
                        ));
                    }
                }
                None => {}
            }
        }
        let store = self.handsets[handset].phone.store_mut();
        let held = store
            .read::<_, mobile_ffi::store::StoreError>(|tx| tx.known_documents())
            .expect("documents are listed");
        // What was refused stays visible where it was made, beside the tray that says why.
        let refused = store
            .read::<_, mobile_ffi::store::StoreError>(|tx| tx.tray())
            .expect("the tray is read");
        let refused = |document: DocumentId| refused.iter().any(|entry| entry.document == Some(document));
        let extra: Vec<_> = held
            .iter()
            .filter(|document| !exists_document(look, **document))
            .copied()
            .collect();
        let expected = expected + extra.len();
        if let Some(document) = extra.iter().find(|document| !refused(**document)) {
            let row = self.handsets[handset]
                .phone
                .store_mut()
                .read::<_, mobile_ffi::store::StoreError>(|tx| tx.document(*document));
            self.fail(&format!(
                "phone {handset} holds {document}, which the server does not have: {row:?}"
            ));
        }
        if held.len() != expected {
            self.fail(&format!(
                "phone {handset} holds {} documents instead of {expected}",
                held.len()
            ));
        }
    }

    /// What was answered before changes nothing when it arrives again.
    fn check_replay(&mut self, look: &Connection) {
        let before = counts(look);
        let answered = self.network.borrow().answered.clone();
        for request in answered.values() {
            let _ = self.network.borrow_mut().call(request, None);
        }
        if counts(look) != before {
            self.fail(&format!(
                "a replay changed the server: {before:?} became {:?}",
                counts(look)
            ));
        }
    }
}

fn fold(look: &Connection, id: &[u8], kind: Kind) -> (Document, BTreeMap<ChangeId, Attribution>) {
    let mut statement = look
        .prepare(
            "SELECT actor, seq, hash, body, author_id, device_id FROM change WHERE document_id = ?1 ORDER BY log_seq",
        )
        .expect("changes can be listed");
    type Row = (Vec<u8>, i64, Vec<u8>, Vec<u8>, Vec<u8>, Option<Vec<u8>>);
    let rows: Vec<Row> = statement
        .query_map([id], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
            ))
        })
        .expect("changes are listed")
        .collect::<Result<_, _>>()
        .expect("rows are read");
    let mut document = Document::new(kind);
    let mut attributions = BTreeMap::new();
    for (actor, seq, hash, body, author, device) in rows {
        let change = oplist::decode(&body, kind).expect("an op-list");
        let built = sync_core::airlock::admit(&mut document, change, body.len(), sync_core::airlock::Trial::Build)
            .expect("the log fits together");
        assert_eq!(built.hash, ChangeHash::from_slice(&hash).expect("a hash"));
        let id = ChangeId {
            actor: ActorId::from_slice(&actor).expect("an actor"),
            seq: seq.cast_unsigned(),
        };
        let author = UserId(Uuid::from_slice(&author).expect("an id"));
        let device = device.map(|device| DeviceId(Uuid::from_slice(&device).expect("an id")));
        attributions.insert(id, Attribution { author, device });
    }
    (document, attributions)
}

fn is_logged(look: &Connection, document: DocumentId, change: ChangeId) -> bool {
    exists(
        look,
        "SELECT 1 FROM change WHERE document_id = ?1 AND actor = ?2 AND seq = ?3",
        document,
        change,
    )
}

fn is_refused(look: &Connection, document: DocumentId, change: ChangeId) -> bool {
    exists(
        look,
        "SELECT 1 FROM refusal WHERE document_id = ?1 AND actor = ?2 AND seq = ?3",
        document,
        change,
    )
}

fn exists(look: &Connection, sql: &str, document: DocumentId, change: ChangeId) -> bool {
    look.query_row(
        sql,
        params![document.as_bytes(), change.actor.0, change.seq.cast_signed()],
        |_| Ok(()),
    )
    .optional()
    .expect("a look")
    .is_some()
}

fn exists_document(look: &Connection, document: DocumentId) -> bool {
    look.query_row(
        "SELECT 1 FROM document WHERE document_id = ?1",
        [document.as_bytes()],
        |_| Ok(()),
    )
    .optional()
    .expect("a look")
    .is_some()
}

/// Something of the document was refused: what depended on it was issued again under another name.
fn has_refusal(look: &Connection, document: DocumentId) -> bool {
    look.query_row(
        "SELECT 1 FROM refusal WHERE document_id = ?1 LIMIT 1",
        [document.as_bytes()],
        |_| Ok(()),
    )
    .optional()
    .expect("a look")
    .is_some()
}

fn counts(look: &Connection) -> Vec<i64> {
    [
        "change",
        "refusal",
        "intent",
        "document",
        "customer",
        "ownership_event",
        "scope_member",
        "actor",
    ]
    .iter()
    .map(|table| {
        look.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0))
            .expect("a count")
    })
    .collect()
}
