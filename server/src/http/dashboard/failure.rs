//! Errors as pages, for whoever asks with a browser: what happened, what to do, and the number to tell somebody.

use askama::Template;
use axum::{
    extract::Request,
    http::{HeaderValue, Method, header},
    response::Response,
};

use super::{
    page::{Frame, show},
    viewer::Visitor,
    words::Words,
};
use crate::{
    actions::Code,
    http::{Problem, problem::Language},
};

/// What is answered by programs, whatever they say they accept.
const PROGRAMS: [&str; 5] = ["/api/", "/v1/", "/healthz", "/readyz", "/metrics"];

/// A request whose errors a person reads.
pub(in crate::http) struct Page {
    visitor: Visitor,
    reads: bool,
}

impl Page {
    /// The page behind a request; none for a program's.
    pub(in crate::http) fn of(request: &Request) -> Option<Self> {
        let path = request.uri().path();
        let accepts = request
            .headers()
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.contains("text/html"));
        if !accepts || PROGRAMS.iter().any(|prefix| path.starts_with(prefix)) {
            return None;
        }
        Some(Self {
            visitor: Visitor {
                words: Words(Language::of_request(request.headers())),
                here: request
                    .uri()
                    .path_and_query()
                    .map_or("/", |here| here.as_str())
                    .to_owned(),
                gzip: false,
                scripted: request.headers().contains_key("hx-request"),
            },
            reads: request.method() == Method::GET,
        })
    }

    /// The page that says what went wrong.
    pub(in crate::http) fn show(&self, problem: &Problem, request_id: &str) -> Response {
        let (title, advice) = problem.words(self.visitor.words.0);
        let advice = match problem.code() {
            Code::UnknownRoute => self.visitor.words.say("no-such-page"),
            _ => advice.to_owned(),
        };
        let refusal = problem.refusal();
        let roles = refusal.extra.get("roles").and_then(|roles| roles.as_array());
        let who = roles.into_iter().flatten().filter_map(|role| role.as_str());
        let who: Vec<String> = who.map(|role| self.visitor.words.of("role-", role)).collect();
        let template = Failure {
            frame: Frame::open(&self.visitor, title.to_owned()),
            advice,
            reason: refusal.reason.clone().unwrap_or_default(),
            who: who.join(if self.visitor.words.is_chinese() { "、" } else { ", " }),
            code: problem.code().as_str(),
            request_id: request_id.to_owned(),
            again: self.reads && !matches!(problem.code(), Code::NotFound | Code::UnknownRoute | Code::NotPermitted),
        };
        let mut response = match show(&self.visitor, &template) {
            Ok(response) => response,
            Err(_) => return problem.render(self.visitor.words.0, Some(request_id)),
        };
        *response.status_mut() = problem.status();
        if let Some(seconds) = refusal.retry_after_s {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Failure {
    frame: Frame,
    advice: String,
    reason: String,
    who: String,
    code: &'static str,
    request_id: String,
    again: bool,
}
