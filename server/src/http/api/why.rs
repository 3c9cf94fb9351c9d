//! `/users/{id}/view/customers` and `/why`: what somebody sees, and why he may or may not.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use sync_core::{
    ids::{CustomerId, DocumentId, UserId},
    visibility::Rights,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Problems,
    customers::{read_place, write_place},
    input::{self, Id, Params},
    ownership::asker,
};
use crate::{
    actions::{
        customers::Wanted,
        policy::cell_name,
        why::{self, Explanation},
    },
    app::App,
    http::{Problem, extract::SignedIn},
};

/// A page of somebody's customers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct ViewParams {
    /// The `next` of the page before
    after: Option<String>,
    /// Items of a page, 1 to 200; 50 if not said
    limit: Option<u32>,
}

/// A customer as that person's devices get it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ViewedCustomer {
    id: Uuid,
    name: String,
    /// What he is to it, the strongest first.
    relations: Vec<&'static str>,
    /// What he may do with each kind of its documents: create, read, responsible, comment, write. Kinds of which he may
    /// nothing are missing.
    #[schema(value_type = Object)]
    rights: BTreeMap<&'static str, Vec<&'static str>>,
}

/// A page of what somebody sees.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ViewPage {
    items: Vec<ViewedCustomer>,
    /// Where the list goes on; null at its end.
    next: Option<String>,
}

/// See the customers that a person of yours gets, as his own list has them; it is written down. Administrators see with
/// everybody's eyes, managers with those of their teams
#[utoipa::path(get, path = "/users/{id}/view/customers", tag = "policy",
    params(("id" = Uuid, Path, description = "The person"), ViewParams),
    responses((status = 200, body = ViewPage), Problems))]
pub(in crate::http) async fn view(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Params(params): Params<ViewParams>,
) -> Result<Json<ViewPage>, Problem> {
    let wanted = Wanted {
        limit: input::page_limit(params.limit)?,
        after: params.after.as_deref().map(read_place).transpose()?,
        ..Wanted::default()
    };
    let (reader, page) = why::view_as(&app, asker(&person), UserId(id), &wanted).await?;
    let items = page.items.into_iter().map(|item| {
        let rights = reader.rights(item.relations);
        let kinds = sync_core::document::Kind::ALL.map(|kind| (kind, rights.of(kind)));
        ViewedCustomer {
            id: item.customer.id.0,
            name: item.customer.name,
            relations: item
                .relations
                .iter()
                .map(sync_core::visibility::Relation::name)
                .collect(),
            rights: kinds
                .into_iter()
                .filter(|(_, rights)| !rights.is_empty())
                .map(|(kind, rights)| (kind.name(), rights.words()))
                .collect(),
        }
    });
    Ok(Json(ViewPage {
        items: items.collect(),
        next: page.next.as_ref().map(write_place),
    }))
}

/// About whom and what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct WhyParams {
    /// The person
    user: Uuid,
    /// The customer
    customer: Uuid,
    /// One document of it
    document: Option<Uuid>,
}

/// What one relation gives.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct GroundShape {
    /// What he is to the customer.
    relation: &'static str,
    /// What the table in force says of it, by the name of the cell.
    #[schema(value_type = Object)]
    cells: BTreeMap<String, &'static str>,
}

/// What somebody may do, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct WhyAnswer {
    user: Uuid,
    role: &'static str,
    state: &'static str,
    customer: Uuid,
    /// The version of the table of rights.
    policy_version: u64,
    /// His relations and what each gives, the strongest first. None: he may nothing, because he is nothing to it.
    grounds: Vec<GroundShape>,
    /// All of them together, by kind: create, read, responsible, comment, write.
    #[schema(value_type = Object)]
    rights: BTreeMap<&'static str, Vec<&'static str>>,
    /// What he may do with the document that was asked about.
    document: Option<DocumentRights>,
}

/// What somebody may do with one document.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DocumentRights {
    id: Uuid,
    kind: &'static str,
    rights: Vec<&'static str>,
}

impl WhyAnswer {
    fn of(explanation: Explanation) -> Self {
        let words = |rights: Rights| rights.words();
        Self {
            user: explanation.account.user.0,
            role: explanation.account.role.name(),
            state: explanation.account.state.name(),
            customer: explanation.customer.id.0,
            policy_version: explanation.policy_version,
            grounds: explanation
                .grounds
                .iter()
                .map(|ground| GroundShape {
                    relation: ground.relation.name(),
                    cells: ground
                        .cells
                        .iter()
                        .map(|(class, cell)| (cell_name(ground.relation, *class), cell.name()))
                        .collect(),
                })
                .collect(),
            rights: explanation
                .rights
                .iter()
                .map(|(kind, rights)| (kind.name(), words(*rights)))
                .collect(),
            document: explanation.document.map(|(id, kind, rights)| DocumentRights {
                id: id.0,
                kind: kind.name(),
                rights: words(rights),
            }),
        }
    }
}

/// Say why a person of yours may do what with a customer or one document of it; it is written down
#[utoipa::path(get, path = "/why", tag = "policy", params(WhyParams),
    responses((status = 200, body = WhyAnswer), Problems))]
pub(in crate::http) async fn explain(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Params(params): Params<WhyParams>,
) -> Result<Json<WhyAnswer>, Problem> {
    let (user, customer) = (UserId(params.user), CustomerId(params.customer));
    let document = params.document.map(DocumentId);
    let explanation = why::explain(&app, asker(&person), user, customer, document).await?;
    Ok(Json(WhyAnswer::of(explanation)))
}
