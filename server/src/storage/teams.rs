//! Teams and what lies below each.

use sync_core::{
    directory::TeamEntry,
    ids::{OrgId, TeamId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{StorageError, Tx, on};

/// Adds a team below another or at the top.
///
/// # Errors
/// The driver's; a unique violation if the name is taken.
pub async fn insert(tx: &mut Tx, org: OrgId, team: &TeamEntry, created_at: Timestamp) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("INSERT INTO team (org_id, team_id, name, parent_id, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(org.0)
            .bind(team.id.0)
            .bind(team.name.as_str())
            .bind(team.parent.map(|parent| parent.0))
            .bind(created_at.0)
            .execute(c)
            .await
            .map(|_| ())
    })?;
    on!(tx, |c| {
        sqlx::query("INSERT INTO team_closure (org_id, ancestor_id, descendant_id, depth) VALUES ($1, $2, $2, 0)")
            .bind(org.0)
            .bind(team.id.0)
            .execute(c)
            .await
            .map(|_| ())
    })?;
    let Some(parent) = team.parent else { return Ok(()) };
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO team_closure (org_id, ancestor_id, descendant_id, depth)
             SELECT org_id, ancestor_id, $3, depth + 1 FROM team_closure WHERE org_id = $1 AND descendant_id = $2",
        )
        .bind(org.0)
        .bind(parent.0)
        .bind(team.id.0)
        .execute(c)
        .await
        .map(|_| ())
    })
}

/// Puts a team, with all below it, below another one, or below none.
///
/// # Errors
/// The driver's.
pub async fn set_parent(tx: &mut Tx, org: OrgId, team: TeamId, parent: Option<TeamId>) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("UPDATE team SET parent_id = $3 WHERE org_id = $1 AND team_id = $2")
            .bind(org.0)
            .bind(team.0)
            .bind(parent.map(|parent| parent.0))
            .execute(c)
            .await
            .map(|_| ())
    })?;
    // What was above it is above none of these any more; what is among them stays as it is.
    on!(tx, |c| {
        sqlx::query(
            "DELETE FROM team_closure WHERE org_id = $1
             AND descendant_id IN (SELECT descendant_id FROM team_closure WHERE org_id = $1 AND ancestor_id = $2)
             AND ancestor_id NOT IN (SELECT descendant_id FROM team_closure WHERE org_id = $1 AND ancestor_id = $2)",
        )
        .bind(org.0)
        .bind(team.0)
        .execute(c)
        .await
        .map(|_| ())
    })?;
    let Some(parent) = parent else { return Ok(()) };
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO team_closure (org_id, ancestor_id, descendant_id, depth)
             SELECT above.org_id, above.ancestor_id, below.descendant_id, above.depth + below.depth + 1
             FROM team_closure above JOIN team_closure below ON below.org_id = above.org_id
             WHERE above.org_id = $1 AND above.descendant_id = $2 AND below.ancestor_id = $3",
        )
        .bind(org.0)
        .bind(parent.0)
        .bind(team.0)
        .execute(c)
        .await
        .map(|_| ())
    })
}

/// All teams, by id.
///
/// # Errors
/// The driver's.
pub async fn list(tx: &mut Tx, org: OrgId) -> Result<Vec<TeamEntry>, StorageError> {
    let rows: Vec<(Uuid, String, Option<Uuid>)> = on!(tx, |c| {
        sqlx::query_as("SELECT team_id, name, parent_id FROM team WHERE org_id = $1 ORDER BY team_id")
            .bind(org.0)
            .fetch_all(c)
            .await
    })?;
    Ok(rows
        .into_iter()
        .map(|(id, name, parent)| TeamEntry {
            id: TeamId(id),
            name,
            parent: parent.map(TeamId),
        })
        .collect())
}

/// The team with this name.
///
/// # Errors
/// The driver's.
pub async fn find_by_name(tx: &mut Tx, org: OrgId, name: &str) -> Result<Option<TeamId>, StorageError> {
    let id: Option<Uuid> = on!(tx, |c| {
        sqlx::query_scalar("SELECT team_id FROM team WHERE org_id = $1 AND name = $2")
            .bind(org.0)
            .bind(name)
            .fetch_optional(c)
            .await
    })?;
    Ok(id.map(TeamId))
}

/// Whether the organisation has this team.
///
/// # Errors
/// The driver's.
pub async fn exists(tx: &mut Tx, org: OrgId, team: TeamId) -> Result<bool, StorageError> {
    let found: Option<Uuid> = on!(tx, |c| {
        sqlx::query_scalar("SELECT team_id FROM team WHERE org_id = $1 AND team_id = $2")
            .bind(org.0)
            .bind(team.0)
            .fetch_optional(c)
            .await
    })?;
    Ok(found.is_some())
}

/// A team and all below it, the nearest first.
///
/// # Errors
/// The driver's.
pub async fn list_below(tx: &mut Tx, org: OrgId, team: TeamId) -> Result<Vec<TeamId>, StorageError> {
    let rows: Vec<Uuid> = on!(tx, |c| {
        sqlx::query_scalar(
            "SELECT descendant_id FROM team_closure WHERE org_id = $1 AND ancestor_id = $2
             ORDER BY depth, descendant_id",
        )
        .bind(org.0)
        .bind(team.0)
        .fetch_all(c)
        .await
    })?;
    Ok(rows.into_iter().map(TeamId).collect())
}

/// Managers of a team and of the teams above it, by id.
///
/// # Errors
/// The driver's.
pub async fn list_managers_of(tx: &mut Tx, org: OrgId, team: TeamId) -> Result<Vec<UserId>, StorageError> {
    let rows: Vec<Uuid> = on!(tx, |c| {
        sqlx::query_scalar(
            "SELECT u.user_id FROM team_closure t
             JOIN user_account u ON u.org_id = t.org_id AND u.team_id = t.ancestor_id
             WHERE t.org_id = $1 AND t.descendant_id = $2 AND u.role = 'manager' ORDER BY u.user_id",
        )
        .bind(org.0)
        .bind(team.0)
        .fetch_all(c)
        .await
    })?;
    Ok(rows.into_iter().map(UserId).collect())
}
