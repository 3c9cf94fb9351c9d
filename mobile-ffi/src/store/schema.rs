//! The phone's tables. Versions follow one another; an older file is brought up in one transaction when it is opened.

use rusqlite::Connection;

use super::StoreError;

/// One text for each version; the place is the version before it.
const VERSIONS: [&str; 1] = [FIRST];

/// Ids are BLOBs of 16 bytes, times milliseconds, `fields` and `conflicts` JSON, edits and intents postcard.
const FIRST: &str = "
CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- What is shown: the server's documents with what is pending on top.
CREATE TABLE document (
    id BLOB NOT NULL PRIMARY KEY, customer BLOB NOT NULL, kind INTEGER NOT NULL,
    author BLOB, device BLOB, responsible BLOB,
    created_at INTEGER NOT NULL, received_at INTEGER, late INTEGER NOT NULL, gone INTEGER NOT NULL,
    checked_in_by BLOB, fields TEXT NOT NULL, conflicts TEXT, search TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX document_by_customer ON document (customer, kind);
CREATE INDEX document_gone ON document (id) WHERE gone;

-- What the server has, in the order it was learnt.
CREATE TABLE change (
    document BLOB NOT NULL, place INTEGER NOT NULL, actor BLOB NOT NULL, seq INTEGER NOT NULL,
    hash BLOB NOT NULL, body BLOB NOT NULL, author BLOB, device BLOB, received_at INTEGER, late INTEGER NOT NULL,
    PRIMARY KEY (document, place)
) WITHOUT ROWID;
CREATE UNIQUE INDEX change_by_name ON change (document, actor, seq);

-- What has no final verdict yet. Ids are never used again.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document BLOB NOT NULL, customer BLOB NOT NULL, kind INTEGER NOT NULL, actor BLOB NOT NULL, seq INTEGER NOT NULL,
    hash BLOB NOT NULL, body BLOB NOT NULL, edits BLOB NOT NULL, at INTEGER NOT NULL,
    with_hash INTEGER NOT NULL, hold INTEGER NOT NULL, chain INTEGER NOT NULL, reoffer INTEGER NOT NULL, reason TEXT
);
CREATE INDEX outbox_by_document ON outbox (document, id);
CREATE INDEX outbox_by_customer ON outbox (customer);
CREATE INDEX outbox_held ON outbox (document) WHERE hold;

CREATE TABLE tray (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document BLOB, customer BLOB NOT NULL, kind TEXT NOT NULL, edits BLOB NOT NULL, at INTEGER NOT NULL,
    verdict TEXT NOT NULL, reason TEXT NOT NULL, owner BLOB, since INTEGER
);
CREATE INDEX tray_by_document ON tray (document);
CREATE INDEX tray_by_customer ON tray (customer);

CREATE TABLE intent (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE, customer BLOB NOT NULL, body BLOB NOT NULL, outcome TEXT NOT NULL, reason TEXT,
    hold INTEGER NOT NULL
);
CREATE INDEX intent_pending ON intent (place) WHERE outcome = 'pending';
CREATE INDEX intent_by_customer ON intent (customer);

CREATE TABLE access (
    customer BLOB NOT NULL PRIMARY KEY, rights INTEGER NOT NULL, relations INTEGER NOT NULL,
    owner BLOB, pool BLOB, team BLOB, version INTEGER NOT NULL, lost INTEGER, trim INTEGER NOT NULL, provisional TEXT
) WITHOUT ROWID;
CREATE INDEX access_unfinished ON access (customer) WHERE lost IS NOT NULL OR trim;

CREATE TABLE confirmation (
    customer BLOB NOT NULL, lost_seq INTEGER NOT NULL, PRIMARY KEY (customer, lost_seq)
) WITHOUT ROWID;

CREATE TABLE wanted (document BLOB NOT NULL PRIMARY KEY, attempts INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE actor (actor BLOB NOT NULL PRIMARY KEY, user BLOB NOT NULL, device BLOB) WITHOUT ROWID;

-- Photos named by documents and kept beside the store until they are uploaded.
CREATE TABLE attachment (
    document BLOB NOT NULL, hash BLOB NOT NULL, bytes INTEGER NOT NULL, state TEXT NOT NULL, added_at INTEGER NOT NULL,
    PRIMARY KEY (document, hash)
) WITHOUT ROWID;
";

/// Brings the file up to this version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    if version(connection)? == VERSIONS.len() {
        return Ok(());
    }
    // Looked at again under the lock: another process may have been faster.
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let missing = VERSIONS.get(version(&tx)?..).ok_or(StoreError::Newer)?;
    for text in missing {
        tx.execute_batch(text)?;
    }
    tx.pragma_update(None, "user_version", i64::try_from(VERSIONS.len()).unwrap_or(i64::MAX))?;
    tx.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> Result<usize, StoreError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    usize::try_from(version).map_err(|_| StoreError::Newer)
}
