//! The scopes of people, and from which place in the log to which they have had each.
//!
//! A row holds from its `from_seq` on and before its `to_seq`, so rights as of any place in the log can be asked for.

use sync_core::{
    ids::{OrgId, UserId},
    visibility::{Scope, ViewerScope},
};

use super::{StorageError, Tx, on};

/// Begins a scope of a person.
///
/// # Errors
/// The driver's.
pub async fn open(
    tx: &mut Tx,
    org: OrgId,
    user: UserId,
    held: &ViewerScope,
    from_seq: i64,
) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("INSERT INTO viewer_scope (org_id, user_id, scope, relation, from_seq) VALUES ($1, $2, $3, $4, $5)")
            .bind(org.0)
            .bind(user.0)
            .bind(&held.scope.to_bytes()[..])
            .bind(held.stored_relation())
            .bind(from_seq)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// Ends a scope of a person.
///
/// # Errors
/// The driver's.
pub async fn close(tx: &mut Tx, org: OrgId, user: UserId, held: &ViewerScope, to_seq: i64) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query(
            "UPDATE viewer_scope SET to_seq = $5
             WHERE org_id = $1 AND user_id = $2 AND scope = $3 AND relation = $4 AND to_seq IS NULL",
        )
        .bind(org.0)
        .bind(user.0)
        .bind(&held.scope.to_bytes()[..])
        .bind(held.stored_relation())
        .bind(to_seq)
        .execute(c)
        .await
        .map(|_| ())
    })
}

/// The scopes a person had at a place in the log.
///
/// # Errors
/// The driver's.
pub async fn list_at(tx: &mut Tx, org: OrgId, user: UserId, seq: i64) -> Result<Vec<ViewerScope>, StorageError> {
    let rows: Vec<(Vec<u8>, String)> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT scope, relation FROM viewer_scope
             WHERE org_id = $1 AND user_id = $2 AND from_seq <= $3 AND (to_seq IS NULL OR to_seq > $3)",
        )
        .bind(org.0)
        .bind(user.0)
        .bind(seq)
        .fetch_all(c)
        .await
    })?;
    // A scope or a relation that this version does not know grants nothing.
    let known = |(scope, relation): (Vec<u8>, String)| {
        ViewerScope::from_stored(Scope::from_bytes(&scope).ok()?, &relation).ok()
    };
    Ok(rows.into_iter().filter_map(known).collect())
}
