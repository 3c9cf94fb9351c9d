//! Signing in: by password, by a link that works once; signing out; the choice of language.

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{
    cookies::{self, Way},
    page::{Frame, show},
    viewer::{Fields, OpenPosted, Posted, Visitor, go_to},
};
use crate::{
    actions::{
        self, ActionError, Code,
        organisation::has_organisation,
        sign_in::SignedIn,
        sign_in_links::{find_sign_in_link, sign_in_by_link},
    },
    app::App,
    auth,
    http::{Problem, extract::Peer},
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/sign-in", get(ask).post(sign_in))
        .route("/sign-in/link/{token}", get(ask_link).post(use_link))
        .route("/sign-out", post(sign_out))
        .route("/language", post(choose_language))
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    login: String,
    next: String,
    refusal: Option<String>,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    frame: Frame,
    /// Whose link it is; none: it no longer works.
    name: Option<String>,
}

async fn ask(State(app): State<App>, visitor: Visitor, headers: HeaderMap) -> Result<Response, Problem> {
    let query = query_of(&visitor);
    let next = safe_next(query.raw("next"));
    if let Some(token) = cookies::session(&headers)
        && auth::find_person(&app, token).await.is_ok()
    {
        return Ok(go_to(&next, visitor.scripted));
    }
    if !has_organisation(&app).await? {
        return Ok(go_to("/setup", visitor.scripted));
    }
    let page = SignInPage {
        frame: Frame::open(&visitor, visitor.words.say("sign-in-title")),
        login: String::new(),
        next,
        refusal: None,
    };
    show(&visitor, &page)
}

async fn sign_in(State(app): State<App>, Peer(address): Peer, form: OpenPosted) -> Result<Response, Problem> {
    let OpenPosted { visitor, way, fields } = form;
    let login = fields.get("login").unwrap_or_default();
    let next = safe_next(fields.raw("next"));
    check_way(way)?;
    let password = fields.raw("password").unwrap_or_default();
    match actions::sign_in::sign_in(&app, login, password, address).await {
        Ok(session) => Ok(begin(way, &session, &next)),
        Err(error) => {
            let problem = Problem::from(error);
            // What the person can correct is said beside the form; the rest is an error like any other.
            let correctable = matches!(
                problem.code(),
                Code::WrongCredentials | Code::TooManyAttempts | Code::AccountNotActive
            );
            if !correctable {
                return Err(problem);
            }
            let minutes = problem.refusal().retry_after_s.map(|seconds| seconds.div_ceil(60));
            let refusal = match minutes {
                Some(minutes) => visitor
                    .words
                    .count("sign-in-wait", i64::try_from(minutes).unwrap_or(i64::MAX)),
                None => {
                    let (title, advice) = problem.words(visitor.words.0);
                    visitor.words.join(title, advice)
                }
            };
            let page = SignInPage {
                frame: Frame::open(&visitor, visitor.words.say("sign-in-title")),
                login: login.to_owned(),
                next,
                refusal: Some(refusal),
            };
            let mut response = show(&visitor, &page)?;
            *response.status_mut() = problem.status();
            Ok(response)
        }
    }
}

async fn ask_link(State(app): State<App>, Path(token): Path<String>, visitor: Visitor) -> Result<Response, Problem> {
    let found = match find_sign_in_link(&app, &token).await {
        Ok(account) => Some(account.name),
        Err(error) if error.code() == Some(Code::LinkExpired) => None,
        Err(error) => return Err(error.into()),
    };
    link_page(&visitor, found)
}

// The link is used up by pressing the button, not by opening the page: programs open links to show a preview of them.
async fn use_link(State(app): State<App>, Path(token): Path<String>, form: OpenPosted) -> Result<Response, Problem> {
    check_way(form.way)?;
    match sign_in_by_link(&app, &token).await {
        Ok(session) => Ok(begin(form.way, &session, "/customers")),
        Err(error) if error.code() == Some(Code::LinkExpired) => link_page(&form.visitor, None),
        Err(error) => Err(error.into()),
    }
}

fn link_page(visitor: &Visitor, name: Option<String>) -> Result<Response, Problem> {
    let works = name.is_some();
    let title = if works {
        visitor.words.say("sign-in-title")
    } else {
        visitor.words.say("link-over-title")
    };
    let page = LinkPage {
        frame: Frame::open(visitor, title),
        name,
    };
    let mut response = show(visitor, &page)?;
    if !works {
        *response.status_mut() = StatusCode::GONE;
    }
    Ok(response)
}

async fn sign_out(State(app): State<App>, form: Posted) -> Result<Response, Problem> {
    actions::sign_in::sign_out(&app, &form.viewer.person).await?;
    let mut response = go_to("/sign-in", form.viewer.visitor.scripted);
    for cookie in cookies::clear_session() {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn choose_language(form: OpenPosted) -> Response {
    let tag = match form.fields.get("language") {
        Some("zh-CN") => "zh-CN",
        _ => "en",
    };
    let next = safe_next(form.fields.raw("next"));
    let cookie = cookies::set_language(tag);
    ([(header::SET_COOKIE, cookie)], go_to(&next, false)).into_response()
}

/// Over a network in the clear nobody signs in.
pub(super) fn check_way(way: Way) -> Result<(), Problem> {
    match way {
        Way::Secure | Way::Local => Ok(()),
        Way::Plain => Err(ActionError::refused(Code::PlainConnection).into()),
    }
}

/// Begins a session in the browser and shows it a page.
pub(super) fn begin(way: Way, session: &SignedIn, next: &str) -> Response {
    let cookie = cookies::set_session(way, &session.token);
    ([(header::SET_COOKIE, cookie)], go_to(next, false)).into_response()
}

fn query_of(visitor: &Visitor) -> Fields {
    let query = visitor.here.split_once('?').map_or("", |(_, query)| query);
    Fields::parse(query.as_bytes())
}

/// A page of this server to go on to. Anything else, such as another site's address, becomes the list.
fn safe_next(next: Option<&str>) -> String {
    let ours = |next: &&str| {
        // Browsers drop tabs and line ends from an address before they read it.
        let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        plain && next.starts_with('/') && !next.starts_with("//")
    };
    next.filter(ours).unwrap_or("/customers").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site_after_signing_in() {
        for foreign in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "",
            "a",
        ] {
            assert_eq!(safe_next(Some(foreign)), "/customers", "{foreign}");
        }
        assert_eq!(safe_next(Some("/devices?a=b")), "/devices?a=b");
        assert_eq!(safe_next(None), "/customers");
    }
}
