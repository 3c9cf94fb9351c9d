//! `/customers`: lists, one with everything, looking one up before creating it.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sync_core::{
    ids::{CustomerId, OrgId, PoolId, TeamId, UserId},
    visibility::Relation,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Problems,
    documents::Created,
    input::{self, Id, Params},
    ownership::asker,
    shapes::{self, CustomerItem, Person},
};
use crate::{
    actions::{self, ActionError, customers::Wanted, delivery::record_delivery},
    app::App,
    http::{
        Problem,
        extract::{Body, SignedIn},
    },
    storage::customers::{CustomerFilter, CustomerPlace},
};

/// Which customers a list shows.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct ListParams {
    /// Only those of this owner
    owner: Option<Uuid>,
    /// Only those of this team
    team: Option<Uuid>,
    /// Only those in this pool
    pool: Option<Uuid>,
    /// Only those in this stage
    #[serde(deserialize_with = "input::text")]
    stage: Option<String>,
    /// Only those of this tier
    #[serde(deserialize_with = "input::text")]
    tier: Option<String>,
    /// Only those of this region
    #[serde(deserialize_with = "input::text")]
    region: Option<String>,
    /// Only those of this industry
    #[serde(deserialize_with = "input::text")]
    industry: Option<String>,
    /// Only those to which you are this: owner, collaborator, responsible, manager, pool, …
    #[serde(deserialize_with = "input::text")]
    relation: Option<String>,
    /// Only those in whose name or documents (as far as you may read them) all these words are; parts of words count
    #[serde(deserialize_with = "input::text")]
    q: Option<String>,
    /// The `next` of the page before
    after: Option<String>,
    /// Items of a page, 1 to 200; 50 if not said
    limit: Option<u32>,
}

/// A page of customers, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CustomerPage {
    items: Vec<CustomerItem>,
    /// Where the list goes on; null at its end.
    next: Option<String>,
}

/// List or search the customers you may see
#[utoipa::path(get, path = "/customers", tag = "customers", params(ListParams),
    responses((status = 200, body = CustomerPage), Problems))]
pub(in crate::http) async fn list(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Params(params): Params<ListParams>,
) -> Result<Json<CustomerPage>, Problem> {
    Ok(Json(list_for(&app, person.org, person.user, params).await?))
}

/// The list, for whoever asks: a person with a session or his phone.
pub(super) async fn list_for(app: &App, org: OrgId, user: UserId, params: ListParams) -> Result<CustomerPage, Problem> {
    if let Some(relation) = &params.relation
        && !Relation::ALL.iter().any(|known| known.name() == relation)
    {
        return Err(ActionError::invalid("relation: there is no such relation to a customer").into());
    }
    let wanted = Wanted {
        limit: input::page_limit(params.limit)?,
        after: params.after.as_deref().map(read_place).transpose()?,
        filter: CustomerFilter {
            owner: params.owner.map(UserId),
            team: params.team.map(TeamId),
            pool: params.pool.map(PoolId),
            stage: params.stage,
            tier: params.tier,
            region: params.region,
            industry: params.industry,
            ..CustomerFilter::default()
        },
        relation: params.relation,
        words: params.q,
    };
    let searched = wanted.words.is_some();
    let page = actions::customers::list(&app.database, org, user, wanted).await?;
    let people = page.people;
    let detail = json!({ "items": page.items.len(), "search": searched });
    record_delivery(app, org, user, "customers_listed", user, detail).await?;
    Ok(CustomerPage {
        items: page
            .items
            .into_iter()
            .map(|item| CustomerItem::of(item, &people))
            .collect(),
        next: page.next.as_ref().map(write_place),
    })
}

pub(super) fn write_place(place: &CustomerPlace) -> String {
    input::write_cursor(&[place.id.as_bytes(), place.name.as_bytes()])
}

pub(super) fn read_place(cursor: &str) -> Result<CustomerPlace, ActionError> {
    let bytes = input::read_cursor(cursor)?;
    let (id, name) = bytes.split_first_chunk::<16>().ok_or_else(input::bad_cursor)?;
    let name = String::from_utf8(name.to_vec())
        .ok()
        .filter(|name| !name.contains('\0'));
    Ok(CustomerPlace {
        id: CustomerId::from_bytes(*id),
        name: name.ok_or_else(input::bad_cursor)?,
    })
}

/// Show a customer with everything of it that you may read
#[utoipa::path(get, path = "/customers/{id}", tag = "customers",
    params(("id" = Uuid, Path, description = "The customer")),
    responses((status = 200, body = shapes::Customer), Problems))]
pub(in crate::http) async fn show(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
) -> Result<Json<shapes::Customer>, Problem> {
    let shown = actions::customers::show(&app.database, person.org, person.user, CustomerId(id)).await?;
    let detail = json!({ "documents": shown.documents.len() });
    record_delivery(&app, person.org, person.user, "customer_shown", id, detail).await?;
    Ok(Json(shapes::Customer::of(shown, person.org)))
}

/// A new customer: the fields of its card, and the pool it goes into.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::http) struct NewCustomerBody {
    #[schema(value_type = Object)]
    #[expect(dead_code, reason = "describes a body that is read as an object")]
    fields: Map<String, Value>,
    /// Null or absent: it is yours.
    #[expect(dead_code, reason = "describes a body that is read as an object")]
    pool: Option<Uuid>,
}

/// Create a customer, yours or a pool's
#[utoipa::path(post, path = "/customers", tag = "customers", request_body = NewCustomerBody,
    responses((status = 201, body = Created), (status = 422, description = "`schema`, with the field"), Problems))]
pub(in crate::http) async fn create(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Body(body): Body<Map<String, Value>>,
) -> Result<(StatusCode, Json<Created>), Problem> {
    let (fields, beside) = input::split_fields(body, &["pool"])?;
    let pool = match beside.get("pool") {
        None | Some(Value::Null) => None,
        Some(pool) => {
            let pool = pool.as_str().and_then(|text| text.parse().ok());
            Some(pool.ok_or_else(|| ActionError::invalid("pool: send the id of a pool, or null"))?)
        }
    };
    let made = actions::edit::create_customer(&app, asker(&person), pool, &fields).await?;
    Ok(Created::answer(made.0))
}

/// What to look up.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct LookUpParams {
    /// The whole name, phone number or tax number
    #[serde(deserialize_with = "input::text")]
    q: Option<String>,
}

/// Whether a customer exists.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LookUpAnswer {
    exists: bool,
    /// At most ten.
    matches: Vec<LookUpMatch>,
}

/// Who has a customer that was found: all that is said of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LookUpMatch {
    owner: Option<Person>,
    pool: Option<Uuid>,
}

/// Look a customer up before creating it: whether it exists and who has it. Audited, and limited to 30 a minute
#[utoipa::path(get, path = "/customers/lookup", tag = "customers", params(LookUpParams),
    responses((status = 200, body = LookUpAnswer), Problems))]
pub(in crate::http) async fn look_up(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Params(params): Params<LookUpParams>,
) -> Result<Json<LookUpAnswer>, Problem> {
    let words = params.q.unwrap_or_default();
    let found = actions::lookup::look_up(&app, person.org, person.user, &words).await?;
    let matches = found.matches.iter().map(|found_one| LookUpMatch {
        owner: found_one.owner.map(|owner| Person::of(&found.people, owner)),
        pool: found_one.pool.map(|pool| pool.0),
    });
    Ok(Json(LookUpAnswer {
        exists: !found.matches.is_empty(),
        matches: matches.collect(),
    }))
}
