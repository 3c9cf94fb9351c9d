//! Handing over everything somebody has, in one transaction: his customers, and what he is responsible for.
//!
//! It writes who owns what and nothing else. Documents stay as they are, so what he wrote stays his; what he was to do
//! at his own customers is the new owner's because nobody is named there. A preview is the same computation without
//! the writing, so its counts are those of the handover.

mod moving;
mod reading;
mod survey;
mod undoing;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sync_core::{
    hub::{PlanEntry, Successor, leads_customer},
    ids::{HandoverId, UserId},
    time::Timestamp,
    visibility::{CustomerFacts, customer_scopes, relations},
};

use self::{
    moving::{Handover, transfers},
    survey::{Survey, survey},
};
pub use self::{
    reading::{Brief, BriefDocument, Leaver, Listed, Shown, list_handovers, list_leavers, list_open, show_handover},
    survey::Holdings,
    undoing::{UndoOutcome, undo},
};
use super::{
    ActionError,
    fleet::{ListedDevice, list_devices_of},
    ownership::{Asker, Cause, write_transfers},
    reader::Reader,
};
use crate::{
    app::App,
    storage::{
        Tx,
        audit::{self, AuditRow},
        handovers::{self, HandoverRow},
        log,
        people::Account,
    },
};

/// Customers of one handover: what a device holds, twice. One transaction writes them, and all others wait for it.
pub const CUSTOMERS_MAX: usize = 20_000;
/// Lines of a plan: more people than a team has.
pub const PLAN_MAX: usize = 200;
/// How long a handover can be undone.
pub const UNDO_MS: i64 = 24 * 60 * 60 * 1000;

/// What is wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Whose things.
    pub from: UserId,
    /// Who gets what.
    pub plan: Vec<PlanEntry>,
    /// Why.
    pub reason: String,
}

/// How much of each kind changes hands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Customers.
    pub customers: u64,
    /// Opportunities that are still worked on.
    pub opportunities_open: u64,
    /// Opportunities won or lost.
    pub opportunities_closed: u64,
    /// Follow-ups that are not done.
    pub tasks: u64,
    /// Visits that are planned and have not begun.
    pub planned_visits: u64,
    /// Tickets, open and closed.
    pub tickets: u64,
    /// Documents at other people's customers for which he was responsible.
    pub responsible_elsewhere: u64,
}

/// What one person or pool gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Who.
    pub to: Successor,
    /// How much.
    pub counts: Counts,
}

/// What moves, or moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// In all.
    pub counts: Counts,
    /// To each, in the order of the plan.
    pub parts: Vec<Part>,
    /// Of the documents at other people's customers, those for which their owner is responsible again.
    pub returned_to_owner: u64,
    /// How many customers stay where they are, by why: `not_permitted`, those the asker may not assign; `not_held`,
    /// those the plan names and the leaver does not have.
    pub skipped: BTreeMap<String, u64>,
}

/// What was done, or would be.
#[derive(Debug, Clone)]
pub struct Report {
    /// The handover; none: a preview.
    pub id: Option<HandoverId>,
    /// Whose things.
    pub from: UserId,
    /// What moves.
    pub outcome: Outcome,
    /// Phones of those concerned, as far as the asker looks after them.
    pub devices: Vec<ListedDevice>,
    /// Until when it can be undone.
    pub undo_until: Option<Timestamp>,
}

/// What a handover would move. Writes nothing.
///
/// # Errors
/// As [`hand_over`].
pub async fn preview(app: &App, asker: Asker, order: &Order) -> Result<Report, ActionError> {
    let mut tx = app.database.read().await?;
    let reader = Reader::load(&mut tx, asker.org, asker.user).await?;
    let survey = survey(&mut tx, &reader, order).await?;
    report(&mut tx, &reader, survey, None).await
}

/// What somebody has, for whoever may hand it over.
///
/// # Errors
/// `not_found`, `not_permitted`, `account_not_active`; the database's.
pub async fn find_holdings(app: &App, asker: Asker, from: UserId) -> Result<Holdings, ActionError> {
    let mut tx = app.database.read().await?;
    let reader = Reader::load(&mut tx, asker.org, asker.user).await?;
    let leaver = survey::find_leaver(&mut tx, &reader, from).await?;
    survey::holdings(&mut tx, &reader, leaver).await
}

/// Hands everything that somebody owns or is responsible for to those the plan names, in one transaction.
///
/// # Errors
/// `not_permitted` for those who may not assign his customers, `not_found` for an unknown person or pool,
/// `handover_to_self`, `target_not_active`, `plan_empty`, `plan_incomplete` (with `unassigned`),
/// `nothing_to_hand_over`, `invalid_request`, `too_large`, `account_not_active`; the database's. Nothing has moved then.
pub async fn hand_over(app: &App, asker: Asker, order: &Order) -> Result<Report, ActionError> {
    let mut tx = app.database.write().await?;
    // The counter first: what is read from here on holds until the commit, and of two who hand over the same person's
    // things the second finds them gone.
    log::take(&mut tx, asker.org, 0, 0).await?;
    let reader = Reader::load(&mut tx, asker.org, asker.user).await?;
    let survey = survey(&mut tx, &reader, order).await?;
    let now = app.seam.now();
    let handover = HandoverRow {
        id: HandoverId(app.seam.uuid()),
        from: order.from,
        by: asker.user,
        reason: order.reason.clone(),
        plan: to_json(&order.plan)?,
        outcome: to_json(&survey.outcome)?,
        done_at: now,
        undo_until: now.plus_ms(UNDO_MS),
        undone: None,
        undo_outcome: None,
    };
    let (first_seq, _) = log::take(&mut tx, asker.org, survey.events(), 0).await?;
    let cause = Cause {
        org: asker.org,
        event: "handover",
        by: asker.user,
        reason: &order.reason,
        intent: None,
        at: now,
    };
    let Handover { transfers, items } = transfers(&cause, &survey, first_seq);
    write_transfers(&mut tx, asker.org, transfers).await?;
    handovers::insert(&mut tx, asker.org, &handover, &items).await?;
    let detail = json!({
        "from": order.from, "counts": survey.outcome.counts, "parts": survey.outcome.parts,
        "skipped": survey.outcome.skipped,
    });
    let row = AuditRow::new(now, "handover", handover.id)
        .by(asker.user)
        .with_detail(detail);
    audit::append(&mut tx, asker.org, &[row]).await?;
    let report = report(&mut tx, &reader, survey, Some(&handover)).await?;
    tx.commit().await?;
    app.committer.news().notify_waiters();
    tracing::info!(
        customers = report.outcome.counts.customers,
        documents = items.iter().filter(|item| item.document.is_some()).count(),
        targets = report.outcome.parts.len(),
        "handed over"
    );
    Ok(report)
}

async fn report(
    tx: &mut Tx,
    reader: &Reader,
    survey: Survey,
    handover: Option<&HandoverRow>,
) -> Result<Report, ActionError> {
    let mut concerned = vec![survey.leaver.user];
    concerned.extend(survey.outcome.parts.iter().filter_map(|part| match part.to {
        Successor::Person(user) => Some(user),
        Successor::Pool(_) => None,
    }));
    Ok(Report {
        id: handover.map(|handover| handover.id),
        from: survey.leaver.user,
        devices: list_devices_of(tx, reader, &concerned).await?,
        outcome: survey.outcome,
        undo_until: handover.map(|handover| handover.undo_until),
    })
}

/// Whether somebody hands over a person's things: by the rule of assigning a customer that this person owns now.
pub(super) fn leads_person(reader: &Reader, person: &Account) -> bool {
    leads(
        reader,
        &CustomerFacts {
            owner: Some(person.user),
            team: person.team,
            ..CustomerFacts::default()
        },
    )
}

pub(super) fn leads(reader: &Reader, customer: &CustomerFacts) -> bool {
    leads_customer(relations(&reader.scopes, &customer_scopes(customer, reader.org)))
}

fn to_json(value: &impl Serialize) -> Result<String, ActionError> {
    serde_json::to_string(value).map_err(|error| ActionError::Internal(error.to_string()))
}

fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ActionError> {
    serde_json::from_str(text).map_err(|error| ActionError::Internal(format!("a handover cannot be read: {error}")))
}
