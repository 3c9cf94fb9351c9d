//! What a handover moved, what its new owners should know, and taking it back.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::{Value, json};
use sync_core::{
    document::Kind,
    hub::Successor,
    ids::{CustomerId, HandoverId},
};
use uuid::Uuid;

use super::{Figure, figures, name_of, name_of_successor};
use crate::{
    actions::{
        ActionError, Code,
        assignment::To,
        delivery::record_delivery,
        handovers::{Brief, BriefDocument, Listed, Shown, show_handover, undo as undo_handover},
    },
    app::App,
    http::{
        Problem,
        api::input::{bad_cursor, read_cursor, write_cursor},
        dashboard::{
            assign::read_target,
            page::{Frame, show},
            text::{Clock, When, choice, money},
            viewer::{Fields, Posted, Viewer, go_to},
            words::Words,
        },
    },
};

/// Customers of a briefing on one page.
const ROWS: i64 = 50;

struct Target {
    name: String,
    path: String,
    chosen: bool,
    figures: Vec<Figure>,
}

struct Line {
    kind: String,
    text: String,
    detail: String,
}

struct Card {
    id: CustomerId,
    name: String,
    to: String,
    contact: Option<(When, String)>,
    next_date: Option<String>,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "handover.html")]
struct HandoverPage {
    frame: Frame,
    notice: Option<String>,
    id: HandoverId,
    heading: String,
    by: String,
    when: When,
    reason: String,
    undone: Option<(String, When)>,
    went_back: Vec<String>,
    undo_until: Option<When>,
    total: Vec<Figure>,
    targets: Vec<Target>,
    returned: u64,
    not_permitted: u64,
    all_path: Option<String>,
    cards: Vec<Card>,
    is_first: bool,
    first: String,
    more: Option<String>,
}

/// A handover with a page of its briefing.
pub(super) async fn handover(
    State(app): State<App>,
    Path(id): Path<String>,
    viewer: Viewer,
) -> Result<Response, Problem> {
    let id = HandoverId(Uuid::parse_str(&id).map_err(|_| Code::NotFound)?);
    let query = viewer.visitor.here.split_once('?').map_or("", |(_, query)| query);
    let fields = Fields::parse(query.as_bytes());
    let to = fields.get("to").and_then(read_target).map(|to| match to {
        To::Person(user) => Successor::Person(user),
        To::Pool(pool) => Successor::Pool(pool),
    });
    let after = fields.get("after").map(read_seq).transpose()?;
    let (org, user) = (viewer.person.org, viewer.person.user);
    let shown = show_handover(&app.database, org, user, id, to, (after, ROWS)).await?;
    if !shown.briefs.is_empty() {
        let detail = json!({ "customers": shown.briefs.len() });
        record_delivery(&app, org, user, "handover_read", id, detail).await?;
    }
    let words = viewer.words();
    let notice = match fields.get("done") {
        Some("handover") => Some(words.say("handover-was-done")),
        Some("undo") => Some(words.say("handover-was-undone")),
        _ => None,
    };
    show(
        &viewer.visitor,
        &page(&app, &viewer, shown, to, after.is_none(), notice),
    )
}

fn read_seq(cursor: &str) -> Result<i64, ActionError> {
    let bytes = read_cursor(cursor)?;
    Ok(i64::from_be_bytes(bytes.try_into().map_err(|_| bad_cursor())?))
}

/// Takes it back.
pub(super) async fn undo(State(app): State<App>, Path(id): Path<String>, form: Posted) -> Result<Response, Problem> {
    let id = HandoverId(Uuid::parse_str(&id).map_err(|_| Code::NotFound)?);
    undo_handover(&app, form.viewer.asker(), id).await?;
    let path = format!("/handover/{id}?done=undo");
    Ok(go_to(&path, form.viewer.visitor.scripted))
}

fn page(
    app: &App,
    viewer: &Viewer,
    shown: Shown,
    to: Option<Successor>,
    is_first: bool,
    notice: Option<String>,
) -> HandoverPage {
    let words = viewer.words();
    let now = app.seam.now();
    let clock = Clock::new(&viewer.zone, words, now);
    let Listed {
        row,
        outcome,
        undo,
        may_undo,
    } = shown.handover;
    let path = format!("/handover/{}", row.id);
    let target_path = |to: Successor| match to {
        Successor::Person(user) => format!("{path}?to=person:{user}"),
        Successor::Pool(pool) => format!("{path}?to=pool:{pool}"),
    };
    let first = to.map_or_else(|| path.clone(), target_path);
    let counted = |key: &'static str, count: u64| (count > 0).then(|| sentence(words, key, count));
    let went_back = undo.map(|undo| {
        let left = |why: &str| undo.left_alone.get(why).copied().unwrap_or(0);
        let sentences = [
            Some(sentence(words, "back", undo.customers)),
            counted("moved", left("moved_again")),
            counted("changed", left("changed_since")),
        ];
        sentences.into_iter().flatten().collect()
    });
    HandoverPage {
        frame: Frame::of(viewer, words.say("handover-title"), "handover"),
        notice,
        id: row.id,
        heading: words.with("handover-of", name_of(viewer, row.from)),
        by: name_of(viewer, row.by),
        when: clock.at(row.done_at),
        reason: row.reason,
        undone: row.undone.map(|(at, by)| (name_of(viewer, by), clock.at(at))),
        went_back: went_back.unwrap_or_default(),
        undo_until: (may_undo && now <= row.undo_until).then(|| clock.at(row.undo_until)),
        total: figures(words, &outcome.counts),
        all_path: to.map(|_| path.clone()),
        targets: outcome
            .parts
            .iter()
            .map(|part| Target {
                name: name_of_successor(viewer, part.to),
                path: target_path(part.to),
                chosen: to == Some(part.to),
                figures: figures(words, &part.counts),
            })
            .collect(),
        returned: outcome.returned_to_owner,
        not_permitted: outcome.skipped.get("not_permitted").copied().unwrap_or(0),
        cards: shown
            .briefs
            .into_iter()
            .map(|brief| card(viewer, &clock, brief))
            .collect(),
        is_first,
        more: shown.next.map(|seq| {
            let sign = if first.contains('?') { '&' } else { '?' };
            format!("{first}{sign}after={}", write_cursor(&[&seq.to_be_bytes()]))
        }),
        first,
    }
}

fn sentence(words: Words, key: &str, count: u64) -> String {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    match key {
        "back" => words.count("handover-back", count),
        "moved" => words.count("handover-left-moved", count),
        _ => words.count("handover-left-changed", count),
    }
}

fn card(viewer: &Viewer, clock: &Clock, brief: Brief) -> Card {
    let documents = brief.promises.iter().chain(&brief.opportunities).chain(&brief.tickets);
    Card {
        lines: documents.map(|document| line(viewer, clock, document)).collect(),
        id: brief.customer.id,
        to: name_of_successor(viewer, brief.to),
        contact: brief.last_contact.map(|at| (clock.at(at), clock.ago(at))),
        next_date: brief.next_date,
        name: brief.customer.name,
    }
}

fn line(viewer: &Viewer, clock: &Clock, document: &BriefDocument) -> Line {
    let words = viewer.words();
    let text = |key: &str| document.fields.get(key).and_then(Value::as_str).unwrap_or_default();
    let (what, detail) = match document.row.kind {
        Kind::Visit => {
            let planned = document.fields.get("planned_at").and_then(Value::as_i64);
            let planned = planned.map(|at| clock.at(sync_core::time::Timestamp(at)).short);
            (text("note"), planned.unwrap_or_default())
        }
        Kind::Opportunity => {
            let pipeline = &viewer.directory().settings.pipeline;
            let stages: Vec<_> = pipeline.iter().map(|stage| stage.choice.clone()).collect();
            let amount = document.fields.get("amount_minor").and_then(Value::as_i64);
            let amount = amount.map(|minor| money(minor, text("currency")));
            let stage = choice(&stages, words, text("stage"));
            let detail: Vec<String> = [Some(stage), amount]
                .into_iter()
                .flatten()
                .filter(|part| !part.is_empty())
                .collect();
            (text("title"), detail.join(" · "))
        }
        _ => (text("text"), text("due").to_owned()),
    };
    Line {
        kind: words.of("kind-", document.row.kind.name()),
        text: what.to_owned(),
        detail,
    }
}
