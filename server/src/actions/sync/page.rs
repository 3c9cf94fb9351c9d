//! A page under construction: what is named by index, what is sent, how large it is.

use std::collections::{BTreeMap, btree_map::Entry};

use serde_bytes::ByteBuf;
use sync_core::{
    document::Kind,
    ids::{ActorId, ChangeHash, CustomerId, DeviceId, DocumentId, OrgId, UserId},
    protocol::message::{AccessItem, ActorInfo, PullChange, PullDocument, digest},
    time::Timestamp,
    visibility::{ClassRights, RelationSet},
};

use crate::storage::{
    documents::{DocumentRow, LoggedChange},
    ownership::Assignment,
};

/// Bytes a document costs beside its changes, about.
const DOCUMENT_OVERHEAD: usize = 24;
/// Bytes a change costs beside its op-list, about.
const CHANGE_OVERHEAD: usize = 8;
/// Bytes of an access item, about.
const ACCESS_BYTES: usize = 64;

/// A document as a page names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) customer: CustomerId,
    pub(super) document: DocumentId,
    pub(super) kind: Kind,
    pub(super) responsible: Option<UserId>,
}

impl From<&DocumentRow> for Named {
    fn from(row: &DocumentRow) -> Self {
        Self {
            customer: row.customer,
            document: row.document,
            kind: row.kind,
            responsible: row.responsible,
        }
    }
}

/// A page under construction.
pub(super) struct Page {
    org: OrgId,
    server_time: Timestamp,
    pub(super) access: Vec<AccessItem>,
    // Where in `access` each customer stands.
    told: BTreeMap<CustomerId, usize>,
    pub(super) users: Vec<UserId>,
    pub(super) devices: Vec<DeviceId>,
    pub(super) actors: Vec<ActorInfo>,
    pub(super) customers: Vec<CustomerId>,
    pub(super) documents: Vec<PullDocument>,
    hashes: Vec<ChangeHash>,
    bytes: usize,
}

impl Page {
    pub(super) fn new(org: OrgId, server_time: Timestamp) -> Self {
        Self {
            org,
            server_time,
            access: Vec::new(),
            told: BTreeMap::new(),
            users: Vec::new(),
            devices: Vec::new(),
            actors: Vec::new(),
            customers: Vec::new(),
            documents: Vec::new(),
            hashes: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.access.is_empty() && self.documents.is_empty()
    }

    pub(super) fn digest(&self) -> [u8; 16] {
        let mut short = [0; 16];
        short.copy_from_slice(&digest(&self.hashes)[..16]);
        short
    }

    /// Says what the device may do with a customer; of several items for one the last counts.
    pub(super) fn push_access(
        &mut self,
        assignment: &Assignment,
        rights: ClassRights,
        relations: RelationSet,
        lost: Option<i64>,
    ) {
        // Whoever lost a customer learns who has it only as far as a relation still allows.
        let known = !rights.is_empty();
        let item = AccessItem {
            customer: assignment.customer,
            rights,
            relations,
            owner: assignment.owner.filter(|_| known),
            pool: assignment.pool.filter(|_| known),
            team: assignment.team.filter(|_| known),
            version: assignment.version.cast_unsigned(),
            lost: lost.map(i64::cast_unsigned),
        };
        match self.told.entry(assignment.customer) {
            Entry::Occupied(told) => self.access[*told.get()] = item,
            Entry::Vacant(untold) => {
                untold.insert(self.access.len());
                self.access.push(item);
                self.bytes += ACCESS_BYTES;
            }
        }
    }

    /// Whether the page says what the device may do with a customer.
    pub(super) fn tells(&self, customer: CustomerId) -> bool {
        self.told.contains_key(&customer)
    }

    /// Sends a document: whole, or what is new of it.
    pub(super) fn push_document(&mut self, named: Named, changes: Vec<LoggedChange>, whole: bool) {
        let changes: Vec<PullChange> = changes.into_iter().filter_map(|change| self.change(change)).collect();
        let document = self.header(named, whole, false, changes);
        self.documents.push(document);
    }

    /// Tells that a document may no longer be read though its customer may.
    pub(super) fn push_gone(&mut self, named: Named) {
        let document = self.header(named, false, true, Vec::new());
        self.documents.push(document);
    }

    fn header(&mut self, named: Named, whole: bool, gone: bool, changes: Vec<PullChange>) -> PullDocument {
        self.bytes += DOCUMENT_OVERHEAD;
        let Named {
            customer,
            document,
            kind,
            responsible,
        } = named;
        let derived = kind.is_single() && document == derived_id(self.org, customer, kind);
        PullDocument {
            document: (!derived).then_some(document),
            kind: kind.number(),
            customer: index_of(&mut self.customers, customer),
            whole,
            gone,
            responsible: responsible
                .filter(|_| !gone)
                .map_or(0, |user| index_of(&mut self.users, user) + 1),
            changes,
        }
    }

    fn change(&mut self, mut change: LoggedChange) -> Option<PullChange> {
        let body = change.body.take()?;
        self.bytes += body.len() + CHANGE_OVERHEAD;
        self.hashes.push(change.hash);
        let behind = self.actor(change.id.actor, &change);
        let author = if behind == change.author {
            0
        } else {
            index_of(&mut self.users, change.author) + 1
        };
        Some(PullChange {
            body: ByteBuf::from(body),
            received: change.received_at.since_ms(self.server_time).min(0),
            author,
            late: change.late,
        })
    }

    /// The person behind an actor: that of its first change in the page.
    fn actor(&mut self, actor: ActorId, change: &LoggedChange) -> UserId {
        if let Some(known) = self.actors.iter().rev().find(|known| known.actor == actor) {
            return self.users[known.user as usize];
        }
        let info = ActorInfo {
            actor,
            user: index_of(&mut self.users, change.author),
            device: change
                .device
                .map_or(0, |device| index_of(&mut self.devices, device) + 1),
        };
        self.actors.push(info);
        change.author
    }
}

fn derived_id(org: OrgId, customer: CustomerId, kind: Kind) -> DocumentId {
    DocumentId::derived(org, customer, kind, 0)
}

/// Index of a name in its table; the one named last is the likeliest again.
fn index_of<T: PartialEq>(names: &mut Vec<T>, name: T) -> u32 {
    let index = names.iter().rposition(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    });
    index as u32
}
