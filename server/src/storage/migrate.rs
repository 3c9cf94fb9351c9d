//! Brings the schema up to date at start: one runner at a time, each migration in one transaction.

use std::borrow::Cow;

use sqlx::{
    PgPool, SqlSafeStr, SqlStr, SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

/// Replaced on SQLite, a comment on PostgreSQL: rows are kept in the order of the primary key there.
const CLUSTERED_MARK: &str = "/* sqlite: WITHOUT ROWID */";

pub(super) const FIRST: &str = include_str!("../../../migrations/0001_first.sql");
const SEARCH_SQLITE: &str = include_str!("../../../migrations/0002_search.sqlite.sql");
const SEARCH_POSTGRES: &str = include_str!("../../../migrations/0002_search.postgres.sql");

const SIGN_IN_LINKS: &str = include_str!("../../../migrations/0003_sign_in_links.sql");
pub(super) const HANDOVER: &str = include_str!("../../../migrations/0004_handover.sql");
pub(super) const WIPE: &str = include_str!("../../../migrations/0005_wipe.sql");
pub(super) const PROPOSALS: &str = include_str!("../../../migrations/0006_proposals.sql");
pub(super) const COVERS: &str = include_str!("../../../migrations/0007_covers.sql");
pub(super) const RECOVERY: &str = include_str!("../../../migrations/0008_recovery.sql");
pub(super) const ERASURE: &str = include_str!("../../../migrations/0009_erasure.sql");

pub(super) async fn run_sqlite(pool: &SqlitePool) -> Result<(), MigrateError> {
    migrator(SEARCH_SQLITE, true).run(pool).await
}

pub(super) async fn run_postgres(pool: &PgPool) -> Result<(), MigrateError> {
    migrator(SEARCH_POSTGRES, false).run(pool).await
}

fn migrator(search: &'static str, sqlite: bool) -> Migrator {
    let migrations = [
        (1, "first", FIRST),
        (2, "search", search),
        (3, "sign_in_links", SIGN_IN_LINKS),
        (4, "handover", HANDOVER),
        (5, "wipe", WIPE),
        (6, "proposals", PROPOSALS),
        (7, "covers", COVERS),
        (8, "recovery", RECOVERY),
        (9, "erasure", ERASURE),
    ];
    let migrations = migrations
        .into_iter()
        .map(|(version, name, text)| {
            let text: SqlStr = if sqlite {
                sqlx::AssertSqlSafe(text.replace(CLUSTERED_MARK, "WITHOUT ROWID")).into_sql_str()
            } else {
                text.into_sql_str()
            };
            Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, text, false)
        })
        .collect::<Vec<_>>();
    Migrator {
        migrations: Cow::Owned(migrations),
        ..Migrator::DEFAULT
    }
}
