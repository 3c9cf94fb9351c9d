//! The directory as phones get it: JSON, its hash and the policy in it, made once for each version of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sync_core::{directory::Directory, ids::OrgId, visibility::Policies};

use super::{ActionError, Code};
use crate::{
    app::App,
    storage::{Tx, organisation},
};

/// Organisations whose directory is kept; with more than that all are made anew from time to time.
const ORGANISATIONS_MAX: usize = 256;

/// A directory ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryContent {
    /// [`sync_core::directory::Directory`] as JSON.
    pub json: Bytes,
    /// Its SHA-256, by which a phone says which one it has.
    pub sha256: [u8; 32],
    /// Who sees what, and saw before.
    pub policies: Policies,
    /// The same, read.
    pub directory: Directory,
}

/// The directory of an organisation as it is now.
///
/// # Errors
/// The database's; `not_found` for an organisation that does not exist.
pub async fn read_directory(app: &App, org: OrgId) -> Result<Arc<DirectoryContent>, ActionError> {
    let mut tx = app.database.read().await?;
    let found = organisation::find(&mut tx, org).await?;
    let found = found.ok_or_else(|| ActionError::refused(Code::NotFound))?;
    app.directories.get(&mut tx, org, found.directory_version).await
}

/// Directories in memory. Cheap to clone; clones share them.
#[derive(Clone, Default)]
pub struct Directories(Arc<Mutex<Kept>>);

/// By organisation: the version, and what it looks like.
type Kept = BTreeMap<OrgId, (i64, Arc<DirectoryContent>)>;

impl Directories {
    /// The directory of an organisation at this version, if it has been made.
    #[must_use]
    pub fn find(&self, org: OrgId, version: i64) -> Option<Arc<DirectoryContent>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&org)
            .filter(|(known, _)| *known == version)
            .map(|(_, content)| content.clone())
    }

    /// The directory of an organisation at a version that the caller has read in this transaction.
    ///
    /// # Errors
    /// The database's.
    pub async fn get(&self, tx: &mut Tx, org: OrgId, version: i64) -> Result<Arc<DirectoryContent>, ActionError> {
        if let Some(content) = self.find(org, version) {
            return Ok(content);
        }
        let mut directory = organisation::directory(tx, org).await?;
        let policies = directory.settings.policies();
        directory.settings.past_policies.clear();
        let json = serde_json::to_vec(&directory).map_err(|error| ActionError::Internal(error.to_string()))?;
        let content = Arc::new(DirectoryContent {
            sha256: Sha256::digest(&json).into(),
            json: json.into(),
            policies,
            directory,
        });
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= ORGANISATIONS_MAX {
            kept.clear();
        }
        kept.insert(org, (version, content.clone()));
        Ok(content)
    }
}
