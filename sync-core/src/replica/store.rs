//! What the engine keeps, and the contract of the store that keeps it.
//!
//! A store is one open transaction: what the engine has put it reads back, and nothing of it lasts unless the shell
//! commits. Every call is synchronous.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::{
    document::{ChangeId, Edit, Kind},
    ids::{ActorId, ChangeHash, CustomerId, DeviceId, DocumentId, IntentId, PoolId, TeamId, UserId},
    projection::Conflict,
    protocol::{
        compare::HeldDocument,
        message::{Confirmation, Intent},
    },
    time::Timestamp,
    visibility::{ClassRights, RelationSet},
};

use super::DeviceState;

/// A document's row of the phone's read model: what the server has sent with what is pending on top.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentRow {
    /// Its id.
    pub id: DocumentId,
    /// Its customer.
    pub customer: CustomerId,
    /// [`Kind::number`], also one this version does not know.
    pub kind: u8,
    /// Who made it, as far as it is known here.
    pub author: Option<UserId>,
    /// On which device.
    pub device: Option<DeviceId>,
    /// Who is responsible by name; empty: the owner.
    pub responsible: Option<UserId>,
    /// Device time of its first change.
    pub created_at: Timestamp,
    /// When the server received its first change; none while it is pending.
    pub received_at: Option<Timestamp>,
    /// Arrived after handover.
    pub late: bool,
    /// May no longer be read; dropped as soon as nothing of it is unsent.
    pub gone: bool,
    /// For a visit: who has checked in.
    pub checked_in_by: Option<UserId>,
    /// Its fields as JSON.
    pub fields: Map<String, Json>,
    /// Fields with several values.
    pub conflicts: Vec<Conflict>,
}

/// A change that the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChange {
    /// Its name within the document.
    pub id: ChangeId,
    /// Its hash.
    pub hash: ChangeHash,
    /// The op-list.
    pub body: Vec<u8>,
    /// Who wrote it.
    pub author: Option<UserId>,
    /// On which device.
    pub device: Option<DeviceId>,
    /// When the server received it.
    pub received_at: Option<Timestamp>,
    /// Arrived after handover.
    pub late: bool,
}

/// Something a person has done that has no final verdict yet: the typed edit and its change.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxEntry {
    /// Its place in the order of recording, given by the store.
    pub id: i64,
    /// The document.
    pub document: DocumentId,
    /// Its customer.
    pub customer: CustomerId,
    /// Its kind.
    pub kind: Kind,
    /// The change's name.
    pub change: ChangeId,
    /// Its hash.
    pub hash: ChangeHash,
    /// The op-list.
    pub body: Vec<u8>,
    /// What it means; empty for one that is offered again to a new log.
    pub edits: Vec<Edit>,
    /// When it was recorded, by this device's clock.
    pub at: Timestamp,
    /// Sent with sixteen bytes of its hash: the server's hash was another.
    pub with_hash: bool,
    /// Not sent again in this sync: the server said "not yet".
    pub hold: bool,
    /// Made on something quarantined: it still goes to the server, but is no longer part of the document here.
    pub chain: bool,
    /// Was accepted by an earlier log and is offered again.
    pub reoffer: bool,
    /// Why it is still here, if the server has said so.
    pub reason: Option<String>,
}

/// Something refused, until a person has dealt with it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrayEntry {
    /// Given by the store.
    pub id: i64,
    /// The document; none for an intent.
    pub document: Option<DocumentId>,
    /// Its customer.
    pub customer: CustomerId,
    /// The kind's or the intent's name.
    pub kind: String,
    /// What was wanted; empty once the customer is gone.
    pub edits: Vec<Edit>,
    /// When it was recorded.
    pub at: Timestamp,
    /// `rejected`, `quarantined` or `superseded`.
    pub verdict: String,
    /// The stable code.
    pub reason: String,
    /// For a lost claim: who has the customer, as far as one may know.
    pub owner: Option<UserId>,
    /// For a lost claim: since when.
    pub since: Option<Timestamp>,
}

/// Something asked of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentRow {
    /// What is asked.
    pub intent: Intent,
    /// `pending`, `accepted` or `rejected`.
    pub outcome: String,
    /// The code of a refusal, or a mark.
    pub reason: Option<String>,
    /// Not sent again in this sync.
    pub hold: bool,
}

/// What is not decided yet about a customer, and shown as if it were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provisional {
    /// Made on this phone.
    Create,
    /// Claimed on this phone.
    Claim,
    /// Given back on this phone.
    Release,
}

/// A customer's assignment and what this person may do with him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRow {
    /// The customer.
    pub customer: CustomerId,
    /// What the server grants.
    pub rights: ClassRights,
    /// Why.
    pub relations: RelationSet,
    /// The owner.
    pub owner: Option<UserId>,
    /// The pool.
    pub pool: Option<PoolId>,
    /// The owner's team.
    pub team: Option<TeamId>,
    /// Version of the assignment.
    pub version: u64,
    /// To be confirmed with this place in the log once nothing unsent is left and all of it is dropped.
    pub lost: Option<u64>,
    /// Some documents may no longer be read and are still here because of unsent work.
    pub trim: bool,
    /// What is not decided yet.
    pub provisional: Option<Provisional>,
}

/// A document to be sent again as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The document.
    pub document: DocumentId,
    /// How often it was asked for.
    pub attempts: u32,
}

/// What the message on its way contains, so that its answer can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// The message's number.
    pub number: u64,
    /// Outbox entries in the order of the message.
    pub entries: Vec<i64>,
    /// Intents in the order of the message.
    pub intents: Vec<IntentId>,
    /// Actors it declares.
    pub actors: Vec<ActorId>,
    /// Evictions it confirms.
    pub confirmations: Vec<Confirmation>,
}

/// One open transaction of the phone's store.
pub trait Store {
    /// What can go wrong.
    type Error;

    /// The device's memory of itself; none before enrolment.
    ///
    /// # Errors
    /// The store's, here and below.
    fn state(&mut self) -> Result<Option<DeviceState>, Self::Error>;
    /// Replaces it.
    fn put_state(&mut self, state: &DeviceState) -> Result<(), Self::Error>;
    /// What the message on its way contains.
    fn in_flight(&mut self) -> Result<Option<InFlight>, Self::Error>;
    /// Replaces it.
    fn put_in_flight(&mut self, in_flight: Option<&InFlight>) -> Result<(), Self::Error>;
    /// Replaces the directory (JSON).
    fn put_directory(&mut self, directory: &[u8]) -> Result<(), Self::Error>;

    /// A document's row.
    fn document(&mut self, id: DocumentId) -> Result<Option<DocumentRow>, Self::Error>;
    /// Adds or replaces a row.
    fn put_document(&mut self, row: &DocumentRow) -> Result<(), Self::Error>;
    /// All rows of a customer.
    fn documents_of(&mut self, customer: CustomerId) -> Result<Vec<DocumentRow>, Self::Error>;
    /// Removes a row and its changes, so that nothing of them can be read again.
    fn delete_document(&mut self, id: DocumentId) -> Result<(), Self::Error>;
    /// Rows marked as gone.
    fn gone_documents(&mut self) -> Result<Vec<DocumentId>, Self::Error>;

    /// The changes the server has of a document, in the order in which they were appended.
    fn changes(&mut self, document: DocumentId) -> Result<Vec<StoredChange>, Self::Error>;
    /// Appends changes; one that is there already is left as it is.
    fn append_changes(&mut self, document: DocumentId, changes: &[StoredChange]) -> Result<(), Self::Error>;
    /// Removes all changes of a document.
    fn delete_changes(&mut self, document: DocumentId) -> Result<(), Self::Error>;
    /// Everything the server has, as far as it is here and may stay: documents with the last sequence of each actor.
    fn held(&mut self) -> Result<Vec<HeldDocument>, Self::Error>;
    /// Documents that hold changes of one of these actors.
    fn documents_by_actors(&mut self, actors: &[ActorId]) -> Result<Vec<DocumentId>, Self::Error>;

    /// Adds an entry at the end; its id is given by the store.
    fn push_outbox(&mut self, entry: &OutboxEntry) -> Result<i64, Self::Error>;
    /// Replaces the flags and the reason of an entry.
    fn update_outbox(&mut self, entry: &OutboxEntry) -> Result<(), Self::Error>;
    /// Removes an entry.
    fn delete_outbox(&mut self, id: i64) -> Result<(), Self::Error>;
    /// One entry.
    fn outbox_entry(&mut self, id: i64) -> Result<Option<OutboxEntry>, Self::Error>;
    /// The first entries in order, those of documents with a held entry left out.
    fn sendable_outbox(&mut self, limit: usize) -> Result<Vec<OutboxEntry>, Self::Error>;
    /// The entries of a document, in order.
    fn outbox_of_document(&mut self, document: DocumentId) -> Result<Vec<OutboxEntry>, Self::Error>;
    /// Documents with entries, in the order of their first entry.
    fn outbox_documents(&mut self) -> Result<Vec<DocumentId>, Self::Error>;
    /// Number of entries, of one customer or of all.
    fn outbox_count(&mut self, customer: Option<CustomerId>) -> Result<usize, Self::Error>;

    /// Adds to the tray.
    fn push_tray(&mut self, entry: &TrayEntry) -> Result<i64, Self::Error>;
    /// The tray's entries of a document.
    fn tray_of_document(&mut self, document: DocumentId) -> Result<Vec<TrayEntry>, Self::Error>;
    /// Forgets what the entries of a customer said, keeping ids, reasons and who has it instead.
    fn redact_tray(&mut self, customer: CustomerId) -> Result<(), Self::Error>;
    /// The same for the entries of one document.
    fn redact_tray_of(&mut self, document: DocumentId) -> Result<(), Self::Error>;

    /// Adds an intent, or replaces its outcome.
    fn put_intent(&mut self, row: &IntentRow) -> Result<(), Self::Error>;
    /// An intent by its id.
    fn intent(&mut self, id: IntentId) -> Result<Option<IntentRow>, Self::Error>;
    /// Pending intents that are not held, in the order in which they were made.
    fn sendable_intents(&mut self, limit: usize) -> Result<Vec<IntentRow>, Self::Error>;
    /// Pending intents of a customer, or of all.
    fn pending_intents(&mut self, customer: Option<CustomerId>) -> Result<Vec<IntentRow>, Self::Error>;
    /// Makes accepted intents pending again, to be offered to a new log.
    fn reoffer_intents(&mut self) -> Result<(), Self::Error>;
    /// Removes the decided intents of a customer.
    fn forget_intents(&mut self, customer: CustomerId) -> Result<(), Self::Error>;

    /// Lets held entries and intents go out again.
    fn release_holds(&mut self) -> Result<(), Self::Error>;

    /// What is known of a customer.
    fn access(&mut self, customer: CustomerId) -> Result<Option<AccessRow>, Self::Error>;
    /// What is known of all customers.
    fn all_access(&mut self) -> Result<Vec<AccessRow>, Self::Error>;
    /// Adds or replaces it.
    fn put_access(&mut self, row: &AccessRow) -> Result<(), Self::Error>;
    /// Removes it.
    fn delete_access(&mut self, customer: CustomerId) -> Result<(), Self::Error>;
    /// Customers with something left to drop.
    fn unfinished_losses(&mut self) -> Result<Vec<AccessRow>, Self::Error>;
    /// A customer that has been dropped, to be confirmed.
    fn put_confirmation(&mut self, confirmation: Confirmation) -> Result<(), Self::Error>;
    /// Confirmations to send.
    fn confirmations(&mut self, limit: usize) -> Result<Vec<Confirmation>, Self::Error>;
    /// Confirmations the server has taken.
    fn delete_confirmations(&mut self, confirmations: &[Confirmation]) -> Result<(), Self::Error>;

    /// Documents to ask for.
    fn wanted(&mut self) -> Result<Vec<Wanted>, Self::Error>;
    /// Adds or replaces one.
    fn put_wanted(&mut self, wanted: Wanted) -> Result<(), Self::Error>;
    /// It has come, or is given up.
    fn delete_wanted(&mut self, document: DocumentId) -> Result<(), Self::Error>;

    /// Remembers who stands behind an actor.
    fn put_actor(&mut self, actor: ActorId, user: UserId, device: Option<DeviceId>) -> Result<(), Self::Error>;
    /// Who stands behind an actor.
    fn actor(&mut self, actor: ActorId) -> Result<Option<(UserId, Option<DeviceId>)>, Self::Error>;
}
