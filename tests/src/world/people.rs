//! What people do on their phones, without a connection.

use mobile_ffi::{PhoneError, phone::set};
use rand::{Rng, seq::IndexedRandom};
use sync_core::{
    document::{Edit, Kind, Value, edits_from_words},
    ids::{CustomerId, DocumentId},
    protocol::message::IntentAction,
    visibility::Role,
};
use uuid::Uuid;

use super::{Promise, World, read};

/// Refusals that a person meets in the ordinary course of work.
const REFUSALS: [&str; 5] = ["not_permitted", "not_found", "evidence_fixed", "offboarding", "leaving"];

impl World {
    /// Somebody does something on his phone.
    pub(super) fn work(&mut self, handset: usize) {
        if self.handsets[handset].is_wiped() {
            self.begin_anew(handset);
            return;
        }
        let customers = read(&mut self.handsets[handset].phone, |tx| tx.known_customers());
        if self.rng.random_bool(0.03) {
            self.handsets[handset]
                .seam
                .crash_at(mobile_ffi::seam::steps::EDIT_RECORDED, 1);
        }
        let mark = self.next_mark();
        let choice = self.rng.random_range(0..100);
        let result = match customers.choose(&mut self.rng).copied() {
            Some(customer) if choice < 92 => self.work_on(handset, customer, choice, &mark),
            _ => self.found_customer(handset, &mark),
        };
        match result {
            Ok(true) => {
                self.tally.recorded += 1;
                self.remember(handset, &mark);
            }
            Ok(false) => {}
            Err(PhoneError::Killed) => {
                self.tally.kills += 1;
                self.revive(handset);
            }
            Err(PhoneError::Refused { code, .. }) if REFUSALS.contains(&code.as_str()) => {}
            // Its clock has jumped beyond the lease: he signs in before the next sync. Or its person has left.
            Err(PhoneError::Locked { .. }) => {}
            Err(other) => self.broken(Promise::I10, format!("phone {handset} cannot record: {other}")),
        }
        self.observe(handset);
    }

    /// Whether something was written that has the mark in it.
    fn work_on(&mut self, handset: usize, customer: CustomerId, choice: u32, mark: &str) -> Result<bool, PhoneError> {
        let number: u32 = self.rng.random_range(0..1000);
        let at = self.handsets[handset].seam.now().0;
        let phone = &mut self.handsets[handset].phone;
        let mut add = |kind: Kind, words: &[String]| {
            let edits = edits_from_words(kind, words).expect("words fit");
            phone.add(customer, kind, &edits).map(|_| true)
        };
        match choice {
            0..24 => add(
                Kind::Visit,
                &[
                    format!("note=拜访{mark}"),
                    format!("started_at={at}"),
                    "lat=31.2".into(),
                ],
            ),
            24..29 => add(
                Kind::Visit,
                &[format!("note=计划{mark}"), format!("planned_at={}", at + 86_400_000)],
            ),
            29..40 => add(Kind::FollowUp, &[format!("text=跟进{mark}"), "channel=phone".into()]),
            40..43 => add(Kind::Ticket, &[format!("text=售后{mark}"), "severity=high".into()]),
            43..46 => add(Kind::Opportunity, &[format!("title=机会{mark}")]),
            46..49 => add(
                Kind::Contact,
                &[format!("name=人{mark}"), format!("phone=139{number:08}")],
            ),
            49..62 => {
                let fields = ["name", "region", "industry", "address"];
                let field = fields.choose(&mut self.rng).expect("a field");
                let words = [format!("{field}=值{mark}")];
                self.handsets[handset]
                    .phone
                    .edit_customer(customer, &words)
                    .map(|_| true)
            }
            62..66 => {
                let sign = if number.is_multiple_of(2) { "+" } else { "-" };
                let words = [format!("tags{sign}=t{}", number % 4)];
                phone.edit_customer(customer, &words).map(|_| false)
            }
            66..70 => phone
                .edit_customer(customer, &[format!("needs=需求{mark}")])
                .map(|_| true),
            70..81 => self.edit_something(handset, customer, mark),
            81..84 => self.make_responsible(handset, customer).map(|()| false),
            84..87 => self.intend(handset, customer, IntentAction::Claim).map(|()| false),
            _ => {
                let pool = self.company.pools.choose(&mut self.rng).copied();
                let reason = "没有预算".into();
                self.intend(handset, customer, IntentAction::Release { pool, reason })
                    .map(|()| false)
            }
        }
    }

    fn intend(&mut self, handset: usize, customer: CustomerId, action: IntentAction) -> Result<(), PhoneError> {
        self.note(format!("phone {handset}: {} {customer}", action.name()));
        self.tally.moves += 1;
        self.handsets[handset].phone.intend(customer, action).map(drop)
    }

    fn make_responsible(&mut self, handset: usize, customer: CustomerId) -> Result<(), PhoneError> {
        let documents = self.documents_on(handset, customer)?;
        let with = |kind: &Kind| kind.has_responsible();
        let documents: Vec<DocumentId> = documents
            .into_iter()
            .filter_map(|(document, kind)| with(&kind).then_some(document))
            .collect();
        let Some(document) = documents.choose(&mut self.rng).copied() else {
            return Ok(());
        };
        let owners = self.company.owners();
        let person = *owners.choose(&mut self.rng).expect("somebody");
        let user = self.rng.random_bool(0.8).then(|| self.company.people[person].id);
        self.intend(handset, customer, IntentAction::Responsible { document, user })
    }

    fn documents_on(&mut self, handset: usize, customer: CustomerId) -> Result<Vec<(DocumentId, Kind)>, PhoneError> {
        let documents = self.handsets[handset].phone.store_mut().read(|tx| {
            use sync_core::replica::Store as _;
            tx.documents_of(customer)
        })?;
        let known = documents
            .iter()
            .filter_map(|row| Some((row.id, Kind::from_number(row.kind)?)));
        Ok(known.filter(|(_, kind)| !kind.is_single()).collect())
    }

    fn edit_something(&mut self, handset: usize, customer: CustomerId, mark: &str) -> Result<bool, PhoneError> {
        let documents = self.documents_on(handset, customer)?;
        let Some((document, kind)) = documents.choose(&mut self.rng).copied() else {
            return Ok(false);
        };
        let id: u128 = self.rng.random();
        let at = self.handsets[handset].seam.now().0;
        let comment = Edit::SetEntry {
            map: "comments".to_owned(),
            entry: Uuid::from_u128(id).to_string(),
            value: Value::Str(format!("评{mark}")),
        };
        let word = match kind {
            Kind::Visit => "note",
            Kind::FollowUp | Kind::Ticket => "text",
            _ => "title",
        };
        let mut edits = vec![set(word, Value::Str(format!("改{mark}")))];
        if kind != Kind::Contact && self.rng.random_bool(0.3) {
            edits = vec![comment];
        } else if kind == Kind::Visit && self.rng.random_bool(0.3) {
            edits.push(set("started_at", Value::Timestamp(at)));
        }
        self.handsets[handset].phone.edit(document, &edits).map(|_| true)
    }

    fn found_customer(&mut self, handset: usize, mark: &str) -> Result<bool, PhoneError> {
        // Known defect: a phone lets people of these roles make customers, the server refuses that, and what they have
        // written for one then waits for it for ever (`retry(missing_customer)`).
        let role = self.company.people[self.handsets[handset].person].role;
        if matches!(role, Role::Service | Role::Auditor) {
            return Ok(false);
        }
        let pool = if self.rng.random_bool(0.3) {
            self.company.pools.choose(&mut self.rng).copied()
        } else {
            None
        };
        let words = [format!("name=新客户{mark}"), "stage=lead".into()];
        let phone = &mut self.handsets[handset].phone;
        phone.create_customer(&words, pool).map(|_| true)
    }
}
