//! Where a demonstration keeps everything, and how `rep --as` finds the one that runs.
//!
//! A folder belongs to a demonstration if its note says so; nothing else is ever emptied. The note holds the password of
//! the sample people, so only its owner may read it; so does the pointer in the system's folder for temporary files,
//! which names the folder of the demonstration started last.

use std::{
    env, fs,
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::{FolderError, Language, Person};

/// What this version writes. An older folder holds another story, or one that this version cannot go on with.
const FORMAT: u32 = 1;
const NOTE: &str = "demo.json";
const PREFIX: &str = "fieldpool-demo-";
/// What a demonstration puts into its folder, the note last: it is what is removed before a new one begins.
const CONTENTS: [&str; 7] = [
    "fieldpool.sqlite",
    "fieldpool.sqlite-wal",
    "fieldpool.sqlite-shm",
    "phones",
    "terminals",
    "server.lock",
    NOTE,
];

/// What stands in the folder beside the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The version of what is here.
    pub(crate) format: u32,
    /// The story was told to its end.
    pub(crate) is_ready: bool,
    /// The language it was told in.
    pub(crate) language: Language,
    /// What it was told from.
    pub(crate) seed: u64,
    /// Where the server listens; none before it did so first.
    pub(crate) url: Option<String>,
    /// Everybody's password, made of the system's randomness.
    pub(crate) password: String,
    /// Who works here.
    pub(crate) people: Vec<Person>,
}

/// A demonstration's folder.
pub(crate) struct DemoFolder {
    path: PathBuf,
    temporary: Option<TempDir>,
}

/// A running demonstration.
pub(crate) struct Found {
    pub(crate) folder: PathBuf,
    pub(crate) url: String,
    pub(crate) note: Note,
}

impl DemoFolder {
    /// A new folder among the system's temporary ones, removed when this value is dropped, unless it is kept.
    pub(crate) fn temporary() -> Result<Self, FolderError> {
        let parent = env::temp_dir();
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent);
        let folder = folder.map_err(|source| FolderError::Unusable { path: parent, source })?;
        Ok(Self {
            path: folder.path().to_owned(),
            temporary: Some(folder),
        })
    }

    /// A folder that stays: a new one, an empty one, or one with a demonstration, whose note is given. With `reset` a
    /// demonstration in it is removed first.
    pub(crate) fn open(path: &Path, reset: bool) -> Result<(Self, Option<Note>), FolderError> {
        let unusable = |source| FolderError::Unusable {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let folder = Self { path, temporary: None };
        if is_locked(&folder.path) {
            return Err(FolderError::Running(folder.path));
        }
        let note = folder.read_note()?;
        if note.is_some() && reset {
            folder.clear().map_err(unusable)?;
        }
        folder.probe().map_err(unusable)?;
        match note {
            None => Ok((folder, None)),
            Some(_) if reset => Ok((folder, None)),
            Some(note) if note.format != FORMAT => Err(FolderError::OtherVersion(folder.path)),
            Some(note) if !note.is_ready => Err(FolderError::Unfinished(folder.path)),
            note => Ok((folder, note)),
        }
    }

    /// The note; none in an empty folder.
    fn read_note(&self) -> Result<Option<Note>, FolderError> {
        let path = self.path.clone();
        match fs::read(path.join(NOTE)) {
            // A note that cannot be read whole is one of another version.
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(note) => Ok(Some(note)),
                Err(_) => Ok(Some(Note::begun(Language::En, 0, 0))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let entries = fs::read_dir(&path).and_then(|mut entries| entries.next().transpose());
                match entries {
                    Ok(None) => Ok(None),
                    Ok(Some(_)) => Err(FolderError::NotADemo(path)),
                    Err(source) => Err(FolderError::Unusable { path, source }),
                }
            }
            Err(source) => Err(FolderError::Unusable { path, source }),
        }
    }

    fn probe(&self) -> io::Result<()> {
        tempfile::Builder::new()
            .prefix(".probe")
            .tempfile_in(&self.path)
            .map(|_| ())
    }

    /// Where.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The store of a phone that goes on working.
    pub(crate) fn phones(&self) -> PathBuf {
        self.path.join("phones")
    }

    /// Whether it goes away with this value.
    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Keeps a temporary folder.
    pub(crate) fn keep(&mut self) {
        if let Some(folder) = self.temporary.take() {
            // The path is known already.
            let _ = folder.keep();
        }
    }

    /// Removes what a demonstration has put here.
    pub(crate) fn clear(&self) -> io::Result<()> {
        for name in CONTENTS {
            let path = self.path.join(name);
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes the note.
    pub(crate) fn write_note(&self, note: &Note) -> io::Result<()> {
        write_private(&self.path.join(NOTE), &serde_json::to_vec_pretty(note)?)
    }

    /// Makes this the demonstration that `rep --as` finds.
    pub(crate) fn announce(&self) -> io::Result<()> {
        write_private(&pointer(), self.path.display().to_string().as_bytes())
    }

    /// Takes that back, if it is still this one.
    pub(crate) fn withdraw(&self) {
        if fs::read(pointer()).is_ok_and(|bytes| bytes == self.path.display().to_string().as_bytes()) {
            // One that is gone already is what was wanted.
            let _ = fs::remove_file(pointer());
        }
    }
}

impl Note {
    /// The note of a story that is being told.
    pub(crate) fn begun(language: Language, seed: u64, format: u32) -> Self {
        Self {
            format,
            is_ready: false,
            language,
            seed,
            url: None,
            password: String::new(),
            people: Vec::new(),
        }
    }

    /// As this version writes it.
    pub(crate) fn new(language: Language, seed: u64) -> Self {
        Self::begun(language, seed, FORMAT)
    }
}

/// The demonstration that runs in this folder, or the one started last.
pub(crate) fn find_running(folder: Option<&Path>) -> Result<Found, FolderError> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => read_pointer().ok_or(FolderError::NoneRunning)?,
    };
    if !is_locked(&folder) {
        return Err(FolderError::NoneRunning);
    }
    let bytes = fs::read(folder.join(NOTE)).map_err(|_| FolderError::NoneRunning)?;
    let note: Note = serde_json::from_slice(&bytes).map_err(|_| FolderError::OtherVersion(folder.clone()))?;
    let url = note.url.clone().ok_or(FolderError::NoneRunning)?;
    Ok(Found { folder, url, note })
}

/// Somebody by his login, by his name in either language, or by a part of them that only he has.
pub(crate) fn find_person<'a>(people: &'a [Person], name: &str) -> Result<&'a Person, FolderError> {
    let wanted = name.trim().to_lowercase();
    let names = |person: &Person| {
        let all = std::iter::once(&person.login).chain(&person.also);
        all.map(|name| name.to_lowercase()).collect::<Vec<_>>()
    };
    let exact = people.iter().find(|person| names(person).contains(&wanted));
    let mut parts = people
        .iter()
        .filter(|person| !wanted.is_empty() && names(person).iter().any(|name| name.contains(&wanted)));
    let only = parts.next().filter(|_| parts.next().is_none());
    exact.or(only).ok_or_else(|| FolderError::UnknownName {
        name: name.to_owned(),
        people: people
            .iter()
            .map(|person| format!("{} ({})", person.login, person.name))
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// Whether a server runs on the folder.
fn is_locked(folder: &Path) -> bool {
    File::open(folder.join("server.lock"))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn pointer() -> PathBuf {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| env::var(name).ok());
    let user: String = user
        .unwrap_or_default()
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
        .collect();
    env::temp_dir().join(format!("{PREFIX}running-{user}"))
}

/// What the pointer says, if it is this user's: others may write there as well.
fn read_pointer() -> Option<PathBuf> {
    let owner = fs::symlink_metadata(pointer())
        .ok()
        .filter(fs::Metadata::is_file)?
        .uid();
    let own = tempfile::tempfile().and_then(|file| file.metadata()).ok()?.uid();
    let bytes = fs::read(pointer()).ok().filter(|_| owner == own)?;
    Some(PathBuf::from(String::from_utf8(bytes).ok()?))
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    // What an earlier attempt has left, or somebody has put there, is not written into.
    let _ = fs::remove_file(&part);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> Vec<Person> {
        let person = |login: &str, zh: &str, en: &str| Person {
            login: login.into(),
            name: zh.into(),
            also: vec![zh.into(), en.into()],
            role: "rep".into(),
        };
        vec![
            person("liwei", "李伟", "Li Wei"),
            person("liuyang", "刘洋", "Liu Yang"),
            person("grace", "Grace Miller", "Grace Miller"),
        ]
    }

    #[test]
    fn somebody_is_found_by_login_by_name_in_either_language_and_by_a_part_only_he_has() {
        let people = people();
        for name in ["liwei", "LiWei", "李伟", "Li Wei", "wei"] {
            assert_eq!(find_person(&people, name).unwrap().login, "liwei", "{name}");
        }
        assert_eq!(find_person(&people, "Grace").unwrap().login, "grace");
        for name in ["li", "", "nobody"] {
            let said = find_person(&people, name).unwrap_err().to_string();
            assert!(
                said.contains("unknown_name") && said.contains("liuyang (刘洋)"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_folder_with_something_else_is_left_alone_and_one_of_another_version_is_not_gone_on_with() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("x");
        assert!(DemoFolder::open(&path, false).unwrap().1.is_none());
        fs::write(path.join("letter.txt"), "dear").unwrap();
        for reset in [false, true] {
            let refused = DemoFolder::open(&path, reset).err().unwrap();
            assert!(matches!(refused, FolderError::NotADemo(_)), "{refused}");
        }
        let mut note = Note::new(Language::Zh, 1);
        note.format += 1;
        fs::write(path.join(NOTE), serde_json::to_vec(&note).unwrap()).unwrap();
        let refused = DemoFolder::open(&path, false).err().unwrap();
        assert!(refused.to_string().starts_with("demo_folder_old: "), "{refused}");
        fs::write(path.join(NOTE), "{}").unwrap();
        let refused = DemoFolder::open(&path, false).err().unwrap();
        assert!(matches!(refused, FolderError::OtherVersion(_)), "{refused}");
        // A reset removes what a demonstration writes, and nothing else.
        assert!(DemoFolder::open(&path, true).unwrap().1.is_none());
        assert!(path.join("letter.txt").is_file() && !path.join(NOTE).exists());
    }

    #[test]
    fn a_story_that_was_not_told_to_its_end_is_told_anew_only_when_asked() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, _) = DemoFolder::open(parent.path(), false).unwrap();
        folder.write_note(&Note::new(Language::En, 1)).unwrap();
        let refused = DemoFolder::open(parent.path(), false).err().unwrap();
        assert!(refused.to_string().starts_with("demo_unfinished: "), "{refused}");
        assert!(DemoFolder::open(parent.path(), true).unwrap().1.is_none());
    }
}
