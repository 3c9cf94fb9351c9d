//! The fields of a document: changing them, choosing between two values, and who set what.

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use serde_json::{Map, Value};
use sync_core::{
    document::{FieldType, Kind},
    ids::{CustomerId, DocumentId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    page::{Frame, show},
    text::{Clock, When, plain},
    viewer::{Fields, Posted, Viewer, go_to},
};
use crate::{
    actions::{
        Code,
        customers::show_document,
        edit::edit_document,
        history::{History, show_history},
        proposals::{self, Choice},
    },
    app::App,
    http::Problem,
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/documents/{id}/fields", post(edit))
        .route("/documents/{id}/resolve", post(resolve))
        .route("/documents/{id}/history", get(history))
        .route("/proposals/{id}/decision", post(decide_proposal))
}

async fn edit(State(app): State<App>, Path(id): Path<String>, form: Posted) -> Result<Response, Problem> {
    let Posted { viewer, fields } = form;
    let id = read_id(&id)?;
    let (kind, customer) = find(&app, &viewer, id).await?;
    let edits = edits_of(kind, &fields);
    if edits.is_empty() {
        return Ok(back(&viewer, customer, "done=nothing"));
    }
    finish(&app, &viewer, id, customer, &edits, "done=edit").await
}

/// Chooses one value of a field that has several: writing it settles the conflict everywhere.
async fn resolve(State(app): State<App>, Path(id): Path<String>, form: Posted) -> Result<Response, Problem> {
    let Posted { viewer, fields } = form;
    let id = read_id(&id)?;
    let (_, customer) = find(&app, &viewer, id).await?;
    let field = fields.raw("field").unwrap_or_default();
    let value =
        serde_json::from_str::<Value>(fields.raw("value").unwrap_or_default()).map_err(|_| Code::InvalidRequest)?;
    let mut edits = Map::new();
    match field.split_once('.') {
        Some((map, entry)) => {
            let mut entries = Map::new();
            entries.insert(entry.to_owned(), value);
            edits.insert(map.to_owned(), Value::Object(entries));
        }
        None => {
            edits.insert(field.to_owned(), value);
        }
    }
    finish(&app, &viewer, id, customer, &edits, "done=resolve").await
}

/// Takes a late value over, or leaves the field as it is.
async fn decide_proposal(State(app): State<App>, Path(id): Path<String>, form: Posted) -> Result<Response, Problem> {
    let Posted { viewer, fields } = form;
    let id = Uuid::parse_str(&id).map_err(|_| Code::NotFound)?;
    let (choice, done) = match fields.raw("decision") {
        Some("accept") => (Choice::TakeOver, "done=taken-over"),
        Some("dismiss") => (Choice::Dismiss, "done=dismissed"),
        _ => return Err(Code::InvalidRequest.into()),
    };
    let decided = proposals::decide(&app, viewer.asker(), id, choice).await?;
    Ok(back(&viewer, decided.customer, done))
}

async fn finish(
    app: &App,
    viewer: &Viewer,
    id: DocumentId,
    customer: CustomerId,
    edits: &Map<String, Value>,
    done: &str,
) -> Result<Response, Problem> {
    match edit_document(app, viewer.asker(), id, edits).await {
        Ok(()) => Ok(back(viewer, customer, done)),
        Err(error) => {
            let problem = Problem::from(error);
            if !problem.status().is_client_error() || problem.code() == Code::NotFound {
                return Err(problem);
            }
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("problem", problem.code().as_str());
            if let Some(field) = problem.refusal().extra.get("field").and_then(Value::as_str) {
                query.append_pair("field", field.split('.').next().unwrap_or(field));
            }
            Ok(back(viewer, customer, &query.finish()))
        }
    }
}

/// The fields that were changed in the form: one that somebody else has changed meanwhile is not written back.
fn edits_of(kind: Kind, fields: &Fields) -> Map<String, Value> {
    let mut edits = Map::new();
    for field in kind.fields() {
        let Some(now) = fields.raw(field.key) else { continue };
        let (now, before) = (
            now.trim(),
            fields.raw(&["was.", field.key].concat()).unwrap_or_default().trim(),
        );
        let now = now.replace("\r\n", "\n");
        if now == before {
            continue;
        }
        let value = match field.value {
            FieldType::Map(_) => tag_edits(before, &now),
            _ if now.is_empty() => Value::Null,
            _ => Value::String(now),
        };
        edits.insert(field.key.to_owned(), value);
    }
    edits
}

/// Tags as they are typed, with commas of either language between them. What was not touched is not written, so that
/// tags that somebody else adds meanwhile stay.
fn tag_edits(before: &str, now: &str) -> Value {
    let split = |text: &str| -> Vec<String> {
        text.split([',', '，', '、'])
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| !tag.is_empty())
            .collect()
    };
    let (before, now) = (split(before), split(now));
    let missing = |from: &[String], other: &[String]| -> Vec<Value> {
        let not_there = from.iter().filter(|tag| !other.contains(tag));
        not_there.map(|tag| Value::String(tag.clone())).collect()
    };
    let mut edits = Map::new();
    edits.insert("add".to_owned(), missing(&now, &before).into());
    edits.insert("remove".to_owned(), missing(&before, &now).into());
    Value::Object(edits)
}

struct Written {
    value: String,
    who: String,
    device: String,
    when: When,
    arrived: Option<When>,
    current: bool,
    late: bool,
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    frame: Frame,
    label: String,
    kind: String,
    name: String,
    back: String,
    writes: Vec<Written>,
}

async fn history(State(app): State<App>, Path(id): Path<String>, viewer: Viewer) -> Result<Response, Problem> {
    let id = read_id(&id)?;
    let query = viewer.visitor.here.split_once('?').map_or("", |(_, query)| query);
    let fields = Fields::parse(query.as_bytes());
    let field = fields.raw("field").unwrap_or_default();
    let words = viewer.words();
    let (org, user) = (viewer.person.org, viewer.person.user);
    let history = show_history(&app.database, org, user, id, field).await?;
    let (document, _) = show_document(&app.database, org, user, id).await?;
    let (key, entry) = field.split_once('.').map_or((field, ""), |(key, entry)| (key, entry));
    let label = words.of("field-", key);
    let name = ["name", "title"]
        .iter()
        .find_map(|key| document.fields.get(*key)?.as_str());
    let page = HistoryPage {
        frame: Frame::of(&viewer, words.with("history-title", &label), "customers"),
        label: if entry.is_empty() {
            label
        } else {
            format!("{label} · {entry}")
        },
        kind: words.of("kind-", document.row.kind.name()),
        name: name.unwrap_or_default().to_owned(),
        back: format!("/customers/{}", document.row.customer),
        writes: writes(&app, &viewer, &history),
    };
    show(&viewer.visitor, &page)
}

fn writes(app: &App, viewer: &Viewer, history: &History) -> Vec<Written> {
    let words = viewer.words();
    let clock = Clock::new(&viewer.zone, words, app.seam.now());
    let minute = 60_000;
    let write = |written: &crate::actions::history::Written| {
        let change = &written.change;
        let who = history.people.get(&UserId(change.author_id));
        let device = change
            .device_id
            .map(sync_core::ids::DeviceId)
            .and_then(|device| history.devices.get(&device));
        let (at, arrived) = (Timestamp(change.device_time), Timestamp(change.received_at));
        Written {
            value: written
                .value
                .as_ref()
                .map(|value| plain(value, words))
                .unwrap_or_default(),
            who: who.map(|person| person.name.clone()).unwrap_or_default(),
            device: device.cloned().unwrap_or_else(|| words.say("on-web")),
            when: clock.at(at),
            arrived: (arrived.since_ms(at) > minute).then(|| clock.at(arrived)),
            current: written.current,
            late: change.late,
        }
    };
    history.writes.iter().rev().map(write).collect()
}

async fn find(app: &App, viewer: &Viewer, id: DocumentId) -> Result<(Kind, CustomerId), Problem> {
    let (document, _) = show_document(&app.database, viewer.person.org, viewer.person.user, id).await?;
    Ok((document.row.kind, document.row.customer))
}

fn back(viewer: &Viewer, customer: CustomerId, query: &str) -> Response {
    go_to(&format!("/customers/{customer}?{query}"), viewer.visitor.scripted)
}

fn read_id(text: &str) -> Result<DocumentId, Problem> {
    Uuid::parse_str(text).map(DocumentId).map_err(|_| Code::NotFound.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_changed_in_the_form_is_written() {
        let form =
            "name=B&was.name=A&region=X&was.region=X&address=&was.address=old&tags=a%EF%BC%8Cc&was.tags=a,b&stray=1";
        let edits = edits_of(Kind::Card, &Fields::parse(form.as_bytes()));
        let expected = json!({"name": "B", "address": null, "tags": {"add": ["c"], "remove": ["b"]}});
        assert_eq!(Value::Object(edits), expected);
    }
}
