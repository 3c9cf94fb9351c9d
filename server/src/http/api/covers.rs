//! `/covers`: somebody stands in for another for a while.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use sync_core::{
    ids::{CoverId, CustomerId, OrgId, UserId},
    time::Timestamp,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Problems,
    input::{self, Id, Params},
    ownership::asker,
    shapes::Person,
};
use crate::{
    actions::{
        self, ActionError,
        covers::{CoverOrder, ListedCover},
        customers::name_people,
    },
    app::App,
    http::{
        Problem,
        extract::{Body, SignedIn},
    },
};

/// Who stands in for whom, and until when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CoverBody {
    /// The person whose customers they are.
    of: Uuid,
    /// The person who looks after them.
    by: Uuid,
    /// When it ends by itself, in milliseconds since the Unix epoch.
    until: i64,
    /// These customers; absent: name `all`.
    customers: Option<Vec<Uuid>>,
    /// All his customers, those he gets meanwhile included.
    #[serde(default)]
    all: bool,
    /// Why.
    #[serde(default)]
    reason: String,
}

impl CoverBody {
    fn into_order(self) -> Result<CoverOrder, ActionError> {
        if self.all == self.customers.is_some() {
            return Err(ActionError::invalid(
                "customers, all: name some customers, or say \"all\": true",
            ));
        }
        let customers = self.customers;
        Ok(CoverOrder {
            of: UserId(self.of),
            by: UserId(self.by),
            until: Timestamp(self.until),
            customers: customers.map(|named| named.into_iter().map(CustomerId).collect()),
            reason: input::reason(self.reason)?,
        })
    }
}

/// A cover.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CoverShape {
    id: Uuid,
    /// Whose customers.
    of: Person,
    /// Who looks after them.
    by: Person,
    given_by: Person,
    reason: String,
    /// All his customers, those he gets meanwhile included.
    all: bool,
    /// How many they were at the beginning.
    customers: i64,
    begun_at: i64,
    until: i64,
    /// When it ended; null: it lasts.
    ended_at: Option<i64>,
    /// Who ended it; null: it lasts, or its time was over.
    ended_by: Option<Person>,
    /// You may end it now.
    may_end: bool,
}

/// A page of covers, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CoverPage {
    items: Vec<CoverShape>,
    /// Where the list goes on; null at its end.
    next: Option<String>,
}

async fn shapes(app: &App, org: OrgId, items: Vec<ListedCover>) -> Result<Vec<CoverShape>, ActionError> {
    let people = items.iter().flat_map(|item| {
        [item.row.of, item.row.by, item.row.given_by]
            .into_iter()
            .chain(item.row.ended_by)
    });
    let names = name_people(&app.database, org, people.collect::<Vec<_>>()).await?;
    let person = |user| Person::of(&names, user);
    Ok(items
        .into_iter()
        .map(|ListedCover { row, may_end }| CoverShape {
            id: row.id.0,
            of: person(row.of),
            by: person(row.by),
            given_by: person(row.given_by),
            all: row.everything,
            customers: row.customers,
            begun_at: row.begun_at.0,
            until: row.until.0,
            ended_at: row.ended_at.map(|at| at.0),
            ended_by: row.ended_by.map(person),
            reason: row.reason,
            may_end,
        })
        .collect())
}

async fn shape(app: &App, org: OrgId, item: ListedCover) -> Result<Json<CoverShape>, Problem> {
    let shaped = shapes(app, org, vec![item]).await?;
    let first = shaped.into_iter().next();
    Ok(Json(first.ok_or_else(|| {
        ActionError::Internal("a cover has a shape".to_owned())
    })?))
}

/// Let somebody look after a colleague's customers for a while; both see and write them, and it ends by itself
#[utoipa::path(post, path = "/covers", tag = "covers", request_body = CoverBody,
    responses((status = 200, body = CoverShape),
        (status = 409, description = "`target_not_active`; `conflict`: he stands in for this person already"),
        (status = 422, description = "`cover_by_self`"), Problems))]
pub(in crate::http) async fn create(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Body(body): Body<CoverBody>,
) -> Result<Json<CoverShape>, Problem> {
    let order = body.into_order()?;
    let begun = actions::covers::begin(&app, asker(&person), &order).await?;
    shape(&app, person.org, begun).await
}

/// End a cover before its time; one that has ended stays as it is
#[utoipa::path(delete, path = "/covers/{id}", tag = "covers",
    params(("id" = Uuid, Path, description = "The cover")),
    responses((status = 200, body = CoverShape), Problems))]
pub(in crate::http) async fn end(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
) -> Result<Json<CoverShape>, Problem> {
    let ended = actions::covers::end(&app, asker(&person), CoverId(id)).await?;
    shape(&app, person.org, ended).await
}

/// A page of covers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct ListParams {
    /// The `next` of the page before
    after: Option<String>,
    /// Items of a page, 1 to 200; 50 if not said
    limit: Option<u32>,
}

/// List the covers you give, that are of you or by you, the newest first
#[utoipa::path(get, path = "/covers", tag = "covers", params(ListParams),
    responses((status = 200, body = CoverPage), Problems))]
pub(in crate::http) async fn list(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Params(params): Params<ListParams>,
) -> Result<Json<CoverPage>, Problem> {
    let limit = input::page_limit(params.limit)?;
    let before = params.after.as_deref().map(read_place).transpose()?;
    let (items, next) = actions::covers::list_covers(&app.database, person.org, person.user, before, limit).await?;
    Ok(Json(CoverPage {
        items: shapes(&app, person.org, items).await?,
        next: next.map(|(at, id)| input::write_cursor(&[&at.0.to_be_bytes(), id.as_bytes()])),
    }))
}

/// Where a page of the list begins.
pub(in crate::http) fn read_place(cursor: &str) -> Result<(Timestamp, CoverId), ActionError> {
    let bytes = input::read_cursor(cursor)?;
    let (at, id) = bytes.split_first_chunk::<8>().ok_or_else(input::bad_cursor)?;
    let id = Uuid::from_slice(id).map_err(|_| input::bad_cursor())?;
    Ok((Timestamp(i64::from_be_bytes(*at)), CoverId(id)))
}
