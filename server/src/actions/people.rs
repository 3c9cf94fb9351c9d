//! People come, change their place, leave.

use std::collections::BTreeSet;

use serde_json::json;
use sync_core::{
    ids::{OrgId, PoolId, TeamId, UserId},
    visibility::{Role, UserState},
};

use super::{
    ActionError, Code,
    organisation::{checked_name, lock_organisation, row, taken},
    places::{policy_of, settle_scopes},
};
use crate::{
    app::App,
    seam::Seam,
    storage::{
        Tx, audit, devices,
        people::{self, Account},
        pools, sessions, sign_in_links, teams,
    },
};

/// The longest login, in bytes.
const LOGIN_BYTES_MAX: usize = 128;
/// The longest e-mail address, in bytes.
const EMAIL_BYTES_MAX: usize = 254;
/// The most pools one person may be in: each is a scope that every sync of his asks for.
pub const POOLS_PER_PERSON_MAX: usize = 32;

/// A person to add.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// What he signs in with; unique on the server.
    pub login: String,
    /// His name.
    pub name: String,
    /// His e-mail address.
    pub email: Option<String>,
    /// What he is.
    pub role: Role,
    /// Where he works; for a manager, what he leads.
    pub team: Option<TeamId>,
    /// His pools, and whether he administers each.
    pub pools: Vec<(PoolId, bool)>,
}

/// Adds a person. Without a password he cannot sign in.
///
/// # Errors
/// `not_found` for an unknown organisation, team or pool, `already_exists`, `invalid_request`; the database's.
pub async fn add_person(
    app: &App,
    by: Option<UserId>,
    org: OrgId,
    person: &NewPerson,
    password: Option<&str>,
) -> Result<UserId, ActionError> {
    let password_hash = match password {
        Some(password) => Some(app.passwords.hash(password).await?),
        None => None,
    };
    let mut tx = app.database.write().await?;
    let user = add_person_in(&mut tx, &app.seam, by, org, person, password_hash).await?;
    tx.commit().await?;
    Ok(user)
}

/// [`add_person`] inside a larger transaction, with the password hashed before it began.
///
/// # Errors
/// As there.
pub async fn add_person_in(
    tx: &mut Tx,
    seam: &Seam,
    by: Option<UserId>,
    org: OrgId,
    person: &NewPerson,
    password_hash: Option<String>,
) -> Result<UserId, ActionError> {
    let account = Account {
        org,
        user: UserId(seam.uuid()),
        login: checked_login(&person.login)?,
        name: checked_name("name", &person.name)?,
        email: checked_email(person.email.as_deref())?,
        role: person.role,
        team: person.team,
        state: UserState::Active,
        password_hash,
        acl_version: 1,
    };
    lock_organisation(tx, org).await?;
    check_team(tx, org, account.team).await?;
    check_pools(tx, org, &person.pools).await?;
    people::insert(tx, &account, seam.now())
        .await
        .map_err(|error| taken(error, "login: somebody has it; logins are unique on the server"))?;
    pools::replace_of_user(tx, org, account.user, &person.pools).await?;
    let policy = policy_of(tx, org).await?;
    settle_scopes(tx, &account, &policy).await?;
    let detail = json!({"role": account.role.name(), "team": account.team, "pools": person.pools.len()});
    audit::append(
        tx,
        org,
        &[row(seam, by, "user_added", account.user).with_detail(detail)],
    )
    .await?;
    Ok(account.user)
}

/// What changes in a person's place; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct PlaceChange {
    /// A new role.
    pub role: Option<Role>,
    /// Another team, or none.
    pub team: Option<Option<TeamId>>,
    /// The pools he is in from now on, all of them, and whether he administers each.
    pub pools: Option<Vec<(PoolId, bool)>>,
    /// A new state.
    pub state: Option<UserState>,
}

/// Changes a person's role, team, pools or state, with the scopes that follow from them, in one transaction. A person
/// who is no longer active is signed out everywhere at once; his devices may hand in what they hold.
///
/// # Errors
/// `not_found` for an unknown person, team or pool, `invalid_request`; the database's.
pub async fn change_place(
    app: &App,
    by: Option<UserId>,
    org: OrgId,
    user: UserId,
    change: &PlaceChange,
) -> Result<(), ActionError> {
    let mut tx = app.database.write().await?;
    change_place_in(&mut tx, &app.seam, by, org, user, change).await?;
    tx.commit().await?;
    Ok(())
}

/// [`change_place`] inside a larger transaction.
///
/// # Errors
/// As there.
pub async fn change_place_in(
    tx: &mut Tx,
    seam: &Seam,
    by: Option<UserId>,
    org: OrgId,
    user: UserId,
    change: &PlaceChange,
) -> Result<(), ActionError> {
    // The organisation first, as wherever teams and people are read for scopes: no team is added meanwhile.
    lock_organisation(tx, org).await?;
    let unknown = || ActionError::refused(Code::NotFound).because("user: this organisation has no such person");
    let before = people::lock(tx, org, user).await?.ok_or_else(unknown)?;
    let mut after = before.clone();
    after.role = change.role.unwrap_or(before.role);
    after.team = change.team.unwrap_or(before.team);
    after.state = change.state.unwrap_or(before.state);
    check_team(tx, org, after.team).await?;
    if let Some(pools) = &change.pools {
        check_pools(tx, org, pools).await?;
        pools::replace_of_user(tx, org, user, pools).await?;
    }
    people::update_place(tx, org, user, after.role, after.team, after.state).await?;
    if (after.state == UserState::Active) != (before.state == UserState::Active) {
        let since = (after.state != UserState::Active).then(|| seam.now());
        devices::set_draining(tx, org, user, since).await?;
    }
    // Who has lost his place, or has another role now, signs in again; no link from before does it for him.
    if after.state != UserState::Active || after.role != before.role {
        sessions::delete_of_user(tx, org, user).await?;
        sign_in_links::delete_of_user(tx, org, user).await?;
    }
    let policy = policy_of(tx, org).await?;
    settle_scopes(tx, &after, &policy).await?;
    let mut detail = serde_json::Map::new();
    if after.role != before.role {
        detail.insert("role".into(), json!([before.role.name(), after.role.name()]));
    }
    if after.team != before.team {
        detail.insert("team".into(), json!([before.team, after.team]));
    }
    if after.state != before.state {
        detail.insert("state".into(), json!([before.state.name(), after.state.name()]));
    }
    if let Some(pools) = &change.pools {
        detail.insert(
            "pools".into(),
            json!(pools.iter().map(|(pool, _)| pool).collect::<Vec<_>>()),
        );
    }
    let row = row(seam, by, "user_changed", user).with_detail(detail.into());
    audit::append(tx, org, &[row]).await?;
    Ok(())
}

/// Gives a person a new password and ends his sessions.
///
/// # Errors
/// `not_found`, `invalid_request`; the database's.
pub async fn set_password(
    app: &App,
    by: Option<UserId>,
    org: OrgId,
    user: UserId,
    password: &str,
) -> Result<(), ActionError> {
    let hash = app.passwords.hash(password).await?;
    let mut tx = app.database.write().await?;
    let account = people::lock(&mut tx, org, user)
        .await?
        .ok_or_else(|| ActionError::refused(Code::NotFound))?;
    people::update_person(&mut tx, org, user, &account.name, account.email.as_deref(), Some(&hash)).await?;
    sessions::delete_of_user(&mut tx, org, user).await?;
    sign_in_links::delete_of_user(&mut tx, org, user).await?;
    audit::append(&mut tx, org, &[row(&app.seam, by, "password_set", user)]).await?;
    tx.commit().await?;
    Ok(())
}

/// What is written anew about a person.
#[derive(Debug, Clone, Default)]
pub struct PersonUpdate {
    /// His name.
    pub name: String,
    /// His e-mail address.
    pub email: Option<String>,
    /// The hash of a new password; `None`: the old one stays.
    pub password_hash: Option<String>,
}

/// Writes a person's name, e-mail address and, if given, password.
///
/// # Errors
/// `not_found`, `invalid_request`; the database's.
pub async fn update_person_in(
    tx: &mut Tx,
    seam: &Seam,
    by: Option<UserId>,
    org: OrgId,
    user: UserId,
    update: &PersonUpdate,
) -> Result<(), ActionError> {
    let (name, email) = (
        checked_name("name", &update.name)?,
        checked_email(update.email.as_deref())?,
    );
    lock_organisation(tx, org).await?;
    people::lock(tx, org, user)
        .await?
        .ok_or_else(|| ActionError::refused(Code::NotFound))?;
    people::update_person(tx, org, user, &name, email.as_deref(), update.password_hash.as_deref()).await?;
    audit::append(tx, org, &[row(seam, by, "user_updated", user)]).await?;
    Ok(())
}

fn checked_login(login: &str) -> Result<String, ActionError> {
    let login = login.trim();
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if login.is_empty() || login.len() > LOGIN_BYTES_MAX || login.chars().any(odd) {
        return Err(ActionError::invalid(format!(
            "login: give 1 to {LOGIN_BYTES_MAX} bytes without spaces"
        )));
    }
    Ok(login.to_owned())
}

fn checked_email(email: Option<&str>) -> Result<Option<String>, ActionError> {
    let Some(email) = email.map(str::trim).filter(|email| !email.is_empty()) else {
        return Ok(None);
    };
    if email.len() > EMAIL_BYTES_MAX || email.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(ActionError::invalid(format!(
            "email: give at most {EMAIL_BYTES_MAX} bytes without spaces"
        )));
    }
    Ok(Some(email.to_owned()))
}

async fn check_team(tx: &mut Tx, org: OrgId, team: Option<TeamId>) -> Result<(), ActionError> {
    match team {
        Some(team) if !teams::exists(tx, org, team).await? => {
            Err(ActionError::refused(Code::NotFound).because("team: this organisation has no such team"))
        }
        _ => Ok(()),
    }
}

async fn check_pools(tx: &mut Tx, org: OrgId, pools: &[(PoolId, bool)]) -> Result<(), ActionError> {
    let distinct: BTreeSet<PoolId> = pools.iter().map(|(pool, _)| *pool).collect();
    if distinct.len() != pools.len() || pools.len() > POOLS_PER_PERSON_MAX {
        return Err(ActionError::invalid(format!(
            "pools: name each once, at most {POOLS_PER_PERSON_MAX}"
        )));
    }
    for pool in distinct {
        if !pools::exists(tx, org, pool).await? {
            return Err(ActionError::refused(Code::NotFound).because("pool: this organisation has no such pool"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
