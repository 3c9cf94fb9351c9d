//! From what is decided to what is written: the events of a handover, each at its place in the log.

use std::collections::BTreeSet;

use sync_core::{hub::Successor, ids::CustomerId, visibility::Scope};

use super::Survey;
use crate::{
    actions::ownership::{Cause, Transfer, moved},
    storage::{handovers::HandoverItem, scopes::Membership},
};

/// What is written.
pub(super) struct Handover {
    pub(super) transfers: Vec<Transfer>,
    pub(super) items: Vec<HandoverItem>,
}

/// The events, from a place on: his customers, then the documents he is named in.
///
/// What he loses of a customer ends at one place, so that "just before" means all that he had.
pub(super) fn transfers(cause: &Cause<'_>, survey: &Survey, first_seq: i64) -> Handover {
    let leaver = survey.leaver.user;
    let his = [Scope::Responsible(leaver), Scope::ResponsibleDone(leaver)];
    let memberships = |customer: CustomerId| -> &[Membership] {
        survey.memberships.get(&customer).map(Vec::as_slice).unwrap_or_default()
    };
    let mut handover = Handover {
        transfers: Vec::new(),
        items: Vec::new(),
    };
    let mut settled = BTreeSet::new();
    let mut seqs = first_seq..;
    for ((placed, to, place), seq) in survey.owned.iter().zip(&mut seqs) {
        let before = &placed.assignment;
        let after = moved(before, *place, seq);
        let now = memberships(before.customer);
        handover
            .transfers
            .push(Transfer::of_customer(cause, Some(before), after, now, (&his, &[]), seq));
        handover.items.push(HandoverItem {
            seq,
            customer: before.customer,
            document: None,
            from_team: before.team,
            to: Some(*to),
            versions: Some((before.version, after.version)),
        });
        settled.insert(before.customer);
    }
    for (handing, seq) in survey.handings.iter().zip(seqs) {
        let begins: Vec<Scope> = handing.to.map(Scope::Responsible).into_iter().collect();
        // With the first of a customer's documents he loses them all.
        let scopes: (&[Scope], &[Scope]) = match settled.insert(handing.customer) {
            true => (&his, &begins),
            false => (&[], &[]),
        };
        let now = memberships(handing.customer);
        handover
            .transfers
            .push(Transfer::of_document(cause, handing, now, scopes, seq));
        handover.items.push(HandoverItem {
            seq,
            customer: handing.customer,
            document: Some(handing.document),
            from_team: None,
            to: handing.to.map(Successor::Person),
            versions: None,
        });
    }
    handover
}
