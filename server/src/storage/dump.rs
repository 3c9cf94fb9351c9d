//! Whole tables as rows of cells, the same on both databases: for backups that either can read.
//!
//! Tables and columns are read from the migration's own text, so that a new column is in the next backup without
//! anybody thinking of it.

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, QueryBuilder, Row};
use sync_core::ids::OrgId;
use uuid::Uuid;

use super::{StorageError, Tx, migrate, on};

/// The version of the schema: the number of the last migration that changed what a backup holds.
pub const SCHEMA: u32 = 9;

/// The migrations whose tables and columns a backup holds.
const HELD: [&str; 7] = [
    migrate::FIRST,
    migrate::HANDOVER,
    migrate::WIPE,
    migrate::PROPOSALS,
    migrate::COVERS,
    migrate::RECOVERY,
    migrate::ERASURE,
];

/// What is made again by the server that is restored, or must not outlive a restore: places in the index, leases,
/// throttling, sessions (everybody signs in again) and the server's secrets (a stolen backup signs no token).
const LEFT_OUT: [&str; 5] = ["search_position", "lease", "sign_in_failure", "session", "server_key"];

/// Rows of one INSERT: with the widest table below the drivers' bounds on parameters.
const ROWS_PER_STATEMENT: usize = 200;

/// A table with its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns in order.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// An id.
    Uuid,
    /// Text.
    Text,
    /// A number of 64 bits.
    Int,
    /// A number of 16 bits.
    Small,
    /// True or false.
    Bool,
    /// Bytes.
    Bytes,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cell {
    /// Nothing.
    Null,
    /// An id.
    Uuid(Uuid),
    /// Text.
    Text(String),
    /// A number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// Bytes.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// The tables of a backup, in the order of the schema.
#[must_use]
pub fn tables() -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut inside = false;
    for line in HELD.iter().flat_map(|text| text.lines()) {
        if let Some(name) = line
            .strip_prefix("CREATE TABLE ")
            .and_then(|rest| rest.strip_suffix(" ("))
        {
            tables.push(Table {
                name,
                columns: Vec::new(),
            });
            inside = true;
        } else if let Some((name, added)) = line
            .strip_prefix("ALTER TABLE ")
            .and_then(|rest| rest.split_once(" ADD COLUMN "))
        {
            let altered = tables.iter_mut().find(|table| table.name == name);
            if let (Some(table), Some(column)) = (altered, column(added.trim_end_matches(';'))) {
                table.columns.push(column);
            }
        } else if line.starts_with(')') {
            inside = false;
        } else if inside
            && let Some(column) = column(line)
            && let Some(table) = tables.last_mut()
        {
            table.columns.push(column);
        }
    }
    tables.retain(|table| !LEFT_OUT.contains(&table.name));
    tables
}

fn column(line: &'static str) -> Option<Column> {
    let mut words = line.split_whitespace();
    let (name, kind) = (words.next()?, words.next()?);
    let kind = match kind.trim_end_matches(',') {
        "UUID" => ColumnKind::Uuid,
        "TEXT" => ColumnKind::Text,
        "BIGINT" => ColumnKind::Int,
        "SMALLINT" => ColumnKind::Small,
        "BOOLEAN" => ColumnKind::Bool,
        "BYTEA" => ColumnKind::Bytes,
        _ => return None,
    };
    Some(Column { name, kind })
}

/// The cells of a row, whichever driver it comes from.
macro_rules! cells {
    ($row:expr, $table:expr) => {{
        let (row, table) = (&$row, $table);
        let mut cells = Vec::with_capacity(table.columns.len());
        for (index, column) in table.columns.iter().enumerate() {
            let cell = match column.kind {
                ColumnKind::Uuid => row.try_get::<Option<Uuid>, _>(index)?.map(Cell::Uuid),
                ColumnKind::Text => row.try_get::<Option<String>, _>(index)?.map(Cell::Text),
                ColumnKind::Int => row.try_get::<Option<i64>, _>(index)?.map(Cell::Int),
                ColumnKind::Small => row
                    .try_get::<Option<i16>, _>(index)?
                    .map(|small| Cell::Int(small.into())),
                ColumnKind::Bool => row.try_get::<Option<bool>, _>(index)?.map(Cell::Bool),
                ColumnKind::Bytes => row.try_get::<Option<Vec<u8>>, _>(index)?.map(Cell::Bytes),
            };
            cells.push(cell.unwrap_or(Cell::Null));
        }
        cells
    }};
}

/// Hands every row of a table to `take`, one at a time; `take` may fail with its own error.
///
/// # Errors
/// The database's, or `take`'s.
pub async fn read_table<E: From<StorageError>>(
    tx: &mut Tx,
    table: &Table,
    mut take: impl FnMut(Vec<Cell>) -> Result<(), E>,
) -> Result<(), E> {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    // Both are names of our own schema.
    let text = ["SELECT ", &names.join(", "), " FROM ", table.name].concat();
    on!(tx, |connection| {
        let mut rows = sqlx::query(AssertSqlSafe(text)).fetch(connection);
        while let Some(row) = rows.try_next().await? {
            let cells = cells!(row, table);
            take(cells)?;
        }
        Ok(())
    })
}

/// The rows of an organisation in which these columns have these ids.
///
/// # Errors
/// The database's.
pub async fn read_where(
    tx: &mut Tx,
    table: &Table,
    org: OrgId,
    wanted: &[(&'static str, Uuid)],
) -> Result<Vec<Vec<Cell>>, StorageError> {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT ");
        query.push(names.join(", ")).push(" FROM ").push(table.name);
        query.push(" WHERE org_id = ").push_bind(org.0);
        for (column, id) in wanted {
            query.push(" AND ").push(*column).push(" = ").push_bind(*id);
        }
        let mut found = Vec::new();
        for row in query.build().persistent(false).fetch_all(connection).await? {
            found.push(cells!(row, table));
        }
        Ok(found)
    })
}

/// Writes rows into a table. A cell that does not fit its column becomes nothing, which the schema refuses where
/// something must be.
///
/// # Errors
/// The database's.
pub async fn insert_rows(tx: &mut Tx, table: &Table, rows: &[Vec<Cell>]) -> Result<(), StorageError> {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        on!(tx, |connection| {
            let mut insert = QueryBuilder::new("INSERT INTO ");
            insert.push(table.name).push(" (").push(names.join(", ")).push(") ");
            insert.push_values(chunk, |mut values, row| {
                for (column, cell) in table.columns.iter().zip(row) {
                    match (column.kind, cell) {
                        (ColumnKind::Uuid, Cell::Uuid(id)) => values.push_bind(Some(*id)),
                        (ColumnKind::Uuid, _) => values.push_bind(None::<Uuid>),
                        (ColumnKind::Text, Cell::Text(text)) => values.push_bind(Some(text.clone())),
                        (ColumnKind::Text, _) => values.push_bind(None::<String>),
                        (ColumnKind::Int, Cell::Int(number)) => values.push_bind(Some(*number)),
                        (ColumnKind::Int, _) => values.push_bind(None::<i64>),
                        (ColumnKind::Small, Cell::Int(number)) => values.push_bind(i16::try_from(*number).ok()),
                        (ColumnKind::Small, _) => values.push_bind(None::<i16>),
                        (ColumnKind::Bool, Cell::Bool(flag)) => values.push_bind(Some(*flag)),
                        (ColumnKind::Bool, _) => values.push_bind(None::<bool>),
                        (ColumnKind::Bytes, Cell::Bytes(bytes)) => values.push_bind(Some(bytes.clone())),
                        (ColumnKind::Bytes, _) => values.push_bind(None::<Vec<u8>>),
                    };
                }
            });
            insert.build().persistent(false).execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

/// How many rows a table has.
///
/// # Errors
/// The database's.
pub async fn count_rows(tx: &mut Tx, table: &Table) -> Result<i64, StorageError> {
    let text = ["SELECT COUNT(*) FROM ", table.name].concat();
    on!(tx, |c| sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(c).await)
}

/// Empties every table, those that a backup leaves out too.
///
/// # Errors
/// The database's.
pub async fn clear(tx: &mut Tx) -> Result<(), StorageError> {
    let mut texts: Vec<String> = tables()
        .iter()
        .map(|table| ["DELETE FROM ", table.name].concat())
        .collect();
    texts.extend(LEFT_OUT.iter().map(|name| ["DELETE FROM ", name].concat()));
    texts.extend(["search_entry", "sign_in_link"].map(|name| ["DELETE FROM ", name].concat()));
    if matches!(tx, Tx::Sqlite(_)) {
        texts.push("INSERT INTO search_text (search_text) VALUES ('delete-all')".to_owned());
    }
    for text in texts {
        on!(tx, |c| sqlx::query(AssertSqlSafe(text)).execute(c).await.map(drop))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_read_with_every_table_and_column() {
        let tables = tables();
        let find = |name: &str| tables.iter().find(|table| table.name == name);
        assert!(tables.len() >= 20, "{}", tables.len());
        let change = find("change").expect("the log is in the backup");
        for (name, kind) in [
            ("log_seq", ColumnKind::Int),
            ("kind", ColumnKind::Small),
            ("late", ColumnKind::Bool),
        ] {
            assert!(change.columns.contains(&Column { name, kind }), "{name}");
        }
        let device = find("device").expect("devices are in the backup");
        let added = |name| Column {
            name,
            kind: ColumnKind::Int,
        };
        assert!(device.columns.contains(&added("wipe_ordered_at")) && device.columns.contains(&added("wiped_at")));
        let created = HELD
            .iter()
            .flat_map(|text| text.lines())
            .filter(|line| line.starts_with("CREATE TABLE "))
            .count();
        assert_eq!(tables.len() + LEFT_OUT.len(), created);
        assert!(
            tables
                .iter()
                .all(|table| table.columns.first().is_some_and(|column| column.name == "org_id"))
        );
        assert!(find("server_key").is_none() && find("session").is_none());
    }
}
