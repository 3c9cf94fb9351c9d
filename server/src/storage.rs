//! The only place with SQL.
//!
//! One text serves SQLite and PostgreSQL: [`Database`] and [`Tx`] are enums over the two drivers and the `on!`
//! macro runs one body on either. Functions here read and write rows; they decide nothing, know no HTTP, and take
//! the time as an argument. Every function runs in the tests on both databases.

pub mod audit;
pub mod callers;
mod cleaning;
pub mod covers;
pub mod customers;
mod database;
pub mod devices;
pub mod documents;
pub mod dump;
pub mod erasures;
pub mod feeds;
pub mod handovers;
pub mod imports;
pub mod keys;
pub mod leases;
pub mod log;
mod migrate;
pub mod organisation;
pub mod ownership;
pub mod packed;
pub mod people;
pub mod pools;
pub mod proposals;
mod reach;
pub mod read_model;
pub mod reading;
pub mod recovery;
pub mod scopes;
pub mod search;
pub mod sessions;
pub mod sign_in_links;
mod sizes;
pub mod teams;
pub mod verdicts;
pub mod viewer_scopes;
pub mod viewers;

pub use database::{Database, OpenError, Tx};
pub use reach::Reach;

/// An error of the database driver. Callers log it once at the edge; people see `internal` or `storage_full`.
pub type StorageError = sqlx::Error;

/// Runs one body on the connection behind a `Tx`, whichever database it is.
///
/// `on!(tx, |connection| sqlx::query("…").bind(x).execute(connection).await)`: the body is compiled once for each
/// driver, so everything it binds and decodes must exist on both.
macro_rules! on {
    ($tx:expr, |$connection:ident| $body:expr) => {
        match $tx {
            $crate::storage::Tx::Sqlite(transaction) => {
                let $connection = &mut **transaction;
                $body
            }
            $crate::storage::Tx::Postgres(transaction) => {
                let $connection = &mut **transaction;
                $body
            }
        }
    };
}
pub(crate) use on;
