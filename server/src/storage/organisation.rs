//! Organisations: what they are called, their log, their settings, and the directory made of both.

use sqlx::FromRow;
use sync_core::{
    directory::{Directory, PersonEntry, Settings},
    ids::{LogId, OrgId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{StorageError, Tx, on, pools, teams};

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its id.
    pub org: OrgId,
    /// Its name.
    pub name: String,
    /// Its time zone.
    pub timezone: String,
    /// Its log; a new one begins after a restore.
    pub log: LogId,
    /// Goes up with every change that the directory shows.
    pub directory_version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    org_id: Uuid,
    name: String,
    timezone: String,
    log_id: Uuid,
    directory_version: i64,
    created_at: i64,
}

impl From<Row> for Organisation {
    fn from(row: Row) -> Self {
        Self {
            org: row.org_id.into(),
            name: row.name,
            timezone: row.timezone,
            log: row.log_id.into(),
            directory_version: row.directory_version,
            created_at: Timestamp(row.created_at),
        }
    }
}

/// Adds an organisation, with its counters at 0.
///
/// # Errors
/// The driver's.
pub async fn insert(tx: &mut Tx, organisation: &Organisation, settings: &Settings) -> Result<(), StorageError> {
    let settings = to_json(settings)?;
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO organisation (org_id, name, timezone, log_id, settings, directory_version, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(organisation.org.0)
        .bind(organisation.name.as_str())
        .bind(organisation.timezone.as_str())
        .bind(organisation.log.0)
        .bind(settings.as_str())
        .bind(organisation.directory_version)
        .bind(organisation.created_at.0)
        .execute(c)
        .await
        .map(|_| ())
    })?;
    on!(tx, |c| {
        sqlx::query("INSERT INTO log_head (org_id, head, audit_head) VALUES ($1, 0, 0)")
            .bind(organisation.org.0)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// An organisation.
///
/// # Errors
/// The driver's.
pub async fn find(tx: &mut Tx, org: OrgId) -> Result<Option<Organisation>, StorageError> {
    let row: Option<Row> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT org_id, name, timezone, log_id, directory_version, created_at FROM organisation WHERE org_id = $1",
        )
        .bind(org.0)
        .fetch_optional(c)
        .await
    })?;
    Ok(row.map(Into::into))
}

/// All organisations of the server, by name.
///
/// # Errors
/// The driver's.
pub async fn list(tx: &mut Tx) -> Result<Vec<Organisation>, StorageError> {
    let rows: Vec<Row> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT org_id, name, timezone, log_id, directory_version, created_at
             FROM organisation ORDER BY name, org_id",
        )
        .fetch_all(c)
        .await
    })?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Whether there is any organisation.
///
/// # Errors
/// The driver's.
pub async fn exists_any(tx: &mut Tx) -> Result<bool, StorageError> {
    let row: Option<Uuid> = on!(tx, |c| {
        sqlx::query_scalar("SELECT org_id FROM organisation LIMIT 1")
            .fetch_optional(c)
            .await
    })?;
    Ok(row.is_some())
}

/// An organisation's settings.
///
/// # Errors
/// The driver's; `Decode` for settings that this version cannot read; `RowNotFound` for an unknown organisation.
pub async fn find_settings(tx: &mut Tx, org: OrgId) -> Result<Settings, StorageError> {
    let settings: String = on!(tx, |c| {
        sqlx::query_scalar("SELECT settings FROM organisation WHERE org_id = $1")
            .bind(org.0)
            .fetch_one(c)
            .await
    })?;
    serde_json::from_str(&settings).map_err(|error| StorageError::Decode(error.into()))
}

/// Writes settings; phones get the new directory. Lock them first with [`lock`].
///
/// # Errors
/// The driver's.
pub async fn update_settings(tx: &mut Tx, org: OrgId, settings: &Settings) -> Result<(), StorageError> {
    let settings = to_json(settings)?;
    on!(tx, |c| {
        sqlx::query(
            "UPDATE organisation SET settings = $2, directory_version = directory_version + 1 WHERE org_id = $1",
        )
        .bind(org.0)
        .bind(settings.as_str())
        .execute(c)
        .await
        .map(|_| ())
    })
}

/// Raises the version of the directory, which also locks the organisation's row until the transaction ends: teams,
/// pools and people are added one after the other. `false`: there is no such organisation.
///
/// # Errors
/// The driver's.
pub async fn bump_directory(tx: &mut Tx, org: OrgId) -> Result<bool, StorageError> {
    let changed = on!(tx, |c| {
        sqlx::query("UPDATE organisation SET directory_version = directory_version + 1 WHERE org_id = $1")
            .bind(org.0)
            .execute(c)
            .await
            .map(|result| result.rows_affected())
    })?;
    Ok(changed > 0)
}

/// Locks the organisation's row until the transaction ends. `false`: there is no such organisation.
///
/// # Errors
/// The driver's.
pub async fn lock(tx: &mut Tx, org: OrgId) -> Result<bool, StorageError> {
    let locked = on!(tx, |c| {
        sqlx::query("UPDATE organisation SET directory_version = directory_version WHERE org_id = $1")
            .bind(org.0)
            .execute(c)
            .await
            .map(|result| result.rows_affected())
    })?;
    Ok(locked > 0)
}

/// Writes that a new log begins, and gives its id to cursors from now on.
///
/// # Errors
/// The driver's.
pub async fn set_log(tx: &mut Tx, org: OrgId, log: LogId) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("UPDATE organisation SET log_id = $2 WHERE org_id = $1")
            .bind(org.0)
            .bind(log.0)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// The directory as it stands.
///
/// # Errors
/// The driver's; `RowNotFound` for an unknown organisation.
pub async fn directory(tx: &mut Tx, org: OrgId) -> Result<Directory, StorageError> {
    let organisation = find(tx, org).await?.ok_or(StorageError::RowNotFound)?;
    let people: Vec<(Uuid, String, String)> = on!(tx, |c| {
        sqlx::query_as("SELECT user_id, login, name FROM user_account WHERE org_id = $1 ORDER BY user_id")
            .bind(org.0)
            .fetch_all(c)
            .await
    })?;
    Ok(Directory {
        organisation: organisation.name,
        timezone: organisation.timezone,
        settings: find_settings(tx, org).await?,
        people: people
            .into_iter()
            .map(|(id, login, name)| PersonEntry {
                id: UserId(id),
                login,
                name,
            })
            .collect(),
        teams: teams::list(tx, org).await?,
        pools: pools::list(tx, org).await?,
    })
}

fn to_json(settings: &Settings) -> Result<String, StorageError> {
    serde_json::to_string(settings).map_err(|error| StorageError::Encode(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{storage::log, testing};

    #[tokio::test]
    async fn an_organisation_gets_a_new_log_and_its_teams_are_found_by_name_within_it() {
        for test in testing::apps().await {
            let (org, other) = (test.organisation("A").await, test.organisation("B").await);
            let east = test.team(org, "East", None).await;
            let (log, mut tx) = (LogId(test.app.seam.uuid()), test.app.database.write().await.unwrap());
            assert_eq!(teams::find_by_name(&mut tx, org, "East").await.unwrap(), Some(east));
            assert_eq!(teams::find_by_name(&mut tx, other, "East").await.unwrap(), None);
            let untouched = find(&mut tx, other).await.unwrap().unwrap();
            set_log(&mut tx, org, log).await.unwrap();
            assert_eq!(log::log_id(&mut tx, org).await.unwrap(), log);
            assert_eq!(find(&mut tx, other).await.unwrap(), Some(untouched));
            assert!(lock(&mut tx, org).await.unwrap());
            let nowhere = OrgId(Uuid::nil());
            assert!(!lock(&mut tx, nowhere).await.unwrap());
            assert_eq!(find(&mut tx, nowhere).await.unwrap(), None);
            let names: Vec<_> = list(&mut tx).await.unwrap().into_iter().map(|one| one.name).collect();
            assert_eq!(names, ["A", "B"]);
            assert!(exists_any(&mut tx).await.unwrap());
        }
    }
}
