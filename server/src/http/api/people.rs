//! `/users`: the people of the organisation.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use sync_core::{
    ids::UserId,
    visibility::{UnknownUserState, UserState},
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    Problems,
    input::{self, Id, Params},
    ownership::asker,
};
use crate::{
    actions::{self, ActionError},
    app::App,
    http::{
        Problem,
        extract::{Body, SignedIn},
    },
    storage::people::Account,
};

/// A page of people.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http) struct ListParams {
    /// The `next` of the page before
    after: Option<String>,
    /// Items of a page, 1 to 200; 50 if not said
    limit: Option<u32>,
}

/// A page of people, by login.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PeoplePage {
    items: Vec<UserItem>,
    /// Where the list goes on; null at its end.
    next: Option<String>,
}

/// A person of the organisation.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct UserItem {
    id: Uuid,
    login: String,
    name: String,
    /// rep, manager, back_office, service, admin or auditor.
    role: &'static str,
    team: Option<Uuid>,
    /// active, offboarding or disabled.
    state: &'static str,
}

impl UserItem {
    pub(in crate::http) fn of(account: Account) -> Self {
        Self {
            id: account.user.0,
            role: account.role.name(),
            team: account.team.map(|team| team.0),
            state: account.state.name(),
            login: account.login,
            name: account.name,
        }
    }
}

/// List the people of the organisation
#[utoipa::path(get, path = "/users", tag = "users", params(ListParams),
    responses((status = 200, body = PeoplePage), Problems))]
pub(in crate::http) async fn list(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Params(params): Params<ListParams>,
) -> Result<Json<PeoplePage>, Problem> {
    let limit = usize::try_from(input::page_limit(params.limit)?).unwrap_or(usize::MAX);
    let after = params.after.as_deref().map(input::read_cursor).transpose()?;
    let mut people = actions::fleet::list_people(&app.database, person.org, person.user).await?;
    // Sorted here: databases differ in the order of letters, and the cursor must not.
    people.sort_by(|one, other| one.login.cmp(&other.login));
    people.retain(|account| {
        after
            .as_ref()
            .is_none_or(|after| account.login.as_bytes() > after.as_slice())
    });
    let more = people.len() > limit;
    people.truncate(limit);
    let next = people
        .last()
        .filter(|_| more)
        .map(|last| input::write_cursor(&[last.login.as_bytes()]));
    Ok(Json(PeoplePage {
        items: people.into_iter().map(UserItem::of).collect(),
        next,
    }))
}

/// Whether a person works here.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct StateBody {
    /// active, offboarding or disabled.
    state: String,
}

/// What somebody has who does not work here any more: it is to be handed over (`POST /handovers`).
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct OpenHandover {
    customers: u64,
    /// Documents at other people's customers for which he is responsible.
    responsible_elsewhere: u64,
}

/// A person's state.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct StateAnswer {
    id: Uuid,
    /// active, offboarding or disabled.
    state: &'static str,
    /// What is to be handed over; null: he works here, or nothing is.
    open_handover: Option<OpenHandover>,
}

/// Set whether a person works here. Who does not is signed out at once; his phone may hand in what it holds. The answer
/// names what is to be handed over
#[utoipa::path(put, path = "/users/{id}/state", tag = "users",
    params(("id" = Uuid, Path, description = "The person")), request_body = StateBody,
    responses((status = 200, body = StateAnswer, description = "He is in this state, now or before"), Problems))]
pub(in crate::http) async fn set_state(
    State(app): State<App>,
    SignedIn(person): SignedIn,
    Id(id): Id,
    Body(body): Body<StateBody>,
) -> Result<Json<StateAnswer>, Problem> {
    let state: UserState = body
        .state
        .parse()
        .map_err(|unknown: UnknownUserState| ActionError::invalid(format!("state: {unknown}")))?;
    actions::fleet::set_state(&app, person.org, person.user, UserId(id), state).await?;
    let open = match state {
        UserState::Active => None,
        UserState::Offboarding | UserState::Disabled => {
            // He is in this state now, whether or not it can be told what he holds.
            let holdings = actions::handovers::find_holdings(&app, asker(&person), UserId(id)).await;
            let counts = holdings.ok().map(|holdings| holdings.counts);
            counts.filter(|counts| counts.customers + counts.responsible_elsewhere > 0)
        }
    };
    Ok(Json(StateAnswer {
        id,
        state: state.name(),
        open_handover: open.map(|counts| OpenHandover {
            customers: counts.customers,
            responsible_elsewhere: counts.responsible_elsewhere,
        }),
    }))
}
