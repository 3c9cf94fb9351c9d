//! Phones: whose, when they were last heard, what they said is waiting; taking a lost one's right away.

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use sync_core::{ids::DeviceId, time::Timestamp};
use uuid::Uuid;

use super::{
    page::{Frame, show},
    text::{Clock, When},
    viewer::{Fields, Posted, Viewer, go_to},
    words::Words,
};
use crate::{
    actions::{
        Code,
        fleet::{ListedDevice, list_devices, revoke_device},
    },
    app::App,
    http::Problem,
    storage::devices::DeviceState,
};

/// Devices on one page: a company of some hundred people is on one.
const ROWS: i64 = 500;
/// A phone not heard of for so long is named as such.
const SILENT_MS: i64 = 24 * 60 * 60 * 1000;
/// A clock further off than this is shown: it makes times of visits doubtful.
const CLOCK_OFF_MS: i64 = 2 * 60 * 1000;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/devices", get(list))
        .route("/devices/{id}/revoke", post(revoke))
}

struct Row {
    id: DeviceId,
    name: String,
    person: String,
    login: String,
    left: Option<String>,
    state: String,
    state_class: &'static str,
    is_active: bool,
    seen: Option<(When, String)>,
    silent: bool,
    pending: i64,
    evictions: i64,
    clock: Option<String>,
    flags: i64,
    version: String,
}

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    frame: Frame,
    notice: Option<String>,
    mine: Vec<Row>,
    others: Vec<Row>,
    active: i64,
    silent: i64,
    pending: i64,
    may_revoke: bool,
    login: String,
    more: bool,
}

async fn list(State(app): State<App>, viewer: Viewer) -> Result<Response, Problem> {
    let words = viewer.words();
    let (org, user) = (viewer.person.org, viewer.person.user);
    let (devices, next) = list_devices(&app.database, org, user, None, ROWS).await?;
    let clock = Clock::new(&viewer.zone, words, app.seam.now());
    let (mut mine, mut others) = (Vec::new(), Vec::new());
    for device in devices {
        let is_mine = device.account.user == user;
        let row = row(device, words, &clock, app.seam.now().0);
        if is_mine { mine.push(row) } else { others.push(row) }
    }
    others.sort_by(|one, other| {
        let key = |row: &Row| (!row.is_active, row.person.clone(), row.name.clone());
        key(one).cmp(&key(other))
    });
    let all = || mine.iter().chain(&others).filter(|row| row.is_active);
    let query = viewer.visitor.here.split_once('?').map_or("", |(_, query)| query);
    let revoked = Fields::parse(query.as_bytes()).get("done") == Some("revoked");
    let page = DevicesPage {
        frame: Frame::of(&viewer, words.say("devices-title"), "devices"),
        notice: revoked.then(|| words.say("device-was-revoked")),
        active: i64::try_from(all().count()).unwrap_or(0),
        silent: i64::try_from(all().filter(|row| row.silent).count()).unwrap_or(0),
        pending: all().map(|row| row.pending).sum(),
        may_revoke: viewer.person.role != sync_core::visibility::Role::Auditor,
        login: viewer.person.login.clone(),
        more: next.is_some(),
        mine,
        others,
    };
    show(&viewer.visitor, &page)
}

/// How many of the phones that somebody looks after have not been heard of for a day.
pub(super) async fn count_silent(app: &App, viewer: &Viewer) -> Result<i64, Problem> {
    let (devices, _) = list_devices(&app.database, viewer.person.org, viewer.person.user, None, ROWS).await?;
    let now = app.seam.now().0;
    let silent = devices.iter().filter(|listed| {
        let device = &listed.device;
        device.state == DeviceState::Active && is_silent(device.last_seen_at, now)
    });
    Ok(i64::try_from(silent.count()).unwrap_or(0))
}

fn is_silent(seen: Option<Timestamp>, now: i64) -> bool {
    seen.is_none_or(|seen| now - seen.0 > SILENT_MS)
}

async fn revoke(State(app): State<App>, Path(id): Path<String>, form: Posted) -> Result<Response, Problem> {
    let id = Uuid::parse_str(&id).map_err(|_| Code::NotFound)?;
    let person = &form.viewer.person;
    revoke_device(&app, person.org, person.user, DeviceId(id)).await?;
    Ok(go_to("/devices?done=revoked", form.viewer.visitor.scripted))
}

fn row(listed: ListedDevice, words: Words, clock: &Clock, now: i64) -> Row {
    let ListedDevice {
        device,
        account,
        unconfirmed_evictions,
    } = listed;
    let off = device.clock_offset_ms.filter(|off| off.abs() > CLOCK_OFF_MS);
    let is_active = device.state == DeviceState::Active;
    Row {
        id: device.device,
        left: (account.state != sync_core::visibility::UserState::Active)
            .then(|| words.of("person-", account.state.name())),
        person: account.name,
        login: account.login,
        state: words.of("device-", device.state.name()),
        state_class: if is_active { "state state-good" } else { "state" },
        is_active,
        silent: is_silent(device.last_seen_at, now),
        seen: device.last_seen_at.map(|seen| (clock.at(seen), clock.ago(seen))),
        pending: device.pending,
        evictions: unconfirmed_evictions,
        clock: off.map(|off| {
            let minutes = off / 60_000;
            if minutes > 0 {
                words.count("clock-ahead", minutes)
            } else {
                words.count("clock-behind", -minutes)
            }
        }),
        flags: device.security_flags,
        version: device.app_version,
        name: device.name,
    }
}
