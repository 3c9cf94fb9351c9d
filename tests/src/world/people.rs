//! What people do: on their phones, in the office, with each other's customers.

use mobile_ffi::PhoneError;
use rand::{Rng, seq::IndexedRandom};
use serde_json::json;
use server::actions::{
    edit::edit_document,
    ownership::ask,
    quarantine::{Decision, decide},
};
use sync_core::{
    document::{Kind, edits_from_words},
    ids::{CustomerId, DocumentId},
    protocol::message::IntentAction,
};
use uuid::Uuid;

use super::World;

impl World {
    /// Somebody does something on his phone, without a connection.
    pub(super) fn work(&mut self, handset: usize) {
        let customers = self.handsets[handset]
            .phone
            .store_mut()
            .read::<_, mobile_ffi::store::StoreError>(|tx| tx.known_customers())
            .expect("customers are listed");
        if self.rng.random_bool(0.03) {
            self.handsets[handset]
                .seam
                .crash_at(mobile_ffi::seam::steps::EDIT_RECORDED, 1);
        }
        let choice = self.rng.random_range(0..100);
        let result = match customers.choose(&mut self.rng).copied() {
            Some(customer) if choice < 90 => self.work_on(handset, customer, choice),
            _ => self.found_customer(handset),
        };
        match result {
            Ok(()) => self.tally.recorded += 1,
            Err(PhoneError::Killed) => {
                self.tally.kills += 1;
                self.revive(handset);
            }
            Err(PhoneError::Refused { code, .. }) => {
                assert!(
                    ["not_permitted", "not_found", "evidence_fixed"].contains(&code.as_str()),
                    "a phone refused with {code}"
                );
            }
            // Its clock has jumped beyond the lease: he signs in before the next sync.
            Err(PhoneError::Locked { code }) => assert_eq!(code, "locked"),
            Err(other) => self.fail(&format!("a phone failed: {other}")),
        }
        self.observe(handset);
    }

    fn work_on(&mut self, handset: usize, customer: CustomerId, choice: u32) -> Result<(), PhoneError> {
        let number = self.rng.random_range(0..1000);
        let phone = &mut self.handsets[handset].phone;
        let add = |kind: Kind, words: Vec<String>| (kind, edits_from_words(kind, &words).expect("words fit"));
        match choice {
            0..35 => {
                let at = 1_772_413_200_000_i64 + i64::from(number);
                let (kind, edits) = add(
                    Kind::Visit,
                    vec![
                        format!("note=拜访{number}"),
                        format!("started_at={at}"),
                        "lat=31.2".into(),
                    ],
                );
                phone.add(customer, kind, &edits).map(drop)
            }
            35..50 => {
                let (kind, edits) = add(
                    Kind::FollowUp,
                    vec![format!("text=跟进{number}"), "channel=phone".into()],
                );
                phone.add(customer, kind, &edits).map(drop)
            }
            50..65 => {
                let field = ["name", "region", "industry", "address"]
                    .choose(&mut self.rng)
                    .expect("a field");
                phone
                    .edit_customer(customer, &[format!("{field}=值{number}")])
                    .map(drop)
            }
            65..70 => {
                let sign = if number % 2 == 0 { "+" } else { "-" };
                phone
                    .edit_customer(customer, &[format!("tags{sign}=t{}", number % 4)])
                    .map(drop)
            }
            70..74 => {
                let (kind, edits) = add(
                    Kind::Contact,
                    vec![format!("name=人{number}"), format!("phone=139{number:08}")],
                );
                phone.add(customer, kind, &edits).map(drop)
            }
            74..78 => phone
                .edit_customer(customer, &[format!("needs=需求{number}")])
                .map(drop),
            78..84 => self.edit_something(handset, customer, number),
            84..87 => self.intend(handset, customer, IntentAction::Claim),
            _ => {
                let pool = self.company.pools.choose(&mut self.rng).copied();
                self.intend(
                    handset,
                    customer,
                    IntentAction::Release {
                        pool,
                        reason: "没有预算".into(),
                    },
                )
            }
        }
    }

    fn intend(&mut self, handset: usize, customer: CustomerId, action: IntentAction) -> Result<(), PhoneError> {
        self.note(format!("phone {handset}: {} {customer}", action.name()));
        self.tally.moves += 1;
        self.handsets[handset].phone.intend(customer, action).map(drop)
    }

    fn edit_something(&mut self, handset: usize, customer: CustomerId, number: u32) -> Result<(), PhoneError> {
        let phone = &mut self.handsets[handset].phone;
        let documents = phone.store_mut().read(|tx| {
            use sync_core::replica::Store as _;
            tx.documents_of(customer)
        })?;
        let several: Vec<(DocumentId, Kind)> = documents
            .iter()
            .filter_map(|row| Some((row.id, Kind::from_number(row.kind)?)))
            .filter(|(_, kind)| !kind.is_single())
            .collect();
        let Some((document, kind)) = several.choose(&mut self.rng).copied() else {
            return Ok(());
        };
        let word = match kind {
            Kind::Visit => format!("note=改{number}"),
            Kind::FollowUp => format!("text=改{number}"),
            Kind::Contact => format!("title=职{number}"),
            _ => format!("custom.a={number}"),
        };
        phone.edit_words(document, &[word]).map(drop)
    }

    fn found_customer(&mut self, handset: usize) -> Result<(), PhoneError> {
        let number = self.rng.random_range(0..100_000);
        let pool = if self.rng.random_bool(0.3) {
            self.company.pools.choose(&mut self.rng).copied()
        } else {
            None
        };
        let phone = &mut self.handsets[handset].phone;
        phone
            .create_customer(&[format!("name=新客户{number}"), "stage=lead".into()], pool)
            .map(drop)
    }

    /// The office changes a field of some card.
    pub(super) fn office_work(&mut self) {
        let number = self.rng.random_range(0..1000);
        let customer = *self.company.customers.choose(&mut self.rng).expect("customers");
        let card = DocumentId::derived(self.company.org, customer, Kind::Card, 0);
        let field = *["name", "region", "industry", "address"]
            .choose(&mut self.rng)
            .expect("a field");
        let fields = json!({ field: format!("办{number}") });
        let network = self.network.borrow();
        let done = network.block_on(edit_document(
            &network.app(),
            self.company.asker(0),
            card,
            fields.as_object().expect("an object"),
        ));
        done.expect("the office may edit every card");
    }

    /// A customer goes to somebody else, or into a pool.
    pub(super) fn hand_over(&mut self) {
        let customer = *self.company.customers.choose(&mut self.rng).expect("customers");
        let action = if self.rng.random_bool(0.25) {
            IntentAction::Release {
                pool: self.company.pools.choose(&mut self.rng).copied(),
                reason: "回收".into(),
            }
        } else {
            let person = self.rng.random_range(1..self.company.people.len());
            IntentAction::Assign {
                owner: self.company.people[person].id,
                reason: "调整".into(),
            }
        };
        self.note(format!("office: {} {customer}", action.name()));
        self.tally.moves += 1;
        let network = self.network.borrow();
        let done = network.block_on(ask(&network.app(), self.company.asker(0), customer, None, action));
        done.expect("the office may move every customer");
    }

    /// The office decides the oldest ticket in quarantine.
    pub(super) fn decide_quarantine(&mut self) {
        let accept = self.rng.random_bool(0.6);
        let network = self.network.borrow();
        let ticket: Option<Vec<u8>> = network
            .look()
            .query_row(
                "SELECT ticket_id FROM refusal WHERE verdict = 'quarantined' ORDER BY received_at LIMIT 1",
                [],
                |row| row.get(0),
            )
            .ok();
        let Some(ticket) = ticket.and_then(|ticket| Uuid::from_slice(&ticket).ok()) else {
            return;
        };
        let decision = if accept { Decision::Accept } else { Decision::Refuse };
        let done = network.block_on(decide(&network.app(), self.company.asker(0), ticket, decision, "审核"));
        if let Err(error) = done {
            // What no longer fits the document can only be refused.
            assert_eq!(error.code().map(|code| code.as_str()), Some("conflict"), "{error}");
            let refused = network.block_on(decide(
                &network.app(),
                self.company.asker(0),
                ticket,
                Decision::Refuse,
                "不再适用",
            ));
            refused.expect("it can be refused");
        }
    }
}
