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
        ActionError, Code,
        fleet::{ListedDevice, count_devices, list_devices_of_others, list_own_devices, revoke_device},
    },
    app::App,
    http::{
        Problem,
        api::input::{bad_cursor, read_cursor, write_cursor},
    },
    storage::devices::{DeviceCounts, DeviceState},
};

/// Devices of others on one page: a company of some hundred people is on one.
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
    /// Said of one that was told to erase itself and has not confirmed it.
    unconfirmed: Option<String>,
    wiped: Option<(When, String)>,
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
    is_first: bool,
    more: Option<String>,
}

async fn list(State(app): State<App>, viewer: Viewer) -> Result<Response, Problem> {
    let words = viewer.words();
    let (org, user) = (viewer.person.org, viewer.person.user);
    let query = viewer.visitor.here.split_once('?').map_or("", |(_, query)| query);
    let fields = Fields::parse(query.as_bytes());
    let after = fields.get("after").map(read_place).transpose()?;
    // One's own are read by themselves: however many others have phones, everybody finds and revokes his.
    let mine = list_own_devices(&app.database, org, user, ROWS).await?;
    let (others, next) = list_devices_of_others(&app.database, org, user, after, ROWS).await?;
    let counts = count(&app, &viewer).await?;
    let clock = Clock::new(&viewer.zone, words, app.seam.now());
    let rows = |devices: Vec<ListedDevice>| -> Vec<Row> {
        let now = app.seam.now().0;
        devices
            .into_iter()
            .map(|device| row(device, words, &clock, now))
            .collect()
    };
    let (mine, mut others) = (rows(mine), rows(others));
    others.sort_by(|one, other| {
        let key = |row: &Row| (!row.is_active, row.person.clone(), row.name.clone());
        key(one).cmp(&key(other))
    });
    let revoked = fields.get("done") == Some("revoked");
    let page = DevicesPage {
        frame: Frame::of(&viewer, words.say("devices-title"), "devices"),
        notice: revoked.then(|| words.say("device-was-revoked")),
        active: counts.active,
        silent: counts.silent,
        pending: counts.pending,
        may_revoke: viewer.person.role != sync_core::visibility::Role::Auditor,
        login: viewer.person.login.clone(),
        is_first: after.is_none(),
        more: next.map(|next| format!("/devices?after={}", write_cursor(&[next.as_bytes()]))),
        mine,
        others,
    };
    show(&viewer.visitor, &page)
}

fn read_place(cursor: &str) -> Result<DeviceId, ActionError> {
    let bytes = read_cursor(cursor)?;
    Ok(DeviceId::from_bytes(bytes.try_into().map_err(|_| bad_cursor())?))
}

/// How many of the phones that somebody looks after have not been heard of for a day.
pub(super) async fn count_silent(app: &App, viewer: &Viewer) -> Result<i64, Problem> {
    Ok(count(app, viewer).await?.silent)
}

async fn count(app: &App, viewer: &Viewer) -> Result<DeviceCounts, Problem> {
    let silent_before = Timestamp(app.seam.now().0 - SILENT_MS);
    Ok(count_devices(&app.database, viewer.person.org, viewer.person.user, silent_before).await?)
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
        unconfirmed: device
            .wipe_ordered_at
            .filter(|_| device.state != DeviceState::Wiped)
            .map(|_| words.say("wipe-unconfirmed")),
        wiped: device.wiped_at.map(|at| (clock.at(at), clock.ago(at))),
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
