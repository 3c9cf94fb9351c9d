//! Work for customers that its author has lost: what is known of the losses, and what becomes of fields that somebody
//! else has written meanwhile.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use serde_json::json;
use sync_core::{
    document::{BuiltChange, ChangeId, Document, Kind},
    hub::{self, ChangeDecision, Loss, PushedDocument},
    ids::{CustomerId, DocumentId, UserId},
    protocol::{message::Verdict, oplist},
    seeded::{Bug, seeded},
    time::Timestamp,
};

use super::push::Pusher;
use crate::{
    actions::{ActionError, commit::Job, edit::hub_actor},
    seam::Seam,
    storage::{
        Tx,
        audit::AuditRow,
        documents::{LoadedDocument, NewChange},
        ownership::{self, Reassigned},
        proposals::ProposalRow,
        scopes::Membership,
        verdicts::{self, ActorRow},
    },
};

/// What is known of the losses of some customers: when they happened, what this device knows of them, and for which
/// documents somebody else was made responsible since.
#[derive(Debug, Default)]
pub(super) struct Losses {
    of: BTreeMap<CustomerId, Vec<Loss>>,
    reassigned: Vec<Reassigned>,
}

impl Losses {
    /// Reads what is known of the losses of each of these customers that the device has not confirmed.
    pub(super) async fn read(
        tx: &mut Tx,
        pusher: &Pusher<'_>,
        memberships: &BTreeMap<CustomerId, Vec<Membership>>,
        head: i64,
    ) -> Result<Self, ActionError> {
        let mut lost: BTreeMap<CustomerId, Vec<i64>> = BTreeMap::new();
        for (customer, held) in memberships {
            let losses = pusher.standing.losses(held, head);
            if !losses.is_empty() {
                lost.insert(*customer, losses.into_iter().map(|(seq, _)| seq).collect());
            }
        }
        let customers: Vec<CustomerId> = lost.keys().copied().collect();
        let orders = verdicts::list_orders(tx, pusher.org, pusher.device, &customers).await?;
        let mut times: BTreeMap<i64, Option<Timestamp>> = BTreeMap::new();
        let mut of: BTreeMap<CustomerId, Vec<Loss>> = BTreeMap::new();
        for (customer, places) in lost {
            let orders = || orders.iter().filter(|order| order.customer == customer);
            let confirmed = orders().filter(|order| order.is_confirmed);
            let confirmed_seq = confirmed.map(|order| order.lost_seq).max().unwrap_or(0);
            let losses = of.entry(customer).or_default();
            for seq in places.into_iter().filter(|seq| *seq > confirmed_seq) {
                let at = match times.entry(seq) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(unknown) => *unknown.insert(verdicts::time_of_place(tx, pusher.org, seq).await?),
                };
                losses.push(Loss {
                    seq,
                    at,
                    // Who is told of a later loss is told of all before it.
                    ordered_at: orders()
                        .filter(|order| order.lost_seq >= seq)
                        .map(|order| order.ordered_at)
                        .min(),
                    confirmed_seq,
                    acknowledged_seq: pusher.acknowledged_seq,
                    enrolled_at: pusher.enrolled_at,
                });
            }
        }
        let first = of.values().flatten().map(|loss| loss.seq).min();
        let reassigned = match first {
            Some(first) => ownership::list_reassigned(tx, pusher.org, &customers, first - 1).await?,
            None => Vec::new(),
        };
        Ok(Self { of, reassigned })
    }

    /// Whether work for a customer lost at a place may still come late. Yes as long as nothing was read.
    pub(super) fn may_come_late(&self, customer: CustomerId, seq: i64, now: Timestamp) -> bool {
        self.of
            .get(&customer)
            .is_none_or(|losses| losses.iter().any(|loss| loss.seq == seq && loss.may_come_late(now)))
    }

    /// Who was responsible for a document just before a place, if somebody else has been made so since.
    pub(super) fn responsible_before(&self, document: DocumentId, seq: i64) -> Option<Option<UserId>> {
        let since = |event: &&Reassigned| event.document == document && event.seq >= seq;
        self.reassigned.iter().find(since).map(|event| event.previous)
    }
}

/// A document into which changes have just been taken.
pub(super) struct Taken<'a> {
    pub(super) document: DocumentId,
    pub(super) customer: CustomerId,
    pub(super) kind: Kind,
    pub(super) before: Option<&'a LoadedDocument>,
    pub(super) built: &'a [BuiltChange],
    pub(super) decisions: &'a [ChangeDecision],
}

impl Taken<'_> {
    fn late(&self) -> impl Iterator<Item = &BuiltChange> {
        self.decisions.iter().filter_map(|decision| match decision {
            ChangeDecision::Accepted { built, late: true } => self.built.get(*built),
            _ => None,
        })
    }
}

/// Puts values of others back on top of late ones and says so in the verdicts. Adds the proposals to the job and gives
/// the hub's changes.
pub(super) fn amend(
    pusher: &Pusher<'_>,
    seam: &Seam,
    taken: &Taken<'_>,
    after: &mut Document,
    verdicts: &mut [Verdict],
    job: &mut Job,
) -> Vec<NewChange> {
    let times: BTreeMap<ChangeId, Timestamp> = taken
        .late()
        .map(|built| (built.change.id(), built.change.time))
        .collect();
    let late: BTreeSet<ChangeId> = times.keys().copied().collect();
    if late.is_empty() || seeded(Bug::AmendmentSkipped) {
        return Vec::new();
    }
    let now = seam.now();
    let author_of = |change| Some(taken.before?.attributions.get(&change)?.author);
    let hub = |author| hub_actor(pusher.log, author);
    let amendment = hub::amend(after, pusher.user, &late, author_of, hub, now);
    for (verdict, decision) in verdicts.iter_mut().zip(taken.decisions) {
        let built = match decision {
            ChangeDecision::Accepted { built, .. } => taken.built.get(*built),
            _ => None,
        };
        if built.is_some_and(|built| amendment.amended.contains(&built.change.id())) {
            *verdict = Verdict::Amended;
        }
    }
    job.proposals
        .extend(amendment.proposals.into_iter().map(|proposal| ProposalRow {
            id: seam.uuid(),
            customer: taken.customer,
            document: taken.document,
            kind: taken.kind,
            field: proposal.field,
            entry: proposal.entry,
            value: proposal.value.to_json(),
            change: proposal.change,
            author: pusher.user,
            device: Some(pusher.device),
            device_time: times.get(&proposal.change).copied().unwrap_or(now),
            received_at: now,
        }));
    if !amendment.changes.is_empty() {
        job.audit.push(
            AuditRow::new(now, "amend", taken.document)
                .by(pusher.user)
                .with_device(pusher.device)
                .with_detail(json!({ "customer": taken.customer, "changes": amendment.amended.len() })),
        );
    }
    let changes = amendment.changes.into_iter().map(|(author, built)| {
        job.actors.push(ActorRow {
            actor: built.change.actor,
            device: None,
            user: Some(author),
            frozen: false,
        });
        let author = if seeded(Bug::RestoredUnderWrongName) {
            pusher.user
        } else {
            author
        };
        NewChange {
            built,
            author,
            device: None,
            late: false,
        }
    });
    changes.collect()
}

/// A late change that comes again hears what it heard at first.
pub(super) fn say_amended_again(
    pusher: &Pusher<'_>,
    before: Option<&LoadedDocument>,
    decisions: &[ChangeDecision],
    wire: &PushedDocument<'_>,
    verdicts: &mut [Verdict],
) {
    let (Some(before), Some(kind)) = (before, wire.kind) else {
        return;
    };
    for ((decision, body), verdict) in decisions.iter().zip(&wire.bodies).zip(verdicts) {
        if *decision != (ChangeDecision::Repeated { late: true }) {
            continue;
        }
        let authors: BTreeSet<UserId> = before.attributions.values().map(|behind| behind.author).collect();
        let is_hub = |actor| authors.iter().any(|author| hub_actor(pusher.log, *author) == actor);
        let change = oplist::decode(body, kind).map(|change| change.id());
        if change.is_ok_and(|change| hub::was_amended(before.document.state(), change, is_hub)) {
            *verdict = Verdict::Amended;
        }
    }
}
