//! Opening the two databases and beginning transactions on them.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, PgPool, Postgres, Sqlite, SqlitePool, Transaction,
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{StorageError, migrate};

/// The embedded database's file in its folder.
const FILE_NAME: &str = "fieldpool.sqlite";
/// How long a writer waits for another process (an import beside the server) before it reports `busy`.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Readers on the embedded database; each keeps its own page cache, so more costs memory.
const SQLITE_READERS: u32 = 4;
/// Page cache of each embedded connection, in KiB.
const SQLITE_CACHE_KIB: i64 = 8 * 1024;
/// Rows that the thread of a connection may have read ahead: a page's, so that the two threads do not wait for each
/// other row by row.
const SQLITE_ROWS_AHEAD: usize = 1_024;
/// Pages (of 4 KiB) in the write-ahead log at which it is folded into the file. Pages written again and again, as those
/// of the counters and of the search index, are folded once for many commits.
const SQLITE_CHECKPOINT_PAGES: usize = 4_000;
/// Connections of one node to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 16;
/// Prepared statements each connection keeps: more than the program has texts, batches of different length included.
const STATEMENT_CACHE: usize = 512;

/// The database of a server or of a command: embedded SQLite or PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub enum Database {
    /// Embedded: one writer, several readers on one file in write-ahead mode, durable at every commit.
    Sqlite {
        /// Connections that only read.
        readers: SqlitePool,
        /// The one connection that writes.
        writer: SqlitePool,
        /// Held while a server runs on the file; dropped last.
        lock: Option<Arc<File>>,
        /// Where the file lies.
        folder: Arc<Path>,
    },
    /// PostgreSQL 15 or later, shared by any number of nodes.
    Postgres(PgPool),
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server runs on the same folder.
    #[error(
        "another fieldpool server is running on {0}; stop it first, or give this one its own --data folder (several servers at once need --database-url with PostgreSQL)"
    )]
    AlreadyRunning(PathBuf),
    /// The folder cannot be made or written.
    #[error("cannot use the folder {path}: {source}; give a folder this user may write with --data")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("cannot open the database: {0}")]
    Database(#[from] StorageError),
    /// The tables were made by a version whose first migrations were others, or by a newer one.
    #[error(
        "the database was made by another version of fieldpool, whose tables do not fit this one; use that version, or begin with another --data folder or database"
    )]
    OtherVersion,
    /// The schema could not be brought up to date.
    #[error("cannot bring the database up to date: {0}")]
    Migration(sqlx::migrate::MigrateError),
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMismatch(_) | MigrateError::VersionMissing(_) => Self::OtherVersion,
            other => Self::Migration(other),
        }
    }
}

impl Database {
    /// Opens (and makes, and migrates) the embedded database in a folder.
    ///
    /// `exclusive` is for a server: a second one on the same folder is refused. Commands such as `admin` and
    /// `import` pass `false` and work beside a running server.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_sqlite(folder: &Path, exclusive: bool) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::Folder {
            path: folder.to_path_buf(),
            source,
        };
        make_private(folder).map_err(unusable)?;
        let lock = if exclusive { Some(lock_folder(folder)?) } else { None };
        let options = SqliteConnectOptions::new()
            .filename(folder.join(FILE_NAME))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Acknowledged means durable: FULL syncs the log at every commit.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("cache_size", format!("-{SQLITE_CACHE_KIB}"))
            .pragma("temp_store", "memory")
            .pragma("wal_autocheckpoint", SQLITE_CHECKPOINT_PAGES.to_string())
            .row_buffer_size(SQLITE_ROWS_AHEAD)
            .statement_cache_capacity(STATEMENT_CACHE)
            .disable_statement_logging();
        // The writer opens first: it makes the file and turns write-ahead mode on.
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            // It lies in this process: there is no network that could have cut it.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        migrate::run_sqlite(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(SQLITE_READERS)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        Ok(Self::Sqlite {
            readers,
            writer,
            lock,
            folder: folder.into(),
        })
    }

    /// Opens (and migrates) a PostgreSQL database by its URL.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_postgres(url: &str) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(url)?
            .statement_cache_capacity(STATEMENT_CACHE)
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .connect_with(options)
            .await?;
        migrate::run_postgres(&pool).await?;
        Ok(Self::Postgres(pool))
    }

    /// Begins a transaction that writes. On the embedded database it waits for the one writer.
    ///
    /// # Errors
    /// The driver's.
    pub async fn write(&self) -> Result<Tx, StorageError> {
        match self {
            Self::Sqlite { writer, .. } => Ok(Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?)),
            Self::Postgres(pool) => Ok(Tx::Postgres(
                pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?,
            )),
        }
    }

    /// Begins a transaction that reads one snapshot and waits for no writer.
    ///
    /// # Errors
    /// The driver's.
    pub async fn read(&self) -> Result<Tx, StorageError> {
        match self {
            Self::Sqlite { readers, .. } => Ok(Tx::Sqlite(readers.begin().await?)),
            Self::Postgres(pool) => Ok(Tx::Postgres(
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    .await?,
            )),
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// The driver's.
    pub async fn check(&self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite { readers, .. } => sqlx::query("SELECT 1").execute(readers).await.map(|_| ()),
            Self::Postgres(pool) => sqlx::query("SELECT 1").execute(pool).await.map(|_| ()),
        }
    }

    /// The folder of the embedded database; none for PostgreSQL.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { folder, .. } => Some(folder),
            Self::Postgres(_) => None,
        }
    }

    /// `sqlite` or `postgres`, for reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Closes every connection, after those in use come back; on SQLite the log is folded into the file.
    pub async fn close(self) {
        match self {
            Self::Sqlite {
                readers, writer, lock, ..
            } => {
                readers.close().await;
                writer.close().await;
                drop(lock);
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Makes the folder and the database's file so that only this user may read them: they hold the server's keys. What is
/// there already keeps its rights; the log beside the file gets the file's.
fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.recursive(true).create(folder)?;
    options.open(folder.join(FILE_NAME)).map(drop)
}

fn lock_folder(folder: &Path) -> Result<Arc<File>, OpenError> {
    let unusable = |source| OpenError::Folder {
        path: folder.to_path_buf(),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("server.lock"))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(Arc::new(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::AlreadyRunning(folder.to_path_buf())),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// A transaction on either database. Dropped without [`Tx::commit`] it is rolled back.
pub enum Tx {
    /// On the embedded database.
    Sqlite(Transaction<'static, Sqlite>),
    /// On PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Makes what was written durable and visible.
    ///
    /// # Errors
    /// The driver's; the outcome is then unknown and is settled by the ids of what was written.
    pub async fn commit(self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }

    /// Undoes what was written.
    ///
    /// # Errors
    /// The driver's.
    pub async fn rollback(self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(transaction) => transaction.rollback().await,
            Self::Postgres(transaction) => transaction.rollback().await,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_new_folder_and_its_database_are_for_this_user_only() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let database = Database::open_sqlite(&folder, false).await.unwrap();
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.clone()), 0o700);
        for file in [
            FILE_NAME.to_owned(),
            format!("{FILE_NAME}-wal"),
            format!("{FILE_NAME}-shm"),
        ] {
            assert_eq!(mode(folder.join(&file)), 0o600, "{file}");
        }
        database.close().await;
    }

    #[tokio::test]
    async fn a_database_of_another_version_is_refused_with_what_to_do() {
        for other in [
            "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1",
            "INSERT INTO _sqlx_migrations SELECT version + 1000, description, installed_on, success, checksum, \
             execution_time FROM _sqlx_migrations WHERE version = 1",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let database = Database::open_sqlite(folder.path(), false).await.unwrap();
            let mut tx = database.write().await.unwrap();
            let Tx::Sqlite(connection) = &mut tx else {
                unreachable!()
            };
            sqlx::query(other).execute(&mut **connection).await.unwrap();
            tx.commit().await.unwrap();
            database.close().await;
            let refused = Database::open_sqlite(folder.path(), false).await.err().unwrap();
            assert!(matches!(refused, OpenError::OtherVersion), "{refused}");
            assert!(refused.to_string().contains("another --data folder"));
        }
    }
}
