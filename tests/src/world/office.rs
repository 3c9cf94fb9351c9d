//! What the office does on the web: edits, moves customers, decides what waits for a decision, moves people.

use rand::{Rng, seq::IndexedRandom};
use serde_json::json;
use server::actions::{
    ActionError,
    edit::edit_document,
    ownership::ask,
    people::{PlaceChange, change_place},
    proposals,
    quarantine::{Decision, decide},
};
use sync_core::{document::Kind, ids::DocumentId, protocol::message::IntentAction};
use uuid::Uuid;

use super::{
    Company, Promise, World,
    oracle::{count, one},
};

impl World {
    /// Runs an action of the server as the web does.
    pub(super) fn act<T>(&self, action: impl AsyncFnOnce(server::app::App, Company) -> T) -> T {
        let network = self.network.borrow();
        network.block_on(action(network.app(), self.company.clone()))
    }

    /// Fails unless an action ended well or with one of these codes. Whether it ended well.
    pub(super) fn expect<T>(&self, what: &str, done: Result<T, ActionError>, codes: &[&str]) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(error) if error.code().is_some_and(|code| codes.contains(&code.as_str())) => None,
            Err(error) => self.broken(Promise::I10, format!("{what}: {error} ({:?})", error.code())),
        }
    }

    /// The office changes a field of some card.
    pub(super) fn office_work(&mut self) {
        let mark = self.next_mark();
        let customer = *self.company.customers.choose(&mut self.rng).expect("customers");
        let card = DocumentId::derived(self.company.org, customer, Kind::Card, 0);
        let field = *["name", "region", "industry", "address"]
            .choose(&mut self.rng)
            .expect("a field");
        let fields = json!({ field: format!("办{mark}") });
        let done = self.act(async |app, company| {
            let fields = fields.as_object().expect("an object");
            edit_document(&app, company.asker(Company::OFFICE), card, fields).await
        });
        self.expect("the office may edit every card", done, &[]);
    }

    /// A customer goes to somebody else, or into a pool.
    pub(super) fn move_customer(&mut self) {
        let customer = *self.company.customers.choose(&mut self.rng).expect("customers");
        let action = if self.rng.random_bool(0.25) {
            IntentAction::Release {
                pool: self.company.pools.choose(&mut self.rng).copied(),
                reason: "回收".into(),
            }
        } else {
            let owners = self.company.owners();
            let person = *owners.choose(&mut self.rng).expect("somebody");
            IntentAction::Assign {
                owner: self.company.people[person].id,
                reason: "调整".into(),
            }
        };
        self.note(format!("office: {} {customer} {action:?}", action.name()));
        self.tally.moves += 1;
        let done =
            self.act(async |app, company| ask(&app, company.asker(Company::OFFICE), customer, None, action).await);
        // Nothing goes to somebody who leaves.
        self.expect(
            "the office may move every customer",
            done,
            &["unknown_person", "invalid_request"],
        );
    }

    /// The office decides the oldest ticket in quarantine.
    pub(super) fn decide_quarantine(&mut self) {
        let accept = self.rng.random_bool(0.6);
        let look = self.network.borrow().look();
        let ticket: Option<Vec<u8>> = one(
            &look,
            "SELECT ticket_id FROM refusal WHERE verdict = 'quarantined' ORDER BY received_at, ticket_id LIMIT 1",
            [],
            |row| row.get(0),
        );
        let Some(ticket) = ticket.and_then(|ticket| Uuid::from_slice(&ticket).ok()) else {
            return;
        };
        let by = |decision, reason: &'static str| {
            self.act(async |app, company| decide(&app, company.asker(Company::ADMIN), ticket, decision, reason).await)
        };
        let decision = if accept { Decision::Accept } else { Decision::Refuse };
        let done = by(decision, "审核");
        // What no longer fits the document can only be refused.
        let mut decided = self.expect("a ticket can be decided", done, &["conflict"]);
        if decided.is_none() {
            decided = self.expect("a ticket can be refused", by(Decision::Refuse, "不再适用"), &[]);
        }
        // Once is enough.
        let again = self.expect("a ticket is decided once", by(decision, "再审"), &["conflict"]);
        self.tally.decided += decided.unwrap_or(0);
        if again.is_some() {
            self.broken(Promise::I9, format!("ticket {ticket} was decided twice"));
        }
        self.decisions.count("quarantine_decided");
    }

    /// The office takes a late value over, or dismisses it.
    pub(super) fn decide_proposal(&mut self) {
        let look = self.network.borrow().look();
        let proposal: Option<Vec<u8>> = one(
            &look,
            "SELECT proposal_id FROM proposal WHERE state = 'open' ORDER BY received_at, proposal_id LIMIT 1",
            [],
            |row| row.get(0),
        );
        let Some(id) = proposal.and_then(|id| Uuid::from_slice(&id).ok()) else {
            return;
        };
        let choice = if self.rng.random_bool(0.5) {
            proposals::Choice::TakeOver
        } else {
            proposals::Choice::Dismiss
        };
        let by =
            || self.act(async |app, company| proposals::decide(&app, company.asker(Company::ADMIN), id, choice).await);
        self.expect("a proposal can be decided", by(), &[]);
        if self
            .expect("a proposal is decided once", by(), &["not_found"])
            .is_some()
        {
            self.broken(Promise::I9, format!("proposal {id} was decided twice"));
        }
        self.decisions.count("proposal_decided");
        self.tally.decided += 1;
    }

    /// Somebody comes into another team or into other pools.
    pub(super) fn change_place(&mut self) {
        // Of those who carry phones: the last rep has none.
        let person = self.rng.random_range(Company::REPS..self.company.people.len() - 1);
        let pools = self.company.pools.clone();
        let change = if self.rng.random_bool(0.6) {
            let look = self.network.borrow().look();
            let sql = "SELECT team_id FROM user_account WHERE user_id = ?1";
            let user = self.company.people[person].id;
            let now: Option<Vec<u8>> = one(&look, sql, [user.as_bytes()], |row| row.get(0));
            let [_, north, south] = self.company.teams;
            let is_north = now.as_deref() == Some(&north.as_bytes()[..]);
            let team = if is_north { south } else { north };
            PlaceChange {
                team: Some(Some(team)),
                ..PlaceChange::default()
            }
        } else {
            let pools = pools.into_iter().filter(|_| self.rng.random_bool(0.5));
            PlaceChange {
                pools: Some(pools.map(|pool| (pool, false)).collect()),
                ..PlaceChange::default()
            }
        };
        self.note(format!("{} is moved: {change:?}", self.company.people[person].login));
        let done = self.act(async |app, company| {
            let user = company.people[person].id;
            change_place(&app, None, company.org, user, &change).await
        });
        self.expect("people can be moved", done, &[]);
        self.decisions.count("user_changed");
    }

    /// In which state somebody is.
    pub(super) fn state_of(&self, person: usize) -> String {
        let look = self.network.borrow().look();
        one(
            &look,
            "SELECT state FROM user_account WHERE user_id = ?1",
            [self.company.people[person].id.as_bytes()],
            |row| row.get(0),
        )
        .expect("a person")
    }

    /// How many of the reps and managers work here.
    pub(super) fn count_active(&self) -> i64 {
        let look = self.network.borrow().look();
        count(
            &look,
            "SELECT COUNT(*) FROM user_account WHERE state = 'active' AND role IN ('rep', 'manager')",
            [],
        )
    }
}
