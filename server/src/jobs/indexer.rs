//! Full text is indexed after the commit, from the log: a push never waits for it, and what was pushed is found a
//! moment later.
//!
//! Each batch reads the changes above the organisation's position, indexes the documents they touched as these stand
//! now, and moves the position, in one transaction. A batch done twice or begun anew after a crash changes nothing.

use std::{sync::Arc, time::Duration};

use sync_core::{
    ids::DocumentId,
    projection::{bigram_text, searchable_text},
};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    seam::Seam,
    storage::{
        Database, StorageError, documents, leases,
        search::{self, Behind, Entry, Indexable},
    },
};

/// Changes of one batch, and so at most as many documents: some 30 ms of the embedded database's one writer.
const CHANGES_PER_BATCH: i64 = 500;
/// Organisations looked at in one round; the others follow in the next.
const ORGANISATIONS_PER_ROUND: i64 = 100;
/// How often the log is looked at when nobody wakes the indexer: other nodes and commands commit too.
const INTERVAL: Duration = Duration::from_secs(2);
/// After being woken, so long is waited for what comes next: many small pushes are then one batch, with one sync of the
/// disk, and one document written to several times is indexed once.
const GATHERING: Duration = Duration::from_millis(400);
/// The lease by which one node indexes for all.
const LEASE: &str = "indexer";
/// How long a node that has died keeps the others from indexing.
const LEASE_MS: i64 = 15_000;

/// Indexes for as long as it is polled.
pub async fn run(database: Database, seam: Seam, wake: Arc<Notify>) {
    let holder = seam.uuid();
    loop {
        if let Err(error) = catch_up(&database, &seam, holder).await {
            tracing::warn!(error = %error, "the search index could not be brought up to date; it is tried again");
        }
        // A wake-up while nobody waits is kept: nothing is missed.
        if tokio::time::timeout(INTERVAL, wake.notified()).await.is_ok() {
            tokio::time::sleep(GATHERING).await;
        }
    }
}

/// Indexes until nothing is left to do or another node holds the lease. Returns how many documents were written.
///
/// # Errors
/// The database's; what was committed before it stays.
pub async fn catch_up(database: &Database, seam: &Seam, holder: Uuid) -> Result<usize, StorageError> {
    let mut written = 0;
    loop {
        let mut tx = database.read().await?;
        let behind = search::list_behind(&mut tx, ORGANISATIONS_PER_ROUND).await?;
        drop(tx);
        if behind.is_empty() {
            return Ok(written);
        }
        for org in behind {
            match index_batch(database, seam, holder, org).await? {
                Some(count) => written += count,
                None => return Ok(written),
            }
        }
    }
}

// None: it is another node's turn.
async fn index_batch(
    database: &Database,
    seam: &Seam,
    holder: Uuid,
    behind: Behind,
) -> Result<Option<usize>, StorageError> {
    let Behind { org, position, head } = behind;
    let mut tx = database.read().await?;
    let end = search::batch_end(&mut tx, org, position, CHANGES_PER_BATCH, head).await?;
    let touched = search::list_touched(&mut tx, org, position, end).await?;
    drop(tx);
    // Cut before the write transaction begins: the embedded database has one writer.
    let mut entries: Vec<Entry> = touched.into_iter().map(entry).collect();
    let mut tx = database.write().await?;
    let now = seam.now();
    if !leases::take(&mut tx, LEASE, holder, now, now.plus_ms(LEASE_MS)).await? {
        return Ok(None);
    }
    if !search::advance(&mut tx, org, position, end).await? {
        return Ok(None);
    }
    // Who was erased since the words were read is not brought back by them.
    let ids: Vec<DocumentId> = entries.iter().map(|entry| entry.document).collect();
    let versions = documents::list_versions(&mut tx, org, &ids).await?;
    entries.retain(|entry| versions.get(&entry.document) != Some(&documents::ERASED));
    search::put(&mut tx, org, &entries).await?;
    tx.commit().await?;
    Ok(Some(entries.len()))
}

fn entry(document: Indexable) -> Entry {
    // What is no JSON has no words; `verify` reports it.
    let fields = serde_json::from_str(&document.fields).unwrap_or_default();
    Entry {
        document: document.document,
        customer: document.customer,
        kind: document.kind,
        bigrams: bigram_text(&searchable_text(&fields)),
    }
}
