//! `/handovers`: everything that somebody has goes to others, and back.

mod shapes;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::json;
use sync_core::{
    hub::{PlanEntry, Portion, Successor},
    ids::{CustomerId, HandoverId, PoolId, UserId},
    time::Timestamp,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use self::shapes::{HandoverAnswer, HandoverDetail, HandoverPage, Names, UndoAnswer};
use super::{
    Problems,
    input::{self, Id, Params},
    ownership::asker,
};
use crate::{
    actions::{self, ActionError, Code, delivery::record_delivery, handovers::Order},
    app::App,
    http::{
        Problem,
        extract::{Body, SignedIn},
    },
};

/// Shares are kept in thousandths.
const SHARE_UNITS: f64 = 1_000.0;
/// The largest share: percentages fit, and so do numbers of customers.
const SHARE_MAX: f64 = 1_000_000.0;
/// Characters of a region, as of any line of a card.
const REGION_CHARS_MAX: usize = 500;

/// Whose things go to whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct HandoverBody {
    /// The person whose customers are handed over.
    from: Uuid,
    /// Who gets what. Named customers go first, then regions; the rest is dealt by shares.
    #[serde(default)]
    plan: Vec<PlanLine>,
    /// Only say what would move.
    #[serde(default)]
    dry_run: bool,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// A person or a pool, and what it gets: these customers, those of a region, or a share of the rest. Without any of
/// these a share of 1.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PlanLine {
    /// The person; null or absent: a pool.
    to: Option<Uuid>,
    /// The pool; null or absent: a person.
    pool: Option<Uuid>,
    /// These customers.
    customers: Option<Vec<Uuid>>,
    /// The customers whose card says this region.
    region: Option<String>,
    /// A part of all others, in proportion to the shares of the plan.
    share: Option<f64>,
}

impl HandoverBody {
    fn into_order(self) -> Result<Order, ActionError> {
        Ok(Order {
            from: UserId(self.from),
            plan: self.plan.into_iter().map(PlanLine::read).collect::<Result<_, _>>()?,
            reason: input::reason(self.reason)?,
        })
    }
}

impl PlanLine {
    fn read(self) -> Result<PlanEntry, ActionError> {
        let to = match (self.to, self.pool) {
            (Some(user), None) => Successor::Person(UserId(user)),
            (None, Some(pool)) => Successor::Pool(PoolId(pool)),
            (None, None) => {
                return Err(ActionError::refused(Code::PlanEmpty).because("plan: each line names a person or a pool"));
            }
            (Some(_), Some(_)) => return Err(ActionError::invalid("plan: name either a person or a pool in a line")),
        };
        let portion = match (self.customers, self.region, self.share) {
            (None, None, None) => share(1.0)?,
            (Some(customers), None, None) => Portion::Customers(customers.into_iter().map(CustomerId).collect()),
            (None, Some(region), None) if !region.is_empty() && region.chars().count() <= REGION_CHARS_MAX => {
                Portion::Region(region)
            }
            (None, Some(_), None) => {
                return Err(ActionError::invalid(format!(
                    "plan: a region has 1 to {REGION_CHARS_MAX} characters"
                )));
            }
            (None, None, Some(weight)) => share(weight)?,
            _ => {
                return Err(ActionError::invalid(
                    "plan: one of customers, region and share in a line",
                ));
            }
        };
        Ok(PlanEntry { to, portion })
    }
}

/// A share as it was written.
pub(in crate::http) fn share(weight: f64) -> Result<Portion, ActionError> {
    if !(1.0 / SHARE_UNITS..=SHARE_MAX).contains(&weight) {
        return Err(ActionError::invalid(format!(
            "plan: a share is a number from 0.001 to {SHARE_MAX}"
        )));
    }
    // In the range above, so nothing is cut off.
    Ok(Portion::Share((weight * SHARE_UNITS).round() as u32))
}

/// Hand over everything that somebody owns or is responsible for, in one transaction; or say what would move
#[utoipa::path(post, path = "/handovers", tag = "handovers", request_body = HandoverBody,
    responses((status = 200, body = HandoverAnswer),
        (status = 409, description = "`target_not_active`; `nothing_to_hand_over`: he has nothing (any more) that you may hand over"),
        (status = 422, description = "`handover_to_self`; `plan_empty`; `plan_incomplete`, with how many are `unassigned`"),
        Problems))]
pub(in crate::http) async fn create(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Body(body): Body<HandoverBody>,
) -> Result<Json<HandoverAnswer>, Problem> {
    let dry_run = body.dry_run;
    let order = body.into_order()?;
    let report = if dry_run {
        actions::handovers::preview(&app, asker(&person), &order).await?
    } else {
        actions::handovers::hand_over(&app, asker(&person), &order).await?
    };
    let names = Names::of_report(&app, person.org, &report).await?;
    Ok(Json(HandoverAnswer::of(report, &names)))
}

/// Undo a handover within 24 hours: what nobody has moved since goes back, what was done since stays
#[utoipa::path(delete, path = "/handovers/{id}", tag = "handovers",
    params(("id" = Uuid, Path, description = "The handover")),
    responses((status = 200, body = UndoAnswer),
        (status = 409, description = "`undo_expired`; `already_undone`"), Problems))]
pub(in crate::http) async fn undo(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
) -> Result<Json<UndoAnswer>, Problem> {
    let outcome = actions::handovers::undo(&app, asker(&person), HandoverId(id)).await?;
    Ok(Json(UndoAnswer::of(id, outcome)))
}

/// A page of handovers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct ListParams {
    /// The `next` of the page before
    after: Option<String>,
    /// Items of a page, 1 to 200; 50 if not said
    limit: Option<u32>,
}

/// List the handovers you may see, the newest first, and who is leaving and still owns customers
#[utoipa::path(get, path = "/handovers", tag = "handovers", params(ListParams),
    responses((status = 200, body = HandoverPage), Problems))]
pub(in crate::http) async fn list(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Params(params): Params<ListParams>,
) -> Result<Json<HandoverPage>, Problem> {
    let limit = input::page_limit(params.limit)?;
    let before = params.after.as_deref().map(read_place).transpose()?;
    let (org, user) = (person.org, person.user);
    let (items, next) = actions::handovers::list_handovers(&app.database, org, user, before, limit).await?;
    let open = match before {
        None => actions::handovers::list_open(&app.database, org, user).await?,
        Some(_) => Vec::new(),
    };
    let names = Names::of_list(&app, org, &items, &open).await?;
    let next = next.map(|(at, id)| input::write_cursor(&[&at.0.to_be_bytes(), id.as_bytes()]));
    Ok(Json(HandoverPage::of(items, open, next, &names, app.seam.now())))
}

fn read_place(cursor: &str) -> Result<(Timestamp, HandoverId), ActionError> {
    let bytes = input::read_cursor(cursor)?;
    let (at, id) = bytes.split_first_chunk::<8>().ok_or_else(input::bad_cursor)?;
    let id = Uuid::from_slice(id).map_err(|_| input::bad_cursor())?;
    Ok((Timestamp(i64::from_be_bytes(*at)), HandoverId(id)))
}

/// A page of a handover's briefing.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct ShowParams {
    /// Only what this person got
    to: Option<Uuid>,
    /// Only what this pool got
    pool: Option<Uuid>,
    /// The `next` of the page before
    after: Option<String>,
    /// Customers of a page, 1 to 200; 50 if not said
    limit: Option<u32>,
}

/// Read a handover, and what its new owners should know of each customer; a new owner reads his part
#[utoipa::path(get, path = "/handovers/{id}", tag = "handovers",
    params(("id" = Uuid, Path, description = "The handover"), ShowParams),
    responses((status = 200, body = HandoverDetail), Problems))]
pub(in crate::http) async fn show(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Params(params): Params<ShowParams>,
) -> Result<Json<HandoverDetail>, Problem> {
    let limit = input::page_limit(params.limit)?;
    let after = params.after.as_deref().map(read_seq).transpose()?;
    let to = match (params.to, params.pool) {
        (Some(_), Some(_)) => return Err(ActionError::invalid("to, pool: name one of them").into()),
        (Some(user), None) => Some(Successor::Person(UserId(user))),
        (None, pool) => pool.map(|pool| Successor::Pool(PoolId(pool))),
    };
    let (org, user) = (person.org, person.user);
    let shown = actions::handovers::show_handover(&app.database, org, user, HandoverId(id), to, (after, limit)).await?;
    if !shown.briefs.is_empty() {
        let detail = json!({ "customers": shown.briefs.len() });
        record_delivery(&app, org, user, "handover_read", id, detail).await?;
    }
    let names = Names::of_shown(&app, org, &shown).await?;
    Ok(Json(HandoverDetail::of(shown, &names, app.seam.now())))
}

fn read_seq(cursor: &str) -> Result<i64, ActionError> {
    let bytes = input::read_cursor(cursor)?;
    Ok(i64::from_be_bytes(bytes.try_into().map_err(|_| input::bad_cursor())?))
}
