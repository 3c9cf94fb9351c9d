//! Who looks at a page, and what came with a form. Handlers that need a person take a [`Viewer`]; handlers that change
//! something take a [`Posted`], which exists only when the form came from a page of this server and holds the session's
//! token. There is no other way to the fields of a form.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use sync_core::directory::Directory;

use super::{assets::takes_gzip, cookies, cookies::Way, words::Words};
use crate::{
    actions::{
        ActionError, Code,
        directory::{DirectoryContent, read_directory},
        ownership::Asker,
    },
    app::App,
    auth::{self, Person, parse_bytes, to_base64url},
    http::{Problem, problem::Language},
    live::find_head,
    seam::Seam,
};

/// The field of a form that holds the token.
const CSRF_FIELD: &str = "csrf";
const CSRF_BYTES: usize = 32;

/// Somebody who need not be signed in.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// His language.
    pub words: Words,
    /// Path and query of the page.
    pub here: String,
    /// Whether his browser takes gzip.
    pub gzip: bool,
    /// Whether the page's script asks.
    pub scripted: bool,
}

impl Visitor {
    fn of(parts: &Parts) -> Self {
        let here = parts.uri.path_and_query().map_or("/", |here| here.as_str());
        Self {
            words: Words(Language::of_request(&parts.headers)),
            here: here.to_owned(),
            gzip: takes_gzip(&parts.headers),
            scripted: parts.headers.contains_key("hx-request"),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

/// A signed-in person at a page.
#[derive(Clone)]
pub(super) struct Viewer {
    /// What he has in common with those who are not signed in.
    pub visitor: Visitor,
    /// Who.
    pub person: Person,
    /// His time zone: the browser's, else his organisation's.
    pub zone: TimeZone,
    /// Where the log of his organisation ended before anything was read for the page.
    pub seen: i64,
    content: Arc<DirectoryContent>,
    csrf_key: [u8; CSRF_BYTES],
    seam: Seam,
}

impl Viewer {
    /// His language.
    pub(super) fn words(&self) -> Words {
        self.visitor.words
    }

    /// How his organisation calls things.
    pub(super) fn directory(&self) -> &Directory {
        &self.content.directory
    }

    /// A token for the forms of one page. It looks different each time, so that compression tells nothing of it.
    pub(super) fn csrf(&self) -> String {
        let mask = self.seam.random::<CSRF_BYTES>();
        let mut token = mask.to_vec();
        token.extend(mask.iter().zip(&self.csrf_key).map(|(mask, key)| mask ^ key));
        to_base64url(&token)
    }

    /// The same person as actions know him.
    pub(super) fn asker(&self) -> Asker {
        Asker {
            org: self.person.org,
            user: self.person.user,
            device: None,
        }
    }

    fn owns(&self, token: &str) -> bool {
        let Some(bytes) = parse_bytes::<{ 2 * CSRF_BYTES }>(token) else {
            return false;
        };
        let (mask, masked) = bytes.split_at(CSRF_BYTES);
        let differing = mask
            .iter()
            .zip(masked)
            .zip(&self.csrf_key)
            .fold(0, |differing, ((mask, masked), key)| differing | (mask ^ masked ^ key));
        differing == 0
    }
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let visitor = Visitor::of(parts);
        let Some(token) = cookies::session(&parts.headers) else {
            return Err(to_sign_in(parts, &visitor));
        };
        let person = match auth::find_person(app, token).await {
            Ok(person) => person,
            Err(error) if matches!(error.code(), Some(Code::Unauthenticated | Code::Reauthenticate)) => {
                return Err(to_sign_in(parts, &visitor));
            }
            Err(error) => return Err(Problem::from(error).into_response()),
        };
        let seen = find_head(&app.database, person.org)
            .await
            .map_err(|error| Problem::from(ActionError::from(error)).into_response())?;
        let content = read_directory(app, person.org)
            .await
            .map_err(|error| Problem::from(error).into_response())?;
        let zone = cookies::zone(&parts.headers)
            .and_then(|zone| TimeZone::get(&zone).ok())
            .or_else(|| TimeZone::get(&content.directory.timezone).ok())
            .unwrap_or(TimeZone::UTC);
        let csrf_key = Sha256::new()
            .chain_update(b"csrf:")
            .chain_update(token)
            .finalize()
            .into();
        Ok(Self {
            visitor,
            person,
            zone,
            seen,
            content,
            csrf_key,
            seam: app.seam.clone(),
        })
    }
}

// Where somebody is sent who is not signed in; afterwards he is where he wanted to be.
fn to_sign_in(parts: &Parts, visitor: &Visitor) -> Response {
    let path = if parts.method == axum::http::Method::GET && visitor.here != "/" {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("next", &visitor.here)
            .finish();
        format!("/sign-in?{query}")
    } else {
        "/sign-in".to_owned()
    };
    go_to(&path, visitor.scripted)
}

/// Sends the browser to another page, also where its script has asked.
pub(super) fn go_to(path: &str, scripted: bool) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    if scripted {
        return ([("hx-redirect", location)], StatusCode::NO_CONTENT).into_response();
    }
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// The fields of a form, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads fields as they stand in a body or a query.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first value of a field without spaces around it; nothing if it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.raw(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The first value of a field as it was sent.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// All values of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every field.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// A form that a signed-in person has sent from a page of this server.
pub(super) struct Posted {
    /// Who.
    pub viewer: Viewer,
    /// What.
    pub fields: Fields,
}

impl FromRequest<App> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let viewer = Viewer::from_request_parts(&mut parts, app).await?;
        let fields = read_form(&parts.headers, Request::from_parts(parts.clone(), body)).await?;
        let token = fields.raw(CSRF_FIELD).unwrap_or_default();
        if Way::of_form(&parts.headers).is_none() || !viewer.owns(token) {
            return Err(Problem::from(Code::ForeignForm).into_response());
        }
        Ok(Self { viewer, fields })
    }
}

/// A form of somebody who need not be signed in, sent from a page of this server.
pub(super) struct OpenPosted {
    /// Who.
    pub visitor: Visitor,
    /// How his browser reaches the server.
    pub way: Way,
    /// What.
    pub fields: Fields,
}

impl<S: Send + Sync> FromRequest<S> for OpenPosted {
    type Rejection = Response;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let visitor = Visitor::of(&parts);
        let way = Way::of_form(&parts.headers).ok_or_else(|| Problem::from(Code::ForeignForm).into_response())?;
        let fields = read_form(&parts.headers, Request::from_parts(parts.clone(), body)).await?;
        Ok(Self { visitor, way, fields })
    }
}

async fn read_form(headers: &HeaderMap, request: Request) -> Result<Fields, Response> {
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if !is_form {
        let refused = ActionError::refused(Code::UnsupportedMediaType)
            .because("Send the form as application/x-www-form-urlencoded.");
        return Err(Problem::from(refused).into_response());
    }
    let body = Bytes::from_request(request, &())
        .await
        .map_err(IntoResponse::into_response)?;
    Ok(Fields::parse(&body))
}
