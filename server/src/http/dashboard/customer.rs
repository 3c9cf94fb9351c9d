//! One customer: what is known of it, what was done, who has had it; adding a follow-up.

mod timeline;
mod view;

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use serde_json::{Map, Value};
use sync_core::{
    document::{Kind, PROSE_CHARS_MAX},
    ids::CustomerId,
    time::is_civil_date,
};
use uuid::Uuid;

use super::{
    customers::Handover,
    page::show,
    viewer::{Fields, Posted, Viewer, go_to},
    words::Words,
};
use crate::{
    actions::{Code, customers, edit::create_document, overview},
    app::App,
    http::Problem,
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/customers/{id}", get(customer))
        .route("/customers/{id}/follow-ups", post(add_follow_up))
}

/// A follow-up that is being written; kept when it is refused.
#[derive(Debug, Clone, Default)]
struct Draft {
    text: String,
    channel: String,
    due: String,
}

/// A sentence at the top of the page.
#[derive(Debug, Clone)]
struct Notice {
    text: String,
    is_refusal: bool,
}

async fn customer(State(app): State<App>, Path(id): Path<String>, viewer: Viewer) -> Result<Response, Problem> {
    let query = viewer.visitor.here.split_once('?').map_or("", |(_, query)| query);
    let fields = Fields::parse(query.as_bytes());
    let notice = notice_of(&fields, viewer.words());
    page(&app, &viewer, read_id(&id)?, &fields, Draft::default(), notice).await
}

async fn add_follow_up(State(app): State<App>, Path(id): Path<String>, form: Posted) -> Result<Response, Problem> {
    let Posted { viewer, fields } = form;
    let (id, words) = (read_id(&id)?, viewer.words());
    let draft = Draft {
        text: fields.get("text").unwrap_or_default().to_owned(),
        channel: fields.get("channel").unwrap_or_default().to_owned(),
        due: fields.get("due").unwrap_or_default().to_owned(),
    };
    let refusal = match check_draft(&draft, words) {
        Some(refusal) => refusal,
        None => match create_document(&app, viewer.asker(), id, Kind::FollowUp, &fields_of(&draft)).await {
            Ok(_) => {
                return Ok(go_to(
                    &format!("/customers/{id}?done=follow-up"),
                    viewer.visitor.scripted,
                ));
            }
            Err(error) => {
                let problem = Problem::from(error);
                if !problem.status().is_client_error() || problem.code() == Code::NotFound {
                    return Err(problem);
                }
                let (title, advice) = problem.words(words.0);
                words.join(title, advice)
            }
        },
    };
    let notice = Notice {
        text: refusal,
        is_refusal: true,
    };
    // The page of the customer, whose address this form does not have.
    let mut viewer = viewer;
    viewer.visitor.here = format!("/customers/{id}");
    let mut response = page(&app, &viewer, id, &Fields::default(), draft, Some(notice)).await?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

async fn page(
    app: &App,
    viewer: &Viewer,
    id: CustomerId,
    fields: &Fields,
    draft: Draft,
    notice: Option<Notice>,
) -> Result<Response, Problem> {
    let (org, user) = (viewer.person.org, viewer.person.user);
    let shown = customers::show(&app.database, org, user, id).await?;
    let chain = overview::list_owners(&app.database, org, user, id).await?;
    let page = view::customer_page(app, viewer, &shown, &chain, fields, draft, notice);
    show(&viewer.visitor, &page)
}

fn check_draft(draft: &Draft, words: Words) -> Option<String> {
    if draft.text.is_empty() {
        return Some(words.say("follow-up-empty"));
    }
    if draft.text.chars().count() > PROSE_CHARS_MAX {
        return Some(words.count("too-long", PROSE_CHARS_MAX));
    }
    if !draft.due.is_empty() && !is_civil_date(&draft.due) {
        return Some(words.say("date-wrong"));
    }
    None
}

fn fields_of(draft: &Draft) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in [("text", &draft.text), ("channel", &draft.channel), ("due", &draft.due)] {
        if !value.is_empty() {
            // Browsers send CRLF; documents have plain line ends.
            fields.insert(name.to_owned(), value.replace("\r\n", "\n").into());
        }
    }
    fields
}

/// What the address says was just done or refused. Only what this program can say is said.
fn notice_of(fields: &Fields, words: Words) -> Option<Notice> {
    if let Some(code) = fields.get("problem") {
        let code = Code::ALL.iter().find(|known| known.as_str() == code)?;
        let (title, advice) = Problem::from(*code).words(words.0);
        let field = fields
            .get("field")
            .filter(|field| Kind::ALL.iter().any(|kind| kind.field(field).is_some()));
        let text = words.join(title, advice);
        return Some(Notice {
            text: match field {
                Some(field) => format!("{}: {text}", words.of("field-", field)),
                None => text,
            },
            is_refusal: true,
        });
    }
    let handover = Handover::of(fields, words);
    if let Some(done) = handover.done {
        let is_refusal = done == 0;
        let text = if is_refusal {
            words.with("handed-none", &handover.why)
        } else {
            words.count("handed", done)
        };
        return Some(Notice { text, is_refusal });
    }
    let text = match fields.get("done")? {
        "follow-up" => words.say("follow-up-added"),
        "edit" => words.say("edit-saved"),
        "resolve" => words.say("conflict-settled"),
        "taken-over" => words.say("proposal-taken-over"),
        "dismissed" => words.say("proposal-dismissed"),
        "nothing" => words.say("edit-nothing"),
        _ => return None,
    };
    Some(Notice {
        text,
        is_refusal: false,
    })
}

fn read_id(text: &str) -> Result<CustomerId, Problem> {
    Uuid::parse_str(text).map(CustomerId).map_err(|_| Code::NotFound.into())
}
