//! `/proposals`: late values that wait below somebody else's.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Problems, input::Id, ownership::asker};
use crate::{
    actions::proposals::{Choice, decide as choose},
    app::App,
    http::{
        Problem,
        extract::{Body, SignedIn},
    },
};

/// What becomes of a late value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ChoiceBody {
    decision: ChoiceWord,
}

/// One of two.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum ChoiceWord {
    /// You write it to its field.
    Accept,
    /// The field stays as it is.
    Dismiss,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ChoiceAnswer {
    document: Uuid,
    /// The field, or `map.entry`.
    field: String,
}

/// Take over or dismiss a late value, once
#[utoipa::path(post, path = "/proposals/{id}/decision", tag = "quarantine",
    params(("id" = Uuid, Path, description = "The proposal")), request_body = ChoiceBody,
    responses((status = 200, body = ChoiceAnswer), Problems))]
pub(in crate::http) async fn decide(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<ChoiceBody>,
) -> Result<Json<ChoiceAnswer>, Problem> {
    let choice = match body.decision {
        ChoiceWord::Accept => Choice::TakeOver,
        ChoiceWord::Dismiss => Choice::Dismiss,
    };
    let proposal = choose(&app, asker(&person), id, choice).await?;
    Ok(Json(ChoiceAnswer {
        document: proposal.document.0,
        field: proposal.path(),
    }))
}
