//! The phone's store: one SQLite file, written ahead and synchronised before a call returns.
//!
//! Everything the engine decides in one call is one transaction. What is deleted is overwritten (`secure_delete`).
//! The file is not encrypted in this version: [`Store::open_with_key`] refuses a key rather than ignore it, and
//! `unlock` is where a build with SQLCipher will set it.

mod columns;
mod lists;
mod rows;
mod schema;
mod transaction;
pub(crate) mod wipe;

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
#[cfg(unix)]
use sha2::{Digest, Sha256};

pub use lists::{CustomerEntry, CustomerMarks, IntentEntry, StoreCounts};
pub use transaction::StoreTx;
pub use wipe::Tombstone;

/// The database in a store's folder.
const DATABASE: &str = "phone.db";

/// Milliseconds to wait for another process that writes to the same store.
const BUSY_TIMEOUT_MS: u64 = 10_000;
/// Statements kept prepared: about as many as there are.
const STATEMENTS_MAX: usize = 128;
/// Where the private half of the device's key pair stands beside the engine's state.
pub(crate) const DEVICE_KEY: &str = "key";

/// Why the store fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full.
    #[error("the storage of this phone is full; free some space and try again, nothing recorded is lost")]
    Full,
    /// Written by a newer app.
    #[error("this store was written by a newer version of the app; install that version")]
    Newer,
    /// The folder is missing or cannot be used.
    #[error("the store in {folder} cannot be opened: {reason}")]
    Folder {
        /// Where.
        folder: String,
        /// Why.
        reason: String,
    },
    /// Everything that was here has been erased.
    #[error("this phone was wiped: nothing is left on it. Whoever works here can sign in on it anew with enroll")]
    Wiped,
    /// A key was given and this build cannot encrypt.
    #[error("this version of the app cannot encrypt its store yet; open it without a key, or not at all")]
    EncryptionUnavailable,
    /// A row does not hold what was written.
    #[error("the store of this phone is damaged: {0} cannot be read")]
    Damaged(&'static str),
    /// SQLite's.
    #[error("the phone's store failed: {0}")]
    Sqlite(rusqlite::Error),
}

impl StoreError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full => "storage_full",
            Self::Newer => "upgrade_required",
            Self::Folder { .. } => "store_not_found",
            Self::Wiped => "device_wiped",
            Self::EncryptionUnavailable => "encryption_unavailable",
            Self::Damaged(_) | Self::Sqlite(_) => "store_failed",
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ => Self::Sqlite(error),
        }
    }
}

/// The key of an encrypted store: 32 random bytes that the app keeps in the system's key store, not a password.
pub struct StoreKey(#[expect(dead_code, reason = "no build can encrypt yet")] [u8; StoreKey::BYTES]);

impl StoreKey {
    /// Bytes of a key.
    pub const BYTES: usize = 32;

    /// A key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreKey(…)")
    }
}

/// A phone's store, or what is left of one that was wiped.
#[derive(Debug)]
pub struct Store {
    state: State,
    folder: Option<PathBuf>,
    /// Which file is open, as long as it lies in its folder.
    file: Option<FileId>,
}

#[derive(Debug)]
enum State {
    Open(Connection),
    Wiped(Box<wipe::Remains>),
    /// Between an old file and what is there now.
    Closed,
}

/// Tells a file from another that has taken its name.
type FileId = (u64, u64);

/// The right to sync a store; given back when dropped, also by a killed process.
#[derive(Debug)]
pub struct SyncLease(#[expect(dead_code, reason = "holds the lock until it is dropped")] Option<File>);

impl Store {
    /// Opens the store in a folder, making both if they are missing. Of a phone that was wiped it opens what is left:
    /// everything but [`Self::tombstone`] answers [`StoreError::Wiped`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_with_key(folder, None)
    }

    /// As [`Self::open`], encrypted with this key where there is one.
    ///
    /// # Errors
    /// [`StoreError::EncryptionUnavailable`] for any key in this version: nothing has been made or opened then.
    pub fn open_with_key(folder: &Path, key: Option<&StoreKey>) -> Result<Self, StoreError> {
        if key.is_some() {
            return Err(StoreError::EncryptionUnavailable);
        }
        make_private_folder(folder).map_err(|error| refused(folder, &error))?;
        if let Some(remains) = wipe::resume(folder)? {
            return Ok(Self {
                state: State::Wiped(Box::new(remains)),
                folder: Some(folder.to_owned()),
                file: None,
            });
        }
        let connection = Connection::open(folder.join(DATABASE)).map_err(|error| refused(folder, &error))?;
        let mut store = Self::prepare(connection, key, Some(folder.to_owned()))?;
        // A process that was killed before it could begin.
        if store.read(wipe::noted)?.is_some()
            && let Some(_lease) = store.lease()?
        {
            store.wipe()?;
        } else {
            // What one that was killed had dropped and not yet overwritten.
            store.forget_deleted()?;
        }
        Ok(store)
    }

    /// Opens the store in a folder that must have one.
    ///
    /// # Errors
    /// [`StoreError::Folder`] if there is none.
    pub fn open_existing(folder: &Path) -> Result<Self, StoreError> {
        if Self::exists(folder) {
            Self::open(folder)
        } else {
            Err(refused(folder, &"there is no phone in it; enroll one first"))
        }
    }

    /// Whether a folder holds a phone, or what is left of one.
    #[must_use]
    pub fn exists(folder: &Path) -> bool {
        folder.join(DATABASE).is_file() || wipe::is_wiped(folder)
    }

    /// A store that lives as long as this value, for simulations.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_in_memory() -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?, None, None)
    }

    /// Writes a copy of this store into a folder that has none yet, as a phone that begins in memory and stays. The two
    /// must not both go on: they would speak as one device and part ways.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn copy_to(&self, folder: &Path) -> Result<(), StoreError> {
        let State::Open(connection) = &self.state else {
            return Err(StoreError::Wiped);
        };
        make_private_folder(folder).map_err(|error| refused(folder, &error))?;
        let file = folder.join(DATABASE).display().to_string();
        connection.execute("VACUUM INTO ?1", [file])?;
        Ok(())
    }

    fn prepare(
        mut connection: Connection,
        key: Option<&StoreKey>,
        folder: Option<PathBuf>,
    ) -> Result<Self, StoreError> {
        unlock(&connection, key)?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        schema::migrate(&mut connection)?;
        Ok(Self {
            state: State::Open(connection),
            file: folder.as_deref().and_then(file_id),
            folder,
        })
    }

    /// The connection, if the phone is still there. Another process may have wiped it since, or begun a new one.
    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        if let Some(folder) = &self.folder
            && (matches!(self.state, State::Closed) || self.file != file_id(folder))
        {
            let folder = folder.clone();
            self.close();
            *self = Self::open(&folder)?;
        }
        match &mut self.state {
            State::Open(connection) => Ok(connection),
            State::Wiped(_) | State::Closed => Err(StoreError::Wiped),
        }
    }

    /// The store's folder; none for one in memory.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// What tells the file from a copy of it, and from one put back from a backup; none for a store in memory, or where
    /// the system does not say.
    pub(crate) fn file_mark(&self) -> Option<[u8; 32]> {
        file_mark(self.folder.as_deref()?)
    }

    /// Whether the file is encrypted. Not in this version.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        false
    }

    /// Runs one step as one transaction: it is durable when this returns, or has not happened.
    ///
    /// # Errors
    /// The step's, or the store's.
    pub fn write<T, E: From<StoreError>>(
        &mut self,
        step: impl FnOnce(&mut StoreTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self
            .connection()?
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)?;
        let mut tx = StoreTx::new(transaction);
        let result = step(&mut tx)?;
        tx.commit()?;
        Ok(result)
    }

    /// Reads one state of the store.
    ///
    /// # Errors
    /// The step's, or the store's.
    pub fn read<T, E: From<StoreError>>(
        &mut self,
        step: impl FnOnce(&mut StoreTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.connection()?.transaction().map_err(StoreError::from)?;
        step(&mut StoreTx::new(transaction))
    }

    /// Takes the right to sync this store; `None` if somebody else has it, in this process or another.
    ///
    /// # Errors
    /// [`StoreError::Folder`] if the lock file cannot be made.
    pub fn lease(&self) -> Result<Option<SyncLease>, StoreError> {
        match &self.folder {
            Some(folder) => take_lease(folder),
            None => Ok(Some(SyncLease(None))),
        }
    }

    /// Empties the log of past pages, so that nothing that was dropped can be read from it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_deleted(&mut self) -> Result<(), StoreError> {
        // Busy (somebody reads) is no failure: the next checkpoint does it.
        self.connection()?
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .optional()?;
        Ok(())
    }
}

/// Where a build with SQLCipher gives its key, before anything else is said to the file.
fn unlock(_connection: &Connection, key: Option<&StoreKey>) -> Result<(), StoreError> {
    key.map_or(Ok(()), |StoreKey(_)| Err(StoreError::EncryptionUnavailable))
}

fn take_lease(folder: &Path) -> Result<Option<SyncLease>, StoreError> {
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(folder.join("sync.lock"))
        .map_err(|error| refused(folder, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(SyncLease(Some(file)))),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(refused(folder, &error)),
    }
}

fn refused(folder: &Path, reason: &dyn std::fmt::Display) -> StoreError {
    StoreError::Folder {
        folder: folder.display().to_string(),
        reason: reason.to_string(),
    }
}

/// Which file lies where the database should.
fn file_id(folder: &Path) -> Option<FileId> {
    let metadata = std::fs::metadata(folder.join(DATABASE)).ok()?;
    #[cfg(unix)]
    let id = {
        use std::os::unix::fs::MetadataExt;
        (metadata.dev(), metadata.ino())
    };
    // Elsewhere an open file cannot be replaced: that it is there is enough.
    #[cfg(not(unix))]
    let id = {
        let _ = metadata;
        (0, 0)
    };
    Some(id)
}

/// The file's number and the time at which it was made: neither travels with a copy.
#[cfg(unix)]
fn file_mark(folder: &Path) -> Option<[u8; 32]> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(folder.join(DATABASE)).ok()?;
    let made = metadata.created().ok();
    let made = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    let hash = Sha256::new()
        .chain_update(b"fieldpool install v1")
        .chain_update(metadata.ino().to_le_bytes())
        .chain_update(made.map_or(0, |made| made.as_nanos()).to_le_bytes());
    Some(hash.finalize().into())
}

#[cfg(not(unix))]
fn file_mark(_folder: &Path) -> Option<[u8; 32]> {
    None
}

fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_begins_in_memory_goes_on_in_a_folder_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("phone");
        let mut memory = Store::open_in_memory().unwrap();
        let put = |store: &mut Store, word: &[u8]| store.write::<_, StoreError>(|tx| tx.put_meta("word", word));
        put(&mut memory, b"kept").unwrap();
        memory.copy_to(&folder).unwrap();
        let mut copy = Store::open_existing(&folder).unwrap();
        assert_eq!(
            copy.read::<_, StoreError>(|tx| tx.meta("word")).unwrap().unwrap(),
            b"kept"
        );
        put(&mut copy, b"newer").unwrap();
        assert!(memory.copy_to(&folder).is_err());
        assert_eq!(
            copy.read::<_, StoreError>(|tx| tx.meta("word")).unwrap().unwrap(),
            b"newer"
        );
    }
}
