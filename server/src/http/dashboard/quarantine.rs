//! What waits for a decision: what somebody's phone wrote and might not, in words and in bytes; accepted or refused once.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use serde_json::json;
use sha2::{Digest, Sha256};
use sync_core::{
    document::Kind,
    ids::{CustomerId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use super::{
    page::{Frame, show},
    text::{Clock, When, plain},
    viewer::{Fields, Posted, Viewer, go_to},
    words::Words,
};
use crate::{
    actions::{
        Code,
        assignment::find_chosen,
        delivery::record_delivery,
        quarantine::{Decision, decide},
        quarantined::{Ticket, list_waiting},
    },
    app::App,
    http::{
        Problem,
        api::{
            input::{reason, write_cursor},
            quarantine::read_place,
        },
    },
    storage::{reading::QuarantinedChange, viewers::Named},
};

/// Chains on one page: each is read before it is decided.
const ROWS: i64 = 20;
/// Bytes of a change that are shown; of a longer one the beginning.
const BYTES_SHOWN: usize = 1_024;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/quarantine", get(open))
        .route("/quarantine/{id}", post(decide_one))
}

/// One change as it was sent.
struct Bytes {
    seq: i64,
    length: String,
    sha256: String,
    hex: String,
    is_cut: bool,
}

struct Row {
    id: Uuid,
    customer: CustomerId,
    /// None: it was never made, or the viewer may not see it.
    name: Option<String>,
    kind: String,
    author: String,
    why: String,
    changes: String,
    made: When,
    received: When,
    writes: Vec<(String, Option<String>)>,
    bytes: Vec<Bytes>,
    may_decide: bool,
}

#[derive(Template)]
#[template(path = "quarantine.html")]
struct QuarantinePage {
    frame: Frame,
    notice: Option<String>,
    refusal: Option<String>,
    rows: Vec<Row>,
    is_first: bool,
    more: Option<String>,
}

async fn open(State(app): State<App>, viewer: Viewer) -> Result<Response, Problem> {
    let query = viewer.visitor.here.split_once('?').map_or("", |(_, query)| query);
    let fields = Fields::parse(query.as_bytes());
    page(&app, &viewer, &fields, None).await
}

async fn page(app: &App, viewer: &Viewer, fields: &Fields, refusal: Option<String>) -> Result<Response, Problem> {
    let words = viewer.words();
    let (org, user) = (viewer.person.org, viewer.person.user);
    let after = fields.get("after").map(read_place).transpose()?;
    let waiting = list_waiting(&app.database, org, user, after, ROWS).await?;
    if !waiting.items.is_empty() {
        let detail = json!({ "items": waiting.items.len() });
        record_delivery(app, org, user, "quarantine_listed", user, detail).await?;
    }
    let ids: Vec<CustomerId> = waiting
        .items
        .iter()
        .map(|ticket| CustomerId(ticket.first().customer_id))
        .collect();
    let names: BTreeMap<CustomerId, String> = find_chosen(&app.database, org, user, &ids)
        .await?
        .into_iter()
        .map(|customer| (customer.id, customer.name))
        .collect();
    let notice = match fields.get("done") {
        Some("accepted") => Some(words.say("quarantine-was-accepted")),
        Some("refused") => Some(words.say("quarantine-was-refused")),
        _ => None,
    };
    let clock = Clock::new(&viewer.zone, words, app.seam.now());
    let frame = Frame::of(viewer, words.say("quarantine-title"), "quarantine");
    let page = QuarantinePage {
        frame: if refusal.is_some() { frame.still() } else { frame },
        notice,
        refusal,
        rows: waiting
            .items
            .iter()
            .map(|ticket| row(words, &clock, ticket, &names, &waiting.people))
            .collect(),
        is_first: after.is_none(),
        more: waiting.next.map(|(at, ticket)| {
            let cursor = write_cursor(&[&at.to_be_bytes(), ticket.as_bytes()]);
            format!("/quarantine?after={cursor}")
        }),
    };
    show(&viewer.visitor, &page)
}

fn row(
    words: Words,
    clock: &Clock,
    ticket: &Ticket,
    names: &BTreeMap<CustomerId, String>,
    people: &BTreeMap<UserId, Named>,
) -> Row {
    let first = ticket.first();
    let customer = CustomerId(first.customer_id);
    let kind = u8::try_from(first.kind).ok().and_then(Kind::from_number);
    let author = UserId(first.author_id);
    Row {
        id: first.ticket_id,
        customer,
        name: names.get(&customer).cloned(),
        kind: kind.map(|kind| words.of("kind-", kind.name())).unwrap_or_default(),
        author: people
            .get(&author)
            .map_or_else(|| author.to_string(), |named| named.name.clone()),
        why: or_code(words, "waits-", &first.reason),
        changes: words.count("quarantine-changes", ticket.changes.len()),
        made: clock.at(Timestamp(first.device_time)),
        received: clock.at(Timestamp(first.received_at)),
        writes: ticket
            .writes
            .iter()
            .map(|(field, value)| {
                let label = or_code(words, "field-", field);
                (label, value.as_ref().map(|value| plain(value, words)))
            })
            .collect(),
        bytes: ticket
            .changes
            .iter()
            .filter_map(|change| bytes(words, change))
            .collect(),
        may_decide: ticket.may_decide,
    }
}

fn bytes(words: Words, change: &QuarantinedChange) -> Option<Bytes> {
    let body = change.body.as_deref()?;
    let shown = &body[..body.len().min(BYTES_SHOWN)];
    Some(Bytes {
        seq: change.seq,
        length: words.count("quarantine-bytes", body.len()),
        sha256: hex::encode(Sha256::digest(body)),
        hex: hex::encode(shown),
        is_cut: shown.len() < body.len(),
    })
}

/// The text of a word of the data; of one that this version has no text for, the word itself.
fn or_code(words: Words, family: &str, word: &str) -> String {
    let text = words.of(family, word);
    match text.starts_with(family) {
        true => word.to_owned(),
        false => text,
    }
}

async fn decide_one(State(app): State<App>, Path(id): Path<String>, form: Posted) -> Result<Response, Problem> {
    let Posted { viewer, fields } = form;
    let id = Uuid::parse_str(&id).map_err(|_| Code::NotFound)?;
    let (decision, done) = match fields.get("decision") {
        Some("accept") => (Decision::Accept, "accepted"),
        Some("refuse") => (Decision::Refuse, "refused"),
        _ => return Err(Code::InvalidRequest.into()),
    };
    let why = reason(fields.get("reason").unwrap_or_default().to_owned())?;
    match decide(&app, viewer.asker(), id, decision, &why).await {
        Ok(_) => Ok(go_to(&format!("/quarantine?done={done}"), viewer.visitor.scripted)),
        // Decided by somebody else, or it no longer fits: the list says what waits now.
        Err(error) if error.code() == Some(Code::Conflict) => {
            let said = viewer.words().say("quarantine-conflict");
            page(&app, &viewer, &Fields::default(), Some(said)).await
        }
        Err(error) => Err(error.into()),
    }
}
