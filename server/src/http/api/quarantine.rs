//! `/quarantine`: changes that wait for a decision.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sync_core::{document::Kind, ids::UserId};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Problems,
    input::{self, Id, Params},
    ownership::asker,
    shapes::Person,
};
use crate::{
    actions::{self, ActionError, delivery::record_delivery, quarantine::Decision, quarantined::Ticket},
    app::App,
    http::{
        Problem,
        extract::{Body, SignedIn},
    },
};

/// A page of what waits.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct ListParams {
    /// The `next` of the page before
    after: Option<String>,
    /// Items of a page, 1 to 200; 50 if not said
    limit: Option<u32>,
}

/// A page of what waits, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct QuarantinePage {
    items: Vec<TicketItem>,
    /// Where the list goes on; null at its end.
    next: Option<String>,
}

/// A chain of changes that is decided as one.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TicketItem {
    id: Uuid,
    customer: Uuid,
    document: Uuid,
    kind: Option<&'static str>,
    /// Why it waits: a stable code.
    reason: String,
    author: Option<Person>,
    device: Option<Uuid>,
    /// How many changes it has.
    changes: usize,
    /// By the device's clock.
    at: i64,
    /// When the server had it.
    received_at: i64,
    /// What it writes, in order.
    writes: Vec<WriteItem>,
}

/// One write of a quarantined change.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct WriteItem {
    field: String,
    /// Null for a removal.
    #[schema(value_type = Object)]
    value: Option<Value>,
}

/// List the changes that you may decide
#[utoipa::path(get, path = "/quarantine", tag = "quarantine", params(ListParams),
    responses((status = 200, body = QuarantinePage), Problems))]
pub(in crate::http) async fn list(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Params(params): Params<ListParams>,
) -> Result<Json<QuarantinePage>, Problem> {
    let limit = input::page_limit(params.limit)?;
    let after = params.after.as_deref().map(read_place).transpose()?;
    let waiting = actions::quarantined::list_waiting(&app.database, person.org, person.user, after, limit).await?;
    if !waiting.items.is_empty() {
        let detail = json!({ "items": waiting.items.len() });
        record_delivery(&app, person.org, person.user, "quarantine_listed", person.user, detail).await?;
    }
    let people = waiting.people;
    let item = |ticket: Ticket| {
        let first = ticket.first();
        TicketItem {
            id: first.ticket_id,
            customer: first.customer_id,
            document: first.document_id,
            kind: u8::try_from(first.kind)
                .ok()
                .and_then(Kind::from_number)
                .map(Kind::name),
            reason: first.reason.clone(),
            author: Some(Person::of(&people, UserId(first.author_id))),
            device: first.device_id,
            changes: ticket.changes.len(),
            at: first.device_time,
            received_at: first.received_at,
            writes: ticket
                .writes
                .iter()
                .cloned()
                .map(|(field, value)| WriteItem { field, value })
                .collect(),
        }
    };
    Ok(Json(QuarantinePage {
        items: waiting.items.into_iter().map(item).collect(),
        next: waiting
            .next
            .map(|(at, ticket)| input::write_cursor(&[&at.to_be_bytes(), ticket.as_bytes()])),
    }))
}

/// Where a page of the list begins.
pub(in crate::http) fn read_place(cursor: &str) -> Result<(i64, Uuid), ActionError> {
    let bytes = input::read_cursor(cursor)?;
    let (at, ticket) = bytes.split_first_chunk::<8>().ok_or_else(input::bad_cursor)?;
    Ok((
        i64::from_be_bytes(*at),
        Uuid::from_slice(ticket).map_err(|_| input::bad_cursor())?,
    ))
}

/// What becomes of a chain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DecisionBody {
    decision: DecisionWord,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// One of two.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum DecisionWord {
    /// It goes into the record, under its author's name and marked late.
    Accept,
    /// It stays out.
    Refuse,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DecisionAnswer {
    /// How many changes.
    changes: u64,
}

/// Decide a chain of quarantined changes, once
#[utoipa::path(post, path = "/quarantine/{id}/decision", tag = "quarantine",
    params(("id" = Uuid, Path, description = "The chain")), request_body = DecisionBody,
    responses((status = 200, body = DecisionAnswer),
        (status = 409, description = "`conflict`: decided before, or it no longer fits its document"), Problems))]
pub(in crate::http) async fn decide(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<DecisionBody>,
) -> Result<Json<DecisionAnswer>, Problem> {
    let decision = match body.decision {
        DecisionWord::Accept => Decision::Accept,
        DecisionWord::Refuse => Decision::Refuse,
    };
    let reason = input::reason(body.reason)?;
    let changes = actions::quarantine::decide(&app, asker(&person), id, decision, &reason).await?;
    Ok(Json(DecisionAnswer { changes }))
}
