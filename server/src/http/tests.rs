//! What every request passes, in process.

mod connections;
mod pages;
mod phones;
mod sign_in;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    response::Response,
    routing::{get, post},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::{extract, layers, router};
use crate::{
    actions::{ActionError, Code},
    app::App,
    http::Problem,
    testing,
};

async fn body(response: Response) -> Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

fn request(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// Routes that misbehave, inside the real layers.
fn misbehaving(app: &App) -> Router {
    Router::new()
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("the handler stumbles over Li Wei")
                }
            }),
        )
        .route(
            "/v1/panic",
            get(|| async {
                if true {
                    panic!("again")
                }
            }),
        )
        .route("/fine", get(|| async { "fine" }))
        .route(
            "/claimed",
            get(|| async { Problem::from(ActionError::refused(Code::AlreadyClaimed).with("owner", "Wang")) }),
        )
        .route("/json", post(|_: extract::Body<Vec<u8>>| async { "fine" }))
        .route("/forever", get(std::future::pending::<()>))
        .layer(axum::middleware::from_fn_with_state(app.clone(), layers::each_request))
}

#[tokio::test]
async fn health_and_readiness_answer_on_both_databases() {
    for test in testing::apps().await {
        let app = router(test.app.clone());
        let response = app.clone().oneshot(request("/healthz")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let response = app.clone().oneshot(request("/readyz")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(body(response).await["database"], test.name);
        let response = app.oneshot(request("/metrics")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn readiness_is_lost_when_the_database_is() {
    for test in testing::apps().await {
        let app = router(test.app.clone());
        test.app.database.clone().close().await;
        let response = app.clone().oneshot(request("/readyz")).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let response = app.oneshot(request("/healthz")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn an_unknown_route_is_a_problem_in_the_callers_language() {
    let test = testing::sqlite_app().await;
    let app = router(test.app);
    let response = app.clone().oneshot(request("/nowhere")).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let english = body(response).await;
    assert_eq!(english["code"], "unknown_route");
    assert_eq!(english["request_id"], request_id);
    assert_eq!(english["status"], 404);

    let mut chinese = request("/nowhere");
    chinese
        .headers_mut()
        .insert("accept-language", "zh-CN,zh;q=0.9".parse().unwrap());
    let chinese = body(app.clone().oneshot(chinese).await.unwrap()).await;
    assert_eq!(chinese["code"], "unknown_route");
    assert_eq!(chinese["title"], "地址不存在");

    let post = Request::post("/healthz").body(Body::empty()).unwrap();
    let response = app.oneshot(post).await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.headers()["allow"].to_str().unwrap().contains("GET"));
    assert_eq!(body(response).await["code"], "method_not_allowed");
}

#[tokio::test]
async fn t115_a_panicking_handler_is_a_500_for_that_request_only() {
    for test in testing::apps().await {
        let app = misbehaving(&test.app);
        let response = app.clone().oneshot(request("/panic")).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let problem = body(response).await;
        assert_eq!(problem["code"], "internal");
        assert!(!problem.to_string().contains("Li Wei"), "{problem}");
        let response = app.clone().oneshot(request("/v1/panic")).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(response.headers().contains_key("x-request-id"));
        let response = app.oneshot(request("/fine")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let response = router(test.app).oneshot(request("/readyz")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_refusal_carries_what_its_action_added() {
    let test = testing::sqlite_app().await;
    let response = misbehaving(&test.app).oneshot(request("/claimed")).await.unwrap();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    let problem = body(response).await;
    assert_eq!(problem["code"], "already_claimed");
    assert_eq!(problem["owner"], "Wang");
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_large_is_refused_with_its_code() {
    let test = testing::sqlite_app().await;
    let app = misbehaving(&test.app);
    let post = |kind: &str, body: &str| {
        Request::post("/json")
            .header("content-type", kind)
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    for (request, code) in [
        (post("application/json", "{"), "invalid_request"),
        (post("application/json", "{\"a\":1}"), "invalid_request"),
        (post("text/plain", "[]"), "unsupported_media_type"),
    ] {
        let problem = body(app.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(problem["code"], code);
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
    let mut huge = post("application/json", "[]");
    huge.headers_mut().insert("content-length", "4194305".parse().unwrap());
    let response = app.oneshot(huge).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(body(response).await["code"], "too_large");
}

#[tokio::test]
async fn a_handler_that_never_ends_is_given_up_after_the_time_limit() {
    let mut test = testing::sqlite_app().await;
    let mut config = (*test.app.config).clone();
    config.limits.request_timeout = std::time::Duration::from_millis(20);
    test.app.config = std::sync::Arc::new(config);
    let response = misbehaving(&test.app).oneshot(request("/forever")).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(body(response).await["code"], "timed_out");
}

#[tokio::test]
async fn answers_to_phones_carry_no_header_without_need() {
    let test = testing::sqlite_app().await;
    let app = Router::new()
        .route("/v1/fine", get(|| async { StatusCode::NO_CONTENT }))
        .layer(axum::middleware::from_fn_with_state(
            test.app.clone(),
            layers::each_request,
        ));
    let response = app.oneshot(request("/v1/fine")).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    // The connection leaves the length of a 204 away.
    let headers = response
        .headers()
        .keys()
        .filter(|name| *name != "content-length")
        .count();
    assert_eq!(headers, 0, "{:?}", response.headers());
}
