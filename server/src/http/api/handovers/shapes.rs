//! The JSON of handovers.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use sync_core::{
    hub::Successor,
    ids::{OrgId, UserId},
    time::Timestamp,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    actions::{
        ActionError,
        customers::name_people,
        fleet::ListedDevice,
        handovers::{Brief, BriefDocument, Counts, Leaver, Listed, Outcome, Report, Shown, UndoOutcome},
    },
    app::App,
    http::api::shapes::Person,
    storage::{customers::CustomerRow, viewers::Named},
};

/// How those are called that an answer names.
pub(super) struct Names(BTreeMap<UserId, Named>);

impl Names {
    pub(super) async fn of_report(app: &App, org: OrgId, report: &Report) -> Result<Self, ActionError> {
        let devices = report.devices.iter().map(|device| device.account.user);
        let users = people_of(&report.outcome).chain(devices).chain([report.from]);
        Self::read(app, org, users.collect()).await
    }

    pub(super) async fn of_list(app: &App, org: OrgId, items: &[Listed], open: &[Leaver]) -> Result<Self, ActionError> {
        let users = items.iter().flat_map(people_of_listed);
        Self::read(app, org, users.chain(open.iter().map(|open| open.user)).collect()).await
    }

    pub(super) async fn of_shown(app: &App, org: OrgId, shown: &Shown) -> Result<Self, ActionError> {
        let documents = shown.briefs.iter().flat_map(|brief| {
            let lists = [&brief.promises, &brief.opportunities, &brief.tickets];
            let authors = lists.into_iter().flatten().map(|document| document.row.author);
            authors.chain(brief.customer.owner)
        });
        Self::read(app, org, people_of_listed(&shown.handover).chain(documents).collect()).await
    }

    async fn read(app: &App, org: OrgId, users: Vec<UserId>) -> Result<Self, ActionError> {
        Ok(Self(name_people(&app.database, org, users).await?))
    }

    fn person(&self, user: UserId) -> Person {
        Person::of(&self.0, user)
    }
}

fn people_of(outcome: &Outcome) -> impl Iterator<Item = UserId> + '_ {
    outcome.parts.iter().filter_map(|part| match part.to {
        Successor::Person(user) => Some(user),
        Successor::Pool(_) => None,
    })
}

fn people_of_listed(listed: &Listed) -> impl Iterator<Item = UserId> + '_ {
    let undone = listed.row.undone.map(|(_, by)| by);
    people_of(&listed.outcome)
        .chain([listed.row.from, listed.row.by])
        .chain(undone)
}

/// How much of each kind changes hands.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CountsShape {
    customers: u64,
    /// Opportunities that are still worked on.
    opportunities_open: u64,
    /// Opportunities won or lost.
    opportunities_closed: u64,
    /// Follow-ups that are not done.
    tasks: u64,
    /// Visits that are planned and have not begun.
    planned_visits: u64,
    /// Tickets, open and closed.
    tickets: u64,
    /// Documents at other people's customers for which he was responsible.
    responsible_elsewhere: u64,
}

impl CountsShape {
    fn of(counts: &Counts) -> Self {
        Self {
            customers: counts.customers,
            opportunities_open: counts.opportunities_open,
            opportunities_closed: counts.opportunities_closed,
            tasks: counts.tasks,
            planned_visits: counts.planned_visits,
            tickets: counts.tickets,
            responsible_elsewhere: counts.responsible_elsewhere,
        }
    }
}

/// What one person or pool gets.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TargetShape {
    /// The person; null: a pool.
    to: Option<Person>,
    /// The pool; null: a person.
    pool: Option<Uuid>,
    counts: CountsShape,
}

fn targets(outcome: &Outcome, names: &Names) -> Vec<TargetShape> {
    let target = |part: &crate::actions::handovers::Part| {
        let (to, pool) = split(part.to, names);
        TargetShape {
            to,
            pool,
            counts: CountsShape::of(&part.counts),
        }
    };
    outcome.parts.iter().map(target).collect()
}

fn split(to: Successor, names: &Names) -> (Option<Person>, Option<Uuid>) {
    match to {
        Successor::Person(user) => (Some(names.person(user)), None),
        Successor::Pool(pool) => (None, Some(pool.0)),
    }
}

/// A phone of somebody concerned.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DeviceShape {
    id: Uuid,
    name: String,
    user: Person,
    /// When it was last heard, in milliseconds since 1970; null: never.
    last_sync: Option<i64>,
    /// How many changes it last said were pending.
    pending: i64,
}

impl DeviceShape {
    fn of(listed: ListedDevice, names: &Names) -> Self {
        let ListedDevice { device, account, .. } = listed;
        Self {
            id: device.device.0,
            name: device.name,
            user: names.person(account.user),
            last_sync: device.last_seen_at.map(|at| at.0),
            pending: device.pending,
        }
    }
}

/// What was handed over, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct HandoverAnswer {
    /// The handover; null: a dry run.
    id: Option<Uuid>,
    dry_run: bool,
    from: Person,
    counts: CountsShape,
    /// What each gets.
    targets: Vec<TargetShape>,
    /// Documents at other people's customers that are their owners' again.
    returned_to_owner: u64,
    /// Customers that stay where they are, by why: `not_permitted`, `not_held`.
    skipped: BTreeMap<String, u64>,
    /// Phones of those concerned, as far as you look after them.
    devices: Vec<DeviceShape>,
    /// Until when it can be undone, in milliseconds since 1970.
    undo_until: Option<i64>,
}

impl HandoverAnswer {
    pub(super) fn of(report: Report, names: &Names) -> Self {
        Self {
            id: report.id.map(|id| id.0),
            dry_run: report.id.is_none(),
            from: names.person(report.from),
            counts: CountsShape::of(&report.outcome.counts),
            targets: targets(&report.outcome, names),
            returned_to_owner: report.outcome.returned_to_owner,
            devices: report
                .devices
                .into_iter()
                .map(|device| DeviceShape::of(device, names))
                .collect(),
            skipped: report.outcome.skipped,
            undo_until: report.undo_until.map(|at| at.0),
        }
    }
}

/// A customer or document that an undo left alone.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LeftShape {
    customer: Uuid,
    /// Null: the customer itself.
    document: Option<Uuid>,
    /// `moved_again` or `changed_since`.
    reason: String,
}

/// What went back.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct UndoAnswer {
    id: Uuid,
    /// How many customers are the earlier owner's again.
    customers: u64,
    /// For how many documents he is responsible again.
    documents: u64,
    /// How many were left alone, by why: `moved_again`, the customer has gone to somebody else since; `changed_since`,
    /// somebody else was made responsible since.
    left_alone: BTreeMap<String, u64>,
    /// The first of these.
    left: Vec<LeftShape>,
}

impl UndoAnswer {
    pub(super) fn of(id: Uuid, outcome: UndoOutcome) -> Self {
        let left = outcome.left.into_iter().map(|left| LeftShape {
            customer: left.customer.0,
            document: left.document.map(|document| document.0),
            reason: left.why,
        });
        Self {
            id,
            customers: outcome.customers,
            documents: outcome.documents,
            left: left.collect(),
            left_alone: outcome.left_alone,
        }
    }
}

/// A handover.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct HandoverItem {
    id: Uuid,
    from: Person,
    by: Person,
    reason: String,
    /// done or undone.
    state: &'static str,
    /// In milliseconds since 1970.
    at: i64,
    undo_until: i64,
    /// You may undo it now.
    may_undo: bool,
    undone_at: Option<i64>,
    undone_by: Option<Person>,
    /// What went back.
    undo: Option<UndoAnswer>,
    counts: CountsShape,
    targets: Vec<TargetShape>,
    returned_to_owner: u64,
    skipped: BTreeMap<String, u64>,
}

impl HandoverItem {
    fn of(listed: Listed, names: &Names, now: Timestamp) -> Self {
        let Listed {
            row,
            outcome,
            undo,
            may_undo,
        } = listed;
        Self {
            id: row.id.0,
            from: names.person(row.from),
            by: names.person(row.by),
            state: if row.undone.is_some() { "undone" } else { "done" },
            at: row.done_at.0,
            undo_until: row.undo_until.0,
            may_undo: may_undo && now <= row.undo_until,
            undone_at: row.undone.map(|(at, _)| at.0),
            undone_by: row.undone.map(|(_, by)| names.person(by)),
            undo: undo.map(|undo| UndoAnswer::of(row.id.0, undo)),
            counts: CountsShape::of(&outcome.counts),
            targets: targets(&outcome, names),
            returned_to_owner: outcome.returned_to_owner,
            skipped: outcome.skipped,
            reason: row.reason,
        }
    }
}

/// Somebody who is leaving or has left and still owns customers.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct OpenShape {
    user: Person,
    /// offboarding or disabled.
    state: &'static str,
    customers: i64,
}

/// A page of handovers, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct HandoverPage {
    items: Vec<HandoverItem>,
    /// Where the list goes on; null at its end.
    next: Option<String>,
    /// On the first page: people who are leaving or have left, still own customers, and whose things you may hand over.
    open: Vec<OpenShape>,
}

impl HandoverPage {
    pub(super) fn of(
        items: Vec<Listed>,
        open: Vec<Leaver>,
        next: Option<String>,
        names: &Names,
        now: Timestamp,
    ) -> Self {
        let open = open.into_iter().map(|open| OpenShape {
            user: names.person(open.user),
            state: open.state.name(),
            customers: open.customers,
        });
        Self {
            open: open.collect(),
            items: items
                .into_iter()
                .map(|listed| HandoverItem::of(listed, names, now))
                .collect(),
            next,
        }
    }
}

/// A document of a briefing.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct BriefDocumentShape {
    id: Uuid,
    /// visit, follow_up, opportunity or ticket.
    kind: &'static str,
    author: Person,
    created_at: i64,
    /// Its own fields; empty ones are left out.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
}

impl BriefDocumentShape {
    fn of(document: BriefDocument, names: &Names) -> Self {
        let mut fields = document.fields;
        // What was said beside it is read at the customer, where it is attributed.
        fields.remove("comments");
        Self {
            id: document.row.id.0,
            kind: document.row.kind.name(),
            author: names.person(document.row.author),
            created_at: document.row.created_at.0,
            fields,
        }
    }
}

/// What a new owner should know of one customer, as far as you may read it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct BriefShape {
    customer: BriefCustomer,
    /// Who got it; null: a pool.
    to: Option<Person>,
    pool: Option<Uuid>,
    /// The last visit or follow-up, in milliseconds since 1970.
    last_contact: Option<i64>,
    /// The day agreed on at the last visit.
    next_date: Option<String>,
    /// Follow-ups that are not done and visits that are planned.
    tasks: Vec<BriefDocumentShape>,
    /// Opportunities that are worked on.
    opportunities: Vec<BriefDocumentShape>,
    /// Tickets without an outcome.
    tickets: Vec<BriefDocumentShape>,
}

/// A customer of a briefing.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct BriefCustomer {
    id: Uuid,
    name: String,
    stage: Option<String>,
    tier: Option<String>,
    region: Option<String>,
    /// Whose it is now.
    owner: Option<Person>,
}

impl BriefShape {
    fn of(brief: Brief, names: &Names) -> Self {
        let (to, pool) = split(brief.to, names);
        let documents = |list: Vec<BriefDocument>| -> Vec<BriefDocumentShape> {
            list.into_iter()
                .map(|document| BriefDocumentShape::of(document, names))
                .collect()
        };
        let CustomerRow {
            id,
            name,
            stage,
            tier,
            region,
            owner,
            ..
        } = brief.customer;
        Self {
            customer: BriefCustomer {
                id: id.0,
                name,
                stage,
                tier,
                region,
                owner: owner.map(|owner| names.person(owner)),
            },
            to,
            pool,
            last_contact: brief.last_contact.map(|at| at.0),
            next_date: brief.next_date,
            tasks: documents(brief.promises),
            opportunities: documents(brief.opportunities),
            tickets: documents(brief.tickets),
        }
    }
}

/// A page of a briefing.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct BriefPage {
    items: Vec<BriefShape>,
    /// Where it goes on; null at its end.
    next: Option<String>,
}

/// A handover with a page of its briefing.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct HandoverDetail {
    #[serde(flatten)]
    handover: HandoverItem,
    /// Of each customer what its new owner should know.
    briefing: BriefPage,
}

impl HandoverDetail {
    pub(super) fn of(shown: Shown, names: &Names, now: Timestamp) -> Self {
        let items = shown.briefs.into_iter().map(|brief| BriefShape::of(brief, names));
        Self {
            briefing: BriefPage {
                items: items.collect(),
                next: shown
                    .next
                    .map(|seq| crate::http::api::input::write_cursor(&[&seq.to_be_bytes()])),
            },
            handover: HandoverItem::of(shown.handover, names, now),
        }
    }
}
