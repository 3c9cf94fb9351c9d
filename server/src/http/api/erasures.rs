//! `/contacts/{id}/erasure` and `/erasures`: people who were erased.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use sync_core::ids::DocumentId;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Problems, input::Id, ownership::asker};
use crate::{
    actions::{
        erasure::{self, Reason},
        held,
    },
    app::App,
    http::{
        Problem,
        extract::{Body, SignedIn},
    },
    storage::erasures::ErasureRow,
};

/// Why somebody is erased.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ErasureBody {
    reason: ReasonWord,
}

/// One of these: a sentence might name him.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum ReasonWord {
    /// He asked for it.
    Request,
    /// He no longer agrees.
    ConsentWithdrawn,
    /// What it was kept for is over.
    PurposeEnded,
    /// It should never have been kept.
    Unlawful,
}

/// An erasure. Ids only: nothing else is left.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ErasureItem {
    document: Uuid,
    customer: Uuid,
    /// `request`, `consent_withdrawn`, `purpose_ended` or `unlawful`.
    reason: String,
    /// Who ordered it; null: whoever runs the server.
    by: Option<Uuid>,
    erased_at: i64,
    /// When the server's files were cleaned of the deleted bytes; null: not yet, it takes a minute or so.
    cleaned_at: Option<i64>,
}

impl From<ErasureRow> for ErasureItem {
    fn from(row: ErasureRow) -> Self {
        Self {
            document: row.document.0,
            customer: row.customer.0,
            reason: row.reason,
            by: row.by.map(|user| user.0),
            erased_at: row.erased_at.0,
            cleaned_at: row.cleaned_at.map(|at| at.0),
        }
    }
}

/// The erasures of the organisation, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ErasureList {
    items: Vec<ErasureItem>,
    /// Always null.
    next: Option<String>,
}

/// Erase a contact for good: its fields, their history, its words in the search, and all that phones hold of it
#[utoipa::path(post, path = "/contacts/{id}/erasure", tag = "erasure",
    params(("id" = Uuid, Path, description = "The contact")), request_body = ErasureBody,
    responses((status = 200, body = ErasureItem, description = "Done, now or before"), Problems))]
pub(in crate::http) async fn create(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<ErasureBody>,
) -> Result<Json<ErasureItem>, Problem> {
    let reason = match body.reason {
        ReasonWord::Request => Reason::Request,
        ReasonWord::ConsentWithdrawn => Reason::ConsentWithdrawn,
        ReasonWord::PurposeEnded => Reason::PurposeEnded,
        ReasonWord::Unlawful => Reason::Unlawful,
    };
    let erased = erasure::erase_contact(&app, asker(&person), DocumentId(id), reason).await?;
    Ok(Json(erased.into()))
}

/// All that is held about a contact: rows, history, audit, and where others mention him
#[utoipa::path(get, path = "/contacts/{id}/held", tag = "erasure",
    params(("id" = Uuid, Path, description = "The contact")),
    responses((status = 200, description = "Rows by table, as they are stored; of each change also what it writes"), Problems))]
pub(in crate::http) async fn held(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
) -> Result<Json<serde_json::Value>, Problem> {
    let all = held::export_contact(&app, asker(&person), DocumentId(id)).await?;
    Ok(Json(all))
}

/// Who was erased, by id
#[utoipa::path(get, path = "/erasures", tag = "erasure", responses((status = 200, body = ErasureList), Problems))]
pub(in crate::http) async fn list(
    State(app): State<App>,
    SignedIn(person): SignedIn,
) -> Result<Json<ErasureList>, Problem> {
    let all = erasure::list(&app, asker(&person)).await?;
    Ok(Json(ErasureList {
        items: all.into_iter().map(ErasureItem::from).collect(),
        next: None,
    }))
}
