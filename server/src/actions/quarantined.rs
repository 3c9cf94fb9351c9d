//! What waits for a decision, for those who may decide it.

use std::collections::BTreeMap;

use serde_json::Value;
use sync_core::{
    document::{Action, Kind},
    ids::{CustomerId, OrgId, UserId},
    protocol::oplist,
    visibility::{Relation, RelationSet, Rights},
};
use uuid::Uuid;

use super::{ActionError, customers::named, reader::Reader};
use crate::storage::{
    Database,
    reading::{self, QuarantinedChange},
    viewers::Named,
};

/// Changes read at a time.
const CHANGES_PER_READ: i64 = 500;
/// Reads of one request: who sees few of many comes back with the cursor.
const READS_PER_REQUEST: usize = 10;

/// A chain of changes that is decided as one.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Its changes in order; never empty.
    pub changes: Vec<QuarantinedChange>,
    /// What they write: field and value.
    pub writes: Vec<(String, Option<Value>)>,
    /// Whether the reader may decide it.
    pub may_decide: bool,
}

impl Ticket {
    /// The first change: all of a chain have its document, author and reason.
    #[must_use]
    pub fn first(&self) -> &QuarantinedChange {
        &self.changes[0]
    }
}

/// A page of what waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The chains, the oldest first.
    pub items: Vec<Ticket>,
    /// How their authors are called.
    pub people: BTreeMap<UserId, Named>,
    /// From where the list goes on.
    pub next: Option<(i64, Uuid)>,
}

/// Whether somebody may decide what a person's change becomes: the customer's owner, his managers, the pool's
/// administrator, back office and administrators; never its author.
#[must_use]
pub fn may_decide(relations: RelationSet, decider: UserId, author: UserId) -> bool {
    decider != author && relations.iter().any(decides)
}

/// Whether somebody who is no author of it settles a change of such a document: he is one of those who [decide](may_decide)
/// about the customer's, and may write it himself. Of visits everybody but the author only comments; who may do that and
/// add own ones decides about late ones.
#[must_use]
pub fn may_settle(relations: RelationSet, rights: Rights) -> bool {
    let writes = rights.may_write() || (rights.may_comment() && rights.may_create());
    writes && relations.iter().any(decides)
}

fn decides(relation: Relation) -> bool {
    matches!(
        relation,
        Relation::Owner | Relation::Manager | Relation::PoolAdmin | Relation::BackOffice | Relation::Admin
    )
}

/// Lists the chains that the reader may decide, or see as an auditor, and whose kind of document he may read.
///
/// # Errors
/// `account_not_active`, or the database's.
pub async fn list_waiting(
    database: &Database,
    org: OrgId,
    user: UserId,
    after: Option<(i64, Uuid)>,
    limit: i64,
) -> Result<Waiting, ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut items, mut place, mut next): (Vec<Ticket>, _, _) = (Vec::new(), after, None);
    for read in 1..=READS_PER_REQUEST {
        let mut rows = reading::list_quarantined(&mut tx, org, place, CHANGES_PER_READ).await?;
        let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) == CHANGES_PER_READ;
        if more {
            // The last chain may go on behind the last row: it is read again, unless it is all there is.
            let last = rows[rows.len() - 1].ticket_id;
            if rows.iter().any(|row| row.ticket_id != last) {
                rows.retain(|row| row.ticket_id != last);
            }
        }
        let customers: Vec<CustomerId> = rows.iter().map(|row| CustomerId(row.customer_id)).collect();
        let relations = reader.relations_of(&mut tx, &customers).await?;
        for chain in rows.chunk_by(|one, other| one.ticket_id == other.ticket_id) {
            if items.len() == limit {
                next = place;
                break;
            }
            let first = &chain[0];
            place = Some((first.received_at, first.ticket_id));
            let here = relations
                .get(&CustomerId(first.customer_id))
                .copied()
                .unwrap_or_default();
            if is_visible(&reader, here, first) {
                let rights = kind_of(first).map_or(Rights::NONE, |kind| reader.rights(here).of(kind));
                let may_decide = UserId(first.author_id) != user && may_settle(here, rights);
                items.push(ticket(chain, may_decide));
            }
        }
        if next.is_some() || !more {
            break;
        }
        if read == READS_PER_REQUEST {
            next = place;
        }
    }
    let people = named(
        &mut tx,
        org,
        items.iter().map(|ticket| UserId(ticket.first().author_id)),
    )
    .await?;
    Ok(Waiting { items, people, next })
}

fn is_visible(reader: &Reader, relations: RelationSet, change: &QuarantinedChange) -> bool {
    let Some(kind) = kind_of(change) else { return false };
    let concerned =
        may_decide(relations, reader.viewer.user, UserId(change.author_id)) || relations.contains(Relation::Auditor);
    concerned && reader.rights(relations).of(kind).may_read()
}

fn kind_of(change: &QuarantinedChange) -> Option<Kind> {
    Kind::from_number(u8::try_from(change.kind).ok()?)
}

fn ticket(chain: &[QuarantinedChange], may_decide: bool) -> Ticket {
    let mut writes = Vec::new();
    for change in chain {
        let (Some(kind), Some(body)) = (kind_of(change), &change.body) else {
            continue;
        };
        // What cannot be read was quarantined for that: it is listed without what it writes.
        let Ok(decoded) = oplist::decode(body, kind) else {
            continue;
        };
        for operation in decoded.operations {
            match operation.action {
                Action::Put(value) => writes.push((operation.key, Some(value.to_json()))),
                Action::Delete => writes.push((operation.key, None)),
                Action::MakeMap => {}
            }
        }
    }
    Ticket {
        changes: chain.to_vec(),
        writes,
        may_decide,
    }
}
