//! Documents of a customer: writing them, showing one, the history of its fields.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sync_core::{
    document::Kind,
    ids::{CustomerId, DeviceId, DocumentId, UserId},
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Problems,
    input::{self, Id, Params},
    ownership::asker,
    shapes::{Document, Person},
};
use crate::{
    actions::{self, ActionError, Code, delivery::record_delivery},
    app::App,
    auth,
    http::{
        Problem,
        extract::{Body, SignedIn},
    },
};

/// Fields and their values, inside `fields` or by themselves. `null` empties a field; tags are an array, or
/// `{"add": […], "remove": […]}`; other maps are objects of entries.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct FieldsBody {
    #[schema(value_type = Object)]
    #[expect(dead_code, reason = "describes a body that is read as an object")]
    fields: Map<String, Value>,
}

/// What was made.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Created {
    id: Uuid,
}

impl Created {
    pub(in crate::http) fn answer(id: Uuid) -> (StatusCode, Json<Self>) {
        (StatusCode::CREATED, Json(Self { id }))
    }
}

/// Add a visit to a customer
#[utoipa::path(post, path = "/customers/{id}/visits", tag = "documents",
    params(("id" = Uuid, Path, description = "The customer")), request_body = FieldsBody,
    responses((status = 201, body = Created), (status = 422, description = "`schema`, with the field"), Problems))]
pub(in crate::http) async fn create_visit(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    create(&app, &person, id, Kind::Visit, body).await
}

/// Add a contact to a customer
#[utoipa::path(post, path = "/customers/{id}/contacts", tag = "documents",
    params(("id" = Uuid, Path, description = "The customer")), request_body = FieldsBody,
    responses((status = 201, body = Created), (status = 422, description = "`schema`, with the field"), Problems))]
pub(in crate::http) async fn create_contact(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    create(&app, &person, id, Kind::Contact, body).await
}

/// Add a follow-up to a customer
#[utoipa::path(post, path = "/customers/{id}/follow-ups", tag = "documents",
    params(("id" = Uuid, Path, description = "The customer")), request_body = FieldsBody,
    responses((status = 201, body = Created), (status = 422, description = "`schema`, with the field"), Problems))]
pub(in crate::http) async fn create_follow_up(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    create(&app, &person, id, Kind::FollowUp, body).await
}

/// Add an opportunity to a customer
#[utoipa::path(post, path = "/customers/{id}/opportunities", tag = "documents",
    params(("id" = Uuid, Path, description = "The customer")), request_body = FieldsBody,
    responses((status = 201, body = Created), (status = 422, description = "`schema`, with the field"), Problems))]
pub(in crate::http) async fn create_opportunity(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    create(&app, &person, id, Kind::Opportunity, body).await
}

/// Add a ticket to a customer
#[utoipa::path(post, path = "/customers/{id}/tickets", tag = "documents",
    params(("id" = Uuid, Path, description = "The customer")), request_body = FieldsBody,
    responses((status = 201, body = Created), (status = 422, description = "`schema`, with the field"), Problems))]
pub(in crate::http) async fn create_ticket(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    create(&app, &person, id, Kind::Ticket, body).await
}

async fn create(
    app: &App,
    person: &auth::Person,
    customer: Uuid,
    kind: Kind,
    body: Map<String, Value>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    let (fields, _) = input::split_fields(body, &[])?;
    let made = actions::edit::create_document(app, asker(person), CustomerId(customer), kind, &fields).await?;
    Ok(Created::answer(made.0))
}

/// Change fields of the card, the dossier or the internal document of a customer, which may not have one yet
#[utoipa::path(patch, path = "/customers/{id}/{kind}", tag = "documents",
    params(("id" = Uuid, Path, description = "The customer"),
        ("kind" = String, Path, description = "card, dossier or internal")),
    request_body = FieldsBody,
    responses((status = 200, body = Document), (status = 422, description = "`schema`, with the field"), Problems))]
pub(in crate::http) async fn edit_single(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Path((id, kind)): Path<(String, String)>,
    Body(body): Body<Map<String, Value>>,
) -> Result<Json<Document>, Problem> {
    let id = Uuid::parse_str(&id).map_err(|_| Code::NotFound)?;
    let kind = kind
        .parse()
        .ok()
        .filter(|kind: &Kind| kind.is_single())
        .ok_or(Code::NotFound)?;
    let (fields, _) = input::split_fields(body, &[])?;
    let document = actions::edit::create_document(&app, asker(&person), CustomerId(id), kind, &fields).await?;
    shown(&app, &person, document).await
}

/// Change fields of a document
#[utoipa::path(patch, path = "/documents/{id}", tag = "documents",
    params(("id" = Uuid, Path, description = "The document")), request_body = FieldsBody,
    responses((status = 200, body = Document), (status = 422, description = "`schema`, with the field; `evidence_fixed`"), Problems))]
pub(in crate::http) async fn edit(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<Map<String, Value>>,
) -> Result<Json<Document>, Problem> {
    let (fields, _) = input::split_fields(body, &[])?;
    let document = DocumentId(id);
    actions::edit::edit_document(&app, asker(&person), document, &fields).await?;
    shown(&app, &person, document).await
}

/// Show a document
#[utoipa::path(get, path = "/documents/{id}", tag = "documents",
    params(("id" = Uuid, Path, description = "The document")),
    responses((status = 200, body = Document), Problems))]
pub(in crate::http) async fn show(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
) -> Result<Json<Document>, Problem> {
    shown(&app, &person, DocumentId(id)).await
}

async fn shown(app: &App, person: &auth::Person, document: DocumentId) -> Result<Json<Document>, Problem> {
    let (document, people) =
        actions::customers::show_document(&app.database, person.org, person.user, document).await?;
    let detail = json!({ "customer": document.row.customer });
    record_delivery(app, person.org, person.user, "document_shown", document.row.id, detail).await?;
    Ok(Json(Document::of(document, &people)))
}

/// Which field's history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct HistoryParams {
    /// A field of the document, or `map.entry`
    #[serde(deserialize_with = "input::text")]
    field: Option<String>,
}

/// The history of a field, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct HistoryAnswer {
    items: Vec<HistoryItem>,
    /// Always null: a history comes whole.
    next: Option<String>,
}

/// One write of a field.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct HistoryItem {
    /// What was written; null for a removal.
    #[schema(value_type = Object)]
    value: Option<Value>,
    /// Whether it is shown now, alone or beside others.
    current: bool,
    author: Person,
    device: Option<Uuid>,
    device_name: Option<String>,
    /// By the device's clock.
    at: i64,
    /// When the server had it.
    received_at: i64,
    /// It arrived after its author had lost the customer; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<bool>,
    /// The change that wrote it, by its hash.
    change: String,
}

/// Who set a field, on which device, when, and when it reached the server
#[utoipa::path(get, path = "/documents/{id}/history", tag = "documents",
    params(("id" = Uuid, Path, description = "The document"), HistoryParams),
    responses((status = 200, body = HistoryAnswer), (status = 422, description = "`schema`: there is no such field"), Problems))]
pub(in crate::http) async fn history(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Params(params): Params<HistoryParams>,
) -> Result<Json<HistoryAnswer>, Problem> {
    let field = params
        .field
        .ok_or_else(|| ActionError::invalid("field: say whose history is wanted"))?;
    let history =
        actions::history::show_history(&app.database, person.org, person.user, DocumentId(id), &field).await?;
    let detail = json!({ "writes": history.writes.len() });
    record_delivery(&app, person.org, person.user, "history_shown", id, detail).await?;
    let items = history.writes.into_iter().map(|written| {
        let device = written.change.device_id.map(DeviceId);
        HistoryItem {
            value: written.value,
            current: written.current,
            author: Person::of(&history.people, UserId(written.change.author_id)),
            device: device.map(|device| device.0),
            device_name: device.and_then(|device| history.devices.get(&device).cloned()),
            at: written.change.device_time,
            received_at: written.change.received_at,
            late: written.change.late.then_some(true),
            change: hex::encode(&written.change.hash),
        }
    });
    Ok(Json(HistoryAnswer {
        items: items.collect(),
        next: None,
    }))
}
