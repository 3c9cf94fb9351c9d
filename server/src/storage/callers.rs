//! Who speaks in a sync, in one look-up: the device, its user, the organisation and how far its log reaches.

use sync_core::{
    ids::{DeviceId, LogId, OrgId, UserId},
    time::Timestamp,
    visibility::{Role, UserState, Viewer},
};
use uuid::Uuid;

use super::{Database, StorageError, Tx, devices::DeviceState, on, scopes::HeldScope};

/// A device that speaks, with everything that each sync asks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose device it is.
    pub user: UserId,
    /// Whether it may speak.
    pub device_state: DeviceState,
    /// When somebody took its right away, or its user began to leave.
    pub revoked_at: Option<Timestamp>,
    /// When it was told to erase everything.
    pub wipe_ordered_at: Option<Timestamp>,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// The highest place in the log that it has acknowledged.
    pub acknowledged_seq: i64,
    /// The number of its last message.
    pub last_message: i64,
    /// What that message was.
    pub last_message_sha256: Option<Vec<u8>>,
    /// What its user is.
    pub role: Role,
    /// Whether he works here.
    pub state: UserState,
    /// Version of his rights.
    pub acl_version: i64,
    /// The organisation's log.
    pub log: LogId,
    /// Version of the organisation's directory and settings.
    pub directory_version: i64,
    /// The place of the last committed event.
    pub head: i64,
    /// Phones bring back what others wrote: the server was restored.
    pub recovering: bool,
}

impl Caller {
    /// The user as the policy sees him.
    #[must_use]
    pub fn viewer(&self) -> Viewer {
        Viewer {
            user: self.user,
            role: self.role,
            state: self.state,
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: Uuid,
    device_state: String,
    revoked_at: Option<i64>,
    wipe_ordered_at: Option<i64>,
    enrolled_at: i64,
    acknowledged_seq: i64,
    last_message: i64,
    last_message_sha256: Option<Vec<u8>>,
    role: String,
    state: String,
    acl_version: i64,
    log_id: Uuid,
    directory_version: i64,
    recovering_since: Option<i64>,
    head: i64,
}

impl Row {
    fn read(self) -> Result<Caller, StorageError> {
        let unreadable = |what: &str| StorageError::Decode(format!("an unknown {what}").into());
        Ok(Caller {
            user: UserId(self.user_id),
            device_state: self.device_state.parse().map_err(|_| unreadable("state of a device"))?,
            revoked_at: self.revoked_at.map(Timestamp),
            wipe_ordered_at: self.wipe_ordered_at.map(Timestamp),
            enrolled_at: Timestamp(self.enrolled_at),
            acknowledged_seq: self.acknowledged_seq,
            last_message: self.last_message,
            last_message_sha256: self.last_message_sha256,
            role: self.role.parse().map_err(|_| unreadable("role"))?,
            state: self.state.parse().map_err(|_| unreadable("state of a person"))?,
            acl_version: self.acl_version,
            log: LogId(self.log_id),
            directory_version: self.directory_version,
            head: self.head,
            recovering: self.recovering_since.is_some(),
        })
    }
}

const FIND_WITH_SCOPES: &str = "SELECT d.user_id, d.state AS device_state, d.revoked_at, d.wipe_ordered_at, \
     d.enrolled_at, d.acknowledged_seq, d.last_message, d.last_message_sha256, u.role, u.state, u.acl_version, o.log_id, \
     o.directory_version, o.recovering_since, h.head, v.scope, v.relation, v.from_seq, v.to_seq \
     FROM device d JOIN user_account u ON u.org_id = d.org_id AND u.user_id = d.user_id \
     JOIN organisation o ON o.org_id = d.org_id JOIN log_head h ON h.org_id = d.org_id \
     LEFT JOIN viewer_scope v ON v.org_id = d.org_id AND v.user_id = d.user_id \
     WHERE d.org_id = $1 AND d.device_id = $2";

const FIND: &str = "SELECT d.user_id, d.state AS device_state, d.revoked_at, d.wipe_ordered_at, d.enrolled_at, \
     d.acknowledged_seq, d.last_message, d.last_message_sha256, u.role, u.state, u.acl_version, o.log_id, o.directory_version, \
     o.recovering_since, h.head \
     FROM device d JOIN user_account u ON u.org_id = d.org_id AND u.user_id = d.user_id \
     JOIN organisation o ON o.org_id = d.org_id JOIN log_head h ON h.org_id = d.org_id \
     WHERE d.org_id = $1 AND d.device_id = $2";

#[derive(sqlx::FromRow)]
struct RowWithScope {
    #[sqlx(flatten)]
    row: Row,
    scope: Option<Vec<u8>>,
    relation: Option<String>,
    from_seq: Option<i64>,
    to_seq: Option<i64>,
}

/// The caller in the snapshot of a transaction, with every scope he has or had.
///
/// # Errors
/// The driver's.
pub async fn find_with_scopes(
    tx: &mut Tx,
    org: OrgId,
    device: DeviceId,
) -> Result<(Option<Caller>, Vec<HeldScope>), StorageError> {
    let rows: Vec<RowWithScope> = on!(tx, |connection| sqlx::query_as(FIND_WITH_SCOPES)
        .bind(org.0)
        .bind(device.0)
        .fetch_all(connection)
        .await)?;
    let mut caller = None;
    let mut held = Vec::new();
    for found in rows {
        held.extend(
            found
                .scope
                .zip(found.relation)
                .zip(found.from_seq)
                .and_then(|((scope, relation), from_seq)| HeldScope::read(&scope, &relation, from_seq, found.to_seq)),
        );
        caller.get_or_insert(found.row);
    }
    Ok((caller.map(Row::read).transpose()?, held))
}

/// The caller as he is now. One statement is a snapshot of its own: a sync without news needs no transaction.
///
/// # Errors
/// The driver's.
pub async fn find_now(database: &Database, org: OrgId, device: DeviceId) -> Result<Option<Caller>, StorageError> {
    let row: Option<Row> = match database {
        Database::Sqlite { readers, .. } => {
            sqlx::query_as(FIND)
                .bind(org.0)
                .bind(device.0)
                .fetch_optional(readers)
                .await?
        }
        Database::Postgres(pool) => {
            sqlx::query_as(FIND)
                .bind(org.0)
                .bind(device.0)
                .fetch_optional(pool)
                .await?
        }
    };
    row.map(Row::read).transpose()
}
