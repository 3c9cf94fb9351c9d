//! The feed of changes: the organisation's log, as far as its reader may see each entry now.

use std::collections::BTreeMap;

use sync_core::{
    document::Kind,
    ids::{CustomerId, OrgId, UserId},
    visibility::RelationSet,
};
use uuid::Uuid;

use super::{ActionError, Code, customers::named, reader::Reader};
use crate::storage::{
    Database, Tx,
    reading::{self, LogEntry, LogWhat},
    viewers::Named,
};

/// Entries of the log read at a time.
const ENTRIES_PER_READ: i64 = 500;
/// Entries of the log that one request looks at: a reader of few of them comes back with the cursor.
const ENTRIES_PER_REQUEST: i64 = 5_000;

/// A place in the log of an organisation: behind this entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Which log; a new one begins after a restore.
    pub log: Uuid,
    /// The last entry that was looked at.
    pub seq: i64,
}

/// A page of the feed.
#[derive(Debug, Clone)]
pub struct Feed {
    /// The entries that the reader may see, in order.
    pub items: Vec<LogEntry>,
    /// How their authors are called.
    pub people: BTreeMap<UserId, Named>,
    /// From where to go on, also when nothing was new.
    pub next: Cursor,
}

/// Reads what happened after a cursor. The order of the log is the order of the commits and the head is read in the
/// same snapshot, so a reader misses nothing and sees nothing twice; what becomes visible to him later, by an
/// assignment, he learns by reading that customer.
///
/// # Errors
/// `cursor_reset` for a cursor of an older log, `account_not_active`, or the database's.
pub async fn read_feed(
    database: &Database,
    org: OrgId,
    user: UserId,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Feed, ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let (log, head) = reading::find_log(&mut tx, org)
        .await?
        .ok_or_else(|| ActionError::refused(Code::AccountNotActive))?;
    let mut seq = match after {
        Some(cursor) if cursor.log != log || cursor.seq > head => {
            return Err(ActionError::refused(Code::CursorReset));
        }
        Some(cursor) => cursor.seq.max(0),
        None => 0,
    };
    let (mut items, mut looked_at) = (Vec::new(), 0);
    let mut relations: BTreeMap<CustomerId, RelationSet> = BTreeMap::new();
    let full = |items: &Vec<LogEntry>| items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    while seq < head && looked_at < ENTRIES_PER_REQUEST && !full(&items) {
        let page = reading::list_log(&mut tx, org, seq, ENTRIES_PER_READ).await?;
        learn_relations(&mut tx, &reader, &page.entries, &mut relations).await?;
        looked_at += ENTRIES_PER_READ;
        // Numbers without an entry up to the end are passed over too.
        seq = page.end.unwrap_or(head);
        for entry in page.entries {
            let here = relations.get(&entry.customer).copied().unwrap_or_default();
            if is_visible(&reader, here, &entry) {
                let at = entry.seq;
                items.push(entry);
                if full(&items) {
                    seq = at;
                    break;
                }
            }
        }
    }
    let people = named(&mut tx, org, items.iter().map(|entry| entry.author)).await?;
    Ok(Feed {
        items,
        people,
        next: Cursor { log, seq },
    })
}

async fn learn_relations(
    tx: &mut Tx,
    reader: &Reader,
    entries: &[LogEntry],
    relations: &mut BTreeMap<CustomerId, RelationSet>,
) -> Result<(), ActionError> {
    let mut unknown: Vec<CustomerId> = entries
        .iter()
        .map(|entry| entry.customer)
        .filter(|customer| !relations.contains_key(customer))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    let found = reader.relations_of(tx, &unknown).await?;
    for customer in unknown {
        relations.insert(customer, found.get(&customer).copied().unwrap_or_default());
    }
    Ok(())
}

fn is_visible(reader: &Reader, relations: RelationSet, entry: &LogEntry) -> bool {
    let rights = reader.rights(relations);
    match &entry.what {
        LogWhat::Change { document, .. } => reader.document_rights(rights, document, entry.owner).may_read(),
        LogWhat::Event { .. } => rights.of(Kind::Card).may_read(),
    }
}
