//! What becomes of an intent: who owns a customer, and who is responsible for a document, is the server's alone.

use crate::{
    document::Kind,
    ids::{PoolId, TeamId, UserId},
    protocol::message::{Intent, IntentAction, IntentOutcome},
    seeded::{Bug, seeded},
    time::Timestamp,
    visibility::{Relation, RelationSet, Role},
};

/// A customer's assignment now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomerFactsNow {
    /// The owner.
    pub owner: Option<UserId>,
    /// The pool.
    pub pool: Option<PoolId>,
    /// Version of the assignment.
    pub version: u64,
    /// When it was last assigned.
    pub since: Timestamp,
}

/// What the decision needs to know.
#[derive(Debug, Clone)]
pub struct IntentFacts {
    /// Who asks.
    pub user: UserId,
    /// His role.
    pub role: Role,
    /// His team.
    pub team: Option<TeamId>,
    /// Pools he is a member of, first joined first.
    pub pools: Vec<PoolId>,
    /// The customer, if there is one of this organisation with the id.
    pub customer: Option<CustomerFactsNow>,
    /// What he is to the customer.
    pub relations: RelationSet,
    /// He has or had something to do with it: others learn nothing of it, not even that it exists.
    pub knows: bool,
    /// The pool named by the intent exists.
    pub pool_exists: bool,
    /// Role and team of the person named by the intent, if he is active.
    pub person: Option<(Role, Option<TeamId>)>,
    /// The document named by the intent: its kind and whether he may write it, if it belongs to the customer.
    pub document: Option<(Kind, bool)>,
}

/// Where a customer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// To somebody, with his team.
    Owner(UserId, Option<TeamId>),
    /// Into a pool.
    Pool(PoolId),
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentDecision {
    /// A new customer.
    Create {
        /// Where it begins.
        to: Move,
        /// `pool_left` if it became his own because he is not in the pool.
        marked: Option<&'static str>,
    },
    /// Another owner or pool.
    Reassign {
        /// Where it goes.
        to: Move,
    },
    /// Another person responsible for a document.
    Responsible {
        /// Who; none: the owner.
        user: Option<UserId>,
    },
    /// Already as wished.
    Nothing,
    /// Refused.
    Rejected {
        /// Stable code.
        code: &'static str,
        /// The owner may be told.
        tell_owner: bool,
    },
}

impl IntentDecision {
    /// The answer for an intent that was refused.
    #[must_use]
    pub fn rejection(code: &str, facts: &IntentFacts, tell_owner: bool) -> IntentOutcome {
        let customer = facts.customer.filter(|_| tell_owner);
        IntentOutcome::Rejected {
            code: code.to_owned(),
            owner: customer.and_then(|customer| customer.owner),
            since: customer.map(|customer| customer.since),
        }
    }
}

/// Decides one intent. Of two claims, the one decided first wins: that is the order in which they are received.
#[must_use]
pub fn decide_intent(intent: &Intent, facts: &IntentFacts) -> IntentDecision {
    match &intent.action {
        IntentAction::Create { pool } => decide_create(*pool, facts),
        IntentAction::Claim => decide_claim(facts),
        IntentAction::Release { pool, .. } => decide_release(intent, *pool, facts),
        IntentAction::Assign { owner, .. } => decide_assign(intent, *owner, facts),
        IntentAction::Responsible { user, .. } => decide_responsible(*user, facts),
    }
}

/// Never refused for a cap or a duplicate. For a pool he is not in, it becomes his own and is marked.
fn decide_create(pool: Option<PoolId>, facts: &IntentFacts) -> IntentDecision {
    if facts.customer.is_some() {
        return reject("not_found");
    }
    if !facts.role.may_own() {
        return reject("not_permitted");
    }
    let own = Move::Owner(facts.user, facts.team);
    let in_office = matches!(facts.role, Role::BackOffice | Role::Admin | Role::Manager);
    match pool {
        None => IntentDecision::Create { to: own, marked: None },
        Some(pool) if facts.pool_exists && (in_office || facts.pools.contains(&pool)) => IntentDecision::Create {
            to: Move::Pool(pool),
            marked: None,
        },
        Some(_) => IntentDecision::Create {
            to: own,
            marked: Some("pool_left"),
        },
    }
}

fn decide_claim(facts: &IntentFacts) -> IntentDecision {
    let Some(customer) = facts.customer.filter(|_| facts.knows) else {
        return reject("not_found");
    };
    if customer.owner == Some(facts.user) {
        return IntentDecision::Nothing;
    }
    if !facts.role.may_own() {
        return reject("not_permitted");
    }
    match customer.pool {
        None if seeded(Bug::ClaimTakesFromOwner) => IntentDecision::Reassign {
            to: Move::Owner(facts.user, facts.team),
        },
        // Somebody was faster, or it was handed out. Whoever could see it in the pool may know by whom.
        None => IntentDecision::Rejected {
            code: "already_claimed",
            tell_owner: true,
        },
        Some(pool) if facts.pools.contains(&pool) || is_office(facts) => IntentDecision::Reassign {
            to: Move::Owner(facts.user, facts.team),
        },
        Some(_) => reject("not_found"),
    }
}

fn decide_release(intent: &Intent, pool: Option<PoolId>, facts: &IntentFacts) -> IntentDecision {
    let Some(customer) = facts.customer.filter(|_| !facts.relations.is_empty()) else {
        return reject("not_found");
    };
    if customer.pool.is_some() && (pool.is_none() || pool == customer.pool) {
        return IntentDecision::Nothing;
    }
    let is_owner = facts.relations.contains(Relation::Owner);
    if !is_owner && !leads(facts) {
        return reject("not_permitted");
    }
    // The owner gives back what is his, however he came by it. Anybody else takes it from an owner, and only from the
    // one he has seen.
    if !is_owner && is_outdated(intent, customer) {
        return IntentDecision::Rejected {
            code: "conflict",
            tell_owner: true,
        };
    }
    let own_pool = facts.pools.first().copied();
    match pool.or(own_pool) {
        Some(pool) if facts.pool_exists || Some(pool) == own_pool => IntentDecision::Reassign { to: Move::Pool(pool) },
        _ => reject("unknown_pool"),
    }
}

fn decide_assign(intent: &Intent, owner: UserId, facts: &IntentFacts) -> IntentDecision {
    let Some(customer) = facts.customer.filter(|_| !facts.relations.is_empty()) else {
        return reject("not_found");
    };
    if !leads(facts) {
        return reject("not_permitted");
    }
    let Some((role, team)) = facts.person.filter(|(role, _)| role.may_own()) else {
        return reject("unknown_person");
    };
    debug_assert!(role.may_own());
    if customer.owner == Some(owner) {
        return IntentDecision::Nothing;
    }
    if is_outdated(intent, customer) {
        return IntentDecision::Rejected {
            code: "conflict",
            tell_owner: true,
        };
    }
    IntentDecision::Reassign {
        to: Move::Owner(owner, team),
    }
}

fn decide_responsible(user: Option<UserId>, facts: &IntentFacts) -> IntentDecision {
    let Some(customer) = facts.customer.filter(|_| !facts.relations.is_empty()) else {
        return reject("not_found");
    };
    // A cover ends; what he made somebody responsible for would not.
    let stays = user.is_some() && user != customer.owner;
    if stays && facts.relations.contains(Relation::Cover) && !facts.relations.contains(Relation::Owner) && !leads(facts)
    {
        return reject("not_permitted");
    }
    match facts.document {
        None => reject("not_found"),
        Some((kind, _)) if !kind.has_responsible() => reject("not_permitted"),
        Some((_, may_write)) if !may_write && !leads(facts) => reject("not_permitted"),
        Some(_) if user.is_some() && facts.person.is_none() => reject("unknown_person"),
        Some(_) => IntentDecision::Responsible { user },
    }
}

/// It has changed hands since the asker looked.
fn is_outdated(intent: &Intent, customer: CustomerFactsNow) -> bool {
    intent
        .expected_version
        .is_some_and(|version| version != customer.version)
}

/// Whether somebody who is this to a customer gives it to others: he manages the owner's team, administers the pool, or
/// keeps the organisation's customers in order.
#[must_use]
pub fn leads_customer(relations: RelationSet) -> bool {
    let leading = [
        Relation::Manager,
        Relation::PoolAdmin,
        Relation::BackOffice,
        Relation::Admin,
    ];
    leading.into_iter().any(|relation| relations.contains(relation))
}

fn leads(facts: &IntentFacts) -> bool {
    leads_customer(facts.relations)
}

fn is_office(facts: &IntentFacts) -> bool {
    facts.relations.contains(Relation::BackOffice) || facts.relations.contains(Relation::Admin)
}

fn reject(code: &'static str) -> IntentDecision {
    IntentDecision::Rejected {
        code,
        tell_owner: false,
    }
}
