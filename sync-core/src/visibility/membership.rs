//! From facts to relations: which scopes a person has, which contain a customer, and what he therefore is to it.

use serde::{Deserialize, Serialize};

use crate::{
    document::{Class, Kind},
    ids::{OrgId, PoolId, TeamId, UserId},
};

use super::{
    FEED_KEY_LEN, Policy, Relation, RelationSet, Role, Scope, UnknownRelation, UserState, View, Viewer, feed_key,
};

/// Where a person belongs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memberships {
    /// His team.
    pub team: Option<TeamId>,
    /// For a manager: the teams he manages and all below them.
    pub managed_teams: Vec<TeamId>,
    /// His pools, and whether he administers each.
    pub pools: Vec<(PoolId, bool)>,
    /// Those for all of whose customers he stands in for a while.
    pub covers: Vec<UserId>,
}

/// A scope that a person has, and what he is to the customers in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ViewerScope {
    /// The set.
    pub scope: Scope,
    /// What he is to the customers in it. None for what he authored or pinned: it is delivered, but grants nothing.
    pub relation: Option<Relation>,
}

/// The word in tables for a scope that grants nothing.
const NO_RELATION: &str = "none";

impl ViewerScope {
    /// The word for the relation in tables.
    #[must_use]
    pub fn stored_relation(&self) -> &'static str {
        self.relation.map_or(NO_RELATION, Relation::storage_name)
    }

    /// From a scope and the word for its relation in tables.
    ///
    /// # Errors
    /// [`UnknownRelation`] for a word that is no relation; the row is then left out, as it grants nothing.
    pub fn from_stored(scope: Scope, relation: &str) -> Result<Self, UnknownRelation> {
        let relation = match relation {
            NO_RELATION => None,
            word => Some(Relation::from_storage_name(word)?),
        };
        Ok(Self { scope, relation })
    }

    /// How much of its customers he sees.
    #[must_use]
    pub const fn view(&self, role: Role) -> View {
        match (self.relation, self.scope) {
            (Some(Relation::Team | Relation::Pool), _) => View::Card,
            (Some(Relation::Manager | Relation::BackOffice | Relation::Admin | Relation::Auditor), _) => View::All,
            (Some(_), _) | (None, Scope::Own(_)) => View::Working,
            (None, _) => match role {
                Role::Rep => View::Card,
                Role::Service => View::Working,
                Role::Manager | Role::BackOffice | Role::Admin | Role::Auditor => View::All,
            },
        }
    }

    /// Whether he sees all documents of the organisation, and so reads its log and no feed.
    #[must_use]
    pub const fn reads_log(&self) -> bool {
        matches!(
            self.relation,
            Some(Relation::BackOffice | Relation::Admin | Relation::Auditor)
        )
    }

    /// The feed in which he learns what was touched in the scope; none if he reads the log.
    #[must_use]
    pub fn feed(&self, role: Role) -> Option<[u8; FEED_KEY_LEN]> {
        (!self.reads_log()).then(|| feed_key(self.scope, self.view(role)))
    }
}

/// The scopes a person has, in the order in which his device fills up: own, cover, responsible, authored,
/// collaborations, pinned, pool, team and below, organisation.
///
/// Somebody who is leaving keeps them, since what his devices hand in is judged by them; [`super::may_read`] says
/// that nothing is delivered to him.
#[must_use]
pub fn viewer_scopes(viewer: Viewer, org: OrgId, places: &Memberships, policy: &Policy) -> Vec<ViewerScope> {
    let Viewer { user, role, state } = viewer;
    if state == UserState::Disabled {
        return Vec::new();
    }
    let mut scopes = Vec::with_capacity(12 + places.pools.len() + places.managed_teams.len() + places.covers.len());
    let mut push = |scope, relation: Option<Relation>| {
        let holds = relation.is_none_or(|relation| role.may_have(relation));
        let known = scopes.iter().any(|seen: &ViewerScope| seen.scope == scope);
        if holds && !known {
            scopes.push(ViewerScope { scope, relation });
        }
    };
    push(Scope::Book(user), Some(Relation::Owner));
    push(Scope::Cover(user), Some(Relation::Cover));
    // Somebody else's book, as it is at any moment: what that person gets meanwhile is in it too.
    for &covered in &places.covers {
        push(Scope::Book(covered), Some(Relation::Cover));
    }
    push(Scope::Responsible(user), Some(Relation::Responsible));
    push(Scope::ResponsibleDone(user), Some(Relation::ResponsibleDone));
    if role != Role::Auditor {
        push(Scope::Own(user), None);
    }
    push(Scope::Collab(user), Some(Relation::CollaboratorWrite));
    push(Scope::CollabRead(user), Some(Relation::CollaboratorRead));
    push(Scope::Pin(user), None);
    // An administrator of a pool is also its member, and a manager is in a team of his: the wider one stands first
    // and includes the narrower.
    for &(pool, is_admin) in places
        .pools
        .iter()
        .filter(|(_, is_admin)| *is_admin)
        .chain(&places.pools)
    {
        push(
            Scope::Pool(pool),
            Some(if is_admin { Relation::PoolAdmin } else { Relation::Pool }),
        );
    }
    for &team in &places.managed_teams {
        push(Scope::Team(team), Some(Relation::Manager));
    }
    if let Some(team) = places.team.filter(|_| policy.team_read) {
        push(Scope::Team(team), Some(Relation::Team));
    }
    if let Some(relation) = role.organisation_relation() {
        push(Scope::Org(org), Some(relation));
    }
    scopes
}

/// What decides in whose scopes a customer is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CustomerFacts {
    /// Whose it is.
    pub owner: Option<UserId>,
    /// The pool it is in. Counts only while nobody owns it.
    pub pool: Option<PoolId>,
    /// The owner's team.
    pub team: Option<TeamId>,
    /// Who works on it beside the owner, and whether he may write.
    pub collaborators: Vec<(UserId, bool)>,
}

/// The scopes that contain a customer by its own facts. Those of its documents come from [`document_scopes`].
#[must_use]
pub fn customer_scopes(customer: &CustomerFacts, org: OrgId) -> Vec<Scope> {
    let mut scopes = Vec::with_capacity(3 + customer.collaborators.len());
    match (customer.owner, customer.pool) {
        (Some(owner), _) => scopes.push(Scope::Book(owner)),
        (None, Some(pool)) => scopes.push(Scope::Pool(pool)),
        (None, None) => {}
    }
    for &(user, may_write) in &customer.collaborators {
        scopes.push(if may_write {
            Scope::Collab(user)
        } else {
            Scope::CollabRead(user)
        });
    }
    scopes.extend(customer.team.map(Scope::Team));
    scopes.push(Scope::Org(org));
    scopes
}

/// The scopes that contain a document because of itself: of its author, if it is of a class that somebody may add to
/// without reading the rest of it, and of whoever is responsible for it by name (an empty responsible is the owner,
/// who has it in his book). `is_done` tells whether nothing is left to do in it.
#[must_use]
pub fn document_scopes(kind: Kind, author: UserId, responsible: Option<UserId>, is_done: bool) -> Vec<Scope> {
    let mut scopes = Vec::new();
    if kind.class() == Class::Activity {
        scopes.push(Scope::Own(author));
    }
    if let Some(user) = responsible.filter(|_| kind.has_responsible()) {
        scopes.push(if is_done {
            Scope::ResponsibleDone(user)
        } else {
            Scope::Responsible(user)
        });
    }
    scopes
}

/// What a person is to a customer: the relations of his scopes that contain it. With both lists as of an earlier
/// sequence number, what he was then.
#[must_use]
pub fn relations(viewer_scopes: &[ViewerScope], customer_scopes: &[Scope]) -> RelationSet {
    viewer_scopes
        .iter()
        .filter(|held| customer_scopes.contains(&held.scope))
        .filter_map(|held| held.relation)
        .collect()
}
