//! What a device is shown: losses first, then what is new, then what has become visible, page by page.
//!
//! All of it is read in one snapshot. Rights are asked of the policy for what is about to be sent, at that snapshot;
//! scopes and feeds only name candidates.

mod compare;
mod grants;
mod news;
mod touched;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use sync_core::{
    ids::{CustomerId, DeviceId, DocumentId, LogId, OrgId, UserId},
    protocol::compare::{Compare, Compared},
    seeded::{Bug, seeded},
    time::Timestamp,
    visibility::{ClassRights, Relation, Scope, ViewerScope, class_rights, document_access},
};

use super::{
    cursor::{Backfill, Cursor, Position},
    page::Page,
    standing::Standing,
};
use crate::storage::{
    StorageError, Tx,
    documents::{self, DocumentRow},
    ownership::{self, Assignment},
    scopes::{self, Membership},
    verdicts::EvictionRow,
};

/// Customers whose move is looked at for one page.
const MOVES_MAX: i64 = 50_000;
/// Documents read at once of those that a device asks for again.
const WANTED_DOCUMENTS: usize = 50;

/// Scopes up to which only memberships in them are read; beyond it a customer's few are.
const SCOPES_NAMED_MAX: usize = 64;

/// Who pulls, from where.
pub(super) struct Puller<'a> {
    pub(super) org: OrgId,
    pub(super) user: UserId,
    pub(super) device: DeviceId,
    pub(super) standing: &'a Standing,
    pub(super) acl_version: i64,
    pub(super) log: LogId,
    pub(super) head: i64,
    pub(super) server_time: Timestamp,
    pub(super) page_bytes_max: usize,
    /// What the device says of what it holds, if it has yet to find out whether that is still here.
    pub(super) compare: Option<&'a Compare>,
    /// The server is getting back what it had.
    pub(super) recovering: bool,
}

impl Puller<'_> {
    /// Whether losses are not told yet: the device may hold what the server has lost, and then it was right to.
    fn withholds_losses(&self) -> bool {
        self.recovering && self.compare.is_some()
    }
}

/// A page and where the device stands after it.
pub(super) struct Pulled {
    pub(super) page: Page,
    pub(super) cursor: Cursor,
    pub(super) more: bool,
    pub(super) evictions: Vec<EvictionRow>,
    pub(super) compared: Option<Compared>,
}

/// Documents that a device has just begun and that nobody but it has to hear of: at these places in the log nothing else
/// stands. Empty if it sent nothing.
#[derive(Debug, Default)]
pub(super) struct Begun {
    pub(super) places: Range<i64>,
    pub(super) documents: BTreeSet<DocumentId>,
}

/// Reads the next page. None if there is nothing new since the cursor. `wrote` is what this very device has just sent
/// and begun, if anything: then it need not be asked whether there is anything.
pub(super) async fn pull(
    tx: &mut Tx,
    puller: &Puller<'_>,
    cursor: Option<Cursor>,
    wanted: &[DocumentId],
    wrote: Option<&Begun>,
) -> Result<Option<Pulled>, StorageError> {
    let first = cursor.is_none();
    let mut cursor = cursor.unwrap_or(Cursor {
        log: puller.log,
        seq: puller.head,
        acl_version: puller.acl_version,
        backfills: vec![first_backfill(puller.head)],
        delivered: 0,
        boundary: None,
    });
    let mut pull = Pull {
        scopes: ordered(puller.standing.scopes_at(puller.head)),
        page: Page::new(puller.org, puller.server_time),
        evictions: Vec::new(),
        begun: wrote,
        puller,
    };
    let compare = puller.compare.filter(|compare| **compare != Compare::Later);
    let asked = first || compare.is_some() || wrote.is_some() || !wanted.is_empty() || !cursor.backfills.is_empty();
    if !asked && !pull.is_touched(tx, cursor.seq).await? {
        return Ok(None);
    }
    if cursor.acl_version != puller.acl_version {
        // The order of the scopes has changed: begin again, what was delivered is only delivered twice.
        for backfill in &mut cursor.backfills {
            backfill.position = None;
        }
        if cursor.boundary.take().is_some() {
            // What stands behind the boundary is another customer now.
            cursor.delivered = 0;
            cursor.backfills = vec![first_backfill(puller.head)];
        }
        cursor.acl_version = puller.acl_version;
    }
    if !first {
        pull.moves(tx, &mut cursor).await?;
        pull.news(tx, &mut cursor).await?;
    }
    pull.wanted(tx, wanted).await?;
    if cursor.seq == puller.head {
        pull.grants(tx, &mut cursor).await?;
    }
    let more = cursor.seq < puller.head || !cursor.backfills.is_empty();
    let compared = match compare {
        Some(compare) if !more => Some(pull.compare(tx, &cursor, compare).await?),
        _ => None,
    };
    let Pull { page, evictions, .. } = pull;
    Ok(Some(Pulled {
        page,
        cursor,
        more,
        evictions,
        compared,
    }))
}

/// Everything the viewer sees.
fn first_backfill(upto: i64) -> Backfill {
    Backfill {
        since: 0,
        upto,
        position: None,
    }
}

/// The scopes in the order in which a device fills up: the order of their types, own customers first.
fn ordered(mut scopes: Vec<ViewerScope>) -> Vec<ViewerScope> {
    let rank = |held: &ViewerScope| match held.scope {
        Scope::Book(_) if held.relation == Some(Relation::Owner) => 0,
        Scope::Book(_) | Scope::Cover(_) => 1,
        Scope::Responsible(_) => 2,
        Scope::ResponsibleDone(_) => 3,
        Scope::Own(_) => 4,
        Scope::Collab(_) => 5,
        Scope::CollabRead(_) => 6,
        Scope::Pin(_) => 7,
        Scope::Pool(_) => 8,
        Scope::Team(_) => 9,
        Scope::Org(_) => 10,
    };
    scopes.sort_by_key(|held| (rank(held), held.scope));
    scopes
}

struct Pull<'a> {
    puller: &'a Puller<'a>,
    scopes: Vec<ViewerScope>,
    page: Page,
    evictions: Vec<EvictionRow>,
    begun: Option<&'a Begun>,
}

/// What is known of some customers in this snapshot.
struct Customers {
    assignments: BTreeMap<CustomerId, Assignment>,
    memberships: BTreeMap<CustomerId, Vec<Membership>>,
}

impl Customers {
    /// As far as the viewer's scopes, past ones included, have to do with them.
    async fn read(tx: &mut Tx, puller: &Puller<'_>, customers: &BTreeSet<CustomerId>) -> Result<Self, StorageError> {
        let ids: Vec<CustomerId> = customers.iter().copied().collect();
        let held: BTreeSet<Scope> = puller.standing.held.iter().map(|held| held.held.scope).collect();
        let held: Vec<Scope> = held.into_iter().collect();
        let few = (held.len() <= SCOPES_NAMED_MAX).then_some(&held[..]);
        let (assignments, memberships) = ownership::list_with_memberships(tx, puller.org, &ids, few).await?;
        Ok(Self {
            assignments,
            memberships,
        })
    }

    fn memberships(&self, customer: CustomerId) -> &[Membership] {
        self.memberships.get(&customer).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Pull<'_> {
    fn org(&self) -> OrgId {
        self.puller.org
    }

    fn rights(&self, customers: &Customers, customer: CustomerId, seq: i64) -> ClassRights {
        self.puller.standing.rights_at(customers.memberships(customer), seq)
    }

    /// What a device that stood where a backfill begins has all of already.
    fn lasting(&self, customers: &Customers, customer: CustomerId, backfill: &Backfill) -> ClassRights {
        match backfill.since {
            0 => ClassRights::NONE,
            since => self
                .puller
                .standing
                .lasting_rights(customers.memberships(customer), since),
        }
    }

    fn is_full(&self) -> bool {
        self.page.bytes() >= self.puller.page_bytes_max
    }

    fn scope_changed(&self, after: i64) -> bool {
        let standing = self.puller.standing;
        standing.policies.has_changed_after(after)
            || standing
                .held
                .iter()
                .any(|held| held.from_seq > after || held.to_seq.is_some_and(|to| to > after))
    }

    fn feeds(&self) -> Vec<[u8; 18]> {
        let role = self.puller.standing.viewer.role;
        self.scopes.iter().filter_map(|held| held.feed(role)).collect()
    }

    fn reads_log(&self) -> bool {
        self.scopes.iter().any(ViewerScope::reads_log)
    }

    async fn is_touched(&self, tx: &mut Tx, after: i64) -> Result<bool, StorageError> {
        if after >= self.puller.head {
            return Ok(false);
        }
        if self.reads_log() || self.scope_changed(after) {
            return Ok(true);
        }
        let scopes: Vec<Scope> = self.scopes.iter().map(|held| held.scope).collect();
        scopes::is_touched(tx, self.org(), &scopes, &self.feeds(), after).await
    }

    /// Customers that came or went since the cursor: losses are told at once, grants become a backfill.
    async fn moves(&mut self, tx: &mut Tx, cursor: &mut Cursor) -> Result<(), StorageError> {
        let (after, head) = (cursor.seq, self.puller.head);
        if after >= head {
            return Ok(());
        }
        let before = self.puller.standing.scopes_at(after);
        let all: BTreeSet<Scope> = before.iter().chain(&self.scopes).map(|held| held.scope).collect();
        let all: Vec<Scope> = all.into_iter().collect();
        let moved = scopes::list_moved(tx, self.org(), &all, after, MOVES_MAX).await?;
        let mut candidates: BTreeSet<CustomerId> = moved.iter().map(|membership| membership.customer).collect();
        for gone in before.iter().filter(|held| !self.scopes.contains(held)) {
            let members = scopes::list_members(tx, self.org(), gone.scope, -1, None, MOVES_MAX).await?;
            candidates.extend(members.into_iter().map(|(_, customer)| customer));
        }
        for held in self.scopes.iter().filter(|held| self.is_judged_anew(held, after)) {
            let members = scopes::list_members(tx, self.org(), held.scope, -1, None, MOVES_MAX).await?;
            candidates.extend(members.into_iter().map(|(_, customer)| customer));
        }
        let gained = self.scopes.iter().any(|held| !before.contains(held));
        let customers = Customers::read(tx, self.puller, &candidates).await?;
        let mut granted = gained && !seeded(Bug::GrantMissedAfterTeamChange);
        for customer in candidates {
            let Some(assignment) = customers.assignments.get(&customer) else {
                continue;
            };
            let memberships = customers.memberships(customer);
            let then = self.puller.standing.rights_at(memberships, after);
            let now = self.puller.standing.rights_at(memberships, head);
            let lasting = self.puller.standing.lasting_rights(memberships, after);
            let is_news = !lasting.contains(now);
            // Other rights on the documents it has are an item; only what it has not is to be delivered.
            granted |= is_news && now.reads_beyond(lasting);
            // Also what came and went between the two: the device may have made it itself.
            let lost = self.puller.standing.last_loss(memberships, head);
            if !now.contains(then) || lost.is_some_and(|(seq, _)| seq > after) {
                self.tell_loss(assignment, memberships, now);
            } else if is_news && !now.reads_beyond(lasting) && !self.is_beyond(&customers, customer, cursor) {
                let relations = self.puller.standing.relations_at(memberships, head);
                self.page.push_access(assignment, now, relations, None);
            }
        }
        if granted {
            add_backfill(cursor, after, head);
        }
        Ok(())
    }

    fn tell_loss(&mut self, assignment: &Assignment, memberships: &[Membership], now: ClassRights) {
        if self.puller.withholds_losses() {
            return;
        }
        let head = self.puller.head;
        let relations = self.puller.standing.relations_at(memberships, head);
        let lost = self.puller.standing.last_loss(memberships, head).map(|(seq, _)| seq);
        if let Some(lost_seq) = lost {
            self.evictions.push(EvictionRow {
                device: self.puller.device,
                customer: assignment.customer,
                lost_seq,
            });
        }
        self.page.push_access(assignment, now, relations, lost);
    }

    /// Documents the device has asked for again.
    async fn wanted(&mut self, tx: &mut Tx, wanted: &[DocumentId]) -> Result<(), StorageError> {
        if wanted.is_empty() {
            return Ok(());
        }
        // What no longer fits the page the device still wants, and asks for again.
        for wanted in wanted.chunks(WANTED_DOCUMENTS) {
            let rows = documents::list_by_id(tx, self.org(), wanted).await?;
            let named: BTreeSet<CustomerId> = rows.iter().map(|row| row.customer).collect();
            let customers = Customers::read(tx, self.puller, &named).await?;
            let mut changes = documents::list_changes(tx, self.org(), wanted, 0).await?;
            for row in rows {
                if !self.may_read(&customers, &row) && !seeded(Bug::WantedUnchecked) {
                    continue;
                }
                if row.erased {
                    self.page.push_gone((&row).into());
                } else {
                    let changes = changes.remove(&row.document).unwrap_or_default();
                    self.page.push_document((&row).into(), changes, true);
                }
            }
            if self.is_full() {
                break;
            }
        }
        Ok(())
    }

    fn may_read(&self, customers: &Customers, row: &DocumentRow) -> bool {
        let owner = customers
            .assignments
            .get(&row.customer)
            .and_then(|assignment| assignment.owner);
        let rights = self.rights(customers, row.customer, self.puller.head);
        document_access(rights, self.puller.user, &row.facts(owner)).may_read()
    }

    /// Whether another policy since a place gives its members in this scope other rights.
    fn is_judged_anew(&self, held: &ViewerScope, since: i64) -> bool {
        let standing = self.puller.standing;
        let Some(relation) = held.relation.filter(|_| standing.policies.has_changed_after(since)) else {
            return false;
        };
        let rights = |policy| class_rights(standing.viewer, relation.into(), policy);
        let now = rights(&standing.policies.now);
        standing.policies.since(since).any(|policy| rights(policy) != now)
    }

    /// Whether the viewer got this scope, or more to read in it, after a place.
    fn is_gained(&self, index: usize, since: i64) -> bool {
        let held = self.scopes[index];
        let standing = self.puller.standing;
        let changed = standing.policies.has_changed_after(since);
        let reads_more = held.relation.filter(|_| changed).is_some_and(|relation| {
            let now = class_rights(standing.viewer, relation.into(), &standing.policies.now);
            now.reads_beyond(standing.under_all(relation.into(), since))
        });
        reads_more
            || !self
                .puller
                .standing
                .held
                .iter()
                .any(|other| other.held == held && other.holds_at(since))
    }

    /// Where in the order of a backfill a customer stands.
    fn place(&self, customers: &Customers, customer: CustomerId, backfill: &Backfill) -> Option<Position> {
        let memberships = customers.memberships(customer);
        self.scopes.iter().enumerate().find_map(|(index, held)| {
            let since = if self.is_gained(index, backfill.since) {
                -1
            } else {
                backfill.since
            };
            let member = memberships.iter().find(|membership| {
                // What came after the backfill's beginning has one of its own if it is news. Counted here, it would take
                // the customer to a scope that is past, and no page would hold it.
                let came = since < membership.from_seq && membership.from_seq <= backfill.upto;
                membership.scope == held.scope && membership.to_seq.is_none() && came
            })?;
            Some(Position {
                scope: index as u16,
                from_seq: member.from_seq,
                customer,
            })
        })
    }

    /// Whether a customer is still to be delivered as a whole, so that its news need not be sent apart.
    fn is_pending(&self, customers: &Customers, customer: CustomerId, cursor: &Cursor) -> bool {
        cursor.backfills.iter().any(|backfill| {
            let now = self.rights(customers, customer, self.puller.head);
            let then = self.lasting(customers, customer, backfill);
            if then.contains(now) {
                return false;
            }
            self.place(customers, customer, backfill)
                .is_some_and(|place| backfill.position.is_none_or(|position| position.precedes(&place)))
        })
    }

    /// Whether a customer stands behind what the device holds.
    fn is_beyond(&self, customers: &Customers, customer: CustomerId, cursor: &Cursor) -> bool {
        cursor.boundary.is_some_and(|boundary| {
            self.place(customers, customer, &first_backfill(self.puller.head))
                .is_some_and(|place| boundary.precedes(&place))
        })
    }
}

/// Adds what became visible between two places to the backfills: to the last one if it has not begun.
fn add_backfill(cursor: &mut Cursor, since: i64, upto: i64) {
    match cursor.backfills.last_mut() {
        Some(last) if last.position.is_none() => last.upto = upto,
        _ => cursor.backfills.push(Backfill {
            since,
            upto,
            position: None,
        }),
    }
}
