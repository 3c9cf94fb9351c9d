//! Who is told to do what: claims, returns, new customers, days without a network.

use rand::Rng;

use super::{Day, Director, EVENINGS};
use crate::demo::{
    cast::{CAST, pool_of},
    company::reps,
    names::{Area, ChooseOne},
    rep::{Order, Rep},
};

/// Days without a network that end in the story.
const AWAY_DAYS: std::ops::RangeInclusive<usize> = 2..=4;
/// Who has not come back at the end, and since how many days of work.
const AWAY_AT_END: &str = "luona";
const DAYS_AWAY_AT_END: usize = 3;

impl Director<'_> {
    pub(super) fn give_orders(&mut self, day: Day, reps: &mut [Rep]) {
        // Somebody is where there is no network now and then; on the last days one stays there.
        let somebody = self.generator.random_range(0..reps.len());
        if self.generator.random_ratio(1, 4) {
            let days = self.generator.random_range(AWAY_DAYS);
            let until = day.number + days;
            if until < self.story.days {
                reps[somebody].away_until = reps[somebody].away_until.max(until);
            }
        }
        if day.left <= DAYS_AWAY_AT_END
            && let Some(away) = reps.iter_mut().find(|rep| rep.login == AWAY_AT_END)
        {
            away.away_until = self.story.days + 1;
        }
        for pool in 0..self.pools.len() {
            self.order_claims(pool, reps);
        }
        if self.generator.random_ratio(1, 5) {
            let rep = &mut reps[self.generator.random_range(0..self.company_reps())];
            if let Some(customer) = rep.own.choose_one(&mut self.generator).copied() {
                let pool = self.company.pools[pool_of(self.world[customer].prospect.area)];
                rep.orders.push(Order::Release(customer, pool));
            }
        }
        for _ in 0..self.to_meet.len().div_ceil(day.left) {
            self.order_meeting(day, reps);
        }
        self.order_settlements(day, reps);
    }

    /// Somebody who has a network in the evening meets a customer nobody knew.
    fn order_meeting(&mut self, day: Day, reps: &mut [Rep]) {
        let Some(customer) = self.to_meet.pop() else { return };
        let rep = self.rep_of(self.world[customer].prospect.area, reps);
        if reps[rep].away_until > day.number {
            self.to_meet.push(customer);
        } else {
            reps[rep].orders.push(Order::Create(customer));
        }
    }

    /// Whoever owns a card with two values chooses one in the end.
    fn order_settlements(&mut self, day: Day, reps: &mut [Rep]) {
        for (since, customer, field, value) in std::mem::take(&mut self.disagreements) {
            let owner = reps.iter_mut().find(|rep| rep.own.contains(&customer));
            match owner {
                Some(owner) if since < day.number && self.generator.random_ratio(1, 9) => {
                    owner.orders.push(Order::Edit(customer, field, value));
                }
                _ => self.disagreements.push((since, customer, field, value)),
            }
        }
    }

    /// Everybody is here but whoever has left.
    fn company_reps(&self) -> usize {
        reps().count() - 1
    }

    pub(super) fn rep_of(&mut self, area: Area, reps: &[Rep]) -> usize {
        let candidates: Vec<usize> = (0..reps.len())
            .filter(|place| {
                let part = CAST.iter().find(|part| part.login == reps[*place].login);
                part.is_some_and(|part| part.area == Some(area))
            })
            .collect();
        candidates.choose_one(&mut self.generator).copied().unwrap_or(0)
    }

    /// Reps ask for customers of their pool; now and then two for the same, and one of them is sure enough to write
    /// down a deal before he knows.
    fn order_claims(&mut self, pool: usize, reps: &mut [Rep]) {
        if self.pools[pool].is_empty() || !self.generator.random_ratio(1, 2) {
            return;
        }
        let place = self.generator.random_range(0..self.pools[pool].len());
        let customer = self.pools[pool].swap_remove(place);
        let area = self.world[customer].prospect.area;
        let first = self.rep_of(area, reps);
        if self.generator.random_ratio(1, 4) {
            let second = self.rep_of(area, reps);
            // In different evenings, so that the order in which they come back is the story's.
            if reps[second].place % EVENINGS.len() != reps[first].place % EVENINGS.len() {
                self.races += 1;
                let order = if self.races.is_multiple_of(2) {
                    Order::Claim(customer)
                } else {
                    Order::ClaimWithDeal(customer)
                };
                reps[second].orders.push(order);
            }
        }
        reps[first].orders.push(Order::Claim(customer));
    }
}
