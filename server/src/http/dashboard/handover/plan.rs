//! The plan: what somebody has, who takes over, and a look at what would move before it does.

use askama::Template;
use axum::{extract::State, response::Response};
use sha2::{Digest, Sha256};
use sync_core::{
    hub::{PlanEntry, Portion, Successor},
    ids::UserId,
};
use uuid::Uuid;

use super::{Figure, figures, name_of, name_of_successor};
use crate::{
    actions::{
        ActionError, Code,
        assignment::{To, list_candidates},
        fleet::ListedDevice,
        handovers::{Order, Report, find_holdings, hand_over},
    },
    app::App,
    http::{
        Problem,
        api::handovers::share,
        dashboard::{
            assign::{Group, groups, read_target},
            page::{Frame, show},
            text::{Clock, When},
            viewer::{Fields, Posted, Viewer, go_to},
        },
    },
};

/// People or pools that a form has room for; programs have no such bound.
const SHARES: usize = 6;
/// Of these, shown before one asks for more.
const SHARES_SHOWN: usize = 2;
/// Regions that are listed by themselves: more are dealt by shares.
const REGIONS: usize = 40;
/// Characters of a reason.
const REASON_CHARS_MAX: usize = 500;

struct Share {
    number: usize,
    to: String,
    share: String,
}

struct Region {
    number: usize,
    name: String,
    count: u64,
    to: String,
}

#[derive(Template)]
#[template(path = "handover_plan.html")]
struct PlanPage {
    frame: Frame,
    refusal: Option<String>,
    from: UserId,
    heading: String,
    figures: Vec<Figure>,
    not_permitted: u64,
    nothing: bool,
    shares: Vec<Share>,
    more_shares: Vec<Share>,
    shares_open: bool,
    regions: Vec<Region>,
    regions_open: bool,
    groups: Vec<Group>,
    reason: String,
}

/// What somebody has, with the form of the plan as it was last filled in.
pub(super) async fn plan_page(
    app: &App,
    viewer: &Viewer,
    from: UserId,
    fields: &Fields,
    refusal: Option<String>,
) -> Result<Response, Problem> {
    let words = viewer.words();
    let holdings = find_holdings(app, viewer.asker(), from).await?;
    let mut candidates = list_candidates(&app.database, viewer.person.org, viewer.person.user).await?;
    candidates.retain(|candidate| candidate.user != from);
    let field = |name: String| fields.get(&name).unwrap_or_default().to_owned();
    let share = |number: usize| Share {
        number,
        to: field(format!("to-{number}")),
        share: Some(field(format!("share-{number}")))
            .filter(|share| !share.is_empty())
            .unwrap_or_else(|| "1".to_owned()),
    };
    let more_shares: Vec<Share> = (SHARES_SHOWN..SHARES).map(share).collect();
    let regions: Vec<Region> = holdings
        .regions
        .into_iter()
        .filter_map(|(region, count)| Some((region?, count)))
        .take(REGIONS)
        .enumerate()
        .map(|(number, (name, count))| Region {
            number,
            to: field(format!("region-to-{number}")),
            name,
            count,
        })
        .collect();
    let page = PlanPage {
        frame: Frame::of(viewer, words.say("handover-title"), "handover").still(),
        refusal,
        from,
        heading: words.with("handover-heading", name_of(viewer, from)),
        nothing: holdings.counts.customers + holdings.counts.responsible_elsewhere == 0,
        figures: figures(words, &holdings.counts),
        not_permitted: holdings.not_permitted,
        shares: (0..SHARES_SHOWN).map(share).collect(),
        shares_open: more_shares.iter().any(|share| !share.to.is_empty()),
        more_shares,
        regions_open: regions.iter().any(|region| !region.to.is_empty()),
        regions,
        groups: groups(viewer, candidates),
        reason: fields.get("reason").unwrap_or_default().to_owned(),
    };
    show(&viewer.visitor, &page)
}

struct Target {
    name: String,
    figures: Vec<Figure>,
}

struct Phone {
    person: String,
    name: String,
    seen: Option<(When, String)>,
    pending: i64,
}

#[derive(Template)]
#[template(path = "handover_preview.html")]
struct PreviewPage {
    frame: Frame,
    notice: Option<String>,
    from: UserId,
    heading: String,
    button: String,
    total: Vec<Figure>,
    targets: Vec<Target>,
    returned: u64,
    not_permitted: u64,
    phones: Vec<Phone>,
    /// The form of the plan, to be sent again.
    plan: Vec<(String, String)>,
    seen: String,
    reason: String,
}

/// Shows what would move.
pub(super) async fn preview(State(app): State<App>, form: Posted) -> Result<Response, Problem> {
    let Posted { viewer, fields } = form;
    let from = read_from(&fields)?;
    let report = match look(&app, &viewer, &fields).await {
        Ok(report) => report,
        Err(error) => return plan_again(&app, &viewer, from, &fields, error).await,
    };
    preview_page(&app, &viewer, &fields, report, None)
}

/// Does what was looked at; if something else would move now, that is looked at first.
pub(super) async fn confirm(State(app): State<App>, form: Posted) -> Result<Response, Problem> {
    let Posted { viewer, fields } = form;
    let from = read_from(&fields)?;
    let looked = match look(&app, &viewer, &fields).await {
        Ok(report) => report,
        Err(error) => return plan_again(&app, &viewer, from, &fields, error).await,
    };
    if fields.get("seen") != Some(seen(&looked).as_str()) {
        let notice = viewer.words().say("handover-changed");
        return preview_page(&app, &viewer, &fields, looked, Some(notice));
    }
    let order = read_order(&fields)?;
    match hand_over(&app, viewer.asker(), &order).await {
        Ok(report) => {
            let id = report
                .id
                .ok_or_else(|| ActionError::Internal("a handover has an id".into()))?;
            Ok(go_to(&format!("/handover/{id}?done=handover"), viewer.visitor.scripted))
        }
        Err(error) => plan_again(&app, &viewer, from, &fields, error).await,
    }
}

async fn look(app: &App, viewer: &Viewer, fields: &Fields) -> Result<Report, ActionError> {
    crate::actions::handovers::preview(app, viewer.asker(), &read_order(fields)?).await
}

/// The form with what is wrong with it; what is no fault of the form is shown by itself.
async fn plan_again(
    app: &App,
    viewer: &Viewer,
    from: UserId,
    fields: &Fields,
    error: ActionError,
) -> Result<Response, Problem> {
    let words = viewer.words();
    let of_the_form = [
        Code::InvalidRequest,
        Code::PlanEmpty,
        Code::PlanIncomplete,
        Code::TargetNotActive,
        Code::HandoverToSelf,
        Code::NothingToHandOver,
    ];
    let unassigned = match &error {
        ActionError::Refused(refusal) => refusal.extra.get("unassigned").and_then(serde_json::Value::as_u64),
        ActionError::Storage(_) | ActionError::Internal(_) => None,
    };
    let problem = Problem::from(error);
    if !of_the_form.contains(&problem.code()) {
        return Err(problem);
    }
    let (title, advice) = problem.words(words.0);
    let mut refusal = words.join(title, advice);
    if let Some(unassigned) = unassigned {
        let left = words.count("handover-unassigned", i64::try_from(unassigned).unwrap_or(i64::MAX));
        refusal = format!("{left} {refusal}");
    }
    plan_page(app, viewer, from, fields, Some(refusal)).await
}

fn preview_page(
    app: &App,
    viewer: &Viewer,
    fields: &Fields,
    report: Report,
    notice: Option<String>,
) -> Result<Response, Problem> {
    let words = viewer.words();
    let clock = Clock::new(&viewer.zone, words, app.seam.now());
    let customers = i64::try_from(report.outcome.counts.customers).unwrap_or(i64::MAX);
    let page = PreviewPage {
        frame: Frame::of(viewer, words.say("handover-title"), "handover").still(),
        notice,
        from: report.from,
        heading: words.with("handover-heading", name_of(viewer, report.from)),
        button: words.count("handover-do", customers),
        total: figures(words, &report.outcome.counts),
        targets: report
            .outcome
            .parts
            .iter()
            .map(|part| Target {
                name: name_of_successor(viewer, part.to),
                figures: figures(words, &part.counts),
            })
            .collect(),
        returned: report.outcome.returned_to_owner,
        not_permitted: report.outcome.skipped.get("not_permitted").copied().unwrap_or(0),
        seen: seen(&report),
        phones: report.devices.into_iter().map(|device| phone(&clock, device)).collect(),
        plan: fields
            .iter()
            .filter(|(key, value)| is_of_plan(key) && !value.is_empty())
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        reason: fields.get("reason").unwrap_or_default().to_owned(),
    };
    show(&viewer.visitor, &page)
}

fn is_of_plan(key: &str) -> bool {
    ["to-", "share-", "region-"].iter().any(|start| key.starts_with(start))
}

fn phone(clock: &Clock, listed: ListedDevice) -> Phone {
    let ListedDevice { device, account, .. } = listed;
    Phone {
        person: account.name,
        name: device.name,
        seen: device.last_seen_at.map(|seen| (clock.at(seen), clock.ago(seen))),
        pending: device.pending,
    }
}

/// What was looked at, for the form to say.
fn seen(report: &Report) -> String {
    let outcome = serde_json::to_vec(&report.outcome).unwrap_or_default();
    hex::encode(Sha256::digest(outcome))
}

fn read_from(fields: &Fields) -> Result<UserId, Code> {
    let from = fields.get("from").and_then(|id| Uuid::parse_str(id).ok());
    from.map(UserId).ok_or(Code::NotFound)
}

/// The plan of the form: regions where somebody was chosen for them, and the rest by shares.
fn read_order(fields: &Fields) -> Result<Order, ActionError> {
    let from = read_from(fields).map_err(ActionError::refused)?;
    let reason = fields.get("reason").unwrap_or_default();
    if reason.chars().count() > REASON_CHARS_MAX || reason.contains('\0') {
        return Err(ActionError::invalid(format!(
            "reason: at most {REASON_CHARS_MAX} characters"
        )));
    }
    let target = |name: String| fields.get(&name).and_then(read_target).map(successor);
    let mut plan = Vec::new();
    for number in 0..SHARES {
        let Some(to) = target(format!("to-{number}")) else {
            continue;
        };
        let weight = fields.get(&format!("share-{number}")).unwrap_or("1");
        let weight: f64 = weight
            .parse()
            .map_err(|_| ActionError::invalid("share: write a number such as 1 or 2.5"))?;
        plan.push(PlanEntry {
            to,
            portion: share(weight)?,
        });
    }
    for number in 0..REGIONS {
        let region = fields.raw(&format!("region-{number}")).unwrap_or_default();
        let Some(to) = target(format!("region-to-{number}")).filter(|_| !region.is_empty()) else {
            continue;
        };
        plan.push(PlanEntry {
            to,
            portion: Portion::Region(region.to_owned()),
        });
    }
    Ok(Order {
        from,
        plan,
        reason: reason.to_owned(),
    })
}

fn successor(to: To) -> Successor {
    match to {
        To::Person(user) => Successor::Person(user),
        To::Pool(pool) => Successor::Pool(pool),
    }
}
