//! From rows to what the engine keeps.

use rusqlite::Row;
use sync_core::{
    document::{ChangeId, Kind},
    replica::{AccessRow, DocumentRow, IntentRow, OutboxEntry, Provisional, StoredChange, TrayEntry},
    visibility::ClassRights,
};

use super::{StoreError, columns as c};

/// A row that SQLite could read; what it says may still be damaged.
pub(super) type Read<T> = rusqlite::Result<Result<T, StoreError>>;

pub(super) fn document(row: &Row<'_>) -> Read<DocumentRow> {
    let fields: String = row.get("fields")?;
    let conflicts: Option<String> = row.get("conflicts")?;
    let damaged = |_| StoreError::Damaged("a document");
    let fields = serde_json::from_str(&fields).map_err(damaged);
    let conflicts = conflicts.map_or_else(|| Ok(Vec::new()), |json| serde_json::from_str(&json).map_err(damaged));
    let (fields, conflicts) = match (fields, conflicts) {
        (Ok(fields), Ok(conflicts)) => (fields, conflicts),
        (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
    };
    Ok(Ok(DocumentRow {
        id: c::id(row, "id")?,
        customer: c::id(row, "customer")?,
        kind: row.get("kind")?,
        author: c::id_or_none(row, "author")?,
        device: c::id_or_none(row, "device")?,
        responsible: c::id_or_none(row, "responsible")?,
        created_at: c::time(row, "created_at")?,
        received_at: c::time_or_none(row, "received_at")?,
        late: row.get("late")?,
        gone: row.get("gone")?,
        checked_in_by: c::id_or_none(row, "checked_in_by")?,
        fields,
        conflicts,
    }))
}

pub(super) fn change(row: &Row<'_>) -> rusqlite::Result<StoredChange> {
    Ok(StoredChange {
        id: ChangeId {
            actor: c::id(row, "actor")?,
            seq: c::counter(row, "seq")?,
        },
        hash: c::id(row, "hash")?,
        body: row.get("body")?,
        author: c::id_or_none(row, "author")?,
        device: c::id_or_none(row, "device")?,
        received_at: c::time_or_none(row, "received_at")?,
        late: row.get("late")?,
    })
}

pub(super) fn outbox(row: &Row<'_>) -> Read<OutboxEntry> {
    let kind = Kind::from_number(row.get("kind")?).ok_or(StoreError::Damaged("an outbox entry"));
    let edits = c::unpacked(row.get_ref("edits")?.as_blob()?, "an outbox entry");
    let (kind, edits) = match (kind, edits) {
        (Ok(kind), Ok(edits)) => (kind, edits),
        (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
    };
    Ok(Ok(OutboxEntry {
        id: row.get("id")?,
        document: c::id(row, "document")?,
        customer: c::id(row, "customer")?,
        kind,
        change: ChangeId {
            actor: c::id(row, "actor")?,
            seq: c::counter(row, "seq")?,
        },
        hash: c::id(row, "hash")?,
        body: row.get("body")?,
        edits,
        at: c::time(row, "at")?,
        with_hash: row.get("with_hash")?,
        hold: row.get("hold")?,
        chain: row.get("chain")?,
        reoffer: row.get("reoffer")?,
        reason: row.get("reason")?,
    }))
}

pub(super) fn tray(row: &Row<'_>) -> Read<TrayEntry> {
    let edits = match c::unpacked(row.get_ref("edits")?.as_blob()?, "a tray entry") {
        Ok(edits) => edits,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Ok(TrayEntry {
        id: row.get("id")?,
        document: c::id_or_none(row, "document")?,
        customer: c::id(row, "customer")?,
        kind: row.get("kind")?,
        edits,
        at: c::time(row, "at")?,
        verdict: row.get("verdict")?,
        reason: row.get("reason")?,
        owner: c::id_or_none(row, "owner")?,
        since: c::time_or_none(row, "since")?,
    }))
}

pub(super) fn intent(row: &Row<'_>) -> Read<IntentRow> {
    let intent = match c::unpacked(row.get_ref("body")?.as_blob()?, "an intent") {
        Ok(intent) => intent,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Ok(IntentRow {
        intent,
        outcome: row.get("outcome")?,
        reason: row.get("reason")?,
        hold: row.get("hold")?,
    }))
}

pub(super) fn access(row: &Row<'_>) -> rusqlite::Result<AccessRow> {
    let provisional: Option<String> = row.get("provisional")?;
    Ok(AccessRow {
        customer: c::id(row, "customer")?,
        rights: ClassRights::from_bits(c::counter(row, "rights")?),
        relations: c::relations(row.get("relations")?),
        owner: c::id_or_none(row, "owner")?,
        pool: c::id_or_none(row, "pool")?,
        team: c::id_or_none(row, "team")?,
        version: c::counter(row, "version")?,
        lost: row.get::<_, Option<i64>>("lost")?.map(i64::unsigned_abs),
        trim: row.get("trim")?,
        provisional: provisional.as_deref().and_then(provisional_of),
    })
}

fn provisional_of(word: &str) -> Option<Provisional> {
    match word {
        "create" => Some(Provisional::Create),
        "claim" => Some(Provisional::Claim),
        "release" => Some(Provisional::Release),
        _ => None,
    }
}

pub(super) const fn provisional_word(provisional: Provisional) -> &'static str {
    match provisional {
        Provisional::Create => "create",
        Provisional::Claim => "claim",
        Provisional::Release => "release",
    }
}
