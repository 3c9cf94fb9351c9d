//! After a restore: the operator looks through people and devices, phones bring back what the server has lost, and what
//! came is listed.

use serde_json::{Value, json};
use sync_core::{ids::OrgId, visibility::UserState};

use super::{ActionError, Code};
use crate::{
    app::App,
    storage::{
        Database, StorageError,
        audit::{self, AuditRow},
        devices::{self, DeviceState},
        organisation::{self, Organisation},
        people,
        recovery::{self, Recovery},
    },
};

/// Lines of each list that are shown.
const LISTED_MAX: i64 = 1_000;

/// Organisations whose people and devices nobody has confirmed since a restore: nobody may be served.
///
/// # Errors
/// The database's.
pub async fn list_unconfirmed(database: &Database) -> Result<Vec<Organisation>, StorageError> {
    let mut tx = database.read().await?;
    let mut unconfirmed = Vec::new();
    for found in organisation::list(&mut tx).await? {
        let standing = recovery::find(&mut tx, found.org).await?;
        if standing.is_some_and(|standing| standing.unconfirmed_since.is_some()) {
            unconfirmed.push(found);
        }
    }
    Ok(unconfirmed)
}

/// What the operator is to do about them.
#[must_use]
pub fn explain(unconfirmed: &[Organisation]) -> String {
    let names: Vec<&str> = unconfirmed.iter().map(|found| found.name.as_str()).collect();
    format!(
        "people and devices of {} stand as on the day of the backup: who has left since, or whose phone was revoked, would be \
         served again. Look at `fieldpool admin recovery status`, set right what is not (`admin user set-state`, `admin \
         recovery revoke`), then say `fieldpool admin recovery confirm`",
        names.join(", ")
    )
}

/// How an organisation stands after a restore: people and devices, what has come back, and whose customers were as far
/// as phones remember it.
///
/// # Errors
/// `not_found`; the database's.
pub async fn status(app: &App, org: OrgId) -> Result<Value, ActionError> {
    let mut tx = app.database.read().await?;
    let standing = find(&mut tx, org).await?;
    let mut everybody = Vec::new();
    for person in people::list(&mut tx, org).await? {
        let devices = devices::list(&mut tx, org, Some(person.user), None, LISTED_MAX).await?;
        let devices: Vec<Value> = devices
            .iter()
            .map(|device| {
                json!({"id": device.device, "name": device.name, "state": device.state.name(), "last_sync": device.last_seen_at})
            })
            .collect();
        everybody.push(json!({
            "id": person.user, "login": person.login, "name": person.name, "role": person.role.name(),
            "state": person.state.name(), "devices": devices,
        }));
    }
    let recovered = recovery::list_recovered(&mut tx, org, LISTED_MAX).await?;
    let recovered: Vec<Value> = recovered
        .iter()
        .map(|row| {
            json!({
                "document": row.document, "customer": row.customer, "device": row.device, "changes": row.changes,
            })
        })
        .collect();
    let believed = recovery::list_beliefs(&mut tx, org, LISTED_MAX).await?;
    let believed: Vec<Value> = believed
        .iter()
        .map(|(device, belief)| {
            json!({
                "customer": belief.customer, "owner": belief.owner, "pool": belief.pool, "version": belief.version,
                "device": device,
            })
        })
        .collect();
    Ok(json!({
        "org": org,
        "recovering_since": standing.recovering_since,
        "people_confirmed": standing.unconfirmed_since.is_none(),
        "people": everybody,
        "recovered": recovered,
        "believed_owners": believed,
    }))
}

/// Lets phones bring back what others wrote, or ends that. From then on they are told what they may no longer hold.
///
/// # Errors
/// `not_found`; the database's.
pub async fn set_recovering(app: &App, org: OrgId, on: bool) -> Result<(), ActionError> {
    let now = app.seam.now();
    change(
        app,
        org,
        if on { "recovery_begun" } else { "recovery_ended" },
        |standing| {
            standing.recovering_since = on.then(|| standing.recovering_since.unwrap_or(now.0));
        },
    )
    .await
}

/// The operator has looked through people and devices: the server may serve.
///
/// # Errors
/// `not_found`; the database's.
pub async fn confirm_people(app: &App, org: OrgId) -> Result<(), ActionError> {
    change(app, org, "people_confirmed", |standing| {
        standing.unconfirmed_since = None
    })
    .await
}

/// Revokes a device that was revoked before the restore, in the operator's name.
///
/// # Errors
/// `not_found`; the database's.
pub async fn revoke(app: &App, org: OrgId, device: sync_core::ids::DeviceId) -> Result<(), ActionError> {
    let mut tx = app.database.write().await?;
    let now = app.seam.now();
    let found = devices::find_with_account(&mut tx, org, device).await?;
    let (row, account) = found.ok_or_else(|| ActionError::refused(Code::NotFound))?;
    if row.state == DeviceState::Active {
        devices::revoke(&mut tx, org, device, now).await?;
        let detail = json!({"reason": "restored", "user_active": account.state == UserState::Active});
        let row = AuditRow::new(now, "device_revoked", device)
            .with_device(device)
            .with_detail(detail);
        audit::append(&mut tx, org, &[row]).await?;
    }
    Ok(tx.commit().await?)
}

async fn find(tx: &mut crate::storage::Tx, org: OrgId) -> Result<Recovery, ActionError> {
    let found = recovery::find(tx, org).await?;
    found.ok_or_else(|| ActionError::refused(Code::NotFound).because("There is no such organisation."))
}

async fn change(
    app: &App,
    org: OrgId,
    action: &'static str,
    change: impl FnOnce(&mut Recovery),
) -> Result<(), ActionError> {
    let mut tx = app.database.write().await?;
    organisation::lock(&mut tx, org).await?;
    let before = find(&mut tx, org).await?;
    let mut after = before;
    change(&mut after);
    if after != before {
        recovery::set(&mut tx, org, after).await?;
        audit::append(&mut tx, org, &[AuditRow::new(app.seam.now(), action, org)]).await?;
    }
    Ok(tx.commit().await?)
}
