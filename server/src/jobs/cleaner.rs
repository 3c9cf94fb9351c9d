//! After somebody was erased the database's files are cleaned, so that no deleted bytes are left in them.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    actions::erasure,
    seam::Seam,
    storage::{Database, StorageError, erasures, leases},
};

/// How long what was erased may still lie in the files: some erasures in a row are cleaned away with one go.
const INTERVAL: Duration = Duration::from_secs(30);
/// The lease by which one node cleans for all.
const LEASE: &str = "cleaner";
/// How long a node that has died keeps the others from cleaning: longer than writing a large database anew takes.
const LEASE_MS: i64 = 30 * 60 * 1000;

/// Cleans for as long as it is polled.
pub async fn run(database: Database, seam: Seam) {
    let holder = seam.uuid();
    loop {
        if let Err(error) = clean(&database, &seam, holder).await {
            tracing::warn!(%error, "the files could not be cleaned of what was erased; it is tried again");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn clean(database: &Database, seam: &Seam, holder: Uuid) -> Result<(), StorageError> {
    // Looked at without writing: an idle server writes nothing.
    let mut tx = database.read().await?;
    let is_clean = !erasures::is_uncleaned(&mut tx).await?;
    drop(tx);
    if is_clean {
        return Ok(());
    }
    let mut tx = database.write().await?;
    let now = seam.now();
    if !leases::take(&mut tx, LEASE, holder, now, now.plus_ms(LEASE_MS)).await? {
        return Ok(());
    }
    tx.commit().await?;
    if erasure::clean(database, seam).await? {
        tracing::info!("the files were cleaned of what was erased");
    }
    Ok(())
}
