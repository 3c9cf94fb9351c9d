//! `/changes`: what happened, in order, for systems that follow along.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Problems,
    input::{self, Params},
    shapes::Person,
};
use crate::{
    actions::{self, ActionError, changes::Cursor, delivery::record_delivery},
    app::App,
    http::{Problem, extract::SignedIn},
    storage::reading::{LogEntry, LogWhat},
};

/// From where to read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct ListParams {
    /// The `next` of the page before; from the beginning if not said
    after: Option<String>,
    /// Items of a page, 1 to 200; 50 if not said
    limit: Option<u32>,
}

/// A page of changes.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ChangePage {
    items: Vec<ChangeItem>,
    /// Where to go on, also when nothing was new; the same as before when everything has been read.
    next: String,
}

/// A change of a document or an event of ownership.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ChangeItem {
    seq: i64,
    customer: Uuid,
    document: Option<Uuid>,
    /// The document's kind; null for an event of the customer.
    kind: Option<&'static str>,
    /// The change's hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<String>,
    /// create, claim, release, assign, responsible, handover or undo_handover.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    author: Person,
    /// When the server had it.
    at: i64,
}

/// Read what happened after a cursor. Nothing is missed and nothing comes twice
#[utoipa::path(get, path = "/changes", tag = "changes", params(ListParams),
    responses((status = 200, body = ChangePage),
        (status = 409, description = "`cursor_reset`: the server was restored from a backup; begin anew"), Problems))]
pub(in crate::http) async fn list(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Params(params): Params<ListParams>,
) -> Result<Json<ChangePage>, Problem> {
    let limit = input::page_limit(params.limit)?;
    let after = params.after.as_deref().map(read_place).transpose()?;
    let feed = actions::changes::read_feed(&app.database, person.org, person.user, after, limit).await?;
    // A page of nothing tells nothing and writes nothing: followers ask all day.
    if let (Some(first), Some(last)) = (feed.items.first(), feed.items.last()) {
        let detail = json!({ "items": feed.items.len(), "from": first.seq, "to": last.seq });
        record_delivery(&app, person.org, person.user, "changes_read", person.user, detail).await?;
    }
    let people = feed.people;
    let item = |entry: LogEntry| {
        let (document, kind, change, event) = match entry.what {
            LogWhat::Change { document, hash } => (
                Some(document.id.0),
                Some(document.kind.name()),
                Some(hex::encode(hash)),
                None,
            ),
            LogWhat::Event { event, document } => (document.map(|id| id.0), None, None, Some(event)),
        };
        ChangeItem {
            seq: entry.seq,
            customer: entry.customer.0,
            document,
            kind,
            change,
            event,
            author: Person::of(&people, entry.author),
            at: entry.at.0,
        }
    };
    Ok(Json(ChangePage {
        items: feed.items.into_iter().map(item).collect(),
        next: input::write_cursor(&[feed.next.log.as_bytes(), &feed.next.seq.to_be_bytes()]),
    }))
}

fn read_place(cursor: &str) -> Result<Cursor, ActionError> {
    let bytes = input::read_cursor(cursor)?;
    let (log, seq) = bytes.split_first_chunk::<16>().ok_or_else(input::bad_cursor)?;
    let seq = i64::from_be_bytes(seq.try_into().map_err(|_| input::bad_cursor())?);
    Ok(Cursor {
        log: Uuid::from_bytes(*log),
        seq,
    })
}
