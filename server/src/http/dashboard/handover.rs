//! Handing over everything somebody has: who leaves, what he has, who takes over, a look at it, and what was done.

mod plan;
mod result;

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use sync_core::{
    hub::Successor,
    ids::{HandoverId, UserId},
    time::Timestamp,
    visibility::UserState,
};
use uuid::Uuid;

use super::{
    page::{Frame, show},
    text::{Clock, When},
    viewer::{Fields, Viewer},
    words::Words,
};
use crate::{
    actions::{
        ActionError,
        handovers::{Counts, Listed, list_handovers, list_leavers},
    },
    app::App,
    http::{
        Problem,
        api::input::{bad_cursor, read_cursor, write_cursor},
    },
};

/// Handovers on one page.
const ROWS: i64 = 50;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/handover", get(open))
        .route("/handover/preview", post(plan::preview))
        .route("/handover/confirm", post(plan::confirm))
        .route("/handover/{id}", get(result::handover))
        .route("/handover/{id}/undo", post(result::undo))
}

/// A kind of thing and how many change hands.
pub(super) struct Figure {
    pub(super) label: String,
    pub(super) count: u64,
}

/// What changes hands, kind by kind.
fn figures(words: Words, counts: &Counts) -> Vec<Figure> {
    [
        ("customers", counts.customers),
        ("opportunities_open", counts.opportunities_open),
        ("opportunities_closed", counts.opportunities_closed),
        ("tasks", counts.tasks),
        ("planned_visits", counts.planned_visits),
        ("tickets", counts.tickets),
        ("responsible_elsewhere", counts.responsible_elsewhere),
    ]
    .into_iter()
    .map(|(kind, count)| Figure {
        label: words.of("held-", kind),
        count,
    })
    .collect()
}

pub(super) fn name_of(viewer: &Viewer, user: UserId) -> String {
    let people = &viewer.directory().people;
    let found = people.iter().find(|person| person.id == user);
    found.map_or_else(|| user.to_string(), |person| person.name.clone())
}

fn name_of_successor(viewer: &Viewer, to: Successor) -> String {
    match to {
        Successor::Person(user) => name_of(viewer, user),
        Successor::Pool(pool) => {
            let pools = &viewer.directory().pools;
            let found = pools.iter().find(|entry| entry.id == pool);
            let name = found.map_or_else(|| pool.to_string(), |pool| pool.name.clone());
            viewer.words().with("in-pool", name)
        }
    }
}

struct Person {
    id: UserId,
    name: String,
    customers: String,
    state: Option<String>,
}

struct Row {
    id: HandoverId,
    from: String,
    to: Vec<String>,
    customers: u64,
    by: String,
    when: When,
    ago: String,
    undone: bool,
}

#[derive(Template)]
#[template(path = "handovers.html")]
struct HandoversPage {
    frame: Frame,
    leavers: Vec<Person>,
    rows: Vec<Row>,
    is_first: bool,
    more: Option<String>,
}

/// The list; with `from` what this person has and the plan.
async fn open(State(app): State<App>, viewer: Viewer) -> Result<Response, Problem> {
    let query = viewer.visitor.here.split_once('?').map_or("", |(_, query)| query);
    let fields = Fields::parse(query.as_bytes());
    if let Some(from) = fields.get("from") {
        let from = Uuid::parse_str(from).map_err(|_| crate::actions::Code::NotFound)?;
        return plan::plan_page(&app, &viewer, UserId(from), &Fields::default(), None).await;
    }
    let words = viewer.words();
    let (org, user) = (viewer.person.org, viewer.person.user);
    let before = fields.get("after").map(read_place).transpose()?;
    let (items, next) = list_handovers(&app.database, org, user, before, ROWS).await?;
    let leavers = list_leavers(&app.database, org, user).await?;
    let clock = Clock::new(&viewer.zone, words, app.seam.now());
    let page = HandoversPage {
        frame: Frame::of(&viewer, words.say("handover-title"), "handover"),
        leavers: leavers
            .into_iter()
            .map(|leaver| Person {
                id: leaver.user,
                customers: words.count("customers-count", leaver.customers),
                state: (leaver.state != UserState::Active).then(|| words.of("person-", leaver.state.name())),
                name: leaver.name,
            })
            .collect(),
        rows: items.into_iter().map(|item| row(&viewer, &clock, item)).collect(),
        is_first: before.is_none(),
        more: next.map(|(at, id)| {
            let cursor = write_cursor(&[&at.0.to_be_bytes(), id.as_bytes()]);
            format!("/handover?after={cursor}")
        }),
    };
    show(&viewer.visitor, &page)
}

fn read_place(cursor: &str) -> Result<(Timestamp, HandoverId), ActionError> {
    let bytes = read_cursor(cursor)?;
    let (at, id) = bytes.split_first_chunk::<8>().ok_or_else(bad_cursor)?;
    let id = Uuid::from_slice(id).map_err(|_| bad_cursor())?;
    Ok((Timestamp(i64::from_be_bytes(*at)), HandoverId(id)))
}

fn row(viewer: &Viewer, clock: &Clock, listed: Listed) -> Row {
    let Listed { row, outcome, .. } = listed;
    let parts = outcome.parts.iter();
    Row {
        id: row.id,
        from: name_of(viewer, row.from),
        to: parts.map(|part| name_of_successor(viewer, part.to)).collect(),
        customers: outcome.counts.customers,
        by: name_of(viewer, row.by),
        when: clock.at(row.done_at),
        ago: clock.ago(row.done_at),
        undone: row.undone.is_some(),
    }
}
