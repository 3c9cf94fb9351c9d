//! Handing customers over: first what would move, then to whom and why, then it is done and the list says so.

use std::collections::BTreeMap;

use askama::Template;
use axum::{Router, extract::State, response::Response, routing::post};
use sha2::{Digest, Sha256};
use sync_core::ids::{CustomerId, PoolId, UserId};
use uuid::Uuid;

use super::{
    customers::Asked,
    page::{Frame, show},
    viewer::{Fields, Posted, Viewer, go_to},
};
use crate::{
    actions::{
        ActionError,
        assignment::{self, CUSTOMERS_MAX, To, hand_over, list_candidates},
        overview::list_matching,
    },
    app::App,
    http::Problem,
    storage::customers::CustomerRow,
};

/// Characters of a reason.
const REASON_CHARS_MAX: usize = 500;
/// Names that are shown of those that would move.
const NAMES_SHOWN: usize = 12;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/customers/assign", post(preview))
        .route("/customers/assign/confirm", post(confirm))
}

/// Which customers: some by name, or all that a filter matches.
struct Selection {
    /// All that match, not only those ticked.
    all: bool,
    asked: Asked,
    rows: Vec<CustomerRow>,
}

impl Selection {
    /// What was looked at, for the form to say: which customers, and whose each of them was. Their number says neither.
    fn seen(&self) -> String {
        let mut seen: Vec<(CustomerId, i64)> = self.rows.iter().map(|row| (row.id, row.assignment_version)).collect();
        seen.sort_unstable();
        let mut hash = Sha256::new();
        for (id, version) in seen {
            hash.update(id.as_bytes());
            hash.update(version.to_be_bytes());
        }
        hex::encode(hash.finalize())
    }
}

/// Somebody or a pool in the choice of where customers go.
pub(super) struct Goal {
    pub(super) value: String,
    pub(super) name: String,
}

pub(super) struct Group {
    pub(super) name: String,
    pub(super) options: Vec<Goal>,
}

#[derive(Template)]
#[template(path = "assign.html")]
struct AssignPage {
    frame: Frame,
    refusal: Option<String>,
    all: bool,
    query: String,
    back: String,
    ids: Vec<CustomerId>,
    seen: String,
    heading: String,
    names: Vec<String>,
    rest: usize,
    from: Vec<(String, usize)>,
    groups: Vec<Group>,
    chosen: String,
    reason: String,
    button: String,
}

async fn preview(State(app): State<App>, form: Posted) -> Result<Response, Problem> {
    let Posted { viewer, fields } = form;
    let selection = select(&app, &viewer, &fields).await?;
    if selection.rows.is_empty() {
        let path = back_of(&fields, &selection.asked);
        return Ok(go_to(&with_query(&path, "chosen=0"), viewer.visitor.scripted));
    }
    preview_page(&app, &viewer, &fields, selection, None).await
}

async fn confirm(State(app): State<App>, form: Posted) -> Result<Response, Problem> {
    let Posted { viewer, fields } = form;
    let words = viewer.words();
    let selection = select(&app, &viewer, &fields).await?;
    let reason = fields.get("reason").unwrap_or_default();
    let Some(to) = read_target(fields.get("to").unwrap_or_default()) else {
        return preview_page(&app, &viewer, &fields, selection, Some(words.say("assign-choose"))).await;
    };
    // What was looked at is what is done: if others match meanwhile, or one has another owner, they are shown first.
    if fields.get("seen") != Some(selection.seen().as_str()) {
        return preview_page(&app, &viewer, &fields, selection, Some(words.say("assign-changed"))).await;
    }
    if reason.chars().count() > REASON_CHARS_MAX || reason.contains('\0') {
        let refusal = words.count("too-long", REASON_CHARS_MAX);
        return preview_page(&app, &viewer, &fields, selection, Some(refusal)).await;
    }
    let handed = hand_over(&app, viewer.asker(), &selection.rows, to, reason).await?;
    let stayed: usize = handed.refused.values().sum();
    let why = handed.refused.iter().max_by_key(|(_, count)| **count);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("handed", &handed.done.to_string());
    if let Some((code, _)) = why {
        query
            .append_pair("stayed", &stayed.to_string())
            .append_pair("why", code);
    }
    let path = with_query(&back_of(&fields, &selection.asked), &query.finish());
    Ok(go_to(&path, viewer.visitor.scripted))
}

async fn select(app: &App, viewer: &Viewer, fields: &Fields) -> Result<Selection, Problem> {
    let asked = Asked::of(&Fields::parse(fields.raw("query").unwrap_or_default().as_bytes()))?;
    let all = fields.get("scope") == Some("all");
    let (org, user) = (viewer.person.org, viewer.person.user);
    let limit = i64::try_from(CUSTOMERS_MAX).unwrap_or(i64::MAX) + 1;
    let rows = if all {
        list_matching(&app.database, org, user, &asked.wanted()?, limit).await?
    } else {
        let ids: Vec<CustomerId> = fields
            .all("customer")
            .filter_map(|id| Uuid::parse_str(id).ok())
            .map(CustomerId)
            .collect();
        assignment::find_chosen(&app.database, org, user, &ids).await?
    };
    if rows.len() > CUSTOMERS_MAX {
        let words = viewer.words();
        return Err(ActionError::invalid(words.count("assign-too-many", CUSTOMERS_MAX)).into());
    }
    Ok(Selection { all, asked, rows })
}

async fn preview_page(
    app: &App,
    viewer: &Viewer,
    fields: &Fields,
    selection: Selection,
    refusal: Option<String>,
) -> Result<Response, Problem> {
    let (words, directory) = (viewer.words(), viewer.directory());
    let candidates = list_candidates(&app.database, viewer.person.org, viewer.person.user).await?;
    let mut from: BTreeMap<String, usize> = BTreeMap::new();
    for row in &selection.rows {
        let owner = row
            .owner
            .and_then(|owner| directory.people.iter().find(|person| person.id == owner));
        let pool = row
            .pool
            .and_then(|pool| directory.pools.iter().find(|entry| entry.id == pool));
        let name = owner
            .map(|person| person.name.clone())
            .or_else(|| pool.map(|pool| words.with("in-pool", &pool.name)));
        *from.entry(name.unwrap_or_default()).or_insert(0) += 1;
    }
    let mut from: Vec<(String, usize)> = from.into_iter().collect();
    from.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let count = selection.rows.len();
    let page = AssignPage {
        frame: Frame::of(viewer, words.say("assign-title"), "customers").still(),
        refusal,
        back: back_of(fields, &selection.asked),
        query: selection.asked.query(),
        seen: selection.seen(),
        ids: if selection.all {
            Vec::new()
        } else {
            selection.rows.iter().map(|row| row.id).collect()
        },
        all: selection.all,
        heading: words.count("assign-heading", count),
        names: selection
            .rows
            .iter()
            .take(NAMES_SHOWN)
            .map(|row| row.name.clone())
            .collect(),
        rest: count.saturating_sub(NAMES_SHOWN),
        from,
        groups: groups(viewer, candidates),
        chosen: fields.get("to").unwrap_or_default().to_owned(),
        reason: fields.get("reason").unwrap_or_default().to_owned(),
        button: words.count("assign-do", count),
    };
    show(&viewer.visitor, &page)
}

pub(super) fn groups(viewer: &Viewer, candidates: Vec<assignment::Candidate>) -> Vec<Group> {
    let (words, directory) = (viewer.words(), viewer.directory());
    let mut groups: BTreeMap<String, Vec<Goal>> = BTreeMap::new();
    for candidate in candidates {
        let team = candidate
            .team
            .and_then(|team| directory.teams.iter().find(|entry| entry.id == team));
        let name = team.map_or_else(|| words.say("no-team"), |team| team.name.clone());
        groups.entry(name).or_default().push(Goal {
            value: format!("person:{}", candidate.user),
            name: candidate.name,
        });
    }
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|(name, options)| Group { name, options })
        .collect();
    if !directory.pools.is_empty() {
        let pools = directory.pools.iter().map(|pool| Goal {
            value: format!("pool:{}", pool.id),
            name: pool.name.clone(),
        });
        groups.push(Group {
            name: words.say("pool"),
            options: pools.collect(),
        });
    }
    groups
}

pub(super) fn read_target(text: &str) -> Option<To> {
    let (kind, id) = text.split_once(':')?;
    let id = Uuid::parse_str(id).ok()?;
    match kind {
        "person" => Some(To::Person(UserId(id))),
        "pool" => Some(To::Pool(PoolId(id))),
        _ => None,
    }
}

/// Where one came from: a customer's page, or the list.
fn back_of(fields: &Fields, asked: &Asked) -> String {
    let customer = fields.get("back").and_then(|id| Uuid::parse_str(id).ok());
    customer.map_or_else(|| asked.path(), |id| format!("/customers/{id}"))
}

fn with_query(path: &str, query: &str) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}{query}")
}
