//! People leave: handed over and back again, offboarded, their phones drained and wiped, revoked, logged out.

use std::{collections::BTreeMap, panic};

use mobile_ffi::{Phone, PhoneError, seam::Died};
use rand::{Rng, seq::IndexedRandom};
use rusqlite::Connection;
use server::actions::{
    fleet::{revoke_device, set_state},
    handovers::{Order, UNDO_MS, hand_over, preview, undo},
};
use sync_core::{
    hub::{PlanEntry, Portion, Successor},
    ids::{CustomerId, HandoverId, UserId},
    time::Timestamp,
    visibility::UserState,
};
use uuid::Uuid;

use super::{
    Company, Promise, Wire, World,
    oracle::{all, count},
};

/// So many of those who own customers stay at least.
const STAYING_MIN: i64 = 4;

/// A handover that was done.
pub(super) struct Done {
    id: HandoverId,
    at: Timestamp,
    undone: bool,
}

/// Where a customer is: owner, pool, team and version of the assignment.
type Whereabouts = (Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, i64);

impl World {
    /// Something of a departure happens.
    pub(super) fn depart(&mut self, handset: usize) {
        match self.rng.random_range(0..100) {
            0..30 => self.hand_over(),
            30..48 => self.undo_handover(),
            48..68 => self.offboard(),
            68..80 => self.come_back(),
            80..88 => self.revoke(handset),
            _ => self.log_out(handset),
        }
    }

    fn hand_over(&mut self) {
        let owners = self.company.owners();
        let leaver = *owners.choose(&mut self.rng).expect("somebody");
        let by = *[Company::OFFICE, Company::ADMIN, Company::BOSS]
            .choose(&mut self.rng)
            .expect("one of three");
        let from = self.company.people[leaver].id;
        let look = self.network.borrow().look();
        let before = whereabouts(&look);
        let plan = self.make_plan(leaver, &owned(&before, from));
        let order = Order {
            from,
            plan,
            reason: "离职交接".to_owned(),
        };
        let login = &self.company.people[leaver].login;
        self.note(format!("{login} is handed over by {by}: {:?}", order.plan));
        let written = count(&look, "SELECT COUNT(*) FROM change", []);
        let expected = self.act(async |app, company| preview(&app, company.asker(by), &order).await);
        if whereabouts(&look) != before {
            self.broken(Promise::Handover, "a preview moved something");
        }
        let done = self.act(async |app, company| hand_over(&app, company.asker(by), &order).await);
        let codes = [
            "handover_to_self",
            "target_not_active",
            "plan_empty",
            "plan_incomplete",
            "nothing_to_hand_over",
            "not_found",
            "not_permitted",
            "account_not_active",
        ];
        let after = whereabouts(&look);
        match (
            self.expect("a preview", expected, &codes),
            self.expect("a handover", done, &codes),
        ) {
            (Some(expected), Some(done)) => {
                if expected.outcome != done.outcome {
                    let (said, did) = (expected.outcome, done.outcome);
                    self.broken(
                        Promise::Handover,
                        format!("the preview said {said:?} and it did {did:?}"),
                    );
                }
                self.check_handover(&look, &order, &before, &after, by, done.outcome.counts.customers);
                self.handovers.push(Done {
                    id: done.id.expect("a handover"),
                    at: self.now,
                    undone: false,
                });
                self.tally.handovers += 1;
                self.decisions.count("handover");
            }
            (None, None) if after == before => {}
            (None, None) => self.broken(Promise::Handover, "a refused handover moved something"),
            _ => self.broken(
                Promise::Handover,
                "a preview was refused and the handover not, or the other way round",
            ),
        }
        if count(&look, "SELECT COUNT(*) FROM change", []) != written {
            self.broken(Promise::Handover, "a handover wrote documents");
        }
    }

    /// A plan of one of several shapes; some are none.
    fn make_plan(&mut self, leaver: usize, held: &[CustomerId]) -> Vec<PlanEntry> {
        let owners = self.company.owners();
        let person = |world: &mut Self| {
            let other = loop {
                let person = *owners.choose(&mut world.rng).expect("somebody");
                if person != leaver {
                    break person;
                }
            };
            Successor::Person(world.company.people[other].id)
        };
        let pool = Successor::Pool(*self.company.pools.choose(&mut self.rng).expect("a pool"));
        let share = |to, weight| PlanEntry {
            to,
            portion: Portion::Share(weight),
        };
        let (one, other) = (person(self), person(self));
        match self.rng.random_range(0..20) {
            0..6 => vec![share(one, 1)],
            6..10 => vec![share(one, 2), share(other, 1)],
            10..13 => vec![share(pool, 1)],
            13..16 => {
                let named = held.iter().copied().filter(|_| self.rng.random_bool(0.4)).collect();
                let named = PlanEntry {
                    to: one,
                    portion: Portion::Customers(named),
                };
                vec![named, share(other, 1)]
            }
            16..18 => {
                let region = PlanEntry {
                    to: one,
                    portion: Portion::Region("上海".to_owned()),
                };
                // Not always a line for the rest.
                if self.rng.random_bool(0.7) {
                    vec![region, share(pool, 1)]
                } else {
                    vec![region]
                }
            }
            18 => vec![share(Successor::Person(self.company.people[leaver].id), 1)],
            _ => match self.rng.random_range(0..2) {
                0 => Vec::new(),
                _ => vec![share(Successor::Person(UserId(Uuid::from_u128(self.rng.random()))), 1)],
            },
        }
    }

    fn check_handover(
        &self,
        look: &Connection,
        order: &Order,
        before: &BTreeMap<CustomerId, Whereabouts>,
        after: &BTreeMap<CustomerId, Whereabouts>,
        by: usize,
        counted: u64,
    ) {
        let his = owned(before, order.from);
        let moved = before.iter().filter(|(customer, was)| after[*customer] != **was);
        let moved: Vec<CustomerId> = moved.map(|(customer, _)| *customer).collect();
        if moved.len() as u64 != counted || moved.iter().any(|customer| !his.contains(customer)) {
            let (moved, his) = (moved.len(), his.len());
            self.broken(
                Promise::Handover,
                format!("{moved} customers moved, {counted} were told, he had {his}"),
            );
        }
        let goes_to = |to: &Successor, now: &Whereabouts| match to {
            Successor::Person(user) => now.0.as_deref() == Some(&user.as_bytes()[..]),
            Successor::Pool(pool) => now.1.as_deref() == Some(&pool.as_bytes()[..]),
        };
        for customer in &moved {
            let now = &after[customer];
            let named = order
                .plan
                .iter()
                .find(|entry| matches!(&entry.portion, Portion::Customers(customers) if customers.contains(customer)));
            let right = match named {
                Some(entry) => goes_to(&entry.to, now),
                None => order.plan.iter().any(|entry| goes_to(&entry.to, now)),
            };
            if !right {
                self.broken(
                    Promise::Handover,
                    format!("customer {customer} went where no line says"),
                );
            }
        }
        // The office may assign everything: nothing stays his.
        let left = count(
            look,
            "SELECT (SELECT COUNT(*) FROM customer WHERE owner_id = ?1)
                  + (SELECT COUNT(*) FROM document WHERE responsible_id = ?1)",
            [order.from.as_bytes()],
        );
        if left > 0 && by != Company::BOSS {
            self.broken(Promise::Handover, format!("{left} things stayed his"));
        }
    }

    fn undo_handover(&mut self) {
        if self.handovers.is_empty() {
            return;
        }
        let index = self.rng.random_range(0..self.handovers.len());
        let Done { id, at, undone } = self.handovers[index];
        let look = self.network.borrow().look();
        let before = whereabouts(&look);
        let expected = expected_undo(&look, id, &before);
        self.note(format!("handover {id} is undone"));
        let done = self.act(async |app, company| undo(&app, company.asker(Company::ADMIN), id).await);
        let after = whereabouts(&look);
        let late = self.now.since_ms(at) > UNDO_MS;
        match self.expect("an undo", done, &["undo_expired", "already_undone"]) {
            Some(_) if late || undone => self.broken(Promise::Handover, "an undo came too late or twice"),
            Some(_) => {
                for (customer, now) in &after {
                    let due = expected.get(customer).unwrap_or(&before[customer]);
                    if (&now.0, &now.1, &now.2) != (&due.0, &due.1, &due.2) {
                        self.broken(
                            Promise::Handover,
                            format!("after an undo {customer} is at {now:?} instead of {due:?}"),
                        );
                    }
                }
                self.handovers[index].undone = true;
                self.tally.undone += 1;
                self.decisions.count("handover_undone");
            }
            None if !(late || undone) => self.broken(Promise::Handover, "an undo in time was refused"),
            None if after != before => self.broken(Promise::Handover, "a refused undo moved something"),
            None => {}
        }
    }

    /// Somebody begins to leave, or has left.
    fn offboard(&mut self) {
        let owners = self.company.owners();
        let person = *owners.choose(&mut self.rng).expect("somebody");
        if self.state_of(person) == "active" && self.count_active() <= STAYING_MIN {
            return;
        }
        let state = if self.rng.random_bool(0.7) {
            UserState::Offboarding
        } else {
            UserState::Disabled
        };
        self.tally.departures += 1;
        self.set_state(person, state);
    }

    /// Somebody who had left works here again.
    fn come_back(&mut self) {
        let owners = self.company.owners();
        let gone: Vec<usize> = owners
            .into_iter()
            .filter(|person| self.state_of(*person) != "active")
            .collect();
        if let Some(person) = gone.choose(&mut self.rng).copied() {
            self.set_state(person, UserState::Active);
        }
    }

    fn set_state(&mut self, person: usize, state: UserState) {
        self.note(format!("{} is {}", self.company.people[person].login, state.name()));
        let done = self.act(async |app, company| {
            let (by, user) = (company.people[Company::ADMIN].id, company.people[person].id);
            set_state(&app, company.org, by, user, state).await
        });
        self.expect("the administrator says who works here", done, &[]);
        self.decisions.count("user_changed");
    }

    fn revoke(&mut self, handset: usize) {
        let device = self.handsets[handset].device();
        self.note(format!("phone {handset} is revoked"));
        let look = self.network.borrow().look();
        let sql = "SELECT COUNT(*) FROM device WHERE device_id = ?1 AND state = 'active'";
        let active = count(&look, sql, [device.as_bytes()]);
        let done = self.act(async |app, company| {
            let by = company.people[Company::ADMIN].id;
            revoke_device(&app, company.org, by, device).await
        });
        self.expect("a device can be revoked", done, &[]);
        for _ in 0..active {
            self.decisions.count("device_revoked");
        }
    }

    /// Somebody logs out on his phone; with unsent work only if he says so.
    fn log_out(&mut self, handset: usize) {
        if self.handsets[handset].is_wiped() {
            return;
        }
        self.maybe_kill(handset);
        let unsent = self.marks_unsent(handset);
        let discard = self.rng.random_bool(0.3);
        self.note(format!("phone {handset} is logged out, discarding {discard}"));
        let done = self.survive(handset, |phone| phone.log_out(discard).map(drop));
        mobile_ffi::seam::die_once_at(None);
        let killed = matches!(done, Err(PhoneError::Killed));
        match done {
            Ok(()) | Err(PhoneError::Killed) => {
                if discard {
                    self.give_up(&unsent);
                } else if !unsent.is_empty() {
                    self.broken(Promise::I6, format!("phone {handset} was logged out over unsent work"));
                }
            }
            Err(error) if error.code() == "unsent_work" => {
                if discard {
                    self.broken(Promise::I10, format!("phone {handset} refuses to discard"));
                }
            }
            Err(error) if error.code() == "device_wiped" => {}
            Err(error) => self.broken(Promise::I10, format!("phone {handset} cannot be logged out: {error}")),
        }
        if killed {
            self.tally.kills += 1;
            self.revive(handset);
        }
        self.observe(handset);
    }

    /// Whoever works here signs in anew on a phone that was wiped.
    pub(super) fn begin_anew(&mut self, handset: usize) {
        self.set_now(self.now.plus_ms(1_000));
        match self.enrol(handset) {
            Ok(()) => self.note(format!("phone {handset} begins anew")),
            Err(error) => {
                let known = [
                    "offline",
                    "busy",
                    "account_not_active",
                    "malformed_answer",
                    "device_limit",
                ];
                // Of an answer that was cut only the number is left.
                if !known.contains(&error.code()) && !error.code().starts_with("http_") {
                    self.broken(Promise::I10, format!("phone {handset} cannot begin anew: {error}"));
                }
            }
        }
    }

    /// Runs what a phone does; killed in the middle of a wipe it answers so.
    pub(super) fn survive<T>(
        &mut self,
        handset: usize,
        step: impl FnOnce(&mut Phone<Wire>) -> Result<T, PhoneError>,
    ) -> Result<T, PhoneError> {
        let phone = &mut self.handsets[handset].phone;
        let done = panic::catch_unwind(panic::AssertUnwindSafe(|| step(phone)));
        done.unwrap_or_else(|payload| {
            if payload.is::<Died>() {
                Err(PhoneError::Killed)
            } else {
                panic::resume_unwind(payload)
            }
        })
    }
}

fn whereabouts(look: &Connection) -> BTreeMap<CustomerId, Whereabouts> {
    let sql = "SELECT customer_id, owner_id, pool_id, team_id, assignment_version FROM customer";
    let rows = all(look, sql, [], |row| {
        let customer = CustomerId(Uuid::from_slice(&row.get::<_, Vec<u8>>(0)?).expect("an id"));
        Ok((customer, (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
    });
    rows.into_iter().collect()
}

fn owned(all: &BTreeMap<CustomerId, Whereabouts>, user: UserId) -> Vec<CustomerId> {
    let his = all
        .iter()
        .filter(|(_, at)| at.0.as_deref() == Some(&user.as_bytes()[..]));
    his.map(|(customer, _)| *customer).collect()
}

/// Where customers are to be after an undo: where nobody has moved one since, it is as it was.
fn expected_undo(
    look: &Connection,
    handover: HandoverId,
    now: &BTreeMap<CustomerId, Whereabouts>,
) -> BTreeMap<CustomerId, Whereabouts> {
    let sql = "SELECT i.customer_id, h.from_user_id, i.from_team_id, i.to_version
               FROM handover_item i JOIN handover h ON h.org_id = i.org_id AND h.handover_id = i.handover_id
               WHERE i.handover_id = ?1 AND i.document_id IS NULL";
    let rows = all(look, sql, [handover.0.as_bytes()], |row| {
        let customer = CustomerId(Uuid::from_slice(&row.get::<_, Vec<u8>>(0)?).expect("an id"));
        Ok((customer, (Some(row.get(1)?), None, row.get(2)?, row.get(3)?)))
    });
    let untouched = |row: &(CustomerId, Whereabouts)| now[&row.0].3 == row.1.3;
    rows.into_iter().filter(untouched).collect()
}
