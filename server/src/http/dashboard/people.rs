//! People: what each is and whether he works here; a departure begins here and names what is to be handed over.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::{get, post},
};
use sync_core::{
    ids::UserId,
    visibility::{Role, UserState},
};
use uuid::Uuid;

use super::{
    page::{Frame, show},
    viewer::{Fields, Posted, Viewer, go_to},
};
use crate::{
    actions::{
        Code,
        fleet::{list_people, set_state},
        handovers::list_leavers,
    },
    app::App,
    http::Problem,
    storage::people::Account,
};

/// People on one page.
const ROWS: usize = 100;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/people", get(list))
        .route("/people/{id}/state", post(change))
}

struct Row {
    id: UserId,
    name: String,
    login: String,
    role: String,
    team: Option<String>,
    state: String,
    works: bool,
    /// How many customers are to be handed over, of somebody who does not work here any more and whose customers the
    /// viewer may assign.
    open: Option<String>,
    /// The states into which the viewer may bring him.
    changes: Vec<Change>,
}

/// A state into which somebody can be brought.
struct Change {
    state: &'static str,
    summary: String,
    sure: String,
    button: String,
    is_danger: bool,
}

/// What was just done.
struct Done {
    said: String,
    /// What is to be handed over now, and where.
    open: Option<(String, UserId)>,
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    frame: Frame,
    done: Option<Done>,
    total: String,
    query: String,
    rows: Vec<Row>,
    is_first: bool,
    more: Option<String>,
}

async fn list(State(app): State<App>, viewer: Viewer) -> Result<Response, Problem> {
    let words = viewer.words();
    let (org, user) = (viewer.person.org, viewer.person.user);
    let query = viewer.visitor.here.split_once('?').map_or("", |(_, query)| query);
    let fields = Fields::parse(query.as_bytes());
    let accounts = list_people(&app.database, org, user).await?;
    let leavers = list_leavers(&app.database, org, user).await?;
    let held: BTreeMap<UserId, i64> = leavers.iter().map(|leaver| (leaver.user, leaver.customers)).collect();
    let who = fields.get("who").and_then(|id| Uuid::parse_str(id).ok()).map(UserId);
    let done = who.and_then(|who| {
        let account = accounts.iter().find(|account| account.user == who)?;
        fields.get("done")?;
        let open = held.get(&who).filter(|_| account.state != UserState::Active);
        Some(Done {
            said: words.with(&["people-now-", account.state.name()].concat(), &account.name),
            open: open.map(|count| (words.count("people-open", count), who)),
        })
    });
    let wanted = fields.get("q").unwrap_or_default().to_lowercase();
    let total = words.count("people-count", accounts.len());
    let after = fields
        .get("after")
        .and_then(|place| place.parse::<usize>().ok())
        .unwrap_or(0);
    let mut found: Vec<Account> = accounts
        .into_iter()
        .filter(|account| {
            [&account.name, &account.login]
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted))
        })
        .collect();
    // Those who are leaving or have left and still own customers come first: something is to be done about them.
    found.sort_by_key(|account| {
        let is_open = account.state != UserState::Active && held.contains_key(&account.user);
        (
            !is_open,
            account.state != UserState::Active,
            account.name.clone(),
            account.user,
        )
    });
    let more = (found.len() > after.saturating_add(ROWS)).then(|| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("q", &wanted)
            .append_pair("after", &(after + ROWS).to_string())
            .finish();
        format!("/people?{query}")
    });
    let page = PeoplePage {
        frame: Frame::of(&viewer, words.say("people-title"), "people"),
        done,
        total,
        query: fields.get("q").unwrap_or_default().to_owned(),
        rows: found
            .into_iter()
            .skip(after)
            .take(ROWS)
            .map(|account| row(&viewer, account, &held))
            .collect(),
        is_first: after == 0,
        more,
    };
    show(&viewer.visitor, &page)
}

fn row(viewer: &Viewer, account: Account, held: &BTreeMap<UserId, i64>) -> Row {
    let words = viewer.words();
    let team = account.team.and_then(|team| {
        let teams = &viewer.directory().teams;
        teams
            .iter()
            .find(|entry| entry.id == team)
            .map(|team| team.name.clone())
    });
    let works = account.state == UserState::Active;
    let open = held.get(&account.user).filter(|_| !works);
    // An administrator does this, and another one for himself.
    let may = viewer.person.role == Role::Admin && viewer.person.user != account.user;
    let changes = UserState::ALL
        .into_iter()
        .filter(|state| may && *state != account.state);
    Row {
        id: account.user,
        role: words.of("role-", account.role.name()),
        team,
        state: words.of("person-", account.state.name()),
        works,
        open: open.map(|count| words.count("people-open", count)),
        changes: changes
            .map(|state| Change {
                state: state.name(),
                summary: words.of("people-to-", state.name()),
                sure: words.of("people-sure-", state.name()),
                button: words.of("people-do-", state.name()),
                is_danger: state != UserState::Active,
            })
            .collect(),
        name: account.name,
        login: account.login,
    }
}

async fn change(State(app): State<App>, Path(id): Path<String>, form: Posted) -> Result<Response, Problem> {
    let id = UserId(Uuid::parse_str(&id).map_err(|_| Code::NotFound)?);
    let state = form.fields.get("state").and_then(|state| state.parse().ok());
    let person = &form.viewer.person;
    set_state(&app, person.org, person.user, id, state.ok_or(Code::InvalidRequest)?).await?;
    let path = format!("/people?done=state&who={id}");
    Ok(go_to(&path, form.viewer.visitor.scripted))
}
