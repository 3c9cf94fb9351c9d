//! Enrolled devices.

mod ending;

use std::{fmt, str::FromStr};

use sqlx::FromRow;
use sync_core::{
    ids::{DeviceId, OrgId, TeamId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    StorageError, Tx, on,
    people::{Account, AccountRow},
};

pub use ending::{find_state, order_wipe, record_wipe, revoke, set_draining};

/// Whether a device may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceState {
    /// It may.
    Active,
    /// Somebody took its right away: for some days it may hand in what it holds.
    Revoked,
    /// It has reported that everything on it is gone.
    Wiped,
}

impl DeviceState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Active, Self::Revoked, Self::Wiped];

    /// The stable name in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Wiped => "wiped",
        }
    }
}

impl fmt::Display for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no state of a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such state; a device is active, revoked or wiped")]
pub struct UnknownDeviceState;

impl FromStr for DeviceState {
    type Err = UnknownDeviceState;

    fn from_str(text: &str) -> Result<Self, UnknownDeviceState> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or(UnknownDeviceState)
    }
}

/// An enrolled device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// The organisation.
    pub org: OrgId,
    /// The device.
    pub device: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// What its user calls it.
    pub name: String,
    /// Its Ed25519 public key.
    pub public_key: Vec<u8>,
    /// Whether it may speak.
    pub state: DeviceState,
    /// The version of the app that spoke last.
    pub app_version: String,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// Challenges issued at or before this instant are spent.
    pub last_proof_at: Timestamp,
    /// When it was last heard, to the minute.
    pub last_seen_at: Option<Timestamp>,
    /// When somebody took its right away, or its user began to leave: since then it only hands in what it holds.
    pub revoked_at: Option<Timestamp>,
    /// When it was first told to erase everything.
    pub wipe_ordered_at: Option<Timestamp>,
    /// When it confirmed that all is gone.
    pub wiped_at: Option<Timestamp>,
    /// How many changes it last said were pending.
    pub pending: i64,
    /// Its clock minus the server's.
    pub clock_offset_ms: Option<i64>,
    /// The number of its last message.
    pub last_message: i64,
    /// What that message was.
    pub last_message_sha256: Option<Vec<u8>>,
    /// The highest cursor it has acknowledged.
    pub acknowledged_seq: i64,
    /// Attempts to write as somebody else.
    pub security_flags: i64,
}

#[derive(FromRow)]
struct Row {
    org_id: Uuid,
    device_id: Uuid,
    user_id: Uuid,
    #[sqlx(rename = "device_name")]
    name: String,
    public_key: Vec<u8>,
    #[sqlx(rename = "device_state")]
    state: String,
    app_version: String,
    enrolled_at: i64,
    last_proof_at: i64,
    last_seen_at: Option<i64>,
    revoked_at: Option<i64>,
    wipe_ordered_at: Option<i64>,
    wiped_at: Option<i64>,
    pending: i64,
    clock_offset_ms: Option<i64>,
    last_message: i64,
    last_message_sha256: Option<Vec<u8>>,
    acknowledged_seq: i64,
    security_flags: i64,
}

impl Row {
    fn into_device(self) -> Result<DeviceRow, StorageError> {
        Ok(DeviceRow {
            org: self.org_id.into(),
            device: self.device_id.into(),
            user: self.user_id.into(),
            name: self.name,
            public_key: self.public_key,
            state: self
                .state
                .parse::<DeviceState>()
                .map_err(|unknown| StorageError::Decode(unknown.into()))?,
            app_version: self.app_version,
            enrolled_at: Timestamp(self.enrolled_at),
            last_proof_at: Timestamp(self.last_proof_at),
            last_seen_at: self.last_seen_at.map(Timestamp),
            revoked_at: self.revoked_at.map(Timestamp),
            wipe_ordered_at: self.wipe_ordered_at.map(Timestamp),
            wiped_at: self.wiped_at.map(Timestamp),
            pending: self.pending,
            clock_offset_ms: self.clock_offset_ms,
            last_message: self.last_message,
            last_message_sha256: self.last_message_sha256,
            acknowledged_seq: self.acknowledged_seq,
            security_flags: self.security_flags,
        })
    }
}

/// A device about to be enrolled.
#[derive(Debug, Clone, Copy)]
pub struct NewDevice<'a> {
    /// Its id.
    pub device: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// What he calls it.
    pub name: &'a str,
    /// The public half of its key.
    pub public_key: &'a [u8; 32],
    /// Which app speaks; empty: not said.
    pub app_version: &'a str,
    /// When.
    pub enrolled_at: Timestamp,
}

/// Adds a device that has neither proved itself nor sent anything yet.
///
/// # Errors
/// The driver's.
pub async fn insert(tx: &mut Tx, org: OrgId, device: NewDevice<'_>) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO device (org_id, device_id, user_id, name, public_key, state, app_version, enrolled_at,
                                 last_proof_at, pending, last_message, acknowledged_seq, security_flags)
             VALUES ($1, $2, $3, $4, $5, 'active', $6, $7, 0, 0, 0, 0, 0)",
        )
        .bind(org.0)
        .bind(device.device.0)
        .bind(device.user.0)
        .bind(device.name)
        .bind(&device.public_key[..])
        .bind(device.app_version)
        .bind(device.enrolled_at.0)
        .execute(c)
        .await
        .map(|_| ())
    })
}

/// A device.
///
/// # Errors
/// The driver's.
pub async fn find(tx: &mut Tx, org: OrgId, device: DeviceId) -> Result<Option<DeviceRow>, StorageError> {
    let row: Option<Row> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT org_id, device_id, user_id, name AS device_name, public_key, state AS device_state, app_version,
                    enrolled_at, last_proof_at, last_seen_at, revoked_at, wipe_ordered_at, wiped_at, pending,
                    clock_offset_ms, last_message, last_message_sha256, acknowledged_seq, security_flags
             FROM device WHERE org_id = $1 AND device_id = $2",
        )
        .bind(org.0)
        .bind(device.0)
        .fetch_optional(c)
        .await
    })?;
    row.map(Row::into_device).transpose()
}

#[derive(FromRow)]
struct RowWithAccount {
    device_id: Uuid,
    device_name: String,
    public_key: Vec<u8>,
    device_state: String,
    app_version: String,
    enrolled_at: i64,
    last_proof_at: i64,
    last_seen_at: Option<i64>,
    revoked_at: Option<i64>,
    wipe_ordered_at: Option<i64>,
    wiped_at: Option<i64>,
    pending: i64,
    clock_offset_ms: Option<i64>,
    last_message: i64,
    last_message_sha256: Option<Vec<u8>>,
    acknowledged_seq: i64,
    security_flags: i64,
    #[sqlx(flatten)]
    account: AccountRow,
}

/// A device with its user's account, in one look-up by key.
///
/// # Errors
/// The driver's.
pub async fn find_with_account(
    tx: &mut Tx,
    org: OrgId,
    device: DeviceId,
) -> Result<Option<(DeviceRow, Account)>, StorageError> {
    let row: Option<RowWithAccount> = on!(tx, |c| {
        sqlx::query_as(
            "SELECT d.device_id, d.name AS device_name, d.public_key, d.state AS device_state, d.app_version,
                    d.enrolled_at, d.last_proof_at, d.last_seen_at, d.revoked_at, d.wipe_ordered_at, d.wiped_at,
                    d.pending, d.clock_offset_ms, d.last_message, d.last_message_sha256, d.acknowledged_seq,
                    d.security_flags,
                    u.org_id, u.user_id, u.login, u.name, u.email, u.role, u.team_id, u.state, u.password_hash,
                    u.acl_version
             FROM device d JOIN user_account u ON u.org_id = d.org_id AND u.user_id = d.user_id
             WHERE d.org_id = $1 AND d.device_id = $2",
        )
        .bind(org.0)
        .bind(device.0)
        .fetch_optional(c)
        .await
    })?;
    let Some(row) = row else { return Ok(None) };
    let account = row.account.into_account()?;
    let device = Row {
        org_id: account.org.0,
        device_id: row.device_id,
        user_id: account.user.0,
        name: row.device_name,
        public_key: row.public_key,
        state: row.device_state,
        app_version: row.app_version,
        enrolled_at: row.enrolled_at,
        last_proof_at: row.last_proof_at,
        last_seen_at: row.last_seen_at,
        revoked_at: row.revoked_at,
        wipe_ordered_at: row.wipe_ordered_at,
        wiped_at: row.wiped_at,
        pending: row.pending,
        clock_offset_ms: row.clock_offset_ms,
        last_message: row.last_message,
        last_message_sha256: row.last_message_sha256,
        acknowledged_seq: row.acknowledged_seq,
        security_flags: row.security_flags,
    };
    Ok(Some((device.into_device()?, account)))
}

/// An organisation's devices after one of them, by id; of one user if he is named.
///
/// # Errors
/// The driver's.
pub async fn list(
    tx: &mut Tx,
    org: OrgId,
    user: Option<UserId>,
    after: Option<DeviceId>,
    limit: i64,
) -> Result<Vec<DeviceRow>, StorageError> {
    let rows: Vec<Row> = on!(tx, |c| {
        let mut query = sqlx::QueryBuilder::new(
            "SELECT org_id, device_id, user_id, name AS device_name, public_key, state AS device_state, app_version,
                    enrolled_at, last_proof_at, last_seen_at, revoked_at, wipe_ordered_at, wiped_at, pending,
                    clock_offset_ms, last_message, last_message_sha256, acknowledged_seq, security_flags
             FROM device WHERE org_id = ",
        );
        query.push_bind(org.0);
        // Said only where it is asked: no index serves a condition that may not count.
        if let Some(user) = user {
            query.push(" AND user_id = ").push_bind(user.0);
        }
        query
            .push(" AND device_id > ")
            .push_bind(after.map_or(Uuid::nil(), |device| device.0));
        query.push(" ORDER BY device_id LIMIT ").push_bind(limit).push(" + 0");
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(Row::into_device).collect()
}

/// What devices that may speak come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct DeviceCounts {
    /// So many.
    pub active: i64,
    /// Those of them that were last heard before some instant, or never.
    pub silent: i64,
    /// Changes that they last said were pending.
    pub pending: i64,
}

/// Counts devices that may speak: everybody's, or those of one person and of some teams.
///
/// # Errors
/// The driver's.
pub async fn count(
    tx: &mut Tx,
    org: OrgId,
    whose: Option<(UserId, &[TeamId])>,
    silent_before: Timestamp,
) -> Result<DeviceCounts, StorageError> {
    on!(tx, |c| {
        let mut query = sqlx::QueryBuilder::new(
            "SELECT COUNT(*) AS active, CAST(COALESCE(SUM(d.pending), 0) AS BIGINT) AS pending,
                    COUNT(CASE WHEN d.last_seen_at IS NULL OR d.last_seen_at < ",
        );
        query.push_bind(silent_before.0).push(
            " THEN 1 END) AS silent
             FROM device d JOIN user_account u ON u.org_id = d.org_id AND u.user_id = d.user_id
             WHERE d.org_id = ",
        );
        query.push_bind(org.0).push(" AND d.state = 'active'");
        if let Some((user, teams)) = whose {
            query.push(" AND (d.user_id = ").push_bind(user.0);
            if !teams.is_empty() {
                query.push(" OR u.team_id IN (");
                let mut list = query.separated(", ");
                for team in super::sizes::filled(teams) {
                    list.push_bind(team.0);
                }
                query.push(")");
            }
            query.push(")");
        }
        query.build_query_as().fetch_one(c).await
    })
}

/// How many devices of a person may speak.
///
/// # Errors
/// The driver's.
pub async fn count_active(tx: &mut Tx, org: OrgId, user: UserId) -> Result<i64, StorageError> {
    on!(tx, |c| {
        sqlx::query_scalar("SELECT COUNT(*) FROM device WHERE org_id = $1 AND user_id = $2 AND state = 'active'")
            .bind(org.0)
            .bind(user.0)
            .fetch_one(c)
            .await
    })
}

/// Spends a challenge: `false` if this one, or one issued after it, was spent before.
///
/// # Errors
/// The driver's.
pub async fn record_proof(
    tx: &mut Tx,
    org: OrgId,
    device: DeviceId,
    challenge_issued_at: Timestamp,
    app_version: &str,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let changed = on!(tx, |c| {
        sqlx::query(
            "UPDATE device SET last_proof_at = $3, app_version = $4, last_seen_at = $5
             WHERE org_id = $1 AND device_id = $2 AND last_proof_at < $3",
        )
        .bind(org.0)
        .bind(device.0)
        .bind(challenge_issued_at.0)
        .bind(app_version)
        .bind(now.0)
        .execute(c)
        .await
        .map(|result| result.rows_affected())
    })?;
    Ok(changed > 0)
}

/// Writes when a device was last heard, unless a later time is known.
///
/// # Errors
/// The driver's.
pub async fn record_seen(tx: &mut Tx, org: OrgId, device: DeviceId, at: Timestamp) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query(
            "UPDATE device SET last_seen_at = $3
             WHERE org_id = $1 AND device_id = $2 AND (last_seen_at IS NULL OR last_seen_at < $3)",
        )
        .bind(org.0)
        .bind(device.0)
        .bind(at.0)
        .execute(c)
        .await
        .map(|_| ())
    })
}

/// What a message of a device says about it.
#[derive(Debug, Clone, Copy)]
pub struct DeviceMessage<'a> {
    /// The message's number.
    pub number: i64,
    /// What it was.
    pub sha256: &'a [u8],
    /// The cursor it acknowledges; a lower one than before changes nothing.
    pub acknowledged_seq: i64,
    /// How many changes are pending on it.
    pub pending: i64,
    /// Its clock minus the server's.
    pub clock_offset_ms: Option<i64>,
    /// When it came.
    pub received_at: Timestamp,
}

/// Writes down a message; `false` if one of this or a higher number was written before.
///
/// # Errors
/// The driver's.
pub async fn record_message(
    tx: &mut Tx,
    org: OrgId,
    device: DeviceId,
    message: DeviceMessage<'_>,
) -> Result<bool, StorageError> {
    let changed = on!(tx, |c| {
        sqlx::query(
            "UPDATE device SET last_message = $3, last_message_sha256 = $4,
               acknowledged_seq = CASE WHEN acknowledged_seq < $5 THEN $5 ELSE acknowledged_seq END,
               pending = $6, clock_offset_ms = COALESCE($7, clock_offset_ms), last_seen_at = $8
             WHERE org_id = $1 AND device_id = $2 AND last_message < $3",
        )
        .bind(org.0)
        .bind(device.0)
        .bind(message.number)
        .bind(message.sha256)
        .bind(message.acknowledged_seq)
        .bind(message.pending)
        .bind(message.clock_offset_ms)
        .bind(message.received_at.0)
        .execute(c)
        .await
        .map(|result| result.rows_affected())
    })?;
    Ok(changed > 0)
}

/// Counts an attempt to write as somebody else.
///
/// # Errors
/// The driver's.
pub async fn add_security_flag(tx: &mut Tx, org: OrgId, device: DeviceId) -> Result<(), StorageError> {
    on!(tx, |c| {
        sqlx::query("UPDATE device SET security_flags = security_flags + 1 WHERE org_id = $1 AND device_id = $2")
            .bind(org.0)
            .bind(device.0)
            .execute(c)
            .await
            .map(|_| ())
    })
}

/// The last message of each of these devices that may speak: its number and what it was. One revoked at or after
/// `revoked_since` still hands in.
///
/// # Errors
/// The driver's.
pub async fn list_last_messages(
    tx: &mut Tx,
    org: OrgId,
    devices: &[DeviceId],
    revoked_since: Timestamp,
) -> Result<std::collections::BTreeMap<DeviceId, (i64, Option<Vec<u8>>)>, StorageError> {
    if devices.is_empty() {
        return Ok(std::collections::BTreeMap::new());
    }
    let rows: Vec<(Uuid, i64, Option<Vec<u8>>)> = on!(tx, |c| {
        let mut query = sqlx::QueryBuilder::new(
            "SELECT device_id, last_message, last_message_sha256 FROM device
             WHERE (state = 'active' OR (state = 'revoked' AND revoked_at >= ",
        );
        query.push_bind(revoked_since.0).push(")) AND org_id = ");
        query.push_bind(org.0).push(" AND device_id IN (");
        let mut list = query.separated(", ");
        for device in devices {
            list.push_bind(device.0);
        }
        query.push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows
        .into_iter()
        .map(|(device, number, sha256)| (DeviceId(device), (number, sha256)))
        .collect())
}
