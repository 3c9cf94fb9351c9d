//! What all pages have in common: the frame around them and the headers they are sent with.

use askama::Template;
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use flate2::Compression;

use super::{
    assets::{self, gzip},
    viewer::{Viewer, Visitor},
    words::Words,
};
use crate::{actions::ActionError, http::Problem};

/// Own scripts and styles only, nobody frames a page, and forms go nowhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// Below this size compressing costs more than it saves.
const COMPRESSED_FROM_BYTES: usize = 1_024;

/// What stands around every page.
pub(super) struct Frame {
    /// Its language.
    pub words: Words,
    /// What it is called.
    pub title: String,
    /// Which entry of the navigation it belongs to.
    pub tab: &'static str,
    /// Who is signed in: name and role.
    pub person: Option<(String, String)>,
    /// For its forms; empty if nobody is signed in.
    pub csrf: String,
    /// Its address.
    pub here: String,
    /// It may be asked for again by its address at any time.
    pub live: bool,
    /// Where the organisation's log ended before the page was read.
    pub seen: i64,
}

impl Frame {
    /// Around a page for somebody who need not be signed in.
    pub(super) fn open(visitor: &Visitor, title: String) -> Self {
        Self {
            words: visitor.words,
            title,
            tab: "",
            person: None,
            csrf: String::new(),
            here: visitor.here.clone(),
            live: false,
            seen: 0,
        }
    }

    /// Around a page of a person.
    pub(super) fn of(viewer: &Viewer, title: String, tab: &'static str) -> Self {
        let role = viewer.words().of("role-", viewer.person.role.name());
        Self {
            person: Some((viewer.person.name.clone(), role)),
            csrf: viewer.csrf(),
            tab,
            live: true,
            seen: viewer.seen,
            ..Self::open(&viewer.visitor, title)
        }
    }

    /// The same around the answer to a form, which has no address of its own.
    #[must_use]
    pub(super) fn still(mut self) -> Self {
        self.live = false;
        self
    }

    /// Where an asset is.
    pub(super) fn asset(&self, name: &str) -> &'static str {
        assets::path_of(name)
    }

    /// `page` for the entry of the navigation that the page belongs to.
    pub(super) fn current(&self, tab: &str) -> &'static str {
        if self.tab == tab { "page" } else { "false" }
    }
}

/// Sends a page.
pub(super) fn show(visitor: &Visitor, template: &impl Template) -> Result<Response, Problem> {
    let html = template
        .render()
        .map_err(|error| ActionError::Internal(format!("a page cannot be rendered: {error}")))?;
    let compressed = visitor.gzip && html.len() >= COMPRESSED_FROM_BYTES;
    let mut response = if compressed {
        gzip(html.as_bytes(), Compression::fast()).into_response()
    } else {
        html.into_response()
    };
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::REFERRER_POLICY, "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    set(header::VARY, "accept-encoding, accept-language, cookie");
    if compressed {
        set(header::CONTENT_ENCODING, "gzip");
    }
    Ok(response)
}
