//! Who asks, what scopes he has, and how people are named.

use sqlx::QueryBuilder;
use sync_core::{
    ids::{OrgId, UserId},
    visibility::{Role, Scope, UserState, Viewer, ViewerScope},
};
use uuid::Uuid;

use super::{StorageError, Tx, on};

/// A person as he is named in answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Who.
    pub id: UserId,
    /// What he signs in with.
    pub login: String,
    /// His name.
    pub name: String,
}

/// Role and state of a person and the version of his rights; none if there is no such person or his role is one that
/// this version does not know: nothing is granted then.
///
/// # Errors
/// The database's.
pub async fn find_viewer(tx: &mut Tx, org: OrgId, user: UserId) -> Result<Option<(Viewer, i64)>, StorageError> {
    let row: Option<(String, String, i64)> = on!(tx, |c| sqlx::query_as(
        "SELECT role, state, acl_version FROM user_account WHERE org_id = $1 AND user_id = $2"
    )
    .bind(org.0)
    .bind(user.0)
    .fetch_optional(c)
    .await)?;
    Ok(row.and_then(|(role, state, version)| {
        let viewer = Viewer {
            user,
            role: role.parse::<Role>().ok()?,
            state: state.parse::<UserState>().ok()?,
        };
        Some((viewer, version))
    }))
}

/// The same for some people; those who are missing or unknown to this version are left out.
///
/// # Errors
/// The database's.
pub async fn list_viewers(tx: &mut Tx, org: OrgId, users: &[UserId]) -> Result<Vec<(Viewer, i64)>, StorageError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, String, String, i64)> = on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT user_id, role, state, acl_version FROM user_account WHERE org_id = ");
        query.push_bind(org.0).push(" AND user_id IN (");
        let mut ids = query.separated(", ");
        for user in users {
            ids.push_bind(user.0);
        }
        query.push(")");
        query.build_query_as().fetch_all(connection).await
    })?;
    let read = |(user, role, state, version): (Uuid, String, String, i64)| {
        let viewer = Viewer {
            user: UserId(user),
            role: role.parse().ok()?,
            state: state.parse().ok()?,
        };
        Some((viewer, version))
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// The scopes a person has now.
///
/// # Errors
/// The database's.
pub async fn list_viewer_scopes(tx: &mut Tx, org: OrgId, user: UserId) -> Result<Vec<ViewerScope>, StorageError> {
    let rows: Vec<(Vec<u8>, String)> = on!(tx, |c| sqlx::query_as(
        "SELECT scope, relation FROM viewer_scope WHERE org_id = $1 AND user_id = $2 AND to_seq IS NULL"
    )
    .bind(org.0)
    .bind(user.0)
    .fetch_all(c)
    .await)?;
    let read = |(scope, relation): (Vec<u8>, String)| {
        ViewerScope::from_stored(Scope::from_bytes(&scope).ok()?, &relation).ok()
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Logins and names of some people.
///
/// # Errors
/// The database's.
pub async fn list_named(tx: &mut Tx, org: OrgId, users: &[UserId]) -> Result<Vec<Named>, StorageError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, String, String)> = on!(tx, |connection| {
        let mut query = QueryBuilder::new("SELECT user_id, login, name FROM user_account WHERE org_id = ");
        query.push_bind(org.0).push(" AND user_id IN (");
        let mut ids = query.separated(", ");
        for user in users {
            ids.push_bind(user.0);
        }
        query.push(")");
        query.build_query_as().fetch_all(connection).await
    })?;
    Ok(rows
        .into_iter()
        .map(|(id, login, name)| Named {
            id: UserId(id),
            login,
            name,
        })
        .collect())
}
