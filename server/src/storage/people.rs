//! People and their accounts.

use sqlx::{FromRow, QueryBuilder};
use sync_core::{
    ids::{OrgId, TeamId, UserId},
    time::Timestamp,
    visibility::{Role, UserState, Viewer},
};
use uuid::Uuid;

use super::{StorageError, Tx, on};

/// A person's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The organisation.
    pub org: OrgId,
    /// The person.
    pub user: UserId,
    /// What he signs in with; unique on the server.
    pub login: String,
    /// His name.
    pub name: String,
    /// His e-mail address.
    pub email: Option<String>,
    /// What he is.
    pub role: Role,
    /// Where he works.
    pub team: Option<TeamId>,
    /// Whether he works here.
    pub state: UserState,
    /// Argon2id in PHC form; `None`: he cannot sign in with a password.
    pub password_hash: Option<String>,
    /// Goes up with every change of role, team, pools or state.
    pub acl_version: i64,
}

impl Account {
    /// The person as the visibility table knows him.
    #[must_use]
    pub const fn viewer(&self) -> Viewer {
        Viewer {
            user: self.user,
            role: self.role,
            state: self.state,
        }
    }
}

#[derive(FromRow)]
pub(super) struct AccountRow {
    org_id: Uuid,
    user_id: Uuid,
    login: String,
    name: String,
    email: Option<String>,
    role: String,
    team_id: Option<Uuid>,
    state: String,
    password_hash: Option<String>,
    acl_version: i64,
}

impl AccountRow {
    /// # Errors
    /// `Decode` for a role or state that this version does not know.
    pub(super) fn into_account(self) -> Result<Account, StorageError> {
        Ok(Account {
            org: self.org_id.into(),
            user: self.user_id.into(),
            login: self.login,
            name: self.name,
            email: self.email,
            role: self
                .role
                .parse::<Role>()
                .map_err(|unknown| StorageError::Decode(unknown.into()))?,
            team: self.team_id.map(TeamId),
            state: self
                .state
                .parse::<UserState>()
                .map_err(|unknown| StorageError::Decode(unknown.into()))?,
            password_hash: self.password_hash,
            acl_version: self.acl_version,
        })
    }
}

/// The account with this login, in whichever organisation.
///
/// # Errors
/// The driver's.
pub async fn find_by_login(tx: &mut Tx, login: &str) -> Result<Option<Account>, StorageError> {
    let row: Option<AccountRow> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT org_id, user_id, login, name, email, role, team_id, state, password_hash, acl_version
             FROM user_account WHERE login = $1",
        )
        .bind(login)
        .fetch_optional(c)
        .await
    })?;
    row.map(AccountRow::into_account).transpose()
}

/// A person's account.
///
/// # Errors
/// The driver's.
pub async fn find(tx: &mut Tx, org: OrgId, user: UserId) -> Result<Option<Account>, StorageError> {
    let row: Option<AccountRow> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT org_id, user_id, login, name, email, role, team_id, state, password_hash, acl_version
             FROM user_account WHERE org_id = $1 AND user_id = $2",
        )
        .bind(org.0)
        .bind(user.0)
        .fetch_optional(c)
        .await
    })?;
    row.map(AccountRow::into_account).transpose()
}

/// Everybody in an organisation, by login.
///
/// # Errors
/// The driver's.
pub async fn list(tx: &mut Tx, org: OrgId) -> Result<Vec<Account>, StorageError> {
    let rows: Vec<AccountRow> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT org_id, user_id, login, name, email, role, team_id, state, password_hash, acl_version
             FROM user_account WHERE org_id = $1 ORDER BY login",
        )
        .bind(org.0)
        .fetch_all(c)
        .await
    })?;
    rows.into_iter().map(AccountRow::into_account).collect()
}

/// Those of an organisation's people who have these logins.
///
/// # Errors
/// The driver's.
pub async fn list_by_login(tx: &mut Tx, org: OrgId, logins: &[&str]) -> Result<Vec<Account>, StorageError> {
    if logins.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<AccountRow> = on!(tx, |c| {
        let mut query = QueryBuilder::new(
            "SELECT org_id, user_id, login, name, email, role, team_id, state, password_hash, acl_version
             FROM user_account WHERE org_id = ",
        );
        query.push_bind(org.0).push(" AND login IN (");
        let mut list = query.separated(", ");
        for login in logins {
            list.push_bind((*login).to_owned());
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(AccountRow::into_account).collect()
}

/// Adds a person.
///
/// # Errors
/// The driver's; a unique violation if the login is taken.
pub async fn insert(tx: &mut Tx, account: &Account, created_at: Timestamp) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO user_account
             (org_id, user_id, login, name, email, role, team_id, state, password_hash, acl_version, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(account.org.0)
        .bind(account.user.0)
        .bind(account.login.as_str())
        .bind(account.name.as_str())
        .bind(account.email.as_deref())
        .bind(account.role.name())
        .bind(account.team.map(|team| team.0))
        .bind(account.state.name())
        .bind(account.password_hash.as_deref())
        .bind(account.acl_version)
        .bind(created_at.0)
        .execute(c)
        .await
        .map(|_| ())
    })
}

/// Locks a person's row until the transaction ends, so that his place and state change one after the other.
///
/// # Errors
/// The driver's.
pub async fn lock(tx: &mut Tx, org: OrgId, user: UserId) -> Result<Option<Account>, StorageError> {
    // An update that changes nothing locks the row on both databases.
    on!(tx, |c| {
        sqlx::query("UPDATE user_account SET acl_version = acl_version WHERE org_id = $1 AND user_id = $2")
            .bind(org.0)
            .bind(user.0)
            .execute(c)
            .await
            .map(|_| ())
    })?;
    find(tx, org, user).await
}

/// Writes role, team and state, and raises the version of his rights.
///
/// # Errors
/// The driver's.
pub async fn update_place(
    tx: &mut Tx,
    org: OrgId,
    user: UserId,
    role: Role,
    team: Option<TeamId>,
    state: UserState,
) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query(
            "UPDATE user_account SET role = $3, team_id = $4, state = $5, acl_version = acl_version + 1
             WHERE org_id = $1 AND user_id = $2",
        )
        .bind(org.0)
        .bind(user.0)
        .bind(role.name())
        .bind(team.map(|team| team.0))
        .bind(state.name())
        .execute(c)
        .await
        .map(|_| ())
    })
}

/// Writes name, e-mail address and, unless `None`, the hash of a new password.
///
/// # Errors
/// The driver's.
pub async fn update_person(
    tx: &mut Tx,
    org: OrgId,
    user: UserId,
    name: &str,
    email: Option<&str>,
    password_hash: Option<&str>,
) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query(
            "UPDATE user_account SET name = $3, email = $4, password_hash = COALESCE($5, password_hash)
             WHERE org_id = $1 AND user_id = $2",
        )
        .bind(org.0)
        .bind(user.0)
        .bind(name)
        .bind(email)
        .bind(password_hash)
        .execute(c)
        .await
        .map(|_| ())
    })
}

/// The version of each of these people's rights.
///
/// # Errors
/// The driver's.
pub async fn list_acl_versions(
    tx: &mut Tx,
    org: OrgId,
    users: &[UserId],
) -> Result<std::collections::BTreeMap<UserId, i64>, StorageError> {
    if users.is_empty() {
        return Ok(std::collections::BTreeMap::new());
    }
    let rows: Vec<(uuid::Uuid, i64)> = on!(tx, |c| {
        let mut query = sqlx::QueryBuilder::new("SELECT user_id, acl_version FROM user_account WHERE org_id = ");
        query.push_bind(org.0).push(" AND user_id IN (");
        let mut list = query.separated(", ");
        for user in super::sizes::filled(users) {
            list.push_bind(user.0);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows
        .into_iter()
        .map(|(user, version)| (UserId(user), version))
        .collect())
}
