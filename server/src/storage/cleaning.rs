//! Cleaning the database's files: what was deleted is written over, so that nobody finds it by reading them.
//!
//! A deleted row is only forgotten. Its bytes stay in free parts of the file until something else needs them, in the log
//! beside it, and, as words of the full text, in segments that have not been merged yet. Cleaning writes the file anew.

use std::time::Duration;

use super::{Database, StorageError};

/// How often the log is tried to be folded away; a reader may be in the middle of it.
const FOLD_TRIES: u32 = 100;
/// Between two tries.
const FOLD_WAIT: Duration = Duration::from_millis(100);

/// Tables that hold what is erased: they are written anew on PostgreSQL.
const REWRITTEN: [&str; 7] = [
    "VACUUM (FULL) document",
    "VACUUM (FULL) change",
    "VACUUM (FULL) packed_document",
    "VACUUM (FULL) refusal",
    "VACUUM (FULL) proposal",
    "VACUUM (FULL) equivocation",
    "VACUUM (FULL) search_entry",
];

impl Database {
    /// Writes the file (on PostgreSQL the tables that hold documents) anew without what was deleted. Whoever wants to write
    /// waits for it: some seconds for each gigabyte.
    ///
    /// # Errors
    /// The driver's, `PoolTimedOut` if somebody reads without an end; then it is to be done again.
    pub async fn clean(&self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite { writer, .. } => {
                let mut connection = writer.acquire().await?;
                // Words of deleted documents stay in the index until its segments are one.
                for statement in [
                    "INSERT INTO search_text (search_text) VALUES ('optimize')",
                    // The copy is as large as the file, which memory need not be.
                    "PRAGMA temp_store = file",
                    "VACUUM",
                    "PRAGMA temp_store = memory",
                ] {
                    sqlx::raw_sql(statement).execute(&mut *connection).await?;
                }
                for _ in 0..FOLD_TRIES {
                    let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
                        .fetch_one(&mut *connection)
                        .await?;
                    if busy == 0 {
                        return Ok(());
                    }
                    tokio::time::sleep(FOLD_WAIT).await;
                }
                Err(StorageError::PoolTimedOut)
            }
            Self::Postgres(pool) => {
                let mut connection = pool.acquire().await?;
                for statement in REWRITTEN {
                    sqlx::raw_sql(statement).execute(&mut *connection).await?;
                }
                Ok(())
            }
        }
    }
}
