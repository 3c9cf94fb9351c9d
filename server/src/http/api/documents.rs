//! Documents of a customer: their history, and writing them.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sync_core::ids::{DeviceId, DocumentId, UserId};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Problems,
    input::{self, Id, Params},
    shapes::Person,
};
use crate::{
    actions::{self, ActionError},
    app::App,
    http::{Problem, extract::SignedIn},
};

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
