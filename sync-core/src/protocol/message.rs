//! The messages of `POST /v1/sync`.
//!
//! A phone sends intents, changes and confirmations and says what it has; the server answers each of them and sends
//! what the phone lacks. Anything may be empty. Sent twice, a message has the same effect as once.
//!
//! The envelope is postcard inside one zstd frame. The protocol version stands in a header: within a version the
//! fields never change.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    bounded,
    compare::{Compared, Reconcile},
    limits::{
        MESSAGE_ACTORS_MAX, MESSAGE_CHANGES_MAX, MESSAGE_CONFIRMATIONS_MAX, MESSAGE_INTENTS_MAX, MESSAGE_WANTED_MAX,
    },
};
use crate::{
    document::{ChangeId, Kind},
    ids::{ActorId, ChangeHash, CustomerId, DeviceId, DocumentId, IntentId, OrgId, PoolId, TeamId, UserId},
    time::Timestamp,
    visibility::{ClassRights, RelationSet},
};

/// Version of the protocol, in the header `Fieldpool-Protocol`.
pub const PROTOCOL_VERSION: u16 = 1;
/// Media type of both directions.
pub const CONTENT_TYPE: &str = "application/vnd.fieldpool.sync";

/// What a phone sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncRequest {
    /// The device; the token must be its own.
    pub device: DeviceId,
    /// Number of the message, counted up by the device before it is sent, never reused with other content.
    pub message: u64,
    /// The device's clock.
    pub sent_at: Timestamp,
    /// Highest schema version the device knows.
    pub schema_version: u16,
    /// Actors the server has not acknowledged yet; those the changes below are made by must be here or declared before.
    #[serde(deserialize_with = "bounded::list::<_, _, MESSAGE_ACTORS_MAX>")]
    pub actors: Vec<ActorId>,
    /// Where the device stands: as received; absent before the first page.
    pub cursor: Option<ByteBuf>,
    /// First eight bytes of the SHA-256 of the directory it has.
    pub directory: Option<[u8; 8]>,
    /// Changes and intents it holds that are not in this message.
    pub pending: u32,
    /// Largest page it takes, in bytes before compression.
    pub page_bytes_max: u32,
    /// What the server is to decide, in order, before the changes.
    #[serde(deserialize_with = "bounded::list::<_, _, MESSAGE_INTENTS_MAX>")]
    pub intents: Vec<Intent>,
    /// Customers that the documents below belong to.
    #[serde(deserialize_with = "bounded::list::<_, _, MESSAGE_CHANGES_MAX>")]
    pub customers: Vec<CustomerId>,
    /// Changes by document.
    #[serde(deserialize_with = "bounded::list::<_, _, MESSAGE_CHANGES_MAX>")]
    pub documents: Vec<PushDocument>,
    /// Customers it has dropped as told.
    #[serde(deserialize_with = "bounded::list::<_, _, MESSAGE_CONFIRMATIONS_MAX>")]
    pub confirmations: Vec<Confirmation>,
    /// Documents to send again as a whole, because what it built of them disagreed with the page's digest.
    #[serde(deserialize_with = "bounded::list::<_, _, MESSAGE_WANTED_MAX>")]
    pub wanted: Vec<DocumentId>,
    /// Only from a device that has yet to find out whether the server still has what it had.
    pub reconcile: Option<Reconcile>,
}

/// Changes of one document, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PushDocument {
    /// Its id; absent where it is derived from customer and kind (generation 0).
    pub document: Option<DocumentId>,
    /// [`Kind::number`]; kept as a number so that an unknown kind spoils nothing else.
    pub kind: u8,
    /// Index into the message's customers.
    pub customer: u32,
    /// First bytes of [`digest`] over the hashes of the changes.
    pub digest: [u8; 4],
    /// Sixteen bytes of each change's hash, after a `digest_mismatch`; otherwise empty.
    #[serde(deserialize_with = "bounded::list::<_, _, MESSAGE_CHANGES_MAX>")]
    pub hashes: Vec<[u8; 16]>,
    /// The op-lists.
    #[serde(deserialize_with = "bounded::list::<_, _, MESSAGE_CHANGES_MAX>")]
    pub changes: Vec<ByteBuf>,
}

/// A decision the device asks for. Decided once by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its id, made by the device.
    pub id: IntentId,
    /// The device's clock when the person decided.
    pub at: Timestamp,
    /// The customer.
    pub customer: CustomerId,
    /// Version of the customer's assignment that the person saw; absent for a new customer.
    pub expected_version: Option<u64>,
    /// What is asked.
    pub action: IntentAction,
}

/// What an intent asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntentAction {
    /// A new customer, owned by the asker or put into a pool.
    Create {
        /// The pool; absent: his own.
        pool: Option<PoolId>,
    },
    /// Take a customer out of its pool (领取).
    Claim,
    /// Give a customer back to a pool (退回).
    Release {
        /// The pool; absent: the asker's first.
        pool: Option<PoolId>,
        /// Why.
        reason: String,
    },
    /// Hand a customer to somebody (分配).
    Assign {
        /// The new owner.
        owner: UserId,
        /// Why.
        reason: String,
    },
    /// Make somebody responsible for a document.
    Responsible {
        /// The document.
        document: DocumentId,
        /// Who; absent: the owner again.
        user: Option<UserId>,
    },
}

impl IntentAction {
    /// The stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Claim => "claim",
            Self::Release { .. } => "release",
            Self::Assign { .. } => "assign",
            Self::Responsible { .. } => "responsible",
        }
    }
}

/// A customer dropped as told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The customer.
    pub customer: CustomerId,
    /// [`AccessItem::lost`] of the order.
    pub lost_seq: u64,
}

/// What the server answers. A request with nothing to say and nothing to get is answered by 204 without it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncResponse {
    /// The server's clock.
    pub server_time: Timestamp,
    /// Highest schema version the server knows.
    pub schema_version: u16,
    /// The cursor sent was of another log or not this device's: the device keeps everything, re-offers its decided
    /// intents, then its own changes, and takes the pages from the beginning.
    pub reset: bool,
    /// One for each intent, in order.
    pub intents: Vec<IntentOutcome>,
    /// Verdicts by the index of the change in the message, counted through all documents. What is not listed is
    /// accepted.
    pub verdicts: Vec<(u32, Verdict)>,
    /// What the device may read and write of customers whose rights or assignment changed, before the documents.
    pub access: Vec<AccessItem>,
    /// People named by index below.
    pub users: Vec<UserId>,
    /// Devices named by index below.
    pub devices: Vec<DeviceId>,
    /// Who stands behind the actors of this page.
    pub actors: Vec<ActorInfo>,
    /// Customers named by index below.
    pub customers: Vec<CustomerId>,
    /// Documents, whole or with what is new.
    pub documents: Vec<PullDocument>,
    /// [`digest`] over the hashes of all changes of the page, in order.
    pub digest: [u8; 16],
    /// Stages, people, pools, policy as JSON, if they changed.
    pub directory: Option<ByteBuf>,
    /// To be sent next time, after the page is stored.
    pub cursor: ByteBuf,
    /// There is more: ask again at once.
    pub more: bool,
    /// Ask again no sooner.
    pub retry_after_ms: Option<u32>,
    /// The device is to erase everything: it has said that nothing is pending on it, and all it has sent is settled.
    pub wipe: Option<WipeOrder>,
    /// What came out of [`SyncRequest::reconcile`]; none if it was not compared now.
    pub compared: Option<Compared>,
}

/// The order to erase everything that a device holds. It stands until the device confirms it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WipeOrder {
    /// Whom it is for.
    pub device: DeviceId,
    /// When it was given first.
    pub ordered_at: Timestamp,
    /// Why, a stable code: `offboarding` and `disabled` for a person who leaves or has left, `revoked` for the device.
    pub reason: String,
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntentOutcome {
    /// Done.
    Accepted {
        /// Version of the customer's assignment now.
        version: u64,
        /// What was done instead of the wish, if anything: `pool_left` for a pool the creator is no longer in.
        marked: Option<String>,
    },
    /// Not done, for ever.
    Rejected {
        /// Stable code, such as `already_claimed`.
        code: String,
        /// Who has it, as far as the asker may know.
        owner: Option<UserId>,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// Not decided yet.
    Retry,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// In the log; `late` if it arrived after the customer had gone to somebody else.
    Accepted {
        /// Marked "arrived after handover".
        late: bool,
    },
    /// Accepted late; values written by others since stay on top, the late ones are proposals.
    Amended,
    /// Kept on the server for a manager's decision.
    Quarantined {
        /// Stable code.
        reason: String,
        /// One for the change and what depends on it.
        ticket: Uuid,
    },
    /// Refused for ever.
    Rejected {
        /// Stable code.
        code: String,
    },
    /// Depends on a refused change.
    Superseded,
    /// Not yet.
    Retry(RetryReason),
}

/// Why a change must be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetryReason {
    /// The server is busy or out of room.
    Later,
    /// The server does not know the kind or a fixed change yet.
    UpgradeRequired,
    /// It was made on changes the server lacks; at most 64.
    MissingDependencies(Vec<ChangeId>),
    /// The customer is unknown or undecided.
    MissingCustomer,
    /// The hashes disagree; send them with 16 bytes each.
    DigestMismatch,
}

impl Verdict {
    /// Whether it is the last word.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Retry(_))
    }

    /// The stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Amended => "amended",
            Self::Quarantined { .. } => "quarantined",
            Self::Rejected { .. } => "rejected",
            Self::Superseded => "superseded",
            Self::Retry(_) => "retry",
        }
    }
}

/// A customer's assignment and what this device may do with him.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessItem {
    /// The customer.
    pub customer: CustomerId,
    /// Rights by class; none at all is a loss.
    pub rights: ClassRights,
    /// Why: the relations the viewer has.
    pub relations: RelationSet,
    /// The owner.
    pub owner: Option<UserId>,
    /// The pool.
    pub pool: Option<PoolId>,
    /// The owner's team.
    pub team: Option<TeamId>,
    /// Version of the assignment, expected by intents.
    pub version: u64,
    /// For a loss: the place in the log to confirm with, once everything unsent for the customer is uploaded and all
    /// that was held of him is gone.
    pub lost: Option<u64>,
}

/// Who stands behind an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorInfo {
    /// The actor.
    pub actor: ActorId,
    /// Index of the person.
    pub user: u32,
    /// Index of the device plus one; 0 for the web, imports and the hub.
    pub device: u32,
}

/// A document or what is new of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PullDocument {
    /// Its id; absent where it is derived from customer and kind.
    pub document: Option<DocumentId>,
    /// [`Kind::number`].
    pub kind: u8,
    /// Index of the customer.
    pub customer: u32,
    /// All its changes follow: what the device holds of it is replaced, its own unsent changes kept on top.
    pub whole: bool,
    /// The device may no longer read this one document; it holds no changes then.
    pub gone: bool,
    /// Index of the responsible person plus one; 0: the owner.
    pub responsible: u32,
    /// The changes in causal order.
    pub changes: Vec<PullChange>,
}

/// A change as it comes from the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PullChange {
    /// The op-list.
    pub body: ByteBuf,
    /// Receive time, as the difference to the response's `server_time` (never positive).
    pub received: i64,
    /// Index of the author plus one where he is not the actor's person (imports, decisions); else 0.
    pub author: u32,
    /// Arrived after handover.
    pub late: bool,
}

/// SHA-256 over change hashes, from which pushes carry 4 bytes a document and pages 16.
#[must_use]
pub fn digest<'a>(hashes: impl IntoIterator<Item = &'a ChangeHash>) -> [u8; 32] {
    let mut sha = Sha256::new();
    for hash in hashes {
        sha.update(hash.0);
    }
    sha.finalize().into()
}

/// The id a document of the wire has: the one said, or the derived one. `None` if neither can be.
#[must_use]
pub fn document_id(org: OrgId, said: Option<DocumentId>, customer: CustomerId, kind: Kind) -> Option<DocumentId> {
    match said {
        Some(document) => Some(document),
        None if kind.is_single() => Some(DocumentId::derived(org, customer, kind, 0)),
        None => None,
    }
}
