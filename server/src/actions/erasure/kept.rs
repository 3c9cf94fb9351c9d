//! The list of erasures outside the database: a backup put back over today's data brings erased people with it, so who was
//! erased is read from here and erased again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use crate::storage::{Database, erasures::ErasureRow};

/// The list's file in the folder of the embedded database.
const FILE_NAME: &str = "erasures.json";
/// Bytes of a list at most: a quarter of a kilobyte each, so that many times more people than any organisation knows fit.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Why a list cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The file cannot be read or written.
    #[error("the list of erasures {path} cannot be used: {source}")]
    File {
        /// Which file.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is no list of erasures.
    #[error(
        "{path} is no list of erasures ({reason}); nothing was done. Give the file that `admin erase list` wrote, or that \
         lay beside the database"
    )]
    Unreadable {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// Writes the list beside the embedded database, in place of the one there. Without effect on PostgreSQL, which has no
/// folder: `admin erase list` writes it where the operator wants it.
///
/// # Errors
/// [`KeptError::File`]; the earlier list is still there then.
pub fn keep_beside(database: &Database, erasures: &[ErasureRow]) -> Result<(), KeptError> {
    let Some(folder) = database.folder() else {
        return Ok(());
    };
    let path = folder.join(FILE_NAME);
    let failed = |source| KeptError::File {
        path: path.display().to_string(),
        source,
    };
    let unfinished = path.with_extension("unfinished");
    let text = serde_json::to_vec(erasures).map_err(|error| failed(error.into()))?;
    let mut file = create_private(&unfinished).map_err(failed)?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&unfinished, &path))
        // The name too is on the disk before anything relies on it.
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(failed)
}

/// Whether a file is such a list, which may lie in a folder that has no database yet.
#[must_use]
pub fn is_kept(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == FILE_NAME)
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Reads a list: that of a folder (none if it has none), or a file by its name.
///
/// # Errors
/// [`KeptError`].
pub fn read_kept(path: &Path) -> Result<Vec<ErasureRow>, KeptError> {
    let path = &if path.is_dir() {
        let path = path.join(FILE_NAME);
        if !path.exists() {
            return Ok(Vec::new());
        }
        path
    } else {
        path.to_path_buf()
    };
    let name = || path.display().to_string();
    let failed = |source| KeptError::File { path: name(), source };
    if fs::metadata(path).map_err(failed)?.len() > BYTES_MAX {
        return Err(KeptError::Unreadable {
            path: name(),
            reason: "it is too large".to_owned(),
        });
    }
    serde_json::from_slice(&fs::read(path).map_err(failed)?).map_err(|error| KeptError::Unreadable {
        path: name(),
        reason: error.to_string(),
    })
}
