//! Erasing a phone: the key of its data first, then its files, until nothing of any customer is left in the folder.
//!
//! Killed in the middle it goes on at the next start. The order is written into the store in the transaction that
//! decides it ([`note`]), then beside it in a file that outlives the store: the [`Tombstone`], which says ever after that
//! this phone was wiped. The device's own key, with which it proves itself to the server, is kept in a file of its own
//! until the server has heard that all is gone; nothing of anybody's data is under it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use rusqlite::config::DbConfig;
use serde::{Deserialize, Serialize};
use sync_core::{
    ids::{DeviceId, OrgId, UserId},
    time::Timestamp,
};

use super::{DATABASE, State, Store, StoreError, StoreTx};
use crate::seam::{die_at, steps};

/// Where the order stands while the store is still there.
const ORDER: &str = "wipe";
/// What is left of a phone that was wiped.
const TOMBSTONE: &str = "wiped.json";
/// The private half of the device's key pair, until the wipe is confirmed.
const DEVICE_KEY: &str = "device.key";
/// The key of an encrypted store. No build of this version makes one.
const STORE_KEY: &str = "store.key";
/// The database while it is being erased: whoever has it open notices that it is no longer there.
const ERASING: &str = "phone.db.erasing";
/// What SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["phone.db-wal", "phone.db-shm", "phone.db-journal"];
/// Bytes overwritten at a time.
const CHUNK: usize = 64 * 1024;

/// What is left of a phone that was wiped: whose it was, by whom it was wiped and when. Nothing of any customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The organisation.
    pub org: OrgId,
    /// The person.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// The server's address.
    pub server: String,
    /// Who wanted it: `server`, or `user` for one who logged out.
    pub by: String,
    /// Why: `offboarding`, `disabled`, `revoked` or `signed_out`.
    pub reason: String,
    /// When it was ordered, by the server's clock; none for a logout.
    pub ordered_at: Option<Timestamp>,
    /// When it was begun, by this device's clock.
    pub at: Timestamp,
    /// Changes that had not been sent and that the person gave up.
    pub discarded: u64,
    /// Nothing is left of what it held.
    pub erased: bool,
    /// The server has heard of it.
    pub confirmed: bool,
}

/// A tombstone, and the device's key until the server has heard of the wipe.
#[derive(Debug)]
pub(super) struct Remains {
    pub(super) tombstone: Tombstone,
    pub(super) key: Option<Vec<u8>>,
}

impl Store {
    /// What is left of a phone that was wiped; none of one that was not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tombstone(&mut self) -> Result<Option<&Tombstone>, StoreError> {
        match self.connection() {
            Ok(_) | Err(StoreError::Wiped) => {}
            Err(error) => return Err(error),
        }
        Ok(match &self.state {
            State::Wiped(remains) => Some(&remains.tombstone),
            State::Open(_) | State::Closed => None,
        })
    }

    /// The key of a device that was wiped, until the server has heard of it.
    pub(crate) fn key_of_wiped(&self) -> Option<&[u8]> {
        match &self.state {
            State::Wiped(remains) => remains.key.as_deref(),
            State::Open(_) | State::Closed => None,
        }
    }

    /// Erases everything, by the order that was noted in the store. Whoever calls holds the [lease](Self::lease).
    ///
    /// # Errors
    /// [`StoreError`]; it goes on when the store is opened again.
    pub(crate) fn wipe(&mut self) -> Result<(), StoreError> {
        let noted = self.read(|tx| Ok::<_, StoreError>((noted(tx)?, tx.meta(super::DEVICE_KEY)?)))?;
        let (Some(order), key) = noted else { return Ok(()) };
        self.close();
        let remains = match &self.folder {
            Some(folder) => erase(folder, order, key)?,
            None => Remains {
                tombstone: Tombstone { erased: true, ..order },
                key,
            },
        };
        self.state = State::Wiped(Box::new(remains));
        self.file = None;
        Ok(())
    }

    /// Notes that the server has heard of the wipe, and forgets the device's key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn confirm_wipe(&mut self) -> Result<(), StoreError> {
        if let State::Wiped(remains) = &mut self.state {
            remains.tombstone.confirmed = true;
            if let Some(folder) = &self.folder {
                confirm(folder, &remains.tombstone)?;
            }
            remains.key = None;
        }
        Ok(())
    }

    /// Makes an empty store where one was wiped.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn begin_anew(&mut self) -> Result<(), StoreError> {
        if self.tombstone()?.is_none() {
            return Ok(());
        }
        *self = match self.folder.clone() {
            Some(folder) => {
                forget(&folder)?;
                Self::open(&folder)?
            }
            None => Self::open_in_memory()?,
        };
        Ok(())
    }

    /// Closes the connection without writing anything to where its files were: others may lie there by now.
    pub(super) fn close(&mut self) {
        if let State::Open(connection) = &self.state {
            // A connection that cannot be told so has nothing to write either.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        self.state = State::Closed;
    }
}

/// Writes the order down in the transaction that decides it.
pub(crate) fn note(tx: &mut StoreTx<'_>, order: &Tombstone) -> Result<(), StoreError> {
    let order = serde_json::to_vec(order).map_err(|_| StoreError::Damaged("the order to wipe"))?;
    tx.put_meta(ORDER, &order)
}

/// The order that stands in a store.
pub(super) fn noted(tx: &mut StoreTx<'_>) -> Result<Option<Tombstone>, StoreError> {
    let Some(order) = tx.meta(ORDER)? else {
        return Ok(None);
    };
    serde_json::from_slice(&order)
        .map(Some)
        .map_err(|_| StoreError::Damaged("the order to wipe"))
}

/// Whether a folder holds what is left of a phone.
pub(super) fn is_wiped(folder: &Path) -> bool {
    folder.join(TOMBSTONE).is_file()
}

/// What is left in a folder, if its phone was wiped; erases what a killed process had not come to.
pub(super) fn resume(folder: &Path) -> Result<Option<Remains>, StoreError> {
    let text = match fs::read(folder.join(TOMBSTONE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(folder, &error)),
    };
    let mut tombstone: Tombstone =
        serde_json::from_slice(&text).map_err(|_| StoreError::Damaged("the note that it was wiped"))?;
    if !tombstone.erased
        && let Some(_lease) = super::take_lease(folder)?
    {
        erase_files(folder, &mut tombstone)?;
    }
    let key = fs::read(folder.join(DEVICE_KEY)).ok();
    Ok(Some(Remains { tombstone, key }))
}

/// Erases a folder's phone, whose connection is closed. Whoever calls holds the right to sync it.
pub(super) fn erase(folder: &Path, mut tombstone: Tombstone, key: Option<Vec<u8>>) -> Result<Remains, StoreError> {
    if let Some(key) = &key {
        write(folder, DEVICE_KEY, key).map_err(|error| failed(folder, &error))?;
    }
    die_at(steps::WIPE_KEY_KEPT);
    put(folder, &tombstone)?;
    die_at(steps::WIPE_MARKED);
    erase_files(folder, &mut tombstone)?;
    Ok(Remains { tombstone, key })
}

/// Writes down that the server has heard of the wipe; the device's key is of no use from then on.
pub(super) fn confirm(folder: &Path, tombstone: &Tombstone) -> Result<(), StoreError> {
    put(folder, tombstone)?;
    overwrite(&folder.join(DEVICE_KEY)).map_err(|error| failed(folder, &error))
}

/// Takes the tombstone away, for a phone that begins anew.
pub(super) fn forget(folder: &Path) -> Result<(), StoreError> {
    let gone = overwrite(&folder.join(DEVICE_KEY))
        .and_then(|()| overwrite(&folder.join(TOMBSTONE)))
        .and_then(|()| sync_folder(folder));
    gone.map_err(|error| failed(folder, &error))
}

fn put(folder: &Path, tombstone: &Tombstone) -> Result<(), StoreError> {
    let text = serde_json::to_vec(tombstone).map_err(|_| StoreError::Damaged("the note that it was wiped"))?;
    write(folder, TOMBSTONE, &text).map_err(|error| failed(folder, &error))
}

/// The key of the data first, then the data. What is gone already is what was wanted.
fn erase_files(folder: &Path, tombstone: &mut Tombstone) -> Result<(), StoreError> {
    let steps = || -> io::Result<()> {
        overwrite(&folder.join(STORE_KEY))?;
        die_at(steps::WIPE_STORE_KEY_ERASED);
        match fs::rename(folder.join(DATABASE), folder.join(ERASING)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        die_at(steps::WIPE_DATABASE_RENAMED);
        overwrite(&folder.join(ERASING))?;
        die_at(steps::WIPE_DATABASE_ERASED);
        for name in BESIDE {
            overwrite(&folder.join(name))?;
        }
        die_at(steps::WIPE_LOG_ERASED);
        erase_photos(&folder.join("photos"))?;
        sync_folder(folder)
    };
    steps().map_err(|error| failed(folder, &error))?;
    die_at(steps::WIPE_PHOTOS_ERASED);
    tombstone.erased = true;
    put(folder, tombstone)?;
    die_at(steps::WIPE_ERASED);
    Ok(())
}

fn erase_photos(photos: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(photos) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        // What somebody has put there that is no photo is not followed to where it points.
        if entry.file_type()?.is_file() {
            overwrite(&entry.path())?;
        }
    }
    // One that is not empty holds what this app has not put there.
    let _ = fs::remove_dir(photos);
    Ok(())
}

/// Overwrites a file with zeros and removes it. It is not made shorter first: others may have it mapped.
fn overwrite(file: &Path) -> io::Result<()> {
    let mut open = match OpenOptions::new().write(true).open(file) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut left = open.metadata()?.len();
    let zeros = [0; CHUNK];
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        open.write_all(&zeros[..length])?;
        left -= length as u64;
    }
    open.sync_all()?;
    fs::remove_file(file)
}

/// Writes a small file so that after a power cut it is there as a whole or not at all.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let part = folder.join(format!("{name}.part"));
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, folder.join(name))?;
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened, and the system keeps the order by itself.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn failed(folder: &Path, error: &io::Error) -> StoreError {
    StoreError::Folder {
        folder: folder.display().to_string(),
        reason: error.to_string(),
    }
}
