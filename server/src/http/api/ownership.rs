//! Who has a customer: assigning, claiming, releasing.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use sync_core::{
    ids::{CustomerId, PoolId, UserId},
    protocol::message::IntentAction,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Problems,
    input::{self, Id},
    shapes::Person,
};
use crate::{
    actions::{self, ActionError, ownership::Asker},
    app::App,
    auth,
    http::{
        Problem,
        extract::{Body, SignedIn},
    },
};

pub(super) fn asker(person: &auth::Person) -> Asker {
    Asker {
        org: person.org,
        user: person.user,
        device: None,
    }
}

/// Where a customer goes: to a person or into a pool.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AssignmentBody {
    /// The new owner; null or absent: a pool.
    owner: Option<Uuid>,
    /// The pool; null or absent: an owner.
    pool: Option<Uuid>,
    /// Why.
    #[serde(default)]
    reason: String,
    /// The `assignment_version` it was decided on: refused with `conflict` if it has changed since.
    assignment_version: Option<u64>,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Decided {
    /// The intent, by which it is found in the audit and the chain of owners.
    id: Uuid,
}

/// Assign a customer to a person or a pool
#[utoipa::path(put, path = "/customers/{id}/assignment", tag = "ownership",
    params(("id" = Uuid, Path, description = "The customer")), request_body = AssignmentBody,
    responses((status = 200, body = Decided), (status = 409, description = "`conflict`, with the owner"), Problems))]
pub(in crate::http) async fn assign(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<AssignmentBody>,
) -> Result<Json<Decided>, Problem> {
    let reason = input::reason(body.reason)?;
    let action = match (body.owner, body.pool) {
        (Some(owner), None) => IntentAction::Assign {
            owner: UserId(owner),
            reason,
        },
        (None, Some(pool)) => IntentAction::Release {
            pool: Some(PoolId(pool)),
            reason,
        },
        _ => return Err(ActionError::invalid("name either an owner or a pool, and null for the other").into()),
    };
    decide(&app, &person, CustomerId(id), body.assignment_version, action).await
}

/// Claim a customer out of a pool
#[utoipa::path(post, path = "/customers/{id}/claim", tag = "ownership",
    params(("id" = Uuid, Path, description = "The customer")),
    responses((status = 200, body = Decided),
        (status = 409, description = "`already_claimed`, with the owner where you may know him; `claim_limit`, `holding_cap`, `cooling_down`"),
        Problems))]
pub(in crate::http) async fn claim(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
) -> Result<Json<Decided>, Problem> {
    decide(&app, &person, CustomerId(id), None, IntentAction::Claim).await
}

/// Why a customer is given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReleaseBody {
    /// Why.
    #[serde(default)]
    reason: String,
    /// The pool; null or absent: your first one.
    pool: Option<Uuid>,
}

/// Release a customer to a pool
#[utoipa::path(post, path = "/customers/{id}/release", tag = "ownership",
    params(("id" = Uuid, Path, description = "The customer")), request_body = ReleaseBody,
    responses((status = 200, body = Decided), Problems))]
pub(in crate::http) async fn release(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<ReleaseBody>,
) -> Result<Json<Decided>, Problem> {
    let reason = input::reason(body.reason)?;
    let action = IntentAction::Release {
        pool: body.pool.map(PoolId),
        reason,
    };
    decide(&app, &person, CustomerId(id), None, action).await
}

async fn decide(
    app: &App,
    person: &auth::Person,
    customer: CustomerId,
    version: Option<u64>,
    action: IntentAction,
) -> Result<Json<Decided>, Problem> {
    match actions::ownership::ask(app, asker(person), customer, version, action).await {
        Ok(intent) => Ok(Json(Decided { id: intent.0 })),
        Err(error) => Err(name_owner(app, person, error).await),
    }
}

/// The refusal with the owner as a person, where it names one.
async fn name_owner(app: &App, person: &auth::Person, error: ActionError) -> Problem {
    let owner = match &error {
        ActionError::Refused(refusal) => refusal
            .extra
            .get("owner")
            .and_then(|id| id.as_str()?.parse::<UserId>().ok()),
        ActionError::Storage(_) | ActionError::Internal(_) => None,
    };
    let Some(owner) = owner else { return error.into() };
    match actions::customers::name_people(&app.database, person.org, [owner]).await {
        Ok(people) => {
            let named = serde_json::to_value(Person::of(&people, owner)).unwrap_or_default();
            error.with("owner", named).into()
        }
        Err(failure) => failure.into(),
    }
}
