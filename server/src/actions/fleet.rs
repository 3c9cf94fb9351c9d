//! People and their devices, as far as somebody may look after them.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{
    ids::{DeviceId, OrgId, TeamId, UserId},
    time::Timestamp,
    visibility::{Relation, Role, Scope, UserState},
};

use super::{
    ActionError, Code,
    people::{PlaceChange, change_place_in},
    reader::Reader,
};
use crate::{
    app::App,
    storage::{
        Database, Tx,
        audit::{self, AuditRow},
        devices::{self, DeviceCounts, DeviceRow, DeviceState},
        people::{self, Account},
        reading,
    },
};

/// Devices read at a time.
const DEVICES_PER_READ: i64 = 500;

/// A device with its user and what it has not confirmed.
#[derive(Debug, Clone)]
pub struct ListedDevice {
    /// The device.
    pub device: DeviceRow,
    /// Its user.
    pub account: Account,
    /// Orders to drop a customer that it has not confirmed.
    pub unconfirmed_evictions: i64,
}

// Whose devices somebody looks after: administrators, back office and auditors everybody's, a manager his teams', and
// each person his own.
enum Charge {
    Everybody,
    Teams(BTreeSet<TeamId>),
}

impl Charge {
    fn of(reader: &Reader) -> Self {
        match reader.viewer.role {
            Role::Admin | Role::BackOffice | Role::Auditor => Self::Everybody,
            Role::Rep | Role::Manager | Role::Service => Self::Teams(managed_teams(reader)),
        }
    }

    fn includes(&self, reader: &Reader, account: &Account) -> bool {
        match self {
            Self::Everybody => true,
            Self::Teams(teams) => {
                account.user == reader.viewer.user || account.team.is_some_and(|team| teams.contains(&team))
            }
        }
    }
}

/// Whether the reader looks after a person and his devices.
pub(super) fn looks_after(reader: &Reader, account: &Account) -> bool {
    Charge::of(reader).includes(reader, account)
}

fn managed_teams(reader: &Reader) -> BTreeSet<TeamId> {
    let managed = reader
        .scopes
        .iter()
        .filter(|held| held.relation == Some(Relation::Manager));
    managed
        .filter_map(|held| match held.scope {
            Scope::Team(team) => Some(team),
            _ => None,
        })
        .collect()
}

/// Everybody in the organisation, by login: names are no secret among colleagues.
///
/// # Errors
/// `account_not_active`, or the database's.
pub async fn list_people(database: &Database, org: OrgId, user: UserId) -> Result<Vec<Account>, ActionError> {
    let mut tx = database.read().await?;
    Reader::load(&mut tx, org, user).await?;
    Ok(people::list(&mut tx, org).await?)
}

/// Sets whether a person works here. An administrator does this, and not to himself: the last one would lock all out.
///
/// # Errors
/// `not_permitted`, `not_found`, `account_not_active`; the database's.
pub async fn set_state(app: &App, org: OrgId, by: UserId, person: UserId, state: UserState) -> Result<(), ActionError> {
    let mut tx = app.database.write().await?;
    let reader = Reader::load(&mut tx, org, by).await?;
    if reader.viewer.role != Role::Admin {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    if by == person && state != UserState::Active {
        return Err(ActionError::refused(Code::NotPermitted).because("Let another administrator do this."));
    }
    let change = PlaceChange {
        state: Some(state),
        ..PlaceChange::default()
    };
    change_place_in(&mut tx, &app.seam, Some(by), org, person, &change).await?;
    Ok(tx.commit().await?)
}

/// Devices that the reader looks after, by id, after one of them.
///
/// # Errors
/// `account_not_active`, or the database's.
pub async fn list_devices(
    database: &Database,
    org: OrgId,
    user: UserId,
    after: Option<DeviceId>,
    limit: i64,
) -> Result<(Vec<ListedDevice>, Option<DeviceId>), ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    list_wanted(&mut tx, &reader, after, limit, |_| true).await
}

/// [`list_devices`] without the reader's own.
///
/// # Errors
/// As there.
pub async fn list_devices_of_others(
    database: &Database,
    org: OrgId,
    user: UserId,
    after: Option<DeviceId>,
    limit: i64,
) -> Result<(Vec<ListedDevice>, Option<DeviceId>), ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    // Most people look after nobody's but their own: for them the whole company's need not be read.
    if matches!(Charge::of(&reader), Charge::Teams(teams) if teams.is_empty()) {
        return Ok((Vec::new(), None));
    }
    list_wanted(&mut tx, &reader, after, limit, |account| account.user != user).await
}

/// The reader's own devices, by id.
///
/// # Errors
/// `account_not_active`, or the database's.
pub async fn list_own_devices(
    database: &Database,
    org: OrgId,
    user: UserId,
    limit: i64,
) -> Result<Vec<ListedDevice>, ActionError> {
    let mut tx = database.read().await?;
    Reader::load(&mut tx, org, user).await?;
    let account = people::find(&mut tx, org, user)
        .await?
        .ok_or_else(|| ActionError::refused(Code::NotFound))?;
    let rows = devices::list(&mut tx, org, Some(user), None, limit).await?;
    let rows = rows.into_iter().map(|device| (device, account.clone())).collect();
    with_unconfirmed(&mut tx, org, rows).await
}

/// The devices of some people that may still hold something, as far as the reader looks after them; in the order of the people.
pub(super) async fn list_devices_of(
    tx: &mut Tx,
    reader: &Reader,
    people: &[UserId],
) -> Result<Vec<ListedDevice>, ActionError> {
    let (org, charge) = (reader.org, Charge::of(reader));
    let mut rows = Vec::new();
    for user in people {
        let Some(account) = people::find(tx, org, *user).await? else {
            continue;
        };
        if charge.includes(reader, &account) {
            let devices = devices::list(tx, org, Some(*user), None, DEVICES_PER_READ).await?;
            let alive = devices.into_iter().filter(|device| device.state != DeviceState::Wiped);
            rows.extend(alive.map(|device| (device, account.clone())));
        }
    }
    with_unconfirmed(tx, org, rows).await
}

/// Counts the devices that the reader looks after and that may speak.
///
/// # Errors
/// `account_not_active`, or the database's.
pub async fn count_devices(
    database: &Database,
    org: OrgId,
    user: UserId,
    silent_before: Timestamp,
) -> Result<DeviceCounts, ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let counts = match Charge::of(&reader) {
        Charge::Everybody => devices::count(&mut tx, org, None, silent_before).await?,
        Charge::Teams(teams) => {
            let teams: Vec<TeamId> = teams.into_iter().collect();
            devices::count(&mut tx, org, Some((user, &teams)), silent_before).await?
        }
    };
    Ok(counts)
}

async fn list_wanted(
    tx: &mut Tx,
    reader: &Reader,
    after: Option<DeviceId>,
    limit: i64,
    wanted: impl Fn(&Account) -> bool,
) -> Result<(Vec<ListedDevice>, Option<DeviceId>), ActionError> {
    let org = reader.org;
    let charge = Charge::of(reader);
    let accounts: BTreeMap<UserId, Account> = people::list(tx, org)
        .await?
        .into_iter()
        .filter(|account| charge.includes(reader, account) && wanted(account))
        .map(|account| (account.user, account))
        .collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut rows, mut after) = (Vec::new(), after);
    // One more than asked for tells whether the list goes on.
    while rows.len() <= limit {
        let read = devices::list(tx, org, None, after, DEVICES_PER_READ).await?;
        let Some(last) = read.last() else { break };
        after = Some(last.device);
        let ours = read.into_iter().filter_map(|device| {
            let account = accounts.get(&device.user)?;
            Some((device, account.clone()))
        });
        rows.extend(ours);
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(device, _)| device.device);
    Ok((with_unconfirmed(tx, org, rows).await?, next))
}

async fn with_unconfirmed(
    tx: &mut Tx,
    org: OrgId,
    rows: Vec<(DeviceRow, Account)>,
) -> Result<Vec<ListedDevice>, ActionError> {
    let ids: Vec<DeviceId> = rows.iter().map(|(device, _)| device.device).collect();
    let unconfirmed: BTreeMap<DeviceId, i64> = reading::count_unconfirmed(tx, org, &ids).await?.into_iter().collect();
    let items = rows.into_iter().map(|(device, account)| ListedDevice {
        unconfirmed_evictions: unconfirmed.get(&device.device).copied().unwrap_or(0),
        device,
        account,
    });
    Ok(items.collect())
}

/// Takes a device's right away: it hands in what it still holds, for some days, and is told to erase itself. Done again
/// it changes nothing.
///
/// # Errors
/// `not_found` alike for a device that does not exist and one that is not the revoker's to revoke; `account_not_active`;
/// the database's.
pub async fn revoke_device(app: &App, org: OrgId, user: UserId, device: DeviceId) -> Result<(), ActionError> {
    let mut tx = app.database.write().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let unknown = || ActionError::refused(Code::NotFound);
    let (row, account) = devices::find_with_account(&mut tx, org, device)
        .await?
        .ok_or_else(unknown)?;
    let may = reader.viewer.role != Role::Auditor && Charge::of(&reader).includes(&reader, &account);
    if !may {
        return Err(unknown());
    }
    let now = app.seam.now();
    if row.state == DeviceState::Active && devices::revoke(&mut tx, org, device, now).await? {
        let audited = AuditRow::new(now, "device_revoked", device).by(user);
        audit::append(&mut tx, org, &[audited]).await?;
    }
    Ok(tx.commit().await?)
}

/// Rows of the audit after a number, for those who may read it: administrators and auditors.
///
/// # Errors
/// `not_permitted`, `account_not_active`, or the database's.
pub async fn list_audit(
    database: &Database,
    org: OrgId,
    user: UserId,
    after: i64,
    limit: i64,
) -> Result<(Vec<audit::StoredAudit>, Option<i64>), ActionError> {
    let mut tx: Tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    if !matches!(reader.viewer.role, Role::Admin | Role::Auditor) {
        return Err(ActionError::refused(Code::NotPermitted));
    }
    let mut rows = audit::list_after(&mut tx, org, after, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.audit_seq);
    Ok((rows, next))
}
