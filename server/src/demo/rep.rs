//! A rep of the story: the real phone, and the habits of the person who holds it.

use std::sync::Arc;

use mobile_ffi::{Phone, PhoneError, Store, phone::set};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sync_core::{
    document::{Kind, Value},
    ids::{CustomerId, DocumentId, IntentId, PoolId},
    protocol::message::IntentAction,
    replica::Target,
    time::Timestamp,
};

use super::{
    company::Customer,
    habits::{DAY_MS, HOUR_MS, Habits, MINUTE_MS, civil_date},
    inside::Inside,
    language::Language,
    texts::Writer,
};

/// What the phones are called in the list of devices.
pub(super) const PHONE_NAMES: [&str; 4] = ["Xiaomi 14", "HUAWEI Mate 60", "OPPO Reno 11", "iPhone 15"];
/// The stages a customer goes through, in order.
const STAGES: [&str; 6] = ["lead", "prospect", "intent", "won", "after_sales", "repeat"];
/// The stages of a deal.
const PIPELINE: [&str; 3] = ["needs", "proposal", "negotiation"];

/// Something the story wants a rep to do today.
#[derive(Debug, Clone)]
pub(super) enum Order {
    /// Visits this customer.
    Visit(usize),
    /// Writes a field of the card.
    Edit(usize, &'static str, String),
    /// Claims a customer of the pool.
    Claim(usize),
    /// Claims one and writes down a deal at once, before the claim is decided.
    ClaimWithDeal(usize),
    /// Gives a customer back.
    Release(usize, PoolId),
    /// Meets a customer nobody knew.
    Create(usize),
}

/// What a synced claim or new customer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Won(usize),
    Lost(usize),
    Returned(usize),
    Created(usize, CustomerId),
}

struct Deal {
    document: DocumentId,
    stage: usize,
}

/// A rep with his phone.
pub(super) struct Rep {
    pub(super) login: &'static str,
    pub(super) place: usize,
    phone: Phone<Inside>,
    clock: mobile_ffi::Seam,
    habits: Habits,
    world: Arc<Vec<Customer>>,
    pub(super) own: Vec<usize>,
    pub(super) orders: Vec<Order>,
    /// What will be his, or not any more, when his phone has heard of it.
    pub(super) gains: Vec<usize>,
    pub(super) losses: Vec<usize>,
    asked: Vec<(IntentId, Settled)>,
    due: Vec<(usize, DocumentId)>,
    deals: Vec<Deal>,
    /// His phone's clock minus the true time.
    skew_ms: i64,
    /// Has no network before this day.
    pub(super) away_until: usize,
}

impl Rep {
    /// Signs a rep in on a new phone.
    pub(super) fn begin(
        login: &'static str,
        place: usize,
        password: &str,
        way: Inside,
        now: Timestamp,
        world: Arc<Vec<Customer>>,
        (language, seed): (Language, u64),
    ) -> anyhow::Result<Self> {
        let mut generator = StdRng::seed_from_u64(seed.wrapping_add(1_000 + place as u64));
        // One phone's clock is seven minutes fast, the others' are off by seconds.
        let skew_ms = if place == 2 {
            7 * MINUTE_MS
        } else {
            generator.random_range(-4_000..4_000)
        };
        let clock = mobile_ffi::Seam::staged(now.plus_ms(skew_ms));
        let mut phone = Phone::new(Store::open_in_memory()?, way, clock.clone());
        phone.enroll(
            "http://demo.invalid",
            login,
            password,
            PHONE_NAMES[place % PHONE_NAMES.len()],
        )?;
        let own = world
            .iter()
            .enumerate()
            .filter(|(_, customer)| customer.owner == Some(place))
            .map(|(index, _)| index)
            .collect();
        Ok(Self {
            login,
            place,
            phone,
            clock,
            habits: Habits {
                generator,
                writer: Writer(language),
            },
            world,
            own,
            orders: Vec::new(),
            gains: Vec::new(),
            losses: Vec::new(),
            asked: Vec::new(),
            due: Vec::new(),
            deals: Vec::new(),
            skew_ms,
            away_until: 0,
        })
    }

    /// The phone as it is, to go on elsewhere.
    pub(super) fn into_store(self) -> Store {
        self.phone.into_store()
    }

    /// How many customers have been added to the world since.
    pub(super) fn learn(&mut self, world: &Arc<Vec<Customer>>) {
        self.world = Arc::clone(world);
    }

    /// A day in the field, without a network. `day` counts from the story's first, `midnight` is its beginning.
    pub(super) fn work(&mut self, day: usize, midnight: Timestamp) -> anyhow::Result<()> {
        let mut at = midnight.plus_ms(9 * HOUR_MS + self.minutes(0..40));
        for order in std::mem::take(&mut self.orders) {
            self.set_clock(at);
            forgive(self.follow(&order))?;
            at = at.plus_ms(self.minutes(10..40));
        }
        let visits = if self.own.is_empty() {
            0
        } else {
            self.habits.generator.random_range(2..=4)
        };
        for _ in 0..visits {
            let customer = self.own[self.habits.generator.random_range(0..self.own.len())];
            self.set_clock(at);
            forgive(self.call_on(customer, day))?;
            at = at.plus_ms(self.minutes(45..110));
        }
        self.set_clock(at);
        forgive(self.tidy_up(day))
    }

    /// Comes back to the network. What was settled by it.
    pub(super) fn sync(&mut self, now: Timestamp) -> anyhow::Result<Vec<Settled>> {
        self.set_clock(now);
        let report = self.phone.sync()?;
        self.own.append(&mut self.gains);
        let losses = std::mem::take(&mut self.losses);
        self.own.retain(|customer| !losses.contains(customer));
        let mut settled = Vec::new();
        let asked = std::mem::take(&mut self.asked);
        for (intent, wish) in asked {
            let result = report.intents.iter().find(|result| result.id == intent);
            let accepted = result.is_some_and(|result| result.outcome == "accepted");
            settled.extend(match wish {
                Settled::Won(customer) if accepted => {
                    self.own.push(customer);
                    Some(wish)
                }
                Settled::Won(customer) => Some(Settled::Lost(customer)),
                Settled::Returned(_) if !accepted => None,
                Settled::Returned(customer) => {
                    self.own.retain(|own| *own != customer);
                    Some(wish)
                }
                Settled::Created(customer, _) => {
                    self.own.push(customer);
                    Some(wish)
                }
                Settled::Lost(_) => None,
            });
        }
        Ok(settled)
    }

    fn set_clock(&mut self, at: Timestamp) {
        self.clock.set_now(at.plus_ms(self.skew_ms));
    }

    fn minutes(&mut self, range: std::ops::Range<i64>) -> i64 {
        self.habits.generator.random_range(range) * MINUTE_MS
    }

    fn follow(&mut self, order: &Order) -> Result<(), PhoneError> {
        let id = |customer: usize| self.world[customer].id;
        match order {
            Order::Visit(customer) => {
                let customer = *customer;
                self.visit(customer)?;
            }
            Order::Edit(customer, field, value) => {
                let target = Target::Single(id(*customer), Kind::Card);
                self.phone.record(target, &[set(field, Value::Str(value.clone()))])?;
            }
            Order::Claim(customer) => {
                let intent = self.phone.intend(id(*customer), IntentAction::Claim)?;
                self.asked.push((intent, Settled::Won(*customer)));
            }
            Order::ClaimWithDeal(customer) => {
                let intent = self.phone.intend(id(*customer), IntentAction::Claim)?;
                self.asked.push((intent, Settled::Won(*customer)));
                self.open_deal(*customer)?;
            }
            Order::Release(customer, pool) => {
                let action = IntentAction::Release {
                    pool: Some(*pool),
                    reason: self.habits.writer.returned_because(&mut self.habits.generator),
                };
                let intent = self.phone.intend(id(*customer), action)?;
                self.asked.push((intent, Settled::Returned(*customer)));
            }
            Order::Create(customer) => {
                let words = self.habits.words_of(&self.world[*customer]);
                let made = self.phone.create_customer(&words, None)?;
                self.asked.push((IntentId(made.0), Settled::Created(*customer, made)));
            }
        }
        Ok(())
    }

    /// A visit and what comes of it.
    fn call_on(&mut self, customer: usize, day: usize) -> Result<(), PhoneError> {
        self.visit(customer)?;
        let id = self.world[customer].id;
        if self.chance(1, 3) {
            let days = self.habits.generator.random_range(1..=12);
            let due =
                self.habits
                    .follow_up(&mut self.phone, id, civil_date(self.clock.now().plus_ms(days * DAY_MS)))?;
            self.due.push((day + days as usize, due));
        }
        if self.chance(1, 5) {
            self.move_on(id)?;
        }
        if self.chance(1, 7) {
            self.habits.dossier(&mut self.phone, id)?;
        }
        if self.chance(1, 10) {
            self.open_deal(customer)?;
        }
        if self.chance(1, 14) {
            self.habits.contact(&mut self.phone, id)?;
        }
        if self.chance(1, 60) {
            self.habits.ticket(&mut self.phone, id)?;
        }
        if self.chance(1, 9) {
            let at = self
                .clock
                .now()
                .plus_ms(self.habits.generator.random_range(2..=9) * DAY_MS);
            self.phone
                .add(id, Kind::Visit, &[set("planned_at", Value::Timestamp(at.0))])?;
        }
        Ok(())
    }

    fn visit(&mut self, customer: usize) -> Result<(), PhoneError> {
        let (id, lat, lon) = {
            let customer = &self.world[customer];
            (customer.id, customer.prospect.lat, customer.prospect.lon)
        };
        let now = self.clock.now();
        let minutes = self.habits.generator.random_range(12..75);
        let edits = self
            .habits
            .visit_edits((now, now.plus_ms(minutes * MINUTE_MS)), Some((lat, lon)));
        self.phone.add(id, Kind::Visit, &edits)?;
        Ok(())
    }

    fn open_deal(&mut self, customer: usize) -> Result<(), PhoneError> {
        let (id, trade) = (self.world[customer].id, self.world[customer].prospect.trade);
        let close = civil_date(
            self.clock
                .now()
                .plus_ms(self.habits.generator.random_range(14..90) * DAY_MS),
        );
        let edits = [
            set(
                "title",
                Value::Str(self.habits.writer.deal(trade, &mut self.habits.generator)),
            ),
            set("stage", Value::Str(PIPELINE[0].to_owned())),
            set(
                "amount_minor",
                Value::Int(self.habits.generator.random_range(8..900) * 100_000),
            ),
            set("currency", Value::Str("CNY".to_owned())),
            set("close_date", Value::Str(close)),
        ];
        let document = self.phone.add(id, Kind::Opportunity, &edits)?;
        self.deals.push(Deal { document, stage: 0 });
        Ok(())
    }

    /// The next stage of the customer's life, as it stands on this phone.
    fn move_on(&mut self, customer: CustomerId) -> Result<(), PhoneError> {
        let shown = self.phone.customer(customer)?;
        let now = shown["card"]["fields"]["stage"].as_str().unwrap_or_default();
        let next = STAGES
            .iter()
            .position(|stage| *stage == now)
            .and_then(|place| STAGES.get(place + 1));
        if let Some(next) = next {
            let target = Target::Single(customer, Kind::Card);
            self.phone
                .record(target, &[set("stage", Value::Str((*next).to_owned()))])?;
        }
        Ok(())
    }

    /// In the evening: what is due is done, deals go on, what two people have written differently is settled.
    fn tidy_up(&mut self, day: usize) -> Result<(), PhoneError> {
        let (done, later) = std::mem::take(&mut self.due)
            .into_iter()
            .partition(|(due, _)| *due <= day);
        self.due = later;
        let done: Vec<(usize, DocumentId)> = done;
        for (due, document) in done {
            // Some things are put off.
            if self.chance(1, 4) {
                self.due.push((due + 3, document));
            } else {
                skip_lost(self.phone.edit(document, &[set("done", Value::Bool(true))]))?;
            }
        }
        let mut open = Vec::new();
        for mut deal in std::mem::take(&mut self.deals) {
            if !self.chance(1, 9) {
                open.push(deal);
                continue;
            }
            deal.stage += 1;
            let mut edits = Vec::new();
            match PIPELINE.get(deal.stage) {
                Some(stage) => edits.push(set("stage", Value::Str((*stage).to_owned()))),
                None if self.chance(3, 5) => edits.push(set("stage", Value::Str("won".to_owned()))),
                None => {
                    edits.push(set("stage", Value::Str("lost".to_owned())));
                    let reason = self.habits.writer.lost_because(&mut self.habits.generator);
                    edits.push(set("loss_reason", Value::Str(reason)));
                }
            }
            let is_open = deal.stage < PIPELINE.len();
            skip_lost(self.phone.edit(deal.document, &edits))?;
            if is_open {
                open.push(deal);
            }
        }
        self.deals = open;
        Ok(())
    }

    fn chance(&mut self, of: u32, out_of: u32) -> bool {
        self.habits.generator.random_ratio(of, out_of)
    }
}

/// What is no longer his, or was given up in the morning, is left alone; anything else is a fault of the story.
fn forgive(done: Result<(), PhoneError>) -> anyhow::Result<()> {
    skip_lost(done).map(|_| ()).map_err(Into::into)
}

fn skip_lost<T>(done: Result<T, PhoneError>) -> Result<Option<T>, PhoneError> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(PhoneError::Refused { code, .. }) if matches!(code.as_str(), "not_permitted" | "not_found") => Ok(None),
        Err(error) => Err(error),
    }
}
