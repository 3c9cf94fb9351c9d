//! Handovers as they are looked at afterwards: the list, one with what moved, and for each new owner what he should
//! know of his new customers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sync_core::{
    document::Kind,
    hub::Successor,
    ids::{CustomerId, DocumentId, HandoverId, OrgId, UserId},
    time::Timestamp,
    visibility::{Role, UserState},
};

use super::{
    Outcome, UndoOutcome, from_json, leads_person,
    survey::{is_open, is_planned, is_task},
};
use crate::{
    actions::{ActionError, Code, overview::leads, reader::Reader},
    storage::{
        Database, Tx,
        customers::{self, CustomerRow, DocumentRow},
        handovers::{self, HandoverItem, HandoverRow},
        organisation, ownership,
        people::{self, Account},
    },
};

/// Handovers read at once when a page of them is put together.
const ROWS_PER_READ: i64 = 200;
/// Reads for one page: of a company with more handovers than this between two that one may see, the page comes short
/// and says where to go on.
const READS_MAX: usize = 10;

/// A handover as somebody sees it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The handover.
    pub row: HandoverRow,
    /// What moved; to a successor who sees no more than that, only what he got.
    pub outcome: Outcome,
    /// What went back; none: it was not undone, or the reader sees only what he got.
    pub undo: Option<UndoOutcome>,
    /// He may undo it while there is time.
    pub may_undo: bool,
}

/// Somebody who owns customers, which the reader may hand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaver {
    /// Who.
    pub user: UserId,
    /// His name.
    pub name: String,
    /// active, offboarding or disabled.
    pub state: UserState,
    /// How many.
    pub customers: i64,
}

/// What a new owner should know of one customer.
#[derive(Debug, Clone)]
pub struct Brief {
    /// The customer.
    pub customer: CustomerRow,
    /// Who got it.
    pub to: Successor,
    /// The last visit or follow-up.
    pub last_contact: Option<Timestamp>,
    /// The day that was agreed on at the last visit, if a day was.
    pub next_date: Option<String>,
    /// What was promised and is not done: follow-ups and planned visits.
    pub promises: Vec<BriefDocument>,
    /// Opportunities that are worked on.
    pub opportunities: Vec<BriefDocument>,
    /// Tickets without an outcome.
    pub tickets: Vec<BriefDocument>,
}

/// A document of a briefing with its fields.
#[derive(Debug, Clone)]
pub struct BriefDocument {
    /// Its row.
    pub row: DocumentRow,
    /// Its fields.
    pub fields: Map<String, Value>,
}

/// A handover with a page of its briefing.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The handover.
    pub handover: Listed,
    /// Customers with what is to be known of them, in the order in which they were handed over.
    pub briefs: Vec<Brief>,
    /// Where the briefing goes on.
    pub next: Option<i64>,
}

/// How much of a handover somebody sees: all, or what he got himself. None: not even that there was one.
pub(super) fn sees(reader: &Reader, leaver: &Account, row: &HandoverRow) -> Result<Option<Part>, ActionError> {
    if reader.viewer.role == Role::Auditor || leads_person(reader, leaver) {
        return Ok(Some(Part::All));
    }
    let outcome: Outcome = from_json(&row.outcome)?;
    let me = Successor::Person(reader.viewer.user);
    Ok(outcome.parts.iter().any(|part| part.to == me).then_some(Part::Own))
}

/// See [`sees`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    All,
    Own,
}

/// Handovers that somebody may see, the newest first, before a place; and where the list goes on.
///
/// # Errors
/// `account_not_active`; the database's.
pub async fn list_handovers(
    database: &Database,
    org: OrgId,
    user: UserId,
    before: Option<(Timestamp, HandoverId)>,
    limit: i64,
) -> Result<(Vec<Listed>, Option<(Timestamp, HandoverId)>), ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let accounts: BTreeMap<UserId, Account> = people::list(&mut tx, org)
        .await?
        .into_iter()
        .map(|account| (account.user, account))
        .collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut listed, mut place): (Vec<Listed>, _) = (Vec::new(), before);
    for _ in 0..READS_MAX {
        let rows = handovers::list(&mut tx, org, place, ROWS_PER_READ).await?;
        let is_last = (rows.len() as i64) < ROWS_PER_READ;
        for row in rows {
            if listed.len() == limit {
                return Ok((listed, place));
            }
            place = Some((row.done_at, row.id));
            let Some(leaver) = accounts.get(&row.from) else {
                continue;
            };
            if let Some(part) = sees(&reader, leaver, &row)? {
                listed.push(read(&reader, leaver, row, part)?);
            }
        }
        if is_last {
            return Ok((listed, None));
        }
    }
    Ok((listed, place))
}

/// Everybody who owns customers that somebody may hand over: who is leaving or has left first, then by name. Nobody for
/// those who hand nothing over.
///
/// # Errors
/// `account_not_active`; the database's.
pub async fn list_leavers(database: &Database, org: OrgId, user: UserId) -> Result<Vec<Leaver>, ActionError> {
    list_owners(database, org, user, |_| true).await
}

/// Those of them who are leaving or have left.
///
/// # Errors
/// As [`list_leavers`].
pub async fn list_open(database: &Database, org: OrgId, user: UserId) -> Result<Vec<Leaver>, ActionError> {
    list_owners(database, org, user, |state| state != UserState::Active).await
}

async fn list_owners(
    database: &Database,
    org: OrgId,
    user: UserId,
    wanted: impl Fn(UserState) -> bool,
) -> Result<Vec<Leaver>, ActionError> {
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    if !leads(&reader) {
        return Ok(Vec::new());
    }
    let mut accounts = people::list(&mut tx, org).await?;
    accounts.retain(|account| wanted(account.state) && leads_person(&reader, account));
    let ids: Vec<UserId> = accounts.iter().map(|account| account.user).collect();
    let owned: BTreeMap<UserId, i64> = ownership::count_owned(&mut tx, org, &ids).await?.into_iter().collect();
    let mut owners: Vec<Leaver> = accounts
        .into_iter()
        .filter_map(|account| {
            Some(Leaver {
                customers: *owned.get(&account.user)?,
                user: account.user,
                name: account.name,
                state: account.state,
            })
        })
        .collect();
    owners.sort_by(|one, other| {
        let key = |owner: &Leaver| (owner.state == UserState::Active, owner.name.clone(), owner.user);
        key(one).cmp(&key(other))
    });
    Ok(owners)
}

/// A handover with a page of its briefing: of one successor, or of all.
///
/// # Errors
/// `not_found` alike for a handover that does not exist and one that the reader may not see, `account_not_active`; the
/// database's.
pub async fn show_handover(
    database: &Database,
    org: OrgId,
    user: UserId,
    handover: HandoverId,
    to: Option<Successor>,
    (after, limit): (Option<i64>, i64),
) -> Result<Shown, ActionError> {
    let unknown = || ActionError::refused(Code::NotFound);
    let mut tx = database.read().await?;
    let reader = Reader::load(&mut tx, org, user).await?;
    let row = handovers::find(&mut tx, org, handover).await?.ok_or_else(unknown)?;
    let leaver = people::find(&mut tx, org, row.from).await?.ok_or_else(unknown)?;
    let part = sees(&reader, &leaver, &row)?.ok_or_else(unknown)?;
    let to = match part {
        Part::All => to,
        Part::Own => Some(Successor::Person(user)),
    };
    let mut items = handovers::list_items(&mut tx, org, handover, after.unwrap_or(-1), to, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|item| item.seq);
    let briefs = brief(&mut tx, &reader, &items).await?;
    Ok(Shown {
        handover: read(&reader, &leaver, row, part)?,
        briefs,
        next,
    })
}

fn read(reader: &Reader, leaver: &Account, row: HandoverRow, part: Part) -> Result<Listed, ActionError> {
    let mut outcome: Outcome = from_json(&row.outcome)?;
    let mut undo = row.undo_outcome.as_deref().map(from_json).transpose()?;
    if part == Part::Own {
        let me = Successor::Person(reader.viewer.user);
        outcome.parts.retain(|part| part.to == me);
        outcome = Outcome {
            counts: outcome.parts.first().map(|part| part.counts).unwrap_or_default(),
            parts: outcome.parts,
            ..Outcome::default()
        };
        undo = None;
    }
    Ok(Listed {
        may_undo: row.undone.is_none() && leads_person(reader, leaver),
        row,
        outcome,
        undo,
    })
}

/// What is to be known of the customers of some items, as far as the reader may read it.
async fn brief(tx: &mut Tx, reader: &Reader, items: &[HandoverItem]) -> Result<Vec<Brief>, ActionError> {
    let org = reader.org;
    let settings = organisation::find_settings(tx, org).await?;
    // Of a customer that stays with its owner, only the documents that moved.
    let mut only: BTreeMap<CustomerId, BTreeSet<DocumentId>> = BTreeMap::new();
    let mut order: Vec<(CustomerId, Successor)> = Vec::new();
    for item in items {
        let Some(to) = item.to else { continue };
        if !order.iter().any(|(customer, _)| *customer == item.customer) {
            order.push((item.customer, to));
        }
        if let Some(document) = item.document {
            only.entry(item.customer).or_default().insert(document);
        }
    }
    let ids: Vec<CustomerId> = order.iter().map(|(customer, _)| *customer).collect();
    let relations = reader.relations_of(tx, &ids).await?;
    let mut work: BTreeMap<CustomerId, Vec<DocumentRow>> = BTreeMap::new();
    for row in handovers::list_work(tx, org, &ids).await? {
        work.entry(row.customer).or_default().push(row);
    }
    let mut briefs = Vec::with_capacity(order.len());
    for (id, to) in order {
        let rights = reader.rights(relations.get(&id).copied().unwrap_or_default());
        let Some(customer) = customers::find_customer(tx, org, id)
            .await?
            .filter(|_| rights.of(Kind::Card).may_read())
        else {
            continue;
        };
        let mut rows = work.remove(&id).unwrap_or_default();
        rows.retain(|row| reader.document_rights(rights, row, customer.owner).may_read());
        if let Some(only) = only.get(&id) {
            rows.retain(|row| only.contains(&row.id));
        }
        rows.sort_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
        let mut brief = Brief {
            customer,
            to,
            last_contact: None,
            next_date: None,
            promises: Vec::new(),
            opportunities: Vec::new(),
            tickets: Vec::new(),
        };
        for row in rows {
            let fields: Map<String, Value> = serde_json::from_str(&row.fields).unwrap_or_default();
            brief.add(BriefDocument { row, fields }, &settings);
        }
        briefs.push(brief);
    }
    Ok(briefs)
}

impl Brief {
    /// Adds a document; the newest comes first.
    fn add(&mut self, document: BriefDocument, settings: &sync_core::directory::Settings) {
        let (kind, at, fields) = (document.row.kind, document.row.created_at, &document.fields);
        let is_plan = kind == Kind::Visit && is_planned(fields);
        if matches!(kind, Kind::Visit | Kind::FollowUp) && !is_plan {
            self.last_contact = self.last_contact.max(Some(at));
        }
        if kind == Kind::Visit && !is_plan && self.next_date.is_none() {
            self.next_date = fields.get("next_date").and_then(Value::as_str).map(str::to_owned);
        }
        let list = match kind {
            Kind::FollowUp if is_task(fields) => &mut self.promises,
            Kind::Visit if is_plan => &mut self.promises,
            Kind::Opportunity if is_open(fields, settings) => &mut self.opportunities,
            Kind::Ticket if fields.get("outcome").is_none_or(Value::is_null) => &mut self.tickets,
            _ => return,
        };
        list.push(document);
    }
}
