//! What every part of a running server shares.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    actions::{commit::Committer, directory::Directories, lookup::LookUps, sync::Syncing},
    auth::{Keys, KeysError, LastSeen, Passwords},
    config::Config,
    live::Live,
    seam::Seam,
    storage::Database,
};

/// Database, clock, keys and limits of one process. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub database: Database,
    /// Clock and randomness.
    pub seam: Seam,
    /// Secrets for tokens, cursors and challenges.
    pub keys: Keys,
    /// Hashing and checking of passwords, a few at a time.
    pub passwords: Passwords,
    /// When devices were last heard.
    pub last_seen: LastSeen,
    /// Directories ready to be sent.
    pub directories: Directories,
    /// The way into the log.
    pub committer: Committer,
    /// Places for syncs that run at once.
    pub sync_slots: Arc<Semaphore>,
    /// Devices whose sync is under way.
    pub syncing: Syncing,
    /// Cancelled when the server is told to stop: whatever would go on for ever (a stream of pokes) ends then.
    pub stopping: CancellationToken,
    /// Who is connected and waits for pokes.
    pub live: Live,
    /// Look-ups before creating a customer, counted.
    pub look_ups: LookUps,
    /// Settings and limits.
    pub config: Arc<Config>,
}

impl App {
    /// Puts the parts together and makes the server's keys if it has none yet.
    ///
    /// # Errors
    /// The database's, or a stored key that is too short to be safe.
    pub async fn new(database: Database, seam: Seam, config: Config) -> Result<Self, KeysError> {
        let keys = Keys::load(&database, &seam).await?;
        let passwords = Passwords::new(seam.clone(), config.password_cost, config.limits.password_checks_max);
        Ok(Self {
            committer: Committer::start(database.clone(), seam.clone()),
            sync_slots: Arc::new(Semaphore::new(config.limits.syncs_max.get())),
            syncing: Syncing::default(),
            database,
            seam,
            keys,
            passwords,
            directories: Directories::default(),
            last_seen: LastSeen::default(),
            stopping: CancellationToken::new(),
            live: Live::default(),
            look_ups: LookUps::default(),
            config: Arc::new(config),
        })
    }
}
