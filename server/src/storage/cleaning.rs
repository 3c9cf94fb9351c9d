//! Cleaning the database's files: what was deleted is written over, so that nobody finds it by reading them.
//!
//! A deleted row is only forgotten. Its bytes stay in free parts of the file until something else needs them, in the log
//! beside it, and, as words of the full text, in segments that have not been merged yet. Cleaning writes the file anew.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};

use super::{Database, StorageError, database::BUSY_TIMEOUT};

/// How often the log is tried to be folded away; a reader may be in the middle of it.
const FOLD_TRIES: u32 = 50;
/// Between two tries.
const FOLD_WAIT: Duration = Duration::from_millis(100);

/// Who waits for a table that somebody reads for long makes all who come after wait too.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '2s'";

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
    /// Writes the file (on PostgreSQL the tables that hold documents) anew without what was deleted. Whoever wants to write,
    /// and on PostgreSQL to read, waits for it: some seconds for each gigabyte.
    ///
    /// # Errors
    /// The driver's, among them one for somebody who reads for long; then it is to be done again.
    pub async fn clean(&self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite { writer, .. } => {
                let mut connection = writer.acquire().await?;
                let cleaned = clean_sqlite(&mut connection).await;
                for statement in ["PRAGMA temp_store = memory".to_owned(), busy_timeout(BUSY_TIMEOUT)] {
                    sqlx::raw_sql(AssertSqlSafe(statement))
                        .execute(&mut *connection)
                        .await?;
                }
                cleaned
            }
            Self::Postgres(pool) => {
                let mut connection = pool.acquire().await?;
                let cleaned = clean_postgres(&mut connection).await;
                sqlx::raw_sql("RESET lock_timeout").execute(&mut *connection).await?;
                cleaned
            }
        }
    }
}

async fn clean_sqlite(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    // Whoever is in the way is not waited for while nobody can write.
    sqlx::raw_sql(AssertSqlSafe(busy_timeout(Duration::ZERO)))
        .execute(&mut *connection)
        .await?;
    // With somebody reading for long, as a backup does, the copy could not be folded away: then it is not begun.
    fold(connection).await?;
    // Words of deleted documents stay in the index until its segments are one.
    for statement in [
        "INSERT INTO search_text (search_text) VALUES ('optimize')",
        // The copy is as large as the file, which memory need not be.
        "PRAGMA temp_store = file",
        "VACUUM",
    ] {
        sqlx::raw_sql(statement).execute(&mut *connection).await?;
    }
    fold(connection).await
}

/// Folds the log into the file and leaves it empty.
async fn fold(connection: &mut SqliteConnection) -> Result<(), StorageError> {
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

fn busy_timeout(time: Duration) -> String {
    format!("PRAGMA busy_timeout = {}", time.as_millis())
}

async fn clean_postgres(connection: &mut PgConnection) -> Result<(), StorageError> {
    sqlx::raw_sql(LOCK_TIMEOUT).execute(&mut *connection).await?;
    for statement in REWRITTEN {
        sqlx::raw_sql(statement).execute(&mut *connection).await?;
    }
    Ok(())
}
