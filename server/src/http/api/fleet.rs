//! `/devices`: the phones of those one looks after.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use sync_core::ids::DeviceId;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Problems,
    input::{self, Id, Params},
    shapes::Person,
};
use crate::{
    actions::{self, ActionError, fleet::ListedDevice},
    app::App,
    auth::drains_until,
    http::{Problem, extract::SignedIn},
    storage::devices::DeviceState,
};

/// A page of devices.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct ListParams {
    /// The `next` of the page before
    after: Option<String>,
    /// Items of a page, 1 to 200; 50 if not said
    limit: Option<u32>,
}

/// A page of devices.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DevicePage {
    items: Vec<DeviceItem>,
    /// Where the list goes on; null at its end.
    next: Option<String>,
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DeviceItem {
    id: Uuid,
    name: String,
    user: Person,
    /// active, revoked or wiped.
    state: &'static str,
    app_version: String,
    enrolled_at: i64,
    /// When it was last heard, to the minute; null: never.
    last_sync: Option<i64>,
    /// How many changes it last said were pending.
    pending: i64,
    /// Orders to drop a customer that it has not confirmed.
    unconfirmed_evictions: i64,
    /// Its clock minus the server's.
    clock_offset_ms: Option<i64>,
    /// Attempts to write as somebody else.
    security_flags: i64,
    /// When it was revoked.
    revoked_at: Option<i64>,
    /// For a device that was revoked or whose user leaves: until when it hands in what it still holds.
    drains_until: Option<i64>,
    /// When it was told to erase everything. Until `wiped_at` says so, nobody knows that it has.
    wipe_ordered_at: Option<i64>,
    /// When it confirmed that all is gone.
    wiped_at: Option<i64>,
}

impl DeviceItem {
    fn of(listed: ListedDevice) -> Self {
        let ListedDevice {
            device,
            account,
            unconfirmed_evictions,
        } = listed;
        let is_revoked = device.state != DeviceState::Active;
        Self {
            id: device.device.0,
            user: Person {
                id: account.user.0,
                login: account.login,
                name: account.name,
            },
            state: device.state.name(),
            app_version: device.app_version,
            enrolled_at: device.enrolled_at.0,
            last_sync: device.last_seen_at.map(|at| at.0),
            pending: device.pending,
            unconfirmed_evictions,
            clock_offset_ms: device.clock_offset_ms,
            security_flags: device.security_flags,
            revoked_at: device.revoked_at.filter(|_| is_revoked).map(|at| at.0),
            drains_until: device.revoked_at.map(|at| drains_until(at).0),
            wipe_ordered_at: device.wipe_ordered_at.map(|at| at.0),
            wiped_at: device.wiped_at.map(|at| at.0),
            name: device.name,
        }
    }
}

/// List the devices of those you look after: everybody's, your teams' or your own
#[utoipa::path(get, path = "/devices", tag = "devices", params(ListParams),
    responses((status = 200, body = DevicePage), Problems))]
pub(in crate::http) async fn list(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Params(params): Params<ListParams>,
) -> Result<Json<DevicePage>, Problem> {
    let limit = input::page_limit(params.limit)?;
    let after = params.after.as_deref().map(read_place).transpose()?;
    let (items, next) = actions::fleet::list_devices(&app.database, person.org, person.user, after, limit).await?;
    Ok(Json(DevicePage {
        items: items.into_iter().map(DeviceItem::of).collect(),
        next: next.map(|device| input::write_cursor(&[device.as_bytes()])),
    }))
}

fn read_place(cursor: &str) -> Result<DeviceId, ActionError> {
    let bytes = input::read_cursor(cursor)?;
    Ok(DeviceId::from_bytes(bytes.try_into().map_err(|_| input::bad_cursor())?))
}

/// Revoke a device: it gets nothing any more, hands in what it still holds, and is told to erase itself
#[utoipa::path(delete, path = "/devices/{id}", tag = "devices",
    params(("id" = Uuid, Path, description = "The device")),
    responses((status = 204, description = "Revoked, now or before"), Problems))]
pub(in crate::http) async fn revoke(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    actions::fleet::revoke_device(&app, person.org, person.user, DeviceId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
