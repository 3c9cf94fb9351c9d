//! The server's secrets, kept in the database so that all nodes share them.
//!
//! Made at the first start. Each purpose has one current key, with which things are made, and older ones with which
//! they are still checked until they are retired. A key is looked up by its id in memory only: what a stranger sends
//! as an id never reaches the database.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use sync_core::time::Timestamp;

use crate::{
    seam::Seam,
    storage::{Database, StorageError, keys as storage},
};

/// The shortest secret the server works with.
pub const SECRET_BYTES_MIN: usize = 32;

/// What a key is for; a key serves one purpose only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Signs phones' access tokens (HS256).
    Token,
    /// Seals sync cursors.
    Cursor,
    /// Signs the challenges that a phone answers.
    Challenge,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 3] = [Self::Token, Self::Cursor, Self::Challenge];

    /// With a number behind it, the id of a key.
    const fn letter(self) -> char {
        match self {
            Self::Token => 't',
            Self::Cursor => 'c',
            Self::Challenge => 'h',
        }
    }

    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Cursor => "cursor",
            Self::Challenge => "challenge",
        }
    }
}

/// One secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id, which travels with what it signed.
    pub kid: String,
    /// The secret, at least [`SECRET_BYTES_MIN`] long.
    pub secret: Vec<u8>,
    /// From then on it checks nothing any more.
    pub retired_at: Option<Timestamp>,
}

/// Why the server's keys are unusable.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Somebody stored a secret that can be guessed.
    #[error(
        "the key {kid} is {bytes} bytes long, shorter than {SECRET_BYTES_MIN}; delete its row from server_key and \
         start again: a new one is made, and phones and people sign in once more"
    )]
    TooShort {
        /// The key's id.
        kid: String,
        /// Its length.
        bytes: usize,
    },
    /// The database failed.
    #[error("cannot read the server's keys: {0}")]
    Storage(#[from] StorageError),
}

/// The keys of a server in memory. Cheap to clone; clones share what [`Keys::reload`] brings.
#[derive(Clone)]
pub struct Keys(Arc<RwLock<KeyRing>>);

// Oldest first; the last one without a retirement is current.
type KeyRing = BTreeMap<Purpose, Vec<Arc<Key>>>;

impl Keys {
    /// Reads the keys and makes those that are missing.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn load(database: &Database, seam: &Seam) -> Result<Self, KeysError> {
        let keys = Self(Arc::default());
        keys.reload(database, seam).await?;
        Ok(keys)
    }

    /// Reads the keys again: another node may have made or retired some.
    ///
    /// # Errors
    /// See [`KeysError`]; the keys in memory then stay as they were.
    pub async fn reload(&self, database: &Database, seam: &Seam) -> Result<(), KeysError> {
        let mut ring = read_ring(database).await?;
        if Purpose::ALL.iter().any(|purpose| current(&ring, *purpose).is_none()) {
            let mut tx = database.write().await?;
            for purpose in Purpose::ALL {
                if current(&ring, purpose).is_none() {
                    let number = ring.get(&purpose).map_or(0, Vec::len) + 1;
                    insert(&mut tx, seam, purpose, number).await?;
                }
            }
            tx.commit().await?;
            // What another node inserted first counts.
            ring = read_ring(database).await?;
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ring;
        Ok(())
    }

    /// Makes a new current key. Older ones go on checking for `keep_ms`; 0 drops them at once, after a leak.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn rotate(
        &self,
        database: &Database,
        seam: &Seam,
        purpose: Purpose,
        keep_ms: i64,
    ) -> Result<(), KeysError> {
        let mut tx = database.write().await?;
        storage::retire(&mut tx, purpose.name(), seam.now().plus_ms(keep_ms)).await?;
        let number = storage::list(&mut tx)
            .await?
            .iter()
            .filter(|row| row.purpose == purpose.name())
            .count()
            + 1;
        insert(&mut tx, seam, purpose, number).await?;
        tx.commit().await?;
        self.reload(database, seam).await
    }

    /// The key with which things are made now.
    ///
    /// # Panics
    /// Never: loading made one for each purpose.
    #[must_use]
    pub fn current(&self, purpose: Purpose) -> Arc<Key> {
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        current(&ring, purpose).expect("loading made a key for each purpose")
    }

    /// The key with this id, if it serves this purpose and is not retired.
    #[must_use]
    pub fn find(&self, purpose: Purpose, kid: &str, now: Timestamp) -> Option<Arc<Key>> {
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ring.get(&purpose)?
            .iter()
            .find(|key| key.kid == kid && key.retired_at.is_none_or(|at| now < at))
            .cloned()
    }
}

fn current(ring: &KeyRing, purpose: Purpose) -> Option<Arc<Key>> {
    ring.get(&purpose)?
        .iter()
        .rev()
        .find(|key| key.retired_at.is_none())
        .cloned()
}

async fn read_ring(database: &Database) -> Result<KeyRing, KeysError> {
    let mut tx = database.read().await?;
    let rows = storage::list(&mut tx).await?;
    let mut ring = KeyRing::new();
    for row in rows {
        // A purpose of a newer server is none of ours.
        let Some(purpose) = Purpose::ALL.into_iter().find(|purpose| purpose.name() == row.purpose) else {
            continue;
        };
        if row.secret.len() < SECRET_BYTES_MIN {
            return Err(KeysError::TooShort {
                kid: row.kid,
                bytes: row.secret.len(),
            });
        }
        let key = Key {
            kid: row.kid,
            secret: row.secret,
            retired_at: row.retired_at,
        };
        ring.entry(purpose).or_default().push(Arc::new(key));
    }
    Ok(ring)
}

async fn insert(tx: &mut crate::storage::Tx, seam: &Seam, purpose: Purpose, number: usize) -> Result<(), StorageError> {
    // The id is short, since it travels in every token, and determined, so that two nodes that start at once make
    // one key between them.
    let kid = format!("{}{number}", purpose.letter());
    storage::insert(tx, &kid, purpose.name(), &seam.random::<SECRET_BYTES_MIN>(), seam.now()).await
}
