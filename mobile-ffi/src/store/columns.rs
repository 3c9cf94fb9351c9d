//! Ids, times and composed values as columns.

use rusqlite::Row;
use serde::{Serialize, de::DeserializeOwned};
use sync_core::{
    ids::{ActorId, ChangeHash, CustomerId, DeviceId, DocumentId, IntentId, PoolId, TeamId, UserId},
    time::Timestamp,
    visibility::RelationSet,
};

use super::StoreError;

/// A fixed number of bytes, read and written as a BLOB.
pub(super) trait Bytes<const N: usize>: Sized {
    fn of(bytes: [u8; N]) -> Self;
    fn bytes(&self) -> &[u8; N];
}

macro_rules! uuid_column {
    ($($id:ident),*) => { $(
        impl Bytes<16> for $id {
            fn of(bytes: [u8; 16]) -> Self {
                Self::from_bytes(bytes)
            }
            fn bytes(&self) -> &[u8; 16] {
                self.as_bytes()
            }
        }
    )* };
}
uuid_column!(CustomerId, DeviceId, DocumentId, IntentId, PoolId, TeamId, UserId);

impl Bytes<16> for ActorId {
    fn of(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
    fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Bytes<32> for ChangeHash {
    fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

pub(super) fn id<const N: usize, T: Bytes<N>>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    row.get::<_, [u8; N]>(column).map(T::of)
}

pub(super) fn id_or_none<const N: usize, T: Bytes<N>>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    Ok(row.get::<_, Option<[u8; N]>>(column)?.map(T::of))
}

pub(super) fn blob<const N: usize, T: Bytes<N>>(id: Option<&T>) -> Option<&[u8]> {
    id.map(|id| &id.bytes()[..])
}

pub(super) fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp)
}

pub(super) fn time_or_none(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

pub(super) fn packed<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).unwrap_or_default()
}

pub(super) fn unpacked<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|_| StoreError::Damaged(what))
}

/// A set of relations travels and is stored as its number.
pub(super) fn relations_number(relations: RelationSet) -> i64 {
    serde_json::to_value(relations)
        .ok()
        .and_then(|number| number.as_i64())
        .unwrap_or(0)
}

pub(super) fn relations(number: i64) -> RelationSet {
    serde_json::from_value(serde_json::Value::from(number)).unwrap_or_default()
}

/// Counters are `u64` in the core and never reach the sign here.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn counter(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}
