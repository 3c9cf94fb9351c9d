//! An event of ownership with all that follows from it: rows, scopes, feeds, the link in the chain. What follows is
//! worked out here for one; any number is written at once, a few statements a table.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{
    document::Kind,
    hub::Move,
    ids::{CustomerId, DocumentId, IntentId, OrgId, PoolId, TeamId, UserId},
    time::Timestamp,
    visibility::{CustomerFacts, Scope, customer_scopes, document_feeds, document_scopes, feeds_of},
};

use crate::{
    actions::ActionError,
    storage::{
        Tx, documents, feeds,
        ownership::{self, Assignment, OwnershipEvent},
        scopes::{self, Membership},
    },
};

/// What the events of one decision have in common.
#[derive(Clone, Copy)]
pub(crate) struct Cause<'a> {
    pub(crate) org: OrgId,
    pub(crate) event: &'static str,
    pub(crate) by: UserId,
    pub(crate) reason: &'a str,
    pub(crate) intent: Option<IntentId>,
    pub(crate) at: Timestamp,
}

/// One event, worked out.
pub(crate) struct Transfer {
    event: OwnershipEvent,
    /// The customer's new place; none: it stays, and another person is responsible for the document of the event.
    assignment: Option<Assignment>,
    ends: Vec<Membership>,
    begins: Vec<Scope>,
    feeds: BTreeSet<[u8; 18]>,
    touched: DocumentId,
}

/// Who becomes responsible for which document instead of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handing {
    pub(crate) customer: CustomerId,
    pub(crate) document: DocumentId,
    pub(crate) kind: Kind,
    pub(crate) author: UserId,
    pub(crate) from: Option<UserId>,
    pub(crate) to: Option<UserId>,
}

impl Transfer {
    /// A customer that goes somewhere else, or for the first time somewhere. `also_ends` names scopes beside those of
    /// its owner, team or pool that end with it, `also_begins` such that begin.
    ///
    /// All of them at this one place: what somebody might do just before is asked of the place before it.
    pub(crate) fn of_customer(
        cause: &Cause<'_>,
        before: Option<&Assignment>,
        assignment: Assignment,
        memberships: &[Membership],
        (also_ends, also_begins): (&[Scope], &[Scope]),
        seq: i64,
    ) -> Self {
        let now = open_scopes(memberships);
        let old: BTreeSet<Scope> = before
            .map(|before| customer_scopes(&placed(before), cause.org))
            .unwrap_or_default()
            .into_iter()
            .chain(also_ends.iter().copied())
            .collect();
        let new: BTreeSet<Scope> = customer_scopes(&placed(&assignment), cause.org)
            .into_iter()
            .chain(also_begins.iter().copied())
            .collect();
        // Who stands in for the owner does so for this one.
        let is_others = before.is_some_and(|before| before.owner != assignment.owner);
        let uncovered = |scope: &Scope| is_others && matches!(scope, Scope::Cover(_));
        let card = DocumentId::derived(cause.org, assignment.customer, Kind::Card, 0);
        // Those who see it before and after learn who has it now; a new one nobody has seen.
        let seen: Vec<Scope> = before.map(|_| now.union(&new).copied().collect()).unwrap_or_default();
        let event = OwnershipEvent {
            seq,
            customer: assignment.customer,
            event: cause.event,
            document: None,
            by: cause.by,
            from_owner: before.and_then(|before| before.owner),
            from_pool: before.and_then(|before| before.pool),
            to_owner: assignment.owner,
            to_pool: assignment.pool,
            reason: cause.reason.to_owned(),
            intent: cause.intent,
            at: cause.at,
        };
        Self {
            event,
            assignment: before.map(|_| assignment),
            ends: ending(memberships, |scope| {
                (old.contains(scope) && !new.contains(scope)) || uncovered(scope)
            }),
            begins: new.difference(&now).copied().collect(),
            feeds: feeds_of(&seen, Kind::Card).into_iter().collect(),
            touched: card,
        }
    }

    /// Another person responsible for a document. `memberships` are the customer's, as they are when this is written;
    /// the scopes that end and begin with it are named by the caller, who knows the other documents.
    pub(crate) fn of_document(
        cause: &Cause<'_>,
        handing: &Handing,
        memberships: &[Membership],
        (ends, begins): (&[Scope], &[Scope]),
        seq: i64,
    ) -> Self {
        let now = open_scopes(memberships);
        let begins: Vec<Scope> = begins.iter().copied().filter(|scope| !now.contains(scope)).collect();
        let seen: Vec<Scope> = now.iter().chain(&begins).copied().collect();
        // Who was responsible, who is, and who made it learn of it through the document's own feeds.
        let concerned: BTreeSet<Scope> = document_scopes(handing.kind, handing.author, handing.from, false)
            .into_iter()
            .chain(document_scopes(handing.kind, handing.author, handing.to, false))
            .collect();
        let concerned: Vec<Scope> = concerned.into_iter().collect();
        let event = OwnershipEvent {
            seq,
            customer: handing.customer,
            event: cause.event,
            document: Some(handing.document),
            by: cause.by,
            from_owner: handing.from,
            from_pool: None,
            to_owner: handing.to,
            to_pool: None,
            reason: cause.reason.to_owned(),
            intent: cause.intent,
            at: cause.at,
        };
        Self {
            event,
            assignment: None,
            ends: ending(memberships, |scope| ends.contains(scope)),
            begins,
            feeds: feeds_of(&seen, handing.kind)
                .into_iter()
                .chain(document_feeds(&concerned))
                .collect(),
            touched: handing.document,
        }
    }
}

/// Writes transfers, each at its place. The caller holds the counter.
pub(crate) async fn write_transfers(tx: &mut Tx, org: OrgId, transfers: Vec<Transfer>) -> Result<(), ActionError> {
    let assignments: Vec<Assignment> = transfers.iter().filter_map(|transfer| transfer.assignment).collect();
    ownership::update_assignments(tx, org, &assignments).await?;
    let mut responsible: BTreeMap<Option<UserId>, Vec<(CustomerId, DocumentId)>> = BTreeMap::new();
    let (mut ends, mut begins, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for transfer in &transfers {
        let (seq, customer) = (transfer.event.seq, transfer.event.customer);
        if let Some(document) = transfer.event.document {
            let documents = responsible.entry(transfer.event.to_owner).or_default();
            documents.push((customer, document));
        }
        ends.extend(transfer.ends.iter().map(|membership| (*membership, seq)));
        begins.extend(transfer.begins.iter().map(|scope| (*scope, customer, seq)));
        rows.extend(transfer.feeds.iter().map(|feed| (feed, seq, transfer.touched)));
    }
    for (user, documents) in responsible {
        documents::set_responsible(tx, org, &documents, user).await?;
    }
    scopes::end_memberships(tx, org, &ends).await?;
    scopes::insert_members(tx, org, &begins).await?;
    // In the order of the table, which many rows at once are written in faster.
    rows.sort_unstable();
    feeds::insert(tx, org, &rows).await?;
    let events: Vec<OwnershipEvent> = transfers.into_iter().map(|transfer| transfer.event).collect();
    Ok(ownership::append_events(tx, org, &events).await?)
}

/// A customer finding its place: for the first time, or another one.
pub(crate) struct Placing<'a> {
    pub(crate) org: OrgId,
    pub(crate) customer: CustomerId,
    pub(crate) event: &'static str,
    pub(crate) by: UserId,
    pub(crate) reason: &'a str,
    pub(crate) intent: Option<IntentId>,
    pub(crate) at: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) external_id: Option<&'a str>,
}

/// Writes a customer's place: row, scopes, feeds, chain of owners. The caller holds the counter; `seq` is the event's.
pub(crate) async fn place_customer(
    tx: &mut Tx,
    placing: &Placing<'_>,
    before: Option<&Assignment>,
    memberships: &[Membership],
    to: Move,
    seq: i64,
) -> Result<(), ActionError> {
    let assignment = match before {
        Some(before) => moved(before, to, seq),
        None => {
            let (owner, team, pool) = place_of(to);
            let assignment = Assignment {
                customer: placing.customer,
                owner,
                pool,
                team,
                version: 1,
                assigned_seq: seq,
                created_by: placing.by,
            };
            ownership::insert_customer(tx, placing.org, &assignment, placing.created_at, placing.external_id).await?;
            assignment
        }
    };
    let cause = Cause {
        org: placing.org,
        event: placing.event,
        by: placing.by,
        reason: placing.reason,
        intent: placing.intent,
        at: placing.at,
    };
    let transfer = Transfer::of_customer(&cause, before, assignment, memberships, (&[], &[]), seq);
    write_transfers(tx, placing.org, vec![transfer]).await
}

/// An assignment after a move.
pub(crate) fn moved(before: &Assignment, to: Move, seq: i64) -> Assignment {
    let (owner, team, pool) = place_of(to);
    Assignment {
        owner,
        pool,
        team,
        version: before.version + 1,
        assigned_seq: seq,
        ..*before
    }
}

fn place_of(to: Move) -> (Option<UserId>, Option<TeamId>, Option<PoolId>) {
    match to {
        Move::Owner(owner, team) => (Some(owner), team, None),
        Move::Pool(pool) => (None, None, Some(pool)),
    }
}

fn placed(assignment: &Assignment) -> CustomerFacts {
    CustomerFacts {
        owner: assignment.owner,
        pool: assignment.pool,
        team: assignment.team,
        collaborators: Vec::new(),
    }
}

fn ending(memberships: &[Membership], ends: impl Fn(&Scope) -> bool) -> Vec<Membership> {
    let open = memberships.iter().filter(|membership| membership.to_seq.is_none());
    open.filter(|membership| ends(&membership.scope)).copied().collect()
}

fn open_scopes(memberships: &[Membership]) -> BTreeSet<Scope> {
    memberships
        .iter()
        .filter(|membership| membership.to_seq.is_none())
        .map(|membership| membership.scope)
        .collect()
}
