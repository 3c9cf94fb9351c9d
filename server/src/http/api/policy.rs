//! `/policy`: the table of rights and what an administrator may choose in it.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use sync_core::{
    document::Class,
    visibility::{Policy, Relation},
};
use utoipa::ToSchema;

use super::{Problems, input};
use crate::{
    actions::{
        ActionError,
        policy::{self, PolicyChange, read_cell, read_cell_name},
    },
    app::App,
    http::{
        Problem,
        extract::{Body, SignedIn},
    },
};

/// A cell of the table: what a relation to a customer gives in a class of its documents.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CellShape {
    /// What somebody is to the customer.
    relation: &'static str,
    /// card, private, activity or internal.
    class: &'static str,
    /// nothing, read, create, write, write_tickets, that_document or that_document_and_contacts.
    cell: &'static str,
    /// What an administrator may choose instead, with what it is at first in front; empty: it is not adjustable.
    choices: Vec<&'static str>,
}

/// The table of rights.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PolicyShape {
    /// Goes up with every change.
    version: u64,
    /// Whether members of a team read the cards of each other's customers.
    team_read: bool,
    cells: Vec<CellShape>,
}

impl PolicyShape {
    fn of(policy: &Policy) -> Self {
        let cells = Relation::ALL
            .into_iter()
            .flat_map(|relation| Class::ALL.map(|class| (relation, class)));
        Self {
            version: policy.version,
            team_read: policy.team_read,
            cells: cells
                .map(|(relation, class)| CellShape {
                    relation: relation.storage_name(),
                    class: class.name(),
                    cell: policy.cell(relation, class).name(),
                    choices: Policy::choices(relation, class)
                        .iter()
                        .map(|cell| cell.name())
                        .collect(),
                })
                .collect(),
        }
    }
}

/// What is to be decided anew. What is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PolicyBody {
    /// The version that was looked at.
    version: u64,
    team_read: Option<bool>,
    /// Cells by name, such as `"manager.internal": "read"`.
    #[serde(default)]
    cells: BTreeMap<String, String>,
    /// Why.
    #[serde(default)]
    reason: String,
}

impl PolicyBody {
    fn into_change(self) -> Result<PolicyChange, ActionError> {
        let read = |(name, word): (&String, &String)| {
            let (relation, class) = read_cell_name(name)?;
            Ok((relation, class, read_cell(word)?))
        };
        Ok(PolicyChange {
            version: Some(self.version),
            team_read: self.team_read,
            cells: self.cells.iter().map(read).collect::<Result<_, ActionError>>()?,
            reason: input::reason(self.reason)?,
        })
    }
}

/// Read the table of rights
#[utoipa::path(get, path = "/policy", tag = "policy", responses((status = 200, body = PolicyShape), Problems))]
pub(in crate::http) async fn show(
    State(app): State<App>,
    SignedIn(person): SignedIn,
) -> Result<Json<PolicyShape>, Problem> {
    let policy = policy::show(&app.database, person.org, person.user).await?;
    Ok(Json(PolicyShape::of(&policy)))
}

/// Choose cells of the table of rights, within their bounds; an administrator does this. Phones follow at their next sync
#[utoipa::path(put, path = "/policy", tag = "policy", request_body = PolicyBody,
    responses((status = 200, body = PolicyShape),
        (status = 409, description = "`conflict`: somebody was faster; the `version` there is now"),
        (status = 422, description = "`policy_bounds`, with the `cell` and its `choices`"), Problems))]
pub(in crate::http) async fn change(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Body(body): Body<PolicyBody>,
) -> Result<Json<PolicyShape>, Problem> {
    let change = body.into_change()?;
    let policy = policy::set_policy(&app, Some(person.user), person.org, &change).await?;
    Ok(Json(PolicyShape::of(&policy)))
}
