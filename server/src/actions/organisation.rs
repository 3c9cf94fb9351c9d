//! Organisations, teams and pools come into being; settings change.

use std::collections::BTreeSet;

use serde_json::json;
use sync_core::{
    directory::{Choice, LEASE_DAYS_MAX, Outcome, PipelineStage, PoolEntry, Settings, TeamEntry},
    ids::{LogId, OrgId, PoolId, TeamId, UserId},
    visibility::Role,
};

use super::{
    ActionError, Code,
    places::{policy_of, settle_scopes},
    reader::Reader,
};
use crate::{
    app::App,
    seam::Seam,
    storage::{
        StorageError, Tx,
        audit::{self, AuditRow},
        organisation::{self, Organisation},
        people, pools, teams,
    },
};

/// The longest name of an organisation, a team, a pool or a person, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// Whether there is any organisation: before that there is nobody to sign in.
///
/// # Errors
/// The database's.
pub async fn has_organisation(app: &App) -> Result<bool, ActionError> {
    let mut tx = app.database.read().await?;
    Ok(organisation::exists_any(&mut tx).await?)
}

/// Adds an organisation with the default settings.
///
/// # Errors
/// `invalid_request`; the database's.
pub async fn add_organisation(app: &App, by: Option<UserId>, name: &str, timezone: &str) -> Result<OrgId, ActionError> {
    let mut tx = app.database.write().await?;
    let org = add_organisation_in(&mut tx, &app.seam, by, name, timezone).await?;
    tx.commit().await?;
    Ok(org)
}

/// [`add_organisation`] inside a larger transaction.
///
/// # Errors
/// As there.
pub async fn add_organisation_in(
    tx: &mut Tx,
    seam: &Seam,
    by: Option<UserId>,
    name: &str,
    timezone: &str,
) -> Result<OrgId, ActionError> {
    let name = checked_name("name", name)?;
    jiff::tz::TimeZone::get(timezone)
        .map_err(|_| ActionError::invalid("timezone: give a name such as Asia/Shanghai or Europe/Berlin"))?;
    let (org, now) = (OrgId(seam.uuid()), seam.now());
    let organisation = Organisation {
        org,
        name,
        timezone: timezone.to_owned(),
        log: LogId(seam.uuid()),
        directory_version: 1,
        created_at: now,
    };
    organisation::insert(tx, &organisation, &Settings::default()).await?;
    audit::append(tx, org, &[row(seam, by, "organisation_added", org)]).await?;
    Ok(org)
}

/// Adds a team. Managers of the teams above it see what it will own.
///
/// # Errors
/// `not_found` for an unknown organisation or parent, `already_exists`, `invalid_request`; the database's.
pub async fn add_team(
    app: &App,
    by: Option<UserId>,
    org: OrgId,
    name: &str,
    parent: Option<TeamId>,
) -> Result<TeamId, ActionError> {
    let mut tx = app.database.write().await?;
    let team = add_team_in(&mut tx, &app.seam, by, org, name, parent).await?;
    tx.commit().await?;
    Ok(team)
}

/// [`add_team`] inside a larger transaction.
///
/// # Errors
/// As there.
pub async fn add_team_in(
    tx: &mut Tx,
    seam: &Seam,
    by: Option<UserId>,
    org: OrgId,
    name: &str,
    parent: Option<TeamId>,
) -> Result<TeamId, ActionError> {
    let name = checked_name("name", name)?;
    lock_organisation(tx, org).await?;
    if let Some(parent) = parent
        && !teams::exists(tx, org, parent).await?
    {
        return Err(ActionError::refused(Code::NotFound).because("parent: this organisation has no such team"));
    }
    let team = TeamEntry {
        id: TeamId(seam.uuid()),
        name,
        parent,
    };
    teams::insert(tx, org, &team, seam.now())
        .await
        .map_err(|error| taken(error, "name: a team with it exists"))?;
    let policy = policy_of(tx, org).await?;
    for manager in teams::list_managers_of(tx, org, team.id).await? {
        if let Some(account) = people::lock(tx, org, manager).await? {
            people::update_place(tx, org, manager, account.role, account.team, account.state).await?;
            settle_scopes(tx, &account, &policy).await?;
        }
    }
    let detail = json!({"parent": parent});
    audit::append(tx, org, &[row(seam, by, "team_added", team.id).with_detail(detail)]).await?;
    Ok(team.id)
}

/// Puts a team, with all below it, below another one, or at the top. Managers above it then and now see or lose what these
/// teams own, in the same transaction. Where it is already, nothing changes.
///
/// # Errors
/// `not_permitted` for anybody but an administrator (`by` none: the operator), `not_found` for an unknown organisation, team
/// or parent, `invalid_request` for a parent that is the team or below it; the database's.
pub async fn move_team(
    app: &App,
    by: Option<UserId>,
    org: OrgId,
    team: TeamId,
    parent: Option<TeamId>,
) -> Result<(), ActionError> {
    let mut tx = app.database.write().await?;
    lock_organisation(&mut tx, org).await?;
    if let Some(user) = by
        && Reader::load(&mut tx, org, user).await?.viewer.role != Role::Admin
    {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    let teams_now = teams::list(&mut tx, org).await?;
    let unknown = |member: &str| {
        ActionError::refused(Code::NotFound).because(format!("{member}: this organisation has no such team"))
    };
    let before = teams_now
        .iter()
        .find(|entry| entry.id == team)
        .ok_or_else(|| unknown("team"))?;
    if let Some(parent) = parent {
        if !teams_now.iter().any(|entry| entry.id == parent) {
            return Err(unknown("parent"));
        }
        if teams::list_below(&mut tx, org, team).await?.contains(&parent) {
            return Err(ActionError::invalid("parent: a team is not below itself"));
        }
    }
    if before.parent == parent {
        return Ok(());
    }
    // Those above it then and those above it now; who leads it or one below it keeps what he has.
    let mut concerned: BTreeSet<UserId> = teams::list_managers_of(&mut tx, org, team).await?.into_iter().collect();
    teams::set_parent(&mut tx, org, team, parent).await?;
    concerned.extend(teams::list_managers_of(&mut tx, org, team).await?);
    let policy = policy_of(&mut tx, org).await?;
    for manager in concerned {
        if let Some(account) = people::lock(&mut tx, org, manager).await? {
            people::update_place(&mut tx, org, manager, account.role, account.team, account.state).await?;
            settle_scopes(&mut tx, &account, &policy).await?;
        }
    }
    let detail = json!({"parent": [before.parent, parent]});
    audit::append(
        &mut tx,
        org,
        &[row(&app.seam, by, "team_moved", team).with_detail(detail)],
    )
    .await?;
    tx.commit().await?;
    app.committer.news().notify_waiters();
    Ok(())
}

/// Adds a pool, at first without members.
///
/// # Errors
/// `not_found` for an unknown organisation, `already_exists`, `invalid_request`; the database's.
pub async fn add_pool(app: &App, by: Option<UserId>, org: OrgId, name: &str) -> Result<PoolId, ActionError> {
    let mut tx = app.database.write().await?;
    let pool = add_pool_in(&mut tx, &app.seam, by, org, name).await?;
    tx.commit().await?;
    Ok(pool)
}

/// [`add_pool`] inside a larger transaction.
///
/// # Errors
/// As there.
pub async fn add_pool_in(
    tx: &mut Tx,
    seam: &Seam,
    by: Option<UserId>,
    org: OrgId,
    name: &str,
) -> Result<PoolId, ActionError> {
    let name = checked_name("name", name)?;
    lock_organisation(tx, org).await?;
    let pool = PoolEntry {
        id: PoolId(seam.uuid()),
        name,
    };
    pools::insert(tx, org, &pool, seam.now())
        .await
        .map_err(|error| taken(error, "name: a pool with it exists"))?;
    audit::append(tx, org, &[row(seam, by, "pool_added", pool.id)]).await?;
    Ok(pool.id)
}

/// Decides how many days a phone works without reaching the server; phones hear of it with their next sync.
///
/// # Errors
/// `not_found` for an unknown organisation, `invalid_request`; the database's.
pub async fn set_lease_days(app: &App, by: Option<UserId>, org: OrgId, days: u16) -> Result<(), ActionError> {
    if !(1..=LEASE_DAYS_MAX).contains(&days) {
        return Err(ActionError::invalid(format!("lease_days: give 1 to {LEASE_DAYS_MAX}")));
    }
    let mut tx = app.database.write().await?;
    lock_organisation(&mut tx, org).await?;
    let mut settings = organisation::find_settings(&mut tx, org).await?;
    settings.lease_days = days;
    organisation::update_settings(&mut tx, org, &settings).await?;
    let detail = json!({"lease_days": days});
    audit::append(
        &mut tx,
        org,
        &[row(&app.seam, by, "lease_changed", org).with_detail(detail)],
    )
    .await?;
    Ok(tx.commit().await?)
}

/// Adds stages to the pipeline of opportunities, open ones named as they are written. Those it has stay as they are.
///
/// # Errors
/// `not_found` for an unknown organisation; the database's.
pub async fn add_pipeline_stages_in(
    tx: &mut Tx,
    seam: &Seam,
    by: Option<UserId>,
    org: OrgId,
    stages: &[String],
) -> Result<(), ActionError> {
    lock_organisation(tx, org).await?;
    let mut settings = organisation::find_settings(tx, org).await?;
    let before = settings.pipeline.len();
    for id in stages {
        if !settings.pipeline.iter().any(|stage| stage.choice.id == *id) {
            settings.pipeline.push(PipelineStage {
                choice: Choice::new(id, id, id),
                outcome: Outcome::Open,
            });
        }
    }
    if settings.pipeline.len() == before {
        return Ok(());
    }
    organisation::update_settings(tx, org, &settings).await?;
    let detail = json!({"added": settings.pipeline.len() - before});
    audit::append(tx, org, &[row(seam, by, "pipeline_changed", org).with_detail(detail)]).await?;
    Ok(())
}

/// Locks the organisation and says that its directory changes.
pub(super) async fn lock_organisation(tx: &mut Tx, org: OrgId) -> Result<(), ActionError> {
    if organisation::bump_directory(tx, org).await? {
        return Ok(());
    }
    Err(ActionError::refused(Code::NotFound).because("org: there is no such organisation; `admin org list` shows all"))
}

/// A name that can be shown in one line.
pub(super) fn checked_name(field: &str, name: &str) -> Result<String, ActionError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(ActionError::invalid(format!(
            "{field}: give 1 to {NAME_CHARS_MAX} characters in one line"
        )));
    }
    Ok(name.to_owned())
}

/// What a violated uniqueness means to the caller.
pub(super) fn taken(error: StorageError, reason: &str) -> ActionError {
    match error.as_database_error() {
        Some(database) if database.is_unique_violation() => ActionError::refused(Code::AlreadyExists).because(reason),
        _ => error.into(),
    }
}

pub(super) fn row(seam: &Seam, by: Option<UserId>, action: &'static str, subject: impl ToString) -> AuditRow {
    AuditRow {
        user: by,
        ..AuditRow::new(seam.now(), action, subject)
    }
}
