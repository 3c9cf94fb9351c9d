//! The first page of a new server: it makes the organisation and its administrator, once.
//!
//! Until then anybody who reaches the server could take it. So the page asks for a word that only the server's log
//! and terminal show; afterwards the page is gone.

use askama::Template;
use axum::{Router, extract::State, response::Response, routing::get};

use super::{
    page::{Frame, show},
    sign_in::{begin, check_way},
    viewer::{Fields, OpenPosted, Visitor},
};
use crate::{
    actions::{
        Code,
        first_run::{FirstRun, set_up},
        organisation::has_organisation,
    },
    app::App,
    auth::{PASSWORD_CHARS_MIN, check_setup_token},
    http::Problem,
};

/// Zones that are offered; any other name may be typed.
const ZONES: [&str; 8] = [
    "Asia/Shanghai",
    "Asia/Hong_Kong",
    "Asia/Taipei",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
];

pub(super) fn routes() -> Router<App> {
    Router::new().route("/setup", get(ask).post(make))
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    frame: Frame,
    refusal: Option<String>,
    knows: bool,
    token: String,
    organisation: String,
    timezone: String,
    name: String,
    login: String,
    zones: [&'static str; 8],
    password_min: usize,
}

async fn ask(State(app): State<App>, visitor: Visitor) -> Result<Response, Problem> {
    gone_once_set_up(&app).await?;
    let query = visitor.here.split_once('?').map_or("", |(_, query)| query);
    let fields = Fields::parse(query.as_bytes());
    show(&visitor, &page(&app, &visitor, &fields, None))
}

async fn make(State(app): State<App>, form: OpenPosted) -> Result<Response, Problem> {
    let OpenPosted { visitor, way, fields } = form;
    gone_once_set_up(&app).await?;
    check_way(way)?;
    let words = visitor.words;
    let refusal = match first_refusal(&app, &visitor, &fields) {
        Some(refusal) => refusal,
        None => {
            let text = |name| fields.get(name).unwrap_or_default();
            let first = FirstRun {
                token: text("token"),
                organisation: text("organisation"),
                timezone: text("timezone"),
                name: text("name"),
                login: text("login"),
                password: fields.raw("password").unwrap_or_default(),
            };
            match set_up(&app, &first).await {
                Ok((_, _, session)) => return Ok(begin(way, &session, "/customers")),
                Err(error) if error.code() == Some(Code::InvalidRequest) => words.say("setup-check"),
                Err(error) => return Err(error.into()),
            }
        }
    };
    let mut response = show(&visitor, &page(&app, &visitor, &fields, Some(refusal)))?;
    *response.status_mut() = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

fn first_refusal(app: &App, visitor: &Visitor, fields: &Fields) -> Option<String> {
    let words = visitor.words;
    if !check_setup_token(&app.keys, fields.get("token").unwrap_or_default()) {
        return Some(words.say("setup-token-wrong"));
    }
    for name in ["organisation", "name", "login"] {
        if fields.get(name).is_none() {
            return Some(words.say("setup-check"));
        }
    }
    if fields
        .get("login")
        .is_some_and(|login| login.chars().any(char::is_whitespace))
    {
        return Some(words.say("setup-login-wrong"));
    }
    if jiff::tz::TimeZone::get(fields.get("timezone").unwrap_or_default()).is_err() {
        return Some(words.say("setup-zone-wrong"));
    }
    let (one, two) = (fields.raw("password"), fields.raw("password-again"));
    let chars = one.unwrap_or_default().chars().count();
    if chars < PASSWORD_CHARS_MIN {
        return Some(words.count("setup-password-short", PASSWORD_CHARS_MIN));
    }
    (one != two).then(|| words.say("setup-passwords-differ"))
}

fn page(app: &App, visitor: &Visitor, fields: &Fields, refusal: Option<String>) -> SetupPage {
    let text = |name: &str| fields.get(name).unwrap_or_default().to_owned();
    let token = text("token");
    SetupPage {
        frame: Frame::open(visitor, visitor.words.say("setup-title")),
        refusal,
        knows: check_setup_token(&app.keys, &token),
        token,
        organisation: text("organisation"),
        timezone: fields.get("timezone").unwrap_or(ZONES[0]).to_owned(),
        name: text("name"),
        login: text("login"),
        zones: ZONES,
        password_min: PASSWORD_CHARS_MIN,
    }
}

async fn gone_once_set_up(app: &App) -> Result<(), Problem> {
    if has_organisation(app).await? {
        return Err(Code::UnknownRoute.into());
    }
    Ok(())
}
