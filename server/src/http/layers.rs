//! What every request passes: time limit, panics caught, errors put into words, measured and logged.
//!
//! One function instead of a tower of layers: a no-op sync costs less than a tenth of a millisecond, and answers under
//! `/v1/` carry no header that they do not need.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use futures::FutureExt;
use tokio::time::Instant;

use super::{Problem, dashboard::Page, problem::Language};
use crate::{
    actions::{ActionError, Code},
    app::App,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A browser that has once been here over TLS does not come back without it for a year. Behind a proxy it is the proxy
/// that knows.
const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// When a phone should try again what took too long.
const TIMED_OUT_RETRY_AFTER_S: u64 = 5;

/// Wraps a request from its header to the beginning of its answer.
pub(super) async fn each_request(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    // The pattern, never the path itself: paths hold ids, queries hold words.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    let language = Language::of(request.headers().get(header::ACCEPT_LANGUAGE));
    let page = Page::of(&request);
    let is_sync = request.uri().path().starts_with("/v1/");

    let response = if content_length(request.headers()) > app.config.limits.body_bytes_max as u64 {
        // Refused before a byte of it is read.
        into_response(Problem::from(Code::TooLarge))
    } else {
        run(&app, request, next).await
    };

    let response = match problem_of(&response) {
        Some(problem) => {
            let request_id = app.seam.uuid().simple().to_string();
            log(&problem, &method, route, &request_id);
            let mut answer = match &page {
                Some(page) => page.show(&problem, &request_id),
                None => problem.render(language, Some(&request_id)),
            };
            keep_headers(&response, &mut answer);
            answer
                .headers_mut()
                .insert(REQUEST_ID, HeaderValue::from_str(&request_id).expect("hex digits"));
            answer
        }
        None => response,
    };
    let mut response = response;
    if !is_sync {
        add_browser_headers(response.headers_mut());
        if app.config.tls.is_some() {
            response
                .headers_mut()
                .insert(header::STRICT_TRANSPORT_SECURITY, ONLY_TLS);
        }
    }
    measure(&method, route, response.status(), began.elapsed());
    response
}

async fn run(app: &App, request: Request, next: Next) -> Response {
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(app.config.limits.request_timeout, handled).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            // Where it happened is in the log already; what it says may be anybody's data.
            into_response(ActionError::Internal("a handler panicked".into()).into())
        }
        Err(_) => into_response(
            ActionError::refused(Code::TimedOut)
                .retry_after(TIMED_OUT_RETRY_AFTER_S)
                .into(),
        ),
    }
}

fn into_response(problem: Problem) -> Response {
    axum::response::IntoResponse::into_response(problem)
}

/// The problem that a response carries. Errors made by the framework (a body that is no JSON, a path that is no id)
/// become ones of ours.
fn problem_of(response: &Response) -> Option<Problem> {
    if let Some(problem) = response.extensions().get::<Problem>() {
        return Some(problem.clone());
    }
    let status = response.status();
    let plain = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|value| value.as_bytes().starts_with(b"text/plain"));
    if !plain || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let code = match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::NotPermitted,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        status if status.is_client_error() => Code::InvalidRequest,
        _ => Code::Internal,
    };
    Some(code.into())
}

fn keep_headers(from: &Response, to: &mut Response) {
    for name in [header::ALLOW, header::RETRY_AFTER, header::CONNECTION] {
        if let Some(value) = from.headers().get(&name) {
            to.headers_mut().insert(name, value.clone());
        }
    }
}

fn add_browser_headers(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A handler that knows better has said so.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

fn content_length(headers: &HeaderMap) -> u64 {
    headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

fn log(problem: &Problem, method: &axum::http::Method, route: &str, request_id: &str) {
    let (code, status) = (problem.code().as_str(), problem.status().as_u16());
    if status == 500 || status == 507 {
        let cause = problem.cause().unwrap_or_default();
        tracing::error!(%method, route, status, code, request_id, cause, "request failed");
    } else {
        tracing::debug!(%method, route, status, code, request_id, "request refused");
    }
}

fn measure(method: &axum::http::Method, route: &str, status: StatusCode, took: std::time::Duration) {
    let labels = [
        ("method", method.as_str().to_owned()),
        ("route", route.to_owned()),
        ("status", status.as_u16().to_string()),
    ];
    metrics::histogram!("http_request_seconds", &labels).record(took.as_secs_f64());
}
