//! What a device knows of itself.

use serde::{Deserialize, Serialize};

use crate::{
    directory::LEASE_DAYS_DEFAULT,
    ids::{ActorId, DeviceId, OrgId, UserId},
    protocol::{compare::Belief, limits::MESSAGE_CHANGES_MAX},
    time::Timestamp,
};

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3600 * 1000;
/// How long a phone works without its server where the organisation has not said otherwise. Then it locks itself; what
/// is unsent stays.
pub const LEASE_MS: i64 = LEASE_DAYS_DEFAULT as i64 * DAY_MS;

/// What enrolment gives a device, and the random actor it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The organisation.
    pub org: OrgId,
    /// The person.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// Sixteen random bytes.
    pub actor: ActorId,
}

/// Whether the server still works with this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does.
    #[default]
    Active,
    /// The person is leaving: what is unsent is taken, nothing is given.
    Offboarding,
    /// The server has revoked the device.
    Revoked,
    /// The server has told the device to forget everything, and it has.
    Wiped,
}

/// How far a device has got in comparing what it holds with what the server has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checking {
    /// It begins with the next sync.
    NextSync,
    /// The sum of everything.
    All,
    /// The sum of each bucket.
    Buckets,
    /// The documents of these buckets.
    Documents(Vec<u8>),
}

/// A device's memory of itself, kept in its store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceState {
    /// The organisation.
    pub org: OrgId,
    /// The person.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// The actor of new changes, the same in all documents.
    pub actor: ActorId,
    /// Every actor this store has ever written under, oldest first.
    pub actors: Vec<ActorId>,
    /// Actors no server has acknowledged.
    pub undeclared: Vec<ActorId>,
    /// Documents made so far; ids of new ones are made of it.
    pub counter: u64,
    /// Number of the last message.
    pub message: u64,
    /// Where the device stands at the server, as received.
    pub cursor: Option<Vec<u8>>,
    /// First bytes of the hash of the directory it has.
    pub directory: Option<[u8; 8]>,
    /// When the last sync was complete.
    pub last_sync: Option<Timestamp>,
    /// When the server was last reached, or somebody last signed in.
    pub last_contact: Timestamp,
    /// The time this device has seen last: a clock that is set does not make the lease longer.
    #[serde(default)]
    pub latest_time: Timestamp,
    /// How long it works without its server, as the organisation has it.
    #[serde(default = "lease_ms")]
    pub lease_ms: i64,
    /// Highest schema version the server knows; 1 until known.
    pub server_schema: u16,
    /// This device's clock minus the server's, at the last answer.
    pub clock_offset_ms: i64,
    /// Whether the server still works with this device.
    pub standing: Standing,
    /// The server wants a newer app; local work goes on.
    pub upgrade_required: bool,
    /// The server has begun a new log: pages add to what is here and take nothing away.
    pub recovering: bool,
    /// What is still to be compared with the server, if anything.
    #[serde(default)]
    pub checking: Option<Checking>,
    /// The message on its way says what is here.
    #[serde(default)]
    pub compare_said: bool,
    /// Whose the customers were when the server began a new log, as far as it has not been told.
    #[serde(default)]
    pub beliefs: Vec<Belief>,
    /// Most changes in a message; halved when the server finds one too large.
    pub changes_max: usize,
}

impl DeviceState {
    pub(super) fn new(identity: Identity, now: Timestamp) -> Self {
        Self {
            org: identity.org,
            user: identity.user,
            device: identity.device,
            actor: identity.actor,
            actors: vec![identity.actor],
            undeclared: vec![identity.actor],
            counter: 0,
            message: 0,
            cursor: None,
            directory: None,
            last_sync: None,
            last_contact: now,
            latest_time: now,
            lease_ms: LEASE_MS,
            server_schema: 1,
            clock_offset_ms: 0,
            standing: Standing::Active,
            upgrade_required: false,
            recovering: false,
            checking: None,
            compare_said: false,
            beliefs: Vec::new(),
            changes_max: MESSAGE_CHANGES_MAX,
        }
    }

    /// The same store under a new device: nothing that was sent counts as known by the server for it.
    pub(super) fn renewed(self, identity: Identity, now: Timestamp) -> Self {
        let mut actors = self.actors;
        actors.push(identity.actor);
        Self {
            actors,
            counter: self.counter,
            lease_ms: self.lease_ms,
            recovering: true,
            ..Self::new(identity, now)
        }
    }

    /// A new incarnation: from now on everything is written under this actor.
    pub(super) fn take_actor(&mut self, actor: ActorId) {
        if self.actor != actor {
            self.actor = actor;
            self.actors.push(actor);
            self.undeclared.push(actor);
        }
    }

    /// Until when the phone works without its server.
    #[must_use]
    pub fn lease_until(&self) -> Timestamp {
        self.last_contact.plus_ms(self.lease_ms)
    }

    /// Whether the phone has been without its server for too long: somebody has to sign in on it again.
    #[must_use]
    pub fn has_run_out(&self, now: Timestamp) -> bool {
        now.max(self.latest_time) > self.lease_until()
    }

    /// Whether a person may work on this phone now.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.standing == Standing::Active && !self.has_run_out(now)
    }

    /// `active`, `offboarding`, `wiped` or `locked`.
    #[must_use]
    pub fn name(&self, now: Timestamp) -> &'static str {
        match self.standing {
            Standing::Wiped => "wiped",
            Standing::Revoked => "locked",
            _ if self.has_run_out(now) => "locked",
            Standing::Offboarding => "offboarding",
            Standing::Active => "active",
        }
    }
}

fn lease_ms() -> i64 {
    LEASE_MS
}
