//! What somebody has and where the plan sends it: everything a handover decides, read in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sync_core::{
    directory::{self, Settings},
    document::Kind,
    hub::{
        HeldCustomer, Move, PlanEntry, PlanFault, Portion, Successor, SuccessorFacts, check_plan, deal,
        refuse_successor,
    },
    ids::{CustomerId, OrgId, UserId},
    seeded::{Bug, seeded},
    visibility::{CustomerFacts, Scope},
};

use super::{CUSTOMERS_MAX, Counts, Order, Outcome, PLAN_MAX, Part, leads, leads_person};
use crate::{
    actions::{ActionError, Code, ownership::Handing, reader::Reader, sync::standing::by_customer},
    storage::{
        Tx,
        customers::DocumentRow,
        handovers, organisation,
        ownership::{self, PlacedCustomer},
        people::{self, Account},
        pools,
        scopes::{self, Membership},
    },
};

/// Customers whose documents are read at once: what they fill is forgotten before the next are read.
const CUSTOMERS_PER_READ: usize = 500;

/// What is handed over, and to whom.
pub(super) struct Survey {
    pub(super) leaver: Account,
    /// His customers in the order of the plan, each with who gets it.
    pub(super) owned: Vec<(PlacedCustomer, Successor, Move)>,
    /// Who becomes responsible for documents he is named in, at his own customers and at others'; by customer.
    pub(super) handings: Vec<Handing>,
    /// Every membership of these customers.
    pub(super) memberships: BTreeMap<CustomerId, Vec<Membership>>,
    pub(super) outcome: Outcome,
}

impl Survey {
    /// How many places in the log it takes.
    pub(super) fn events(&self) -> u64 {
        (self.owned.len() + self.handings.len()) as u64
    }
}

/// Reads what somebody has and deals it by the plan.
pub(super) async fn survey(tx: &mut Tx, reader: &Reader, order: &Order) -> Result<Survey, ActionError> {
    if order.plan.len() > PLAN_MAX {
        return Err(ActionError::invalid(format!("plan: at most {PLAN_MAX} lines")));
    }
    check_plan(&order.plan).map_err(|fault| refuse_plan(&fault))?;
    let org = reader.org;
    let leaver = find_leaver(tx, reader, order.from).await?;
    let moves = find_successors(tx, org, leaver.user, &order.plan).await?;
    let limit = CUSTOMERS_MAX as i64 + 1;
    let owned = ownership::list_owned(tx, org, leaver.user, limit).await?;
    let elsewhere = list_elsewhere(tx, org, leaver.user, &owned).await?;
    if owned.len() > CUSTOMERS_MAX || elsewhere.len() > CUSTOMERS_MAX {
        return Err(ActionError::refused(Code::TooLarge).because(format!(
            "a handover has at most {CUSTOMERS_MAX} customers; assign some of them first"
        )));
    }
    let mut outcome = Outcome::default();
    let known: BTreeSet<CustomerId> = owned
        .iter()
        .chain(&elsewhere)
        .map(|placed| placed.assignment.customer)
        .collect();
    skip(&mut outcome, "not_held", named(&order.plan).difference(&known).count());
    let (owned, others): (Vec<PlacedCustomer>, Vec<PlacedCustomer>) =
        owned.into_iter().partition(|placed| leads(reader, &facts(placed)));
    skip(&mut outcome, "not_permitted", others.len());
    let mut survey = Survey {
        leaver,
        owned: Vec::new(),
        handings: Vec::new(),
        memberships: BTreeMap::new(),
        outcome,
    };
    let owned = survey.deal_owned(order, owned, &moves);
    let elsewhere = deal_elsewhere(reader, order, elsewhere);
    survey.read_documents(tx, org, &owned, &elsewhere).await?;
    if survey.owned.is_empty() && survey.handings.is_empty() && owned.is_empty() {
        let skipped = serde_json::to_value(&survey.outcome.skipped).unwrap_or_default();
        return Err(ActionError::refused(Code::NothingToHandOver).with("skipped", skipped));
    }
    let unassigned = owned.values().filter(|to| to.is_none()).count();
    if unassigned > 0 {
        return Err(ActionError::refused(Code::PlanIncomplete)
            .because(format!(
                "The plan leaves {unassigned} of his customers with him: add a line for them, or a share."
            ))
            .with("unassigned", unassigned));
    }
    let customers: Vec<CustomerId> = owned.keys().chain(elsewhere.keys()).copied().collect();
    survey.memberships = by_customer(scopes::list_memberships(tx, org, &customers).await?);
    Ok(survey)
}

/// Somebody whose things the reader hands over.
pub(super) async fn find_leaver(tx: &mut Tx, reader: &Reader, from: UserId) -> Result<Account, ActionError> {
    let leaver = people::find(tx, reader.org, from)
        .await?
        .ok_or_else(|| ActionError::refused(Code::NotFound).because("from: this organisation has no such person"))?;
    if !leads_person(reader, &leaver) {
        return Err(ActionError::refused(Code::NotPermitted)
            .because("Let a manager of his team, the back office or an administrator hand his customers over."));
    }
    Ok(leaver)
}

/// What somebody has that the reader may hand over, before there is a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// How much of each kind.
    pub counts: Counts,
    /// How many customers in each region, the largest first; none: their cards say no region.
    pub regions: Vec<(Option<String>, u64)>,
    /// How many of his customers the reader may not assign.
    pub not_permitted: u64,
}

/// Reads what somebody has.
pub(super) async fn holdings(tx: &mut Tx, reader: &Reader, leaver: Account) -> Result<Holdings, ActionError> {
    let org = reader.org;
    let to = Successor::Person(leaver.user);
    let owned = ownership::list_owned(tx, org, leaver.user, CUSTOMERS_MAX as i64).await?;
    let elsewhere = list_elsewhere(tx, org, leaver.user, &owned).await?;
    let (owned, others): (Vec<PlacedCustomer>, Vec<PlacedCustomer>) =
        owned.into_iter().partition(|placed| leads(reader, &facts(placed)));
    let mut regions: BTreeMap<Option<String>, u64> = BTreeMap::new();
    for placed in &owned {
        *regions.entry(placed.region.clone()).or_insert(0) += 1;
    }
    let mut survey = Survey {
        leaver,
        owned: Vec::new(),
        handings: Vec::new(),
        memberships: BTreeMap::new(),
        outcome: Outcome::default(),
    };
    survey.outcome.counts.customers = owned.len() as u64;
    let owned: BTreeMap<CustomerId, Option<Successor>> = owned
        .iter()
        .map(|placed| (placed.assignment.customer, Some(to)))
        .collect();
    let elsewhere = elsewhere
        .iter()
        .map(|placed| (placed.assignment.customer, None))
        .collect();
    survey.read_documents(tx, org, &owned, &elsewhere).await?;
    let mut regions: Vec<(Option<String>, u64)> = regions.into_iter().collect();
    regions.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(Holdings {
        counts: survey.outcome.counts,
        regions,
        not_permitted: others.len() as u64,
    })
}

impl Survey {
    /// Deals his customers. Gives for each who gets it; none: no line of the plan says.
    fn deal_owned(
        &mut self,
        order: &Order,
        owned: Vec<PlacedCustomer>,
        moves: &BTreeMap<Successor, Move>,
    ) -> BTreeMap<CustomerId, Option<Successor>> {
        let dealt = deal(&order.plan, &held(&owned));
        let successors: BTreeMap<CustomerId, Option<Successor>> = owned
            .iter()
            .zip(&dealt)
            .map(|(placed, line)| (placed.assignment.customer, line.map(|line| order.plan[line].to)))
            .collect();
        let mut placed: Vec<(usize, PlacedCustomer)> = owned
            .into_iter()
            .zip(dealt)
            .filter_map(|(placed, line)| Some((line?, placed)))
            .collect();
        // Each gets his in one piece of the log; within it by id.
        placed.sort_by_key(|(line, _)| *line);
        for entry in &order.plan {
            if !self.outcome.parts.iter().any(|part| part.to == entry.to) {
                self.outcome.parts.push(Part {
                    to: entry.to,
                    counts: Counts::default(),
                });
            }
        }
        for (line, placed) in placed {
            let to = order.plan[line].to;
            let Some(place) = moves.get(&to) else { continue };
            self.count(Some(to), |counts| counts.customers += 1);
            self.owned.push((placed, to, *place));
        }
        successors
    }

    /// Counts what is to do and was done at these customers, and finds the documents in which he is named.
    async fn read_documents(
        &mut self,
        tx: &mut Tx,
        org: OrgId,
        owned: &BTreeMap<CustomerId, Option<Successor>>,
        elsewhere: &BTreeMap<CustomerId, Option<UserId>>,
    ) -> Result<(), ActionError> {
        let settings = organisation::find_settings(tx, org).await?;
        let leaver = self.leaver.user;
        let customers: Vec<CustomerId> = owned.keys().chain(elsewhere.keys()).copied().collect();
        for chunk in customers.chunks(CUSTOMERS_PER_READ) {
            for row in handovers::list_work(tx, org, chunk).await? {
                let is_named = row.responsible == Some(leaver);
                let mut to = None;
                if let Some(successor) = owned.get(&row.customer) {
                    // What somebody else is responsible for stays his.
                    if (is_named || row.responsible.is_none()) && successor.is_some() {
                        self.count(*successor, |counts| count_document(counts, &row, &settings));
                    }
                } else if is_named {
                    to = elsewhere.get(&row.customer).copied().flatten();
                    let successor = to.map(Successor::Person);
                    self.count(successor, |counts| counts.responsible_elsewhere += 1);
                    self.outcome.returned_to_owner += u64::from(to.is_none());
                }
                if is_named {
                    self.handings.push(Handing {
                        customer: row.customer,
                        document: row.id,
                        kind: row.kind,
                        author: row.author,
                        from: row.responsible,
                        to,
                    });
                }
            }
        }
        // A preview and the handover list alike, and a customer's stand together.
        self.handings
            .sort_unstable_by_key(|handing| (handing.to, handing.customer, handing.document));
        Ok(())
    }

    fn count(&mut self, to: Option<Successor>, add: impl Fn(&mut Counts)) {
        add(&mut self.outcome.counts);
        let parts = self.outcome.parts.iter_mut();
        for part in parts.filter(|part| Some(part.to) == to) {
            add(&mut part.counts);
        }
    }
}

/// Customers of others at whom he is responsible for something.
async fn list_elsewhere(
    tx: &mut Tx,
    org: OrgId,
    leaver: UserId,
    owned: &[PlacedCustomer],
) -> Result<Vec<PlacedCustomer>, ActionError> {
    let own: BTreeSet<CustomerId> = owned.iter().map(|placed| placed.assignment.customer).collect();
    let mut elsewhere = BTreeSet::new();
    for scope in [Scope::Responsible(leaver), Scope::ResponsibleDone(leaver)] {
        let limit = CUSTOMERS_MAX as i64 * 2 + 1;
        let members = scopes::list_members(tx, org, scope, -1, None, limit).await?;
        elsewhere.extend(members.into_iter().map(|(_, customer)| customer));
    }
    if seeded(Bug::HandoverLeavesElsewhere) {
        elsewhere.clear();
    }
    let elsewhere: Vec<CustomerId> = elsewhere.difference(&own).copied().collect();
    Ok(ownership::list_placed(tx, org, &elsewhere).await?)
}

/// Who becomes responsible at the customers of others: whom the plan sends their customers to, if the asker gives out
/// customers there; otherwise, and for a pool, their owner, who sees everything anyway.
fn deal_elsewhere(
    reader: &Reader,
    order: &Order,
    elsewhere: Vec<PlacedCustomer>,
) -> BTreeMap<CustomerId, Option<UserId>> {
    let dealt = deal(&order.plan, &held(&elsewhere));
    elsewhere
        .into_iter()
        .zip(dealt)
        .map(|(placed, line)| {
            let owner = placed.assignment.owner;
            let to = match line.map(|line| order.plan[line].to) {
                Some(Successor::Person(user)) if leads(reader, &facts(&placed)) => Some(user),
                _ => None,
            };
            (placed.assignment.customer, to.filter(|user| Some(*user) != owner))
        })
        .collect()
}

/// Where each successor's customers go. Refuses those who get none.
async fn find_successors(
    tx: &mut Tx,
    org: OrgId,
    leaver: UserId,
    plan: &[PlanEntry],
) -> Result<BTreeMap<Successor, Move>, ActionError> {
    let mut moves = BTreeMap::new();
    let successors: BTreeSet<Successor> = plan.iter().map(|entry| entry.to).collect();
    for to in successors {
        let (facts, place) = match to {
            Successor::Pool(pool) if pools::exists(tx, org, pool).await? => (SuccessorFacts::Pool, Move::Pool(pool)),
            Successor::Pool(pool) => (SuccessorFacts::Unknown, Move::Pool(pool)),
            Successor::Person(user) => match people::find(tx, org, user).await? {
                Some(account) => (
                    SuccessorFacts::Person(account.role, account.state),
                    Move::Owner(user, account.team),
                ),
                None => (SuccessorFacts::Unknown, Move::Owner(user, None)),
            },
        };
        if let Some(code) = refuse_successor(leaver, to, facts) {
            return Err(refuse(code));
        }
        moves.insert(to, place);
    }
    Ok(moves)
}

fn refuse(code: &'static str) -> ActionError {
    match Code::ALL.iter().copied().find(|known| known.as_str() == code) {
        Some(Code::NotFound) => {
            ActionError::refused(Code::NotFound).because("plan: this organisation has no such person or pool")
        }
        Some(code) => ActionError::refused(code),
        None => ActionError::invalid("plan: name a rep, a manager, the back office or an administrator"),
    }
}

fn refuse_plan(fault: &PlanFault) -> ActionError {
    match fault {
        PlanFault::Empty => ActionError::refused(Code::PlanEmpty),
        PlanFault::CustomerTwice(customer) => {
            ActionError::invalid(format!("plan: the customer {customer} stands in it twice"))
        }
        PlanFault::RegionTwice(_) => ActionError::invalid("plan: a region stands in it twice"),
        PlanFault::NoShare => ActionError::invalid("plan: a share is more than 0"),
    }
}

fn skip(outcome: &mut Outcome, why: &str, count: usize) {
    if count > 0 {
        outcome.skipped.insert(why.to_owned(), count as u64);
    }
}

fn named(plan: &[PlanEntry]) -> BTreeSet<CustomerId> {
    plan.iter()
        .filter_map(|entry| match &entry.portion {
            Portion::Customers(customers) => Some(customers),
            Portion::Region(_) | Portion::Share(_) => None,
        })
        .flatten()
        .copied()
        .collect()
}

fn held(placed: &[PlacedCustomer]) -> Vec<HeldCustomer> {
    placed
        .iter()
        .map(|placed| HeldCustomer {
            customer: placed.assignment.customer,
            region: placed.region.clone(),
        })
        .collect()
}

fn facts(placed: &PlacedCustomer) -> CustomerFacts {
    CustomerFacts {
        owner: placed.assignment.owner,
        pool: placed.assignment.pool,
        team: placed.assignment.team,
        collaborators: Vec::new(),
    }
}

fn count_document(counts: &mut Counts, row: &DocumentRow, settings: &Settings) {
    let fields: Map<String, Value> = serde_json::from_str(&row.fields).unwrap_or_default();
    match row.kind {
        Kind::Opportunity if is_open(&fields, settings) => counts.opportunities_open += 1,
        Kind::Opportunity => counts.opportunities_closed += 1,
        Kind::FollowUp if is_task(&fields) => counts.tasks += 1,
        Kind::Visit if is_planned(&fields) => counts.planned_visits += 1,
        Kind::Ticket => counts.tickets += 1,
        _ => {}
    }
}

/// Whether an opportunity is still worked on. One in a stage that the pipeline does not know is.
pub(super) fn is_open(fields: &Map<String, Value>, settings: &Settings) -> bool {
    let stage = fields.get("stage").and_then(Value::as_str).unwrap_or_default();
    let known = settings.pipeline.iter().find(|known| known.choice.id == stage);
    known.is_none_or(|stage| stage.outcome == directory::Outcome::Open)
}

/// Whether a follow-up is still to be done.
pub(super) fn is_task(fields: &Map<String, Value>) -> bool {
    fields.get("done").and_then(Value::as_bool) != Some(true)
}

/// Whether a visit is planned and nobody has begun it.
pub(super) fn is_planned(fields: &Map<String, Value>) -> bool {
    let has = |key: &str| fields.get(key).is_some_and(|value| !value.is_null());
    has("planned_at") && !has("started_at") && !has("ended_at")
}
