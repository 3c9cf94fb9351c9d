//! Handing over all that somebody has: who gets which customer, whether he may be given any, and what of it may be
//! taken back.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    ids::{CustomerId, PoolId, UserId},
    visibility::{Role, UserState},
};

/// Who gets something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Successor {
    /// Somebody.
    Person(UserId),
    /// A pool.
    Pool(PoolId),
}

/// Which of the leaver's customers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Portion {
    /// These.
    Customers(Vec<CustomerId>),
    /// Those whose card says this region.
    Region(String),
    /// A part of all that no entry names, in proportion to the weights.
    Share(u32),
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEntry {
    /// Who gets it.
    pub to: Successor,
    /// What.
    pub portion: Portion,
}

/// Why a plan is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanFault {
    /// It names nobody.
    Empty,
    /// Two lines name the same customer.
    CustomerTwice(CustomerId),
    /// Two lines name the same region.
    RegionTwice(String),
    /// A share of nothing.
    NoShare,
}

/// A customer that changes hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCustomer {
    /// Which.
    pub customer: CustomerId,
    /// What its card says.
    pub region: Option<String>,
}

/// Whether every line means one thing.
///
/// # Errors
/// What is wrong with it.
pub fn check_plan(plan: &[PlanEntry]) -> Result<(), PlanFault> {
    if plan.is_empty() {
        return Err(PlanFault::Empty);
    }
    let (mut customers, mut regions) = (BTreeSet::new(), BTreeSet::new());
    for entry in plan {
        match &entry.portion {
            Portion::Customers(named) => {
                for customer in named {
                    if !customers.insert(*customer) {
                        return Err(PlanFault::CustomerTwice(*customer));
                    }
                }
            }
            Portion::Region(region) => {
                if !regions.insert(region) {
                    return Err(PlanFault::RegionTwice(region.clone()));
                }
            }
            Portion::Share(0) => return Err(PlanFault::NoShare),
            Portion::Share(_) => {}
        }
    }
    Ok(())
}

/// Which line of the plan each customer falls under; none: no line says.
///
/// A customer that is named goes where it is named, then regions count, and the rest is dealt by shares: in the order
/// of regions and ids and in one piece each, so that neighbours stay together and a preview deals as the handover does.
#[must_use]
pub fn deal(plan: &[PlanEntry], held: &[HeldCustomer]) -> Vec<Option<usize>> {
    let (mut by_customer, mut by_region) = (BTreeMap::new(), BTreeMap::new());
    let mut shares = Vec::new();
    for (index, entry) in plan.iter().enumerate() {
        match &entry.portion {
            Portion::Customers(named) => by_customer.extend(named.iter().map(|customer| (*customer, index))),
            Portion::Region(region) => {
                by_region.insert(region.as_str(), index);
            }
            Portion::Share(weight) => shares.push((index, u64::from(*weight))),
        }
    }
    let named = |held: &HeldCustomer| {
        let region = held.region.as_deref();
        let by_region = region.and_then(|region| by_region.get(region));
        by_customer.get(&held.customer).or(by_region).copied()
    };
    let mut dealt: Vec<Option<usize>> = held.iter().map(named).collect();
    let mut rest: Vec<usize> = (0..held.len()).filter(|place| dealt[*place].is_none()).collect();
    rest.sort_by(|one, other| {
        let key = |place: &usize| (&held[*place].region, held[*place].customer);
        key(one).cmp(&key(other))
    });
    let total: u64 = shares.iter().map(|(_, weight)| weight).sum();
    let (mut weights, mut from) = (0, 0);
    for (index, weight) in shares {
        weights += weight;
        let until = (rest.len() as u128 * u128::from(weights) / u128::from(total)) as usize;
        for place in &rest[from..until] {
            dealt[*place] = Some(index);
        }
        from = until;
    }
    dealt
}

/// What is known of somebody or a pool that is to get something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuccessorFacts {
    /// The organisation has none such.
    Unknown,
    /// One of its pools.
    Pool,
    /// One of its people.
    Person(Role, UserState),
}

/// The code with which somebody's things do not go to a successor; none: they may.
#[must_use]
pub fn refuse_successor(leaver: UserId, to: Successor, facts: SuccessorFacts) -> Option<&'static str> {
    match (to, facts) {
        (Successor::Person(user), _) if user == leaver => Some("handover_to_self"),
        (_, SuccessorFacts::Unknown) => Some("not_found"),
        (_, SuccessorFacts::Person(_, state)) if state != UserState::Active => Some("target_not_active"),
        (_, SuccessorFacts::Person(role, _)) if !role.may_own() => Some("unknown_person"),
        (_, SuccessorFacts::Person(..) | SuccessorFacts::Pool) => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn person(number: u128) -> Successor {
        Successor::Person(UserId(Uuid::from_u128(number)))
    }

    fn entry(to: u128, portion: Portion) -> PlanEntry {
        PlanEntry {
            to: person(to),
            portion,
        }
    }

    fn held(customers: &[(u128, &str)]) -> Vec<HeldCustomer> {
        let held = customers.iter().map(|(number, region)| HeldCustomer {
            customer: CustomerId(Uuid::from_u128(*number)),
            region: (!region.is_empty()).then(|| (*region).to_owned()),
        });
        held.collect()
    }

    #[test]
    fn a_named_customer_goes_before_its_region_and_a_region_before_shares() {
        let named = Portion::Customers(vec![CustomerId(Uuid::from_u128(1))]);
        let plan = [
            entry(7, Portion::Share(1)),
            entry(8, Portion::Region("north".into())),
            entry(9, named),
        ];
        let customers = held(&[(1, "north"), (2, "north"), (3, "south"), (4, "")]);
        assert_eq!(deal(&plan, &customers), [Some(2), Some(1), Some(0), Some(0)]);
        assert_eq!(deal(&plan[1..], &customers), [Some(1), Some(0), None, None]);
    }

    #[test]
    fn shares_come_in_one_piece_each_and_lose_nobody() {
        for count in 0..40_u128 {
            let customers: Vec<(u128, &str)> = (0..count)
                .map(|number| (number, if number % 2 == 0 { "a" } else { "b" }))
                .collect();
            for weights in [
                vec![1],
                vec![1, 1],
                vec![3, 1],
                vec![1, 2, 7],
                vec![u32::MAX, 1, u32::MAX],
            ] {
                let plan: Vec<PlanEntry> = (0_u128..)
                    .zip(&weights)
                    .map(|(to, weight)| entry(to, Portion::Share(*weight)))
                    .collect();
                let dealt = deal(&plan, &held(&customers));
                let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
                for (index, weight) in weights.iter().enumerate() {
                    let got = dealt.iter().filter(|to| **to == Some(index)).count() as f64;
                    let fair = count as f64 * f64::from(*weight) / total;
                    assert!((got - fair).abs() <= 1.0, "{count} {weights:?}: {got} for {fair}");
                }
                assert!(dealt.iter().all(Option::is_some));
            }
        }
        let even = deal(
            &[entry(1, Portion::Share(1)), entry(2, Portion::Share(1))],
            &held(&[(1, "b"), (2, "a"), (3, "b"), (4, "a")]),
        );
        assert_eq!(even, [Some(1), Some(0), Some(1), Some(0)], "neighbours stay together");
    }

    #[test]
    fn a_plan_that_means_two_things_or_nothing_is_none() {
        let one = CustomerId(Uuid::from_u128(1));
        let twice = [
            entry(1, Portion::Customers(vec![one])),
            entry(2, Portion::Customers(vec![one])),
        ];
        assert_eq!(check_plan(&[]), Err(PlanFault::Empty));
        assert_eq!(check_plan(&twice), Err(PlanFault::CustomerTwice(one)));
        assert_eq!(check_plan(&twice[..1]), Ok(()));
        let region = || entry(1, Portion::Region("a".into()));
        assert_eq!(
            check_plan(&[region(), region()]),
            Err(PlanFault::RegionTwice("a".into()))
        );
        assert_eq!(check_plan(&[entry(1, Portion::Share(0))]), Err(PlanFault::NoShare));
    }

    #[test]
    fn nobody_who_is_leaving_or_owns_nothing_gets_anything() {
        let leaver = UserId(Uuid::from_u128(1));
        let facts = |role, state| refuse_successor(leaver, person(2), SuccessorFacts::Person(role, state));
        assert_eq!(facts(Role::Rep, UserState::Active), None);
        assert_eq!(facts(Role::Rep, UserState::Disabled), Some("target_not_active"));
        assert_eq!(facts(Role::Manager, UserState::Offboarding), Some("target_not_active"));
        assert_eq!(facts(Role::Auditor, UserState::Active), Some("unknown_person"));
        let to_him = SuccessorFacts::Person(Role::Rep, UserState::Active);
        assert_eq!(refuse_successor(leaver, person(1), to_him), Some("handover_to_self"));
        assert_eq!(
            refuse_successor(leaver, person(2), SuccessorFacts::Unknown),
            Some("not_found")
        );
        let pool = Successor::Pool(PoolId(Uuid::from_u128(1)));
        assert_eq!(refuse_successor(leaver, pool, SuccessorFacts::Pool), None);
    }
}
