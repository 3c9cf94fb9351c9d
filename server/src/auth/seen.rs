//! When devices were last heard: kept in memory and written once a minute, so that a sync without news writes nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use sync_core::{
    ids::{DeviceId, OrgId},
    time::Timestamp,
};

use crate::storage::{Database, StorageError, devices};

/// Devices remembered between two writings; beyond it the further ones are not noted, as it is a courtesy only.
const DEVICES_MAX: usize = 100_000;
/// Rows written in one transaction, so that others get their turn.
const BATCH: usize = 500;

/// Who was heard since the last writing. Cheap to clone; clones share the notes.
#[derive(Clone, Default)]
pub struct LastSeen(Arc<Mutex<BTreeMap<(OrgId, DeviceId), Timestamp>>>);

impl LastSeen {
    /// Notes that a device was heard.
    pub fn note(&self, org: OrgId, device: DeviceId, at: Timestamp) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < DEVICES_MAX || notes.contains_key(&(org, device)) {
            notes.insert((org, device), at);
        }
    }

    /// Writes the notes and begins anew.
    ///
    /// # Errors
    /// The driver's; what was not written is forgotten, the next message notes it again.
    pub async fn flush(&self, database: &Database) -> Result<(), StorageError> {
        let notes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let notes: Vec<_> = notes.into_iter().collect();
        for batch in notes.chunks(BATCH) {
            let mut tx = database.write().await?;
            for ((org, device), at) in batch {
                devices::record_seen(&mut tx, *org, *device, *at).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}
