//! Temporary cover: who looks after whose customers, until when; beginning one and ending it early.

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use sync_core::{
    ids::{CoverId, UserId},
    time::Timestamp,
    visibility::UserState,
};
use uuid::Uuid;

use super::{
    assign::{Group, groups, read_target},
    handover::name_of,
    page::{Frame, show},
    text::{Clock, When},
    viewer::{Fields, Posted, Viewer, go_to},
    words::Words,
};
use crate::{
    actions::{
        ActionError, Code,
        assignment::{To, list_candidates},
        covers::{COVER_MS_MAX, CoverOrder, ListedCover, begin, end, list_covers},
        handovers::list_leavers,
    },
    app::App,
    http::{
        Problem,
        api::{
            covers::read_place,
            input::{reason, write_cursor},
        },
    },
};

/// Covers on one page.
const ROWS: i64 = 50;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/covers", get(open))
        .route("/covers/begin", post(begin_cover))
        .route("/covers/{id}/end", post(end_cover))
}

/// Somebody whose customers may be given to a cover.
struct Away {
    id: UserId,
    name: String,
    customers: String,
}

struct Row {
    id: CoverId,
    of: String,
    by: String,
    given_by: String,
    reason: String,
    customers: String,
    until: When,
    lasts: bool,
    may_end: bool,
}

#[derive(Template)]
#[template(path = "covers.html")]
struct CoversPage {
    frame: Frame,
    notice: Option<String>,
    refusal: Option<String>,
    away: Vec<Away>,
    groups: Vec<Group>,
    today: String,
    of: String,
    by: String,
    until: String,
    reason: String,
    rows: Vec<Row>,
    is_first: bool,
    more: Option<String>,
}

async fn open(State(app): State<App>, viewer: Viewer) -> Result<Response, Problem> {
    let query = viewer.visitor.here.split_once('?').map_or("", |(_, query)| query);
    let fields = Fields::parse(query.as_bytes());
    page(&app, &viewer, &fields, None).await
}

/// The list, with the form as it was last filled in and why it was refused.
async fn page(app: &App, viewer: &Viewer, fields: &Fields, refusal: Option<String>) -> Result<Response, Problem> {
    let words = viewer.words();
    let (org, user) = (viewer.person.org, viewer.person.user);
    let before = fields.get("after").map(read_place).transpose()?;
    let (items, next) = list_covers(&app.database, org, user, before, ROWS).await?;
    let mut leavers = list_leavers(&app.database, org, user).await?;
    leavers.retain(|leaver| leaver.state == UserState::Active);
    let groups = match leavers.is_empty() {
        true => Vec::new(),
        false => {
            let mut groups = groups(viewer, list_candidates(&app.database, org, user).await?);
            // A pool stands in for nobody.
            groups.retain(|group| group.options.iter().all(|goal| goal.value.starts_with("person:")));
            groups
        }
    };
    let clock = Clock::new(&viewer.zone, words, app.seam.now());
    let field = |name: &str| fields.get(name).unwrap_or_default().to_owned();
    let notice = match fields.get("done") {
        Some("begun") => Some(words.say("cover-begun")),
        Some("ended") => Some(words.say("cover-ended")),
        _ => None,
    };
    let frame = Frame::of(viewer, words.say("covers-title"), "handover");
    let page = CoversPage {
        frame: if refusal.is_some() { frame.still() } else { frame },
        notice,
        refusal,
        away: leavers
            .into_iter()
            .map(|leaver| Away {
                id: leaver.user,
                name: leaver.name,
                customers: words.count("customers-count", leaver.customers),
            })
            .collect(),
        groups,
        today: Clock::new(&organisation_zone(viewer), words, app.seam.now()).today(),
        of: field("of"),
        by: field("by"),
        until: field("until"),
        reason: field("reason"),
        rows: items.into_iter().map(|item| row(viewer, &clock, item)).collect(),
        is_first: before.is_none(),
        more: next.map(|(at, id)| {
            let cursor = write_cursor(&[&at.0.to_be_bytes(), id.as_bytes()]);
            format!("/covers?after={cursor}")
        }),
    };
    show(&viewer.visitor, &page)
}

fn row(viewer: &Viewer, clock: &Clock, listed: ListedCover) -> Row {
    let ListedCover { row, may_end } = listed;
    let words = viewer.words();
    Row {
        id: row.id,
        of: name_of(viewer, row.of),
        by: name_of(viewer, row.by),
        given_by: name_of(viewer, row.given_by),
        customers: match row.everything {
            true => words.say("cover-all"),
            false => words.count("customers-count", row.customers),
        },
        // The last instant of the last day, not the first of the next.
        until: clock.at(row.ended_at.unwrap_or(row.until.plus_ms(-1))),
        lasts: row.ended_at.is_none(),
        reason: row.reason,
        may_end,
    }
}

async fn begin_cover(State(app): State<App>, form: Posted) -> Result<Response, Problem> {
    let Posted { viewer, fields } = form;
    let refusal = match order(&viewer, &fields, app.seam.now()) {
        Ok(order) => match begin(&app, viewer.asker(), &order).await {
            Ok(_) => return Ok(go_to("/covers?done=begun", viewer.visitor.scripted)),
            Err(error) => said_beside(viewer.words(), error)?,
        },
        Err(refusal) => refusal,
    };
    page(&app, &viewer, &fields, Some(refusal)).await
}

/// What one can do something about is said beside the form.
fn said_beside(words: Words, error: ActionError) -> Result<String, Problem> {
    let beside = [
        Code::CoverBySelf,
        Code::TargetNotActive,
        Code::Conflict,
        Code::InvalidRequest,
        Code::TooLarge,
    ];
    let is_said = error.code().is_some_and(|code| beside.contains(&code));
    let problem = Problem::from(error);
    if !is_said {
        return Err(problem);
    }
    let (title, advice) = problem.words(words.0);
    Ok(words.join(title, advice))
}

/// What the form asks for, or why it asks for nothing.
fn order(viewer: &Viewer, fields: &Fields, now: Timestamp) -> Result<CoverOrder, String> {
    let words = viewer.words();
    let of = fields.get("of").and_then(|id| Uuid::parse_str(id).ok());
    let by = match fields.get("by").and_then(read_target) {
        Some(To::Person(user)) => Some(user),
        _ => None,
    };
    let (Some(of), Some(by)) = (of, by) else {
        return Err(words.say("cover-nobody"));
    };
    let until = fields.get("until").and_then(|day| end_of_day(viewer, day));
    let until = until.filter(|until| *until > now && until.since_ms(now) <= COVER_MS_MAX);
    let reason = reason(fields.get("reason").unwrap_or_default().to_owned());
    Ok(CoverOrder {
        of: UserId(of),
        by,
        until: until.ok_or_else(|| words.say("cover-bad-day"))?,
        customers: None,
        reason: reason.map_err(|error| said_beside(words, error).unwrap_or_default())?,
    })
}

/// When a civil day of the organisation ends.
fn end_of_day(viewer: &Viewer, day: &str) -> Option<Timestamp> {
    let next = day.parse::<Date>().ok()?.checked_add(1.day()).ok()?;
    let end = next.to_zoned(organisation_zone(viewer)).ok()?;
    Some(Timestamp(end.timestamp().as_millisecond()))
}

/// Civil days are the organisation's, wherever its people are.
fn organisation_zone(viewer: &Viewer) -> TimeZone {
    TimeZone::get(&viewer.directory().timezone).unwrap_or(TimeZone::UTC)
}

async fn end_cover(State(app): State<App>, Path(id): Path<String>, form: Posted) -> Result<Response, Problem> {
    let id = Uuid::parse_str(&id).map_err(|_| Code::NotFound)?;
    end(&app, form.viewer.asker(), CoverId(id)).await?;
    Ok(go_to("/covers?done=ended", form.viewer.visitor.scripted))
}
