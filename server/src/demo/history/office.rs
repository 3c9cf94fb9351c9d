//! What the office does: brings in leads, corrects cards, gives customers to others, decides, closes an account.

use std::collections::BTreeMap;

use anyhow::ensure;
use rand::Rng;
use serde_json::{Map, Value as Json};
use sync_core::{
    document::Kind,
    ids::{DocumentId, IntentId},
    protocol::message::{Intent, IntentAction, IntentOutcome},
    visibility::UserState,
};

use super::{Day, Director};
use crate::{
    actions::{
        ActionError, Code,
        edit::edit_document,
        fleet::set_state,
        ownership::decide_intents,
        quarantine::{Decision, decide},
        quarantined::list_waiting,
    },
    demo::{
        cast::{LEAVER, pool_of},
        company::Customer,
        names::{Area, ChooseOne},
        rep::{Order, Rep},
        texts::{Pair, SOURCES},
    },
};

/// Days of work from one import to the next.
const DAYS_PER_IMPORT: usize = 5;

impl Director<'_> {
    /// On some mornings the office imports what it has found.
    pub(super) async fn bring_leads(&mut self, day: Day, reps: &mut [Rep]) -> anyhow::Result<()> {
        let left = self.to_import.len();
        if left == 0 || !(day.left.is_multiple_of(DAYS_PER_IMPORT) || day.left < DAYS_PER_IMPORT) {
            return Ok(());
        }
        let count = (left * DAYS_PER_IMPORT).div_ceil(day.left).min(left);
        let arrived: Vec<usize> = self.to_import.drain(..count).collect();
        let customers: Vec<&Customer> = arrived.iter().map(|index| &self.world[*index]).collect();
        self.company.import(self.app, &customers, self.story.language).await?;
        for index in &arrived {
            let owner = self.world[*index].owner;
            if let Some(rep) = reps.iter_mut().find(|rep| Some(rep.place) == owner) {
                rep.gains.push(*index);
            }
        }
        self.fill_pools(arrived.into_iter());
        Ok(())
    }

    /// A manager corrects a card at his desk while its owner does so in the field: neither knows of the other.
    pub(super) async fn edit_what_reps_edit(&mut self, day: Day, reps: &mut [Rep]) -> anyhow::Result<()> {
        if !self.generator.random_ratio(3, 5) {
            return Ok(());
        }
        let place = self.generator.random_range(0..reps.len());
        let Some(customer) = reps[place].own.choose_one(&mut self.generator).copied() else {
            return Ok(());
        };
        let (field, field_value, desk_value) = self.disagreement(customer);
        let manager = self.manager_of(self.world[customer].prospect.area);
        let card = DocumentId::derived(self.company.org, self.world[customer].id, Kind::Card, 0);
        let fields = Map::from_iter([(field.to_owned(), Json::from(desk_value))]);
        match edit_document(self.app, self.asker(manager), card, &fields).await {
            Ok(()) => {
                self.disagreements
                    .push((day.number, customer, field, field_value.clone()));
                reps[place].orders.push(Order::Edit(customer, field, field_value));
            }
            // The rep's phone has not heard yet that the customer is in a pool again.
            Err(error) if is_lost(&error) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Two values that people could disagree about.
    fn disagreement(&mut self, customer: usize) -> (&'static str, String, String) {
        let customer = &self.world[customer];
        match self.generator.random_range(0..3) {
            0 => (
                "tier",
                "vip".to_owned(),
                if customer.tier == "potential" {
                    "normal"
                } else {
                    "potential"
                }
                .to_owned(),
            ),
            1 => ("stage", "intent".to_owned(), "prospect".to_owned()),
            _ => {
                let pair: Pair = *SOURCES
                    .choose_one(&mut self.generator)
                    .unwrap_or(&("展会", "Trade fair"));
                let other = self.story.language.of(("行业协会", "Trade association"));
                ("source", self.story.language.of(pair).to_owned(), other.to_owned())
            }
        }
    }

    /// A manager looks at what waits for him now and then, the oldest first.
    pub(super) async fn decide_tickets(&mut self) -> anyhow::Result<()> {
        for area in [Area::East, Area::South] {
            if !self.generator.random_ratio(1, 6) {
                continue;
            }
            let asker = self.asker(self.manager_of(area));
            let waiting = list_waiting(&self.app.database, asker.org, asker.user, None, 1).await?;
            let Some(ticket) = waiting.items.first() else { continue };
            let (decision, reason) = if self.generator.random_ratio(1, 2) {
                (Decision::Accept, ("情况属实", "It is as he says"))
            } else {
                (Decision::Refuse, ("客户已归同事", "The customer is a colleague's now"))
            };
            let reason = self.story.language.of(reason);
            match decide(self.app, asker, ticket.first().ticket_id, decision, reason).await {
                // What no longer fits the document stays where it is.
                Err(error) if error.code() == Some(Code::Conflict) => {}
                done => {
                    done?;
                }
            }
        }
        Ok(())
    }

    /// A manager gives a customer to somebody else while its owner is on his way to it.
    pub(super) async fn reassign(&mut self, reps: &mut [Rep]) -> anyhow::Result<()> {
        if !self.generator.random_ratio(1, 6) {
            return Ok(());
        }
        let from = self.generator.random_range(0..reps.len());
        let Some(customer) = reps[from].own.choose_one(&mut self.generator).copied() else {
            return Ok(());
        };
        let area = self.world[customer].prospect.area;
        // The south's manager leads the southwest as well; who gets a customer of another team's, loses all of it.
        let other = match area {
            Area::East => Area::East,
            Area::South => Area::Southwest,
            Area::Southwest => Area::South,
        };
        let to = self.rep_of(other, reps);
        if to == from {
            return Ok(());
        }
        let reason = self.story.language.of(("按区域调整", "Closer to the region"));
        let action = IntentAction::Assign {
            owner: self.company.user(reps[to].login),
            reason: reason.to_owned(),
        };
        let accepted = self.ask(area, &[(customer, action)]).await?;
        if accepted == 1 {
            reps[from].orders.push(Order::Visit(customer));
            if self.generator.random_ratio(1, 2) {
                reps[from].orders.push(Order::Edit(customer, "tier", "vip".to_owned()));
            }
            reps[from].losses.push(customer);
            reps[to].gains.push(customer);
        }
        Ok(())
    }

    /// Somebody leaves: his customers go to his colleagues and the pool, his account is closed.
    pub(super) async fn let_go(&mut self, reps: &mut Vec<Rep>) -> anyhow::Result<()> {
        let Some(place) = reps.iter().position(|rep| rep.login == LEAVER.login) else {
            return Ok(());
        };
        let leaver = reps.remove(place);
        let area = Area::South;
        let reason = self.story.language.of(("离职交接", "Handover on departure"));
        let mut actions = Vec::new();
        let mut heirs: BTreeMap<usize, usize> = BTreeMap::new();
        for (index, customer) in leaver.own.iter().enumerate() {
            let action = if index % 5 == 4 {
                self.pools[pool_of(area)].push(*customer);
                IntentAction::Release {
                    pool: Some(self.company.pools[pool_of(area)]),
                    reason: reason.to_owned(),
                }
            } else {
                let heir = self.rep_of(area, reps);
                heirs.insert(*customer, heir);
                IntentAction::Assign {
                    owner: self.company.user(reps[heir].login),
                    reason: reason.to_owned(),
                }
            };
            actions.push((*customer, action));
        }
        self.ask(area, &actions).await?;
        for (customer, heir) in heirs {
            reps[heir].gains.push(customer);
        }
        let (admin, leaver) = (self.company.user("admin"), self.company.user(LEAVER.login));
        set_state(self.app, self.company.org, admin, leaver, UserState::Offboarding).await?;
        Ok(())
    }

    /// Has a manager ask. How many were accepted.
    async fn ask(&mut self, area: Area, wanted: &[(usize, IntentAction)]) -> anyhow::Result<usize> {
        let intents: Vec<Intent> = wanted
            .iter()
            .map(|(customer, action)| Intent {
                id: IntentId(self.app.seam.uuid()),
                at: self.app.seam.now(),
                customer: self.world[*customer].id,
                expected_version: None,
                action: action.clone(),
            })
            .collect();
        let manager = self.manager_of(area);
        let outcomes = decide_intents(self.app, self.asker(manager), &intents).await?;
        ensure!(outcomes.len() == intents.len(), "every intent has an outcome");
        let accepted = |outcome: &&IntentOutcome| matches!(outcome, IntentOutcome::Accepted { .. });
        Ok(outcomes.iter().filter(accepted).count())
    }
}

/// It is none of the manager's any more.
fn is_lost(error: &ActionError) -> bool {
    matches!(error.code(), Some(Code::NotFound | Code::NotPermitted))
}
