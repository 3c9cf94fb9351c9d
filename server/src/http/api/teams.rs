//! `/teams`: which team is below which.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use sync_core::ids::TeamId;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Problems, input::Id};
use crate::{
    actions,
    app::App,
    http::{
        Problem,
        extract::{Body, SignedIn},
    },
};

/// Where a team stands.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TeamBody {
    /// The team above it; null: none.
    #[serde(deserialize_with = "Option::deserialize")]
    parent: Option<Uuid>,
}

/// Where a team stands now.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TeamAnswer {
    id: Uuid,
    parent: Option<Uuid>,
}

/// Put a team, with all below it, below another one or at the top; phones of the managers above follow at their next sync
#[utoipa::path(put, path = "/teams/{id}", tag = "teams",
    params(("id" = Uuid, Path, description = "The team")), request_body = TeamBody,
    responses((status = 200, body = TeamAnswer, description = "It stands there, now or before"), Problems))]
pub(in crate::http) async fn place(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<TeamBody>,
) -> Result<Json<TeamAnswer>, Problem> {
    let parent = body.parent.map(TeamId);
    actions::organisation::move_team(&app, Some(person.user), person.org, TeamId(id), parent).await?;
    Ok(Json(TeamAnswer {
        id,
        parent: body.parent,
    }))
}
