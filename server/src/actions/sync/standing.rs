//! What a viewer is to a customer, now and just before he lost it, from the scopes' rows.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::{
    ids::CustomerId,
    visibility::{ClassRights, Policies, RelationSet, Scope, UserState, Viewer, ViewerScope, class_rights, relations},
};

use crate::storage::scopes::{HeldScope, Membership};

/// A viewer with his scopes and the organisation's policies through time.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// Who.
    pub(crate) viewer: Viewer,
    /// His scopes, past ones included.
    pub(crate) held: Vec<HeldScope>,
    /// The organisation's table, and what it was before.
    pub(crate) policies: Policies,
}

impl Standing {
    /// His scopes right after a place in the log.
    pub(crate) fn scopes_at(&self, seq: i64) -> Vec<ViewerScope> {
        self.held
            .iter()
            .filter(|held| held.holds_at(seq))
            .map(|held| held.held)
            .collect()
    }

    /// What he is to a customer right after a place, given all its memberships.
    pub(crate) fn relations_at(&self, memberships: &[Membership], seq: i64) -> RelationSet {
        let scopes: Vec<Scope> = memberships
            .iter()
            .filter(|membership| membership.holds_at(seq))
            .map(|membership| membership.scope)
            .collect();
        relations(&self.scopes_at(seq), &scopes)
    }

    /// His rights on a customer's documents right after a place.
    pub(crate) fn rights_at(&self, memberships: &[Membership], seq: i64) -> ClassRights {
        class_rights(self.viewer, self.relations_at(memberships, seq), self.policies.at(seq))
    }

    /// His rights that have lasted without a break from right after a place until now. What he lost and got again
    /// since is not among them: what happened in between he has not seen.
    pub(crate) fn lasting_rights(&self, memberships: &[Membership], since: i64) -> ClassRights {
        let lasts = |from: i64, to: Option<i64>| from <= since && to.is_none();
        let held: Vec<ViewerScope> = self
            .held
            .iter()
            .filter(|held| lasts(held.from_seq, held.to_seq))
            .map(|held| held.held)
            .collect();
        let scopes: Vec<Scope> = memberships
            .iter()
            .filter(|membership| lasts(membership.from_seq, membership.to_seq))
            .map(|membership| membership.scope)
            .collect();
        self.under_all(relations(&held, &scopes), since)
    }

    /// What these relations have given under every policy from right after a place until now.
    pub(crate) fn under_all(&self, relations: RelationSet, since: i64) -> ClassRights {
        let each = self.policies.since(since);
        let rights = each.map(|policy| class_rights(self.viewer, relations, policy));
        rights.reduce(ClassRights::intersection).unwrap_or_default()
    }

    /// The places at which he lost something he does not have now, the earliest first, and his rights just before each.
    ///
    /// Judged as if he still worked here: what the device of somebody who has left hands in was made while he did.
    pub(crate) fn losses(&self, memberships: &[Membership], head: i64) -> Vec<(i64, ClassRights)> {
        let viewer = Viewer {
            state: UserState::Active,
            ..self.viewer
        };
        let now = self.rights_at(memberships, head);
        let ends = memberships.iter().flat_map(|membership| {
            self.held
                .iter()
                .filter(|held| held.held.scope == membership.scope)
                .filter_map(|held| shared_end(held, membership))
        });
        // Another policy is a loss only where it took something.
        let narrowed = self.policies.changes().filter(|place| {
            let relations = self.relations_at(memberships, place - 1);
            let under = |seq| class_rights(viewer, relations, self.policies.at(seq));
            !under(*place).contains(under(place - 1))
        });
        let ends: BTreeSet<i64> = ends.chain(narrowed).collect();
        ends.into_iter()
            .filter_map(|end| {
                let policy = self.policies.at(end - 1);
                let before = class_rights(viewer, self.relations_at(memberships, end - 1), policy);
                (!now.contains(before)).then_some((end, before))
            })
            .collect()
    }

    /// The last of them.
    pub(crate) fn last_loss(&self, memberships: &[Membership], head: i64) -> Option<(i64, ClassRights)> {
        self.losses(memberships, head).pop()
    }
}

/// Where the time in which both hold ends.
fn shared_end(held: &HeldScope, membership: &Membership) -> Option<i64> {
    let end = match (held.to_seq, membership.to_seq) {
        (Some(a), Some(b)) => a.min(b),
        (Some(end), None) | (None, Some(end)) => end,
        (None, None) => return None,
    };
    (held.from_seq.max(membership.from_seq) < end).then_some(end)
}

/// Memberships by customer.
pub(crate) fn by_customer(memberships: Vec<Membership>) -> BTreeMap<CustomerId, Vec<Membership>> {
    let mut grouped: BTreeMap<CustomerId, Vec<Membership>> = BTreeMap::new();
    for membership in memberships {
        grouped.entry(membership.customer).or_default().push(membership);
    }
    grouped
}
